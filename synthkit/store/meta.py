"""Facts about a store itself, such as file operations that are part of a transaction."""

from __future__ import annotations

from collections.abc import Iterable

from synthkit.store.database import AMONG, TableGroup, json_list


class MetaTable(TableGroup):
    """Name -> text."""

    def put(self, key: str, value: str) -> None:
        """Store a value; it replaces the one of that name."""
        self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def get(self, key: str) -> str | None:
        """The value of that name; ``None`` if there is none."""
        rows = self._database.rows("SELECT value FROM meta WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def delete(self, key: str) -> None:
        """Delete a value."""
        self._database.execute("DELETE FROM meta WHERE key = ?", (key,))

    def keep(self, keys: Iterable[str]) -> None:
        """Delete all values but these."""
        self._database.execute(f"DELETE FROM meta WHERE key NOT {AMONG}", (json_list(keys),))
