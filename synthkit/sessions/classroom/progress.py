"""How far each student of a class has come, how fast, and how far with the others."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from synthkit.curate.marks.history import History
from synthkit.sessions._frames import frame
from synthkit.sessions.classroom.class_marks import ClassMarks

COLUMNS = ("student", "marked", "assigned", "pace", "agrees", "n")


def progress(marks: ClassMarks) -> Any:
    """A DataFrame with one row per student.

    ``marked`` of ``assigned`` rows have a label or are skipped (without a list of the class, all
    rows of the table count as assigned). ``pace`` is the median of the seconds from one label to
    the next, without pauses. ``agrees`` is the share of ``n`` rows on which the student's label is
    that of most other students; rows on which these are tied are left out. One more column for
    each label has the number of rows with it.
    """
    labels = marks.labels()
    names = sorted({label for given in labels.values() for label in given.values()})
    skips = any(mark.label == "skip" for own in marks.students.values() for mark in own.values())
    names += ["skip"] if skips else []
    rows = []
    for student, own in marks.students.items():
        to_do = set(marks.assigned.get(student, ()) if marks.assigned else marks.ids)
        equal = _agreed(student, labels)
        counts = Counter(mark.label for mark in own.values())
        rows.append(
            (student, len(to_do & set(own)), len(to_do), _pace(marks, student),
             sum(equal) / len(equal) if equal else math.nan, len(equal),
             *(counts[name] for name in names))
        )  # fmt: skip
    return frame(rows, [*COLUMNS, *names], what="the progress of a class")


def _agreed(student: str, labels: dict[str, dict[str, str]]) -> list[bool]:
    """For each row with a majority of the others: whether the student gave its label."""
    equal = []
    for given in labels.values():
        others = Counter(label for who, label in given.items() if who != student)
        (label, most), *rest = others.most_common(2) or [("", 0)]
        if student in given and most and not (rest and rest[0][1] == most):
            equal.append(given[student] == label)
    return equal


def _pace(marks: ClassMarks, student: str) -> float:
    log = marks.logs[student]
    if not log:
        return math.nan
    pace = History(log, by=log[0].person, task=log[0].task).pace(last=None)
    return math.nan if pace is None else pace
