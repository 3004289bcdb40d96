"""Diverse subsets, by embeddings: rows that represent all others, or good rows unlike each other.

The similarity of two texts is the cosine of their embeddings. Rows are compared in blocks, so no
matrix of all pairs is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.curate.filters.base import MISSING, Filter, embedder_name
from synthkit.curate.selection.sampling import checked_n, numbers, uniform
from synthkit.data import tables
from synthkit.data.cells import as_text
from synthkit.stats.classifier import Embed, Positions, embedded, unit

BLOCK = 512
"""Number of rows that are compared with all others at once."""
REFRESH = 128
"""Number of upper bounds of gains that are recomputed at once."""

Vectors = NDArray[np.float32]


def deita(
    *,
    n: int,
    embed: Embed,
    threshold: float = 0.9,
    complexity: str = "complexity",
    quality: str = "quality",
    column: str = "text",
) -> Filter:
    """Keep the ``n`` best rows that are unlike each other.

    Rows are visited in descending order of complexity x quality, equal rows in their order in the
    table. A row is kept if its cosine with every kept row is at most the threshold, until ``n``
    rows are kept. Fewer are kept if all other rows are too similar to them.

    Parameters
    ----------
    n : the largest number of rows to keep.
    embed : texts -> (n, d) numbers, such as ``load_embedder("wordllama").embed``.
    threshold : the highest cosine of two kept rows, -1..1.
    complexity, quality : columns of scores, 0 or more.
    column : of the texts.

    Raises
    ------
    UsageError
        If an option is out of range; when applied, if a score is not a number or is below 0.

    References
    ----------
    W. Liu et al. (2023), What makes good data for alignment?, arXiv 2312.15685, algorithm 1 and
    section 2.4. Their scores, 1 to 6, come from two fine-tuned models, and the cosine distance to
    the nearest row is at least 0.1. Their code also compares a row with dropped rows of its batch;
    here, as in the paper, it is compared only with kept rows.

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
    most = checked_n(n)
    if not -1 <= threshold <= 1:
        raise UsageError(f"threshold is a cosine, from -1 to 1; got {threshold}.")

    def judge(table: Any) -> list[str]:
        scores = [_scores(table, name) for name in (complexity, quality)]
        reasons = _missing(table, column, {complexity: scores[0], quality: scores[1]})
        present, ids, vectors = _vectors(table, reasons, column, embed)
        product = np.array([(scores[0][at] or 0) * (scores[1][at] or 0) for at in present])
        order = np.argsort(-product, kind="stable")
        for at, why in _too_similar(vectors, order, most, threshold, ids).items():
            reasons[present[at]] = why
        return reasons

    name = f"DEITA: {most} by {complexity} x {quality}, cosine <= {threshold:g}"
    return Filter(f"{name} of {column} ({embedder_name(embed)})", judge)


def k_center(*, n: int, embed: Embed, column: str = "text", seed: int = 0) -> Filter:
    """Keep ``n`` rows such that every row is close to one of them.

    The first row is drawn by the seed; each further row is the one farthest from those before it.
    The largest distance of a row from its nearest kept row is at most twice the least that ``n``
    rows can reach. Distances are Euclidean, between vectors of length 1, because the triangle
    inequality does not hold for the cosine; the order of distances is the same.

    Outliers are taken first, so drop bad texts before. All rows are kept if there are ``n`` or
    fewer.

    Parameters
    ----------
    n : the number of rows to keep.
    embed : texts -> (n, d) numbers.
    seed : draws the first row.

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
        f"k-center: {checked_n(n)} of {column} ({embedder_name(embed)}), seed {seed}",
        column,
        embed,
        lambda vectors, ids: farthest_first(vectors, n, int(uniform(ids, seed).argmax())),
    )


def facility_location(*, n: int, embed: Embed, column: str = "text") -> Filter:
    """Keep ``n`` rows that represent all: every row is similar to one of them.

    It maximizes F(S) = sum_i max_{j in S} max(0, cos(i, j)) greedily. F is monotone and submodular,
    so the result reaches at least 1 - 1/e = 0.63 of the highest F of any ``n`` rows. The gain of a
    row never grows, so most gains need not be recomputed (lazy greedy). Of equal gains the earlier
    row is taken; the result is deterministic.

    Time grows with the square of the number of rows, memory linearly. All rows are kept if there
    are ``n`` or fewer.

    Parameters
    ----------
    n : the number of rows to keep.
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
        f"facility location: {checked_n(n)} of {column} ({embedder_name(embed)})",
        column,
        embed,
        lambda vectors, ids: most_covering(vectors, n),
    )


