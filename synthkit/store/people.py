"""People: whose session is whose, by the names that they gave themselves."""

from __future__ import annotations

from collections.abc import Iterable

from synthkit.store.database import SqlRow, TableGroup

_INSERT = (
    "INSERT INTO people VALUES (?, ?) ON CONFLICT (session) DO UPDATE SET name = excluded.name"
)


class PeopleTable(TableGroup):
    """The id of a session -> the name of its person."""

    def put(self, session_id: str, name: str) -> None:
        """Name the person of a session; it replaces the name given before."""
        self._database.execute(_INSERT, (session_id, name))

    def names(self) -> dict[str, str]:
        """The name of the person of each session that gave one."""
        return dict(self._database.rows("SELECT session, name FROM people ORDER BY session"))

    def merge(self, rows: Iterable[SqlRow]) -> None:
        """Add people of another store; those that are here stay."""
        insert = "INSERT INTO people VALUES (?, ?) ON CONFLICT DO NOTHING"
        self._database.execute_many(insert, rows)
