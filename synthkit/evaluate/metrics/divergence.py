"""Divergence of labels and of lengths from those of real rows; intervals of binned statistics."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError, check_positive
from synthkit.core.types import Score
from synthkit.data.labels import apart, meet
from synthkit.data.large_texts import LargeTexts, map_parts
from synthkit.evaluate.registry import metric
from synthkit.evaluate.scores import Floats
from synthkit.stats.classifier import check_labels, check_texts
from synthkit.stats.intervals import check_level

Counts = NDArray[np.intp]
BinnedStatistic = Callable[[NDArray[Any], NDArray[Any]], Floats]
"""Counts of two tables in k bins, (..., k) each -> (...)."""


@metric(
    "label divergence", kind="distribution", of="labels", needs=("against",), order=1, large=True
)
def label_divergence(
    synthetic: Sequence[Any],
    real: Sequence[Any],
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Score, Score]:
    """Jensen-Shannon divergence and total variation of the labels of two tables.

    Both are 0..1, lower is better: 0 for equal shares, 1 if no label is in both tables, which
    ``how`` then says. Labels are compared as by :func:`synthkit.data.labels.meet`. The first
    is in bits, ``H((P + Q) / 2) - (H(P) + H(Q)) / 2``; the second, ``|P - Q|_1 / 2``, is the share
    of rows that would have to change their label.

    Parameters
    ----------
    synthetic, real : labels, one or more each.
    draws : bootstrap samples of both tables for the interval; 0 leaves it out.
    seed : of the bootstrap.
    level : of the interval, see the notes.

    Raises
    ------
    UsageError
        If a table has no label, or a label is missing.

    Notes
    -----
    Chance alone separates two tables, so both values are too high on average, most for equal
    sources and many labels. The values stay as defined; the intervals correct for it. The lower end
    is the lower one of two: the normal interval, with the bootstrap's standard deviation and its
    bias subtracted; and the value minus a quantile of the error in samples of tables in which
    labels of similar shares have equal shares. Shares are similar if they differ by less than
    sqrt(log(n k^2)) standard errors, for n rows of the smaller table and k labels. The upper end
    does not subtract the bias: it is that of the normal interval; for total variation it is the
    quantile of the samples, at most the value and the normal margin of a share of 1/2.

    References
    ----------
    Lin (1991), Divergence measures based on the Shannon entropy, IEEE Transactions on Information
    Theory 37, equation 4.1. Fang and Santos (2019), Inference on directionally differentiable
    functions, Review of Economic Studies 86, section 3.3 (similar shares as equal ones).

    Examples
    --------
    >>> scores = label_divergence(["+", "+", "+", "+"], ["+", "-", "+", "-"])
    >>> [round(score.value, 3) for score in scores]
    [0.311, 0.5]
    """
    places: dict[Any, int] = {}
    check_labels(synthetic, "synthetic row")
    check_labels(real, "real row")
    synthetic, real = meet(synthetic, real)
    bins = [
        [places.setdefault(label, len(places)) for label in labels] for labels in (synthetic, real)
    ]
    how = "; ".join(filter(None, [f"{len(places)} labels", apart(synthetic, real)]))
    return _divergences("label", bins[0], bins[1], how, draws=draws, seed=seed, level=level)


@metric("length divergence", kind="distribution", needs=("against",), order=1, large=True)
def length_divergence(
    synthetic: Sequence[str],
    real: Sequence[str],
    *,
    length: Callable[[str], float] = len,
    bins: int = 10,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Score, Score]:
    """Jensen-Shannon divergence and total variation of the lengths of two tables of texts.

    Both are 0..1, lower is better, as in :func:`label_divergence`, with ranges of length for
    labels.

    Parameters
    ----------
    synthetic, real : texts, one or more each.
    length : of a text; the number of characters if not given, which works for every script.
    bins : ranges for each table, cut at its quantiles; the cuts of both tables are joined, so that
        there are up to twice as many ranges. With more ranges, chance separates two tables further.
    draws, seed, level : of the interval, as in :func:`label_divergence`.

    Raises
    ------
    UsageError
        If a table has no text, a text is missing, a length is not finite, or ``bins`` is below 1.

    Examples
    --------
    >>> scores = length_divergence(["a", "bb", "cc", "d"], ["a", "bb", "ccc", "dddd"])
    >>> [round(score.value, 3) for score in scores]
    [0.311, 0.5]
    """
    check_positive(bins=bins)
    lengths = []
    for name, texts in (("synthetic", synthetic), ("real", real)):
        if not isinstance(texts, LargeTexts):
            check_texts(texts, f"{name} row")
        parts = map_parts(texts, partial(_lengths, length=length))
        lengths.append(np.concatenate(list(parts)))
        if not np.isfinite(lengths[-1]).all():
            raise UsageError(f"{name}: expected finite lengths; got {lengths[-1]}.")
    # each range begins at its cut, so two tables with one length each never share a range
    quantiles = np.arange(bins) / bins
    cuts = [np.quantile(values, quantiles, method="lower") for values in lengths if len(values)]
    edges = np.unique(np.concatenate(cuts)) if cuts else np.empty(0)
    first, second = (np.searchsorted(edges, values, side="right") for values in lengths)
    unit = "characters" if length is len else "given"
    how = f"{len(edges)} ranges of length ({unit})"
    return _divergences("length", first, second, how, draws=draws, seed=seed, level=level)


def _lengths(texts: Sequence[str], *, length: Callable[[str], float]) -> Floats:
    return np.array([length(text) for text in texts], np.float64)


def with_interval(
    score: Score,
    counts: tuple[Counts, Counts],
    statistic: BinnedStatistic,
    *,
    draws: int,
    seed: int,
) -> Score:
    """The score with a normal interval, cut to 0..1, from a bootstrap over two tables' counts.

    The quantiles of the bootstrap are not used: each sample separates two tables further than they
    are, so that the value itself can lie outside of them.
    """
    if draws < 1:
        return score
    rng = np.random.default_rng(seed)
    samples = [rng.multinomial(n.sum(), shares(n), size=draws) for n in counts]
    deviation = float(np.std(statistic(samples[0], samples[1])))
    half = NormalDist().inv_cdf((1 + score.level) / 2) * deviation
    return replace(
        score,
        low=max(0.0, score.value - half),
        high=min(1.0, score.value + half),
        how=f"{score.how}; interval: {draws} draws, seed {seed}",
    )


def bin_counts(first: Counts, second: Counts) -> tuple[Counts, Counts]:
    """(k,) counts of both tables, from the bin of each of their rows."""
    k = 1 + int(max(first.max(), second.max()))
    return np.bincount(first, minlength=k), np.bincount(second, minlength=k)


def shares(counts: NDArray[Any]) -> Floats:
    """(..., k) counts as shares of their sum."""
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True))


def kl_divergence(p: Floats, q: Floats) -> Floats:
    """(...), KL(P, Q) in nats over the last axis; q may be 0 only where p is."""
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    divergence: Floats = (p * np.log(ratio)).sum(axis=-1)
    return np.maximum(divergence, 0)  # below 0 is rounding


def _divergences(
    of: str, first: ArrayLike, second: ArrayLike, how: str, *, draws: int, seed: int, level: float
) -> tuple[Score, Score]:
    check_level(level)
    bins = [np.asarray(places, np.intp) for places in (first, second)]
    for name, places in zip(("synthetic", "real"), bins, strict=True):
        if not len(places):
            raise UsageError(f"{name}: expected one row or more; got none.")
    counts = bin_counts(bins[0], bins[1])
    p, q = map(shares, counts)
    how += f"; interval: {draws} draws, seed {seed}" if draws > 0 else ""

    def score(name: str, statistic: Callable[[Floats, Floats], Floats]) -> Score:
        value = float(np.clip(statistic(p, q), 0, 1))  # outside of 0..1 is rounding
        low = high = None
        if draws > 0:
            low, high = _interval(value, counts, statistic, draws=draws, seed=seed, level=level)
        return Score(
            name=f"{of} {name}", value=value, low=low, high=high, n=len(bins[0]), unit="0..1",
            better="lower", how=how, level=level, at_n=len(bins[0]),
        )  # fmt: skip

    return (
        score("Jensen-Shannon divergence", _jensen_shannon),
        score("total variation", _total_variation),
    )


def _interval(
    value: float,
    counts: tuple[Counts, Counts],
    statistic: Callable[[Floats, Floats], Floats],
    *,
    draws: int,
    seed: int,
    level: float,
) -> tuple[float, float]:
    """The interval of a divergence, as the notes of :func:`label_divergence` define it."""
    rng = np.random.default_rng(seed)
    sizes, tail = [int(side.sum()) for side in counts], (1 + level) / 2
    z, inverse = NormalDist().inv_cdf(tail), sum(1 / n for n in sizes)

    def drawn(p: Floats, q: Floats) -> Floats:
        samples = (rng.multinomial(n, x, draws) / n for n, x in zip(sizes, (p, q), strict=True))
        return statistic(*samples)

    p, q = map(shares, counts)
    samples = drawn(p, q)
    half = z * float(samples.std())
    pooled = shares(counts[0] + counts[1])
    variance = math.log(min(sizes) * len(p) ** 2) * pooled * (1 - pooled) * inverse
    near = np.square(p - q) <= variance
    p, q = (shares(np.where(near, pooled, x)) for x in (p, q))
    error = float(np.quantile(drawn(p, q), tail)) - float(statistic(p, q))
    low = min(value - error, 2 * value - float(samples.mean()) - half)
    if statistic is _total_variation:
        half = min(z * math.sqrt(inverse) / 2, float(np.quantile(samples, tail)) - value)
    return max(0.0, min(low, value)), min(1.0, value + max(half, 0.0))


def _jensen_shannon(p: Floats, q: Floats) -> Floats:
    middle = (p + q) / 2
    return (kl_divergence(p, middle) + kl_divergence(q, middle)) / (2 * math.log(2))


def _total_variation(p: Floats, q: Floats) -> Floats:
    return np.asarray(np.abs(p - q).sum(axis=-1) / 2)
