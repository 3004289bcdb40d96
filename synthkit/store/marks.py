"""Marks: an append-only log of the labels, reasons and edits that annotators gave to rows."""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from synthkit.core.hashing import canonical
from synthkit.core.types import Mark
from synthkit.store.database import AMONG, SqlRow, TableGroup, json_list
from synthkit.store.schema import COLUMNS

_FIELDS = ("id", "label", "reason", "by", "at", "flag", "edit", "task", "round", "act", "step")
_COLUMNS = "row, label, reason, by, at, flag, edit, task, round, act, step"
_AT = list(COLUMNS["marks"]).index("at")


class MarkTable(TableGroup):
    """All marks that were ever written in a session, undone ones too, the oldest first."""

    def add(self, marks: Sequence[Mark]) -> list[Mark]:
        """Append marks, and return them as stored: those without a step share a new one.

        They are on disk when this returns, also after a power cut.
        """
        with self._database.transaction(durable=True):
            step = self._database.value("SELECT coalesce(max(seq), 0) + 1 FROM marks")
            stored = [mark if mark.step else replace(mark, step=step) for mark in marks]
            insert = f"INSERT INTO marks ({_COLUMNS}) VALUES ({','.join('?' * 11)})"
            self._database.execute_many(insert, map(_values, stored))
        return stored

    def all(self) -> list[Mark]:
        """All marks."""
        query = f"SELECT {_COLUMNS} FROM marks ORDER BY seq"
        return [_mark(row) for row in self._database.rows(query)]

    def for_rows(self, ids: Iterable[str]) -> list[Mark]:
        """The marks of some rows."""
        query = f"SELECT {_COLUMNS} FROM marks WHERE row {AMONG} ORDER BY seq"
        return [_mark(row) for row in self._database.rows(query, (json_list(ids),))]

    def keep(self, ids: Iterable[str]) -> None:
        """Delete all marks but those of these rows."""
        self._database.execute(f"DELETE FROM marks WHERE row NOT {AMONG}", (json_list(ids),))

    def merge(self, rows: Iterable[SqlRow]) -> int:
        """Add the marks of another store that are not here, and return how many they are.

        They are inserted by time, so that the last mark of a row counts. Their steps get new
        numbers, so that no step has marks of both stores by accident.
        """
        present = self._database.rows("SELECT * FROM marks ORDER BY seq")
        steps_of: defaultdict[SqlRow, list[int]] = defaultdict(list)
        for _, *mark, step, session in reversed(present):
            steps_of[(*mark, session)].append(step)
        top = max((max(row[0], row[-2]) for row in present), default=0)
        new_steps: dict[int, int] = {}
        new: list[SqlRow] = []
        for _, *mark, step, session in rows:
            if same := steps_of[(*mark, session)]:
                new_steps[step] = same.pop()
                continue
            new_steps.setdefault(step, top + len(new) + 1)
            new.append((None, *mark, new_steps[step], session))
        if new:
            merged = heapq.merge(present, new, key=lambda row: row[_AT])
            self._database.execute("DELETE FROM marks")
            start = top - len(present) + 1
            self._database.execute_many(
                f"INSERT INTO marks VALUES ({','.join('?' * len(COLUMNS['marks']))})",
                ((seq, *row[1:]) for seq, row in enumerate(merged, start)),
            )
        return len(new)


def _values(mark: Mark) -> tuple[Any, ...]:
    edit = canonical(dict(mark.edit)).decode("utf-8", "replace")
    reason = mark.reason.encode("utf-8", "replace").decode()
    return (mark.id, mark.label, reason, mark.by, mark.at, mark.flag, edit,
            mark.task, mark.round, mark.act, mark.step)  # fmt: skip


def _mark(row: SqlRow) -> Mark:
    values = dict(zip(_FIELDS, row, strict=True))
    return Mark(**values | {"flag": bool(values["flag"]), "edit": json.loads(values["edit"])})
