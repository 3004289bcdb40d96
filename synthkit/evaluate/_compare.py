"""The difference of two scores of one metric, with an interval."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate.scores import Floats
from synthkit.stats.bootstrap import Difference, mean_interval, score_difference, unpaired_bootstrap


def compare(
    first: Score,
    second: Score,
    pairs: Sequence[tuple[int, int]] | None = None,
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """The first score minus the second, with a bootstrap interval over their rows.

    Parameters
    ----------
    first, second : of one metric. If one has no ``parts``, the interval comes from both intervals,
        by :func:`~synthkit.stats.bootstrap.score_difference`.
    pairs : positions of corresponding rows in the parts of both, such as :func:`match` returns:
        rows of one prompt, or the same test rows. Rows that are hard for both then do not widen the
        interval. Without pairs the rows of each are resampled on their own.
    level : of the interval.

    Raises
    ------
    UsageError
        If the metrics or units differ, a score has neither parts nor an interval, or there are
        fewer than two rows.

    Notes
    -----
    The difference is that of the values; the parts determine its interval. If some rows have no
    partner, those that have one represent all. Compare metrics that grow with the number of rows,
    such as a vocabulary, at equal n.

    References
    ----------
    P. Koehn (2004), EMNLP, section 5 (paired bootstrap); B. Efron and C. Stein (1981), Annals of
    Statistics 9 (pseudo-values).

    Examples
    --------
    >>> old = Score(name="accuracy", value=0.4, n=5, parts=[0, 1, 0, 1, 0])
    >>> new = Score(name="accuracy", value=0.8, n=5, parts=[1, 1, 0, 1, 1])
    >>> gap = compare(new, old, [(n, n) for n in range(5)])
    >>> round(gap.value, 9), gap.low, round(gap.high, 9)
    (0.4, 0.0, 0.8)
    """
    for what, a, b in (("metric", first.name, second.name), ("unit", first.unit, second.unit)):
        if a != b:
            raise UsageError(f"expected two scores of one {what}; got {a!r} and {b!r}.")
    if first.parts is None or second.parts is None:
        gap = score_difference(first, second)
        if gap is None or first.level != second.level:
            raise UsageError(
                f"{first.name} cannot be compared: both scores need parts, or intervals of one "
                "level."
            )
        return gap
    parts, other_parts = _parts(first, first.parts), _parts(second, second.parts)
    if pairs is None:
        return unpaired_bootstrap(parts, other_parts, resamples=resamples, level=level, seed=seed)
    if len(pairs) < 2:
        raise UsageError(f"expected two pairs of rows or more; got {len(pairs)}.")
    places = np.asarray(pairs, np.intp)
    gaps = parts[places[:, 0]] - other_parts[places[:, 1]]
    low, high = mean_interval(gaps, resamples=resamples, level=level, seed=seed)
    value = first.value - second.value
    shift = value - float(gaps.mean())  # of rows without a partner
    return Difference(value=value, low=low + shift, high=high + shift, n=len(gaps), level=level)


def match(first: Sequence[Hashable], second: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Positions of equal keys, the k-th occurrence in one with the k-th in the other.

    >>> match(["a", "b", "a"], ["a", "a", "a", "c"])
    [(0, 0), (2, 1)]
    """
    places: dict[Hashable, list[int]] = defaultdict(list)
    for at, key in enumerate(second):
        places[key].append(at)
    used: dict[Hashable, int] = defaultdict(int)
    pairs = []
    for at, key in enumerate(first):
        if used[key] < len(places.get(key, ())):
            pairs.append((at, places[key][used[key]]))
            used[key] += 1
    return pairs


def _parts(score: Score, values: ArrayLike) -> Floats:
    """(n,) parts whose mean is the score's value."""
    parts = np.asarray(values, np.float64)
    if len(parts) < 2:
        raise UsageError(f"expected scores of two rows or more; {score.name} has {len(parts)}.")
    return np.asarray(parts + (score.value - parts.mean()))
