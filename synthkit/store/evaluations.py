"""Evaluations: each is a JSON document and the values of its rows, compressed."""

from __future__ import annotations

import time
from collections.abc import Iterable

from synthkit.store.claims import ClaimTable
from synthkit.store.database import AMONG, Database, SqlRow, TableGroup

_INSERT = "INSERT INTO evaluations (name, at, body, rows) VALUES (?,?,?,?)"


class EvaluationTable(TableGroup):
    """The evaluations of a session, and the claims over their scores.

    What the body and the rows mean is up to the caller.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.claims = ClaimTable(database)

    def add(self, name: str, body: str, rows: bytes) -> int:
        """Store an evaluation of a table, and return its number.

        If it equals the last one of that name, nothing is added.
        """
        query = (
            "SELECT evaluation, body, rows FROM evaluations WHERE name = ? "
            "ORDER BY evaluation DESC LIMIT 1"
        )
        with self._database.transaction():
            for number, *last in self._database.rows(query, (name,)):
                if last == [body, rows]:
                    return int(number)
            return self._database.insert(_INSERT, (name, time.time(), body, rows))

    def all(self, name: str | None = None) -> list[tuple[int, str, float, str, bytes]]:
        """(number, name, time, body, rows) of all evaluations, or of one name, the oldest first."""
        query = "SELECT evaluation, name, at, body, rows FROM evaluations"
        order = " ORDER BY evaluation"
        if name is None:
            return self._database.rows(query + order)
        return self._database.rows(f"{query} WHERE name = ?{order}", (name,))

    def keep(self, names: Iterable[str]) -> None:
        """Delete all evaluations but those with these names."""
        self._database.execute(f"DELETE FROM evaluations WHERE name NOT {AMONG}", (list(names),))

    def merge(self, rows: Iterable[SqlRow]) -> int:
        """Add the evaluations of another store that are not here, and return how many they are."""
        known = set(self._database.rows("SELECT name, at, body, rows FROM evaluations"))
        new = [tuple(values) for _, *values in rows if tuple(values) not in known]
        self._database.execute_many(_INSERT, new)
        return len(new)
