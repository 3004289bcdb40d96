"""The cells of a column in a few groups, to compare a part of a table with the whole."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.core.formatting import is_number

MISSING = "missing"
BINS = 8


@dataclass(frozen=True, slots=True)
class Grouping:
    """The cells of a column in a few groups.

    Parameters
    ----------
    name : of the column.
    labels : the label of each group.
    codes : (n,) the group of each row.
    numeric : whether the groups are ranges of numbers, in order, possibly followed by a group of
        missing cells.
    bounds : the least and the largest number; ``None`` if there is no number.
    """

    name: str
    labels: tuple[str, ...]
    codes: NDArray[np.int64]
    numeric: bool
    bounds: tuple[float, float] | None = None

    def counts(self, mask: NDArray[np.bool_] | None = None) -> list[int]:
        """The number of rows in each group, of all rows or of those in ``mask``."""
        codes = self.codes if mask is None else self.codes[mask]
        return [int(n) for n in np.bincount(codes, minlength=len(self.labels))]


def labelled(name: str, cells: Sequence[str | None], most: int = 8) -> Grouping:
    """Texts in groups: one for each of the most frequent texts, one for all others.

    Equally frequent texts are in alphabetical order. Missing cells are the last group.

    Examples
    --------
    >>> labelled("topic", ["soup", "bread", "soup", None, "tea"], most=2).labels
    ('soup', '2 others', 'missing')
    """
    counts = Counter(cell for cell in cells if cell is not None)
    ranked = sorted(counts, key=lambda cell: (-counts[cell], cell))
    labels = ranked if len(ranked) <= most else ranked[: most - 1]
    code: dict[str | None, int] = {cell: at for at, cell in enumerate(labels)}
    others = ranked[len(labels) :]
    if others:
        code |= dict.fromkeys(others, len(labels))
        labels = [*labels, f"{len(others)} others"]
    if any(cell is None for cell in cells):
        code[None] = len(labels)
        labels = [*labels, MISSING]
    codes = np.array([code[cell] for cell in cells], np.int64)
    return Grouping(name, tuple(labels), codes, numeric=False)


def binned(name: str, cells: Sequence[float | None], bins: int = BINS) -> Grouping:
    """Numbers in at most ``bins`` ranges of equal width; for integers, ranges of integers.

    A range includes its lower end and excludes its upper end, except for the last range. Cells that
    are missing or not finite are the last group.

    Examples
    --------
    >>> binned("stars", [1, 5, 3, 3]).labels
    ('1', '2', '3', '4', '5')
    >>> binned("score", [0.0, 0.25, 1.0], bins=2).labels
    ('0 to 0.5', '0.5 to 1')
    """
    values = np.array([math.nan if cell is None else float(cell) for cell in cells], np.float64)
    present = np.isfinite(values)
    codes = np.zeros(len(values), np.int64)
    labels: list[str] = []
    bounds = None
    if present.any():
        finite = values[present]
        low, high = bounds = float(finite.min()), float(finite.max())
        integers = bool((finite == np.round(finite)).all()) and high - low < 2**53
        if low == high:
            labels = [number(low)]
        elif integers:
            width = math.ceil((high - low + 1) / bins)
            starts = np.arange(low, high + 1, width)
            codes[present] = ((finite - low) // width).astype(np.int64)
            ends = np.minimum(starts + width - 1, high)
            labels = [_span(start, end) for start, end in zip(starts, ends, strict=True)]
        else:
            edges = np.linspace(low, high, bins + 1)
            codes[present] = np.clip(np.searchsorted(edges, finite, "right") - 1, 0, bins - 1)
            labels = [f"{number(a)} to {number(b)}" for a, b in pairwise(edges)]
    if not present.all():
        codes[~present] = len(labels)
        labels.append(MISSING)
    return Grouping(name, tuple(labels), codes, numeric=True, bounds=bounds)


def grouped(
    name: str, cells: Sequence[Any], texts: Sequence[str | None], most: int = 8
) -> Grouping:
    """A column in groups: ranges if its cells are numbers, otherwise groups of their ``texts``."""
    return binned(name, cells, most) if numeric(cells) else labelled(name, texts, most)


def numeric(cells: Sequence[Any]) -> bool:
    """Whether there are cells, and all are numbers or missing; truth values are not numbers."""
    present = [cell for cell in cells if cell is not None]
    return bool(present) and all(map(is_number, present))


def number(value: float) -> str:
    """A number with at most four digits.

    >>> number(3.0), number(0.123456), number(-12345.678)
    ('3', '0.1235', '-12346')
    """
    text = f"{value:.0f}" if abs(value) >= 1000 and abs(value) < 1e15 else f"{value:.4g}"
    return "0" if text == "-0" else text


def _span(start: float, end: float) -> str:
    return number(start) if start == end else f"{number(start)} to {number(end)}"
