"""Calibration error, area under ROC and thresholds of scores, against accept and reject marks.

Scores become verdicts by a threshold, and probabilities by their scale.
:mod:`synthkit.evaluate.raters.judge_calibration` uses both to compare a judge with people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError, check_positive
from synthkit.core.extras import need
from synthkit.core.types import Score
from synthkit.evaluate.scores import Floats
from synthkit.stats.bootstrap import bootstrap
from synthkit.stats.classifier import numbers_or_nan
from synthkit.stats.intervals import check_level, wilson

Bools: TypeAlias = NDArray[np.bool_]

DRAWS = 200
"""Simulated tables whose mean error is the error by chance."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The rows in one range of predicted probabilities.

    ``predicted`` is the mean prediction, ``share`` the share accepted, and ``low`` and ``high`` its
    Wilson interval.
    """

    predicted: float
    share: float
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """The calibration error of predicted probabilities.

    ``error`` is the mean over ``bins``; ``by_chance`` is the error that perfectly calibrated
    probabilities have on as many rows.
    """

    error: Score
    by_chance: float
    bins: tuple[ReliabilityBin, ...]

    def frame(self) -> Any:
        """A DataFrame with a row for each bin, for ``plots.reliability``."""
        pandas = need("pandas", extra="data", why="to show bins")
        names = list(ReliabilityBin.__dataclass_fields__)
        rows = [[getattr(bin, name) for name in names] for bin in self.bins]
        return pandas.DataFrame(rows, columns=names)


def reliability(
    predicted: ArrayLike,
    accepted: ArrayLike,
    *,
    bins: int = 10,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Reliability:
    """The expected calibration error of probabilities, and its bins.

    ``ECE = sum_b n_b / n |share_b - predicted_b|`` over bins of equal width. With few rows it is
    too high, since chance alone separates the two: compare it with ``by_chance``, its mean for
    perfectly calibrated probabilities. The interval, a bootstrap over rows, has that bias too: it
    contained an error of 0.1 in 97 % of tables of 300 rows, and in 79 % of tables of 60 rows.

    Parameters
    ----------
    predicted : (n,) probabilities of accept, 0..1. One on the edge of two bins is in the lower bin.
    accepted : (n,) whether each was accepted.
    bins : number of bins; empty ones are left out.

    Raises
    ------
    UsageError
        If there is no row, the lengths differ, or a probability is not within 0..1.

    References
    ----------
    C. Guo et al. (2017), On calibration of modern neural networks, arXiv 1706.04599, equation 3;
    J. Bröcker and L. A. Smith (2007), Increasing the reliability of reliability diagrams, Weather
    and Forecasting 22, section 3 (the error by chance).

    Examples
    --------
    >>> found = reliability([0.2, 0.2, 0.9, 0.9], [False, True, True, True])
    >>> round(found.error.value, 3), [own.share for own in found.bins]
    (0.2, [0.5, 1.0])
    """
    p, y = _marked(predicted, accepted)
    if not len(p) or not ((p >= 0) & (p <= 1)).all():
        raise UsageError("expected probabilities, 0..1, of one row or more.")
    check_positive(bins=bins)
    at = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], p)
    inside = np.zeros((len(p), bins))
    inside[np.arange(len(p)), at] = 1
    gaps = (y - p)[:, None] * inside
    value = float(np.abs(gaps.sum(axis=0)).sum()) / len(p)
    low, high = bootstrap(
        lambda rows: float(np.abs(gaps[rows].sum(axis=0)).sum()) / len(p),
        len(p),
        method="percentile",
        resamples=resamples,
        level=level,
        seed=seed,
    )
    error = Score(
        name="expected calibration error", value=value, n=len(p), unit="0..1", better="lower",
        low=min(low, value), high=max(high, value),  # the errors of all resamples can be higher
        how=f"{bins} bins of equal width; bootstrap over rows, {resamples} resamples, seed {seed}",
        level=level,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    simulated = (rng.random((DRAWS, len(p))) < p) - p
    by_chance = float(np.abs(simulated @ inside).sum(axis=1).mean()) / len(p)
    rows = [at == place for place in np.unique(at)]
    return Reliability(error, by_chance, tuple(_bin(p[mask], y[mask], level) for mask in rows))


def _bin(p: Floats, y: Bools, level: float) -> ReliabilityBin:
    n, accepted = len(p), float(y.sum())
    return ReliabilityBin(float(p.mean()), accepted / n, n, *wilson(accepted, n, level))


def roc_area(scores: ArrayLike, accepted: ArrayLike, *, level: float = 0.95) -> Score:
    """The area under the ROC curve: how often an accepted row scores higher than a rejected one.

    0..1, where 0.5 is chance and a tie counts half. It needs no threshold. The interval is
    DeLong's, normal and cut to 0..1; if all accepted rows score higher than all rejected ones its
    width is 0.

    Parameters
    ----------
    scores : (n,) numbers.
    accepted : (n,) marks, of both kinds.

    References
    ----------
    E. R. DeLong et al. (1988), Comparing the areas under two or more correlated receiver operating
    characteristic curves, Biometrics 44, 837-845, section 2.

    Examples
    --------
    >>> roc_area([1, 2, 3, 4], [False, True, False, True]).value
    0.75
    """
    s, y = _both_kinds(scores, accepted)
    check_level(level)

    def share_below(values: Floats, others: Floats) -> Floats:
        """For each value the share of the others below it; ties count half."""
        ordered = np.sort(others)
        ends = np.searchsorted(ordered, values) + np.searchsorted(ordered, values, side="right")
        return np.asarray(ends / (2 * len(ordered)))

    wins, losses = share_below(s[y], s[~y]), 1 - share_below(s[~y], s[y])
    value = float(wins.mean())
    error = math.sqrt(sum(x.var(ddof=1) / len(x) for x in (wins, losses) if len(x) > 1))
    half = NormalDist().inv_cdf((1 + level) / 2) * error
    single = min(len(wins), len(losses)) == 1  # one row says nothing about the variance
    return Score(
        name="area under ROC", value=value, low=None if single else max(0.0, value - half),
        high=None if single else min(1.0, value + half), n=len(s), unit="0..1", better="higher",
        how="DeLong; 0.5 is chance", level=level,
    )  # fmt: skip


def threshold(scores: ArrayLike, accepted: ArrayLike) -> float:
    """The threshold from which on to accept scores, so that kappa with the marks is maximal.

    It is halfway between two scores that occur. Of several such thresholds the most accurate one is
    returned, and of these the lowest. The lowest score means to accept all, infinity to accept
    none.

    Parameters
    ----------
    scores : (n,) numbers.
    accepted : (n,) marks, of both kinds.

    Examples
    --------
    >>> threshold([1, 2, 3, 4, 5], [False, False, True, False, True])
    2.5
    """
    s, y = _both_kinds(scores, accepted)
    distinct = np.unique(s)
    cuts = np.concatenate([distinct[:1], (distinct[1:] + distinct[:-1]) / 2, [np.inf]])
    n, positive = len(y), y.sum()
    accepting = n - np.searchsorted(np.sort(s), cuts)
    right = positive - np.searchsorted(np.sort(s[y]), cuts)
    agreed = (right + (n - positive - accepting + right)) / n
    chance = (accepting * positive + (n - accepting) * (n - positive)) / n**2
    kappa = np.round((agreed - chance) / (1 - chance), 12)  # rounded, so that ties are equal
    return float(cuts[np.lexsort((cuts, -agreed, -kappa))[0]])


def cross_fitted(
    scores: ArrayLike, accepted: ArrayLike, *, folds: int = 10, seed: int = 0
) -> Bools:
    """(n,) whether each row would be accepted, by a threshold chosen on the other folds.

    A threshold looks better than it is on the marks it was chosen by.

    Parameters
    ----------
    scores, accepted : as in :func:`threshold`, with at least two marks of each kind.
    folds : of equal size and shares of marks; at most as many as there are marks of the rarer kind.

    Examples
    --------
    >>> cross_fitted([1, 2, 4, 5], [False, False, True, True]).tolist()
    [False, False, True, True]
    """
    s, y = _both_kinds(scores, accepted)
    folds = min(folds, int(y.sum()), int((~y).sum()))
    if folds < 2:
        raise UsageError("expected two folds or more, and two marks of each kind at least.")
    rng = np.random.default_rng(seed)
    fold = np.empty(len(y), np.int64)
    for kind in (y, ~y):
        fold[kind] = rng.permutation(int(kind.sum())) % folds
    verdicts = np.empty(len(y), bool)
    for at in range(folds):
        verdicts[fold == at] = s[fold == at] >= threshold(s[fold != at], y[fold != at])
    return verdicts


def _marked(scores: ArrayLike, accepted: ArrayLike) -> tuple[Floats, Bools]:
    """Scores and marks as arrays of one length, with finite scores."""
    s, y = numbers_or_nan(scores), numbers_or_nan(accepted)
    if (
        s.ndim != 1
        or s.shape != y.shape
        or not np.isfinite(s).all()
        or not np.isin(y, (0, 1)).all()
    ):
        raise UsageError("expected a number for each mark, and marks that are true or false.")
    return s, y.astype(bool)


def _both_kinds(scores: ArrayLike, accepted: ArrayLike) -> tuple[Floats, Bools]:
    """The same, with accepted and rejected rows."""
    s, y = _marked(scores, accepted)
    if y.all() or not y.any():
        raise UsageError("expected both kinds of marks, accepted and not.")
    return s, y
