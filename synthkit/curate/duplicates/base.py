"""Filters of duplicates: of similar rows one is kept, its representative.

Rows are visited in the order of preference. A row is dropped if its similarity to a kept row
reaches the threshold. So no two kept rows are that similar, and each dropped row is that similar to
its representative. Keeping one row of each connected component would drop more rows, and the second
property would not hold: in a chain of rows each is similar to the next, but the last may not be
similar to the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.curate.filters.base import MISSING, Filter
from synthkit.data import tables
from synthkit.data.cells import as_text
from synthkit.stats.classifier import Positions

Representatives = tuple[Positions, NDArray[np.float64]]
"""For each of n texts the position of its representative, which is its own if it is kept, and
their similarity, 0..1."""
Pairs = Iterator[tuple[int, int, float]]


class Similarity(NamedTuple):
    """A measure of similarity between texts, and the threshold of a filter.

    ``representatives(texts)`` decides which texts are kept. ``pairs(texts, chosen)`` compares the
    texts at the chosen positions with all others by brute force, and gives the pairs whose
    similarity reaches the threshold. ``links(texts)`` gives pairs of similar texts, enough to
    connect all that are similar, directly or by others.
    """

    representatives: Callable[[Sequence[str]], Representatives]
    pairs: Callable[[Sequence[str], Sequence[int]], Pairs]
    links: Callable[[Sequence[str]], tuple[Positions, Positions]]


@dataclass(frozen=True, slots=True)
class Duplicates(Filter):
    """A filter of duplicates; see also :func:`clusters` and :func:`check_duplicates`.

    Parameters
    ----------
    column : of the texts.
    prefer : which row is kept: ``"first"``, ``"longest"``, or the row with the largest number in
        the column of this name.
    similarity : the measure, with its threshold.
    """

    column: str
    prefer: str
    similarity: Similarity


def duplicates_filter(
    name: str, kind: str, unit: str, column: str, prefer: str, similarity: Similarity
) -> Duplicates:
    """A filter of duplicates whose reasons are ``"<kind>: of <id>, <unit> 0.93"``."""

    def judge(table: Any) -> list[str]:
        rows = table if "id" in tables.columns(table) else tables.identified(table)
        of, similar, missing = find_representatives(rows, duplicates)
        ids = tables.column(rows, "id")
        reasons = [""] * len(of)
        for at in np.flatnonzero(of != np.arange(len(of))).tolist():
            value = f", {unit} {similar[at]:.2f}" if unit else ""
            reasons[at] = f"{kind}: of {ids[of[at]]}{value}"
        for at in missing:
            reasons[at] = MISSING
        return reasons

    name += "" if prefer == "first" else f", the {prefer} first"
    duplicates = Duplicates(name, judge, column, prefer, similarity)
    return duplicates


def find_representatives(
    table: Any, filter: Duplicates
) -> tuple[Positions, NDArray[np.float64], list[int]]:
    """(n,) the representative of each row, (n,) their similarity, and the rows without a text."""
    cells = tables.column(table, filter.column)
    missing: list[int] = []
    texts: list[str] = cells
    if set(map(type, cells)) != {str}:
        missing = [at for at, cell in enumerate(cells) if cell is None]
        texts = [as_text(cell) for cell in cells]
    order = np.array(_preferred_order(table, filter.prefer, texts), np.intp)
    if missing:
        order = order[~np.isin(order, missing)]
    ordered = texts if filter.prefer == "first" and not missing else [texts[at] for at in order]
    # equal texts are compared once
    first: dict[str, int] = {}
    same = np.fromiter(map(first.setdefault, ordered, range(len(ordered))), np.intp, len(ordered))
    of, similar = np.arange(len(texts)), np.ones(len(texts))
    if first:
        new = same == np.arange(len(same))
        distinct_of, distinct_similar = filter.similarity.representatives(list(first))
        which = (np.cumsum(new) - 1)[same]
        of[order], similar[order] = order[new][distinct_of[which]], distinct_similar[which]
    return of, similar, missing


def _preferred_order(table: Any, prefer: str, texts: Sequence[str]) -> ArrayLike:
    """The positions of the rows, the rows to keep first."""
    if prefer == "first":
        return np.arange(len(texts))
    if prefer == "longest":
        return sorted(range(len(texts)), key=lambda at: -len(texts[at]))
    scores = tables.column(table, prefer)
    for score in scores:
        if isinstance(score, bool | str) or not (score is None or hasattr(score, "__float__")):
            raise UsageError(f"prefer needs a column of numbers; got {score!r} in {prefer!r}.")
    return sorted(range(len(texts)), key=lambda at: (scores[at] is None, -float(scores[at] or 0.0)))
