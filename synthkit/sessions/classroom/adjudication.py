"""The final label of each row: the teacher's, or that of most students."""

from __future__ import annotations

from collections import Counter
from typing import Any

from synthkit.data import tables
from synthkit.sessions.classroom.agreement import contested, counted
from synthkit.sessions.classroom.class_marks import ClassMarks

DECISIONS = ("teacher", "majority", "tie", "no label")
"""Who decides the label of a row; with a tie or without labels it stays open."""


def contested_rows(table: Any, marks: ClassMarks, *, names: bool) -> Any:
    """The rows on which students differ, the most disagreement first, with their ``votes``.

    Parameters
    ----------
    names : whether ``votes`` says who gave which label, or only how many.
    """
    rows = contested(marks.labels())
    table = tables.identified(table)
    places = {str(id): place for place, id in enumerate(tables.column(table, "id"))}
    votes = [_named(given) if names else counted(given.values()) for given in rows.values()]
    return tables.attach(tables.take(table, [places[id] for id in rows]), {"votes": votes})


def adjudicated(table: Any, marks: ClassMarks) -> tuple[Any, Counter[str]]:
    """The table with the final ``label`` of each row, and how many rows were decided how.

    ``decided`` is ``"teacher"`` or ``"majority"``; the label is missing with a ``"tie"`` or
    ``"no label"``. ``votes`` counts the labels of the students.
    """
    table = tables.identified(table)
    labels = marks.labels()
    final, decided, votes = [], [], []
    for id in map(str, tables.column(table, "id")):
        given = labels.get(id, {}).values()
        own = marks.teacher.get(id)
        label, how = _decided(Counter(given))
        if own is not None and own.label != "skip":
            label, how = own.label, "teacher"
        final.append(label)
        decided.append(how)
        votes.append(counted(given))
    columns: dict[str, list[Any]] = {"label": final, "decided": decided, "votes": votes}
    return tables.annotate(table, columns), Counter(decided)


def _decided(counts: Counter[str]) -> tuple[str | None, str]:
    """The label that most gave, and how it was decided."""
    (label, most), *others = counts.most_common(2) or [("", 0)]
    if not most:
        return None, "no label"
    return (None, "tie") if others and others[0][1] == most else (label, "majority")


def _named(given: Any) -> str:
    by_label: dict[str, list[str]] = {}
    for student, label in given.items():
        by_label.setdefault(label, []).append(student)
    order = sorted(by_label.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    return "; ".join(f"{label}: {', '.join(who)}" for label, who in order)
