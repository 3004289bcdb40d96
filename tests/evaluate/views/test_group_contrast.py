from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synthkit.evaluate.views.group_contrast import (
    MISSING,
    binned,
    grouped,
    labelled,
    number,
    numeric,
)


def test_labels_come_by_their_frequency_and_the_rest_together() -> None:
    cells = [*"aaabbcde", None]
    made = labelled("topic", cells, most=3)
    assert made.labels == ("a", "b", "3 others", MISSING)
    assert made.counts() == [3, 2, 3, 1]
    assert made.codes.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 3]
    assert labelled("topic", cells, most=5).labels == ("a", "b", "c", "d", "e", MISSING)


def test_counts_are_those_of_a_part() -> None:
    made = labelled("topic", list("abab"))
    assert made.counts(np.array([True, False, True, False])) == [2, 0]


@pytest.mark.parametrize(
    ("cells", "labels", "codes"),
    [
        ([3, 3.0], ("3",), [0, 0]),
        ([1, 9, None], ("1 to 5", "6 to 9", MISSING), [0, 1, 2]),
        ([0.5, 1.5, 1.0], ("0.5 to 1", "1 to 1.5"), [0, 1, 1]),
        ([float("nan"), float("inf"), 2], ("2", MISSING), [1, 1, 0]),
        ([None, None], (MISSING,), [0, 0]),
        ([], (), []),
    ],
)
def test_numbers_lie_in_ranges(cells: Any, labels: Any, codes: Any) -> None:
    made = binned("stars", cells, bins=2)
    assert made.labels == labels
    assert made.codes.tolist() == codes
    assert sum(made.counts()) == len(cells)


def test_every_number_lies_in_the_range_that_names_it() -> None:
    cells = np.random.default_rng(0).normal(size=500).tolist()
    made = binned("score", cells)
    edges = np.linspace(min(cells), max(cells), 9)
    assert made.counts() == np.histogram(cells, edges)[0].tolist()
    assert made.bounds == (min(cells), max(cells))


def test_truth_values_and_texts_are_labels() -> None:
    assert not numeric([True, False])
    assert not numeric([1, "a"])
    assert not numeric([None])
    assert numeric([1, None, 2.5])
    assert grouped("ok", [True, None], ["true", None]).labels == ("true", MISSING)
    assert grouped("n", [1, 2], ["1", "2"]).numeric


def test_bounds_are_short() -> None:
    texts = [number(n) for n in (0, -0.0, 1e-9, 99999.5, 1.5e20)]
    assert texts == ["0", "0", "1e-09", "100000", "1.5e+20"]
