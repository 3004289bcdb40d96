"""Resampling: how far any statistic of a table may be off, by drawing or leaving out its rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.stats.intervals import check_level

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
Statistic = Callable[[Positions], Any]
"""Positions of rows -> a number; or, vectorised, (b, m) positions -> (b,) numbers."""

BLOCK = 1_000_000
"""Positions drawn at once."""


def jackknife(
    value: float, left_out: ArrayLike, level: float = 0.95
) -> tuple[float, float] | tuple[None, None]:
    """The interval of a statistic from its values with each row, or each part, left out.

    For what a resample would distort: among rows drawn with replacement are copies, which bring no
    new word and have a neighbour at distance 0. On average the jackknife's variance is not below
    the true one, so the interval is rather too wide than too narrow. It says how far the value
    would move with as many other rows; a bias of small tables stays in it.

    Parameters
    ----------
    value : of all rows.
    left_out : (g,) values without each of g rows, or of g parts of one size.
    level : how often intervals made like this hold the expected value.

    Returns
    -------
    Both ends, around ``value``; ``None`` twice where ``left_out`` has fewer than two values, or one
    that is not finite.

    References
    ----------
    J. W. Tukey (1958); B. Efron and C. Stein (1981), The jackknife estimate of variance, Annals of
    Statistics 9, equation 1.3 and section 2. The quantile is Student's with g - 1 degrees of
    freedom, within 0.2 % by Abramowitz and Stegun (1964), 26.7.5.

    Examples
    --------
    >>> values = np.arange(10.0)
    >>> low, high = jackknife(4.5, (45 - values) / 9)
    >>> f"{low:.2f} {high:.2f}"  # as Student's interval of a mean
    '2.33 6.67'
    """
    check_level(level)
    values = np.asarray(left_out, np.float64)
    g = len(values)
    if g < 2 or not np.isfinite(values).all():
        return None, None
    error = math.sqrt((g - 1) * float(values.var()))
    reach = _student(level, g - 1) * error
    return value - reach, value + reach


def subsampled(
    value: float, drawn: ArrayLike, share: float, level: float = 0.95
) -> tuple[float, float] | tuple[None, None]:
    """The interval of a statistic from its values on parts of the rows, drawn without replacement.

    For statistics of nearest neighbours, which copies distort, and which the jackknife takes to
    vary more than they do: with large parts left out there is less of that.

    Parameters
    ----------
    value : of all rows.
    drawn : (g,) values of g random parts.
    share : of the rows in a part, above 0, below 1.
    level : how often intervals made like this hold the expected value.

    Returns
    -------
    Both ends, around ``value``; ``None`` twice where there are fewer than two parts.

    References
    ----------
    J. Shao and C. F. J. Wu (1989), A general theory for jackknife variance estimation, Annals of
    Statistics 17, 1176-1197, section 2. The quantile is Student's with g - 1 degrees of freedom.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> values = rng.normal(size=100)
    >>> halves = [rng.choice(values, 50, replace=False).mean() for _ in range(500)]
    >>> low, high = subsampled(values.mean(), halves, 0.5)
    >>> f"{low:.2f} {high:.2f}"  # Student's interval of a mean: -0.11 0.27
    '-0.11 0.28'
    """
    check_level(level)
    values = np.asarray(drawn, np.float64)
    if len(values) < 2:
        return None, None
    error = math.sqrt(share / (1 - share) * float(values.var(ddof=1)))
    reach = _student(level, len(values) - 1) * error
    return value - reach, value + reach


def _student(level: float, free: int) -> float:
    """What Student's t stays within, either side of 0, as often as ``level`` says."""
    if free == 1:
        return math.tan(math.pi * level / 2)
    if free == 2:
        return level * math.sqrt(2 / (1 - level**2))
    z = NormalDist().inv_cdf((1 + level) / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(free) ** power for power, term in enumerate(terms, 1))


