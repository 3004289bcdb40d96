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
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.curate.filters.base import MISSING, Filter
from synthkit.data import tables
from synthkit.data.cells import as_text
from synthkit.data.large_texts import first_equal, take
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
    connect all that are similar, directly or by others. ``large`` says whether ``representatives``
    takes :class:`~synthkit.data.large_texts.LargeTexts`.
    """

    representatives: Callable[[Sequence[str]], Representatives]
    pairs: Callable[[Sequence[str], Sequence[int]], Pairs]
    links: Callable[[Sequence[str]], tuple[Positions, Positions]]
    large: bool = False


@dataclass(frozen=True, slots=True)
class Duplicates(Filter):
    """A filter of duplicates; see also :func:`clusters` and :func:`check_duplicates`.

    Parameters
    ----------
    column : of the texts.
    prefer : which row is kept: ``"first"``, ``"longest"``, or the row with the largest number in
        the column of this name.
    similarity : the measure, with its threshold.
    reason : the id of a row's representative and their similarity -> why the row is dropped.
    """

    column: str
    prefer: str
    similarity: Similarity
    reason: Callable[[Any, float], str]


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
            reasons[at] = reason(ids[of[at]], similar[at])
        for at in missing:
            reasons[at] = MISSING
        return reasons

    def reason(id: Any, similar: float) -> str:
        return f"{kind}: of {id}{f', {unit} {similar:.2f}' if unit else ''}"

    name += "" if prefer == "first" else f", the {prefer} first"
    duplicates = Duplicates(name, judge, column, prefer, similarity, reason)
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
    order = np.argsort(preference(table, filter.column, filter.prefer), kind="stable")
    if missing:
        order = order[~np.isin(order, missing)]
    ordered = texts if filter.prefer == "first" and not missing else [texts[at] for at in order]
    of, similar = np.arange(len(texts)), np.ones(len(texts))
    of_ordered, similar[order] = representatives(ordered, filter.similarity)
    of[order] = order[of_ordered]
    return of, similar, missing


def representatives(texts: Sequence[str], similarity: Similarity) -> Representatives:
    """The representative of each text, the texts to keep first; equal texts are compared once."""
    same = first_equal(texts)
    (distinct,) = np.nonzero(same == np.arange(len(same)))
    if not len(distinct):
        return same, np.ones(0)
    of, similar = similarity.representatives(take(texts, distinct))
    which = np.searchsorted(distinct, same)
    return distinct[of[which]], similar[which]


def preference(table: Any, column: str, prefer: str) -> NDArray[np.float64]:
    """(n,) a number for each row, the smallest for the rows to keep first.

    Raises
    ------
    UsageError
        If a cell of the column ``prefer`` is not a number.
    """
    if prefer == "first":
        return np.zeros(tables.size(table))
    if prefer == "longest":
        return -np.array([len(as_text(cell)) for cell in tables.column(table, column)], np.float64)
    scores = tables.column(table, prefer)
    for score in scores:
        if isinstance(score, bool | str) or not (score is None or hasattr(score, "__float__")):
            raise UsageError(f"prefer needs a column of numbers; got {score!r} in {prefer!r}.")
    return np.array([np.inf if score is None else -float(score) for score in scores], np.float64)
