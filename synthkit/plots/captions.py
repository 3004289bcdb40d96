"""What figures say: numbers with their intervals, and whether two of them are told apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

from synthkit.core.types import Score
from synthkit.stats.bootstrap import Difference


def gap(one: Score, other: Score) -> Difference | None:
    """What one score has over another that rests on other rows; ``None`` without both intervals.

    Both ends come from those of the two: the lower is d - sqrt((v1 - l1)^2 + (h2 - v2)^2), the
    upper d + sqrt((h1 - v1)^2 + (v2 - l2)^2). Of two Wilson intervals it is Newcombe's for the
    difference of two shares. Where both scores are of the same rows it is rather too wide.

    References
    ----------
    R. G. Newcombe (1998), Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17, 873-890, method 10; G. Y. Zou and A. Donner (2008), Construction of
    confidence limits about effect measures, Statistics in Medicine 27, 1693-1702, equation 2.

    Examples
    --------
    >>> from synthkit.stats.intervals import wilson
    >>> ends = [wilson(56, 70), wilson(48, 80)]  # Newcombe's example: 0.0524 to 0.3339
    >>> found = gap(*(Score(name="", value=value, low=low, high=high, n=n)
    ...               for value, n, (low, high) in zip((0.8, 0.6), (70, 80), ends)))
    >>> f"{found.low:.4f} {found.high:.4f}"
    '0.0524 0.3339'
    """
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return None
    value = one.value - other.value
    below = math.hypot(one.value - one.low, other.high - other.value)
    above = math.hypot(one.high - one.value, other.value - other.low)
    return Difference(
        value=value,
        low=value - below,
        high=value + above,
        n=min(one.n, other.n),
        level=one.level,
        paired=False,
    )


def versus(
    name: str, one: Score, other_name: str, other: Score, found: Difference | None = None
) -> str:
    """Which of two scores is better, by how much; or that they are not told apart.

    Parameters
    ----------
    found : what ``one`` has over ``other``, if it is known better than :func:`gap` would have it.

    Examples
    --------
    >>> a, b = (Score(name="accuracy", value=v, low=v - 0.05, high=v + 0.05, n=99, better="higher")
    ...         for v in (0.7, 0.8))
    >>> versus("A", a, "B", b)
    'B beats A by 0.10 [0.03, 0.17]'
    >>> versus("A", a, "A again", a)
    'A and A again are not told apart: 0.00 [-0.07, 0.07] on 99 rows'
    """
    found = found or gap(one, other)
    value = one.value - other.value
    if found is None:
        (said,) = written(value)
        return f"{name} has {said} over {other_name}, without an interval to tell them apart"
    if not found.told_apart:
        said = spanned(found.value, found.low, found.high)
        rows = f" on {found.n} rows" if found.n else ""
        return f"{name} and {other_name} are not told apart: {said}{rows}"
    up = found.value > 0
    said = spanned(*((found.value, found.low, found.high) if up else
                     (-found.value, -found.high, -found.low)))  # fmt: skip
    first, second = (name, other_name) if up else (other_name, name)
    if one.better == "lower":
        return f"{second} beats {first} by {said}"
    return f"{first} {'beats' if one.better else 'is above'} {second} by {said}"


def interval(score: Score) -> str:
    """A score's value and interval: ``0.88 [0.74, 0.95]``."""
    if score.low is None or score.high is None:
        (said,) = written(score.value)
        return said
    return spanned(score.value, score.low, score.high)


def spanned(value: float, low: float, high: float) -> str:
    """A number and its interval, with as many digits each.

    >>> spanned(0.875, 0.739, 0.9453), spanned(0.0031, -0.001, 0.0072)
    ('0.88 [0.74, 0.95]', '0.0031 [-0.0010, 0.0072]')
    """
    said = written(value, low, high)
    return f"{said[0]} [{said[1]}, {said[2]}]"


def written(*numbers: float) -> list[str]:
    """Numbers with as many decimals each: two where the largest is about 1.

    >>> written(0.5), written(1234.5, 12), written(0.00123)
    (['0.50'], ['1\u202f234', '12'], ['0.0012'])
    """
    most = max(map(abs, numbers))
    size = math.floor(math.log10(most)) if most else -1
    places = min(1 - size, 12) if most < 0.05 else min(2, max(0, 2 - size))
    # what is not 0 shall not read as 0
    least = min((abs(one) for one in numbers if one), default=1.0)
    places = next((n for n in range(places, places + 3) if round(least, n)), places)
    said = [f"{0.0 if round(one, places) == 0 else one:,.{places}f}" for one in numbers]
    return [one.replace(",", "\u202f") for one in said]


def listed(texts: Sequence[str], most: int = 3) -> str:
    """The first of some texts, and how many more there are.

    >>> listed(["a", "b", "c"], 2), listed(["a", "b"]), listed(["a"])
    ('a, b and 1 more', 'a and b', 'a')
    """
    first, rest = list(texts[:most]), len(texts) - most
    if rest > 0:
        return f"{', '.join(first)} and {rest} more"
    return " and ".join([", ".join(first[:-1]), first[-1]] if len(first) > 1 else first)


def counted(n: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "row"), counted(2, "row")
    ('1 row', '2 rows')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}".replace(",", "\u202f")
