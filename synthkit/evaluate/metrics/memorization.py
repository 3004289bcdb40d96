"""Memorisation: how much of a table occurs, word for word, in a train or a test set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.data import tables as tables
from synthkit.evaluate.inputs import EvalInputs, text_cells
from synthkit.evaluate.registry import metric
from synthkit.evaluate.scores import mean, proportion
from synthkit.stats.words import tokens

Codes: TypeAlias = NDArray[np.int64]
BLOCK = 1024
"""Rows whose cosines to the other set are in memory at once."""


@dataclass(frozen=True, slots=True)
class Memorised:
    """Scores of what a table has in common with another, and the table with columns for each row.

    ``scores`` has ``"copies"``, ``"longest run"``, ``"n-gram overlap"`` and, with an embedder,
    ``"nearest cosine"``. ``table`` has the columns ``copied``, ``longest_run``, ``overlap``
    (missing for a text of fewer than n tokens) and ``nearest_cosine``.
    """

    scores: dict[str, Score]
    table: Any


@metric(
    "copies of real rows", kind="memorisation", of="inputs", needs=("against",), other="real rows"
)
@metric("copies of test rows", kind="memorisation", of="inputs", needs=("test",), other="test rows")
def _copies(inputs: EvalInputs, *, other: str) -> Iterator[tuple[Score, Sequence[str]]]:
    """Memorisation of the real rows, or of a test set."""
    copies = memorised(
        inputs.table,
        inputs.against if other == "real rows" else inputs.test,
        column=inputs.column,
        level=inputs.level,
        seed=inputs.seed,
    )
    for score in copies.scores.values():
        yield replace(score, name=f"{score.name}, {other}"), inputs.rows.ids


def memorised(
    table: Any,
    train: Any,
    *,
    column: str = "text",
    train_column: str = "",
    n: int = 8,
    embed: Callable[[Sequence[str]], ArrayLike] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Memorised:
    """The share of texts that are copies of a text in ``train``, and the runs shared with it.

    Tokens are those of :func:`synthkit.stats.words.tokens`: words, regardless of case and
    punctuation.

    - copies: the share of texts whose tokens equal those of a train text (Wilson interval);
    - longest run: the length of the longest sequence of tokens that also occurs in a train text,
      the mean over texts;
    - n-gram overlap: the share of a text's n-grams that occur in a train text, the mean over texts
      of ``n`` tokens or more;
    - nearest cosine: the cosine of the most similar train text, the mean over texts.

    Means have a bootstrap interval over rows. All runs are found by sorting the suffixes of all
    texts of both tables at once: for t tokens and a longest run of l, time is t log t log l and
    memory t log l. Cosines are computed in blocks of 1,024 rows. Rows of either table without a
    text are ignored.

    Parameters
    ----------
    table, train : of any kind; ``train`` can also be a test set.
    column, train_column : the texts; ``train_column`` is ``column`` if not given.
    n : tokens of an n-gram, 1 or more.
    embed : texts -> (n, d) vectors, rows L2-normalised.

    Raises
    ------
    UsageError
        If ``n`` is less than 1, a cell is not a text, or a table has no text.
    TableError
        If there is no such column.

    References
    ----------
    K. Lee et al. (2022), Deduplicating training data makes language models better, ACL, section
    4.1 (runs by suffix arrays); T. Brown et al. (2020), arXiv 2005.14165, appendix C (n-grams).

    Examples
    --------
    >>> train = {"text": ["The soup was cold and the waiter was rude."]}
    >>> found = memorised({"text": ["They said the soup was cold.", "Great!"]}, train, n=3)
    >>> found.table["longest_run"].tolist(), found.table["overlap"].tolist()[0]
    ([4, 0], 0.5)
    """
    if n < 1:
        raise UsageError(f"expected n of 1 token or more; got {n}.")
    cells = text_cells(table, column)
    with_text = [at for at, text in enumerate(cells) if text is not None]
    texts = [text for text in cells if text is not None]
    train_texts = [text for text in text_cells(train, train_column or column) if text is not None]
    if not texts or not train_texts:
        raise UsageError("expected texts in both tables; one has none.")
    ours, theirs = [tokens(text) for text in texts], [tokens(text) for text in train_texts]
    distinct = {tuple(words) for words in theirs}
    runs = shared_runs(ours, theirs)
    columns: dict[str, Sequence[Any]] = {
        "copied": [tuple(words) in distinct for words in ours],
        "longest_run": [int(run.max(initial=0)) for run in runs],
        "overlap": [_overlap(run, n) for run in runs],
    }
    options: dict[str, Any] = {
        "better": "lower", "resamples": resamples, "level": level, "seed": seed
    }  # fmt: skip
    copied, longest = columns["copied"], columns["longest_run"]
    longest_how = f"mean; the longest is {max(longest)}"
    scores = [
        proportion("copies", copied, how="equal tokens; Wilson", better="lower", level=level),
        mean("longest run", longest, unit="tokens", how=longest_how, **options),
    ]
    if overlaps := [overlap for overlap in columns["overlap"] if overlap is not None]:
        scores.append(
            mean("n-gram overlap", overlaps, unit="0..1", how=f"n = {n} tokens", **options)
        )
    if embed is not None:
        cosines = columns["nearest_cosine"] = _nearest_cosines(embed(texts), embed(train_texts))
        how = "the given embedder"
        scores.append(mean("nearest cosine", cosines, unit="-1..1", how=how, **options))
    added = {name: _spread(values, with_text, len(cells)) for name, values in columns.items()}
    return Memorised({score.name: score for score in scores}, tables.assign(table, added))


def _overlap(run: Codes, n: int) -> float | None:
    """The share of a text's n-grams that occur in the other table; ``None`` if it has none."""
    return float((run >= n).sum() / (len(run) - n + 1)) if len(run) >= n else None


