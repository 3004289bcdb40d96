"""How far the students of a class agree: with each other, with the teacher, and on which rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Mark, Score
from synthkit.sessions._frames import frame
from synthkit.sessions.classroom.class_marks import ClassMarks
from synthkit.sessions.mark_statistics import agreement

_PAIR = ("first", "second", "n", "share", "low", "high", "kappa")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassAgreement:
    """How far a class agrees.

    Parameters
    ----------
    alpha : Krippendorff's alpha of the students, with an interval; ``None`` if it is not defined.
    why : why it is not defined.
    pairs : a DataFrame of each two students who share rows, those who differ most first: ``first``,
        ``second``, ``n`` shared rows, the ``share`` with equal labels and its Wilson interval, and
        Cohen's ``kappa``, which is NaN where it is not defined.
    teacher : the same of the teacher (``first``) and each student.
    rows : a DataFrame of the rows with different labels, the most disagreement first: ``id``,
        ``labels`` (how many gave which), ``disagreement`` and the teacher's label.
    """

    alpha: Score | None
    why: str
    pairs: Any
    teacher: Any
    rows: Any


def class_agreement(marks: ClassMarks, *, seed: int = 0) -> ClassAgreement:
    """How far a class agrees: see :class:`ClassAgreement`. Skipped rows do not count."""
    from synthkit.evaluate.raters.krippendorff import krippendorff  # imports NumPy

    labels, alpha, why = marks.labels(), None, ""
    try:
        alpha = krippendorff([list(given.values()) for given in labels.values()], seed=seed)
    except UsageError as error:
        why = str(error)
    pairs = [
        (a, b, marks.students[a], marks.students[b]) for a, b in combinations(marks.students, 2)
    ]
    teacher = [(marks.name, who, marks.teacher, own) for who, own in marks.students.items()]
    rows = [
        (id, counted(given.values()), disagreement(given.values()), _label(marks.teacher.get(id)))
        for id, given in contested(labels).items()
    ]
    columns = ("id", "labels", "disagreement", "teacher")
    return ClassAgreement(
        alpha=alpha,
        why=why,
        pairs=_pairs(pairs),
        teacher=_pairs(teacher),
        rows=frame(rows, columns, what="contested rows"),
    )


def contested(labels: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """The rows with different labels, the most disagreement first, then those with most labels."""
    rows = {id: given for id, given in labels.items() if len(set(given.values())) > 1}
    order = sorted(rows, key=lambda id: (-disagreement(rows[id].values()), -len(rows[id])))
    return {id: rows[id] for id in order}


def disagreement(labels: Iterable[str]) -> float:
    """The share of the pairs of labels that differ, 0..1.

    >>> round(disagreement(["accept", "accept", "reject"]), 3)
    0.667
    """
    counts = Counter(labels)
    n = counts.total()
    return 1 - sum(k * (k - 1) for k in counts.values()) / (n * (n - 1)) if n > 1 else 0.0


def counted(labels: Iterable[str]) -> str:
    """How many gave which label.

    >>> counted(["reject", "accept", "accept"])
    'accept 2, reject 1'
    """
    counts = sorted(Counter(labels).items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{label} {n}" for label, n in counts)


def _pairs(pairs: Iterable[tuple[str, str, Mapping[str, Mark], Mapping[str, Mark]]]) -> Any:
    """A DataFrame of the agreement of two people each, the lowest share first."""
    rows = [{"first": a, "second": b, **agreement(x, y)} for a, b, x, y in pairs]
    shared = sorted((row for row in rows if row["n"]), key=lambda row: (row["share"], -row["n"]))
    return frame(shared, _PAIR, what="agreement")


def _label(mark: Mark | None) -> str:
    return mark.label if mark else ""
