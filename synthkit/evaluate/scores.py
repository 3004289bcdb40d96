"""Scores with intervals: proportions, means, jackknifed statistics and agreement coefficients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.stats.bootstrap import FEW, mean_interval
from synthkit.stats.intervals import wilson
from synthkit.stats.jackknife import jackknife, pseudo_values

Better: TypeAlias = Literal["higher", "lower", ""]
Floats: TypeAlias = NDArray[np.float64]
Positions: TypeAlias = NDArray[np.int64]


def proportion(
    name: str,
    hits: Sequence[bool] | Sequence[float] | Floats,
    *,
    how: str = "",
    better: Better = "higher",
    level: float = 0.95,
) -> Score:
    """The share of rows that are hits, 0..1, with a Wilson interval; ``parts`` are the hits.

    Without any row the value is 0.5, the middle of the interval, which is then 0..1.

    >>> print(proportion("pass rate", [True, True, False, True]))
    0.75 [0.301, 0.954]
    """
    parts = np.array(hits, np.float64)
    n, total = len(parts), float(parts.sum())
    low, high = wilson(total, n, level)
    return Score(
        name=name, value=total / n if n else 0.5, low=low, high=high, n=n, unit="0..1",
        better=better, how=how, level=level, parts=parts,
    )  # fmt: skip


def matrix(vectors: ArrayLike, least: int, table: str = "") -> Floats:
    """(n, d) float64; the name of the table begins the message of an error.

    Raises
    ------
    UsageError
        If they are not numbers of such a shape, or n is below ``least``.
    """
    try:
        rows = np.asarray(vectors, np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{table}expected (n, d) numbers, but {error}.") from error
    if rows.ndim != 2 or len(rows) < least or not rows.shape[1]:
        shape = f"n of {least} or more; got shape {rows.shape}"
        raise UsageError(f"{table}expected (n, d) numbers with {shape}.")
    return rows


def mean(
    name: str,
    values: Sequence[float] | Floats,
    *,
    unit: str,
    how: str = "",
    better: Better = "higher",
    least: float = -math.inf,
    most: float = math.inf,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Score:
    """The mean of one value or more, with the interval of :func:`mean_interval`, cut to a range."""
    parts = np.asarray(values, np.float64)
    low, high = mean_interval(parts, resamples=resamples, level=level, seed=seed)
    method = f"bootstrap over rows, {resamples} resamples, seed {seed}"
    if 1 < len(parts) < FEW:
        method = "Student's t, since rows are few"
    return Score(
        name=name, value=float(parts.mean()), low=max(least, low), high=min(most, high),
        n=len(parts), unit=unit,
        better=better, how=f"{how}; {method}" if how else method, level=level, parts=parts,
    )  # fmt: skip


def jackknifed(
    name: str,
    value: float,
    without: Floats,
    n: int,
    *,
    unit: str,
    how: str,
    better: Better = "higher",
    least: float = 0.0,
    most: float = math.inf,
    level: float = 0.95,
    at_n: int | None = None,
) -> Score:
    """A statistic of n rows with the jackknife's interval, cut to ``least`` and ``most``.

    Parameters
    ----------
    without : (n,) values without each row, or (g,) without each of g parts of the rows. There is no
        interval with fewer than two values, or if one is not finite.
    """
    low, high = jackknife(value, without, level)
    if low is not None and high is not None:
        low, high = max(least, low), min(most, high)
    return Score(
        name=name, value=value, low=low, high=high, n=n, unit=unit, better=better,
        how=f"{how}; interval: jackknife", level=level,
        parts=pseudo_values(value, without) if len(without) == n else None, at_n=at_n,
    )  # fmt: skip


def coefficient(
    name: str,
    statistic: Callable[[Positions], float],
    rows: NDArray[Any],
    *,
    resamples: int,
    level: float,
    seed: int,
) -> Score:
    """An agreement coefficient, -1..1, with a percentile bootstrap interval over rows.

    Resamples for which the coefficient is not defined are left out.

    Parameters
    ----------
    statistic : positions of rows, possibly repeated -> the coefficient, or NaN.
    rows : (n, k) what raters gave each row. Of equal rows one is left out for all of them, to
        compute ``parts``; there are none if more than ``resamples`` rows are distinct.
    """
    if not 0 < level < 1 or resamples < 2:
        raise UsageError(
            f"expected a level between 0 and 1, and 2 resamples or more; got {level}, {resamples}."
        )
    n = len(rows)
    rng = np.random.default_rng(seed)
    drawn = np.array([statistic(rng.integers(n, size=n)) for _ in range(resamples if n > 1 else 0)])
    defined = drawn[~np.isnan(drawn)]
    how = f"bootstrap over rows, {resamples} resamples, seed {seed}" if n > 1 else "one row alone"
    if len(defined) < len(drawn):
        how += f"; {len(drawn) - len(defined)} of them with one label alone left out"
    every, parts = np.arange(n), None
    value = statistic(every)
    low = high = None
    if len(defined):
        low, high = map(float, np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]))
        # where few rows agree, the coefficients of all resamples can be higher than that of all
        # rows
        low, high = min(low, value), max(high, value)
    _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    if n > 1 and len(first) <= resamples:
        without = np.array([statistic(np.delete(every, row)) for row in first])
        parts = pseudo_values(value, without[group.ravel()])
    return Score(
        name=name, value=value, low=low, high=high, n=n, unit="-1..1", better="higher", how=how,
        level=level, parts=parts,
    )  # fmt: skip