def shared_runs(ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]]) -> list[Codes]:
    """For each position in each text of ``ours``, the length of the run shared with ``theirs``.

    A run is a sequence of tokens, from that position on, that a text of ``theirs`` has too. The
    suffixes at all positions are sorted by doubling (Manber and Myers 1993), up to the length of
    the longest run; the run of a position is the longer one of those shared with the nearest
    suffixes of ``theirs`` before and after it in that order.

    Examples
    --------
    >>> [run.tolist() for run in shared_runs([["a", "b", "c"]], [["b", "c", "d"]])]
    [[0, 2, 1]]
    """
    numbers: dict[str, int] = {}
    codes: list[int] = []
    for at, words in enumerate(chain(ours, theirs)):
        codes += [numbers.setdefault(word, len(numbers)) for word in words]
        codes.append(-1 - at)  # a distinct end of each text, which no run can cross
    n_ours = sum(len(words) + 1 for words in ours)
    rank = np.unique(np.array(codes, np.int64), return_inverse=True)[1] + 1
    ranks, step = [rank], 1
    while np.isin(rank[:n_ours], rank[n_ours:]).any():
        after = np.zeros_like(rank)
        after[:-step] = rank[step:]
        rank = np.unique(rank * (len(rank) + 1) + after, return_inverse=True)[1] + 1
        ranks.append(rank)
        step *= 2
    order = np.argsort(rank, kind="stable")
    place = np.where(order >= n_ours, np.arange(len(order)), -1)
    before = np.maximum.accumulate(place)
    after = np.minimum.accumulate(np.where(place < 0, len(order), place)[::-1])[::-1]
    longest = np.zeros(len(order), np.int64)
    for near in (before, after):
        valid = (order < n_ours) & (near >= 0) & (near < len(order))
        a, b = order[valid], order[near[valid]]
        longest[a] = np.maximum(longest[a], _common_length(ranks, a, b))
    ends = np.cumsum([len(words) + 1 for words in ours])
    return [longest[end - len(words) - 1 : end - 1] for end, words in zip(ends, ours, strict=True)]


def _common_length(ranks: Sequence[Codes], a: Codes, b: Codes) -> Codes:
    """The number of equal tokens from each two positions on; ``ranks[k]`` compares 2**k tokens."""
    length = np.zeros(len(a), np.int64)
    for k in reversed(range(len(ranks))):
        rank = ranks[k]
        inside = np.maximum(a, b) + length < len(rank)
        at, other = np.where(inside, a + length, 0), np.where(inside, b + length, 0)
        length += np.where(inside & (rank[at] == rank[other]), 1 << k, 0)
    return length


def _nearest_cosines(ours: ArrayLike, theirs: ArrayLike) -> list[float]:
    """(n,) the largest cosine of each row of ``ours`` to the rows of ``theirs``."""
    x, y = np.asarray(ours, np.float32), np.asarray(theirs, np.float32)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise UsageError(f"expected (n, d) vectors; got {x.shape} and {y.shape}.")
    largest = np.full(len(x), -1.0, np.float32)
    for start in range(0, len(x), BLOCK):
        rows = slice(start, start + BLOCK)
        for other in range(0, len(y), BLOCK):
            cosines = x[rows] @ y[other : other + BLOCK].T
            largest[rows] = np.maximum(largest[rows], cosines.max(axis=1))
    return [float(cosine) for cosine in np.clip(largest, -1, 1)]


def _spread(values: Sequence[Any], rows: Sequence[int], size: int) -> list[Any]:
    """A column of ``size`` cells with the values at ``rows``, and ``None`` elsewhere."""
    cells: list[Any] = [None] * size
    for at, value in zip(rows, values, strict=True):
        cells[at] = value
    return cells
