"""Agreement: how far two judgements of the same rows are more alike than chance makes them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from synthkit.errors import UsageError


def confusion(pairs: Iterable[tuple[str, str]]) -> tuple[list[str], list[list[int]]]:
    """The labels in order, and how often each first label (row) met each second one (column).

    >>> confusion([("yes", "yes"), ("yes", "no"), ("no", "no")])
    (['no', 'yes'], [[1, 0], [1, 1]])
    """
    counts = Counter(pairs)
    labels = sorted({label for pair in counts for label in pair})
    return labels, [[counts[one, two] for two in labels] for one in labels]


def cohen_kappa(table: Sequence[Sequence[int]]) -> float:
    """Cohen's kappa of a square table of counts: agreement beyond chance, -1..1, higher is more.

    1 is full agreement, 0 what two judges with these habits would reach by chance. It is NaN where
    it says nothing: without any pair, and where both judges gave one and the same label to every
    row, since chance would then agree as often as they did.

    Parameters
    ----------
    table : ``table[i][j]`` rows got label ``i`` first and ``j`` second.

    Raises
    ------
    UsageError
        If the table is not square, or has a negative count.

    References
    ----------
    J. Cohen (1960), A coefficient of agreement for nominal scales, Educational and Psychological
    Measurement 20, 37-46, equation 1.

    Examples
    --------
    >>> round(cohen_kappa([[20, 5], [10, 15]]), 12)
    0.4
    """
    if any(len(row) != len(table) or min(row) < 0 for row in table):
        raise UsageError(f"expected a square table of counts from 0 up; got {list(table)!r}.")
    n = sum(map(sum, table))
    if not n:
        return math.nan
    firsts = [sum(row) for row in table]
    seconds = [sum(column) for column in zip(*table, strict=True)]
    agreed = sum(table[i][i] for i in range(len(table)))
    chance: int = sum(one * two for one, two in zip(firsts, seconds, strict=True))
    if chance == n * n:
        return math.nan
    return (agreed * n - chance) / (n * n - chance)
