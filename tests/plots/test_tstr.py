from __future__ import annotations

import math
from typing import Any

import pytest

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.plots import HUES, caption, rows, summary, tstr
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
    assert summary(figure) == (
        "No significant difference between real rows and varied: 0.150 [0.003, 0.295] on 100 rows, "
        "corrected for 2 comparisons."
    )


def test_a_test_row_more_or_less_is_no_difference_between_sources() -> None:
    hard, more = ([0.0] * wrong + [1.0] * (100 - wrong) for wrong in (40, 35))
    five = summary(tstr({"plain": share(60, parts=hard)}, real=share(65, parts=more)))
    assert five.startswith("No significant difference between real rows and plain: 0.05 [-0.14, ")
    many = summary(tstr({"plain": share(600, 1000)}, real=share(700, 1000)))
    assert many == "Real rows beat plain by 0.10 [0.04, 0.16]."


def test_a_difference_of_two_sources_is_none_among_twelve() -> None:
    two = {"a": share(600, 1000), "b": share(670, 1000)}
    assert summary(tstr(two)) == "b beats a by 0.07 [0.01, 0.13]."
    others = {f"other {n}": share(590, 1000) for n in range(10)}
    among = "on 1000 rows, corrected for 66 comparisons."
    assert summary(tstr(two | others)).endswith(among)
    assert summary(tstr({**two, **others}, real=share(600, 1000))).endswith("for 12 comparisons.")


def test_without_a_gold_line_the_best_is_held_against_the_next() -> None:
    assert summary(tstr({"a": share(50), "b": share(90)})).startswith("b beats a by 0.40")
    assert summary(tstr({"a": share(50)})) == "a 0.50 [0.40, 0.60]."


def test_many_sources_are_cut_and_nan_is_named() -> None:
    figure = tstr({f"source {n} " + "x" * 99: share(n) for n in range(40)})
    assert len(figure.data[0].x) == 12
    assert "12 of 40 sources drawn" in caption(figure)
    assert len(figure.to_json()) < 100_000
    nan = Score(name="accuracy", value=math.nan, n=1)
    with pytest.raises(UsageError, match="finite number for bad, accuracy"):
        tstr({"bad": nan})
