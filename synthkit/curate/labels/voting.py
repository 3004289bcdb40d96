"""Labels by the votes of several labellers; the first label of a row is always kept.

Functions of this package that change labels write the new label into the column, and the first
label of the row into ``COLUMN_old``, which a second change does not overwrite.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from synthkit.curate.labels.judgements import Judgement, checked_judgements, judgements
from synthkit.data import tables
from synthkit.data.cells import as_text


def vote(table: Any, votes: Sequence[str] | Iterable[Judgement], *, column: str = "label") -> Any:
    """The table with the label that most judgements of a row give.

    There is no coin flip: if several labels have the most votes, or there is no vote, the row keeps
    its label, or has none, and the tied labels are named.

    Parameters
    ----------
    table : of any kind; without an ``id`` column the ids are made from the contents of the rows.
    votes : the label columns, one for each labeller; or judgements, as returned by
        :func:`~synthkit.curate.judgements` and :func:`~synthkit.curate.from_marks`. Judgements of
        rows that are not in the table are ignored.
    column : of the labels.

    Returns
    -------
    table
        With ``label``; ``label_old``, the first label of the row; ``relabelled``, whether the
        label differs from it; ``label_share``, the share of the judgements with the winning label,
        0..1; ``label_count``, the number of judgements; and ``label_tie``, the tied labels, or
        an empty text.

    Raises
    ------
    TableError
        If a column does not exist, or two rows have the same id.
    UsageError
        If a judgement is not a triple, or has no label.

    Examples
    --------
    >>> rows = [{"label": "-", "x": "+", "y": "+", "z": "-"}, {"label": "-", "x": "+", "y": "-"}]
    >>> voted = vote(rows, ["x", "y", "z"])
    >>> voted[["label", "label_old", "label_count", "label_tie"]].values.tolist()
    [['+', '-', 3, ''], ['-', '-', 2, '+ = -']]
    """
    rows = tables.identified(table)
    ids = [str(id) for id in tables.column(rows, "id")]
    counts = _counts(rows, ids, votes)
    labels = list(current_labels(rows, column))
    shares: list[float | None] = []
    ties = []
    for at, id in enumerate(ids):
        most = max(counts[id].values(), default=0)
        winners = [label for label, n in counts[id].items() if n == most]
        if len(winners) == 1:
            labels[at] = winners[0]
        shares.append(most / counts[id].total() if most else None)
        ties.append(" = ".join(sorted(map(as_text, winners))) if len(winners) > 1 else "")
    more: dict[str, Sequence[Any]] = {
        f"{column}_share": shares,
        f"{column}_count": [counts[id].total() for id in ids],
        f"{column}_tie": ties,
    }
    return with_labels(rows, column, labels, more)


def _counts(
    rows: Any, ids: Sequence[str], votes: Sequence[str] | Iterable[Judgement]
) -> dict[str, Counter[Hashable]]:
    """Row id -> the number of votes for each label."""
    items = [votes] if isinstance(votes, str) else list(votes)
    columns = [item for item in items if isinstance(item, str)]
    of_columns = len(columns) == len(items)
    counts: dict[str, Counter[Hashable]] = {id: Counter() for id in ids}
    for row, _, label in judgements(rows, columns) if of_columns else checked_judgements(items):
        if row in counts:
            counts[row][label] += 1
    return counts


def current_labels(table: Any, column: str) -> Sequence[Any]:
    """The labels of a table; ``None`` for each row if it has no such column."""
    if column in tables.columns(table):
        return tables.column(table, column)
    return [None] * tables.size(table)


def with_labels(
    table: Any, column: str, labels: Sequence[Any], more: Mapping[str, Sequence[Any]]
) -> Any:
    """The table with new labels, the first labels in ``COLUMN_old``, ``relabelled``, and more.

    The user's own columns of these names are kept, with a number.
    """
    old = f"{column}_old"
    again = old in tables.columns(table)
    first = current_labels(table, old if again else column)
    changed = [was is not None and now != was for was, now in zip(first, labels, strict=True)]
    labelled = tables.assign(table, {column: labels})
    before = {old: first, "relabelled": changed}
    labelled = tables.assign(labelled, before) if again else tables.attach(labelled, before)
    return tables.annotate(labelled, more) if more else labelled
