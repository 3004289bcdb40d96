"""How far the distribution of synthetic rows is from that of real ones."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.types import Score
from synthkit.evaluate.metrics.embedding_fidelity import sound
from synthkit.evaluate.registry import metric
from synthkit.stats.intervals import check_level

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Counts = NDArray[np.intp]
Statistic = Callable[[NDArray[Any], NDArray[Any]], Floats]
"""Counts of two tables, (..., k) each -> (...)."""

MIXTURES = np.linspace(1e-6, 1 - 1e-6, 25)
"""Shares of the first distribution in the mixtures that make MAUVE's curve."""
FEW = 500
"""Rows of a table under which MAUVE says more of its size than of its content."""


@metric("MAUVE", kind="distribution", of="vectors", needs=("against",), order=-1)
def mauve(
    real: ArrayLike,
    synthetic: ArrayLike,
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

    Above 0, at most 1, higher is better; 1 for equal tables, 0.004 where no cluster is shared.

    The rows of both, L2-normalised and projected on their first principal components, are put into
    k clusters by k-means, and P and Q are the shares of the tables in each. With mixtures
    ``R = w P + (1 - w) Q`` it is the area under (exp(-c KL(Q, R)), exp(-c KL(P, R))).

    Parameters
    ----------
    real, synthetic : (n, d) and (m, d) numbers, the embeddings of texts.
    clusters : k; a tenth of the smaller table, 2 or more, if not given. There are never more than
        distinct rows.
    explained : share of the variance that the principal components keep.
    scaling : c.
    smoothing : added to the count of each cluster. 0.5 is the estimator of Krichevsky and Trofimov,
        by which the later paper takes small tables to be less far apart.
    restarts : of k-means, the best of which counts.
    draws : of the interval; 0 leaves it out. It says how far the value would move with other rows
        in the same clusters. It does not correct the bias: with few rows the value is too low.
    seed : of k-means and of the interval.
    level : of the interval.

    Raises
    ------
    UsageError
        If the vectors are no such numbers, a table is empty, or an option is out of its range.
    MissingExtra
        If scikit-learn is not installed.

    Notes
    -----
    The paper's equation 1 (c = 5) with the choices of its authors' code, which the tests hold it
    against: 25 mixtures with w from 1e-6 to 1 - 1e-6, the ends (0, 1) and (1, 0), trapezoids, and
    the mean of the areas along either axis. k-means is scikit-learn's, from random rows, and ends
    when it has converged. Equal rows are clustered as one with their number as weight, so that they
    never part, and the value depends neither on the order of rows nor on which table comes first.
    ``how`` says so where a table has fewer than 500 rows.

    References
    ----------
    Pillutla et al. (2021), arXiv 2102.01454, equation 1 and section 3; Pillutla et al. (2022),
    arXiv 2212.14578, on smoothing.

    Examples
    --------
    >>> real = [[n % 7, n % 5, 1] for n in range(60)]
    >>> mauve(real, real).value
    1.0
    >>> mauve(real, [[-a, -b, -1] for a, b, _ in real]).value < 0.005
    True
    """
    check_level(level)
    x, y = sound(real, synthetic)
    n = min(len(x), len(y))
    k = max(2, round(n / 10)) if clusters is None else clusters
    if k < 1 or not 0 < explained <= 1 or not scaling > 0 or not smoothing >= 0 or restarts < 1:
        raise UsageError(
            "expected clusters and restarts of 1 or more, explained in (0, 1], scaling above 0 and "
            f"smoothing of 0 or more; got {k}, {restarts}, {explained}, {scaling}, {smoothing}."
        )
    bins = _clustered(np.concatenate([_unit(x), _unit(y)]), k, explained, restarts, seed)
    counts = _counts(bins[: len(x)], bins[len(x) :])

    def area(p: NDArray[Any], q: NDArray[Any]) -> Floats:
        return _area(_shares(p + smoothing), _shares(q + smoothing), scaling)

    value = float(area(*counts))
    few = f"; too few rows to trust it: {n}, of {FEW} or more" if n < FEW else ""
    return _with_interval(
        Score(
            name="MAUVE",
            value=value,
            n=len(y),
            unit="0..1",
            better="higher",
            how=f"{bins.max() + 1} clusters, {explained:g} of the variance, c = {scaling:g}, "
            f"smoothing {smoothing:g}, seed {seed}{few}",
            level=level,
        ),
        counts,
        area,
        draws=draws,
        seed=seed,
    )


@metric("label divergence", kind="distribution", of="labels", needs=("against",))
def label_divergence(
    real: Sequence[Any],
    synthetic: Sequence[Any],
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Score, Score]:
    """Jensen-Shannon divergence and total variation of the labels of two tables.

    Both are 0..1, lower is better: 0 for equal shares, 1 where no label is in both tables. The
    first is in bits, ``H((P + Q) / 2) - (H(P) + H(Q)) / 2``; the second, ``|P - Q|_1 / 2``, is the
    share of rows that would have to change their label.

    Parameters
    ----------
    real, synthetic : labels, one or more each.
    draws : of both tables with putting back, for the interval; 0 leaves it out.
    seed : of the draws.
    level : of the interval: the normal one with the standard deviation of the draws, in 0..1. The
        draws themselves lie too high, since chance alone sets two tables apart.

    Raises
    ------
    UsageError
        If a table has no label, or one is missing.

    References
    ----------
    Lin (1991), Divergence measures based on the Shannon entropy, IEEE Transactions on Information
    Theory 37, equation 4.1.

    Examples
    --------
    >>> both = label_divergence(["+", "-", "+", "-"], ["+", "+", "+", "+"])
    >>> [round(score.value, 3) for score in both]
    [0.311, 0.5]
    """
    place: dict[Any, int] = {}
    bins = []
    for name, labels in (("real", real), ("synthetic", synthetic)):
        for row, label in enumerate(labels):
            if label is None or not isinstance(label, Hashable) or label != label:
                raise UsageError(
                    f"{name} row {row}: expected a label; got {label!r}. Leave such rows out."
                )
        bins.append([place.setdefault(label, len(place)) for label in labels])
    how = f"{len(place)} labels"
    return _divergences("label", bins[0], bins[1], how, draws=draws, seed=seed, level=level)


@metric("length divergence", kind="distribution", needs=("against",))
def length_divergence(
    real: Sequence[str],
    synthetic: Sequence[str],
    *,
    length: Callable[[str], float] = len,
    bins: int = 10,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Score, Score]:
    """Jensen-Shannon divergence and total variation of the lengths of two tables of texts.

    Both are 0..1, lower is better, as in :func:`label_divergence`; the labels are ranges of length.

    Parameters
    ----------
    real, synthetic : texts, one or more each.
    length : of a text; its characters if not given, which all scripts have.
    bins : ranges for each table, cut at its quantiles; the cuts of both are joined, so that there
        are up to twice as many. The more ranges, the further chance alone sets two tables apart.
    draws, seed, level : of the interval, as in :func:`label_divergence`.

    Raises
    ------
    UsageError
        If a table has no text, one is missing, or a length is not finite; if ``bins`` is below 1.

    Examples
    --------
    >>> both = length_divergence(["a", "bb", "ccc", "dddd"], ["a", "bb", "cc", "d"])
    >>> [round(score.value, 3) for score in both]
    [0.311, 0.5]
    """
    if bins < 1:
        raise UsageError(f"bins must be 1 or more; got {bins}.")
    sizes = []
    for name, texts in (("real", real), ("synthetic", synthetic)):
        for row, text in enumerate(texts):
            if not isinstance(text, str):
                raise UsageError(
                    f"{name} row {row}: expected a text; got {text!r}. Leave such rows out."
                )
        sizes.append(np.array([length(text) for text in texts], np.float64))
        if not np.isfinite(sizes[-1]).all():
            raise UsageError(f"{name}: expected finite lengths; got {sizes[-1]}.")
    # each range begins at its cut, so two tables of one length each never share a range
    shares = np.arange(bins) / bins
    cuts = [np.quantile(each, shares, method="lower") for each in sizes if len(each)]
    edges = np.unique(np.concatenate(cuts)) if cuts else np.empty(0)
    first, second = (np.searchsorted(edges, each, side="right") for each in sizes)
    unit = "characters" if length is len else "given"
    how = f"{len(edges)} ranges of length ({unit})"
    return _divergences("length", first, second, how, draws=draws, seed=seed, level=level)


def _divergences(
    of: str, first: ArrayLike, second: ArrayLike, how: str, *, draws: int, seed: int, level: float
) -> tuple[Score, Score]:
    check_level(level)
    places = [np.asarray(each, np.intp) for each in (first, second)]
    for name, each in zip(("real", "synthetic"), places, strict=True):
        if not len(each):
            raise UsageError(f"{name}: expected one row or more; got none.")
    counts = _counts(places[0], places[1])

    def scored(name: str, statistic: Callable[[Floats, Floats], Floats]) -> Score:
        def of_counts(p: NDArray[Any], q: NDArray[Any]) -> Floats:
            return statistic(_shares(p), _shares(q))

        value = float(np.clip(of_counts(*counts), 0, 1))  # the clip is for rounding
        plain = Score(
            name=f"{of} {name}", value=value, n=len(places[1]), unit="0..1", better="lower",
            how=how, level=level,
        )  # fmt: skip
        return _with_interval(plain, counts, of_counts, draws=draws, seed=seed)

    return scored("Jensen-Shannon divergence", _jensen_shannon), scored("total variation", _varied)


def _with_interval(
    score: Score,
    counts: tuple[Counts, Counts],
    statistic: Statistic,
    *,
    draws: int,
    seed: int,
) -> Score:
    """The score with the normal interval, in 0..1, of its bootstrap over two tables' counts.

    It is not the quantiles of the draws: each draw sets two tables further apart than they are, so
    that the value itself can lie outside of them.
    """
    if draws < 1:
        return score
    rng = np.random.default_rng(seed)
    drawn = [rng.multinomial(n.sum(), _shares(n), size=draws) for n in counts]
    spread = float(np.std(statistic(drawn[0], drawn[1])))
    half = NormalDist().inv_cdf((1 + score.level) / 2) * spread
    return replace(
        score,
        low=max(0.0, score.value - half),
        high=min(1.0, score.value + half),
        how=f"{score.how}; interval: {draws} draws, seed {seed}",
    )


def _counts(first: Counts, second: Counts) -> tuple[Counts, Counts]:
    """(k,) rows of either table in each of k bins."""
    k = 1 + int(max(first.max(), second.max()))
    return np.bincount(first, minlength=k), np.bincount(second, minlength=k)


def _shares(counts: NDArray[Any]) -> Floats:
    shares: Floats = counts / counts.sum(axis=-1, keepdims=True)
    return shares


def _divergence(p: Floats, q: Floats) -> Floats:
    """(...), KL(P, Q) in nats over the last axis, where q is 0 only if p is."""
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    found: Floats = (p * np.log(ratio)).sum(axis=-1)
    return np.maximum(found, 0)  # the maximum is for rounding


def _jensen_shannon(p: Floats, q: Floats) -> Floats:
    middle = (p + q) / 2
    found: Floats = (_divergence(p, middle) + _divergence(q, middle)) / (2 * math.log(2))
    return found


def _varied(p: Floats, q: Floats) -> Floats:
    found: Floats = np.abs(p - q).sum(axis=-1) / 2
    return found


def _area(p: Floats, q: Floats, scaling: float) -> Floats:
    """(...), the mean of the areas under the divergence curve along either axis."""
    curve = [(np.ones(p.shape[:-1]), np.zeros(p.shape[:-1]))]
    for w in MIXTURES:
        mixed = q + w * (p - q)  # in this form equal shares stay as they are
        curve.append(
            (np.exp(-scaling * _divergence(q, mixed)), np.exp(-scaling * _divergence(p, mixed)))
        )
    curve.append((curve[0][1], curve[0][0]))
    x, y = (np.stack(axis) for axis in zip(*curve, strict=True))
    under = -np.trapezoid(y, x, axis=0)  # x falls and y rises with w
    beside = np.trapezoid(x, y, axis=0)
    found: Floats = (under + beside) / 2
    return found


def _unit(rows: Floats) -> Singles:
    """Rows of length 1; a zero row stays as it is."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Singles = (rows / np.where(norms > 0, norms, 1)).astype(np.float32)
    return unit + np.float32(0)  # no -0, which is another byte


def _clustered(
    rows: Singles, k: int, explained: float, restarts: int, seed: int
) -> NDArray[np.intp]:
    """The cluster of each row."""
    why = "to put embeddings into clusters"
    cluster = need("sklearn.cluster", extra="curate", why=why)
    exceptions = need("sklearn.exceptions", extra="curate", why=why)
    # whole rows as bytes: ten times as fast as by their numbers
    whole = rows.view(np.dtype((np.void, rows.shape[1] * 4))).ravel()
    first, back, times = np.unique(
        whole, return_index=True, return_inverse=True, return_counts=True
    )[1:]
    centred = rows[first]
    if len(centred) <= k:
        return np.asarray(back.ravel(), np.intp)
    weights = (times / len(rows)).astype(np.float32)
    centred -= weights @ centred
    variances, axes = np.linalg.eigh((centred * weights[:, None]).T @ centred)
    kept = np.cumsum(variances[::-1]) / variances.sum()
    wide = int(np.searchsorted(kept, explained)) + 1
    projected = np.ascontiguousarray(centred @ axes[:, ::-1][:, :wide].astype(np.float32))
    model = cluster.KMeans(k, init="random", n_init=restarts, random_state=seed, copy_x=False)
    with warnings.catch_warnings():
        # rows that the projection makes equal may leave a cluster empty, which counts for nothing
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        found = model.fit(projected, sample_weight=times).labels_
    return np.asarray(found[back.ravel()], np.intp)
