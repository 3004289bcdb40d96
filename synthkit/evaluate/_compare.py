"""Comparing: whether two scores of one metric differ, and by how much."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.stats.bootstrap import Difference, bootstrap, unpaired_bootstrap

Floats = NDArray[np.float64]


def compare(
    first: Score,
    second: Score,
    pairs: Sequence[tuple[int, int]] | None = None,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """What the first score has over the second, with a bootstrap interval over their rows.

    Parameters
    ----------
    first, second : of one metric. Where one has no ``parts`` the interval comes from both
        intervals, as for two independent scores.
    pairs : positions in the parts of both that belong together, such as :func:`match` gives: rows
        that were asked the same, or the same test rows. What is hard for both does not widen the
        interval then. Without pairs each draws rows of its own.
    level : of the interval.

    Raises
    ------
    UsageError
        If the metrics or units differ, a score has neither parts nor an interval, or there are
        fewer than two rows.

    Notes
    -----
    The difference is that of the values; rows say how far it may be off. Of the jackknife's
    pseudo-values only what each row adds to the value is used, and where some rows have no partner
    those that have one stand for all. Metrics that grow with the number of rows, such as a
    vocabulary, are to be compared at equal n.

    References
    ----------
    P. Koehn (2004), EMNLP, section 5 (paired bootstrap); B. Efron and C. Stein (1981), Annals of
    Statistics 9 (pseudo-values); G. Zou and A. Donner (2008), Statistics in Medicine 27, equation 7
    (the interval of a difference from two intervals).

    Examples
    --------
    >>> old = Score(name="accuracy", value=0.4, n=5, parts=[0, 1, 0, 1, 0])
    >>> new = Score(name="accuracy", value=0.8, n=5, parts=[1, 1, 0, 1, 1])
    >>> print(compare(new, old, [(n, n) for n in range(5)]))
    +0.4 [+0, +0.8], no significant difference on 5 rows
    """
    for one, other, what in (
        (first.name, second.name, "metric"),
        (first.unit, second.unit, "unit"),
    ):
        if one != other:
            raise UsageError(f"expected two scores of one {what}; got {one!r} and {other!r}.")
    if first.parts is None or second.parts is None:
        return _recovered(first, second)
    mine, theirs = _parts(first, first.parts), _parts(second, second.parts)
    if pairs is None:
        return unpaired_bootstrap(mine, theirs, resamples=resamples, level=level, seed=seed)
    if len(pairs) < 2:
        raise UsageError(f"expected two pairs of rows or more; got {len(pairs)}.")
    places = np.asarray(pairs, np.intp)
    apart = mine[places[:, 0]] - theirs[places[:, 1]]
    low, high = bootstrap(
        lambda rows: apart[rows].mean(axis=-1),
        len(apart),
        vectorised=True,
        resamples=resamples,
        level=level,
        seed=seed,
    )
    value = first.value - second.value
    off = value - float(apart.mean())  # of rows without a partner
    return Difference(value=value, low=low + off, high=high + off, n=len(apart), level=level)


def match(first: Sequence[Hashable], second: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Positions of what is equal in both, the k-th of one with the k-th of the other.

    >>> match(["a", "b", "a"], ["a", "a", "a", "c"])
    [(0, 0), (2, 1)]
    """
    places: dict[Hashable, list[int]] = defaultdict(list)
    for at, key in enumerate(second):
        places[key].append(at)
    taken: dict[Hashable, int] = defaultdict(int)
    pairs = []
    for at, key in enumerate(first):
        if taken[key] < len(places.get(key, ())):
            pairs.append((at, places[key][taken[key]]))
            taken[key] += 1
    return pairs


def _parts(score: Score, given: ArrayLike) -> Floats:
    """(n,) what each row brings, around the score's value."""
    parts = np.asarray(given, np.float64)
    if len(parts) < 2:
        raise UsageError(f"expected scores of two rows or more; {score.name} has {len(parts)}.")
    return np.asarray(parts + (score.value - parts.mean()))


def _recovered(first: Score, second: Score) -> Difference:
    """The difference of two independent scores, its interval from theirs."""
    ends = (first.low, first.high, second.low, second.high)
    if None in ends or first.level != second.level:
        raise UsageError(
            f"{first.name} cannot be compared: both scores need parts, or intervals of one level."
        )
    low, high, other_low, other_high = np.array(ends, np.float64)
    value = first.value - second.value
    return Difference(
        value=value,
        low=float(value - np.hypot(first.value - low, other_high - second.value)),
        high=float(value + np.hypot(high - first.value, second.value - other_low)),
        n=min(first.n, second.n),
        level=first.level,
        paired=False,
    )
