from __future__ import annotations

import math
from typing import Any

import evalica
import numpy as np
import pandas as pd
import pytest

from synthkit.core.errors import UsageError
from synthkit.evaluate.raters.krippendorff import MEASURES, Measure, krippendorff

# three raters of fifteen rows
CANONICAL = [
    [None, 1, None],
    [None, None, None],
    [None, 2, 2],
    [None, 1, 1],
    [None, 3, 3],
    [3, 3, 4],
    [4, 4, 4],
    [1, 3, None],
    [2, None, 2],
    [1, None, 1],
    [1, None, 1],
    [3, None, 3],
    [3, None, 3],
    [None, None, None],
    [3, None, 4],
]


def alpha(ratings: Any, measure: Measure = "nominal", **options: Any) -> float:
    return krippendorff(ratings, measure, resamples=2, **options).value


@pytest.mark.parametrize(
    ("measure", "value"), [("nominal", 0.6914), ("ordinal", 0.8067), ("interval", 0.8108)]
)
def test_krippendorff_known_answers(measure: Measure, value: float) -> None:
    assert round(alpha(CANONICAL, measure), 4) == value


@pytest.mark.parametrize("measure", MEASURES)
def test_krippendorff_is_what_evalica_gives(measure: Measure) -> None:
    rng = np.random.default_rng(0)
    for missing in (0, 0.2, 0.6):
        ratings = np.abs(rng.integers(0, 6, (40, 1)) + rng.integers(-1, 2, (40, 4))) * 1.5
        ratings[rng.random(ratings.shape) < missing] = np.nan
        theirs = evalica.alpha(pd.DataFrame(ratings.T), measure).alpha
        assert alpha(ratings, measure) == pytest.approx(theirs, abs=1e-12)


def test_ratio_differences_are_summed_block_by_block() -> None:
    ratings = np.random.default_rng(0).random((700, 2))  # 1400 distinct values
    theirs = evalica.alpha(pd.DataFrame(ratings.T), "ratio").alpha
    assert alpha(ratings, "ratio") == pytest.approx(theirs, abs=1e-12)


def test_an_order_stands_for_numbers() -> None:
    words = {1: "bad", 2: "fair", 3: "good", 4: "superb", None: None}
    named = [[words[one] for one in row] for row in CANONICAL]
    value = alpha(named, "ordinal", order=["bad", "fair", "good", "superb"])
    assert value == pytest.approx(alpha(CANONICAL, "ordinal"), abs=1e-15)


def test_raters_may_change_places_and_labels_be_any_text() -> None:
    rows = [["سلام", "سلام", None], [None, "你好", "🙂"], ["🙂", "🙂", "🙂"]]
    turned = [row[::-1] for row in rows]
    assert alpha(rows) == pytest.approx(alpha(turned))


@pytest.mark.parametrize("ratings", [[], [[]], [[1, None], [2]], [[3, 3], [3, 3]]])
@pytest.mark.parametrize("measure", MEASURES)
def test_without_two_ratings_or_two_values_alpha_says_nothing(
    ratings: list[list[Any]], measure: Measure
) -> None:
    with pytest.raises(UsageError, match=r"two ratings or more|not defined"):
        krippendorff(ratings, measure)


@pytest.mark.parametrize(
    ("ratings", "measure", "order", "message"),
    [
        ([["a", "b"]], "ordinal", None, "Give their order"),
        ([["a", "b"]], "interval", None, "must be numbers"),
        ([[1, math.inf]], "interval", None, "must be numbers"),
        ([[1, -1]], "ratio", None, "from 0 up"),
        ([["a", "c"]], "ordinal", ["a", "b"], "'c' is not in the order"),
        ([["a", "b"]], "nominal", ["a", "b"], "for ordinal ratings"),
        ([["a", "b"]], "nominl", None, "Did you mean 'nominal'"),
        (["ab"], "nominal", None, "a list of ratings for each row"),
    ],
)
def test_ratings_of_another_kind_are_refused(
    ratings: Any, measure: Any, order: list[str] | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        krippendorff(ratings, measure, order=order)
