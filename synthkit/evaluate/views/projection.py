"""A map of vectors in the plane, what is near what, and which points a line goes around.

Vectors are (n, d), one row for each text. A row that is not finite has no place on the map and is
near nothing; it stays in the table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError

FIT = 20_000
"""Most rows that a map is fitted on; the others are placed on it."""
BLOCK = 16_384

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Projection:
    """Where each vector lies in the plane.

    Parameters
    ----------
    points : (n, 2) float32; not finite where the vector is not.
    method : ``"PCA"``.
    explained : the shares of the variance along the two axes, 0..1.
    fitted : how many rows the map was fitted on.
    seed : for the rows it was fitted on.
    """

    points: Floats
    method: str
    explained: tuple[float, float]
    fitted: int
    seed: int


def pca(vectors: ArrayLike, *, fit: int = FIT, seed: int = 0) -> Projection:
    """The two directions along which the vectors vary most.

    Each axis points so that the largest of its loadings is positive, since a singular vector has
    no sign of its own. Fewer than two distinct vectors lie at the origin and explain 0; two lie on
    the first axis and explain all.

    Parameters
    ----------
    vectors : (n, d) numbers.
    fit : most rows to fit on, drawn by the seed.

    Raises
    ------
    UsageError
        If the vectors are not an (n, d) array.

    References
    ----------
    K. Pearson (1901), On lines and planes of closest fit, Philosophical Magazine 2, 559-572; by the
    singular values of the centred matrix, as I. T. Jolliffe (2002), Principal component analysis,
    section 3.5.

    Examples
    --------
    >>> made = pca([[0, 0], [2, 0], [4, 1]])
    >>> made.points.astype(float).round(2).tolist(), [round(one, 2) for one in made.explained]
    ([[-2.02, 0.17], [-0.08, -0.32], [2.1, 0.15]], [0.98, 0.02])
    """
    whole = _matrix(vectors)
    chosen = _fitting(whole, fit, seed)
    points = np.full((len(whole), 2), np.nan, np.float32)
    sample = whole[chosen].astype(np.float64)
    axes = np.zeros((2, whole.shape[1]))
    explained = (0.0, 0.0)
    middle = np.zeros(whole.shape[1])
    if sample.size:
        noise = np.finfo(np.float64).eps * max(sample.shape) * np.abs(sample).max()
        middle = sample.mean(axis=0)
        # the small factor of a QR decomposition has the same singular values and directions
        _, sizes, directions = np.linalg.svd(
            np.linalg.qr(sample - middle, mode="r"), full_matrices=False
        )
        real = sizes[:2] > noise
        axes[: len(real)] = _signed(directions[:2]) * real[:, None]
        total = float((sizes**2).sum())
        shares = [
            float(one**2) / total if kept else 0.0 for one, kept in zip(sizes, real, strict=False)
        ]
        explained = (shares[0], shares[1] if len(shares) > 1 else 0.0)
    finite = _finite(whole)
    for start in range(0, len(whole), BLOCK):
        part = np.flatnonzero(finite[start : start + BLOCK]) + start
        points[part] = (whole[part] - middle) @ axes.T
    return Projection(points, "PCA", explained, len(chosen), seed)


def neighbours(vectors: ArrayLike, row: int, k: int = 10) -> list[tuple[int, float]]:
    """The ``k`` rows nearest to ``row`` by cosine, with the cosine, -1..1, the nearest first.

    It is exact: every row is looked at, in float32. Rows that are as near come in their order.
    A vector of zeros has the cosine 0 to all; rows that are not finite are left out.

    Raises
    ------
    UsageError
        If there is no such row, or the vectors are not an (n, d) array.

    Examples
    --------
    >>> [(row, round(cosine, 2)) for row, cosine in neighbours([[1, 0], [0, 1], [1, 1]], 0)]
    [(2, 0.71), (1, 0.0)]
    """
    whole = _matrix(vectors)
    if not 0 <= row < len(whole):
        raise UsageError(f"expected a row from 0 to {len(whole) - 1}; got {row}.")
    likeness = np.full(len(whole), -np.inf, np.float32)
    own = whole[row] / (np.linalg.norm(whole[row]) or 1.0)
    for start in range(0, len(whole), BLOCK):
        block = whole[start : start + BLOCK]
        sizes = np.sqrt(np.einsum("ij,ij->i", block, block))
        with np.errstate(invalid="ignore"):
            cosines = block @ own / np.where(sizes > 0, sizes, 1)
        likeness[start : start + BLOCK] = np.where(np.isfinite(cosines), cosines, -np.inf)
    likeness[row] = -np.inf
    least = np.partition(likeness, -k)[-k] if 0 < k < len(whole) else -np.inf
    found = np.flatnonzero((likeness >= least) & np.isfinite(likeness))
    order = found[np.argsort(-likeness[found], kind="stable")][:k]
    return [(int(one), float(np.clip(likeness[one], -1, 1))) for one in order]


def inside(points: Floats, polygon: Sequence[Sequence[float]]) -> Mask:
    """Which points a closed line goes around, by the even-odd rule; (n,) bool.

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
    """At most ``most`` of the rows ``among``, each group with its share, in their order.

    What rounding leaves goes to the largest remainders, so that a group is not more than one row
    off its share.

    Parameters
    ----------
    among : positions of rows.
    groups : the group of every row of the table, a whole number.

    Examples
    --------
    >>> chosen = sample(np.arange(1000), 10, np.repeat([0, 1], [900, 100]))
    >>> len(chosen), int((chosen >= 900).sum())
    (10, 1)
    """
    if len(among) <= most:
        return among
    rng = np.random.default_rng(seed)
    own = groups[among]
    names, sizes = np.unique(own, return_counts=True)
    share = sizes * most / len(among)
    takes = np.floor(share).astype(np.int64)
    largest = np.argsort(takes - share, kind="stable")[: most - int(takes.sum())]
    takes[largest] += 1
    parts = [
        rng.choice(among[own == name], take, replace=False)
        for name, take in zip(names, takes, strict=True)
    ]
    chosen: NDArray[np.int64] = np.sort(np.concatenate(parts))
    return chosen


