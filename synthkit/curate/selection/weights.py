"""Weights of rows for training, by five methods."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from synthkit.core.errors import check_known
from synthkit.curate.filters.base import embedder_name
from synthkit.curate.label_noise.cross_fitting import (
    LabelledRows,
    label_probabilities,
    labelled_with_real,
    stratified_folds,
)
from synthkit.curate.label_noise.evidence import evidence
from synthkit.curate.selection.sungen import sungen
from synthkit.data import tables
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

    The mean weight is 1, so a penalty or learning rate that suits unweighted rows suits weighted
    rows too. A row without a text or a label has weight 0.

    - ``"confidence"``: the probability of the label, by a classifier not fitted on the row.
    - ``"small_loss"``: the probability that the loss of the row is a small one.
    - ``"influence"``: 1 / (1 + exp(-phi / s)); see :func:`~synthkit.curate.suspicion`.
    - ``"sungen"``: see :func:`~synthkit.curate.selection.sungen.sungen`. Without ``real``, each
      half of the table is weighted with the other half as its validation rows.
    - ``"random"``: uniform, a baseline.

    Rare or hard labels get less weight by ``"confidence"`` and ``"small_loss"``, so compare the
    weights by label first. On the SMS spam collection without added noise, a classifier of rows
    weighted by small losses had an accuracy of 87.0% on other rows; without weights it had 97.8%.

    Parameters
    ----------
    label, column : of the labels, and of the texts.
    embed : texts -> (n, d) numbers, such as ``load_embedder("wordllama").embed``; without it
        ``column`` holds vectors.
    folds : of cross-fitting; each label needs at least as many rows, and two for influence and
        SunGen.
    seed : of folds, halves and random weights.
    real : a table with the same columns and trusted labels. The classifier is fitted on it instead
        of cross-fitting; for influence and SunGen it has the validation rows.

    Returns
    -------
    table
        With ``weight``, and ``weight_by``, the method and its settings.

    Raises
    ------
    TableError
        If a column does not exist, or two rows have the same id.
    UsageError
        If the method is unknown; if there are fewer than two labels, a label has fewer rows than
        there are folds, or the real table does not have a label.

    Examples
    --------
    >>> rows = [{"text": [n], "label": "high" if n > 5 else "low"} for n in range(12)]
    >>> rows[0]["label"] = "high"
    >>> weights(rows, folds=2)["weight"].round(1).tolist()
    [0.4, 1.1, 1.1, 0.9, 0.9, 0.6, 0.9, 1.0, 1.0, 1.1, 1.5, 1.6]
    """
    check_known("method", [method], METHODS)
    source = tables.identified(table)
    rows, trusted = labelled_with_real(source, real, label, column=column, embed=embed)
    of_rows = _weights(rows, method, folds, seed, trusted)
    cells = rows.spread((of_rows / of_rows.mean()).tolist(), source, 0.0)
    among = "real rows" if real is not None else f"folds={folds}"
    vectors = embedder_name(embed) if embed else "vectors"
    by = f"{method} by {column} ({vectors}), {among}, seed={seed}"
    return tables.annotate(source, {"weight": cells, "weight_by": [by] * len(cells)})


def _weights(
    rows: LabelledRows, method: Method, folds: int, seed: int, real: LabelledRows | None
) -> Floats:
    match method:
        case "confidence":
            probabilities = label_probabilities(rows, folds=folds, seed=seed, real=real)
            return probabilities[np.arange(len(rows.targets)), rows.targets]
        case "sungen" if real is not None:
            return sungen(rows, real).weights
        case "sungen":
            by_half = np.empty(len(rows.targets))
            for half, other in stratified_folds(rows.targets, rows.labels, folds=2, seed=seed):
                by_half[half] = sungen(rows.subset(half), rows.subset(other)).weights
            return by_half
        case "random":
            return np.random.default_rng(seed).uniform(size=len(rows.targets))
        case _:
            return 1 - evidence(rows, method, folds=folds, seed=seed, real=real).suspicion
