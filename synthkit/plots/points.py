"""Values to draw: finite numbers, samples of many points, and arrays that stay small in a file."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.plots.captions import thousands
from synthkit.stats.intervals import wilson

MOST_POINTS = 2000
MOST_LISTED = 200


def finite(value: Any, what: str) -> float:
    """A finite number.

    Raises
    ------
    UsageError
        If the value is not one; the message names ``what``.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, str):
        raise UsageError(f"expected a finite number for {what}; got {value!r}.")
    return number


def finite_score(score: Score, what: str) -> Score:
    """A score whose value is finite, and its interval too if it has one.

    Raises
    ------
    UsageError
        If one of these numbers is not finite; the message names ``what``.
    """
    finite(score.value, f"{what}, {score.name}" if score.name else what)
    for end in (score.low, score.high):
        if end is not None:
            finite(end, f"an end of the interval of {what}")
    return score


def share_score(name: str, hits: float, n: float) -> Score:
    """A share of n rows, 0..1, with its Wilson interval; higher is better."""
    low, high = wilson(hits, n)
    value = hits / n if n else 0.0
    return Score(name=name, value=value, low=low, high=high, n=int(n), better="higher")


def compact(values: Sequence[float], kind: str = "float32") -> Any:
    """Numbers for a trace: a list if they are few, otherwise an array.

    plotly writes an array as base64. In a notebook file each element of a list takes a line of its
    own, with 10 blanks before it.
    """
    if len(values) <= MOST_LISTED:
        return list(values)
    import numpy as np

    return np.array(values, kind)


def sampled(n: int, seed: int) -> Sequence[int]:
    """Positions to draw of ``n`` points: all of them, or a random sample of 2,000."""
    if n <= MOST_POINTS:
        return range(n)
    return sorted(random.Random(seed).sample(range(n), MOST_POINTS))


def sample_note(n: int, seed: int) -> str:
    """The part of a caption that says that a sample is drawn; empty if all points are."""
    return f"{thousands(MOST_POINTS)} of them drawn, seed {seed}" if n > MOST_POINTS else ""
