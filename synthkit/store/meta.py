"""Facts about a store itself, such as file operations that are part of a transaction."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from synthkit.store.database import AMONG, TableGroup

SESSION = "session"
"""The key of the session's id."""

_INSERT = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"


class MetaTable(TableGroup):
    """Name -> text."""

    def put(self, key: str, value: str) -> None:
        """Store a value; it replaces the one of that name."""
        self._database.execute(_INSERT, (key, value))

    def get(self, key: str) -> str | None:
        """The value of that name; ``None`` if there is none."""
        rows = self._database.rows("SELECT value FROM meta WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def increase(self, key: str, by: int) -> None:
        """Increase a value that is a whole number; one that is not stored stays so."""
        if by:
            number = "CAST(CAST(value AS INTEGER) + ? AS TEXT)"
            self._database.execute(f"UPDATE meta SET value = {number} WHERE key = ?", (by, key))

    def identify(self) -> str:
        """The id of this session, 8 hex digits, made at first need; empty if it cannot be stored.

        A session without completions, marks and a named person has none, so that copies of its
        folder are sessions of their own.
        """
        known = self.get(SESSION)
        if known is None and not self._database.read_only:
            values = (SESSION, secrets.token_hex(4))
            self._database.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO NOTHING", values)
            known = self.get(SESSION)
        return known or ""

    def delete(self, key: str) -> None:
        """Delete a value."""
        self._database.execute("DELETE FROM meta WHERE key = ?", (key,))

    def keep(self, keys: Iterable[str]) -> None:
        """Delete all values but these."""
        self._database.execute(f"DELETE FROM meta WHERE key NOT {AMONG}", (list(keys),))
