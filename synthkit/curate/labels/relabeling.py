"""Labels by the probabilities of a model that contradicts them.

:func:`synthkit.recipes.freeal` asks a model in rounds instead, and relabels the rows that a light
classifier of its labels doubts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from synthkit.core.errors import UsageError, unknown
from synthkit.curate.labels.dawid_skene import Consensus
from synthkit.curate.labels.voting import current_labels, with_labels
from synthkit.data import tables
from synthkit.data.cells import as_text
from synthkit.data.labels import meet
from synthkit.stats.classifier import Floats

Probabilities = Callable[[Sequence[str]], Any]
"""Texts -> (n, k) probabilities."""


def relabel(
    table: Any,
    by: Any,
    *,
    labels: Sequence[Any] | None = None,
    threshold: float = 0.9,
    column: str = "label",
    text: str = "text",
) -> Any:
    """The table with another label for rows whose label is wrong with a high probability.

    The new label is the likeliest one, if its probability is above the threshold; all other rows
    keep their label. With two labels that is P(y' != y) = 1 - P(y); with more, a row is not changed
    because the model finds no label likely. A row without a label gets the likeliest. A row without
    probabilities, because it has no text or no judgement, is not changed.

    Parameters
    ----------
    by : a :class:`~synthkit.stats.classifier.EmbeddingClassifier`, preferably fitted on real rows;
        the :class:`~synthkit.curate.Consensus` of several labellers; a function of texts that
        returns (n, k) probabilities; or such an array, with a row for each row of the table and NaN
        for unknown rows.
    labels : the k labels, for a function or an array.
    threshold : from 0 to below 1. At 0 each row gets the likeliest label. At 0.9 few labels change,
        and with a light classifier hardly any, least of all if it was fitted on wrong labels. A
        lower threshold pays if many labels are wrong; if one in twenty is, it spoils more labels
        than it corrects.
    column, text : of the labels, and of the texts that a model reads.

    Returns
    -------
    table
        With ``label``; ``label_old``, the first label of the row; ``relabelled``, whether the label
        differs from it; and ``label_confidence``, the probability of the label, 0..1.

    Raises
    ------
    TableError
        If a column does not exist.
    UsageError
        If a label of the table is unknown to the model; if its probabilities have the wrong shape
        or do not sum to 1; if the threshold is out of range.

    Examples
    --------
    >>> def loud(texts):
    ...     return [[0.95, 0.05] if "!" in text else [0.4, 0.6] for text in texts]
    >>> rows = [{"text": "Wow!", "label": "calm"}, {"text": "Hm.", "label": "angry"}]
    >>> relabelled = relabel(rows, loud, labels=["angry", "calm"])
    >>> relabelled[["label", "label_old", "label_confidence"]].values.tolist()
    [['angry', 'calm', 0.95], ['angry', 'angry', 0.4]]
    """
    if not 0 <= threshold < 1:
        raise UsageError(f"threshold must be from 0 to below 1; got {threshold}.")
    rows = tables.identified(table)
    known, probabilities = _probabilities(rows, by, labels, text)
    place = {label: at for at, label in enumerate(known)}
    known, new_labels = meet(known, current_labels(rows, column))
    confidences: list[float | None] = []
    for at, label in enumerate(new_labels):
        if label is not None and label not in place:
            raise UsageError(f"row {at}: {unknown('label', str(label), known)}")
        p = probabilities[at]
        if np.isnan(p).any():
            confidences.append(None)
            continue
        likeliest = int(p.argmax())
        sure = p[likeliest] > threshold
        if label is None or (sure and p[likeliest] > p[place[label]]):
            new_labels[at] = known[likeliest]
        confidences.append(float(p[place[new_labels[at]]]))
    return with_labels(rows, column, new_labels, {f"{column}_confidence": confidences})


def _probabilities(
    table: Any, by: Any, labels: Sequence[Any] | None, text: str
) -> tuple[Sequence[Any], Floats]:
    """The labels, and (n, k) their probabilities, NaN for unknown rows."""
    known = getattr(by, "labels", None) if labels is None else labels
    if known is None or len(known) < 1:
        raise UsageError("expected labels=, the label of each column of probabilities; got none.")
    if len(set(known)) < len(known):
        raise UsageError(f"expected each label once in labels=; got {', '.join(map(str, known))}.")
    if isinstance(by, Consensus):
        return known, by.of(tables.column(table, "id"))
    predict = getattr(by, "probabilities", by)
    n, k = tables.size(table), len(known)
    if callable(predict):
        probabilities = np.full((n, k), np.nan)
        cells = tables.column(table, text)
        present = [at for at, cell in enumerate(cells) if cell is not None]
        if present:
            predicted = predict([as_text(cells[at]) for at in present])
            probabilities[present] = _shaped(predicted, len(present), k)
    else:
        probabilities = _shaped(by, n, k)
    present_rows = ~np.isnan(probabilities).any(axis=1)
    negative = (probabilities < 0).any(axis=1)
    wrong = present_rows & (negative | (np.abs(probabilities.sum(axis=1) - 1) > 1e-3))
    if wrong.any():
        at = int(wrong.argmax())
        raise UsageError(
            f"row {at}: expected probabilities, 0 or more, that sum to 1; got {probabilities[at]}."
        )
    return known, probabilities


def _shaped(values: Any, n: int, k: int) -> Floats:
    probabilities = np.asarray(values, np.float64)
    if probabilities.size == 0 and n == 0:
        return np.empty((0, k))
    if probabilities.shape != (n, k):
        raise UsageError(f"expected probabilities of shape ({n}, {k}); got {probabilities.shape}.")
    return probabilities
