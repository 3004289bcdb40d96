"""Curations with the verdict on each row, and learned filters."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from synthkit.core.hashing import canonical
from synthkit.store.database import AMONG, SqlRow, TableGroup

VERDICT_COLUMNS = ("id", "curation", "name", "verdict", "filter", "why", "at")
FILTER_COLUMNS = ("name", "version", "at")
_INSERT = "INSERT INTO curations (name, at, funnel) VALUES (?,?,?)"
_INSERT_VERDICT = "INSERT INTO verdicts VALUES (?,?,?,?)"
_INSERT_FILTER = (
    "INSERT INTO filters SELECT ?, coalesce(max(version), 0) + 1, ?, ? FROM filters WHERE name = ?"
)


class CurationTable(TableGroup):
    """The curations of a session, in order, with a verdict for each of their rows."""

    def add(
        self, name: str, funnel: Sequence[Any], verdicts: Iterable[tuple[str, str, str]]
    ) -> int:
        """Record a curation of a table, and return its number.

        Parameters
        ----------
        funnel : ``[filter, rows, kept, {reason: count}]`` of each filter.
        verdicts : (row id, filter, reason); the reason is empty if the row was kept.
        """
        values = (name, time.time(), json.dumps(funnel, ensure_ascii=False))
        with self._database.transaction():
            number = self._database.insert(_INSERT, values)
            self._database.execute_many(
                _INSERT_VERDICT,
                (
                    (id, number, filter, why.encode("utf-8", "replace").decode())
                    for id, filter, why in verdicts
                ),
            )
        return number

    def verdicts(self, ids: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """The verdicts on some rows, or on all, the oldest first: :data:`VERDICT_COLUMNS`."""
        query = (
            "SELECT v.row, v.curation, c.name, CASE v.why WHEN '' THEN 'kept' ELSE 'dropped' END, "
            "v.filter, v.why, c.at FROM verdicts AS v JOIN curations AS c USING (curation)"
        )
        if ids is not None:
            query += f" WHERE v.row {AMONG}"
        parameters = () if ids is None else (list(ids),)
        rows = self._database.rows(f"{query} ORDER BY v.curation, v.rowid", parameters)
        return [dict(zip(VERDICT_COLUMNS, row, strict=True)) for row in rows]

    def keep(self, ids: Iterable[str]) -> None:
        """Delete all verdicts but those on these rows, and curations without verdicts."""
        self._database.execute(f"DELETE FROM verdicts WHERE row NOT {AMONG}", (list(ids),))
        used = "SELECT curation FROM verdicts"
        self._database.execute(f"DELETE FROM curations WHERE curation NOT IN ({used})")

    def merge(self, curations: Iterable[SqlRow], verdicts: Iterable[SqlRow]) -> int:
        """Add the curations of another store that are not here, and return how many they are."""
        known = set(self._database.rows("SELECT name, at, funnel FROM curations"))
        verdicts_of: defaultdict[int, list[SqlRow]] = defaultdict(list)
        for id, number, filter, why in verdicts:
            verdicts_of[number].append((id, filter, why))
        added = 0
        for number, *values in curations:
            if tuple(values) in known:
                continue
            new = self._database.insert(_INSERT, values)
            rows = ((id, new, filter, why) for id, filter, why in verdicts_of[number])
            self._database.execute_many(_INSERT_VERDICT, rows)
            added += 1
        return added


class FilterTable(TableGroup):
    """The learned filters of a session, each with versions 1, 2, ..."""

    def add(self, name: str, body: Mapping[str, Any]) -> int:
        """Store a filter as the next version of its name, and return the version.

        If the body is that of the latest version, nothing is added.
        """
        text = canonical(dict(body)).decode("utf-8", "replace")
        query = "SELECT version, body FROM filters WHERE name = ? ORDER BY version DESC LIMIT 1"
        with self._database.transaction():
            version, latest = (self._database.rows(query, (name,)) or [(0, None)])[0]
            if latest == text:
                return int(version)
            self._insert(name, text, time.time())
        return int(version) + 1

    def all(self) -> list[dict[str, Any]]:
        """All versions of all filters, the oldest first: :data:`FILTER_COLUMNS`."""
        rows = self._database.rows("SELECT name, version, at FROM filters ORDER BY rowid")
        return [dict(zip(FILTER_COLUMNS, row, strict=True)) for row in rows]

    def versions(self, name: str) -> dict[int, dict[str, Any]]:
        """Version -> body of the filter of that name; empty if there is none."""
        rows = self._database.rows("SELECT version, body FROM filters WHERE name = ?", (name,))
        return {version: json.loads(body) for version, body in rows}

    def clear(self) -> None:
        """Delete all filters."""
        self._database.execute("DELETE FROM filters")

    def merge(self, rows: Iterable[SqlRow]) -> int:
        """Add the filters of another store that are not here, and return how many they are.

        A filter whose name is here with other bodies becomes the next version of that name.
        """
        known = set(self._database.rows("SELECT name, body FROM filters"))
        new = [(name, body, at) for name, _, body, at in rows if (name, body) not in known]
        for values in new:
            self._insert(*values)
        return len(new)

    def _insert(self, name: str, body: str, at: float) -> None:
        self._database.execute(_INSERT_FILTER, (name, body, at, name))
