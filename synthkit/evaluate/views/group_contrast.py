"""How a part of a table differs from the whole: the cells of each column in a few groups."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

MISSING = "missing"
BINS = 8


@dataclass(frozen=True, slots=True)
class Grouping:
    """The cells of a column in a few groups.

    Parameters
    ----------
    name : the column's.
    labels : one for each group.
    codes : (n,) the group of each row.
    numeric : whether the groups are ranges of numbers, in order; a group of missing cells may
        follow them.
    bounds : the least and the largest number; ``None`` where there is none.
    """

    name: str
    labels: tuple[str, ...]
    codes: NDArray[np.int64]
    numeric: bool
    bounds: tuple[float, float] | None = None

    def counts(self, mask: NDArray[np.bool_] | None = None) -> list[int]:
        """How many rows each group has, of all or of those in ``mask``."""
        codes = self.codes if mask is None else self.codes[mask]
        return [int(one) for one in np.bincount(codes, minlength=len(self.labels))]


def labelled(name: str, cells: Sequence[str | None], most: int = 8) -> Grouping:
    """Texts in groups: the most frequent ones each by itself, the others together.

    Equally frequent ones come by their text. Missing cells are a group of their own, at the end.

    Examples
    --------
    >>> labelled("topic", ["soup", "bread", "soup", None, "tea"], most=2).labels
    ('soup', '2 others', 'missing')
    """
    counted = Counter(cell for cell in cells if cell is not None)
    ranked = sorted(counted, key=lambda cell: (-counted[cell], cell))
    kept = ranked if len(ranked) <= most else ranked[: most - 1]
    code = {cell: at for at, cell in enumerate(kept)}
    labels = list(kept)
    if len(kept) < len(ranked):
        code |= dict.fromkeys(ranked[len(kept) :], len(labels))
        labels.append(f"{len(ranked) - len(kept)} others")
    if any(cell is None for cell in cells):
        labels.append(MISSING)
    last = len(labels) - 1
    found = [last if cell is None else code[cell] for cell in cells]
    codes = np.array(found, np.int64)
    return Grouping(name, tuple(labels), codes, numeric=False)


def binned(name: str, cells: Sequence[float | None], bins: int = BINS) -> Grouping:
    """Numbers in at most ``bins`` ranges of equal width, whole ones in ranges of whole numbers.

    A range holds its lower end and not its upper one, but for the last. What is missing or not
    finite is a group of its own, at the end.

    Examples
    --------
    >>> binned("stars", [1, 5, 3, 3]).labels
    ('1', '2', '3', '4', '5')
    >>> binned("score", [0.0, 0.25, 1.0], bins=2).labels
    ('0 to 0.5', '0.5 to 1')
    """
    given = np.array([math.nan if cell is None else float(cell) for cell in cells], np.float64)
    there = np.isfinite(given)
    codes = np.zeros(len(given), np.int64)
    labels: list[str] = []
    bounds = None
    if there.any():
        low, high = float(given[there].min()), float(given[there].max())
        bounds = (low, high)
        whole = bool((given[there] == np.round(given[there])).all()) and high - low < 2**53
        if low == high:
            labels = [number(low)]
        elif whole:
            wide = math.ceil((high - low + 1) / bins)
            starts = np.arange(low, high + 1, wide)
            codes[there] = ((given[there] - low) // wide).astype(np.int64)
            ends = np.minimum(starts + wide - 1, high)
            labels = [_span(start, end) for start, end in zip(starts, ends, strict=True)]
        else:
            edges = np.linspace(low, high, bins + 1)
            codes[there] = np.clip(np.searchsorted(edges, given[there], "right") - 1, 0, bins - 1)
            labels = [f"{number(a)} to {number(b)}" for a, b in pairwise(edges)]
    if not there.all():
        codes[~there] = len(labels)
        labels.append(MISSING)
    return Grouping(name, tuple(labels), codes, numeric=True, bounds=bounds)


def grouped(
    name: str, cells: Sequence[Any], texts: Sequence[str | None], most: int = 8
) -> Grouping:
    """A column as it is: ranges if its cells are numbers, else groups of their ``texts``."""
    return binned(name, cells, most) if numeric(cells) else labelled(name, texts, most)


def numeric(cells: Sequence[Any]) -> bool:
    """Whether all cells that are there are numbers, and one is; truth values are none."""
    there = [cell for cell in cells if cell is not None]
    return bool(there) and all(
        isinstance(cell, int | float) and not isinstance(cell, bool) for cell in there
    )


def number(value: float) -> str:
    """A bound in at most four digits.

    >>> number(3.0), number(0.123456), number(-12345.678)
    ('3', '0.1235', '-12346')
    """
    text = f"{value:.0f}" if abs(value) >= 1000 and abs(value) < 1e15 else f"{value:.4g}"
    return "0" if text == "-0" else text


def _span(start: float, end: float) -> str:
    return number(start) if start == end else f"{number(start)} to {number(end)}"
