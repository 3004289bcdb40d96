"""Texts of figures: numbers with intervals, comparisons of two scores, and labels that fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from synthkit.core.formatting import count as count
from synthkit.core.formatting import thousands as thousands
from synthkit.core.types import Score
from synthkit.stats.bootstrap import (
    WIDER_WITHOUT_ROWS,
    Difference,
    corrected,
    score_difference,
)

LABEL_LENGTH = 20
"""Characters of a label, if not given."""


def comparison(a_name: str, a: Score, b_name: str, b: Score, gap: Difference | None = None) -> str:
    """Which of two scores is better and by how much, or that the difference is not significant.

    Parameters
    ----------
    gap : ``a - b``, if a better estimate than :func:`~synthkit.stats.bootstrap.score_difference` is
        known.

    Examples
    --------
    >>> a, b = (Score(name="accuracy", value=v, low=v - 0.05, high=v + 0.05, n=99, better="higher")
    ...         for v in (0.7, 0.8))
    >>> comparison("A", a, "B", b)
    'B beats A by 0.10 [0.03, 0.17]'
    >>> comparison("A", a, "A again", a)
    'no significant difference between A and A again: 0.00 [-0.07, 0.07] on 99 rows'
    """
    gap = gap or score_difference(a, b)
    if gap is None:
        (size,) = formatted(abs(a.value - b.value))
        side = "above" if a.value >= b.value else "below"
        return f"{a_name} is {size} {side} {b_name}, without an interval"
    if not gap.significant:
        size = with_interval(gap.value, gap.low, gap.high)
        rows = f" on {gap.n} rows" if gap.n else ""
        among = f", corrected for {gap.family} comparisons" if gap.family > 1 else ""
        return f"no significant difference between {a_name} and {b_name}: {size}{rows}{among}"
    if gap.value > 0:
        high, low = a_name, b_name
        size = with_interval(gap.value, gap.low, gap.high)
    else:
        high, low = b_name, a_name
        size = with_interval(-gap.value, -gap.high, -gap.low)
    if a.better == "lower":
        return f"{low} beats {high} by {size}"
    return f"{high} {'beats' if a.better else 'is above'} {low} by {size}"


def best_comparison(scores: Mapping[str, Score], against: tuple[str, Score] | None = None) -> str:
    """The best of several learners' scores compared with a given one, or else with the next best.

    The verdict is that of ``%synth scores``: from the intervals, which are widened since another
    table would have taught another classifier, and corrected by Holm for every score that could
    have been compared with the given one, or for every two.

    Parameters
    ----------
    scores : name -> score, of which higher is better; two or more, or one with ``against``.

    Examples
    --------
    >>> scores = {name: Score(name="", value=v, low=v - 0.05, high=v + 0.05, n=99, better="higher")
    ...           for name, v in [("A", 0.7), ("B", 0.82), ("C", 0.6)]}
    >>> best_comparison({name: scores[name] for name in "AB"})
    'B beats A by 0.12 [0.02, 0.22]'
    >>> best_comparison(scores)
    'no significant difference between B and A: 0.12 [0.02, 0.22] on 99 rows, corrected for 3
    comparisons'
    """
    best, *rest = sorted(scores.items(), key=lambda entry: -entry[1].value)
    pair = (best, rest[0]) if against is None else (against, best)
    (a_name, a), (b_name, b) = sorted(pair, key=lambda entry: -entry[1].value)
    gap = score_difference(a, b)
    if gap is not None:
        pairs = math.comb(len(scores), 2) if against is None else len(scores)
        (gap,) = corrected([gap.widened(WIDER_WITHOUT_ROWS)], pairs)
    return comparison(a_name, a, b_name, b, gap)


def sentence(text: str) -> str:
    """A comparison as a sentence; a name at its start stays as it is.

    >>> sentence("no significant difference"), sentence("b beats a")
    ('No significant difference.', 'b beats a.')
    """
    return f"{'No' + text[2:] if text.startswith('no ') else text}."


def score_text(score: Score) -> str:
    """A score's value and interval: ``0.88 [0.74, 0.95]``."""
    if score.low is None or score.high is None:
        return formatted(score.value)[0]
    return with_interval(score.value, score.low, score.high)


def with_interval(value: float, low: float, high: float) -> str:
    """A number and its interval, all with the same number of decimals.

    >>> with_interval(0.875, 0.739, 0.9453), with_interval(0.0031, -0.001, 0.0072)
    ('0.88 [0.74, 0.95]', '0.0031 [-0.0010, 0.0072]')
    """
    texts = formatted(value, low, high)
    return f"{texts[0]} [{texts[1]}, {texts[2]}]"


def formatted(*numbers: float) -> list[str]:
    """Numbers with the same number of decimals: two where the largest is about 1.

    >>> formatted(0.5), formatted(1234.5, 12), formatted(0.00123)
    (['0.50'], ['1\u202f234', '12'], ['0.0012'])
    """
    largest = max(map(abs, numbers))
    magnitude = math.floor(math.log10(largest)) if largest else -1
    places = min(1 - magnitude, 12) if largest < 0.05 else min(2, max(0, 2 - magnitude))
    # a number other than 0 must not be shown as 0
    smallest = min((abs(number) for number in numbers if number), default=1.0)
    places = next((n for n in range(places, places + 3) if round(smallest, n)), places)
    texts = [f"{0.0 if round(number, places) == 0 else number:,.{places}f}" for number in numbers]
    return [text.replace(",", "\u202f") for text in texts]


def joined(texts: Sequence[str], most: int = 3) -> str:
    """The first few texts of a list, and how many more there are.

    >>> joined(["a", "b", "c"], 2), joined(["a", "b"]), joined(["a"])
    ('a, b and 1 more', 'a and b', 'a')
    """
    first, rest = list(texts[:most]), len(texts) - most
    if rest > 0:
        return f"{', '.join(first)} and {rest} more"
    return " and ".join([", ".join(first[:-1]), first[-1]] if len(first) > 1 else first)


def percent(share: float) -> str:
    """A share in percent: ``95 %``."""
    return f"{share * 100:g} %"


def label(text: Any, length: int = LABEL_LENGTH) -> str:
    """A text on one line, escaped for HTML, and cut with an ellipsis."""
    line = " ".join(str(text).split())
    return escape(line if len(line) <= length else line[: length - 1].rstrip() + "…")


def labels(names: Sequence[Any], length: int = LABEL_LENGTH) -> list[str]:
    """Labels of several texts; those that are equal once cut get a number."""
    cut = [label(name, length) for name in names]
    return [f"{text} ({at})" if text in cut[:at] else text for at, text in enumerate(cut)]
