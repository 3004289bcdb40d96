"""Decisions: which rows the marks of one or several annotators accept, reject or skip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from synthkit.core.types import Mark
from synthkit.curate.marks.history import current_marks, first_labels


def accepted(marks: Iterable[Mark]) -> dict[str, bool]:
    """Row id -> whether the majority of annotators accepts it; rows with a tie are left out.

    A label other than ``"reject"`` and ``"skip"`` accepts. Only marks of the first round count:
    the second round measures how reliable the first is.

    >>> accepted([Mark(id="a", label="accept"), Mark(id="b", label="skip")])
    {'a': True}
    """
    counts = {id: (len(pro), len(contra)) for id, (pro, contra) in votes(marks).items()}
    return {id: pro > contra for id, (pro, contra) in counts.items() if pro != contra}


def skipped(marks: Iterable[Mark]) -> set[str]:
    """The ids of the rows that were skipped, and neither accepted nor rejected by anyone.

    >>> skipped([Mark(id="a", label="accept"), Mark(id="b", label="skip")])
    {'b'}
    """
    marks = list(marks)
    current = current_marks(marks).values()
    return {mark.id for mark in current if mark.label == "skip" and mark.round == 1} - set(
        votes(marks)
    )


def votes(marks: Iterable[Mark]) -> dict[str, tuple[list[Mark], list[Mark]]]:
    """Row id -> the marks of the first round that accept it, and those that reject it."""
    by_row: dict[str, tuple[list[Mark], list[Mark]]] = {}
    for mark in first_labels(marks):
        by_row.setdefault(mark.id, ([], []))[mark.label == "reject"].append(mark)
    return by_row


def label_pairs(first: Mapping[str, Mark], second: Mapping[str, Mark]) -> list[tuple[str, str]]:
    """The two labels of each row that is labelled in both rounds, in the order of the second.

    Skipped rows are left out.

    >>> one, two = Mark(id="a", label="accept"), Mark(id="a", label="reject", round=2)
    >>> label_pairs({"a": one}, {"a": two})
    [('accept', 'reject')]
    """
    return [
        (first[id].label, mark.label)
        for id, mark in second.items()
        if id in first and not {first[id].label, mark.label} & {"", "skip"}
    ]
