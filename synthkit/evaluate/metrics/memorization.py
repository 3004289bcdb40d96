"""Memorisation: how much of a table occurs, word for word, in a train or a test set."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.data import tables
from synthkit.evaluate.inputs import EvalInputs, text_cells
from synthkit.evaluate.registry import metric
from synthkit.evaluate.scores import mean, proportion
from synthkit.stats.words import described, tokens

Codes: TypeAlias = NDArray[np.int32]
BLOCK = 1024
"""Rows whose cosines to the other set are in memory at once."""
POSITIONS = 1 << 19
"""Positions whose runs are measured at once."""
COLUMNS = {"copies": "copied", "longest run": "longest_run", "n-gram overlap": "overlap"}
"""Score -> the column with its value of each row."""
HASH_BASE = 0x9E3779B97F4A7C15
"""The base of hashes of runs: an odd number of 64 bits."""


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
    """Memorisation of the real rows, or of a test set.

    References
    ----------
    K. Lee et al. (2022), Deduplicating training data makes language models better, ACL, section
    4.1; T. Brown et al. (2020), arXiv 2005.14165, appendix C.
    """
    copies = memorised(
        inputs.table,
        inputs.against if other == "real rows" else inputs.test,
        column=inputs.column,
        level=inputs.level,
        seed=inputs.seed,
    )
    for name, score in copies.scores.items():
        cells = zip(inputs.rows.table_ids, tables.column(copies.table, COLUMNS[name]), strict=True)
        yield replace(score, name=f"{name}, {other}"), [id for id, x in cells if x is not None]


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

    - copies: the share of texts whose tokens equal those of a train text (Wilson interval); a text
      without a word, such as "!!!", is no copy;
    - longest run: the length of the longest sequence of tokens that also occurs in a train text,
      the mean over texts;
    - n-gram overlap: the share of a text's n-grams that occur in a train text, the mean over texts
      of ``n`` tokens or more;
    - nearest cosine: the cosine of the most similar train text, the mean over texts.

    Means have the interval of :func:`synthkit.stats.bootstrap.mean_interval`. All runs are found by
    sorting the suffixes of all texts of both tables at once: for t tokens and a longest run of l,
    time is t log t log l and memory about 50 bytes for each token. Cosines are computed in blocks
    of 1,024 rows. Rows of either table whose text is missing or blank are ignored.

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
    with_text = [at for at, text in enumerate(cells) if text and text.strip()]
    texts = [text for text in cells if text and text.strip()]
    others = text_cells(train, train_column or column)
    train_texts = [text for text in others if text and text.strip()]
    if not texts or not train_texts:
        raise UsageError("expected texts in both tables; one has none.")
    digests: list[bytes] = []
    runs = shared_runs(_read(texts, digests), _read(train_texts, digests))
    distinct = set(digests[len(texts) :]) - {b""}
    columns: dict[str, Sequence[Any]] = {
        "copied": [text in distinct for text in digests[: len(texts)]],
        "longest_run": [int(run.max(initial=0)) for run in runs],
        "overlap": [_overlap(run, n) for run in runs],
    }
    options: dict[str, Any] = {
        "better": "lower", "resamples": resamples, "level": level, "seed": seed
    }  # fmt: skip
    copied, longest = columns["copied"], columns["longest_run"]
    split = "".join(described(chain(texts, train_texts)).partition("; ")[1:])
    copied_how = f"equal tokens; Wilson{split}"
    longest_how = f"mean; the longest is {max(longest)}{split}"
    scores = [
        proportion("copies", copied, how=copied_how, better="lower", level=level),
        mean("longest run", longest, unit="tokens", how=longest_how, least=0, **options),
    ]
    if overlaps := [overlap for overlap in columns["overlap"] if overlap is not None]:
        how = f"n = {n} tokens{split}"
        options |= {"how": how, "least": 0, "most": 1}
        scores.append(mean("n-gram overlap", overlaps, unit="0..1", **options))
    if embed is not None:
        cosines = columns["nearest_cosine"] = _nearest_cosines(embed(texts), embed(train_texts))
        options |= {"how": "the given embedder", "least": -1, "most": 1}
        scores.append(mean("nearest cosine", cosines, unit="-1..1", **options))
    added = {name: _spread(values, with_text, len(cells)) for name, values in columns.items()}
    return Memorised({score.name: score for score in scores}, tables.annotate(table, added))


def _read(texts: Iterable[str], digests: list[bytes]) -> Iterator[list[str]]:
    """The tokens of each text in turn, of which ``digests`` gets a digest, empty if it has none."""
    for text in texts:
        words = tokens(text)
        joined = " ".join(words).encode(errors="surrogatepass")
        digests.append(hashlib.blake2b(joined, digest_size=16).digest() if words else b"")
        yield words


def _overlap(run: Codes, n: int) -> float | None:
    """The share of a text's n-grams that occur in the other table; ``None`` if it has none."""
    return float((run >= n).sum() / (len(run) - n + 1)) if len(run) >= n else None


