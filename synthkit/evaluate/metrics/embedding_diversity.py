"""How far embeddings of texts lie from each other."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate.registry import metric
from synthkit.stats.intervals import check_level
from synthkit.stats.jackknife import jackknife, pseudo_values

Floats = NDArray[np.float64]
BLOCK = 512
"""Rows whose likeness to all others is held at once."""
TINY = float(np.finfo(np.float64).eps)


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

    -1..1, lower is more diverse; 1 where all are alike.

    Parameters
    ----------
    vectors : (n, d) numbers, the embeddings; they are L2-normalised here.
    labels : (n,) of the texts, for ``pairs`` other than ``"all"``.
    pairs : ``"intra"`` takes those within a label, each pair alike, so that large labels weigh
        more; ``"inter"`` those of two labels.
    level : of the interval, the jackknife's over texts; there is none where a text left out leaves
        no pair.

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
    value, without, n = _pairwise(vectors, labels, pairs)
    low, high = _clipped(jackknife(value, without, level), -1.0, 1.0)
    name = "APS" if pairs == "all" else f"{pairs}-label APS"
    return Score(
        name=name, value=value, low=low, high=high, n=n, unit="-1..1", better="lower",
        how="cosine; interval: jackknife", level=level, parts=pseudo_values(value, without),
    )  # fmt: skip


@metric("remote-clique", kind="diversity", of="vectors", order=1)
def remote_clique(vectors: ArrayLike, *, level: float = 0.95) -> Score:
    """Remote-clique: the mean cosine distance of pairs of texts, 1 - APS.

    0..2, higher is more diverse; 0 where all are alike. Pairs are of two different rows, where the
    package ``diversity`` counts each with itself too, which gives (n - 1) / n of this.

    Parameters
    ----------
    vectors : (n, d) numbers, two rows or more; they are L2-normalised here.
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
    likeness, likeness_without, n = _pairwise(vectors, None, "all")
    value, without = 1 - likeness, 1 - likeness_without
    low, high = _clipped(jackknife(value, without, level), 0.0, 2.0)
    return Score(
        name="remote-clique", value=value, low=low, high=high, n=n, unit="0..2", better="higher",
        how="cosine distance; interval: jackknife", level=level,
        parts=pseudo_values(value, without),
    )  # fmt: skip


@metric("Chamfer", kind="diversity", of="vectors", order=1)
def chamfer(vectors: ArrayLike, *, level: float = 0.95) -> Score:
    """Chamfer: the mean cosine distance of a text to its nearest other.

    0..2, higher is more diverse; 0 where each has a copy. It falls as texts get more.

    Parameters
    ----------
    vectors : (n, d) numbers, two rows or more; they are L2-normalised here. Time is O(n^2 d), and
        512 rows of similarities are held at a time.
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
    >>> chamfer([[1, 0], [1, 0], [0, 1]]).value
    0.333...
    """
    x = _unit(vectors, 2)
    n = len(x)
    nearest, far, next_far = np.empty(n, np.int64), np.empty(n), np.empty(n)
    for start in range(0, n, BLOCK):
        like = x[start : start + BLOCK] @ x.T
        at = np.arange(len(like))
        like[at, start + at] = -np.inf
        rows = slice(start, start + len(like))
        nearest[rows] = like.argmax(axis=1)
        far[rows] = _distance(like[at, nearest[rows]])
        like[at, nearest[rows]] = -np.inf
        next_far[rows] = _distance(like.max(axis=1)) if n > 2 else 0.0
    value = float(far.mean())
    without = (far.sum() - far + np.bincount(nearest, next_far - far, minlength=n)) / (n - 1)
    if n == 2:
        without = np.zeros(0)  # one row has no nearest other
    low, high = _clipped(jackknife(value, without, level), 0.0, 2.0)
    return Score(
        name="Chamfer", value=value, low=low, high=high, n=n, unit="0..2", better="higher",
        how="cosine distance; interval: jackknife", level=level,
        parts=pseudo_values(value, without),
    )  # fmt: skip


