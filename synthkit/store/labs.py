"""Prompt labs: each is one JSON document under its name."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from synthkit.core.hashing import canonical
from synthkit.store.database import SqlRow, TableGroup

_INSERT = "INSERT OR REPLACE INTO labs VALUES (?,?,?)"


class LabTable(TableGroup):
    """The prompt labs of a session."""

    def put(self, name: str, body: Mapping[str, Any]) -> None:
        """Store a lab; it replaces the one of that name."""
        text = canonical(body).decode("utf-8", "replace")
        self._database.execute(_INSERT, (name, text, time.time()))

    def get(self, name: str) -> dict[str, Any] | None:
        """The lab of that name; ``None`` if there is none."""
        rows = self._database.rows("SELECT body FROM labs WHERE name = ?", (name,))
        return json.loads(rows[0][0]) if rows else None

    def names(self) -> list[str]:
        """The names of the labs, the last one stored at the end."""
        return [name for (name,) in self._database.rows("SELECT name FROM labs ORDER BY at")]

    def clear(self) -> None:
        """Delete all labs."""
        self._database.execute("DELETE FROM labs")

    def merge(self, rows: Iterable[SqlRow]) -> dict[str, str]:
        """Add the labs of another store that are not here; returns name there -> name here.

        A lab whose name has another body here gets a number: ``tone-2``.
        """
        bodies: dict[str, str] = dict(self._database.rows("SELECT name, body FROM labs"))
        added: dict[str, str] = {}
        for name, body, at in rows:
            names = (name, *(f"{name}-{n}" for n in range(2, 1000)))
            free = next((each for each in names if bodies.get(each) in (None, body)), None)
            if free is None or free in bodies:
                continue
            self._database.execute(_INSERT, (free, body, at))
            bodies[free] = body
            added[name] = free
        return added