def unit(points: Floats) -> Floats:
    """The points stretched to fill 0..1 along each axis; in the middle where all are alike."""
    placed = points[np.isfinite(points).all(axis=1)]
    if not len(placed):
        return points
    low = placed.min(axis=0)
    wide = placed.max(axis=0) - low
    whole: Floats = np.where(wide > 0, (points - low) / np.where(wide > 0, wide, 1), 0.5)
    whole = whole.astype(np.float32)
    whole[~np.isfinite(points).all(axis=1)] = math.nan
    return whole


def _matrix(vectors: ArrayLike) -> Floats:
    try:
        whole = np.asarray(vectors, np.float32)
    except (TypeError, ValueError) as error:
        raise UsageError(f"expected one vector of numbers a row, of one length: {error}.") from None
    if whole.ndim == 1 and not len(whole):
        return whole.reshape(0, 0)
    if whole.ndim != 2:
        raise UsageError(f"expected vectors of shape (n, d); got {whole.shape}.")
    return whole


def _finite(whole: Floats) -> Mask:
    finite: Mask = np.asarray(np.isfinite(whole).all(axis=1))
    return finite


def _fitting(whole: Floats, fit: int, seed: int) -> NDArray[np.int64]:
    """The rows to fit on: all that are finite, or ``fit`` of them."""
    rows = np.flatnonzero(_finite(whole))
    return sample(rows, fit, np.zeros(len(whole), np.int64), seed)


def _signed(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = np.abs(directions).argmax(axis=1)
    signs = np.sign(directions[np.arange(len(directions)), largest])
    turned: NDArray[np.float64] = directions * np.where(signs == 0, 1, signs)[:, None]
    return turned