def farthest_first(vectors: Vectors, n: int, first: int) -> list[int]:
    """At most ``n`` positions, each the farthest from those before; see :func:`k_center`."""
    lengths = np.einsum("ij,ij->i", vectors, vectors)
    distances = np.full(len(vectors), np.inf, np.float32)  # squared, to the nearest chosen row
    chosen = [first]
    while True:
        last = chosen[-1]
        # a vector of zeros has length 0, so lengths are not all 1
        to_last = lengths + lengths[last] - 2 * (vectors @ vectors[last])
        distances = np.minimum(distances, to_last.clip(0))
        distances[chosen] = -1
        if len(chosen) >= min(n, len(vectors)):
            return chosen
        chosen.append(int(distances.argmax()))


def most_covering(vectors: Vectors, n: int) -> list[int]:
    """At most ``n`` positions, each with the highest gain; see :func:`facility_location`."""
    covered = np.zeros(len(vectors), np.float32)  # each row's similarity to the chosen rows

    def gains(rows: Positions) -> NDArray[np.float64]:
        more = vectors[rows] @ vectors.T - covered
        return np.asarray(more.clip(0).sum(axis=1, dtype=np.float64))

    rows = np.arange(len(vectors))
    bounds = np.concatenate([gains(part) for part in _blocks(rows, BLOCK)])
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


def _covering(
    name: str, column: str, embed: Embed, choose: Callable[[Vectors, list[str]], list[int]]
) -> Filter:
    """A filter that keeps rows chosen by their vectors; reasons name the most similar kept row."""

    def judge(table: Any) -> list[str]:
        reasons = _missing(table, column, {})
        present, ids, vectors = _vectors(table, reasons, column, embed)
        if present:
            for at, why in _not_chosen(vectors, choose(vectors, ids), ids).items():
                reasons[present[at]] = why
        return reasons

    return Filter(name, judge)


def _too_similar(
    vectors: Vectors, order: Positions, n: int, threshold: float, ids: Sequence[str]
) -> dict[int, str]:
    """Position -> reason, of the rows that are dropped; see :func:`deita`."""
    kept: list[int] = []
    reasons: dict[int, str] = {}
    for part in _blocks(order, BLOCK):
        if len(kept) == n:
            break
        rows, before = vectors[part], len(kept)
        to_kept = rows @ vectors[kept].T
        in_block = rows @ rows.T
        kept_in_block: list[int] = []
        for i, at in enumerate(part.tolist()):
            if len(kept) == n:
                break
            cosines = np.concatenate([to_kept[i, :before], in_block[i, kept_in_block]]).clip(-1, 1)
            nearest = int(cosines.argmax()) if len(cosines) else -1
            if nearest >= 0 and cosines[nearest] > threshold:
                reasons[at] = f"not selected: {cosines[nearest]:.2f} like {ids[kept[nearest]]}"
            else:
                kept.append(at)
                kept_in_block.append(i)
    seen = len(kept) + len(reasons)
    for rank, at in enumerate(order[seen:].tolist(), start=seen + 1):
        reasons[at] = f"not selected: rank {rank:,} of {len(order):,}"
    return reasons


def _not_chosen(vectors: Vectors, chosen: Sequence[int], ids: Sequence[str]) -> dict[int, str]:
    """Position -> reason, with the most similar chosen row, of the rows that are not chosen."""
    is_chosen = np.zeros(len(vectors), np.bool_)
    is_chosen[list(chosen)] = True
    reasons: dict[int, str] = {}
    for part in _blocks(np.flatnonzero(~is_chosen), BLOCK):
        cosines = (vectors[part] @ vectors[list(chosen)].T).clip(-1, 1)
        nearest = cosines.argmax(axis=1)
        highest = cosines[np.arange(len(part)), nearest]
        for at, cosine, which in zip(part.tolist(), highest, nearest, strict=True):
            reasons[at] = f"not selected: {cosine:.2f} like {ids[chosen[which]]}"
    return reasons


def _blocks(rows: Positions, size: int) -> list[Positions]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _scores(table: Any, column: str) -> list[float | None]:
    scores = numbers(table, column)
    for at, score in enumerate(scores):
        if score is not None and score < 0:
            raise UsageError(f"row {at}: expected {column!r} to be 0 or more; got {score:g}.")
    return scores


def _missing(table: Any, column: str, scores: dict[str, list[float | None]]) -> list[str]:
    """A reason for each row without a text or a score; empty for the others."""
    reasons = ["" if cell is not None else MISSING for cell in tables.column(table, column)]
    for name, cells in scores.items():
        for at, score in enumerate(cells):
            if score is None and not reasons[at]:
                reasons[at] = f"{name} missing"
    return reasons


def _vectors(
    table: Any, reasons: Sequence[str], column: str, embed: Embed
) -> tuple[list[int], list[str], Vectors]:
    """The positions, ids and unit vectors of the rows without a reason."""
    present = [at for at, why in enumerate(reasons) if not why]
    ids = tables.column(tables.identified(table), "id")
    cells = tables.column(table, column)
    if not present:
        return [], [], np.empty((0, 1), np.float32)
    vectors = embedded([as_text(cells[at]) for at in present], embed)
    return present, [str(ids[at]) for at in present], unit(vectors)
