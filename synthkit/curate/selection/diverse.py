"""Selection: rows that stand for the others, or are good and unlike each other, by embeddings.

Likeness is the cosine of the embeddings of two texts. No matrix of all pairs is held: rows are
compared in blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.curate.filters.base import MISSING, Filter
from synthkit.curate.selection.sampling import lots, numbers, positive
from synthkit.data import tables as tables
from synthkit.data.expressions import text as as_text
from synthkit.stats.classifier import Embed, embedded

BLOCK = 512
"""Rows that are compared with all others at a time."""
REFRESH = 128
"""Bounds of gains that are brought up to date at a time."""

Vectors = NDArray[np.float32]
Positions = NDArray[np.intp]


def deita(
    *,
    n: int,
    embed: Embed,
    threshold: float = 0.9,
    complexity: str = "complexity",
    quality: str = "quality",
    column: str = "text",
) -> Filter:
    """A filter that keeps the ``n`` best rows that are unlike each other.

    Rows are taken in the order of complexity x quality, the highest first and of equal ones the
    earlier. One stays if its cosine with each that stays already is at most the threshold, until
    there are ``n``. There are fewer where the rest is too like them.

    Parameters
    ----------
    n : how many rows stay, at most.
    embed : texts -> (n, d) numbers, such as ``load_embedder("wordllama").embed``.
    threshold : the highest cosine of two rows that both stay, -1..1.
    complexity, quality : columns of scores of 0 or more.
    column : of the texts.

    Raises
    ------
    UsageError
        If an option is out of range; when it is applied, if a score is no number or below 0.

    References
    ----------
    W. Liu et al. (2023), What makes good data for alignment?, arXiv 2312.15685, algorithm 1 and
    section 2.4. The scores there are of two fine-tuned models, from 1 to 6, and the cosine distance
    to the nearest row is at least 0.1. Their released code compares a row with others of its batch
    that were dropped, too; here, as in the paper, only with those that stay.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> def embed(texts):
    ...     return [[text.count("a"), text.count("b")] for text in texts]
    >>> rows = [{"id": str(i), "text": text, "complexity": 1, "quality": 5 - i}
    ...         for i, text in enumerate(["aaab", "aaab", "abbb", "bbb"])]
    >>> apply_filters(rows, deita(n=2, embed=embed)).dropped["why"].tolist()
    ['not selected: 1.00 like 0', 'not selected: rank 4 of 4']
    """
    most = positive(n)
    if not -1 <= threshold <= 1:
        raise UsageError(f"threshold is a cosine, from -1 to 1; got {threshold}.")

    def judge(table: Any) -> list[str]:
        scores = [_scores(table, name) for name in (complexity, quality)]
        reasons = _absent(table, column, {complexity: scores[0], quality: scores[1]})
        there, ids, vectors = _vectors(table, reasons, column, embed)
        product = np.array([(scores[0][at] or 0) * (scores[1][at] or 0) for at in there])
        order = np.argsort(-product, kind="stable")
        for at, why in _unlike(vectors, order, most, threshold, ids).items():
            reasons[there[at]] = why
        return reasons

    named = f"DEITA: {most} by {complexity} x {quality}, cosine <= {threshold:g}"
    return Filter(f"{named} of {column} ({called(embed)})", judge)


def k_center(*, n: int, embed: Embed, column: str = "text", seed: int = 0) -> Filter:
    """A filter that keeps ``n`` rows so that no other is far from all of them.

    The first is drawn by the seed; each further one is the farthest from those before it. The
    largest distance of a row from the nearest that stays is at most twice the least that any ``n``
    rows can reach. Distances are Euclidean between vectors of length 1, as for the cosine the
    triangle inequality does not hold; their order is the same.

    It takes outliers first, so drop what is no good text before. Where there are ``n`` rows or
    fewer, all stay.

    Parameters
    ----------
    n : how many rows stay.
    embed : texts -> (n, d) numbers.

    References
    ----------
    T. F. Gonzalez (1985), Clustering to minimize the maximum intercluster distance, Theoretical
    Computer Science 38, theorem 2.2; O. Sener and S. Savarese (2018), arXiv 1708.00489, use it to
    choose training rows.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> def embed(texts):
    ...     return [[text.count("a"), text.count("b")] for text in texts]
    >>> rows = [{"id": text, "text": text} for text in ["aaa", "aab", "bbb"]]
    >>> apply_filters(rows, k_center(n=2, embed=embed)).dropped["why"].tolist()
    ['not selected: 0.89 like aaa']
    """
    return _covering(
        f"k-center: {positive(n)} of {column} ({called(embed)}), seed {seed}",
        column,
        embed,
        lambda vectors, ids: farthest_first(vectors, n, int(lots(ids, seed).argmax())),
    )


def facility_location(*, n: int, embed: Embed, column: str = "text") -> Filter:
    """A filter that keeps ``n`` rows that stand for all: each other is like one of them.

    It raises F(S) = sum_i max_{j in S} max(0, cos(i, j)) greedily. F is submodular and grows with
    S, so that the result has at least 1 - 1/e = 0.63 of the highest F of any ``n`` rows. A row's
    gain never grows, so that most gains need not be computed again (lazy greedy). Of equal gains
    the earlier row is taken; there is no chance in it.

    It needs time in proportion to the square of the rows, and memory to the rows. Where there are
    ``n`` rows or fewer, all stay.

    Parameters
    ----------
    n : how many rows stay.
    embed : texts -> (n, d) numbers.

    References
    ----------
    G. L. Nemhauser et al. (1978), An analysis of approximations for maximizing submodular set
    functions, Mathematical Programming 14, theorem 4.2; M. Minoux (1978), Accelerated greedy
    algorithms for maximizing submodular set functions.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> def embed(texts):
    ...     return [[text.count("a"), text.count("b")] for text in texts]
    >>> rows = [{"id": text, "text": text} for text in ["aaa", "aab", "abb", "bbb"]]
    >>> apply_filters(rows, facility_location(n=1, embed=embed)).kept["id"].tolist()
    ['aab']
    """
    return _covering(
        f"facility location: {positive(n)} of {column} ({called(embed)})",
        column,
        embed,
        lambda vectors, ids: most_covering(vectors, n),
    )


def farthest_first(vectors: Vectors, n: int, first: int) -> list[int]:
    """At most ``n`` positions, each the farthest from those before it; see :func:`k_center`."""
    lengths = np.einsum("ij,ij->i", vectors, vectors)
    far = np.full(len(vectors), np.inf, np.float32)
    chosen = [first]
    while True:
        last = chosen[-1]
        # squared distances; a row of zeros has a length of its own
        now = lengths + lengths[last] - 2 * (vectors @ vectors[last])
        far = np.minimum(far, now.clip(0))
        far[chosen] = -1
        if len(chosen) >= min(n, len(vectors)):
            return chosen
        chosen.append(int(far.argmax()))


def most_covering(vectors: Vectors, n: int) -> list[int]:
    """At most ``n`` positions, each of the highest gain; see :func:`facility_location`."""
    covered = np.zeros(len(vectors), np.float32)

    def gains(rows: Positions) -> NDArray[np.float64]:
        likeness = vectors[rows] @ vectors.T - covered
        found: NDArray[np.float64] = likeness.clip(0).sum(axis=1, dtype=np.float64)
        return found

    whole = np.arange(len(vectors))
    bounds = np.concatenate([gains(part) for part in _blocks(whole, BLOCK)])
    chosen: list[int] = []
    left = np.ones(len(vectors), np.bool_)
    while len(chosen) < min(n, len(vectors)):
        rows = np.flatnonzero(left)
        rows = rows[np.argsort(-bounds[rows], kind="stable")]
        best, gain = -1, -1.0
        for part in _blocks(rows, REFRESH):
            if bounds[part[0]] <= gain:
                break
            bounds[part] = gains(part)
            top = part[bounds[part].argmax()]
            if bounds[top] > gain:
                best, gain = int(top), float(bounds[top])
        chosen.append(best)
        left[best] = False
        covered = np.maximum(covered, vectors @ vectors[best])
    return chosen


def called(embed: Any) -> str:
    """What an embedder is called, in the name of a filter."""
    of = getattr(embed, "__self__", embed)
    return str(getattr(of, "name", None) or getattr(embed, "__name__", type(embed).__name__))


def unit(vectors: Any) -> Vectors:
    """The vectors with length 1; those of length 0 stay."""
    given = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(given, axis=1, keepdims=True)
    found: Vectors = (given / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return found


def _covering(
    name: str,
    column: str,
    embed: Embed,
    choose: Callable[[Vectors, list[str]], list[int]],
) -> Filter:
    """A filter that keeps the rows chosen by their vectors, and says to which others are like."""

    def judge(table: Any) -> list[str]:
        reasons = _absent(table, column, {})
        there, ids, vectors = _vectors(table, reasons, column, embed)
        if there:
            for at, why in _likest(vectors, choose(vectors, ids), ids).items():
                reasons[there[at]] = why
        return reasons

    return Filter(name, judge)


def _unlike(
    vectors: Vectors, order: Positions, n: int, threshold: float, ids: Sequence[str]
) -> dict[int, str]:
    """Position -> why it is dropped, of the rows that are; see :func:`deita`."""
    kept: list[int] = []
    reasons: dict[int, str] = {}
    for part in _blocks(order, BLOCK):
        if len(kept) == n:
            break
        rows, before = vectors[part], len(kept)
        old = rows @ vectors[kept].T
        within = rows @ rows.T
        inside: list[int] = []
        for i, at in enumerate(part.tolist()):
            if len(kept) == n:
                break
            likeness = np.concatenate([old[i, :before], within[i, inside]]).clip(-1, 1)
            most = int(likeness.argmax()) if len(likeness) else -1
            if most >= 0 and likeness[most] > threshold:
                reasons[at] = f"not selected: {likeness[most]:.2f} like {ids[kept[most]]}"
            else:
                kept.append(at)
                inside.append(i)
    seen = len(kept) + len(reasons)
    for rank, at in enumerate(order[seen:].tolist(), start=seen + 1):
        reasons[at] = f"not selected: rank {rank:,} of {len(order):,}"
    return reasons


def _likest(vectors: Vectors, chosen: Sequence[int], ids: Sequence[str]) -> dict[int, str]:
    """Position -> the chosen row that it is most like, and how much, of the rows not chosen."""
    taken = np.zeros(len(vectors), np.bool_)
    taken[list(chosen)] = True
    reasons: dict[int, str] = {}
    for part in _blocks(np.flatnonzero(~taken), BLOCK):
        likeness = (vectors[part] @ vectors[list(chosen)].T).clip(-1, 1)
        most = likeness.argmax(axis=1)
        near = likeness[np.arange(len(part)), most]
        for at, cosine, whom in zip(part.tolist(), near, most, strict=True):
            reasons[at] = f"not selected: {cosine:.2f} like {ids[chosen[whom]]}"
    return reasons


def _blocks(rows: Positions, size: int) -> list[Positions]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _scores(table: Any, column: str) -> list[float | None]:
    found = numbers(table, column)
    for at, score in enumerate(found):
        if score is not None and score < 0:
            raise UsageError(f"row {at}: expected {column!r} to be 0 or more; got {score:g}.")
    return found


def _absent(table: Any, column: str, scores: dict[str, list[float | None]]) -> list[str]:
    """For each row, what it lacks; empty if nothing."""
    reasons = ["" if cell is not None else MISSING for cell in tables.column(table, column)]
    for name, found in scores.items():
        for at, score in enumerate(found):
            if score is None and not reasons[at]:
                reasons[at] = f"{name} missing"
    return reasons


def _vectors(
    table: Any, reasons: Sequence[str], column: str, embed: Embed
) -> tuple[list[int], list[str], Vectors]:
    """The positions, ids and unit vectors of the rows that lack nothing."""
    there = [at for at, why in enumerate(reasons) if not why]
    ids = tables.column(tables.identified(table), "id")
    cells = tables.column(table, column)
    if not there:
        return [], [], np.empty((0, 1), np.float32)
    vectors = embedded([as_text(cells[at]) for at in there], embed)
    return there, [str(ids[at]) for at in there], unit(vectors)
