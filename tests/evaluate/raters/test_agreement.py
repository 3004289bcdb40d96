from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa

from synthkit.core.errors import UsageError
from synthkit.evaluate.raters.agreement import (
    cohen,
    cohen_kappa,
    confusion,
    fleiss,
)
from synthkit.evaluate.raters.krippendorff import krippendorff
from tests.evaluate.raters.test_krippendorff import CANONICAL

# Fleiss (1971), table 1: 30 patients, 6 psychiatrists, 5 diagnoses
FLEISS_1971 = [
    [0, 0, 0, 6, 0],
    [0, 3, 0, 0, 3],
    [0, 1, 4, 0, 1],
    [0, 0, 0, 0, 6],
    [0, 3, 0, 3, 0],
    [2, 0, 4, 0, 0],
    [0, 0, 4, 0, 2],
    [2, 0, 3, 1, 0],
    [2, 0, 0, 4, 0],
    [0, 0, 0, 0, 6],
    [1, 0, 0, 5, 0],
    [1, 1, 0, 4, 0],
    [0, 3, 3, 0, 0],
    [1, 0, 0, 5, 0],
    [0, 2, 0, 3, 1],
    [0, 0, 5, 0, 1],
    [3, 0, 0, 1, 2],
    [5, 1, 0, 0, 0],
    [0, 2, 0, 4, 0],
    [1, 0, 2, 0, 3],
    [0, 0, 0, 0, 6],
    [0, 1, 0, 5, 0],
    [0, 2, 0, 1, 3],
    [2, 0, 0, 4, 0],
    [1, 0, 0, 4, 1],
    [0, 5, 0, 1, 0],
    [4, 0, 0, 0, 2],
    [0, 2, 0, 4, 0],
    [1, 0, 5, 0, 0],
    [0, 0, 0, 0, 6],
]


# the worked example that most texts on Fleiss' kappa give: 10 rows, 14 raters, 5 labels
FOURTEEN = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


@pytest.mark.parametrize(
    ("table", "kappa"),
    [
        ([[20, 5], [10, 15]], 0.4),
        # Cohen (1960), table 2, as counts of 200: agreement .70, chance .41
        ([[88, 14, 18], [10, 40, 10], [2, 6, 12]], 0.29 / 0.59),
        ([[10, 0], [0, 10]], 1.0),
        ([[0, 10], [10, 0]], -1.0),
        ([[25, 25], [25, 25]], 0.0),
        ([[0, 5], [0, 5]], 0.0),
    ],
)
def test_known_answers(table: list[list[int]], kappa: float) -> None:
    assert cohen_kappa(table) == pytest.approx(kappa)


@pytest.mark.parametrize("table", [[], [[0]], [[0, 0], [0, 0]], [[7]], [[7, 0], [0, 0]]])
def test_where_it_says_nothing_it_is_nan(table: list[list[int]]) -> None:
    assert math.isnan(cohen_kappa(table))


@pytest.mark.parametrize("table", [[[1, 2]], [[1], [2]], [[1, -1], [0, 1]]])
def test_a_table_that_is_no_confusion_is_refused(table: list[list[int]]) -> None:
    with pytest.raises(UsageError, match="square table of counts"):
        cohen_kappa(table)


def test_confusion_counts_pairs() -> None:
    labels, table = confusion([("a", "b")] * 3 + [("b", "b"), ("c", "a")])
    assert (labels, table) == (["a", "b", "c"], [[0, 3, 0], [0, 1, 0], [1, 0, 0]])
    assert confusion([]) == ([], [])


def test_cohen_is_what_scikit_learn_gives() -> None:
    rng = np.random.default_rng(0)
    for labels in (2, 3, 7):
        first = rng.integers(0, labels, 60).astype(str)
        second = np.where(rng.random(60) < 0.5, first, rng.integers(0, labels, 60).astype(str))
        ours = cohen_kappa(confusion(zip(first, second, strict=True))[1])
        assert ours == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


def test_fleiss_known_answers() -> None:
    assert round(fleiss(FOURTEEN).value, 4) == 0.2099
    assert round(fleiss(FLEISS_1971).value, 3) == 0.430
    assert fleiss([[2, 0], [0, 2]]).value == 1
    assert fleiss([[1, 1], [1, 1]]).value == -1


def test_fleiss_is_what_statsmodels_gives() -> None:
    rng = np.random.default_rng(0)
    for raters in (2, 3, 9):
        table = rng.multinomial(raters, [0.5, 0.3, 0.2], size=40)
        assert fleiss(table, resamples=2).value == pytest.approx(fleiss_kappa(table), abs=1e-12)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([[1, 0], [0, 1]], "two or more"),
        ([[2, 0], [1, 2]], "equally many"),
        ([[2, -1]], "whole numbers"),
        ([[0.5, 1.5]], "whole numbers"),
        ([["a", "b"]], "whole numbers"),
        ([[1, 1], [2]], "whole numbers"),
    ],
)
def test_counts_that_are_none_are_refused(table: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fleiss(table)


@pytest.mark.parametrize("table", [[], [[3, 0], [3, 0]]])
def test_fleiss_without_rows_or_with_one_label_says_nothing(table: list[list[int]]) -> None:
    with pytest.raises(UsageError, match=r"at least one row|not defined"):
        fleiss(table)


@pytest.mark.parametrize("pairs", [[], [("a", "a")] * 9])
def test_cohen_as_a_score_says_what_is_not_defined(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(UsageError, match=r"at least one row|not defined"):
        cohen(pairs)


def test_scores_hold_the_number_and_an_interval_by_the_seed() -> None:
    pairs = [("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15
    for score, value, n in (
        (cohen(pairs), 0.4, 50),
        (fleiss(FLEISS_1971), fleiss_kappa(FLEISS_1971), 30),
        (krippendorff(CANONICAL, "interval"), 0.8108448928, 12),
    ):
        assert score.value == pytest.approx(value)
        assert score.n == n
        assert score.low is not None
        assert score.high is not None
        assert score.low < score.value < score.high
        assert "seed 0" in score.how
    assert cohen(pairs, seed=1) == cohen(pairs, seed=1) != cohen(pairs)


def test_a_cohen_interval_is_about_what_the_delta_method_gives() -> None:
    pairs = ([("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15) * 10
    score = cohen(pairs)
    assert score.low == pytest.approx(0.4 - 1.96 * 0.0401, abs=0.012)  # sqrt(.7 .3 / 500) / .5
    assert score.high == pytest.approx(0.4 + 1.96 * 0.0401, abs=0.012)


def test_one_row_has_no_interval_and_resamples_of_one_label_are_told_of() -> None:
    assert fleiss([[1, 1]]).low is None
    assert "of them with one label alone left out" in cohen([("a", "a"), ("b", "b")]).how


def test_a_level_in_percent_is_refused() -> None:
    with pytest.raises(UsageError, match="level between 0 and 1"):
        fleiss(FOURTEEN, level=95)
