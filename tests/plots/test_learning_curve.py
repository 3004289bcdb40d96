from __future__ import annotations

import math
from typing import Any

import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.plots import HUES, caption, learning_curve, rows, summary
from synthkit.plots.theme import GOLD


def curve(*points: tuple[str, int, float]) -> list[dict[str, Any]]:
    return [
        {"source": source, "n": n, "value": v, "low": v - 0.05, "high": v + 0.05, "seeds": 3,
         "test": 400}
        for source, n, v in points
    ]  # fmt: skip


def test_the_real_curve_is_gold_and_each_source_is_named_at_its_end() -> None:
    figure = learning_curve(
        curve(("synthetic", 100, 0.6), ("synthetic", 10, 0.4), ("real", 10, 0.5), ("real", 80, 0.9))
    )
    synthetic, real = figure.data
    assert (synthetic.x, synthetic.y) == ((10, 100), (0.4, 0.6))
    assert (real.line.color, synthetic.line.color) == (HUES[GOLD], HUES[0])
    assert real.marker.symbol != synthetic.marker.symbol
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis.ticktext == ("10", "80", "100")
    assert figure.layout.shapes[0].y0 == 0.9
    names = [note.text.split("</span> ")[1] for note in figure.layout.annotations]
    assert names == ["real", "synthetic"]
    assert summary(figure) == "With 10 rows, real beats synthetic by 0.100 [0.001, 0.199]."
    assert caption(figure) == (
        "n = 400 test rows; 3 draws of each size; intervals over test rows and draws; "
        "dotted: most real rows"
    )
    assert rows(figure)[0] == {
        "source": "synthetic", "rows": 10, "accuracy": "0.40 [0.35, 0.45]", "test rows": 400
    }  # fmt: skip


def test_real_is_held_against_the_best_where_both_are() -> None:
    three = curve(("a", 10, 0.9), ("b", 10, 0.8), ("real", 10, 0.5))
    assert summary(learning_curve(three)).startswith("With 10 rows, a beats real by 0.40")


def test_the_best_of_several_sources_is_corrected_for_their_number() -> None:
    two = curve(("a", 10, 0.64), ("real", 10, 0.5))
    assert summary(learning_curve(two)) == "With 10 rows, a beats real by 0.14 [0.04, 0.24]."
    more = curve(*((f"other {n}", 10, 0.5) for n in range(9)))
    assert "corrected for 10 comparisons" in summary(learning_curve(two + more))


def test_more_than_three_sources_have_a_legend() -> None:
    figure = learning_curve(curve(*((name, 5, 0.5) for name in "abcd")))
    assert [trace.showlegend for trace in figure.data] == [True] * 4
    assert not figure.layout.annotations


def test_one_point_is_drawn_and_read() -> None:
    figure = learning_curve(curve(("real", 7, 0.5)))
    assert figure.layout.xaxis.type == "linear"
    assert summary(figure) == "real 0.50 [0.45, 0.55] with 7 rows."


def test_a_curve_without_interval_is_drawn_without_one() -> None:
    bare = [{**row, "low": None, "high": None} for row in curve(("real", 7, 0.5), ("a", 7, 0.4))]
    figure = learning_curve(bare)
    assert figure.data[0].error_y.array == (None,)
    assert ", without an interval" in summary(figure)


def test_a_long_curve_is_small_and_a_wrong_one_is_named() -> None:
    long = curve(*((f"source {k}", 1 + n, 0.5) for k in range(5) for n in range(900)))
    figure = learning_curve(long)
    assert len(figure.to_json()) < 100_000
    assert sum(len(trace.x) for trace in figure.data) == 2000
    assert "2\u202f000 of them drawn, seed 0" in caption(figure)
    with pytest.raises(TableError, match="column 'source' not found"):
        learning_curve([{"n": 1}])
    with pytest.raises(UsageError, match="'value' of row 0"):
        learning_curve(curve(("real", 7, math.nan)))
