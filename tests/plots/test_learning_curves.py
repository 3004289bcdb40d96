from __future__ import annotations

import math
from typing import Any

import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.core.types import Score
from synthkit.plots import HUES, caption, learning_curve, reading, rows, tstr
from synthkit.plots.theme import GOLD
from synthkit.stats.intervals import wilson


def share(yes: int, n: int = 100, parts: Any = None) -> Score:
    low, high = wilson(yes, n)
    return Score(name="accuracy", value=yes / n, low=low, high=high, n=n, better="higher",
                 parts=parts)  # fmt: skip


def test_bars_begin_at_zero_and_the_gold_line_is_at_the_real_score() -> None:
    figure = tstr({"plain": share(60), "varied": share(75)}, real=share(90), majority=share(50))
    (bars,) = figure.data
    assert (bars.x, bars.y) == ((0.6, 0.75), ("plain", "varied"))
    assert figure.layout.xaxis.range == (0, 1)
    ends = [share(60).high - 0.6, share(75).high - 0.75]
    assert bars.error_x.array == pytest.approx(ends, rel=1e-4)
    band, gold, grey = figure.layout.shapes
    assert (band.x0, band.x1) == (share(90).low, share(90).high)
    assert (gold.x0, gold.line.color, gold.line.dash) == (0.9, HUES[GOLD], "solid")
    assert (grey.x0, grey.line.dash) == (0.5, "dot")
    assert [row["learned from"] for row in rows(figure)] == [
        *("plain", "varied", "real → real", "most frequent label")
    ]
    assert caption(figure) == "n = 100 test rows; 95 % intervals"
    assert reading(figure) == "Real rows beat varied by 0.15 [0.04, 0.25]."


def test_scores_of_the_same_test_rows_are_compared_in_pairs() -> None:
    hard = [0.0] * 40 + [1.0] * 60
    more = [0.0] * 35 + [1.0] * 65
    paired = tstr({"plain": share(60, parts=hard)}, real=share(65, parts=more))
    assert reading(paired) == "Real rows beat plain by 0.05 [0.01, 0.10]."
    strayed = tstr(
        {"plain": share(60, parts=[one + 0.3 for one in hard])}, real=share(65, parts=more)
    )
    assert reading(strayed) == reading(paired)
    unpaired = tstr({"plain": share(60)}, real=share(65))
    assert reading(unpaired).startswith("Real rows and plain are not told apart: 0.05 [-0.08")


def test_without_a_gold_line_the_best_is_held_against_the_next() -> None:
    assert reading(tstr({"a": share(50), "b": share(90)})).startswith("b beats a by 0.40")
    assert reading(tstr({"a": share(50)})) == "a 0.50 [0.40, 0.60]."


def test_many_sources_are_cut_and_nan_is_named() -> None:
    figure = tstr({f"source {n} " + "x" * 99: share(n) for n in range(40)})
    assert len(figure.data[0].x) == 12
    assert "12 of 40 sources drawn" in caption(figure)
    assert len(figure.to_json()) < 100_000
    nan = Score(name="accuracy", value=math.nan, n=1)
    with pytest.raises(UsageError, match="finite number for bad, accuracy"):
        tstr({"bad": nan})


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
    assert reading(figure) == "With 10 rows, real beats synthetic by 0.10 [0.03, 0.17]."
    assert caption(figure) == (
        "n = 400 test rows; 3 draws of each size; intervals over test rows and draws; "
        "dotted: the most real rows"
    )
    assert rows(figure)[0] == {
        "source": "synthetic", "rows": 10, "accuracy": "0.40 [0.35, 0.45]", "test rows": 400
    }  # fmt: skip


def test_real_is_held_against_the_best_where_both_are() -> None:
    three = curve(("a", 10, 0.9), ("b", 10, 0.8), ("real", 10, 0.5))
    assert reading(learning_curve(three)).startswith("With 10 rows, a beats real by 0.40")


def test_more_than_three_sources_have_a_legend() -> None:
    figure = learning_curve(curve(*((name, 5, 0.5) for name in "abcd")))
    assert [trace.showlegend for trace in figure.data] == [True] * 4
    assert not figure.layout.annotations


def test_one_point_is_drawn_and_read() -> None:
    figure = learning_curve(curve(("real", 7, 0.5)))
    assert figure.layout.xaxis.type == "linear"
    assert reading(figure) == "real 0.50 [0.45, 0.55] with 7 rows."


def test_a_curve_without_interval_is_drawn_without_one() -> None:
    bare = [{**row, "low": None, "high": None} for row in curve(("real", 7, 0.5), ("a", 7, 0.4))]
    figure = learning_curve(bare)
    assert figure.data[0].error_y.array == (None,)
    assert "without an interval to tell them apart" in reading(figure)


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
