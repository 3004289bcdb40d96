"""Agreement: how far judgements of the same rows are more alike than chance makes them.

Each coefficient comes twice: as a plain number, which is NaN where the coefficient is not defined,
and as a :class:`~synthkit.core.types.Score` with an interval, which then is an error that says why.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError, unknown
from synthkit.core.types import Score
from synthkit.evaluate.inputs import EvalInputs
from synthkit.evaluate.registry import metric
from synthkit.stats.jackknife import pseudo_values

Measure = Literal["nominal", "ordinal", "interval", "ratio"]
MEASURES: tuple[Measure, ...] = ("nominal", "ordinal", "interval", "ratio")
Floats: TypeAlias = NDArray[np.float64]
Positions: TypeAlias = NDArray[np.int64]

BLOCK = 1024
"""Distinct values whose differences to all others are held at once."""


def confusion(pairs: Iterable[tuple[str, str]]) -> tuple[list[str], list[list[int]]]:
    """The labels in order, and how often each first label (row) met each second one (column).

    >>> confusion([("yes", "yes"), ("yes", "no"), ("no", "no")])
    (['no', 'yes'], [[1, 0], [1, 1]])
    """
    counts = Counter(pairs)
    labels = sorted({label for pair in counts for label in pair})
    return labels, [[counts[one, two] for two in labels] for one in labels]


def cohen_kappa(table: Sequence[Sequence[int]]) -> float:
    """Cohen's kappa of a square table of counts: agreement beyond chance, -1..1, higher is more.

    1 is full agreement, 0 what two judges with these habits would reach by chance. It is NaN where
    it says nothing: without any pair, and where both judges gave one and the same label to every
    row, since chance would then agree as often as they did.

    Parameters
    ----------
    table : ``table[i][j]`` rows got label ``i`` first and ``j`` second.

    Raises
    ------
    UsageError
        If the table is not square, or has a negative count.

    References
    ----------
    J. Cohen (1960), A coefficient of agreement for nominal scales, Educational and Psychological
    Measurement 20, 37-46, equation 1.

    Examples
    --------
    >>> round(cohen_kappa([[20, 5], [10, 15]]), 12)
    0.4
    """
    if any(len(row) != len(table) or min(row) < 0 for row in table):
        raise UsageError(f"expected a square table of counts from 0 up; got {list(table)!r}.")
    n = sum(map(sum, table))
    if not n:
        return math.nan
    firsts = [sum(row) for row in table]
    seconds = [sum(column) for column in zip(*table, strict=True)]
    agreed = sum(table[i][i] for i in range(len(table)))
    chance: int = sum(one * two for one, two in zip(firsts, seconds, strict=True))
    if chance == n * n:
        return math.nan
    return (agreed * n - chance) / (n * n - chance)


def cohen(
    pairs: Iterable[tuple[str, str]], *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Score:
    """Cohen's kappa of pairs of labels, with a bootstrap interval over the rows.

    Parameters
    ----------
    pairs : the first and the second label of each row that has both.

    Raises
    ------
    UsageError
        If kappa is not defined: no pair, or one label for all.

    Examples
    --------
    >>> judged = [("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15
    >>> print(cohen(judged))
    0.4 [0.153, 0.638]
    """
    held = list(pairs)
    labels = _labels(held)
    places = {label: place for place, label in enumerate(labels)}
    flat = np.array([places[one] * len(labels) + places[two] for one, two in held], np.int64)
    if not held:
        raise UsageError("Cohen's kappa needs at least one row with two labels; got none.")
    if len(labels) == 1:
        raise UsageError(
            f"Cohen's kappa is not defined where every label is {labels[0]!r}: chance would agree "
            "as often. Report the share of equal labels."
        )

    def statistic(rows: Positions) -> float:
        drawn = np.bincount(flat[rows], minlength=len(labels) ** 2)
        return cohen_kappa(drawn.reshape(len(labels), -1).tolist())

    return _score("Cohen's kappa", statistic, flat[:, None], resamples, level, seed)


@metric("agreement", kind="people", of="inputs", needs=("rater_pairs",))
def _agreements(inputs: EvalInputs) -> Iterator[Score]:
    """Cohen's kappa of each two raters; without those whose labels are all the same."""
    pairs = {who: list(both) for who, both in inputs.rater_pairs.items()}
    varied = [
        who for who, both in pairs.items() if len({label for row in both for label in row}) > 1
    ]
    if not varied:
        raise UsageError("kappa is not defined where all labels are one and the same.")
    for who in varied:
        score = cohen(pairs[who], level=inputs.level, seed=inputs.seed)
        yield replace(score, name=f"{score.name}, {who}")


def _labels(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """The labels of all pairs, after a look at them."""
    for row, pair in enumerate(pairs):
        for label in pair:
            if label is None or not isinstance(label, Hashable) or label != label:
                raise UsageError(f"row {row}: expected a label; got {label!r}. Leave it out.")
    return list(dict.fromkeys(label for pair in pairs for label in pair))


def fleiss_kappa(table: ArrayLike) -> float:
    """Fleiss' kappa of several raters: agreement beyond chance, at most 1, higher is more.

    The raters of one row need not be those of the next. It is NaN without any row, and where all
    labels are one and the same.

    Parameters
    ----------
    table : (n, labels) counts; ``table[i, j]`` raters gave row ``i`` label ``j``. Each row has
        equally many raters, two or more; for others see :func:`krippendorff_alpha`.

    Raises
    ------
    UsageError
        If the counts are negative or not whole, or the rows have not equally many raters.

    References
    ----------
    J. L. Fleiss (1971), Measuring nominal scale agreement among many raters, Psychological
    Bulletin 76, 378-382, equation 7.

    Examples
    --------
    >>> round(fleiss_kappa([[3, 0], [1, 2], [0, 3], [3, 0]]), 4)
    0.6571
    """
    return _fleiss(_counted(table))


def fleiss(table: ArrayLike, *, resamples: int = 1000, level: float = 0.95, seed: int = 0) -> Score:
    """Fleiss' kappa with a bootstrap interval over the rows; ``table`` as in :func:`fleiss_kappa`.

    Raises
    ------
    UsageError
        If kappa is not defined: no row, one rater, or one label for all.

    Examples
    --------
    >>> score = fleiss([[3, 0], [1, 2], [0, 3], [3, 0]] * 10)
    >>> f"{score.value:.3f} of {score.n} rows"
    '0.657 of 40 rows'
    """
    counts = _counted(table)
    if not len(counts):
        raise UsageError("Fleiss' kappa needs at least one row with labels; got none.")
    if np.count_nonzero(counts.sum(axis=0)) == 1:
        raise UsageError(
            "Fleiss' kappa is not defined where all labels are one and the same: chance would "
            "agree as often. Report the share of equal labels."
        )
    return _score(
        "Fleiss' kappa",
        lambda rows: _fleiss(counts[rows]),
        counts,
        resamples,
        level,
        seed,
    )


def krippendorff_alpha(
    ratings: Sequence[Sequence[Any]],
    measure: Measure = "nominal",
    *,
    order: Sequence[Hashable] | None = None,
) -> float:
    """Krippendorff's alpha: 1 - observed / expected disagreement, at most 1, higher is more.

    It takes any number of raters, and missing ratings. Rows with fewer than two ratings say
    nothing of agreement, and are passed over. It is NaN where no row has two ratings, and where
    all those ratings are one and the same, since nothing is then expected to disagree.

    Parameters
    ----------
    ratings : for each row what its raters said, in any order; ``None`` and NaN are missing. A
        table of raters by rows, as in most papers, must be transposed first.
    measure : how far two ratings are apart: ``"nominal"``, unequal or not; ``"ordinal"``, by the
        ratings between them; ``"interval"``, (a - b)^2; ``"ratio"``, ((a - b) / (a + b))^2.
    order : for ordinal ratings that are not numbers, the labels from lowest to highest.

    Raises
    ------
    UsageError
        If the measure is not one of these, or the ratings are not of its kind: numbers for ordinal
        (without ``order``) and interval, numbers from 0 up for ratio.

    References
    ----------
    K. Krippendorff (2011), Computing Krippendorff's alpha-reliability, sections C and D. The
    ordinal measure is taken as the squared difference of mean ranks, which is the same.

    Examples
    --------
    >>> rows = [[1, 1], [2, 2], [3, 3], [3, 4], [1, None]]
    >>> round(krippendorff_alpha(rows, "interval"), 3)
    0.889
    """
    coded = _coded(ratings, measure, order)
    return coded.alpha(np.arange(len(coded.codes)))


def krippendorff(
    ratings: Sequence[Sequence[Any]],
    measure: Measure = "nominal",
    *,
    order: Sequence[Hashable] | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Score:
    """Krippendorff's alpha with a bootstrap interval; arguments as in :func:`krippendorff_alpha`.

    The bootstrap draws rows, with their ratings together. Krippendorff's own draws pairs of ratings
    as if they were independent, which makes intervals narrower than they should be.

    Raises
    ------
    UsageError
        As :func:`krippendorff_alpha`; and if alpha is not defined.

    Examples
    --------
    >>> rows = [["yes", "yes", None], ["no", "no", "yes"], ["no", "no", "no"]] * 10
    >>> score = krippendorff(rows)
    >>> f"{score.value:.3f} of {score.n} rows"
    '0.473 of 30 rows'
    """
    coded = _coded(ratings, measure, order)
    if not len(coded.codes):
        raise UsageError("Krippendorff's alpha needs a row with two ratings or more; got none.")
    if len(np.unique(coded.codes[coded.codes >= 0])) == 1:
        raise UsageError(
            "Krippendorff's alpha is not defined where all ratings are one and the same: nothing "
            "is expected to disagree. Report the share of equal ratings."
        )
    name = f"Krippendorff's alpha ({measure})"
    return _score(name, coded.alpha, np.sort(coded.codes, axis=1), resamples, level, seed)


def _score(
    name: str,
    statistic: Callable[[Positions], float],
    rows: NDArray[Any],
    resamples: int,
    level: float,
    seed: int,
) -> Score:
    """The statistic of all rows, with a percentile interval; undefined resamples are left out.

    Of equal ``rows`` one is left out for all, to see what each brings; where more than
    ``resamples`` are different, that would take too long.
    """
    if not 0 < level < 1 or resamples < 2:
        raise UsageError(
            f"expected a level between 0 and 1, and 2 resamples or more; got {level}, {resamples}."
        )
    n = len(rows)
    rng = np.random.default_rng(seed)
    drawn = np.array([statistic(rng.integers(n, size=n)) for _ in range(resamples if n > 1 else 0)])
    defined = drawn[~np.isnan(drawn)]
    how = f"bootstrap over rows, {resamples} resamples, seed {seed}" if n > 1 else "one row alone"
    if len(defined) < len(drawn):
        how += f"; {len(drawn) - len(defined)} of them with one label alone left out"
    low = high = None
    if len(defined):
        low, high = map(float, np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]))
    every, parts = np.arange(n), None
    value = statistic(every)
    if low is not None and high is not None:  # where few rows are alike, resamples may all be more
        low, high = min(low, value), max(high, value)
    _, one_of, kind = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    if n > 1 and len(one_of) <= resamples:
        without = np.array([statistic(np.delete(every, row)) for row in one_of])
        parts = pseudo_values(value, without[kind.ravel()])
    return Score(
        name=name,
        value=value,
        low=low,
        high=high,
        n=n,
        unit="-1..1",
        better="higher",
        how=how,
        level=level,
        parts=parts,
    )


def _counted(table: ArrayLike) -> Floats:
    """The counts of Fleiss' table, after a look at them."""
    try:
        counts = np.asarray(table, np.float64)
    except (TypeError, ValueError):
        counts = np.full((1, 1), np.nan)
    if counts.ndim == 1 and not len(counts):
        return np.zeros((0, 0))
    whole = np.isfinite(counts).all() and np.all((counts >= 0) & (counts % 1 == 0))
    if counts.ndim != 2 or not whole:
        raise UsageError(
            "expected for each row how many raters gave it each label, whole numbers from 0 up."
        )
    raters = counts.sum(axis=1)
    if len(raters) and (raters.min() < 2 or raters.min() < raters.max()):
        raise UsageError(
            "Fleiss' kappa needs equally many labels for each row, two or more; got from "
            f"{raters.min():.0f} to {raters.max():.0f}. Use krippendorff_alpha for others."
        )
    return counts


def _fleiss(counts: Floats) -> float:
    if not len(counts):
        return math.nan
    raters = counts[0].sum()
    agreed = ((counts**2).sum() / len(counts) - raters) / (raters * (raters - 1))
    totals = counts.sum(axis=0)
    if np.count_nonzero(totals) == 1:
        return math.nan
    chance = ((totals / totals.sum()) ** 2).sum()
    return float((agreed - chance) / (1 - chance))


@dataclass(frozen=True, slots=True)
class _Ratings:
    """Rows with two ratings or more.

    ``codes`` is (n, raters): positions in ``values``, -1 where missing. ``within`` is (n,): the
    sum of the differences of a row's ratings, each pair both ways; for ordinal ratings it depends
    on which other rows there are, and is not held.
    """

    codes: Positions
    values: Floats
    measure: Measure
    within: Floats

    def alpha(self, rows: Positions) -> float:
        """Alpha of these rows, some perhaps several times."""
        codes = self.codes[rows]
        sizes = (codes >= 0).sum(axis=1)
        counts = np.bincount(codes[codes >= 0], minlength=len(self.values)).astype(np.float64)
        if np.count_nonzero(counts) < 2:
            return math.nan
        if self.measure == "ordinal":
            ranks = np.cumsum(counts) - counts / 2
            within = _spread(ranks, codes)
            expected = _squares(ranks - ranks @ counts / counts.sum(), counts)
        else:
            within = self.within[rows]
            expected = _expected(self.values, counts, self.measure)
        observed = float((within / (sizes - 1)).sum())
        return float(1 - (counts.sum() - 1) * observed / expected)


def _squares(values: Floats, counts: Floats) -> float:
    """The sum of (a - b)^2 over all pairs, both ways, of centred values that occur so often."""
    return float(2 * (counts.sum() * (counts @ values**2) - (counts @ values) ** 2))


def _spread(values: Floats, codes: Positions) -> Floats:
    """The sum of (a - b)^2 over the pairs of each row, both ways."""
    given = codes >= 0
    sizes = given.sum(axis=1)
    cells = np.where(given, values[codes], 0.0)
    centred = np.where(given, cells - (cells.sum(axis=1) / sizes)[:, None], 0.0)
    spread: Floats = 2 * sizes * (centred**2).sum(axis=1)
    return spread


def _expected(values: Floats, counts: Floats, measure: Measure) -> float:
    """The sum of the differences of all pairs of ratings, both ways."""
    if measure == "nominal":
        return float(counts.sum() ** 2 - (counts**2).sum())
    held = counts > 0
    values, counts = values[held], counts[held]
    if measure == "interval":
        return _squares(values - values @ counts / counts.sum(), counts)
    total = 0.0
    for start in range(0, len(values), BLOCK):
        some = slice(start, start + BLOCK)
        total += float(counts[some] @ _ratios(values[some, None], values[None, :]) @ counts)
    return total


def _ratios(a: Floats, b: Floats) -> Floats:
    """((a - b) / (a + b))^2, and 0 of two zeros."""
    both = a + b
    ratios: Floats = ((a - b) / np.where(both > 0, both, 1.0)) ** 2
    return ratios


def _within(codes: Positions, values: Floats, measure: Measure) -> Floats:
    if measure == "interval":
        return _spread(values, codes)
    total = np.zeros(len(codes))
    for one, other in combinations(range(codes.shape[1]), 2):
        a, b = codes[:, one], codes[:, other]
        apart = (a != b) * 1.0 if measure == "nominal" else _ratios(values[a], values[b])
        total += np.where((a >= 0) & (b >= 0), 2 * apart, 0.0)
    return total


def _coded(
    ratings: Sequence[Sequence[Any]], measure: Measure, order: Sequence[Hashable] | None
) -> _Ratings:
    """The ratings as positions in their distinct values, which for the ordered ones are sorted."""
    if measure not in MEASURES:
        raise UsageError(unknown("measure", measure, MEASURES))
    if order is not None and measure != "ordinal":
        raise UsageError(f"an order is for ordinal ratings; got one for {measure} ratings.")
    rows = []
    for row in ratings:
        if isinstance(row, str) or not isinstance(row, Iterable):
            raise UsageError(f"expected a list of ratings for each row; got {row!r}.")
        rows.append([one for one in row if one is not None and one == one])
    rows = [row for row in rows if len(row) > 1]
    said = [one for row in rows for one in row]
    if order is not None:
        if missing := [one for one in said if one not in order]:
            raise UsageError(f"the rating {missing[0]!r} is not in the order {list(order)!r}.")
        distinct = list(order)
    elif measure == "nominal":
        distinct = list(dict.fromkeys(said))
    else:
        _look(said, measure)
        distinct = sorted(set(said))
    places = {value: place for place, value in enumerate(distinct)}
    codes = np.full((len(rows), max(map(len, rows), default=0)), -1, np.int64)
    for place, cells in enumerate(rows):
        codes[place, : len(cells)] = [places[one] for one in cells]
    numbers = measure in ("interval", "ratio")
    values = np.array(distinct if numbers else range(len(distinct)), np.float64)
    if numbers and len(values):  # so that no square is too large or too small; by a power of 2
        values = np.ldexp(values, -int(np.frexp(np.abs(values).max())[1]))
    within = np.zeros(0) if measure == "ordinal" else _within(codes, values, measure)
    return _Ratings(codes, values, measure, within)


def _look(said: Iterable[Any], measure: Measure) -> None:
    for one in said:
        if not isinstance(one, int | float | np.number) or not math.isfinite(one):
            hint = " Give their order, or code them." if measure == "ordinal" else ""
            raise UsageError(f"{measure} ratings must be numbers; got {one!r}.{hint}")
        if measure == "ratio" and one < 0:
            raise UsageError(f"ratio ratings must be from 0 up; got {one!r}.")
