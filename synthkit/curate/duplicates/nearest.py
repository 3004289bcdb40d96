"""Vectors that lie close together, all of them, by comparing short ones first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.curate.duplicates.shingles import Positions

Floats = NDArray[np.float32]

ROUNDING = 1e-6
"""What a scalar product of 32-bit floats may be off by: so much below the threshold counts."""

_TILE = 1024
_SAMPLE = 1000
_PASSING = 1e-4


def unit(vectors: ArrayLike, n: int) -> Floats:
    """(n, d) float32, each row at length 1; rows of zeros stay.

    Raises
    ------
    UsageError
        If these are not n vectors of finite numbers.
    """
    made = np.array(vectors, np.float32)
    if made.ndim != 2 or len(made) != n:
        raise UsageError(f"embed must give one vector for each of {n} texts; got {made.shape}.")
    if not np.isfinite(made).all():
        raise UsageError("embed must give finite numbers; got NaN or infinity.")
    lengths = np.linalg.norm(made, axis=1, keepdims=True)
    made /= np.where(lengths > 0, lengths, 1)
    return made


def representatives(vectors: Floats, threshold: float) -> tuple[Positions, NDArray[np.float64]]:
    """For each vector which one stands for it, itself if it stays, and their cosine.

    A vector stays unless its cosine with one before it that stays is at the threshold or above.
    All such pairs are found. Most are told apart by the first k coordinates in an orthogonal basis
    alone: by Cauchy and Schwarz, a.b <= a_k.b_k + |a - a_k| |b - b_k|, which is one scalar product
    of k + 1 numbers. The basis is that of the principal components, where k is small.

    Parameters
    ----------
    vectors : (n, d), rows of length 1 or 0.
    """
    n = len(vectors)
    of, likeness = np.arange(n), np.ones(n)
    least = threshold - ROUNDING
    short = _short(vectors, least)
    held, at, kept = np.empty_like(short), np.empty(n, np.intp), 0
    for start in range(0, n, _TILE):
        rows = np.arange(start, min(start + _TILE, n))
        for first in range(0, kept, _TILE):
            columns = slice(first, min(first + _TILE, kept))
            later, earlier = _above(short[rows], held[columns], least)
            _decide(vectors, least, rows[later], at[columns][earlier], of, likeness)
            rows = rows[of[rows] == rows]
        later, earlier = _above(short[rows], short[rows], least)
        inner = earlier < later
        _decide(vectors, least, rows[later[inner]], rows[earlier[inner]], of, likeness)
        rows = rows[of[rows] == rows]
        held[kept : kept + len(rows)], at[kept : kept + len(rows)] = short[rows], rows
        kept += len(rows)
    return of, likeness


def compare(
    vectors: Floats, chosen: Sequence[int], threshold: float
) -> Iterator[tuple[int, int, float]]:
    """The pairs of a chosen vector and any other with this cosine or more, by brute force."""
    for start in range(0, len(vectors), _TILE):
        cosines = vectors[list(chosen)] @ vectors[start : start + _TILE].T
        for i, j in np.argwhere(cosines >= threshold).tolist():
            if chosen[i] != start + j:
                yield chosen[i], start + j, min(float(cosines[i, j]), 1.0)


def _decide(
    vectors: Floats,
    least: float,
    later: Positions,
    earlier: Positions,
    of: Positions,
    likeness: NDArray[np.float64],
) -> None:
    """Let each later one go that is like an earlier one that stays, from the first on."""
    cosines = np.einsum("ij,ij->i", vectors[later], vectors[earlier])
    alike = cosines >= least
    later, earlier, cosines = later[alike], earlier[alike], cosines[alike]
    for k in np.lexsort((later, earlier)).tolist():
        i, j = later[k], earlier[k]
        if of[i] == i and of[j] == j:
            of[i], likeness[i] = j, min(float(cosines[k]), 1.0)


def _above(a: Floats, b: Floats, least: float) -> tuple[Positions, Positions]:
    found = np.flatnonzero(a @ b.T >= least)
    rows, columns = np.divmod(found, max(1, len(b)))
    return rows, columns


def _short(vectors: Floats, least: float) -> Floats:
    """(n, k + 1): k principal coordinates, and the length of what they leave of a vector."""
    n, d = vectors.shape
    _, basis = np.linalg.eigh(vectors.T @ vectors)
    chosen = np.random.default_rng(0).choice(n, min(n, _SAMPLE), replace=False)
    k = 16
    while k < d:
        made = _cut(vectors, basis[:, -k:])
        sample = made[chosen]
        if len(_above(sample, sample, least)[0]) - len(sample) <= _PASSING * len(sample) ** 2:
            return made
        k += k // 2
    return vectors


def _cut(vectors: Floats, basis: Floats) -> Floats:
    first = vectors @ basis
    left = 1 - np.einsum("ij,ij->i", first, first)
    return np.column_stack([first, np.sqrt(np.maximum(left, 0))]).astype(np.float32)
