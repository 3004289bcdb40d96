"""Marks of two stores: which are new, whose they are, and where people of one name differ.

A person is a name in a session. Two stores can hold marks of the same session and name: one is a
later state of the other, or both are copies that went on apart. Copies that marked the same rows
are different persons, so that no mark of one replaces a mark of the other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from synthkit.core.hashing import digest
from synthkit.store.database import SqlRow
from synthkit.store.schema import COLUMNS

_NAMES = tuple(COLUMNS["marks"])
_AT = {name: position for position, name in enumerate(_NAMES)}
_SHOWN = ("label", "reason", "flag", "edit")


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkConflict:
    """A row that people of one name have marked differently, in two sessions.

    Parameters
    ----------
    row : the id of the row.
    by : the name.
    labels : session -> the label there; the session is empty for this one.
    """

    row: str
    by: str
    task: str
    round: int
    labels: dict[str, str]

    def __str__(self) -> str:
        where = (
            f"{label or 'no label'!r} {f'in session {session}' if session else 'here'}"
            for session, label in self.labels.items()
        )
        return f"row {self.row} by {self.by}: {', '.join(where)}"


def merge_marks(
    present: Sequence[SqlRow], rows: Sequence[SqlRow], *, own: str, other: str
) -> tuple[list[SqlRow], list[SqlRow]]:
    """All marks by time, and the new ones, without numbers, with new steps and their session.

    Marks of one person stay in their order: one that was undone has the time of the one before.

    Parameters
    ----------
    own, other : the ids of the two sessions; empty if one has none.
    """
    by_person: defaultdict[tuple[str, str], list[SqlRow]] = defaultdict(list)
    for row in present:
        by_person[_cell(row, "by"), _cell(row, "session")].append(row)
    theirs: defaultdict[tuple[str, str | None], list[SqlRow]] = defaultdict(list)
    for row in rows:
        session = _cell(row, "session") or other or None
        theirs[_cell(row, "by"), "" if session == own else session].append(row)
    steps = _Steps(present)
    added: dict[int, str] = {}  # the number of a row -> its session
    for (by, named), marks in theirs.items():
        session = named or ""  # marks from before sessions had ids are taken as marks made here
        if named is None or (by, session) not in by_person:
            known = _known_as(marks, present)
            session = session if known is None else known
        mine = by_person[by, session]
        fresh = _missing(marks, mine)
        if _keys(fresh) & _keys(_missing(mine, marks)):
            session = _derived(session, fresh[0])
            fresh = _missing(fresh, by_person[by, session])
        steps.pair(marks, by_person[by, session])
        added |= {row[0]: session for row in fresh}
    timed = [
        (time, steps.renumbered(row, added[row[0]]))
        for time, row in zip(_times(rows), rows, strict=True)
        if row[0] in added
    ]
    both = [*zip(_times(present), present, strict=True), *timed]
    return [row for _, row in sorted(both, key=itemgetter(0))], [row for _, row in timed]


def conflicts(merged: Iterable[SqlRow], new: Iterable[SqlRow]) -> tuple[MarkConflict, ...]:
    """The rows with new marks that people of one name have marked differently."""
    current: defaultdict[tuple[Any, ...], dict[str, SqlRow]] = defaultdict(dict)
    for row in merged:
        key = (*_key(row), _cell(row, "by"))
        marks = current[key]
        marks.pop(_cell(row, "session"), None)
        marks[_cell(row, "session")] = row
    found = []
    for key in dict.fromkeys((*_key(row), _cell(row, "by")) for row in new):
        marks = {session: row for session, row in current[key].items() if _has_content(row)}
        if len({tuple(_cell(row, name) for name in _SHOWN) for row in marks.values()}) > 1:
            task, round, row_id, by = key
            labels = {session: _cell(row, "label") for session, row in sorted(marks.items())}
            found.append(MarkConflict(row=row_id, by=by, task=task, round=round, labels=labels))
    return tuple(found)


def _times(rows: Iterable[SqlRow]) -> list[float]:
    """For each mark the latest time of its person's marks so far."""
    latest: defaultdict[tuple[str, str], float] = defaultdict(float)
    times = []
    for row in rows:
        person = _cell(row, "by"), _cell(row, "session")
        latest[person] = max(latest[person], _cell(row, "at"))
        times.append(latest[person])
    return times


class _Steps:
    """New numbers for the steps of marks, none of which is a step of the marks present."""

    def __init__(self, present: Sequence[SqlRow]) -> None:
        self._last = max((max(row[0], _cell(row, "step")) for row in present), default=0)
        self._numbers: dict[int, int] = {}

    def pair(self, rows: Sequence[SqlRow], present: Sequence[SqlRow]) -> None:
        """Give steps of marks that are here already the number that they have here."""
        here: defaultdict[SqlRow, list[int]] = defaultdict(list)
        for row in reversed(present):
            here[_values(row)].append(_cell(row, "step"))
        for row in rows:
            if same := here[_values(row)]:
                self._numbers[_cell(row, "step")] = same.pop()

    def renumbered(self, row: SqlRow, session: str) -> SqlRow:
        """The row without its number, with its new step and its session."""
        step = _cell(row, "step")
        self._last += 1
        self._numbers.setdefault(step, self._last)
        values = dict(zip(_NAMES, row, strict=True))
        return tuple(
            (values | {"seq": None, "step": self._numbers[step], "session": session}).values()
        )


def _known_as(marks: Sequence[SqlRow], present: Sequence[SqlRow]) -> str | None:
    """The session under which most of some marks are here already; ``None`` if none is."""
    values = set(map(_values, marks))
    sessions = Counter(str(_cell(row, "session")) for row in present if _values(row) in values)
    return sessions.most_common(1)[0][0] if sessions else None


def _missing(rows: Sequence[SqlRow], among: Sequence[SqlRow]) -> list[SqlRow]:
    """The rows that are not among others; a mark that was written twice counts twice."""
    counts = Counter(map(_values, among))
    missing = []
    for row in rows:
        if counts[_values(row)]:
            counts[_values(row)] -= 1
        else:
            missing.append(row)
    return missing


def _values(row: SqlRow) -> SqlRow:
    """What a mark says: all but its number, step and session."""
    return tuple(
        value
        for name, value in zip(_NAMES, row, strict=True)
        if name not in ("seq", "step", "session")
    )


def _keys(rows: Iterable[SqlRow]) -> set[tuple[Any, ...]]:
    return set(map(_key, rows))


def _key(row: SqlRow) -> tuple[Any, ...]:
    return tuple(_cell(row, name) for name in ("task", "round", "row"))


def _derived(session: str, row: SqlRow) -> str:
    """The id of a copy of a session, from the first mark that only the copy has."""
    return digest([session, *_values(row)])[:8]


def _has_content(row: SqlRow) -> bool:
    label, reason, flag, edit = (_cell(row, name) for name in _SHOWN)
    return bool(label or reason or flag or edit != "{}")


def _cell(row: SqlRow, name: str) -> Any:
    return row[_AT[name]]
