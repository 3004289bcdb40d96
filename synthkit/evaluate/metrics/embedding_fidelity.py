"""Fidelity of embeddings: PRDC, Fréchet distance and a two-sample test against real rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate.registry import metric
from synthkit.evaluate.scores import Floats, matrix, proportion
from synthkit.stats.classifier import fitted
from synthkit.stats.intervals import check_level, wilson
from synthkit.stats.jackknife import subsampled

BLOCK = 512
"""Real rows whose distances to all others are in memory at once."""
MOST_SAMPLED = 1000
"""Most rows of a sample of a table from which the intervals of PRDC are computed."""
PRDC = ("precision", "recall", "density", "coverage")
ROUNDING = 1e-12
"""Squared distances that differ by less than this share of the largest squared norm are equal."""


@metric("PRDC", kind="distribution", of="vectors", needs=("against",))
def prdc(
    synthetic: ArrayLike,
    real: ArrayLike,
    *,
    k: int = 5,
    draws: int = 20,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Score, Score, Score, Score]:
    """Precision, recall, density and coverage of synthetic rows, by nearest neighbours.

    The ball of a row reaches to its k-th nearest neighbour in its own table. Precision is the share
    of synthetic rows in the ball of a real row, recall the share of real rows in the ball of a
    synthetic row, and coverage the share of real rows with a synthetic row in their ball: all 0..1,
    higher is better. Density is the number of real balls around a synthetic row, over k: 0 or more,
    1 if synthetic rows are as dense as real ones. For two equal tables all four are 1.

    Parameters
    ----------
    synthetic, real : (m, d) and (n, d) embeddings.
    k : neighbours, fewer than the rows of either table.
    draws : number of samples for the intervals, each of half of the rows of both tables, at most
        1,000; with fewer than 2 there are no intervals.
    seed : of the samples.
    level : of the intervals. If Wilson's interval of a share is wider, it is used instead.

    Raises
    ------
    UsageError
        If the vectors are not finite numbers, or a table has k rows or fewer.

    Notes
    -----
    In the paper a ball is open, so a row is outside of its own ball if more than k rows are equal
    to it; here equal rows are always inside. So density can be above n / k. Distances that differ
    only by rounding (1e-12 of the largest squared norm) are equal. Distances are Euclidean,
    computed for 512 real rows at a time, so that memory grows with n + m.

    References
    ----------
    Naeem et al. (2020), arXiv 2002.09797, equations 3 (precision and recall), 4 and 5; precision
    and recall after Kynkäänniemi et al. (2019), arXiv 1904.06991. The intervals are those of
    :func:`synthkit.stats.jackknife.subsampled`.

    Examples
    --------
    >>> real = [[0.0], [1.0], [2.0], [3.0]]
    >>> for score in prdc([[0.4], [0.6], [9.0]], real, k=1):
    ...     print(score.name, round(score.value, 3))
    precision 0.667
    recall 0.75
    density 1.333
    coverage 0.5
    """
    check_level(level)
    y, x = checked_vectors(synthetic, real)
    if not 1 <= k < min(len(x), len(y)):
        raise UsageError(
            f"k must be from 1 to one below the rows of each table; got k={k} for {len(x)} real "
            f"and {len(y)} synthetic rows."
        )
    centre = x.mean(axis=0)
    x, y = x - centre, y - centre  # small norms lose the fewest digits
    samples, share = _sampled(x, y, k, draws, seed)
    how = f"{k} neighbours, Euclidean"
    if samples:
        how += f"; interval: {draws} draws of {share:.2g} of the rows, seed {seed}"

    def score(at: int, name: str, parts: Floats) -> Score:
        value, n, is_density = float(parts.mean()), len(parts), name == "density"
        low, high = subsampled(value, [sample[at] for sample in samples], share, level)
        if low is not None and high is not None:
            if is_density:
                low, high = max(0.0, min(low, value)), max(high, value)
            else:
                least, most = wilson(float(parts.sum()), n, level)
                low, high = max(0.0, min(low, least)), min(1.0, max(high, most))
        return Score(
            name=name, value=value, low=low, high=high, n=n, better="higher", how=how, level=level,
            unit="1 is as dense as real" if is_density else "0..1", parts=parts,
            at_n=len(y),
        )  # fmt: skip

    precision, recall, density, coverage = map(score, range(4), PRDC, _prdc(x, y, k))
    return precision, recall, density, coverage


def _prdc(x: Floats, y: Floats, k: int) -> tuple[Floats, Floats, Floats, Floats]:
    """The part of each row in the four values: (m,), (n,), (m,) and (n,)."""
    equal = ROUNDING * max(np.square(z).sum(axis=1).max() for z in (x, y)) or np.finfo(float).tiny
    real_radii, synthetic_radii = (np.maximum(_radii(z, k) - equal, equal) for z in (x, y))
    balls, recalled, covered = np.zeros(len(y)), np.empty(len(x)), np.empty(len(x))
    for rows, distances in _squared_distances(x, y):
        inside = distances < real_radii[rows, None]
        balls += inside.sum(axis=0)
        covered[rows] = inside.any(axis=1)
        recalled[rows] = (distances < synthetic_radii).any(axis=1)
    return (balls > 0).astype(np.float64), recalled, balls / k, covered


def _sampled(
    x: Floats, y: Floats, k: int, draws: int, seed: int
) -> tuple[list[list[float]], float]:
    """The four values of random samples of both tables, and the share of the rows in a sample."""
    share = min(0.5, MOST_SAMPLED / max(len(x), len(y)))
    sizes = [max(k + 1, round(share * len(z))) for z in (x, y)]
    share = max(size / len(z) for size, z in zip(sizes, (x, y), strict=True))
    if draws < 2 or share == 1:
        return [], share
    rng = np.random.default_rng(seed)
    samples = []
    for _ in range(draws):
        real, synthetic = (
            z[rng.choice(len(z), n, replace=False)] for n, z in zip(sizes, (x, y), strict=True)
        )
        samples.append([float(parts.mean()) for parts in _prdc(real, synthetic, k)])
    return samples, share


@metric("Frechet distance", kind="distribution", of="vectors", needs=("against",))
def frechet_distance(synthetic: ArrayLike, real: ArrayLike) -> Score:
    """The squared Fréchet distance of two normal distributions with the tables' moments.

    0 or more, lower is better, in squared units of the vectors; 0 if means and covariances are
    equal. It has no interval: with few rows it is too high, by more than it varies, so compare
    tables of one size.

    Parameters
    ----------
    synthetic, real : (m, d) and (n, d) embeddings, two rows or more each.

    Raises
    ------
    UsageError
        If the vectors are not finite numbers, or a table has fewer than two rows.

    Notes
    -----
    ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))``. With ``S = R'R``, where R is the triangular
    factor of the centred rows, the last trace is the sum of the singular values of ``R1 R2'``, so
    no square root of a matrix is needed. This is exact for a singular covariance too, such as with
    d rows or fewer; ``how`` then says that the value is far too high.

    References
    ----------
    Heusel et al. (2017), arXiv 1706.08500, equation 6; Dowson and Landau (1982).

    Examples
    --------
    >>> found = frechet_distance([[1.0], [5.0]], [[-1.0], [1.0]])  # variances 2 and 8
    >>> round(found.value, 9)
    11.0
    """
    y, x = checked_vectors(synthetic, real, least=2)
    distance = float(np.square(x.mean(axis=0) - y.mean(axis=0)).sum())
    x_root, y_root = (_triangular((z - z.mean(axis=0)) / math.sqrt(len(z) - 1)) for z in (x, y))
    spread = float(np.square(x_root).sum() + np.square(y_root).sum())
    shared = float(np.linalg.svd(x_root @ y_root.T, compute_uv=False).sum())
    rows, d = min(len(x), len(y)), x.shape[1]
    remark = f"; too high: {rows} rows cannot fill {d} dimensions" if rows <= d else ""
    return Score(
        name="Fréchet distance", value=max(0.0, distance + spread - 2 * shared), n=len(y),
        unit="squared units of the vectors", better="lower",
        how=f"normal distributions of {d} dimensions{remark}", at_n=len(y),
    )  # fmt: skip


@metric("two-sample test", kind="distribution", of="vectors", needs=("against",))
def two_sample(
    synthetic: ArrayLike,
    real: ArrayLike,
    *,
    C: float = 1.0,
    seed: int = 0,
    level: float = 0.95,
) -> Score:
    """The accuracy of a light classifier that separates real from synthetic rows it has not seen.

    0..1, lower is better: 0.5 is chance, 1 means that every row can be recognised. ``how`` has the
    p-value: the probability of so many right answers or more if both tables had one source.

    Parameters
    ----------
    synthetic, real : (m, d) and (n, d) embeddings.
    C : of the classifier, see :func:`synthkit.stats.classifier.fit`; dimensions are scaled to
        variance 1.
    seed : of the rows that are held out, and of the sample of the larger table.
    level : of the Wilson interval.

    Raises
    ------
    UsageError
        If the vectors are not finite numbers, or a table has fewer than two distinct rows.
    MissingExtra
        If scikit-learn is not installed.

    Notes
    -----
    The larger table is sampled down to the size of the smaller one. As in the paper, the classifier
    learns from one half of both tables and classifies the other. So its answers are independent, as
    the interval and the p-value assume; those of cross-validation are not, and reject tables of one
    source about twice as often as they should. Equal rows are in one half: a copy of a real row is
    then classified correctly half of the time, and two equal tables give 0.5, while a classifier
    that had seen the copy would always be wrong. The p-value is of the binomial distribution, which
    the paper approximates by the normal one.

    References
    ----------
    Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests, arXiv 1610.06545, equation 2
    and theorem 1.

    Examples
    --------
    >>> real = [[n / 10] for n in range(10)]
    >>> found = two_sample([[5 + n / 10] for n in range(10)], real)
    >>> found.value, found.n, found.how[-11:]
    (1.0, 10, 'p = 0.00098')
    >>> two_sample(real, real).value
    0.5
    """
    y, x = checked_vectors(synthetic, real)
    rng = np.random.default_rng(seed)
    n = min(len(x), len(y))
    x, y = (z if len(z) == n else z[np.sort(rng.permutation(len(z))[:n])] for z in (x, y))
    rows = np.concatenate([x, y])
    is_synthetic = np.repeat([0, 1], n)
    test = _held_out(rows, is_synthetic, rng)
    spread = rows.std(axis=0)
    rows = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1)
    classifier = fitted(rows[~test], is_synthetic[~test], (0, 1), C=C)
    right = classifier.of_vectors(rows[test]).argmax(axis=1) == is_synthetic[test]
    p_value = _binomial_tail(int(right.sum()), len(right))
    score = proportion(
        "two-sample accuracy", right.astype(np.float64),
        how=f"logistic regression, half of the rows held out, seed {seed}; p = {p_value:.2g}",
        better="lower", level=level,
    )  # fmt: skip
    return replace(score, at_n=n)


def checked_vectors(
    synthetic: ArrayLike, real: ArrayLike, *, least: int = 1
) -> tuple[Floats, Floats]:
    """Both tables as float64, (m, d) and (n, d).

    Raises
    ------
    UsageError
        If one has a number that is not finite, fewer rows than ``least``, or another width.
    """
    checked = []
    for name, vectors in (("synthetic", synthetic), ("real", real)):
        rows = matrix(vectors, least, f"{name}: ")
        with np.errstate(over="ignore"):
            bad = np.flatnonzero(~np.isfinite(np.square(rows).sum(axis=1)))
        if len(bad):
            raise UsageError(
                f"{name} row {bad[0]}: its vector is not finite, or too large to be squared. Leave "
                "such rows out."
            )
        checked.append(rows)
    y, x = checked
    if x.shape[1] != y.shape[1]:
        raise UsageError(
            f"expected vectors of one length; got {x.shape[1]} numbers of real rows and "
            f"{y.shape[1]} of synthetic ones. Embed both with one embedder."
        )
    return y, x


def _triangular(rows: Floats) -> Floats:
    """The triangular R with R'R = rows' rows."""
    factor: Any = np.linalg.qr(rows, mode="r")  # numpy's types do not depend on the mode
    return np.asarray(factor, np.float64)


def _squared_distances(x: Floats, y: Floats) -> Iterator[tuple[slice, Floats]]:
    """Blocks of rows of x, with their squared distances to all of y."""
    x_norms, y_norms = (np.square(z).sum(axis=1) for z in (x, y))
    for start in range(0, len(x), BLOCK):
        rows = slice(start, min(start + BLOCK, len(x)))
        distances = x[rows] @ (-2 * y.T)
        distances += x_norms[rows, None]
        distances += y_norms
        yield rows, distances


def _radii(x: Floats, k: int) -> Floats:
    """(n,) squared distance of each row to its k-th nearest neighbour."""
    radii = np.empty(len(x))
    for rows, distances in _squared_distances(x, x):
        at = np.arange(rows.start, rows.stop)
        distances[at - rows.start, at] = np.inf
        distances.partition(k - 1, axis=1)
        radii[rows] = distances[:, k - 1]
    return radii


def _held_out(
    rows: Floats, is_synthetic: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Whether each row is held out: half of both tables, and equal rows together."""
    _, group = np.unique(rows, axis=0, return_inverse=True)
    group = group.ravel()
    counts = np.stack(
        [np.bincount(group[is_synthetic == side], minlength=group.max() + 1) for side in (0, 1)]
    )
    distinct = (counts > 0).sum(axis=1)
    if distinct.min() < 2:
        raise UsageError(
            "expected two distinct rows or more in each table, one to learn from and one to hold "
            f"out; got {distinct[0]} real and {distinct[1]} synthetic ones."
        )
    order = rng.permutation(len(counts[0]))
    # every other one, sorted by the table they are mostly of, large groups first, so that no half
    # has rows of one table only
    order = order[np.lexsort((-counts.sum(axis=0)[order], (counts[1] - counts[0])[order]))]
    held_out = np.zeros(len(order), np.bool_)
    held_out[order[::2]] = True
    return held_out[group]


def _binomial_tail(right: int, n: int) -> float:
    """The probability of ``right`` heads or more in ``n`` throws, exact with whole numbers."""
    term = total = 1
    for wrong in range(n - right):
        term = term * (n - wrong) // (wrong + 1)
        total += term
    probability: float = total / 2**n
    return probability