def pseudo_values(value: float, left_out: ArrayLike) -> Floats | None:
    """(n,) what each row brings to a statistic: ``value + (n - 1) (mean - left_out)``.

    They are the jackknife's, less its correction for bias, so that their mean is the value itself;
    those of a mean are the rows it is of. The interval of their mean is that of :func:`jackknife`.

    Parameters
    ----------
    value : of all rows.
    left_out : (n,) values without each of the rows.

    Returns
    -------
    ``None`` where ``left_out`` has fewer than two values, or one that is not finite.

    References
    ----------
    J. W. Tukey (1958), Bias and confidence in not-quite large samples, Annals of Mathematical
    Statistics 29, 614.

    Examples
    --------
    >>> values = np.array([1.0, 2.0, 6.0])
    >>> pseudo_values(3.0, (9 - values) / 2)
    array([1., 2., 6.])
    """
    values = np.asarray(left_out, np.float64)
    if len(values) < 2 or not np.isfinite(values).all():
        return None
    return np.asarray(value + (len(values) - 1) * (values.mean() - values))


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
    n : how many rows there are, 1 or more. Of one row nothing is known of others: both ends are its
        value.
    method : ``"percentile"`` takes quantiles of the resamples; ``"bca"`` shifts them for bias and
        for a spread that grows with the value, and asks for n values more, each without one row.
    vectorised : ``statistic`` takes (b, m) positions and gives (b,) numbers, which is faster.
    resamples : how many.
    level : how often intervals made like this hold the true value.
    seed : of the draws.

    Raises
    ------
    UsageError
        If an option is out of its range, or the statistic is not finite for some resample.

    Notes
    -----
    Not for statistics that copies distort, such as distinct words or nearest neighbours: see
    :func:`jackknife`. Where all resamples lie on one side of the value the shift for bias would be
    infinite; here their share is kept half a resample away from 0 and 1.

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
    step = max(1, BLOCK // n)
    drawn = np.concatenate(
        [
            _values(statistic, rng.integers(n, size=(min(step, resamples - at), n)), vectorised)
            for at in range(0, resamples, step)
        ]
    )
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "bca" and n > 1 and np.ptp(drawn) > 0:
        tails = _accelerated(statistic, n, drawn, tails, vectorised)
    low, high = np.quantile(drawn, tails)
    return float(low), float(high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What one statistic has over another, with its interval.

    ``n`` rows are in both, or, where ``paired`` is false, in the smaller of two. ``str`` says so
    where the interval holds 0: then it is not known to be a difference.
    """

    value: float
    low: float
    high: float
    n: int
    level: float = 0.95
    paired: bool = True

    @property
    def told_apart(self) -> bool:
        """Whether 0 is outside of the interval."""
        return not self.low <= 0 <= self.high

    def __str__(self) -> str:
        said = f"{self.value:+.3g} [{self.low:+.3g}, {self.high:+.3g}]"
        return said if self.told_apart else f"{said}, not told apart on {self.n} rows"


def paired_bootstrap(
    first: Statistic,
    second: Statistic,
    n: int,
    *,
    method: Literal["bca", "percentile"] = "bca",
    vectorised: bool = False,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """What ``first`` has over ``second``, where both are of the same n rows.

    Each resample draws one set of rows for both, so that what is hard for both does not widen the
    interval. Parameters, errors and notes are those of :func:`bootstrap`.

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
    +0 [-0.3, +0.3], not told apart on 10 rows
    """

    def apart(rows: Positions) -> ArrayLike:
        return np.asarray(first(rows), np.float64) - np.asarray(second(rows), np.float64)

    low, high = bootstrap(
        apart, n, method=method, vectorised=vectorised, resamples=resamples, level=level, seed=seed
    )
    (value,) = _values(apart, np.arange(n)[None], vectorised)
    return Difference(value=float(value), low=low, high=high, n=n, level=level)


def unpaired_bootstrap(
    first: ArrayLike,
    second: ArrayLike,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """What the mean of ``first`` has over that of ``second``, each drawn from its own rows.

    Parameters
    ----------
    first, second : (n,) and (m,) finite numbers, one or more each.
    resamples, level, seed : as in :func:`bootstrap`; the interval is the percentiles'.

    Raises
    ------
    UsageError
        If one is empty or not finite, or an option is out of its range.

    References
    ----------
    B. Efron and R. Tibshirani (1993), An introduction to the bootstrap, section 8.3.

    Examples
    --------
    >>> print(unpaired_bootstrap([1, 1, 0, 1, 1, 1], [0, 0, 0, 1, 0, 0]))
    +0.667 [+0.167, +1]
    """
    check_level(level)
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if x.ndim != 1 or y.ndim != 1 or not len(x) or not len(y) or resamples < 2:
        raise UsageError(
            "expected two lists of numbers, one or more each, and resamples of 2 or more; got "
            f"shapes {x.shape} and {y.shape}, {resamples}."
        )
    if not np.isfinite(x).all() or not np.isfinite(y).all():
        raise UsageError("expected finite numbers; one is NaN or infinite.")
    rng = np.random.default_rng(seed)
    step = max(1, BLOCK // max(len(x), len(y)))
    drawn = np.concatenate(
        [
            _means(x, rng, min(step, resamples - at)) - _means(y, rng, min(step, resamples - at))
            for at in range(0, resamples, step)
        ]
    )
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Difference(
        value=float(x.mean() - y.mean()),
        low=float(low),
        high=float(high),
        n=min(len(x), len(y)),
        level=level,
        paired=False,
    )


def _means(values: Floats, rng: np.random.Generator, times: int) -> Floats:
    """(times,) means of as many values drawn with replacement."""
    drawn = values[rng.integers(len(values), size=(times, len(values)))]
    return np.asarray(drawn.mean(axis=1))


def _values(statistic: Statistic, rows: Positions, vectorised: bool) -> Floats:
    """(b,) values of the statistic, one for each line of positions."""
    given = statistic(rows) if vectorised else [statistic(line) for line in rows]
    values = np.asarray(given, np.float64)
    if values.shape != (len(rows),):
        raise UsageError(
            f"expected a statistic that gives one number for each of {len(rows)} sets of rows; got "
            f"shape {values.shape}. With vectorised=True it must reduce the last axis alone."
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
    """The shares of the resamples at which the BCa interval ends."""
    normal = NormalDist()
    (value,) = _values(statistic, np.arange(n)[None], vectorised)
    below = float((drawn < value).mean() + (drawn == value).mean() / 2)
    least = 0.5 / len(drawn)
    bias = normal.inv_cdf(min(max(below, least), 1 - least))
    step = max(1, BLOCK // n)
    others = np.arange(n - 1)
    without = np.concatenate(
        [
            _values(
                statistic,
                others + (others >= np.arange(at, min(at + step, n))[:, None]),
                vectorised,
            )
            for at in range(0, n, step)
        ]
    )
    gaps = without.mean() - without
    spread = float(np.square(gaps).sum())
    skew = float((gaps**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0

    def moved(tail: float) -> float:
        shift = bias + normal.inv_cdf(tail)
        scale = 1 - skew * shift
        return normal.cdf(bias + shift / scale) if scale > 0 else float(shift > 0)

    return np.array([moved(tail) for tail in tails])