@metric("Vendi", kind="diversity", of="vectors", order=1)
def vendi(
    vectors: ArrayLike, *, q: float = 1.0, interval: bool = True, level: float = 0.95
) -> Score:
    """The Vendi score: how many texts unlike each other have as much variety, by cosine similarity.

    1..n, higher is more diverse: n where all are at right angles, 1 where all are alike.

    Parameters
    ----------
    vectors : (n, d) numbers, one row or more; they are L2-normalised here.
    q : order, 0 to infinity. The larger, the less rare kinds of text count; 0 counts dimensions,
        1 is the exponential of the entropy, infinity looks at the largest eigenvalue alone.
    interval : without it there is no need of eigenvectors, which take most of the time.
    level : of the interval, which is there with more rows than numbers in each (n > d) and for q
        above 0. Else the value is bound by n, and would grow with further texts.

    Raises
    ------
    UsageError
        If there is no row, a vector is zero or not finite, or q is below 0.

    Notes
    -----
    ``(sum l^q)^(1 / (1 - q))`` over the eigenvalues l of ``X X' / n``; they are those of
    ``X' X / n``, which is taken where it is smaller. Eigenvalues that are rounding alone, below
    ``max(n, d) * eps`` of the largest, are 0: with q below 1 they would count. The interval is the
    infinitesimal jackknife's, of the logarithm of the value: a text moves ln value by
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
    x = _unit(vectors, 1)
    n, d = x.shape
    if not q >= 0:
        raise UsageError(f"q must be 0 or more; got {q}.")
    low = high = brought = None
    if interval and n > d and q > 0:
        eigenvalues, directions = np.linalg.eigh(x.T @ x / n)
        kept = _kept(eigenvalues, max(n, d))
        eigenvalues, directions = eigenvalues[kept], directions[:, kept]
        log = _log_order(eigenvalues, q)
        blocks = (np.square(x[at : at + BLOCK] @ directions) for at in range(0, n, BLOCK))
        moved = np.concatenate([_influence(eigenvalues, parts, q) for parts in blocks])
        brought = math.exp(log) * (1 + moved)
        ends = jackknife(log, log - moved / (n - 1), level)
        low, high = (
            None if end is None else min(float(n), max(1.0, math.exp(end))) for end in ends
        )
    else:
        eigenvalues = np.linalg.eigvalsh((x.T @ x if d < n else x @ x.T) / n)
        log = _log_order(eigenvalues[_kept(eigenvalues, max(n, d))], q)
    return Score(
        name="Vendi", value=math.exp(log), low=low, high=high, n=n, unit="1..n", better="higher",
        how=f"cosine, q = {q:g}", level=level, parts=brought,
    )  # fmt: skip


def _kept(eigenvalues: Floats, size: int) -> NDArray[np.bool_]:
    kept: NDArray[np.bool_] = eigenvalues > size * TINY * eigenvalues.max()
    return kept


def _log_order(eigenvalues: Floats, q: float) -> float:
    """The Rényi entropy of order q of eigenvalues that add up to 1."""
    shares = eigenvalues / eigenvalues.sum()
    if q == 1:
        return max(0.0, -float((shares * np.log(shares)).sum()))
    top = math.log(shares.max())
    if math.isinf(q):
        return -top
    # relative to the largest, so that no power of a large q is 0
    return max(0.0, (q * top + math.log(float(((shares / shares.max()) ** q).sum()))) / (1 - q))


def _influence(eigenvalues: Floats, parts: Floats, q: float) -> Floats:
    """(n,) how each row moves the entropy; ``parts`` are (n, k), squared, along each axis."""
    if q == 1:
        logs = np.log(eigenvalues)
        return np.asarray(-(parts @ logs) + float(eigenvalues @ logs))
    top = eigenvalues.max()
    if math.isinf(q):
        return np.asarray(1 - parts[:, eigenvalues.argmax()] / top)
    scaled = eigenvalues / top
    return np.asarray(q / (1 - q) * (parts @ scaled ** (q - 1) / top / (scaled**q).sum() - 1))


def _pairwise(
    vectors: ArrayLike, labels: Sequence[Hashable] | None, pairs: str
) -> tuple[float, Floats, int]:
    """The mean cosine of pairs, the same without each row, and the number of rows."""
    if pairs not in ("all", "intra", "inter"):
        raise UsageError(f"pairs must be 'all', 'intra' or 'inter'; got {pairs!r}.")
    x = _unit(vectors, 2)
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
        own, others = np.einsum("ij,ij->i", x, sums.sum(axis=0) - sums[at]), n - sizes
    else:
        squares = np.einsum("ij,ij->i", x, x)
        own, others = np.einsum("ij,ij->i", x, sums[at]) - squares, sizes - 1
    total, count = float(own.sum()), int(others.sum())
    if not count:
        what = "has two rows" if pairs == "intra" else "differs from another"
        raise UsageError(f"no label {what}, so there is no pair to compare.")
    left = count - 2 * others
    without = (total - 2 * own) / np.where(left > 0, left, np.nan)
    return min(1.0, max(-1.0, total / count)), without, n


def _unit(vectors: ArrayLike, least: int) -> Floats:
    """(n, d) float64 with rows of length 1."""
    try:
        x = np.asarray(vectors, np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"expected (n, d) numbers, but {error}.") from error
    if x.ndim != 2 or len(x) < least or not x.shape[1]:
        raise UsageError(f"expected (n, d) numbers with n of {least} or more; got shape {x.shape}.")
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(x, axis=1)
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(bad):
        raise UsageError(
            f"row {bad[0]}: its vector is zero or not finite, as of an empty text, so it has no "
            "cosine. Leave such rows out."
        )
    unit: Floats = x / lengths[:, None]
    return unit


def _distance(cosine: Floats) -> Floats:
    """1 - cosine; 0 for what differs by rounding alone."""
    far: Floats = 1 - cosine
    far[far < 8 * TINY] = 0.0
    return far


def _clipped(
    ends: tuple[float, float] | tuple[None, None], least: float, most: float
) -> tuple[float | None, float | None]:
    low, high = ends
    if low is None or high is None:
        return None, None
    return max(least, low), min(most, high)
