"""Intervals of a statistic from its values with rows left out: jackknife and subsampling."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.stats.intervals import check_level


def jackknife(
    value: float, left_out: ArrayLike, level: float = 0.95
) -> tuple[float, float] | tuple[None, None]:
    """The interval of a statistic from its values with each row, or each part, left out.

    It is for statistics that a bootstrap distorts: rows drawn with replacement include copies,
    which add no new words and have a neighbour at distance 0. On average the jackknife's variance
    is not below the true one, so intervals are rather too wide than too narrow. The interval says
    how much the value would vary with as many other rows; it does not correct the bias of small
    tables.

    Parameters
    ----------
    value : the statistic of all rows.
    left_out : (g,) values without each of g rows, or of g parts of equal size.
    level : how often such intervals contain the expected value.

    Returns
    -------
    Both ends, around ``value``; ``None`` twice if ``left_out`` has fewer than two values, or one
    that is not finite.

    References
    ----------
    J. W. Tukey (1958); B. Efron and C. Stein (1981), The jackknife estimate of variance, Annals of
    Statistics 9, equation 1.3 and section 2. The quantile is that of Student's t with g - 1 degrees
    of freedom.

    Examples
    --------
    >>> values = np.arange(10.0)
    >>> low, high = jackknife(4.5, (45 - values) / 9)
    >>> f"{low:.2f} {high:.2f}"  # equals the t interval of a mean
    '2.33 6.67'
    """
    check_level(level)
    values = np.asarray(left_out, np.float64)
    g = len(values)
    if g < 2 or not np.isfinite(values).all():
        return None, None
    error = math.sqrt((g - 1) * float(values.var()))
    margin = t_quantile(level, g - 1) * error
    return value - margin, value + margin


def subsampled(
    value: float, drawn: ArrayLike, share: float, level: float = 0.95
) -> tuple[float, float] | tuple[None, None]:
    """The interval of a statistic from its values on random parts drawn without replacement.

    It is for statistics of nearest neighbours, which copies distort and for which the jackknife
    overestimates the variance; leaving out large parts reduces that.

    Parameters
    ----------
    value : the statistic of all rows.
    drawn : (g,) values of g random parts.
    share : the share of the rows in a part, above 0, below 1.
    level : how often such intervals contain the expected value.

    Returns
    -------
    Both ends, around ``value``; ``None`` twice if there are fewer than two parts.

    References
    ----------
    J. Shao and C. F. J. Wu (1989), A general theory for jackknife variance estimation, Annals of
    Statistics 17, 1176-1197, section 2. The quantile is that of Student's t with g - 1 degrees of
    freedom.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> values = rng.normal(size=100)
    >>> halves = [rng.choice(values, 50, replace=False).mean() for _ in range(500)]
    >>> low, high = subsampled(values.mean(), halves, 0.5)
    >>> f"{low:.2f} {high:.2f}"  # the t interval of a mean: -0.11 0.27
    '-0.11 0.28'
    """
    check_level(level)
    values = np.asarray(drawn, np.float64)
    if len(values) < 2:
        return None, None
    error = math.sqrt(share / (1 - share) * float(values.var(ddof=1)))
    margin = t_quantile(level, len(values) - 1) * error
    return value - margin, value + margin


def pseudo_values(value: float, left_out: ArrayLike) -> NDArray[np.float64] | None:
    """(n,) contribution of each row to a statistic: ``value + (n - 1) (mean - left_out)``.

    These are the jackknife's pseudo-values without its correction for bias, so their mean is the
    value itself; for a mean they are the rows themselves. The interval of their mean is that of
    :func:`jackknife`.

    Parameters
    ----------
    value : the statistic of all rows.
    left_out : (n,) values without each of the rows.

    Returns
    -------
    ``None`` if ``left_out`` has fewer than two values, or one that is not finite.

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


def t_tail(t: float, freedom: float) -> float:
    """Both tails of Student's t beyond ``t``: the probability of a value as far from 0, or further.

    I_x(freedom / 2, 1/2) at x = freedom / (freedom + t^2), by its continued fraction (NIST Digital
    Library of Mathematical Functions, 8.17.22).

    >>> round(t_tail(10, 3), 5), round(t_tail(5, 1), 4)
    (0.00213, 0.1257)
    """
    squared = t * t
    if not squared:
        return 1.0
    a, b = freedom / 2, 0.5
    log_x, log_y = -math.log1p(squared / freedom), -math.log1p(freedom / squared)
    factor = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * log_x + b * log_y)
    x = math.exp(log_x)
    if x > (a + 1) / (a + b + 2):  # the fraction of the other tail converges
        return 1 - factor * _beta_fraction(b, a, math.exp(log_y)) / b
    return factor * _beta_fraction(a, b, x) / a


def _beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    fraction, m, change = d, 1, 0.0
    while abs(change - 1) > 1e-15 and m < 100_000:
        change = 1.0
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            c, d = 1 + term / c, 1 / (1 + term * d)
            change *= c * d
        fraction *= change
        m += 1
    return fraction


@lru_cache(maxsize=1024)
def t_quantile(level: float, freedom: float) -> float:
    """The value that Student's t stays within, on both sides of 0, with probability ``level``."""
    low, high = 0.0, 1.0
    while t_tail(high, freedom) > 1 - level:
        low, high = high, 2 * high
    while high - low > 1e-14 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if t_tail(middle, freedom) > 1 - level else (low, middle)
    return high
