"""Krippendorff's alpha: agreement of any number of raters, with missing ratings."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np

from synthkit.core.errors import UsageError, check_known
from synthkit.core.types import Score
from synthkit.data.labels import meet
from synthkit.evaluate.scores import Floats, Positions, coefficient

Measure = Literal["nominal", "ordinal", "interval", "ratio"]
MEASURES: tuple[Measure, ...] = ("nominal", "ordinal", "interval", "ratio")

BLOCK = 1024
"""Distinct values whose differences to all others are in memory at once."""


def krippendorff(
    ratings: Sequence[Sequence[Any]],
    measure: Measure = "nominal",
    *,
    order: Sequence[Hashable] | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Score:
    """Krippendorff's alpha: 1 - observed / expected disagreement, at most 1, higher is more.

    It takes any number of raters, and missing ratings. Rows with fewer than two ratings say nothing
    about agreement and are ignored. The bootstrap samples rows, each with all its ratings.
    Krippendorff's own samples pairs of ratings as if they were independent, which makes intervals
    too narrow.

    Parameters
    ----------
    ratings : for each row the ratings, in any order; ``None`` and NaN are missing. Transpose a
        table of raters by rows, as in most papers, first.
    measure : the difference of two ratings: ``"nominal"``, unequal or not; ``"ordinal"``, by the
        ratings between them; ``"interval"``, (a - b)^2; ``"ratio"``, ((a - b) / (a + b))^2.
    order : for ordinal ratings that are not numbers, the labels from lowest to highest.

    Raises
    ------
    UsageError
        If the measure is unknown, or the ratings do not fit it: numbers for ordinal (without
        ``order``) and interval, numbers of 0 or more for ratio. Also if alpha is not defined: no
        row has two ratings, or all ratings are equal, since no disagreement is then expected.

    References
    ----------
    K. Krippendorff (2011), Computing Krippendorff's alpha-reliability, sections C and D. The
    ordinal measure is computed as the squared difference of mean ranks, which is equal to it.

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
            "Krippendorff's alpha is not defined if all ratings are equal: nothing is "
            "expected to disagree. Report the share of equal ratings."
        )
    return coefficient(
        f"Krippendorff's alpha ({measure})", coded.alpha, np.sort(coded.codes, axis=1),
        resamples=resamples, level=level, seed=seed,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Ratings:
    """The rows with two ratings or more.

    Parameters
    ----------
    codes : (n, raters) positions in ``values``, -1 for a missing rating.
    values : (k,) the distinct ratings as numbers.
    within : (n,) the sum of the differences of a row's ratings, each pair in both directions; empty
        for ordinal ratings, for which it depends on the other rows.
    """

    codes: Positions
    values: Floats
    measure: Measure
    within: Floats

    def alpha(self, rows: Positions) -> float:
        """Alpha of rows at some positions, possibly repeated."""
        codes = self.codes[rows]
        sizes = (codes >= 0).sum(axis=1)
        counts = np.bincount(codes[codes >= 0], minlength=len(self.values)).astype(np.float64)
        if np.count_nonzero(counts) < 2:
            return math.nan
        if self.measure == "ordinal":
            ranks = np.cumsum(counts) - counts / 2
            within = _squares_within(ranks, codes)
            expected = _squares_between(ranks - ranks @ counts / counts.sum(), counts)
        else:
            within = self.within[rows]
            expected = _expected(self.values, counts, self.measure)
        observed = float((within / (sizes - 1)).sum())
        return float(1 - (counts.sum() - 1) * observed / expected)


def _squares_between(values: Floats, counts: Floats) -> float:
    """The sum of (a - b)^2 over all pairs in both directions, of centred values with counts."""
    return float(2 * (counts.sum() * (counts @ values**2) - (counts @ values) ** 2))


def _squares_within(values: Floats, codes: Positions) -> Floats:
    """(n,) the sum of (a - b)^2 over the pairs of each row, in both directions."""
    present = codes >= 0
    sizes = present.sum(axis=1)
    cells = np.where(present, values[codes], 0.0)
    centred = np.where(present, cells - (cells.sum(axis=1) / sizes)[:, None], 0.0)
    return np.asarray(2 * sizes * (centred**2).sum(axis=1))


def _expected(values: Floats, counts: Floats, measure: Measure) -> float:
    """The sum of the differences of all pairs of ratings, in both directions."""
    if measure == "nominal":
        return float(counts.sum() ** 2 - (counts**2).sum())
    occurring = counts > 0
    values, counts = values[occurring], counts[occurring]
    if measure == "interval":
        return _squares_between(values - values @ counts / counts.sum(), counts)
    total = 0.0
    for start in range(0, len(values), BLOCK):
        block = slice(start, start + BLOCK)
        differences = _ratio_difference(values[block, None], values[None, :])
        total += float(counts[block] @ differences @ counts)
    return total


def _ratio_difference(a: Floats, b: Floats) -> Floats:
    """((a - b) / (a + b))^2, and 0 for two zeros."""
    total = a + b
    return ((a - b) / np.where(total > 0, total, 1.0)) ** 2


def _within(codes: Positions, values: Floats, measure: Measure) -> Floats:
    """(n,) the sum of the differences of each row's ratings, in both directions."""
    if measure == "interval":
        return _squares_within(values, codes)
    total = np.zeros(len(codes))
    for first, second in combinations(range(codes.shape[1]), 2):
        a, b = codes[:, first], codes[:, second]
        nominal = measure == "nominal"
        difference = (a != b) * 1.0 if nominal else _ratio_difference(values[a], values[b])
        total += np.where((a >= 0) & (b >= 0), 2 * difference, 0.0)
    return total


def _coded(
    ratings: Sequence[Sequence[Any]], measure: Measure, order: Sequence[Hashable] | None
) -> _Ratings:
    """The ratings as positions in their distinct values, which are sorted unless nominal."""
    check_known("measure", [measure], MEASURES)
    if order is not None and measure != "ordinal":
        raise UsageError(f"an order is for ordinal ratings; got one for {measure} ratings.")
    rows = []
    for row in ratings:
        if isinstance(row, str) or not isinstance(row, Iterable):
            raise UsageError(f"expected a list of ratings for each row; got {row!r}.")
        rows.append([rating for rating in row if rating is not None and rating == rating])
    rows = [row for row in rows if len(row) > 1]
    if measure == "nominal":
        rows = _met(rows)
    distinct = _distinct([rating for row in rows for rating in row], measure, order)
    places = {value: place for place, value in enumerate(distinct)}
    codes = np.full((len(rows), max(map(len, rows), default=0)), -1, np.int64)
    for at, row in enumerate(rows):
        codes[at, : len(row)] = [places[rating] for rating in row]
    numeric = measure in ("interval", "ratio")
    values = np.array(distinct if numeric else range(len(distinct)), np.float64)
    if numeric and len(values):  # scaled by a power of 2, so that no square over- or underflows
        values = np.ldexp(values, -int(np.frexp(np.abs(values).max())[1]))
    within = np.zeros(0) if measure == "ordinal" else _within(codes, values, measure)
    return _Ratings(codes, values, measure, within)


def _met(rows: Sequence[list[Any]]) -> list[list[Any]]:
    """The ratings, in which labels of different types meet (:func:`synthkit.data.labels.meet`)."""
    by_type: dict[type, list[Any]] = {}
    for rating in (rating for row in rows for rating in row):
        by_type.setdefault(type(rating), []).append(rating)
    form = (
        {
            (kind, rating): met
            for (kind, ratings), mets in zip(by_type.items(), meet(*by_type.values()), strict=True)
            for rating, met in zip(ratings, mets, strict=True)
        }
        if len(by_type) > 1
        else {}
    )
    return [[form.get((type(rating), rating), rating) for rating in row] for row in rows]


def _distinct(
    ratings: Sequence[Any], measure: Measure, order: Sequence[Hashable] | None
) -> list[Any]:
    """The distinct ratings, in the order of the measure; an error if one does not fit it."""
    if order is not None:
        if missing := [rating for rating in ratings if rating not in order]:
            raise UsageError(f"the rating {missing[0]!r} is not in the order {list(order)!r}.")
        return list(order)
    if measure == "nominal":
        return list(dict.fromkeys(ratings))
    for rating in ratings:
        if not isinstance(rating, int | float | np.number) or not math.isfinite(rating):
            hint = " Give their order, or code them." if measure == "ordinal" else ""
            raise UsageError(f"{measure} ratings must be numbers; got {rating!r}.{hint}")
        if measure == "ratio" and rating < 0:
            raise UsageError(f"ratio ratings must be from 0 up; got {rating!r}.")
    return sorted(set(ratings))
