"""How much each row should count in training."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from synthkit.core.errors import UsageError, unknown
from synthkit.curate.label_noise.methods import evidence
from synthkit.curate.label_noise.out_of_fold import Labelled, dealt, judged, labelled
from synthkit.curate.selection.diverse import called
from synthkit.curate.selection.sungen import sungen
from synthkit.data import tables as tables
from synthkit.stats.classifier import Embed, Floats

Method = Literal["confidence", "small_loss", "influence", "sungen", "random"]
METHODS = ("confidence", "small_loss", "influence", "sungen", "random")


def weights(
    table: Any,
    label: str = "label",
    *,
    method: Method = "confidence",
    embed: Embed | None = None,
    column: str = "text",
    folds: int = 5,
    seed: int = 0,
    real: Any = None,
) -> Any:
    """The table with ``weight``: how much each row should count in training, 0 or more.

    The mean is 1, so that the rows together weigh what they would without weights, and a penalty or
    a learning rate that suits the one suits the other. A row without a text or a label weighs 0.

    - ``"confidence"``: the probability of the label, of a student that did not learn from the row.
    - ``"small_loss"``: the probability that its loss is one of the small ones.
    - ``"influence"``: 1 / (1 + exp(-phi / s)); see :func:`~synthkit.curate.label_noise.methods.suspicion`.
    - ``"sungen"``: see :func:`~synthkit.curate.selection.sungen.sungen`. Without ``real`` each half of the
      table is weighted with the other as its validation rows.
    - ``"random"``: uniform, to compare the others with.

    Where a label is rare or hard, ``"confidence"`` and ``"small_loss"`` let it weigh less: look at
    the weights by label first. On SMS spam as it is, a student of rows weighted by small losses was
    right of 87.0% of other rows, and one of plain rows of 97.8%.

    Parameters
    ----------
    label, column : of the labels, and of the texts.
    embed : texts -> (n, d) numbers, such as ``load_embedder("wordllama").embed``; without it
        ``column`` holds vectors.
    folds : of cross-fitting; each label needs as many rows, and two for influence and SunGen.
    seed : of folds, halves and random weights.
    real : a table with the same columns, whose labels are trusted: to learn from in place of
        cross-fitting; for influence and SunGen, to validate on.

    Returns
    -------
    table
        With ``weight`` and ``weight_by``, how.

    Raises
    ------
    TableError
        If a column is not there, or two rows have one id.
    UsageError
        If there is no such method; if there are not two labels, a label has fewer rows than there
        are folds, or the real table lacks a label.

    Examples
    --------
    >>> rows = [{"text": [n], "label": "high" if n > 5 else "low"} for n in range(12)]
    >>> rows[0]["label"] = "high"
    >>> weights(rows, folds=2)["weight"].round(1).tolist()
    [0.4, 1.1, 1.1, 0.9, 0.9, 0.6, 0.9, 1.0, 1.0, 1.1, 1.5, 1.6]
    """
    if method not in METHODS:
        raise UsageError(unknown("method", method, METHODS))
    held = tables.identified(table)
    trusted = None if real is None else labelled(real, label, column=column, embed=embed)
    known = None if trusted is None else trusted.known
    rows = labelled(held, label, column=column, embed=embed, known=known)
    found = _weights(rows, method, folds, seed, trusted)
    cells = np.zeros(tables.size(held))
    cells[rows.places] = found / found.mean()
    among = "real rows" if real is not None else f"folds={folds}"
    by = f"{method} by {column} ({called(embed) if embed else 'vectors'}), {among}, seed={seed}"
    return tables.assign(held, {"weight": cells.tolist(), "weight_by": [by] * len(cells)})


def _weights(
    rows: Labelled, method: Method, folds: int, seed: int, real: Labelled | None
) -> Floats:
    match method:
        case "confidence":
            likely = judged(rows, folds=folds, seed=seed, real=real)
            own: Floats = likely[np.arange(len(rows.targets)), rows.targets]
            return own
        case "sungen" if real is not None:
            return sungen(rows, real).weights
        case "sungen":
            found = np.empty(len(rows.targets))
            for half, other in dealt(rows.targets, rows.known, folds=2, seed=seed):
                found[half] = sungen(rows.at(half), rows.at(other)).weights
            return found
        case "random":
            return np.random.default_rng(seed).uniform(size=len(rows.targets))
        case _:
            return 1 - evidence(rows, method, folds=folds, seed=seed, real=real).suspicion
