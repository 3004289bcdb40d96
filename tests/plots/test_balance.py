from __future__ import annotations

import math
from typing import Any

import pytest

from synthkit.core.errors import UsageError
from synthkit.plots import balance, caption, rows, summary
from synthkit.stats.intervals import wilson


def test_shares_stand_beside_their_target_with_wilson_intervals() -> None:
    figure = balance({"a": 30, "b": 70}, {"a": 1, "b": 3}, what="<topic>")
    bars, target = figure.data
    assert (bars.x, bars.y) == ((0.7, 0.3), ("b", "a"))
    low, high = wilson(30, 100)
    ends = bars.error_x.arrayminus[1], bars.error_x.array[1]
    assert ends == pytest.approx((0.3 - low, high - 0.3), rel=1e-4)
    assert (target.x, target.y, target.marker.symbol) == ((0.75, 0.25), ("b", "a"), "line-ns")
    assert figure.layout.xaxis.range[0] == 0
    assert figure.layout.yaxis.title.text == "&lt;topic&gt;"
    assert summary(figure) == "None of 2 labels differs significantly from its target."
    assert rows(figure)[0] == {
        "label": "b", "n": 70, "share": "0.70 [0.60, 0.78]", "target": 0.75
    }  # fmt: skip


def test_a_label_that_is_missing_or_not_wanted_is_off_its_target() -> None:
    figure = balance({"a": 80, "x": 20}, {"a": 0.5, "b": 0.5})
    assert figure.data[0].y == ("a", "x", "b")
    assert figure.data[0].x == (0.8, 0.2, 0.0)
    assert figure.data[1].x == (0.5, 0.0, 0.5)
    assert summary(figure) == (
        "3 of 3 labels differ significantly from their target; the most: b, 0.50 [0.46, 0.50] "
        "below it."
    )


def test_one_of_many_labels_off_its_target_by_chance_is_not_reported() -> None:
    """Wilson's 95 % interval of 60 in 1,000 is 0.047 to 0.077; its p-value alone is 0.042."""
    other = {"rest": 940 - 19 * 47} | {f"label {n}": 47 for n in range(19)}
    targets = {"a": 0.0465, "rest": 0.0605} | {f"label {n}": 0.047 for n in range(19)}
    alone = balance({"a": 60, "rest": 940}, {"a": 0.0465, "rest": 0.9535})
    assert summary(alone).startswith("None of 2 labels differs")  # of 2: p = 0.0855
    assert summary(balance({"a": 60} | other, targets)).startswith("None of 21 labels differs")
    planted = balance({"a": 90} | other | {"rest": 910 - 19 * 47}, targets)
    assert summary(planted).startswith("2 of 21 labels differ significantly")


def test_many_labels_are_cut_to_those_farthest_from_their_target() -> None:
    counts = {f"label {n} " + "x" * 200: 10 + n % 7 for n in range(5000)} | {"top": 900}
    figure = balance(counts)
    assert len(figure.data[0].x) == 16
    assert "top" in figure.data[0].y
    assert len(figure.to_json()) < 100_000
    assert "the 16 of 5001 labels farthest from their target" in caption(figure)


@pytest.mark.parametrize(
    ("counts", "target", "message"),
    [
        ({"a": -1}, None, "from 0 up; one is negative"),
        ({"a": 1}, {"a": -1}, "from 0 up; one is negative"),
        ({"a": 1}, {"a": 0}, "a target above 0"),
        ({"a": math.nan}, None, "the count of 'a'"),
        ({"a": 1}, {"a": math.inf}, "finite number for a target"),
    ],
)
def test_counts_and_targets_that_make_no_sense_are_named(
    counts: Any, target: Any, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        balance(counts, target)


def test_no_rows_of_known_labels_are_no_reading() -> None:
    assert summary(balance({"a": 0}, {"a": 1})) == "No rows."
