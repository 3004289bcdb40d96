"""Judgements: the labels that several people, models or rules give to the same rows.

A judgement is a triple (row, labeller, label). Rows are identified by ``str(id)``, as in marks.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, TypeAlias

from synthkit.core.errors import UsageError
from synthkit.core.types import Mark
from synthkit.curate.marks.history import first_labels
from synthkit.data import tables
from synthkit.data.labels import class_names, meet

Judgement: TypeAlias = tuple[str, Hashable, Hashable]
"""Row, labeller, label."""


def judgements(table: Any, columns: Sequence[str] | None = None) -> list[Judgement]:
    """The judgements in a table, without those whose label is missing.

    Parameters
    ----------
    columns : the label columns, one for each labeller, of a table with a row for each labelled row.
        Without them, the table has a row for each judgement, with the columns ``row`` (an id),
        ``labeller`` and ``label``.

        The labels of these columns are compared as by :func:`synthkit.data.labels.meet`.

    Raises
    ------
    TableError
        If a column does not exist, or two rows have the same id.

    Examples
    --------
    >>> judgements([{"id": "a", "ann": "good", "bob": None}], ["ann", "bob"])
    [('a', 'ann', 'good')]
    >>> judgements([{"row": 7, "labeller": "ann", "label": "good"}])
    [('7', 'ann', 'good')]
    """
    if columns is None:
        cells = [tables.column(table, name) for name in ("row", "labeller", "label")]
        triples = list(zip(*cells, strict=True))
    else:
        rows = tables.identified(table)
        ids = tables.column(rows, "id")
        names = [class_names(table, name) for name in columns]
        cells = meet(*(tables.column(rows, name) for name in columns), names=names)
        by_labeller = list(zip(columns, cells, strict=True))
        triples = [
            (id, name, labels[at]) for at, id in enumerate(ids) for name, labels in by_labeller
        ]
    return checked_judgements(triple for triple in triples if triple[2] is not None)


def from_marks(marks: Iterable[Mark]) -> list[Judgement]:
    """The judgements in the marks of one task: the current marks of the first round.

    Skipped rows have no judgement. Marks of a second, blind round measure how reliable the first
    round is; they are not further judgements.

    Examples
    --------
    >>> from_marks([Mark(id="a", label="good", by="ann"), Mark(id="a", label="skip", by="bob")])
    [('a', 'ann', 'good')]
    """
    return [(mark.id, mark.person, mark.label) for mark in first_labels(marks)]


def checked_judgements(judgements: Iterable[Any]) -> list[Judgement]:
    """The judgements, with their rows as text.

    Raises
    ------
    UsageError
        If one is not a triple, or has no row or label.
    """
    checked = []
    for n, judgement in enumerate(judgements):
        if not isinstance(judgement, tuple | list) or len(judgement) != 3:
            raise UsageError(f"judgement {n}: expected (row, labeller, label); got {judgement!r}.")
        row, labeller, label = judgement
        if row is None or label is None or label != label:
            raise UsageError(f"judgement {n}: a row or a label is missing in {judgement!r}.")
        if not isinstance(labeller, Hashable) or not isinstance(label, Hashable):
            raise UsageError(f"judgement {n}: expected plain cells; got {judgement!r}.")
        checked.append((str(row), labeller, label))
    return checked
