"""The difference of two means of rows, some of which both tables have, by permutation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.stats.bootstrap import BLOCK, Difference
from synthkit.stats.intervals import check_level, normal_tail
from synthkit.stats.jackknife import t_quantile, t_tail

Floats = NDArray[np.float64]
Units = NDArray[np.intp]

MOST_UNITS = 5000
"""Rows above which the permutations are replaced by their normal limit."""
ROUNDING = 1e-6
"""Relative rounding of stored values; a difference within it is none."""


def row_difference(
    first: ArrayLike,
    second: ArrayLike,
    first_units: ArrayLike,
    second_units: ArrayLike,
    *,
    resamples: int = 4999,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """The mean of ``first`` minus that of ``second``, for tables that may share rows.

    The null hypothesis is that chance decided which table a row is in and, for a row that both
    tables have with two values, which value is whose. Each draw permutes the tables that the rows
    are in, and swaps the two values of each shared row with probability 1/2. So

    - a table and a part of it are compared as if the part had been drawn at random,
    - two systems on the same rows are compared by a sign-flip test (for shares McNemar's),
    - two tables without a common row are compared by a two-sample permutation test,

    and any mixture of these, with copies of rows, by the same test.

    Parameters
    ----------
    first, second : (n,) and (m,) finite values of rows, two or more each.
    first_units, second_units : (n,) and (m,) whole numbers from 0; rows of one number are the same
        row, and copies of a row within a table count as one unit.
    resamples : permutations of the test, and the seed of them; with more than 5,000 rows the normal
        limit is used instead.

    Returns
    -------
    The interval is that of the permutations, shifted by the difference; ``p`` is from both tails,
    and ``None`` if no permutation could differ. If the tables are separate, or shared rows have two
    values, they may also vary differently: then the larger p-value and the wider interval count, of
    the permutations and of Student's test with a cluster-robust error. The interval of a difference
    of shares is that of Agresti and Min for the same rows, and that of Agresti and Caffo for tables
    without a common row. An interval never has width 0: it is as wide as if one success and one
    failure more were there. And a few rows that are out
    of the ordinary are no difference of tables: the p-value is at least :func:`least_p` if that is
    above 1 - level.

    Raises
    ------
    UsageError
        If a table has fewer than two rows, a value is not finite, or all values are equal: then
        nothing is known about how much they vary.

    References
    ----------
    E. J. G. Pitman (1937), Significance tests which may be applied to samples from any populations;
    B. Efron and R. Tibshirani (1993), An introduction to the bootstrap, chapter 15; A. Agresti and
    B. Caffo (2000), The American Statistician 54 (one success and one failure more); A. Agresti and
    Y. Min (2005), Statistics in Medicine 24, 729 (matched pairs).

    Examples
    --------
    >>> full, part = [1, 1, 1, 0, 1, 1, 0, 1], [1, 1, 1, 1, 1, 1]  # the two zeros are dropped
    >>> print(row_difference(full, part, range(8), [0, 1, 2, 4, 5, 7]))
    -0.25 [-0.433, +0], no significant difference on 6 rows
    """
    check_level(level)
    values = [np.asarray(side, np.float64) for side in (first, second)]
    units = [np.asarray(side, np.intp) for side in (first_units, second_units)]
    for side, unit in zip(values, units, strict=True):
        if side.ndim != 1 or len(side) < 2 or len(side) != len(unit):
            raise UsageError(
                "expected two rows or more in each table, and a unit for each; got values of shape "
                f"{side.shape} and {len(unit)} units."
            )
        if not np.isfinite(side).all():
            raise UsageError("expected finite numbers; one is NaN or infinite.")
    rows = _Rows.of(values, units)
    largest = max(float(np.abs(side).max()) for side in values)
    is_share = bool(np.isin(np.concatenate(values), (0.0, 1.0)).all())
    if not is_share and float(np.ptp(np.concatenate(values))) <= ROUNDING * largest:
        raise UsageError(
            f"all rows have the value {values[0][0]:g}, so nothing is known about how it varies."
        )
    value = float(values[0].mean() - values[1].mean())
    null = _null(rows, resamples, seed)
    rounding = ROUNDING * largest
    p = _tails(null, value, rounding)
    if (least := least_p(int(rows.differing.sum()))) > 1 - level:
        p = max(p, least)
    tested = isinstance(null, tuple) or float(np.ptp(null)) > rounding
    ends = [(value - high, value - low) for low, high in [_quantiles(null, level)]]
    error, freedom = rows.error()
    z = NormalDist().inv_cdf((1 + level) / 2)
    if error > rounding and not rows.same_values:
        p = max(p, t_tail(value / error, freedom))
        margin = t_quantile(level, max(1, int(freedom))) * error
        ends.append((value - margin, value + margin))
    if is_share or not (rows.differ_in_rows or rows.gaps.any()):
        margin = z * rows.least_error(is_share)
        ends.append((value - margin, value + margin))
    if is_share and (adjusted := _share_difference(rows, values, z)):
        ends = [adjusted]
    low, high = min(end for end, _ in ends), max(end for _, end in ends)
    if is_share:
        low, high = max(low, -1.0), min(high, 1.0)
    if p > 1 - level:
        low, high = min(low, 0.0), max(high, 0.0)
    return Difference(
        value=value, low=low, high=high, n=min(map(len, values)), level=level,
        paired=bool(rows.shared.any()), p=p if tested else None,
    )  # fmt: skip


def least_p(differing: int) -> float:
    """The smallest p-value that this many rows allow, if all others are the same in both.

    It is that of a sign test: 1, 1/2, 1/4, ... for 1, 2, 3 rows, so that 6 are needed at 95 %.

    >>> [least_p(rows) for rows in (0, 1, 2, 6)]
    [1.0, 1.0, 0.5, 0.03125]
    """
    return min(1.0, 2 * 0.5**differing)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The distinct rows of two tables.

    The difference of the means is ``membership @ values + swapped @ gaps``.

    Parameters
    ----------
    values : (u,) the value of a row; the mean if it has one in each table.
    gaps : (u,) its value in the first table minus that in the second; 0 if it is in one only.
    membership : (u,) its share of the first table minus its share of the second.
    swapped : (u,) the mean of both shares.
    shares, means : (2, u) its shares of the tables, and its mean values in them.
    shared : (u,) whether both tables have it.
    differing : (u,) whether they have it in other numbers, or with other values.
    """

    values: Floats
    gaps: Floats
    membership: Floats
    swapped: Floats
    shares: Floats
    means: Floats
    shared: NDArray[np.bool_]
    differing: NDArray[np.bool_]

    @classmethod
    def of(cls, values: list[Floats], units: list[Units]) -> _Rows:
        distinct = np.unique(np.concatenate(units))
        places = [np.searchsorted(distinct, unit) for unit in units]
        counts = np.array([np.bincount(at, minlength=len(distinct)) for at in places])
        sums = np.array([
            np.bincount(at, side, len(distinct))
            for at, side in zip(places, values, strict=True)
        ])  # fmt: skip
        means = sums / np.maximum(counts, 1)
        shares = counts / counts.sum(axis=1, keepdims=True)
        shared = (counts[0] > 0) & (counts[1] > 0)
        gaps = np.where(shared, means[0] - means[1], 0.0)
        rounding = ROUNDING * max(float(np.abs(side).max()) for side in values)
        return cls(
            values=means.sum(axis=0) / (counts > 0).sum(axis=0),
            gaps=gaps,
            membership=shares[0] - shares[1],
            swapped=shares.mean(axis=0),
            shares=shares,
            means=means,
            shared=shared,
            differing=(counts[0] != counts[1]) | (np.abs(gaps) > rounding),
        )

    def error(self) -> tuple[float, float]:
        """The cluster-robust standard error of the difference, and its degrees of freedom."""
        overall = (self.shares * self.means).sum(axis=1, keepdims=True)
        first, second = self.shares * (self.means - overall)
        strata = np.where(self.shared, 2, self.shares[1] > 0)
        variance, inverse = 0.0, 0.0
        for stratum in np.unique(strata):
            parts = (first - second)[strata == stratum]
            size = max(len(parts), 2)
            of_stratum = float(np.square(parts).sum()) * size / (size - 1)
            variance += of_stratum
            inverse += of_stratum**2 / (size - 1)
        return math.sqrt(variance), variance**2 / inverse if inverse else 1.0

    @property
    def differ_in_rows(self) -> bool:
        """Whether a row has another share of one table than of the other."""
        return bool(np.abs(self.membership).max() > ROUNDING / len(self.values))

    @property
    def same_values(self) -> bool:
        """Whether shared rows have the same values in both tables, within a tenth of their spread.

        Then only chance in which rows are in which table can make a difference.
        """
        if not self.shared.any():
            return False
        gaps = float(np.square(self.gaps[self.shared]).mean())
        return gaps <= 0.01 * float(self.values.var())

    def least_error(self, is_share: bool) -> float:
        """The standard error with one success and one failure more, for values from 0 to 1.

        So that equal values, such as all passes, do not look certain. If both tables have the same
        rows, it is that of one row more with two values that differ.
        """
        size = len(self.values)
        if self.differ_in_rows:
            share = (float(self.values.sum()) + 1) / (size + 2)
            return math.sqrt(float(np.square(self.membership).sum()) * share * (1 - share))
        spread = 1.0 if is_share else float(np.ptp(self.values))
        differing = (float(np.count_nonzero(self.gaps)) + 1) / (size + 2)
        return spread * math.sqrt(float(np.square(self.swapped).sum()) * differing)


def _share_difference(rows: _Rows, values: list[Floats], z: float) -> tuple[float, float] | None:
    """The interval of a difference of shares of the same rows, or of tables without a common row.

    By Agresti and Min (2005) with half a row more of each kind of pair, and by Agresti and Caffo
    (2000) with one success and one failure more in each table. ``None`` for tables that share some
    rows, or have copies of a row.
    """
    sizes = np.array([len(side) for side in values])
    if len(rows.values) == sizes[0] == sizes[1] and rows.shared.all():
        better, worse = (float((rows.gaps == gap).sum()) + 0.5 for gap in (1.0, -1.0))
        size = sizes[0] + 2.0
        centre = (better - worse) / size
        error = math.sqrt(better + worse - (better - worse) ** 2 / size) / size
    elif len(rows.values) == sizes.sum():
        shares = (np.array([side.sum() for side in values]) + 1) / (sizes + 2)
        centre = float(shares[0] - shares[1])
        error = math.sqrt(float((shares * (1 - shares) / (sizes + 2)).sum()))
    else:
        return None
    return centre - z * error, centre + z * error


def _null(rows: _Rows, resamples: int, seed: int) -> Floats | tuple[float, float]:
    """(resamples,) differences under the null hypothesis; or mean and deviation of their limit."""
    size = len(rows.values)
    centred = rows.values - rows.values.mean()
    flips = rows.swapped * rows.gaps
    if size > MOST_UNITS:
        of_members = np.square(rows.membership).sum() * np.square(centred).sum() / (size - 1)
        return 0.0, math.sqrt(float(of_members + np.square(flips).sum()))
    rng = np.random.default_rng(seed)
    drawn = np.zeros(resamples)
    step = max(1, BLOCK // size)
    for at in range(0, resamples, step):
        block = drawn[at : at + step]
        if rows.differ_in_rows:
            tiled = np.tile(rows.membership, (len(block), 1))
            block += rng.permuted(tiled, axis=1, out=tiled) @ centred
        if flips.any():
            block += (rng.integers(2, size=(len(block), size), dtype=np.int8) * 2 - 1) @ flips
    return drawn


def _tails(null: Floats | tuple[float, float], value: float, rounding: float) -> float:
    """Twice the smaller tail of the null distribution from the value on, at most 1."""
    if isinstance(null, tuple):
        _, deviation = null
        if abs(value) <= rounding or not deviation:
            return 1.0
        return normal_tail(value / deviation)
    above = int((null >= value - rounding).sum()) + 1
    below = int((null <= value + rounding).sum()) + 1
    p = min(1.0, 2 * min(above, below) / (len(null) + 1))
    if min(above, below) > 1 or not null.std():
        return p
    # none is so extreme: of many comparisons, p must not end at the number of draws
    return min(p, normal_tail(value / float(null.std())))


def _quantiles(null: Floats | tuple[float, float], level: float) -> tuple[float, float]:
    tail = (1 - level) / 2
    if isinstance(null, tuple):
        margin = NormalDist().inv_cdf(1 - tail) * null[1]
        return -margin, margin
    return float(np.quantile(null, tail, method="lower")), float(
        np.quantile(null, 1 - tail, method="higher")
    )
