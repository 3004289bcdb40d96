"""Projections of vectors to the plane, nearest neighbours, and points inside a polygon.

Vectors are (n, d), one row for each text. A row that is not finite is not on the map and is not a
neighbour of any row; it stays in the table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError

FIT = 20_000
"""Most rows to fit a projection on; the others are only projected."""
BLOCK = 16_384

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Projection:
    """The point of each vector in the plane.

    Parameters
    ----------
    points : (n, 2) float32; not finite if the vector is not.
    method : ``"PCA"``.
    explained : the shares of the variance along the two axes, 0..1.
    fitted : number of rows that the projection was fitted on.
    seed : of the sample of these rows.
    """

    points: Floats
    method: str
    explained: tuple[float, float]
    fitted: int
    seed: int


def pca(vectors: ArrayLike, *, fit: int = FIT, seed: int = 0) -> Projection:
    """The projection on the first two principal components.

    The sign of a singular vector is arbitrary; here the largest loading of each axis is positive.
    Fewer than two distinct vectors are at the origin, with explained shares of 0; two are on the
    first axis, with a share of 1.

    Parameters
    ----------
    vectors : (n, d) numbers.
    fit : most rows to fit on, sampled by the seed.

    Raises
    ------
    UsageError
        If the vectors are not an (n, d) array.

    References
    ----------
    K. Pearson (1901), On lines and planes of closest fit, Philosophical Magazine 2, 559-572;
    computed from the singular values of the centred matrix, as in I. T. Jolliffe (2002), Principal
    component analysis, section 3.5.

    Examples
    --------
    >>> projection = pca([[0, 0], [2, 0], [4, 1]])
    >>> projection.points.astype(float).round(2).tolist()
    [[-2.02, 0.17], [-0.08, -0.32], [2.1, 0.15]]
    >>> [round(share, 2) for share in projection.explained]
    [0.98, 0.02]
    """
    matrix = _matrix(vectors)
    finite = np.asarray(np.isfinite(matrix).all(axis=1))
    chosen = sample(np.flatnonzero(finite), fit, np.zeros(len(matrix), np.int64), seed)
    centre, axes, explained = _components(matrix[chosen].astype(np.float64))
    points = np.full((len(matrix), 2), np.nan, np.float32)
    for start in range(0, len(matrix), BLOCK):
        rows = np.flatnonzero(finite[start : start + BLOCK]) + start
        points[rows] = (matrix[rows] - centre) @ axes.T
    return Projection(points, "PCA", explained, len(chosen), seed)


def _components(
    rows: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[float, float]]:
    """The mean of the rows, (2, d) principal components, and the shares of variance along them."""
    d = rows.shape[1]
    axes = np.zeros((2, d))
    if not rows.size:
        return np.zeros(d), axes, (0.0, 0.0)
    noise = np.finfo(np.float64).eps * max(rows.shape) * np.abs(rows).max()
    centre = rows.mean(axis=0)
    # the small factor of a QR decomposition has the same singular values and directions
    factor = np.linalg.qr(rows - centre, mode="r")
    _, sizes, directions = np.linalg.svd(factor, full_matrices=False)
    positive = sizes[:2] > noise
    axes[: len(positive)] = _signed(directions[:2]) * positive[:, None]
    total = float((sizes**2).sum())
    shares = [
        float(size**2) / total if more else 0.0 for size, more in zip(sizes, positive, strict=False)
    ]
    return centre, axes, (shares[0], shares[1] if len(shares) > 1 else 0.0)


def neighbours(vectors: ArrayLike, row: int, k: int = 10) -> list[tuple[int, float]]:
    """The ``k`` nearest rows to ``row`` by cosine, with the cosine, -1..1, the nearest first.

    It is exact: the cosine to every row is computed, in float32. Rows with equal cosines are in the
    order of the table. A vector of zeros has cosine 0 to all; rows that are not finite are left
    out.

    Raises
    ------
    UsageError
        If there is no such row, or the vectors are not an (n, d) array.

    Examples
    --------
    >>> [(row, round(cosine, 2)) for row, cosine in neighbours([[1, 0], [0, 1], [1, 1]], 0)]
    [(2, 0.71), (1, 0.0)]
    """
    matrix = _matrix(vectors)
    if not 0 <= row < len(matrix):
        raise UsageError(f"expected a row from 0 to {len(matrix) - 1}; got {row}.")
    cosines = np.full(len(matrix), -np.inf, np.float32)
    direction = matrix[row] / (np.linalg.norm(matrix[row]) or 1.0)
    for start in range(0, len(matrix), BLOCK):
        block = matrix[start : start + BLOCK]
        lengths = np.sqrt(np.einsum("ij,ij->i", block, block))
        with np.errstate(invalid="ignore"):
            values = block @ direction / np.where(lengths > 0, lengths, 1)
        cosines[start : start + BLOCK] = np.where(np.isfinite(values), values, -np.inf)
    cosines[row] = -np.inf
    least = np.partition(cosines, -k)[-k] if 0 < k < len(matrix) else -np.inf
    near = np.flatnonzero((cosines >= least) & np.isfinite(cosines))
    order = near[np.argsort(-cosines[near], kind="stable")][:k]
    return [(int(at), float(np.clip(cosines[at], -1, 1))) for at in order]


def inside(points: Floats, polygon: Sequence[Sequence[float]]) -> Mask:
    """(n,) whether each point is inside a polygon, by the even-odd rule.

    Examples
    --------
    >>> square = [[0, 0], [1, 0], [1, 1], [0, 1]]
    >>> inside(np.array([[0.5, 0.5], [2, 0.5]], np.float32), square).tolist()
    [True, False]
    """
    x, y = points[:, 0], points[:, 1]
    within = np.zeros(len(points), np.bool_)
    for (ax, ay), (bx, by) in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True):
        if ay != by:
            crosses = (ay > y) != (by > y)
            within ^= crosses & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return within


def sample(
    among: NDArray[np.int64], most: int, groups: NDArray[np.int64], seed: int = 0
) -> NDArray[np.int64]:
    """A stratified sample of at most ``most`` of the rows ``among``, in their order.

    The size of each group is within one row of its share, by the largest remainders.

    Parameters
    ----------
    among : positions of rows.
    groups : (n,) the group of every row of the table, an integer.

    Examples
    --------
    >>> chosen = sample(np.arange(1000), 10, np.repeat([0, 1], [900, 100]))
    >>> len(chosen), int((chosen >= 900).sum())
    (10, 1)
    """
    if len(among) <= most:
        return among
    rng = np.random.default_rng(seed)
    group = groups[among]
    names, sizes = np.unique(group, return_counts=True)
    shares = sizes * most / len(among)
    counts = np.floor(shares).astype(np.int64)
    largest = np.argsort(counts - shares, kind="stable")[: most - int(counts.sum())]
    counts[largest] += 1
    parts = [
        rng.choice(among[group == name], count, replace=False)
        for name, count in zip(names, counts, strict=True)
    ]
    return np.sort(np.concatenate(parts))


def unit(points: Floats) -> Floats:
    """The points scaled to 0..1 along each axis; 0.5 if all have one coordinate."""
    finite = np.isfinite(points).all(axis=1)
    if not finite.any():
        return points
    low = points[finite].min(axis=0)
    width = points[finite].max(axis=0) - low
    scaled: Floats = np.where(width > 0, (points - low) / np.where(width > 0, width, 1), 0.5)
    scaled = scaled.astype(np.float32)
    scaled[~finite] = math.nan
    return scaled


def _matrix(vectors: ArrayLike) -> Floats:
    try:
        matrix = np.asarray(vectors, np.float32)
    except (TypeError, ValueError) as error:
        raise UsageError(f"expected one vector of numbers a row, of one length: {error}.") from None
    if matrix.ndim == 1 and not len(matrix):
        return matrix.reshape(0, 0)
    if matrix.ndim != 2:
        raise UsageError(f"expected vectors of shape (n, d); got {matrix.shape}.")
    return matrix


def _signed(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """The directions, each with a positive largest loading."""
    largest = np.abs(directions).argmax(axis=1)
    signs = np.sign(directions[np.arange(len(directions)), largest])
    return directions * np.where(signs == 0, 1, signs)[:, None]
