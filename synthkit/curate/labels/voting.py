"""Better labels, by several labellers or by a model; the first label of a row is always kept.

Each verb puts its label into the column, and what stood there before any of them into
``label_old``, which a second verb leaves alone. :func:`synthkit.recipes.freeal` asks a model in
rounds instead, and relabels what a student that learned its labels doubts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from synthkit.core.errors import UsageError, unknown
from synthkit.curate.labels.dawid_skene import Consensus, Floats, Judgement, judgements, triples
from synthkit.data import tables as tables
from synthkit.data.expressions import text as as_text

Probabilities = Callable[[Sequence[str]], Any]
"""Texts -> (n, k) probabilities."""


def vote(table: Any, said: Sequence[str] | Iterable[Judgement], *, column: str = "label") -> Any:
    """The table with the label that most judgements of a row give.

    There is no coin flip: where several labels have the most votes, or there is no vote, the row
    keeps the label that it has, or has none, and the tied labels are named.

    Parameters
    ----------
    table : of any kind; without an ``id`` column the ids are made from what the rows hold.
    said : the columns of the labels, one for each labeller; or judgements, as
        :func:`~synthkit.curate.judgements` and :func:`~synthkit.curate.from_marks` give them.
        Those of rows that are not in the table are passed over.
    column : where the labels go.

    Returns
    -------
    table
        With ``label``; ``label_old``, the first that the row ever had; ``relabelled``, whether
        that was another; ``label_share``, the share of the judgements that give the winning label,
        0..1; ``label_count``, the number of judgements; and ``label_tie``, the tied labels, or
        nothing.

    Raises
    ------
    TableError
        If a column is not there, or two rows have one id.
    UsageError
        If a judgement is no triple, or has no label.

    Examples
    --------
    >>> rows = [{"label": "-", "x": "+", "y": "+", "z": "-"}, {"label": "-", "x": "+", "y": "-"}]
    >>> made = vote(rows, ["x", "y", "z"])
    >>> made[["label", "label_old", "label_count", "label_tie"]].values.tolist()
    [['+', '-', 3, ''], ['-', '-', 2, '+ = -']]
    """
    held = tables.identified(table)
    ids = [str(id) for id in tables.column(held, "id")]
    given = [said] if isinstance(said, str) else list(said)
    names = [one for one in given if isinstance(one, str)]
    found = judgements(held, names) if len(names) == len(given) else triples(given)
    votes: dict[str, Counter[Hashable]] = {id: Counter() for id in ids}
    for row, _, label in found:
        if row in votes:
            votes[row][label] += 1
    labels = list(current(held, column))
    shares: list[float | None] = []
    ties = []
    for at, id in enumerate(ids):
        most = max(votes[id].values(), default=0)
        winners = [label for label, n in votes[id].items() if n == most]
        if len(winners) == 1:
            labels[at] = winners[0]
        shares.append(most / votes[id].total() if most else None)
        ties.append(" = ".join(sorted(map(as_text, winners))) if len(winners) > 1 else "")
    counts = [votes[id].total() for id in ids]
    more: dict[str, Sequence[Any]] = {
        f"{column}_share": shares,
        f"{column}_count": counts,
        f"{column}_tie": ties,
    }
    return labelled(held, column, labels, more)


def relabel(
    table: Any,
    by: Any,
    *,
    labels: Sequence[Any] | None = None,
    threshold: float = 0.9,
    column: str = "label",
    text: str = "text",
) -> Any:
    """The table with another label where a model is sure enough that the label is wrong.

    It is that of the highest probability, where P(y' != y) = 1 - P(y) is above the threshold; all
    other rows keep theirs. A row without a label gets the likeliest. One of which the model says
    nothing, since it has no text or no judgement, stays as it is.

    Parameters
    ----------
    by : a :class:`~synthkit.stats.classifier.Classifier`, best one that learned from real rows; the
        :class:`~synthkit.curate.Consensus` of several labellers; a function of texts that gives
        (n, k) probabilities; or such an array, with a row for each of the table's and NaN in those
        that are unknown.
    labels : the k labels, if a function or an array is given.
    threshold : from 0 to below 1. At 0 each row gets the likeliest label. At 0.9 few labels change,
        and by a light student hardly any, least by one that learned from wrong labels. A lower one
        pays where many labels are wrong; where one in twenty is, more are spoilt than mended.
    column, text : of the labels, and of the texts that a model reads.

    Returns
    -------
    table
        With ``label``; ``label_old``, the first that the row ever had; ``relabelled``, whether
        that was another; and ``label_confidence``, the probability of the label that stands, 0..1.

    Raises
    ------
    TableError
        If there is no such column.
    UsageError
        If the model does not know a label of the table; if its probabilities are of another shape,
        or do not add up to 1; if the threshold is out of range.

    Examples
    --------
    >>> def loud(texts):
    ...     return [[0.95, 0.05] if "!" in text else [0.4, 0.6] for text in texts]
    >>> rows = [{"text": "Wow!", "label": "calm"}, {"text": "Hm.", "label": "angry"}]
    >>> made = relabel(rows, loud, labels=["angry", "calm"])
    >>> made[["label", "label_old", "label_confidence"]].values.tolist()
    [['angry', 'calm', 0.95], ['angry', 'angry', 0.4]]
    """
    if not 0 <= threshold < 1:
        raise UsageError(f"threshold must be from 0 to below 1; got {threshold}.")
    held = tables.identified(table)
    known, found = _probabilities(held, by, labels, text)
    place = {label: at for at, label in enumerate(known)}
    made = list(current(held, column))
    sure: list[float | None] = []
    for at, label in enumerate(made):
        if label is not None and label not in place:
            raise UsageError(f"row {at}: {unknown('label', str(label), known)}")
        row = found[at]
        if np.isnan(row).any():
            sure.append(None)
            continue
        if label is None or 1 - row[place[label]] > threshold:
            best = int(row.argmax())
            if label is None or row[best] > row[place[label]]:
                made[at] = known[best]
        sure.append(float(row[place[made[at]]]))
    return labelled(held, column, made, {f"{column}_confidence": sure})


def current(table: Any, column: str) -> Sequence[Any]:
    """The labels that a table has now; ``None`` where it has none."""
    if column in tables.columns(table):
        return tables.column(table, column)
    return [None] * tables.size(table)


def labelled(
    table: Any, column: str, labels: Sequence[Any], more: Mapping[str, Sequence[Any]]
) -> Any:
    """The table with new labels, ``relabelled``, and the first ones in ``COLUMN_old``."""
    old = f"{column}_old"
    first = current(table, old if old in tables.columns(table) else column)
    moved = [was is not None and is_ != was for was, is_ in zip(first, labels, strict=True)]
    return tables.assign(table, {column: labels, old: first, "relabelled": moved, **more})


def _probabilities(
    table: Any, by: Any, labels: Sequence[Any] | None, text: str
) -> tuple[Sequence[Any], Floats]:
    """The labels, and (n, k) their probabilities, NaN in the rows that are unknown."""
    n = tables.size(table)
    known = getattr(by, "labels", None) if labels is None else labels
    if known is None or len(known) < 1:
        raise UsageError("expected labels=, the label of each column of probabilities; got none.")
    if isinstance(by, Consensus):
        return known, by.of(tables.column(table, "id"))
    ask = getattr(by, "probabilities", by)
    found = np.full((n, len(known)), np.nan)
    if callable(ask):
        cells = tables.column(table, text)
        there = [at for at, cell in enumerate(cells) if cell is not None]
        if there:
            found[there] = _shaped(
                ask([as_text(cells[at]) for at in there]), len(there), len(known)
            )
    else:
        found = _shaped(by, n, len(known))
    whole = ~np.isnan(found).any(axis=1)
    odd = whole & ((found < 0).any(axis=1) | (np.abs(found.sum(axis=1) - 1) > 1e-3))
    if odd.any():
        at = int(odd.argmax())
        raise UsageError(
            f"row {at}: expected probabilities, 0 or more, that add up to 1; got {found[at]}."
        )
    return known, found


def _shaped(given: Any, n: int, k: int) -> Floats:
    found = np.asarray(given, np.float64)
    if found.size == 0 and n == 0:
        return np.empty((0, k))
    if found.shape != (n, k):
        raise UsageError(f"expected probabilities of shape ({n}, {k}); got {found.shape}.")
    return found
