"""MAUVE: the distance of two distributions of embeddings, by clusters."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.types import Score
from synthkit.evaluate.metrics.divergence import bin_counts, kl_divergence, shares, with_interval
from synthkit.evaluate.metrics.embedding_fidelity import checked_vectors
from synthkit.evaluate.registry import metric
from synthkit.evaluate.scores import Floats
from synthkit.stats.classifier import unit
from synthkit.stats.intervals import check_level

Singles = NDArray[np.float32]

MIXTURES = np.linspace(1e-6, 1 - 1e-6, 25)
"""Shares of the first distribution in the mixtures that make MAUVE's curve."""
FEW = 500
"""With fewer rows MAUVE depends more on their number than on their content."""


@metric("MAUVE", kind="distribution", of="vectors", needs=("against",), order=-1)
def mauve(
    synthetic: ArrayLike,
    real: ArrayLike,
    *,
    clusters: int | None = None,
    explained: float = 0.9,
    scaling: float = 5.0,
    smoothing: float = 0.0,
    restarts: int = 5,
    draws: int = 200,
    seed: int = 0,
    level: float = 0.95,
) -> Score:
    """MAUVE: how close the distributions of two tables of embeddings are.

    Above 0, at most 1, higher is better; 1 for equal tables, 0.004 if no cluster is shared.

    The rows of both tables are L2-normalised, projected on their first principal components, and
    put into k clusters by k-means; P and Q are the shares of the tables in each cluster. With
    mixtures ``R = w P + (1 - w) Q``, MAUVE is the area under (exp(-c KL(Q, R)), exp(-c KL(P, R))).

    Parameters
    ----------
    synthetic, real : (m, d) and (n, d) embeddings of texts.
    clusters : k; a tenth of the rows of the smaller table, at least 2, if not given. There are
        never more clusters than distinct rows.
    explained : share of the variance that the principal components keep.
    scaling : c.
    smoothing : number added to the count of each cluster. 0.5 is the estimator of Krichevsky and
        Trofimov, with which the later paper finds small tables less far apart.
    restarts : of k-means; the best result is used.
    draws : bootstrap samples for the interval; 0 leaves it out. The interval says how far the value
        would change with other rows in the same clusters. It does not correct the bias: with few
        rows the value is too low.
    seed : of k-means and of the interval.
    level : of the interval.

    Raises
    ------
    UsageError
        If the vectors are not finite numbers, a table is empty, or an option is out of its range.
    MissingExtra
        If scikit-learn is not installed.

    Notes
    -----
    The paper's equation 1 (c = 5) with the choices of its authors' code, with which the tests
    compare it: 25 mixtures with w from 1e-6 to 1 - 1e-6, the ends (0, 1) and (1, 0), trapezoids,
    and the mean of the areas along both axes. k-means is scikit-learn's, started from random rows
    and run until it converges. Equal rows are clustered as one row with their number as its weight,
    so they are never separated, and the value depends neither on the order of rows nor on which
    table comes first. ``how`` says so if a table has fewer than 500 rows.

    References
    ----------
    Pillutla et al. (2021), arXiv 2102.01454, equation 1 and section 3; Pillutla et al. (2022),
    arXiv 2212.14578, on smoothing.

    Examples
    --------
    >>> real = [[n % 7, n % 5, 1] for n in range(60)]
    >>> mauve(real, real).value
    1.0
    >>> mauve([[-a, -b, -1] for a, b, _ in real], real).value < 0.005
    True
    """
    check_level(level)
    y, x = checked_vectors(synthetic, real)
    n = min(len(x), len(y))
    k = max(2, round(n / 10)) if clusters is None else clusters
    if k < 1 or not 0 < explained <= 1 or not scaling > 0 or not smoothing >= 0 or restarts < 1:
        raise UsageError(
            "expected clusters and restarts of 1 or more, explained in (0, 1], scaling above 0 and "
            f"smoothing of 0 or more; got {k}, {restarts}, {explained}, {scaling}, {smoothing}."
        )
    rows = np.concatenate([unit(x), unit(y)]) + np.float32(0)  # -0 has other bytes than 0
    bins = _cluster(rows, k, explained, restarts, seed)
    counts = bin_counts(bins[: len(x)], bins[len(x) :])

    def area(p: NDArray[Any], q: NDArray[Any]) -> Floats:
        return _area(shares(p + smoothing), shares(q + smoothing), scaling)

    few = f"; too few rows to trust it: {n}, of {FEW} or more" if n < FEW else ""
    score = Score(
        name="MAUVE", value=float(area(*counts)), n=len(y), unit="0..1", better="higher",
        how=f"{bins.max() + 1} clusters, {explained:g} of the variance, c = {scaling:g}, "
        f"smoothing {smoothing:g}, seed {seed}{few}",
        level=level, at_n=len(y),
    )  # fmt: skip
    return with_interval(score, counts, area, draws=draws, seed=seed)


def _area(p: Floats, q: Floats, scaling: float) -> Floats:
    """(...), the mean of the areas under the divergence curve along both axes."""
    curve = [(np.ones(p.shape[:-1]), np.zeros(p.shape[:-1]))]
    for w in MIXTURES:
        mixed = q + w * (p - q)  # in this form equal shares stay equal
        curve.append(
            (np.exp(-scaling * kl_divergence(q, mixed)), np.exp(-scaling * kl_divergence(p, mixed)))
        )
    curve.append((curve[0][1], curve[0][0]))
    x, y = (np.stack(axis) for axis in zip(*curve, strict=True))
    under = -np.trapezoid(y, x, axis=0)  # x falls and y rises with w
    beside = np.trapezoid(x, y, axis=0)
    return np.asarray((under + beside) / 2)


def _cluster(rows: Singles, k: int, explained: float, restarts: int, seed: int) -> NDArray[np.intp]:
    """(n,) the cluster of each row."""
    why = "to put embeddings into clusters"
    cluster = need("sklearn.cluster", extra="curate", why=why)
    exceptions = need("sklearn.exceptions", extra="curate", why=why)
    # whole rows as bytes: ten times as fast as by their numbers
    whole = rows.view(np.dtype((np.void, rows.shape[1] * 4))).ravel()
    first, group, times = np.unique(
        whole, return_index=True, return_inverse=True, return_counts=True
    )[1:]
    centred = rows[first]
    if len(centred) <= k:
        return np.asarray(group.ravel(), np.intp)
    weights = (times / len(rows)).astype(np.float32)
    centred -= weights @ centred
    variances, axes = np.linalg.eigh((centred * weights[:, None]).T @ centred)
    cumulative = np.cumsum(variances[::-1]) / variances.sum()
    components = int(np.searchsorted(cumulative, explained)) + 1
    projected = np.ascontiguousarray(centred @ axes[:, ::-1][:, :components].astype(np.float32))
    model = cluster.KMeans(k, init="random", n_init=restarts, random_state=seed, copy_x=False)
    with warnings.catch_warnings():
        # rows that become equal once projected can leave a cluster empty, which changes nothing
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        labels = model.fit(projected, sample_weight=times).labels_
    return np.asarray(labels[group.ravel()], np.intp)
