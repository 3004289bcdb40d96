"""Calibration: what a judge's scores mean, by what people accept.

Scores become verdicts by a threshold, and probabilities by their scale; both are held against
marks here. :mod:`synthkit.evaluate.raters.judge_calibration` puts them together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.types import Score
from synthkit.stats.bootstrap import bootstrap
from synthkit.stats.intervals import check_level, wilson

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

DRAWS = 200
"""Tables of which the error by chance is the mean."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of about one predicted probability: its mean, and the share of them that was accepted.

    ``low`` and ``high`` are the Wilson interval of the share.
    """

    predicted: float
    share: float
    n: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far predicted probabilities are those that came true.

    ``error`` is the mean over ``bins``; ``by_chance`` is the error that probabilities without any
    would have on as many rows.
    """

    error: Score
    by_chance: float
    bins: tuple[Bin, ...]

    def frame(self) -> Any:
        """A DataFrame with a row for each bin, as ``plots.reliability`` takes it."""
        pandas = need("pandas", extra="data", why="to show bins")
        names = list(Bin.__dataclass_fields__)
        rows = [[getattr(one, name) for name in names] for one in self.bins]
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
    """The expected calibration error of probabilities, and the bins that it is the mean of.

    ECE = sum_b n_b / n |share_b - predicted_b| over bins of equal width, with the mean of each. Of
    few rows it is too high, as chance alone parts the two: hold it against ``by_chance``, its mean
    where each row comes true as often as is predicted. The interval, a bootstrap over rows, has
    that bias too: an error of 0.1 it held in 97 % of tables of 300 rows, and 79 % of 60.

    Parameters
    ----------
    predicted : (n,) probabilities of accept, 0..1. One on the edge of two bins is in the lower.
    accepted : (n,) whether each was accepted.
    bins : how many; empty ones are left out.

    Raises
    ------
    UsageError
        If there is no row, the lengths differ, or a probability is not within 0..1.

    References
    ----------
    C. Guo et al. (2017), On calibration of modern neural networks, arXiv 1706.04599, equation 3;
    J. Bröcker and L. A. Smith (2007), Increasing the reliability of reliability diagrams, Weather
    and Forecasting 22, section 3 (rows that come true as predicted).

    Examples
    --------
    >>> found = reliability([0.2, 0.2, 0.9, 0.9], [False, True, True, True])
    >>> round(found.error.value, 3), [one.share for one in found.bins]
    (0.2, [0.5, 1.0])
    """
    p, y = _marked(predicted, accepted)
    if not len(p) or not ((p >= 0) & (p <= 1)).all():
        raise UsageError("expected probabilities, 0..1, of one row or more.")
    if bins < 1:
        raise UsageError(f"bins must be at least 1; got {bins}.")
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
        name="expected calibration error",
        value=value,
        low=min(low, value),  # all resamples may be above it
        high=max(high, value),
        n=len(p),
        unit="0..1",
        better="lower",
        how=f"{bins} bins of equal width; bootstrap over rows, {resamples} resamples, seed {seed}",
        level=level,
    )
    rng = np.random.default_rng(seed)
    came = (rng.random((DRAWS, len(p))) < p) - p
    by_chance = float(np.abs(came @ inside).sum(axis=1).mean()) / len(p)
    found = []
    for one in np.unique(at):
        own = at == one
        n, said = int(own.sum()), float(y[own].sum())
        found.append(Bin(float(p[own].mean()), said / n, n, *wilson(said, n, level)))
    return Reliability(error, by_chance, tuple(found))


def roc_area(scores: ArrayLike, accepted: ArrayLike, *, level: float = 0.95) -> Score:
    """How often an accepted row scores higher than a rejected one, a tie half; 0.5 is chance.

    It is the area under the ROC curve, and needs no threshold. The interval is DeLong's, normal and
    cut off at 0 and 1; where all accepted rows are above all rejected ones it has no width.

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

    def above(one: Floats, other: Floats) -> Floats:
        """For each of one, the share of the other that is below it, ties half."""
        held = np.sort(other)
        both = np.searchsorted(held, one) + np.searchsorted(held, one, side="right")
        return np.asarray(both / (2 * len(held)))

    wins, losses = above(s[y], s[~y]), 1 - above(s[~y], s[y])
    value = float(wins.mean())
    error = math.sqrt(sum(x.var(ddof=1) / len(x) for x in (wins, losses) if len(x) > 1))
    half = NormalDist().inv_cdf((1 + level) / 2) * error
    lone = min(len(wins), len(losses)) == 1  # of one row nothing is known of others
    return Score(
        name="area under ROC",
        value=value,
        low=None if lone else max(0.0, value - half),
        high=None if lone else min(1.0, value + half),
        n=len(s),
        unit="0..1",
        better="higher",
        how="DeLong; 0.5 is chance",
        level=level,
    )


def threshold(scores: ArrayLike, accepted: ArrayLike) -> float:
    """The score from which on to accept rows, so that kappa with the marks is the greatest.

    It lies half way between two scores that occur. Of several such the one that is right more
    often, and of these the lowest; the lowest score is to accept all, and infinity to accept none.

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
    held = np.unique(s)
    cuts = np.concatenate([held[:1], (held[1:] + held[:-1]) / 2, [np.inf]])
    n, positive = len(y), y.sum()
    taken = n - np.searchsorted(np.sort(s), cuts)
    right = positive - np.searchsorted(np.sort(s[y]), cuts)
    agreed = (right + (n - positive - taken + right)) / n
    chance = (taken * positive + (n - taken) * (n - positive)) / n**2
    kappa = np.round((agreed - chance) / (1 - chance), 12)  # equal ones must be told as equal
    return float(cuts[np.lexsort((cuts, -agreed, -kappa))[0]])


def cross_fitted(
    scores: ArrayLike, accepted: ArrayLike, *, folds: int = 10, seed: int = 0
) -> Bools:
    """(n,) whether each row would be accepted, by the threshold that the other folds choose.

    A threshold that is held against the marks it was chosen by looks better than it is.

    Parameters
    ----------
    scores, accepted : as in :func:`threshold`, with two marks of each kind at least.
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
    said = np.empty(len(y), bool)
    for one in range(folds):
        said[fold == one] = s[fold == one] >= threshold(s[fold != one], y[fold != one])
    return said


def _marked(scores: ArrayLike, accepted: ArrayLike) -> tuple[Floats, Bools]:
    """Numbers and marks, after a look at them."""
    try:
        s, y = np.asarray(scores, np.float64), np.asarray(accepted, np.float64)
    except (TypeError, ValueError):
        s, y = np.zeros(1), np.zeros(0)
    if (
        s.ndim != 1
        or s.shape != y.shape
        or not np.isfinite(s).all()
        or not np.isin(y, (0, 1)).all()
    ):
        raise UsageError("expected a number for each mark, and marks that are true or false.")
    return s, y.astype(bool)


def _both_kinds(scores: ArrayLike, accepted: ArrayLike) -> tuple[Floats, Bools]:
    s, y = _marked(scores, accepted)
    if y.all() or not y.any():
        raise UsageError("expected both kinds of marks, accepted and not.")
    return s, y
