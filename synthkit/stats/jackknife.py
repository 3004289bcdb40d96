"""Intervals of a statistic from its values with rows left out: jackknife and subsampling."""

from __future__ import annotations

import math
from statistics import NormalDist

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
    of freedom, within 0.2 % by Abramowitz and Stegun (1964), 26.7.5.

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


def t_quantile(level: float, freedom: int) -> float:
    """The value that Student's t stays within, on both sides of 0, with probability ``level``."""
    if freedom == 1:
        return math.tan(math.pi * level / 2)
    if freedom == 2:
        return level * math.sqrt(2 / (1 - level**2))
    z = NormalDist().inv_cdf((1 + level) / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(freedom) ** power for power, term in enumerate(terms, 1))
