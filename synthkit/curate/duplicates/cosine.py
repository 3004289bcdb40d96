"""Pairs of vectors with a high cosine, all of them, by comparing a few coordinates first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.stats.classifier import Positions

Floats = NDArray[np.float32]

ROUNDING = 1e-6
"""The error of a scalar product of 32-bit floats: the threshold is lowered by it."""

_TILE = 1024  # rows that are compared at once
_SAMPLE = 1000  # rows by which the number of coordinates is chosen
_PASSING = 1e-4  # the share of pairs that may pass the comparison of coordinates


def unit(vectors: ArrayLike, n: int) -> Floats:
    """(n, d) float32, rows L2-normalized; rows of zeros stay zero.

    Raises
    ------
    UsageError
        If the input is not n vectors of finite numbers.
    """
    rows = np.array(vectors, np.float32)
    if rows.ndim != 2 or len(rows) != n:
        raise UsageError(f"embed must return one vector for each of {n} texts; got {rows.shape}.")
    if not np.isfinite(rows).all():
        raise UsageError("embed must return finite numbers; got NaN or infinity.")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows /= np.where(lengths > 0, lengths, 1)
    return rows


def representatives(vectors: Floats, threshold: float) -> tuple[Positions, NDArray[np.float64]]:
    """The representative of each vector, which is itself if it is kept, and their cosine.

    A vector is dropped if its cosine with an earlier kept vector reaches the threshold. All such
    pairs are found. Most other pairs are excluded by the first k coordinates in an orthogonal
    basis: by the inequality of Cauchy and Schwarz, a.b <= a_k.b_k + |a - a_k| |b - b_k|, which is
    one scalar product of k + 1 numbers. In the basis of principal components k is small.

    Parameters
    ----------
    vectors : (n, d), rows of length 1 or 0.
    """
    n = len(vectors)
    of, cosines = np.arange(n), np.ones(n)
    least = threshold - ROUNDING

    def decide(later: Positions, earlier: Positions) -> None:
        """Drop each later vector that is similar to an earlier kept one, in order."""
        products = np.einsum("ij,ij->i", vectors[later], vectors[earlier])
        similar = products >= least
        later, earlier, products = later[similar], earlier[similar], products[similar]
        for k in np.lexsort((later, earlier)).tolist():
            i, j = later[k], earlier[k]
            if of[i] == i and of[j] == j:
                of[i], cosines[i] = j, min(float(products[k]), 1.0)

    short = _shortened(vectors, least)
    kept_short, kept_at, kept = np.empty_like(short), np.empty(n, np.intp), 0
    for start in range(0, n, _TILE):
        rows = np.arange(start, min(start + _TILE, n))
        for first in range(0, kept, _TILE):
            columns = slice(first, min(first + _TILE, kept))
            later, earlier = _above(short[rows], kept_short[columns], least)
            decide(rows[later], kept_at[columns][earlier])
            rows = rows[of[rows] == rows]
        later, earlier = _above(short[rows], short[rows], least)
        inner = earlier < later
        decide(rows[later[inner]], rows[earlier[inner]])
        rows = rows[of[rows] == rows]
        kept_short[kept : kept + len(rows)] = short[rows]
        kept_at[kept : kept + len(rows)] = rows
        kept += len(rows)
    return of, cosines


def similar_pairs(
    vectors: Floats, chosen: Sequence[int], threshold: float
) -> Iterator[tuple[int, int, float]]:
    """Pairs of a chosen vector and another whose cosine reaches the threshold, by brute force."""
    for start in range(0, len(vectors), _TILE):
        cosines = vectors[list(chosen)] @ vectors[start : start + _TILE].T
        for i, j in np.argwhere(cosines >= threshold).tolist():
            if chosen[i] != start + j:
                yield chosen[i], start + j, min(float(cosines[i, j]), 1.0)


def links(vectors: Floats, threshold: float) -> tuple[Positions, Positions]:
    """All pairs of vectors whose cosine reaches the threshold."""
    found = [(np.empty(0, np.intp), np.empty(0, np.intp))]
    for start in range(0, len(vectors), _TILE):
        for other in range(0, start + 1, _TILE):
            rows, columns = _above(
                vectors[start : start + _TILE], vectors[other : other + _TILE], threshold - ROUNDING
            )
            later = rows + start > columns + other
            found.append((rows[later] + start, columns[later] + other))
    rows, columns = (np.concatenate(side) for side in zip(*found, strict=True))
    return rows, columns


def _above(a: Floats, b: Floats, least: float) -> tuple[Positions, Positions]:
    """Rows of a and rows of b whose scalar product is ``least`` or more."""
    flat = np.flatnonzero(a @ b.T >= least)
    rows, columns = np.divmod(flat, max(1, len(b)))
    return rows, columns


def _shortened(vectors: Floats, least: float) -> Floats:
    """(n, k + 1): k principal coordinates, and the length of the remainder of each vector."""
    n, d = vectors.shape
    _, basis = np.linalg.eigh(vectors.T @ vectors)
    chosen = np.random.default_rng(0).choice(n, min(n, _SAMPLE), replace=False)
    k = 16
    while k < d:
        short = _projected(vectors, basis[:, -k:])
        sample = short[chosen]
        if len(_above(sample, sample, least)[0]) - len(sample) <= _PASSING * len(sample) ** 2:
            return short
        k += k // 2
    return vectors


def _projected(vectors: Floats, basis: Floats) -> Floats:
    coordinates = vectors @ basis
    rest = 1 - np.einsum("ij,ij->i", coordinates, coordinates)
    return np.column_stack([coordinates, np.sqrt(np.maximum(rest, 0))]).astype(np.float32)
