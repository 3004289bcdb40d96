"""The marks of a class on a table: those of each student, and the teacher's."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import UsageError, unknown
from synthkit.core.hashing import digest
from synthkit.core.types import Mark
from synthkit.curate.marks.history import current_marks
from synthkit.data import tables
from synthkit.sessions.classroom import assignment
from synthkit.sessions.people import composed
from synthkit.sessions.session import Session

Person = tuple[str, str]
"""A name, and the session whose marks have it; the session is empty for this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMarks:
    """The current marks of the first round, of one task, on the rows of a table.

    Parameters
    ----------
    ids : of the rows of the table.
    students : student -> row id -> mark with a label; in the order of names. Names that occur in
        two sessions have the session beside them.
    teacher : row id -> the teacher's mark with a label.
    name : the teacher's.
    assigned : student -> the ids of the rows to mark; empty without a list of the class.
    logs : student -> all marks ever written, with the students' names in ``by``.
    others : people who are not on the list of the class -> number of rows they marked.
    """

    ids: list[str]
    students: dict[str, dict[str, Mark]]
    teacher: dict[str, Mark]
    name: str
    assigned: dict[str, list[str]]
    logs: dict[str, list[Mark]]
    others: dict[str, int]

    def labels(self) -> dict[str, dict[str, str]]:
        """Row id -> student -> label, in the order of the table, without skips."""
        rows: dict[str, dict[str, str]] = {id: {} for id in self.ids}
        for student, marks in self.students.items():
            for id, mark in marks.items():
                if mark.label != "skip":
                    rows[id][student] = mark.label
        return {id: labels for id, labels in rows.items() if labels}


def class_marks(
    session: Session,
    name: str,
    table: Any,
    *,
    task: str = "",
    teacher: str | None = None,
    anonymous: bool = False,
) -> ClassMarks:
    """The marks of a class on a table.

    Students are those on the list ``NAME_assigned``; without it, all people but the teacher.

    Parameters
    ----------
    name : of the table.
    teacher : a name; the session's person if not given.
    anonymous : call the students ``Student 1`` and so on, in an order that is not that of names.

    Raises
    ------
    UsageError
        If a teacher is named who has no mark.
    """
    ids = [str(id) for id in tables.column(tables.identified(table), "id")]
    log = [mark for mark in session.marks(task=task, rows=ids) if mark.round == 1]
    by_person: defaultdict[Person, list[Mark]] = defaultdict(list)
    for mark in log:
        by_person[composed(mark.by), mark.session].append(mark)
    own = _teacher(session, teacher, list(by_person))
    listed = assignment.load(session, name)
    people = sorted(person for person in by_person if person != own)
    chosen = [person for person in people if not listed or person[0] in listed]
    absent = sorted(set(listed) - {who for who, _ in chosen})
    shown = _shown(session, [*chosen, *((who, "") for who in absent)], anonymous)
    return ClassMarks(
        ids=ids,
        students={shown[person]: _labelled(by_person.get(person, [])) for person in shown},
        teacher=_labelled(by_person.get(own, [])),
        name=own[0],
        assigned={shown[person]: listed.get(person[0], []) for person in shown} if listed else {},
        logs={shown[person]: by_person.get(person, []) for person in shown},
        others={
            by_person[person][0].person: len(_labelled(by_person[person]))
            for person in people
            if person not in chosen
        },
    )


def _teacher(session: Session, name: str | None, people: Sequence[Person]) -> Person:
    """The teacher; one who is named may have marked in another session."""
    if name is None:
        return session.person, ""
    named = sorted(person for person in people if person[0] == composed(name))
    if not named:
        raise UsageError(unknown("annotator", name, sorted({by for by, _ in people})))
    return named[0]


def _shown(session: Session, people: Sequence[Person], anonymous: bool) -> dict[Person, str]:
    """The name to show for each person, in the order of these names."""
    if anonymous:
        secret = session.store.marks.identify()
        order = sorted(people, key=lambda person: digest([secret, *person]))
        return {person: f"Student {n}" for n, person in enumerate(order, 1)}
    times = Counter(who for who, _ in people)
    return {
        person: Mark(id="", by=person[0], session=person[1] if times[person[0]] > 1 else "").person
        for person in sorted(people)
    }


def _labelled(marks: Sequence[Mark]) -> dict[str, Mark]:
    return {mark.id: mark for mark in current_marks(marks).values() if mark.label}
