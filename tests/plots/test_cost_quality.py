from __future__ import annotations

import math
from itertools import pairwise

import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.plots import HUES, caption, cost_quality, rows, summary


def points(*ways: str) -> list[dict[str, object]]:
    return [
        {"by": way, "share": share, "n": 50, "cost": cost, "accuracy": accuracy}
        | {"low": accuracy - 0.1, "high": accuracy + 0.05, "front": share < 1, "seed": 4}
        for way in ways
        for share, cost, accuracy in [(1.0, 9.0, 0.9), (0.0, 1.0, 0.6), (0.5, 5.0, 0.8)]
    ]


def test_each_way_to_route_is_a_line_with_intervals_from_cheap_to_dear() -> None:
    figure = cost_quality(points("entropy", "<b>random"))
    first, second = figure.data
    assert (first.x, first.y) == ((1.0, 5.0, 9.0), (0.6, 0.8, 0.9))
    assert first.error_y.array == pytest.approx([0.05] * 3)
    assert first.error_y.arrayminus == pytest.approx([0.1] * 3)
    assert first.marker.symbol == ("circle", "circle", "circle-open")
    assert (first.line.color, second.line.color, second.name) == (*HUES[:2], "&lt;b&gt;random")
    assert first.hovertext == ("0% to people", "50% to people", "100% to people")
    titles = figure.layout.xaxis.title.text, figure.layout.yaxis.title.text
    assert titles == ("cost ($)", "accuracy (0..1)")
    assert len(rows(figure)) == 6
    cheapest = "Accuracy 0.60 [0.50, 0.65] for $1.00 (entropy, 0% to people) up to"
    assert summary(figure).startswith(cheapest)


def test_up_to_three_ways_are_named_at_their_lines_and_more_in_a_legend() -> None:
    few, many = cost_quality(points("a", "b", "c")), cost_quality(points("a", "b", "c", "d"))
    names = [one.text.split("</span> ")[1] for one in few.layout.annotations]
    assert names == ["a", "b", "c"]
    heights = [one.y for one in few.layout.annotations]
    low, high = few.layout.yaxis.range
    assert all(a - b > 0.07 * (high - low) for a, b in pairwise(heights))
    assert [one.showlegend for one in few.data] == [False] * 3
    assert not many.layout.annotations
    assert [one.showlegend for one in many.data] == [True] * 4
    told = "n = 50 rows; 95 % Wilson intervals; filled: the Pareto front; seed 4"
    assert caption(few) == caption(many) == told


def test_costs_need_their_columns_and_none_make_an_empty_figure() -> None:
    with pytest.raises(TableError, match="column 'by' not found"):
        cost_quality([{"share": 1}])
    none: dict[str, list[object]] = {name: [] for name in points("a")[0]}
    assert cost_quality(none, caption="none").data == ()
    with pytest.raises(UsageError, match="finite number for a, accuracy"):
        cost_quality([{**points("a")[0], "accuracy": math.inf}])
