from __future__ import annotations

import math
from typing import Any

import pytest

from synthkit.core.errors import TableError
from synthkit.plots import caption, progress, rows, summary
from synthkit.stats.intervals import wilson


def student(name: str, marked: int, assigned: int, agrees: float = math.nan, n: int = 0) -> Any:
    return {"student": name, "marked": marked, "assigned": assigned, "agrees": agrees, "n": n}


def test_bars_are_shares_marked_and_diamonds_shares_that_agree() -> None:
    figure = progress([student("Ana", 4, 4, 0.75, 8), student("Bo", 1, 4), student("Cy", 0, 0)])
    bars, agrees = figure.data
    assert (bars.y, bars.x) == (("Ana", "Bo", "Cy"), (1.0, 0.25, 1.0))
    assert (agrees.y, agrees.x) == (("Ana",), (0.75,))
    low, high = wilson(6, 8)
    ends = agrees.error_x.arrayminus[0], agrees.error_x.array[0]
    assert ends == pytest.approx((0.75 - low, high - 0.75), rel=1e-4)
    assert rows(figure)[:2] == [
        {"student": "Ana", "marked": "4 of 4", "agrees": "0.75 [0.41, 0.93]", "n": 8},
        {"student": "Bo", "marked": "1 of 4", "agrees": "–", "n": 0},
    ]
    assert summary(figure) == "2 of 3 students marked all rows; the fewest: Bo, 1 of 4."


def test_a_class_that_is_done_has_no_one_behind() -> None:
    assert summary(progress([student("Ana", 5, 4), student("Bo", 4, 4)])) == (
        "2 of 2 students marked all rows."
    )


def test_a_large_class_is_cut_and_a_table_without_columns_refused() -> None:
    figure = progress([student(f"S{n}", n, 60) for n in range(50)])
    assert len(figure.data[0].x) == 40
    assert "the first 40 are drawn" in caption(figure)
    assert len(rows(figure)) == 50
    with pytest.raises(TableError, match="'agrees'"):
        progress([{"student": "Ana", "marked": 1, "assigned": 2}])
