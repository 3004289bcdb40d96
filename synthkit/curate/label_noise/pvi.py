"""Pointwise V-usable information (PVI): how much a text tells about its label, in bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthkit.curate.filters.base import MISSING, Filter, embedder_name
from synthkit.curate.label_noise.cross_fitting import (
    LabelledRows,
    label_probabilities,
    labelled_rows,
    stratified_folds,
)
from synthkit.data import tables
from synthkit.stats.classifier import Embed, Floats

LEAST = float(np.finfo(np.float64).tiny)
"""The least probability whose logarithm is taken."""


def pvi(
    table: Any,
    label: str = "label",
    *,
    embed: Embed | None = None,
    column: str = "text",
    folds: int = 5,
    seed: int = 0,
) -> Any:
    """The table with ``pvi``: the bits of information that each text gives about its label.

        PVI(x -> y) = -log2 g'(y) + log2 g(y|x)

    g is the light classifier on embeddings. g' is its null model, which has only an intercept: the
    shares of the labels. Both are fitted on the other folds. Below 0 the classifier would be better
    without the text: the label is wrong, or the row is hard. PVI is missing for rows without a text
    or a label.

    Parameters
    ----------
    label, column : of the labels, and of the texts.
    embed : texts -> (n, d) numbers; without it ``column`` holds vectors.
    folds, seed : see :func:`~synthkit.curate.cross_fitted`.

    Returns
    -------
    table
        With ``pvi``, in bits, at most -log2 of the share of the label; and ``pvi_by``, the
        settings.

    Raises
    ------
    TableError
        If a column does not exist, or two rows have the same id.
    UsageError
        If there are fewer than two labels, or a label has fewer rows than there are folds.

    References
    ----------
    Ethayarajh et al. (2022), arXiv 2110.08420, equation 4 and algorithm 1. They train g' as a
    network on empty texts and use a held-out set; here all rows are held out in turn.

    Examples
    --------
    >>> rows = [{"text": [n], "label": "high" if n > 3 else "low"} for n in range(8)]
    >>> rows[0]["label"] = "high"
    >>> pvi(rows, folds=3)["pvi"].round(1).tolist()
    [-3.8, 0.5, 0.3, 0.3, 0.1, 0.2, 0.7, 0.4]
    """
    source = tables.identified(table)
    rows = labelled_rows(source, label, column=column, embed=embed)
    bits, _ = pvi_of_rows(rows, folds=folds, seed=seed)
    cells = rows.spread(bits.tolist(), source)
    by = f"folds={folds}, seed={seed}"
    return tables.annotate(source, {"pvi": cells, "pvi_by": [by] * len(cells)})


def by_pvi(
    label: str = "label",
    *,
    least: float = 0.0,
    embed: Embed | None = None,
    column: str = "text",
    folds: int = 5,
    seed: int = 0,
) -> Filter:
    """Keep rows whose text gives at least ``least`` bits about the label, by :func:`pvi`.

    Parameters
    ----------
    least : bits.

    Raises
    ------
    TableError, UsageError
        When applied, as by :func:`pvi`.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> rows = [{"text": [n], "label": "high" if n > 3 else "low"} for n in range(8)]
    >>> rows[0]["label"] = "high"
    >>> apply_filters(rows, by_pvi(least=-1, folds=3)).dropped["why"].tolist()
    ['PVI too low: -3.8 bits']
    """

    def judge(table: Any) -> list[str]:
        if not tables.size(table):
            return []
        rows = labelled_rows(table, label, column=column, embed=embed)
        bits, _ = pvi_of_rows(rows, folds=folds, seed=seed)
        reasons = ["" if value >= least else f"PVI too low: {value:.1f} bits" for value in bits]
        return rows.spread(reasons, table, MISSING)

    by = embedder_name(embed) if embed else "vectors"
    return Filter(
        f"PVI >= {least:g} ({label} by {column}, {by}, folds={folds}, seed={seed})", judge
    )


def pvi_of_rows(
    rows: LabelledRows, *, folds: int = 5, seed: int = 0, real: LabelledRows | None = None
) -> tuple[Floats, Floats]:
    """(n,) the PVI of rows with vectors, and (n, k) the probabilities of their labels.

    The classifier is fitted on the other folds, or on real rows, with the ``C`` that is best for
    correct labels: PVI asks what the model family can use, not which labels are wrong.
    """
    probabilities = label_probabilities(rows, folds=folds, seed=seed, real=real, C=1.0)
    k = len(rows.labels)
    if real is not None:
        null = (np.bincount(real.targets, minlength=k) / len(real.targets))[rows.targets]
    else:
        null = np.empty(len(rows.targets))
        for others, fold in stratified_folds(rows.targets, rows.labels, folds=folds, seed=seed):
            shares = np.bincount(rows.targets[others], minlength=k) / len(others)
            null[fold] = shares[rows.targets[fold]]
    of_label = probabilities[np.arange(len(rows.targets)), rows.targets]
    return np.log2(np.maximum(of_label, LEAST)) - np.log2(null), probabilities
