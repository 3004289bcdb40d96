"""Diversity of embeddings: APS, remote-clique, Chamfer and the Vendi score."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate.registry import metric
from synthkit.evaluate.scores import Floats, jackknifed, matrix
from synthkit.stats.intervals import check_level
from synthkit.stats.jackknife import jackknife

BLOCK = 512
"""Rows for which the similarities to all others are computed at once."""
EPS = float(np.finfo(np.float64).eps)


@metric("APS", kind="diversity", of="vectors", order=1, pairs="all")
@metric("intra-label APS", kind="diversity", of="vectors", order=1, needs=("label",), pairs="intra")
@metric("inter-label APS", kind="diversity", of="vectors", order=1, needs=("label",), pairs="inter")
def aps(
    vectors: ArrayLike,
    *,
    labels: Sequence[Hashable] | None = None,
    pairs: Literal["all", "intra", "inter"] = "all",
    level: float = 0.95,
) -> Score:
    """APS: the mean cosine similarity of pairs of texts.

    -1..1, lower is more diverse; 1 if all vectors have one direction.

    Parameters
    ----------
    vectors : (n, d) embeddings; they are L2-normalised here.
    labels : (n,) of the texts, for ``pairs`` other than ``"all"``.
    pairs : ``"intra"`` takes the pairs within a label, all with the same weight, so that large
        labels weigh more; ``"inter"`` takes the pairs of two labels.
    level : of the interval, the jackknife's over texts; there is none if a text left out leaves no
        pair.

    Raises
    ------
    UsageError
        If there is no such pair, a vector is zero or not finite, or labels do not fit.

    Notes
    -----
    From sums of vectors, in O(nd): ``(n |e|^2 - 1) / (n - 1)`` with e the mean vector.

    References
    ----------
    Y. Yu et al. (2023), Large language model as attributed training data generator (AttrPrompt),
    arXiv 2306.15895, section 4.2.

    Examples
    --------
    >>> vectors = [[1, 0], [1, 0], [0, 1]]
    >>> aps(vectors).value
    0.333...
    >>> aps(vectors, labels=["a", "a", "b"], pairs="inter").value
    0.0
    """
    value, without, n = _mean_cosine(vectors, labels, pairs)
    return jackknifed(
        "APS" if pairs == "all" else f"{pairs}-label APS", value, without, n, unit="-1..1",
        how="cosine", better="lower", least=-1.0, most=1.0, level=level,
    )  # fmt: skip


@metric("remote-clique", kind="diversity", of="vectors", order=1)
def remote_clique(vectors: ArrayLike, *, level: float = 0.95) -> Score:
    """Remote-clique: the mean cosine distance of pairs of texts, 1 - APS.

    0..2, higher is more diverse; 0 if all vectors have one direction. Pairs are of two different
    rows. The package ``diversity`` counts each row with itself too, which gives (n - 1) / n of
    this.

    Parameters
    ----------
    vectors : (n, d) embeddings, two rows or more; they are L2-normalised here.
    level : of the interval, the jackknife's over texts; there is none for two.

    Raises
    ------
    UsageError
        If there are fewer than two rows, or a vector is zero or not finite.

    References
    ----------
    S. R. Cox et al. (2021), Directed diversity, arXiv 2101.06030, table 1.

    Examples
    --------
    >>> remote_clique([[1, 0], [1, 0], [0, 1]]).value
    0.666...
    """
    similarity, similarity_without, n = _mean_cosine(vectors, None, "all")
    return jackknifed(
        "remote-clique", 1 - similarity, 1 - similarity_without, n, unit="0..2",
        how="cosine distance", most=2.0, level=level,
    )  # fmt: skip


@metric("Chamfer", kind="diversity", of="vectors", order=1)
def chamfer(vectors: ArrayLike, *, level: float = 0.95) -> Score:
    """Chamfer: the mean cosine distance of each text to its nearest neighbour.

    0..2, higher is more diverse; 0 if each text has a copy. It falls with the number of texts. The
    level, errors and source are those of :func:`remote_clique`.

    Parameters
    ----------
    vectors : (n, d) embeddings, two rows or more; they are L2-normalised here. Time is O(n^2 d);
        the similarities of 512 rows are in memory at a time.

    References
    ----------
    S. R. Cox et al. (2021), Directed diversity, arXiv 2101.06030, table 1.

    Examples
    --------
    >>> chamfer([[1, 0], [1, 0], [0, 1]]).value
    0.333...
    """
    x = _unit_rows(vectors, 2)
    n = len(x)
    nearest, distance, next_distance = np.empty(n, np.int64), np.empty(n), np.empty(n)
    for start in range(0, n, BLOCK):
        cosines = x[start : start + BLOCK] @ x.T
        at = np.arange(len(cosines))
        cosines[at, start + at] = -np.inf
        rows = slice(start, start + len(cosines))
        nearest[rows] = cosines.argmax(axis=1)
        distance[rows] = _distance(cosines[at, nearest[rows]])
        cosines[at, nearest[rows]] = -np.inf
        next_distance[rows] = _distance(cosines.max(axis=1)) if n > 2 else 0.0
    farther = np.bincount(nearest, next_distance - distance, minlength=n)
    without = (distance.sum() - distance + farther) / (n - 1)
    if n == 2:
        without = np.zeros(0)  # a single row has no nearest neighbour
    return jackknifed(
        "Chamfer", float(distance.mean()), without, n, unit="0..2", how="cosine distance",
        most=2.0, level=level, at_n=n,
    )  # fmt: skip


@metric("Vendi", kind="diversity", of="vectors", order=1)
def vendi(
    vectors: ArrayLike, *, q: float = 1.0, interval: bool = True, level: float = 0.95
) -> Score:
    """The Vendi score: the effective number of different texts, by cosine similarity.

    1..n, higher is more diverse: n if all vectors are orthogonal, 1 if all have one direction.

    Parameters
    ----------
    vectors : (n, d) embeddings, one row or more; they are L2-normalised here.
    q : order, 0 to infinity. The larger it is, the less rare kinds of text count: 0 counts
        dimensions, 1 is the exponential of the entropy, infinity takes the largest eigenvalue
        alone.
    interval : without it no eigenvectors are needed, which take most of the time.
    level : of the interval, which requires more rows than dimensions (n > d) and q above 0.
        Otherwise n limits the value, and it would grow with further texts.

    Raises
    ------
    UsageError
        If there is no row, a vector is zero or not finite, or q is below 0.

    Notes
    -----
    ``(sum l^q)^(1 / (1 - q))`` over the eigenvalues l of ``X X' / n``, which are those of
    ``X' X / n``; the smaller matrix is used. Eigenvalues that are only rounding, below
    ``max(n, d) * eps`` of the largest, are set to 0: with q below 1 they would count. The interval
    is the infinitesimal jackknife's, of the logarithm of the value: a text changes ln value by
    ``q / (1 - q) * (sum l^(q - 1) (x u)^2 / sum l^q - 1)`` over eigenvectors u.

    References
    ----------
    D. Friedman and A. B. Dieng (2023), The Vendi score, arXiv 2210.02410, definition 3.1; A.
    Pasarkar and A. B. Dieng (2024), Cousins of the Vendi score, arXiv 2310.12952, equation 3, on q.

    Examples
    --------
    >>> vendi([[1, 0], [0, 1]]).value
    2.0
    >>> vendi([[1, 0], [1, 0]], q=math.inf).value
    1.0
    """
    check_level(level)
    x = _unit_rows(vectors, 1)
    n, d = x.shape
    if not q >= 0:
        raise UsageError(f"q must be 0 or more; got {q}.")
    low = high = parts = None
    if interval and n > d and q > 0:
        eigenvalues, directions = np.linalg.eigh(x.T @ x / n)
        positive = _positive(eigenvalues, max(n, d))
        eigenvalues, directions = eigenvalues[positive], directions[:, positive]
        log = _renyi_entropy(eigenvalues, q)
        blocks = (np.square(x[at : at + BLOCK] @ directions) for at in range(0, n, BLOCK))
        influence = np.concatenate([_influence(eigenvalues, block, q) for block in blocks])
        parts = math.exp(log) * (1 + influence)
        ends = jackknife(log, log - influence / (n - 1), level)
        low, high = (
            None if end is None else min(float(n), max(1.0, math.exp(end))) for end in ends
        )
    else:
        eigenvalues = np.linalg.eigvalsh((x.T @ x if d < n else x @ x.T) / n)
        log = _renyi_entropy(eigenvalues[_positive(eigenvalues, max(n, d))], q)
    return Score(
        name="Vendi", value=math.exp(log), low=low, high=high, n=n, unit="1..n", better="higher",
        how=f"cosine, q = {q:g}", level=level, parts=parts, at_n=n,
    )  # fmt: skip


def _positive(eigenvalues: Floats, size: int) -> NDArray[np.bool_]:
    """Which eigenvalues are more than rounding."""
    return np.asarray(eigenvalues > size * EPS * eigenvalues.max())


def _renyi_entropy(eigenvalues: Floats, q: float) -> float:
    """The Rényi entropy of order q of eigenvalues that add up to 1."""
    shares = eigenvalues / eigenvalues.sum()
    if q == 1:
        return max(0.0, -float((shares * np.log(shares)).sum()))
    top = math.log(shares.max())
    if math.isinf(q):
        return -top
    # relative to the largest, so that no power of a large q is 0
    return max(0.0, (q * top + math.log(float(((shares / shares.max()) ** q).sum()))) / (1 - q))


def _influence(eigenvalues: Floats, squares: Floats, q: float) -> Floats:
    """(n,) the change of the entropy by each row; ``squares`` are its (n, k) squared components."""
    if q == 1:
        logs = np.log(eigenvalues)
        return np.asarray(-(squares @ logs) + float(eigenvalues @ logs))
    top = eigenvalues.max()
    if math.isinf(q):
        return np.asarray(1 - squares[:, eigenvalues.argmax()] / top)
    scaled = eigenvalues / top
    return np.asarray(q / (1 - q) * (squares @ scaled ** (q - 1) / top / (scaled**q).sum() - 1))


def _mean_cosine(
    vectors: ArrayLike, labels: Sequence[Hashable] | None, pairs: str
) -> tuple[float, Floats, int]:
    """The mean cosine of pairs, the same without each row, and the number of rows."""
    if pairs not in ("all", "intra", "inter"):
        raise UsageError(f"pairs must be 'all', 'intra' or 'inter'; got {pairs!r}.")
    x = _unit_rows(vectors, 2)
    n = len(x)
    if pairs == "all":
        labels = [0] * n
    if labels is None or len(labels) != n:
        got = "none" if labels is None else str(len(labels))
        raise UsageError(f"expected a label for each of {n} rows; got {got}.")
    numbers: dict[Hashable, int] = {}
    at = np.array([numbers.setdefault(label, len(numbers)) for label in labels])
    sums = np.zeros((len(numbers), x.shape[1]))
    np.add.at(sums, at, x)
    sizes = np.bincount(at)[at]
    if pairs == "inter":
        by_row, partners = np.einsum("ij,ij->i", x, sums.sum(axis=0) - sums[at]), n - sizes
    else:
        squares = np.einsum("ij,ij->i", x, x)
        by_row, partners = np.einsum("ij,ij->i", x, sums[at]) - squares, sizes - 1
    total, count = float(by_row.sum()), int(partners.sum())
    if not count:
        what = "has two rows" if pairs == "intra" else "differs from another"
        raise UsageError(f"no label {what}, so there is no pair to compare.")
    left = count - 2 * partners
    without = (total - 2 * by_row) / np.where(left > 0, left, np.nan)
    return min(1.0, max(-1.0, total / count)), without, n


def _unit_rows(vectors: ArrayLike, least: int) -> Floats:
    """(n, d) float64 with rows of length 1, ``least`` rows or more."""
    x = matrix(vectors, least)
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(x, axis=1)
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(bad):
        raise UsageError(
            f"row {bad[0]}: its vector is zero or not finite, as of an empty text, so it has no "
            "cosine. Leave such rows out."
        )
    return np.asarray(x / lengths[:, None])


def _distance(cosine: Floats) -> Floats:
    """1 - cosine; 0 if it is only rounding."""
    distance: Floats = 1 - cosine
    distance[distance < 8 * EPS] = 0.0
    return distance
