"""Marks: an append-only log of the labels, reasons and edits that annotators gave to rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from synthkit.core.hashing import canonical
from synthkit.core.types import Mark
from synthkit.store.database import AMONG, Database, SqlRow, TableGroup
from synthkit.store.mark_merge import MarkConflict, conflicts, merge_marks
from synthkit.store.meta import MetaTable
from synthkit.store.people import PeopleTable
from synthkit.store.schema import COLUMNS

_FIELDS = ("id", "label", "reason", "by", "at", "flag", "edit", "task", "round", "act", "step",
           "session")  # fmt: skip
_COLUMNS = "row, label, reason, by, at, flag, edit, task, round, act, step, session"


class MarkTable(TableGroup):
    """All marks that were ever written in a session, undone ones too, the oldest first.

    Attributes
    ----------
    people : whose marks and answers those of other sessions are.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.people = PeopleTable(database)
        self._meta = MetaTable(database)
        self._attached: list[MarkTable] = []

    def add(self, marks: Sequence[Mark]) -> list[Mark]:
        """Append marks, and return them as stored: those without a step share a new one.

        They are on disk when this returns, also after a power cut.
        """
        with self._database.transaction(durable=True):
            self.identify()
            step = self._database.value("SELECT coalesce(max(seq), 0) + 1 FROM marks")
            stored = [mark if mark.step else replace(mark, step=step) for mark in marks]
            insert = f"INSERT INTO marks ({_COLUMNS}) VALUES ({','.join('?' * len(_FIELDS))})"
            self._database.execute_many(insert, map(_values, stored))
        return stored

    def attach(self, other: MarkTable) -> None:
        """Read the marks of another store as well, as those of its people; they come first."""
        self._attached.append(other)

    def give_attached(self, other: MarkTable) -> None:
        """Add the marks of attached stores to another one, as :meth:`merge` does."""
        for table in self._attached:
            rows = table._database.rows("SELECT * FROM marks ORDER BY seq")
            other.merge(rows, table.identify())

    def last(self) -> int:
        """The number of the newest mark of this store; 0 without marks."""
        return int(self._database.value("SELECT coalesce(max(seq), 0) FROM marks"))

    def all(self) -> list[Mark]:
        """All marks, of attached stores too."""
        return self._read("", ())

    def for_rows(self, ids: Iterable[str]) -> list[Mark]:
        """The marks of some rows, of attached stores too."""
        return self._read(f"WHERE row {AMONG}", (list(ids),))

    def _read(self, where: str, values: tuple[Any, ...]) -> list[Mark]:
        query = f"SELECT {_COLUMNS} FROM marks {where} ORDER BY seq"
        own = [_mark(row) for row in self._database.rows(query, values)]
        if not self._attached:
            return own
        sessions = {mark.session or self.identify() for mark in own} | {self.identify()}
        others: list[Mark] = []
        for table in self._attached:
            there = table.identify()
            marks = (replace(mark, session=mark.session or there)
                     for mark in table._read(where, values))  # fmt: skip
            others += [mark for mark in marks if mark.session not in sessions]
            sessions |= {mark.session for mark in others}
        return others + own

    def keep(self, ids: Iterable[str]) -> None:
        """Delete all marks but those of these rows."""
        self._database.execute(f"DELETE FROM marks WHERE row NOT {AMONG}", (list(ids),))

    def identify(self) -> str:
        """The id of this session: see :meth:`.MetaTable.identify`.

        The marks of this session have no id in the table: where they are exported to, they get it.
        """
        return self._meta.identify()

    def merge(
        self, rows: Iterable[SqlRow], session_id: str = ""
    ) -> tuple[int, tuple[MarkConflict, ...]]:
        """Add the marks of another store that are not here.

        They are inserted by time. Their steps get new numbers, so that no step has marks of both
        stores by accident. No mark replaces one of another person, who is a name in a session.

        Parameters
        ----------
        session_id : the id of the other store's session; empty if it has none.

        Returns
        -------
        The number of new marks, and the rows that people of one name have marked differently.
        """
        present = self._database.rows("SELECT * FROM marks ORDER BY seq")
        merged, new = merge_marks(present, list(rows), own=self.identify(), other=session_id)
        if not new:
            return 0, ()
        top = max((max(row[0], row[-2]) for row in present), default=0)
        self._database.execute("DELETE FROM marks")
        start = top - len(present) + 1
        self._database.execute_many(
            f"INSERT INTO marks VALUES ({','.join('?' * len(COLUMNS['marks']))})",
            ((seq, *row[1:]) for seq, row in enumerate(merged, start)),
        )
        return len(new), conflicts(merged, new)


def _values(mark: Mark) -> tuple[Any, ...]:
    edit = canonical(dict(mark.edit)).decode("utf-8", "replace")
    reason = mark.reason.encode("utf-8", "replace").decode()
    return (mark.id, mark.label, reason, mark.by, mark.at, int(mark.flag), edit,
            mark.task, mark.round, mark.act, mark.step, mark.session)  # fmt: skip


def _mark(row: SqlRow) -> Mark:
    values = dict(zip(_FIELDS, row, strict=True))
    return Mark(**values | {"flag": bool(values["flag"]), "edit": json.loads(values["edit"])})
