"""How far embeddings of synthetic rows lie from those of real ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate.registry import metric
from synthkit.stats.classifier import fitted
from synthkit.stats.intervals import check_level, wilson
from synthkit.stats.jackknife import subsampled

Floats = NDArray[np.float64]

BLOCK = 512
"""Real rows whose distances to all others are held at once."""
MOST = 1000
"""Rows of a part of a table, by which intervals know how far a value moves."""
PRDC = ("precision", "recall", "density", "coverage")
ROUNDING = 1e-12
"""Squared distances that differ by less than this share of the largest squared norm are equal."""


@metric("PRDC", kind="distribution", of="vectors", needs=("against",))
def prdc(
    real: ArrayLike,
    synthetic: ArrayLike,
    *,
    k: int = 5,
    draws: int = 20,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[Score, Score, Score, Score]:
    """Precision, recall, density and coverage of synthetic rows by their nearest neighbours.

    The ball of a row reaches to its k-th nearest neighbour in its own table. Precision is the share
    of synthetic rows in the ball of a real one, recall the share of real rows in the ball of a
    synthetic one, coverage the share of real rows with a synthetic one in their ball: all 0..1,
    higher is better. Density counts the real balls around a synthetic row, over k: from 0 up, 1
    where synthetic rows lie as densely as real ones. For two equal tables all four are 1.

    Parameters
    ----------
    real, synthetic : (n, d) and (m, d) numbers.
    k : neighbours, fewer than the rows of either table.
    draws : parts of both tables, a half of the rows and 1,000 at most, by which the intervals know
        how far the values move with other rows and balls; with fewer than 2 there are none.
    seed : of the draws.
    level : of the intervals. Where Wilson's interval of a share is the wider, it is taken.

    Raises
    ------
    UsageError
        If the vectors are no such numbers, or a table has k rows or fewer.

    Notes
    -----
    As published a ball is open, which leaves a row out of its own ball once more than k rows are
    equal to it; here an equal row is always inside. Then density can be above n / k. Distances that
    differ by rounding alone (1e-12 of the largest squared norm) are equal. Distances are Euclidean,
    held for 512 real rows at a time: memory grows with n + m.

    References
    ----------
    Naeem et al. (2020), arXiv 2002.09797, equations 3 (precision and recall), 4 and 5; precision
    and recall after Kynkäänniemi et al. (2019), arXiv 1904.06991. The intervals are those of
    :func:`synthkit.stats.jackknife.subsampled`.

    Examples
    --------
    >>> real = [[0.0], [1.0], [2.0], [3.0]]
    >>> for score in prdc(real, [[0.4], [0.6], [9.0]], k=1):
    ...     print(score.name, round(score.value, 3))
    precision 0.667
    recall 0.75
    density 1.333
    coverage 0.5
    """
    check_level(level)
    x, y = sound(real, synthetic)
    if not 1 <= k < min(len(x), len(y)):
        raise UsageError(
            f"k must be from 1 to one below the rows of each table; got k={k} for {len(x)} real "
            f"and {len(y)} synthetic rows."
        )
    middle = x.mean(axis=0)
    x, y = x - middle, y - middle  # small norms lose the fewest digits
    drawn, share = _drawn(x, y, k, draws, seed)
    how = f"{k} neighbours, Euclidean"
    if drawn:
        how += f"; interval: {draws} draws of {share:.2g} of the rows, seed {seed}"

    def score(at: int, name: str, parts: Floats) -> Score:
        value, n, dense = float(parts.mean()), len(parts), name == "density"
        low, high = subsampled(value, [found[at] for found in drawn], share, level)
        if low is not None and high is not None:
            least, most = (value, value) if dense else wilson(float(parts.sum()), n, level)
            low, high = max(0.0, min(low, least)), min(math.inf if dense else 1.0, max(high, most))
        return Score(
            name=name, value=value, low=low, high=high, n=n, better="higher", how=how, level=level,
            unit="1 is as dense as real" if dense else "0..1", parts=parts,
        )  # fmt: skip

    precision, recall, density, coverage = map(score, range(4), PRDC, _prdc(x, y, k))
    return precision, recall, density, coverage


def _prdc(x: Floats, y: Floats, k: int) -> tuple[Floats, Floats, Floats, Floats]:
    """What each row brings to the four: (m,), (n,), (m,) and (n,)."""
    equal = ROUNDING * max(np.square(z).sum(axis=1).max() for z in (x, y)) or np.finfo(float).tiny
    around_real, around_synthetic = (np.maximum(_reach(z, k) - equal, equal) for z in (x, y))
    balls, recalled, covered = np.zeros(len(y)), np.empty(len(x)), np.empty(len(x))
    for rows, far in _squared(x, y):
        inside = far < around_real[rows, None]
        balls += inside.sum(axis=0)
        covered[rows] = inside.any(axis=1)
        recalled[rows] = (far < around_synthetic).any(axis=1)
    return (balls > 0).astype(np.float64), recalled, balls / k, covered


def _drawn(x: Floats, y: Floats, k: int, draws: int, seed: int) -> tuple[list[list[float]], float]:
    """The four of random parts of both tables, and the share of the rows in a part."""
    share = min(0.5, MOST / max(len(x), len(y)))
    sizes = [max(k + 1, round(share * len(z))) for z in (x, y)]
    share = max(size / len(z) for size, z in zip(sizes, (x, y), strict=True))
    if draws < 2 or share == 1:
        return [], share
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        one, other = (
            z[rng.choice(len(z), n, replace=False)] for n, z in zip(sizes, (x, y), strict=True)
        )
        found.append([float(parts.mean()) for parts in _prdc(one, other, k)])
    return found, share


@metric("Frechet distance", kind="distribution", of="vectors", needs=("against",))
def frechet_distance(real: ArrayLike, synthetic: ArrayLike) -> Score:
    """The squared Fréchet distance of two normal distributions with the tables' moments.

    From 0 up, lower is better, in squared units of the vectors; 0 where means and covariances are
    equal. It has no interval: with few rows it is too high, by more than it varies, so compare
    tables of one size.

    Parameters
    ----------
    real, synthetic : (n, d) and (m, d) numbers, two rows or more each.

    Raises
    ------
    UsageError
        If the vectors are no such numbers, or a table has fewer than two rows.

    Notes
    -----
    ``|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))``. No square root of a matrix is taken: with
    ``S = R'R``, R triangular and from the rows themselves, the last trace is the sum of the
    singular values of ``R1 R2'``. So it is exact also where a covariance is singular, as with d
    rows or fewer, which ``how`` then says: the value is defined, but far too high.

    References
    ----------
    Heusel et al. (2017), arXiv 1706.08500, equation 6; Dowson and Landau (1982).

    Examples
    --------
    >>> found = frechet_distance([[-1.0], [1.0]], [[1.0], [5.0]])  # variances 2 and 8
    >>> round(found.value, 9)
    11.0
    """
    x, y = sound(real, synthetic, least=2)
    apart = float(np.square(x.mean(axis=0) - y.mean(axis=0)).sum())
    x_root, y_root = (_root((z - z.mean(axis=0)) / math.sqrt(len(z) - 1)) for z in (x, y))
    spread = float(np.square(x_root).sum() + np.square(y_root).sum())
    shared = float(np.linalg.svd(x_root @ y_root.T, compute_uv=False).sum())
    few = min(len(x), len(y)) <= x.shape[1]
    remark = f"; too high: {min(len(x), len(y))} rows cannot fill {x.shape[1]} dimensions"
    return Score(
        name="Fréchet distance",
        value=max(0.0, apart + spread - 2 * shared),
        n=len(y),
        unit="squared units of the vectors",
        better="lower",
        how=f"normal distributions of {x.shape[1]} dimensions{remark if few else ''}",
    )


@metric("two-sample test", kind="distribution", of="vectors", needs=("against",))
def two_sample(
    real: ArrayLike,
    synthetic: ArrayLike,
    *,
    folds: int = 5,
    C: float = 1.0,
    seed: int = 0,
    level: float = 0.95,
) -> Score:
    """How often a light student, of rows it has not seen, tells real from synthetic.

    0..1, lower is better: 0.5 is chance, 1 means that every row gives itself away. ``how`` has the
    p-value: the chance of so many right answers or more if both tables came from one source.

    Parameters
    ----------
    real, synthetic : (n, d) and (m, d) numbers.
    folds : parts, each of which is judged by a student of the others.
    C : of the student, see :func:`synthkit.stats.classifier.fit`; dimensions are scaled to variance 1.
    seed : of the folds, and of the rows left out of the larger table.
    level : of the interval, which is Wilson's.

    Raises
    ------
    UsageError
        If the vectors are no such numbers, or a table has fewer distinct rows than folds.
    MissingExtra
        If scikit-learn is not installed.

    Notes
    -----
    The larger table is drawn down to the size of the smaller. Where the paper holds one half out,
    here each row is held out once, so that the interval and the p-value rest on all rows. Equal
    rows are in one fold: a copy of a real row then is right once in two, and two equal tables give
    0.5, where a student that had seen the twin would be wrong every time. The p-value is of the
    binomial, which the normal distribution of the paper approximates.

    References
    ----------
    Lopez-Paz and Oquab (2017), Revisiting classifier two-sample tests, arXiv 1610.06545, equation 2
    and theorem 1.

    Examples
    --------
    >>> real = [[n / 10] for n in range(10)]
    >>> found = two_sample(real, [[5 + n / 10] for n in range(10)])
    >>> found.value, found.how[-7:]
    (1.0, '9.5e-07')
    >>> two_sample(real, real).value
    0.5
    """
    x, y = sound(real, synthetic)
    if folds < 2:
        raise UsageError(f"folds must be 2 or more; got {folds}.")
    rng = np.random.default_rng(seed)
    n = min(len(x), len(y))
    x, y = (z if len(z) == n else z[np.sort(rng.permutation(len(z))[:n])] for z in (x, y))
    rows = np.concatenate([x, y])
    made = np.repeat([0, 1], n)
    fold = _folds(rows, made, folds, rng)
    spread = rows.std(axis=0)
    rows = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1)
    told = np.empty(2 * n, np.bool_)
    for part in range(folds):
        held = fold == part
        student = fitted(rows[~held], made[~held], (0, 1), C=C)
        told[held] = student.of_vectors(rows[held]).argmax(axis=1) == made[held]
    right = int(told.sum())
    low, high = wilson(right, 2 * n, level)
    how = f"logistic regression, {folds} folds, seed {seed}; p = {_tail(right, 2 * n):.2g}"
    return Score(
        name="two-sample accuracy", value=right / (2 * n), low=low, high=high, n=2 * n, unit="0..1",
        better="lower", how=how, level=level, parts=told.astype(np.float64),
    )  # fmt: skip


def sound(real: ArrayLike, synthetic: ArrayLike, *, least: int = 1) -> tuple[Floats, Floats]:
    """Both tables as float64, (n, d) and (m, d).

    Raises
    ------
    UsageError
        If one is no table of finite numbers, has fewer rows than ``least``, or another width.
    """
    found = []
    for name, given in (("real", real), ("synthetic", synthetic)):
        try:
            rows = np.asarray(given, np.float64)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{name}: expected (n, d) numbers, but {error}.") from error
        if len(rows.shape) != 2 or len(rows) < least or not rows.shape[1]:
            raise UsageError(
                f"{name}: expected (n, d) numbers, n of {least} or more; got shape {rows.shape}."
            )
        with np.errstate(over="ignore"):
            bad = np.flatnonzero(~np.isfinite(np.square(rows).sum(axis=1)))
        if len(bad):
            raise UsageError(
                f"{name} row {bad[0]}: its vector is not finite, or too large to be squared. Leave "
                "such rows out."
            )
        found.append(rows)
    x, y = found
    if x.shape[1] != y.shape[1]:
        raise UsageError(
            f"expected vectors of one length; got {x.shape[1]} numbers of real rows and "
            f"{y.shape[1]} of synthetic ones. Embed both with one embedder."
        )
    return x, y


def _root(rows: Floats) -> Floats:
    """The triangular R with R'R = rows' rows."""
    found: Any = np.linalg.qr(rows, mode="r")  # numpy's types do not know what the mode gives
    return np.asarray(found, np.float64)


def _squared(x: Floats, y: Floats) -> Iterator[tuple[slice, Floats]]:
    """Blocks of rows of x, with their squared distances to all of y."""
    x_norms, y_norms = (np.square(z).sum(axis=1) for z in (x, y))
    for start in range(0, len(x), BLOCK):
        rows = slice(start, min(start + BLOCK, len(x)))
        far = x[rows] @ (-2 * y.T)
        far += x_norms[rows, None]
        far += y_norms
        yield rows, far


def _reach(x: Floats, k: int) -> Floats:
    """(n,) squared distance of each row to its k-th nearest neighbour."""
    found = np.empty(len(x))
    for rows, far in _squared(x, x):
        at = np.arange(rows.start, rows.stop)
        far[at - rows.start, at] = np.inf
        far.partition(k - 1, axis=1)
        found[rows] = far[:, k - 1]
    return found


def _folds(
    rows: Floats, made: NDArray[np.intp], folds: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """The fold of each row: equal rows in one, and folds alike in their shares of both tables."""
    _, group = np.unique(rows, axis=0, return_inverse=True)
    group = group.ravel()
    counts = np.stack(
        [np.bincount(group[made == side], minlength=group.max() + 1) for side in (0, 1)]
    )
    distinct = (counts > 0).sum(axis=1)
    if distinct.min() < folds:
        raise UsageError(
            f"{folds} folds need as many distinct rows in each table; got {distinct[0]} real and "
            f"{distinct[1]} synthetic ones. Give more rows, or fewer folds."
        )
    order = rng.permutation(len(counts[0]))
    # dealt out by the side they lean to, large groups first, so that no fold has one side alone
    order = order[np.lexsort((-counts.sum(axis=0)[order], (counts[1] - counts[0])[order]))]
    dealt = np.empty(len(order), np.intp)
    dealt[order] = np.arange(len(order)) % folds
    return dealt[group]


def _tail(right: int, n: int) -> float:
    """The chance of ``right`` heads or more in ``n`` throws; whole numbers keep it exact."""
    term = total = 1
    for wrong in range(n - right):
        term = term * (n - wrong) // (wrong + 1)
        total += term
    chance: float = total / 2**n
    return chance
