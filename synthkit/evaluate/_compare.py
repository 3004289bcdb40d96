"""The difference of two scores of one metric, with an interval and a test."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate.scores import Floats
from synthkit.stats.bootstrap import Difference, score_difference
from synthkit.stats.permutation import ROUNDING, row_difference


def compare(
    first: Score,
    second: Score,
    pairs: Sequence[tuple[int, int]] | None = None,
    *,
    resamples: int = 4999,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """The first score minus the second, with an interval and a p-value.

    Parameters
    ----------
    first, second : of one metric. If one has no ``parts``, the interval comes from both intervals,
        by :func:`~synthkit.stats.bootstrap.score_difference`.
    pairs : positions of the same row in the parts of both, such as
        :func:`~synthkit.evaluate.shared_rows.match` returns: rows that both tables have, rows of
        one prompt, or the same test rows. Without pairs the two tables have no row in common.
    resamples, level, seed : of the test and the interval, see
        :func:`~synthkit.stats.permutation.row_difference`.

    Raises
    ------
    UsageError
        If the metrics or units differ, a score has neither parts nor an interval, there are fewer
        than two rows, all rows have one value, or the metric depends on the number of rows and the
        two have different numbers of them.

    Notes
    -----
    The difference is that of the values. A table and a part of it, two systems on the same rows and
    two separate tables are all compared by a permutation test: chance decides which rows are in
    which table, and which of two values of one row is whose. Correct several differences together
    by :func:`~synthkit.stats.bootstrap.corrected`.

    References
    ----------
    E. J. G. Pitman (1937), Significance tests which may be applied to samples from any populations;
    B. Efron and C. Stein (1981), Annals of Statistics 9 (pseudo-values).

    Examples
    --------
    >>> old = Score(name="accuracy", value=0.4, n=5, parts=[0, 1, 0, 1, 0])
    >>> new = Score(name="accuracy", value=0.8, n=5, parts=[1, 1, 0, 1, 1])
    >>> print(compare(new, old, [(n, n) for n in range(5)]))
    +0.4 [-0.151, +0.722], no significant difference on 5 rows
    """
    sizes = first.n, second.n
    if first.parts is not None and second.parts is not None:
        sizes = len(first.parts), len(second.parts)
    if pairs is not None and len(pairs) < 2:
        raise UsageError(f"expected two pairs of rows or more; got {len(pairs)}.")
    units = list(range(sizes[0])), [sizes[0] + at for at in range(sizes[1])]
    for at, other in pairs or () if first.parts is not None and second.parts is not None else ():
        if not (0 <= at < sizes[0] and 0 <= other < sizes[1]):
            raise UsageError(
                f"expected pairs of positions below {sizes[0]} and {sizes[1]}; got {(at, other)}."
            )
        units[1][other] = at
    return compare_rows(first, second, units, resamples=resamples, level=level, seed=seed)


def compare_rows(
    first: Score,
    second: Score,
    units: tuple[Sequence[int], Sequence[int]],
    *,
    resamples: int = 4999,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """As :func:`compare`, for parts of which ``units`` says which are of the same row."""
    for what, a, b in (("metric", first.name, second.name), ("unit", first.unit, second.unit)):
        if a != b:
            raise UsageError(f"expected two scores of one {what}; got {a!r} and {b!r}.")
    if first.at_n != second.at_n:
        raise UsageError(
            f"{first.name} depends on the number of rows, and one is of {first.at_n}, the other of "
            f"{second.at_n}. Compute both on equally many rows."
        )
    if first.parts is None or second.parts is None:
        gap = score_difference(first, second)
        if gap is None or first.level != second.level:
            raise UsageError(
                f"{first.name} cannot be compared: both scores need parts, or intervals of one "
                "level and some width."
            )
        return gap
    return row_difference(
        _parts(first, first.parts), _parts(second, second.parts), *units,
        resamples=resamples, level=level, seed=seed,
    )  # fmt: skip


def same_parts(first: Score, second: Score, units: tuple[Sequence[int], Sequence[int]]) -> bool:
    """Whether rows that both have contribute the same, as to a mean; true without parts.

    They contribute differently to a statistic of all rows, such as a mean over pairs.
    """
    if first.parts is None or second.parts is None:
        return True
    known = {unit: float(part) for unit, part in zip(units[0], first.parts, strict=True)}
    return all(
        math.isclose(known[unit], float(part), rel_tol=ROUNDING, abs_tol=ROUNDING)
        for unit, part in zip(units[1], second.parts, strict=True)
        if unit in known
    )


def _parts(score: Score, values: ArrayLike) -> Floats:
    """(n,) parts whose mean is the score's value."""
    parts = np.asarray(values, np.float64)
    if len(parts) < 2:
        raise UsageError(f"expected scores of two rows or more; {score.name} has {len(parts)}.")
    return np.asarray(parts + (score.value - parts.mean()))
