from __future__ import annotations

import math

import pytest

from synthkit.errors import UsageError
from synthkit.evaluate.agreement import cohen_kappa, confusion


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
