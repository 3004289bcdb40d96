"""Inputs: what the lines of cells and verbs named, each value as JSON under its name."""

from __future__ import annotations

import time
from collections.abc import Iterable

from synthkit.store.database import AMONG, SqlRow, TableGroup

_INSERT = (
    "INSERT INTO inputs VALUES (?, ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET body = excluded.body, at = excluded.at"
)


class InputTable(TableGroup):
    """Name -> JSON. What it means is up to the caller."""

    def put(self, name: str, body: str) -> None:
        """Store a value; it replaces the one of that name."""
        self._database.execute(_INSERT, (name, body, time.time()))

    def all(self) -> dict[str, str]:
        """The value of each name, sorted by name."""
        return dict(self._database.rows("SELECT name, body FROM inputs ORDER BY name"))

    def keep(self, names: Iterable[str]) -> None:
        """Delete all values but these."""
        self._database.execute(f"DELETE FROM inputs WHERE name NOT {AMONG}", (list(names),))

    def merge(self, rows: Iterable[SqlRow]) -> dict[str, str]:
        """Add the values of another store; returns name there -> name here, of all of them.

        A name that has another value here gets a number: ``demos-2``.
        """
        bodies = self.all()
        names: dict[str, str] = {}
        for name, body, at in rows:
            numbered = (name, *(f"{name}-{n}" for n in range(2, 1000)))
            free = next((each for each in numbered if bodies.get(each) in (None, body)), None)
            if free is None:
                continue
            if free not in bodies:
                self._database.execute(_INSERT, (free, body, at))
            bodies[free] = body
            names[name] = free
        return names
