"""Origins: the keys of the requests that each row is based on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from synthkit.store.database import AMONG, SqlRow, TableGroup
from synthkit.store.ids import KEY_DIGITS, pack, unpack


class OriginTable(TableGroup):
    """Row id -> the keys of its requests, where the id alone does not give them.

    A row that is based on one request has the start of that request's key as its id, and is not
    in this table.
    """

    def add(self, origins: Iterable[tuple[str, Sequence[str]]]) -> None:
        """Store row ids with keys, in the order of the requests; rows that are known stay."""
        self.merge(
            (id, pack(keys)) for id, keys in origins if len(keys) > 1 or not keys[0].startswith(id)
        )

    def keys(self, ids: Iterable[str]) -> list[str]:
        """The keys stored for these rows."""
        packed = self._database.rows(f"SELECT keys FROM origins WHERE row {AMONG}", (list(ids),))
        return [key for (keys,) in packed for key in unpack(keys, KEY_DIGITS)]

    def keys_by_prefix(self, prefix: str) -> list[str]:
        """The keys stored for the rows whose ids start with a prefix, each key once."""
        packed = self._database.rows(
            "SELECT keys FROM origins WHERE row >= ? AND row < ?", (prefix, prefix + "g")
        )
        return list(dict.fromkeys(key for (keys,) in packed for key in unpack(keys, KEY_DIGITS)))

    def keep(self, ids: Iterable[str]) -> None:
        """Delete all rows but these."""
        self._database.execute(f"DELETE FROM origins WHERE row NOT {AMONG}", (list(ids),))

    def merge(self, rows: Iterable[SqlRow]) -> None:
        """Add rows of another store; those that are here stay."""
        self._database.execute_many("INSERT INTO origins VALUES (?,?) ON CONFLICT DO NOTHING", rows)