def shared_runs(ours: Iterable[Sequence[str]], theirs: Iterable[Sequence[str]]) -> list[Codes]:
    """For each position in each text of ``ours``, the length of the run shared with ``theirs``.

    A run is a sequence of tokens, from that position on, that a text of ``theirs`` has too. The
    suffixes at all positions are sorted by doubling (Manber and Myers 1993), up to the length of
    the longest run; the run of a position is the longer one of those shared with the nearest
    suffixes of ``theirs`` before and after it in that order. Its length is found by bisection, with
    hashes of 64 bits.

    Examples
    --------
    >>> [run.tolist() for run in shared_runs([["a", "b", "c"]], [["b", "c", "d"]])]
    [[0, 2, 1]]
    """
    numbers: dict[str, int] = {}
    (codes, lengths), (others, _) = (_coded(texts, numbers) for texts in (ours, theirs))
    n_ours = len(codes)
    codes = np.concatenate([codes, others])
    ends = np.flatnonzero(codes < 0)
    codes[ends] = len(numbers) + np.arange(len(ends))  # a distinct end, which no run can cross
    rank, most = codes, 1
    while np.isin(rank[:n_ours], rank[n_ours:]).any():
        rank = _doubled(rank, most)
        most *= 2
    order = np.argsort(rank, kind="stable").astype(np.int32)
    del rank
    longest = np.zeros(n_ours, np.int32)
    spans = _Spans(codes)
    place = np.where(order >= n_ours, np.arange(len(order), dtype=np.int32), np.int32(-1))
    before = np.maximum.accumulate(place)
    place[place < 0] = len(order)
    after = np.minimum.accumulate(place[::-1])[::-1]
    del place
    for near in (before, after):
        for start in range(0, len(order), POSITIONS):
            part = slice(start, start + POSITIONS)
            valid = (order[part] < n_ours) & (near[part] >= 0) & (near[part] < len(order))
            a, b = order[part][valid], order[near[part][valid]]
            longest[a] = np.maximum(longest[a], spans.common(a, b, most))
    stops = np.cumsum(lengths + 1)
    return [longest[s - n - 1 : s - 1] for s, n in zip(stops.tolist(), lengths, strict=True)]


def _coded(texts: Iterable[Sequence[str]], numbers: dict[str, int]) -> tuple[Codes, Codes]:
    """The tokens of all texts as numbers, with -1 after each text; and the lengths of the texts."""
    codes, lengths = array("i"), array("i")
    for words in texts:
        codes.extend([numbers.setdefault(word, len(numbers)) for word in words])
        codes.append(-1)
        lengths.append(len(words))
    return np.array(codes, np.int32), np.array(lengths, np.int32)


def _doubled(rank: Codes, step: int) -> Codes:
    """The ranks of the spans of 2 ``step`` tokens, from those of ``step`` tokens."""
    keys = rank.astype(np.int64)
    keys *= int(rank.max()) + 2
    keys[:-step] += rank[step:] + 1
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    rises = np.zeros(len(keys), np.int32)
    np.cumsum(keys[1:] != keys[:-1], out=rises[1:])
    doubled = np.empty_like(rises)
    doubled[order] = rises
    return doubled


class _Spans:
    """Comparison of spans of codes by hashes: sum_i x_i B^i mod 2^64 over a span."""

    def __init__(self, codes: Codes) -> None:
        self.powers = np.full(len(codes) + 1, HASH_BASE, np.uint64)
        self.powers[0] = 1
        np.multiply.accumulate(self.powers, out=self.powers)
        self.sums = np.zeros(len(codes) + 1, np.uint64)
        for start in range(0, len(codes), POSITIONS):
            part = slice(start, start + POSITIONS)
            self.sums[1:][part] = _mixed(codes[part]) * self.powers[:-1][part]
        np.cumsum(self.sums, out=self.sums)

    def common(self, a: Codes, b: Codes, most: int) -> Codes:
        """(m,) the number of equal tokens from each two positions on, which is below ``most``."""
        length = np.zeros(len(a), np.int64)
        first, last = np.minimum(a, b).astype(np.int64), np.maximum(a, b).astype(np.int64)
        shift = self.powers[last - first]
        step = most // 2
        while step:
            inside = last + length + step < len(self.sums)
            end = np.where(inside, length + step, 0)
            one = (self.sums[first + end] - self.sums[first]) * shift
            length += np.where(inside & (one == self.sums[last + end] - self.sums[last]), step, 0)
            step //= 2
        return length.astype(np.int32)


def _mixed(codes: Codes) -> NDArray[np.uint64]:
    """Codes as random-looking numbers of 64 bits (the mix of SplitMix64)."""
    x = codes.astype(np.uint64) + np.uint64(HASH_BASE)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return x ^ (x >> np.uint64(31))


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
