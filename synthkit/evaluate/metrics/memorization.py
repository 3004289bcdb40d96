"""Memorisation: how much of a table stands, word for word, in a train or a test set."""

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
from synthkit.evaluate.inputs import EvalInputs
from synthkit.evaluate.registry import metric
from synthkit.stats.bootstrap import bootstrap
from synthkit.stats.intervals import wilson
from synthkit.stats.rouge import tokens

Codes: TypeAlias = NDArray[np.int64]
BLOCK = 1024
"""Rows whose cosines to the other set are held at once."""


@dataclass(frozen=True, slots=True)
class Memorised:
    """What a table has in common with another.

    ``scores`` has ``"copies"``, ``"longest run"``, ``"n-gram overlap"`` and, with an embedder,
    ``"nearest cosine"``. ``table`` is the table with columns ``copied``, ``longest_run``,
    ``overlap`` (missing for a text of fewer than n tokens) and ``nearest_cosine``.
    """

    scores: dict[str, Score]
    table: Any


@metric(
    "copies of real rows", kind="memorisation", of="inputs", needs=("against",), other="real rows"
)
@metric("copies of test rows", kind="memorisation", of="inputs", needs=("test",), other="test rows")
def _copies(inputs: EvalInputs, *, other: str) -> Iterator[tuple[Score, Sequence[str]]]:
    """Memorisation of the real rows, or of a test set."""
    found = memorised(
        inputs.table, inputs.against if other == "real rows" else inputs.test,
        column=inputs.column, level=inputs.level, seed=inputs.seed,
    )  # fmt: skip
    for score in found.scores.values():
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
    """How many texts are copies of one of ``train``, and how long the runs are they share with it.

    Tokens are those of :func:`synthkit.stats.rouge.tokens`: words, whatever the case and punctuation.

    - copies: the share of texts whose tokens are those of a train text (Wilson interval);
    - longest run: tokens in a row that stand so in one train text, the mean over the longest of
      each text;
    - n-gram overlap: the share of a text's n-grams that stand in a train text, the mean over texts
      of ``n`` tokens or more;
    - nearest cosine: that of the train text most like it, the mean over texts.

    Means have a bootstrap interval over rows. All runs come from sorting the ends of all texts of
    both tables at once: time is t log t log l and memory t log l, of t tokens and a longest run of
    l; cosines take blocks of 1,024 rows. Rows of either table without a text are passed over.

    Parameters
    ----------
    table, train : of any kind; ``train`` may as well be a test set.
    column, train_column : the texts; ``train_column`` is ``column`` if not given.
    n : tokens, 1 or more.
    embed : texts -> (n, d) vectors, rows L2-normalised.

    Raises
    ------
    UsageError
        If ``n`` is less than 1, a cell is not text, or one side has no text.
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
    ours = _texts(table, column)
    known = [at for at, text in enumerate(ours) if text is not None]
    texts = [text for text in ours if text is not None]
    theirs = [text for text in _texts(train, train_column or column) if text is not None]
    if not texts or not theirs:
        raise UsageError("expected texts in both tables; one has none.")
    mine, seen = [tokens(text) for text in texts], [tokens(text) for text in theirs]
    whole = {tuple(words) for words in seen}
    copied = [tuple(words) in whole for words in mine]
    runs = shared_runs(mine, seen)
    longest = [int(run.max(initial=0)) for run in runs]
    overlap = [
        float((run >= n).sum() / (len(run) - n + 1)) if len(run) >= n else None for run in runs
    ]
    low, high = wilson(sum(copied), len(copied), level)
    scores = {
        "copies": Score(
            name="copies",
            value=sum(copied) / len(copied),
            low=low,
            high=high,
            n=len(copied),
            unit="0..1",
            better="lower",
            how="equal tokens; Wilson",
            level=level,
            parts=np.array(copied, np.float64),
        )
    }

    def mean(name: str, cells: Sequence[float], unit: str, how: str) -> None:
        held = np.array(cells, np.float64)
        low, high = bootstrap(
            lambda rows: held[rows].mean(axis=-1),
            len(held),
            vectorised=True,
            resamples=resamples,
            level=level,
            seed=seed,
        )
        how += f"; bootstrap over rows, {resamples} resamples, seed {seed}"
        scores[name] = Score(
            name=name,
            value=float(held.mean()),
            low=low,
            high=high,
            n=len(held),
            unit=unit,
            better="lower",
            how=how,
            level=level,
            parts=held,
        )

    mean("longest run", longest, "tokens", f"mean; the longest is {max(longest)}")
    if measured := [one for one in overlap if one is not None]:
        mean("n-gram overlap", measured, "0..1", f"n = {n} tokens")
    added: dict[str, Sequence[Any]] = {"copied": copied, "longest_run": longest, "overlap": overlap}
    if embed is not None:
        cosines = _nearest(embed(texts), embed(theirs))
        mean("nearest cosine", cosines, "-1..1", "the given embedder")
        added["nearest_cosine"] = cosines
    cells = {name: _spread(values, known, len(ours)) for name, values in added.items()}
    return Memorised(scores, tables.assign(table, cells))


def shared_runs(ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]]) -> list[Codes]:
    """For each position of each text of ``ours``, the tokens from it on that one of ``theirs`` has.

    Texts from all positions are sorted by doubling (Manber and Myers 1993), as far as runs reach;
    the longest run of a position is the one it shares with the nearest of ``theirs`` before or
    after it in that order.

    Examples
    --------
    >>> [run.tolist() for run in shared_runs([["a", "b", "c"]], [["b", "c", "d"]])]
    [[0, 2, 1]]
    """
    places: dict[str, int] = {}
    codes: list[int] = []
    for at, words in enumerate(chain(ours, theirs)):
        codes += [places.setdefault(word, len(places)) for word in words]
        codes.append(-1 - at)  # an end of its own, so that no run goes on into the next text
    mine = sum(len(words) + 1 for words in ours)
    rank = np.unique(np.array(codes, np.int64), return_inverse=True)[1] + 1
    ranks, step = [rank], 1
    while np.isin(rank[:mine], rank[mine:]).any():
        after = np.zeros_like(rank)
        after[:-step] = rank[step:]
        rank = np.unique(rank * (len(rank) + 1) + after, return_inverse=True)[1] + 1
        ranks.append(rank)
        step *= 2
    order = np.argsort(rank, kind="stable")
    spot = np.where(order >= mine, np.arange(len(order)), -1)
    before = np.maximum.accumulate(spot)
    after = np.minimum.accumulate(np.where(spot < 0, len(order), spot)[::-1])[::-1]
    best = np.zeros(len(order), np.int64)
    for near in (before, after):
        some = (order < mine) & (near >= 0) & (near < len(order))
        one, other = order[some], order[near[some]]
        best[one] = np.maximum(best[one], _common(ranks, one, other))
    ends = np.cumsum([len(words) + 1 for words in ours])
    return [best[end - len(words) - 1 : end - 1] for end, words in zip(ends, ours, strict=True)]


def _common(ranks: Sequence[Codes], one: Codes, other: Codes) -> Codes:
    """How many tokens the texts from two positions have in common; ``ranks[k]`` is of 2**k."""
    length = np.zeros(len(one), np.int64)
    for k in reversed(range(len(ranks))):
        rank = ranks[k]
        inside = np.maximum(one, other) + length < len(rank)
        a, b = np.where(inside, one + length, 0), np.where(inside, other + length, 0)
        length += np.where(inside & (rank[a] == rank[b]), 1 << k, 0)
    return length


def _nearest(ours: ArrayLike, theirs: ArrayLike) -> list[float]:
    mine, seen = np.asarray(ours, np.float32), np.asarray(theirs, np.float32)
    if mine.ndim != 2 or seen.ndim != 2 or mine.shape[1] != seen.shape[1]:
        raise UsageError(f"expected (n, d) vectors; got {mine.shape} and {seen.shape}.")
    best = np.full(len(mine), -1.0, np.float32)
    for start in range(0, len(mine), BLOCK):
        rows = slice(start, start + BLOCK)
        for other in range(0, len(seen), BLOCK):
            cosines = mine[rows] @ seen[other : other + BLOCK].T
            best[rows] = np.maximum(best[rows], cosines.max(axis=1))
    return [float(one) for one in np.clip(best, -1, 1)]


def _texts(table: Any, column: str) -> list[str | None]:
    cells = tables.column(table, column)
    for cell in cells:
        if cell is not None and not isinstance(cell, str):
            raise UsageError(f"expected text in column {column!r}; got {cell!r}.")
    return cells


def _spread(values: Sequence[Any], known: Sequence[int], size: int) -> list[Any]:
    """The values at the rows that have a text, and ``None`` at others."""
    cells: list[Any] = [None] * size
    for at, value in zip(known, values, strict=True):
        cells[at] = value
    return cells
