"""Claims over stored scores: each is one JSON document."""

from __future__ import annotations

import time
from collections.abc import Iterable

from synthkit.store.database import AMONG, SqlRow, TableGroup

_INSERT = "INSERT INTO claims (at, body) VALUES (?,?)"


class ClaimTable(TableGroup):
    """The claims of a session, in order. What a body means is up to the caller."""

    def add(self, body: str) -> int:
        """Store a claim, and return its number; one that is stored already keeps its own."""
        with self._database.transaction():
            numbers = {stored: number for number, stored in self.all().items()}
            if body in numbers:
                return numbers[body]
            return self._database.insert(_INSERT, (time.time(), body))

    def all(self) -> dict[int, str]:
        """Number -> body, the oldest first."""
        return dict(self._database.rows("SELECT claim, body FROM claims ORDER BY claim"))

    def keep(self, numbers: Iterable[int]) -> None:
        """Delete all claims but these."""
        self._database.execute(f"DELETE FROM claims WHERE claim NOT {AMONG}", (list(numbers),))

    def merge(self, rows: Iterable[SqlRow]) -> int:
        """Add the claims of another store that are not here, and return how many they are."""
        known = set(self.all().values())
        new = [(at, body) for _, at, body in rows if body not in known]
        self._database.execute_many(_INSERT, new)
        return len(new)
