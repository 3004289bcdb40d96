"""Bootstrap intervals of a statistic, and of the difference of two."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.stats.intervals import check_level, normal_tail
from synthkit.stats.jackknife import t_quantile
from synthkit.stats.multiple import holm

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
Statistic = Callable[[Positions], Any]
"""Positions of rows -> a number; or, vectorised, (b, m) positions -> (b,) numbers."""

BLOCK = 1_000_000
"""Most positions that are drawn at once."""
ROUNDING = 1e-9
"""The part of an interval's ends within which one is 0: sums of floats do not end at 0 exactly."""
FEW = 10
"""Rows below which the interval of a mean is Student's."""
MANY = 30
"""Rows of each of two tables with which any level can be reached."""
WIDER_WITHOUT_ROWS = 1.4
"""The error of a difference of scores without values of rows, over that from their intervals.

The intervals leave out that a threshold, a classifier or its training rows would be others for
another table. Without this, up to 15 % of separate tables of one source differ in Cohen's kappa of
a judge, 12 % in TSTR (``tests/benchmarks/null_differences.py``)."""


def bootstrap(
    statistic: Statistic,
    n: int,
    *,
    method: Literal["bca", "percentile"] = "bca",
    vectorised: bool = False,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """The interval of a statistic from rows drawn with replacement.

    Parameters
    ----------
    statistic : positions of rows, (n,) from 0 to n - 1 with repeats, -> a finite number.
    n : the number of rows, 1 or more. For a single row both ends are its value.
    method : ``"percentile"`` takes quantiles of the resamples; ``"bca"`` corrects them for bias and
        for a spread that grows with the value, and computes n further values, each without one row.
    vectorised : whether ``statistic`` takes (b, m) positions and returns (b,) numbers, which is
        faster.
    resamples : the number of resamples.
    level : how often such intervals contain the true value.
    seed : the seed of the draws.

    Raises
    ------
    UsageError
        If an option is out of range, or the statistic is not finite for some resample.

    Notes
    -----
    Not for statistics that copies distort, such as distinct words or nearest neighbours: see
    :func:`~synthkit.stats.jackknife.jackknife`. If all resamples lie on one side of the value, the
    bias correction would be infinite; here their share is kept half a resample away from 0 and 1.

    References
    ----------
    B. Efron (1987), Better bootstrap confidence intervals, JASA 82, equations 2.3 and 6.6.

    Examples
    --------
    >>> scores = np.array([0.2, 0.4, 0.4, 0.5, 0.9, 1.0])
    >>> low, high = bootstrap(lambda rows: scores[rows].mean(axis=1), 6, vectorised=True)
    >>> f"{low:.2f} {high:.2f}"
    '0.37 0.80'
    """
    check_level(level)
    if n < 1 or resamples < 2 or method not in ("bca", "percentile"):
        raise UsageError(
            "expected n of 1 or more, resamples of 2 or more, and method 'bca' or 'percentile'; "
            f"got {n}, {resamples}, {method!r}."
        )
    rng = np.random.default_rng(seed)
    drawn = _in_blocks(
        lambda times: _values(statistic, rng.integers(n, size=(len(times), n)), vectorised),
        resamples,
        n,
    )
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca" and n > 1 and np.ptp(drawn) > 0:
        tails = _accelerated(statistic, n, drawn, tails, vectorised)
    low, high = np.quantile(drawn, tails)
    return float(low), float(high)


def mean_interval(
    values: Floats, *, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """The BCa interval of the mean of (n,) values; with fewer than 10, that of Student's t.

    BCa intervals of so few rows are too narrow: those of 95 % contain the mean of a normal
    distribution 52, 71, 86 and 89 times of 100 for 2, 3, 5 and 8 rows (91 for 10). The interval of
    equal values, or of one row, has no width: they do not show how much other rows vary.
    """
    if 1 < len(values) < FEW:
        error = float(values.std(ddof=1)) / math.sqrt(len(values))
        middle, margin = float(values.mean()), t_quantile(level, len(values) - 1) * error
        return middle - margin, middle + margin
    options: Any = {"resamples": resamples, "level": level, "seed": seed}
    return bootstrap(
        lambda rows: values[rows].mean(axis=-1), len(values), vectorised=True, **options
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The difference of two statistics, with its interval.

    ``n`` is the number of rows, or, if ``paired`` is false, of the smaller table. ``p`` is the
    p-value, if there is a test, corrected for ``family`` comparisons (by Holm, see
    :func:`corrected`). ``str`` adds "no significant difference" if there is none.
    """

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95
    paired: bool = True
    p: float | None = None
    family: int = 1

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0, beyond rounding, and ``p`` is at most 1 - level."""
        rounding = ROUNDING * max(abs(self.low), abs(self.high))
        excludes = self.low > rounding or self.high < -rounding
        return excludes and (self.p is None or self.p <= 1 - self.level + ROUNDING)

    def widened(self, factor: float) -> Difference:
        """With an error that is ``factor`` times as large: a wider interval and a larger p."""
        p = self.p
        if p is not None and 0 < p < 1:
            p = normal_tail(NormalDist().inv_cdf(max(p / 2, 1e-300)) / factor)
        low = self.value - factor * (self.value - self.low)
        high = self.value + factor * (self.high - self.value)
        return replace(self, low=low, high=high, p=p)

    def __str__(self) -> str:
        text = f"{self.value:+.3g} [{self.low:+.3g}, {self.high:+.3g}]"
        if self.significant:
            return text
        among = f", corrected for {self.family} comparisons" if self.family > 1 else ""
        return f"{text}, no significant difference on {self.n} rows{among}"


def corrected(differences: Sequence[Difference], among: int = 0) -> list[Difference]:
    """Differences that are tested together: their p-values are corrected by Holm.

    Parameters
    ----------
    among : the number of all comparisons, if these are the most different ones of more.

    >>> gaps = [Difference(value=1, low=0.1, high=2, n=9, p=p) for p in (0.03, 0.02)]
    >>> [(gap.p, gap.family, gap.significant) for gap in corrected(gaps)]
    [(0.04, 2, True), (0.04, 2, True)]
    """
    tested = [at for at, gap in enumerate(differences) if gap.p is not None]
    p = [gap.p for gap in differences if gap.p is not None]
    p += [1.0] * (among - len(p))
    adjusted = dict(zip(tested, holm(p), strict=False))
    return [
        replace(gap, p=adjusted[at], family=len(p)) if at in adjusted else gap
        for at, gap in enumerate(differences)
    ]


def score_difference(a: Score, b: Score) -> Difference | None:
    """The difference of two independent scores, from their intervals.

    ``None`` if one has none, or if the interval would have no width towards 0. ``p`` is 1 minus the
    level at which the interval would end at 0, for normal ends. Two rows against two can show no
    difference: if all ways to divide so few rows are too few for the level, the interval reaches 0,
    and ``p`` is that of the most extreme one.

    The lower end is d - sqrt((a - a_low)^2 + (b_high - b)^2), the upper end
    d + sqrt((a_high - a)^2 + (b - b_low)^2). With two Wilson intervals it is Newcombe's interval of
    the difference of two proportions. For scores of the same rows it is wider than necessary.

    References
    ----------
    R. G. Newcombe (1998), Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17, 873-890, method 10; G. Y. Zou and A. Donner (2008), Construction of
    confidence limits about effect measures, Statistics in Medicine 27, 1693-1702, equation 2.

    Examples
    --------
    >>> from synthkit.stats.intervals import wilson
    >>> ends = [wilson(56, 70), wilson(48, 80)]  # Newcombe's example: 0.0524 to 0.3339
    >>> gap = score_difference(*(Score(name="", value=value, low=low, high=high, n=n)
    ...                          for value, n, (low, high) in zip((0.8, 0.6), (70, 80), ends)))
    >>> f"{gap.low:.4f} {gap.high:.4f}"
    '0.0524 0.3339'
    """
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return None
    value = a.value - b.value
    below = math.hypot(a.value - a.low, b.high - b.value)
    above = math.hypot(a.high - a.value, b.value - b.low)
    towards_0 = below if value > 0 else above if value < 0 else max(below, above)
    if not towards_0:
        return None
    deviates = abs(value) / towards_0 * NormalDist().inv_cdf((1 + a.level) / 2)
    low, high, p = value - below, value + above, normal_tail(deviates)
    n, m = (min(score.n, MANY) for score in (a, b))
    if n and m and (least := 2 / math.comb(n + m, n)) > 1 - a.level:
        low, high, p = min(low, 0.0), max(high, 0.0), max(p, least)
    return Difference(
        value=value, low=low, high=high, n=min(a.n, b.n), level=a.level, paired=False, p=p
    )


def paired_bootstrap(
    first: Statistic,
    second: Statistic,
    n: int,
    *,
    vectorised: bool = False,
    level: float = 0.95,
    **options: Any,
) -> Difference:
    """The difference ``first - second`` of two statistics of the same n rows.

    Each resample draws the same rows for both, so rows that are difficult for both do not widen the
    interval. Parameters, which ``options`` may name too, errors and notes are those of
    :func:`bootstrap`.

    References
    ----------
    P. Koehn (2004), Statistical significance tests for machine translation evaluation, EMNLP,
    section 5.

    Examples
    --------
    >>> old = np.array([0, 0, 1, 0, 1, 0, 1, 1, 0, 0])
    >>> new = np.array([0, 1, 1, 0, 1, 1, 1, 1, 1, 1])
    >>> print(paired_bootstrap(lambda rows: new[rows].mean(), lambda rows: old[rows].mean(), 10))
    +0.4 [+0.1, +0.7]
    >>> newer = np.array([1, 0, 1, 0, 1, 1, 1, 1, 1, 1])
    >>> print(paired_bootstrap(lambda rows: new[rows].mean(), lambda rows: newer[rows].mean(), 10))
    +0 [-0.3, +0.3], no significant difference on 10 rows
    """

    def difference(rows: Positions) -> ArrayLike:
        return np.asarray(first(rows), np.float64) - np.asarray(second(rows), np.float64)

    low, high = bootstrap(difference, n, vectorised=vectorised, level=level, **options)
    (value,) = _values(difference, np.arange(n)[None], vectorised)
    return Difference(value=float(value), low=low, high=high, n=n, level=level)


def _in_blocks(values: Callable[[Positions], Floats], total: int, size: int) -> Floats:
    """(total,) values from positions 0 to total - 1, each of which needs ``size`` cells."""
    step = max(1, BLOCK // size)
    blocks = (np.arange(at, min(at + step, total)) for at in range(0, total, step))
    return np.concatenate([values(block) for block in blocks])


def _values(statistic: Statistic, rows: Positions, vectorised: bool) -> Floats:
    """(b,) values of the statistic, one for each line of positions."""
    results = statistic(rows) if vectorised else [statistic(line) for line in rows]
    values = np.asarray(results, np.float64)
    if values.shape != (len(rows),):
        raise UsageError(
            f"expected a statistic with one number for each of {len(rows)} sets of rows; got shape "
            f"{values.shape}. With vectorised=True it must reduce only the last axis."
        )
    if not np.isfinite(values).all():
        raise UsageError(
            "the statistic is not finite for some of the resamples; it must be defined for any "
            "rows drawn with replacement."
        )
    return values


def _accelerated(
    statistic: Statistic, n: int, drawn: Floats, tails: Floats, vectorised: bool
) -> Floats:
    """The quantiles of the resamples at the ends of the BCa interval."""
    normal = NormalDist()
    (value,) = _values(statistic, np.arange(n)[None], vectorised)
    below = float((drawn < value).mean() + (drawn == value).mean() / 2)
    least = 0.5 / len(drawn)
    bias = normal.inv_cdf(min(max(below, least), 1 - least))
    others = np.arange(n - 1)
    without = _in_blocks(
        lambda rows: _values(statistic, others + (others >= rows[:, None]), vectorised), n, n
    )
    gaps = without.mean() - without
    spread = float(np.square(gaps).sum())
    skew = float((gaps**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0

    def moved(tail: float) -> float:
        shift = bias + normal.inv_cdf(tail)
        scale = 1 - skew * shift
        return normal.cdf(bias + shift / scale) if scale > 0 else float(shift > 0)

    return np.array([moved(tail) for tail in tails])
