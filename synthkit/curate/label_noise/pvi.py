"""How much a text says of its label, in bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthkit.curate.filters.base import MISSING, Filter
from synthkit.curate.label_noise.out_of_fold import Labelled, dealt, judged, labelled
from synthkit.curate.selection.diverse import called
from synthkit.data import tables as tables
from synthkit.stats.classifier import Embed, Floats

LEAST = float(np.finfo(np.float64).tiny)


def pvi(
    table: Any,
    label: str = "label",
    *,
    embed: Embed | None = None,
    column: str = "text",
    folds: int = 5,
    seed: int = 0,
) -> Any:
    """The table with ``pvi``: how many bits each text tells the student of its label.

        PVI(x -> y) = -log2 g'(y) + log2 g(y|x)

    g is the light student on embeddings, g' its null model: an intercept alone, which is how often
    the labels occur. Both learn from the other folds. Below 0 the student would do better without
    the text: the label is wrong, or the row hard. A row without a text or a label has none.

    Parameters
    ----------
    embed : texts -> (n, d) numbers; without it ``column`` holds vectors.
    folds, seed : see :func:`~synthkit.curate.label_noise.out_of_fold.cross_fitted`.

    Returns
    -------
    table
        With ``pvi``, in bits, at most -log2 of how often the label occurs; and ``pvi_by``, how.

    Raises
    ------
    TableError
        If a column is not there, or two rows have one id.
    UsageError
        If there are not two labels, or a label has fewer rows than there are folds.

    References
    ----------
    Ethayarajh et al. (2022), arXiv 2110.08420, equation 4 and algorithm 1, which trains g' as a
    network on empty texts. Theirs is a held-out set; here all rows are held out in turn.

    Examples
    --------
    >>> rows = [{"text": [n], "label": "high" if n > 3 else "low"} for n in range(8)]
    >>> rows[0]["label"] = "high"
    >>> pvi(rows, folds=3)["pvi"].round(1).tolist()
    [-3.8, 0.5, 0.3, 0.3, 0.1, 0.2, 0.7, 0.4]
    """
    held = tables.identified(table)
    rows = labelled(held, label, column=column, embed=embed)
    bits: list[float | None] = [None] * tables.size(held)
    found, _ = information(rows, folds=folds, seed=seed)
    for at, value in zip(rows.places, found, strict=True):
        bits[at] = float(value)
    return tables.assign(held, {"pvi": bits, "pvi_by": [f"folds={folds}, seed={seed}"] * len(bits)})


def by_pvi(
    label: str = "label",
    *,
    least: float = 0.0,
    embed: Embed | None = None,
    column: str = "text",
    folds: int = 5,
    seed: int = 0,
) -> Filter:
    """A filter of rows whose text tells the student too little of its label, see :func:`pvi`.

    Parameters
    ----------
    least : bits.

    Raises
    ------
    TableError, UsageError
        When it is applied, as :func:`pvi` does.

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
        rows = labelled(table, label, column=column, embed=embed)
        reasons = [MISSING] * tables.size(table)
        found, _ = information(rows, folds=folds, seed=seed)
        for at, bits in zip(rows.places, found, strict=True):
            reasons[at] = "" if bits >= least else f"PVI too low: {bits:.1f} bits"
        return reasons

    by = called(embed) if embed else "vectors"
    return Filter(
        f"PVI >= {least:g} ({label} by {column}, {by}, folds={folds}, seed={seed})", judge
    )


def information(
    rows: Labelled, *, folds: int = 5, seed: int = 0, real: Labelled | None = None
) -> tuple[Floats, Floats]:
    """(n,) the PVI of rows that are embedded already, and (n, k) the probabilities behind it.

    They are by a student of the other folds, or of real rows, with the ``C`` at which it does best
    on right labels: what the family can use is asked, not which label is wrong.
    """
    likely = judged(rows, folds=folds, seed=seed, real=real, C=1.0)
    k = len(rows.known)
    if real is not None:
        null = (np.bincount(real.targets, minlength=k) / len(real.targets))[rows.targets]
    else:
        null = np.empty(len(rows.targets))
        for others, fold in dealt(rows.targets, rows.known, folds=folds, seed=seed):
            shares = np.bincount(rows.targets[others], minlength=k) / len(others)
            null[fold] = shares[rows.targets[fold]]
    own = likely[np.arange(len(rows.targets)), rows.targets]
    return np.log2(np.maximum(own, LEAST)) - np.log2(null), likely
