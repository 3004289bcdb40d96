"""Prompt labs: each is one JSON document under its name."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from synthkit.core.hashing import storable_json
from synthkit.store.database import SqlRow, TableGroup

_INSERT = (
    "INSERT INTO labs VALUES (?, ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET body = excluded.body, at = excluded.at"
)

IMPORTED = "imported"
"""The part of a body that says that the lab came with a bundle and was not trusted yet."""


class LabTable(TableGroup):
    """The prompt labs of a session."""

    def put(self, name: str, body: Mapping[str, Any]) -> None:
        """Store a lab; it replaces the one of that name."""
        text = storable_json(body)
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

        A lab whose name has another body here gets a number: ``tone-2``. A lab that was added is
        noted to be imported in its body.
        """
        stored = self._database.rows("SELECT name, body FROM labs")
        bodies = {name: _own(body) for name, body in stored}
        added: dict[str, str] = {}
        for name, body, at in rows:
            own = _own(body)
            names = (name, *(f"{name}-{n}" for n in range(2, 1000)))
            free = next((each for each in names if bodies.get(each) in (None, own)), None)
            if free is None or free in bodies:
                continue
            text = storable_json(own | {IMPORTED: True})
            self._database.execute(_INSERT, (free, text, at))
            bodies[free] = own
            added[name] = free
        return added


def _own(body: str) -> dict[str, Any]:
    """A body without the note of its import."""
    parts: dict[str, Any] = json.loads(body)
    return {part: value for part, value in parts.items() if part != IMPORTED}
