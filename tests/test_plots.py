from __future__ import annotations

import sys

import pytest

from synthkit.errors import MissingExtra, TableError
from synthkit.plots import HUES, SYMBOLS, cost_quality, embedding_map


def test_each_group_has_a_colour_and_a_shape() -> None:
    figure = embedding_map(
        [[0, 1], [2, 3], [4, 5]], texts=["a", "b", "c"], groups=["x", "y", "x"], caption="n = 3"
    )
    first, second = figure.data
    assert (first.type, first.x, first.y, first.customdata) == ("scattergl", (0, 4), (1, 5), (0, 2))
    assert (first.marker.color, first.marker.symbol) == (HUES[0], SYMBOLS[0])
    assert (second.marker.color, second.marker.symbol) == (HUES[1], SYMBOLS[1])
    assert (figure.layout.width, figure.layout.height) == (640, 360)
    assert figure.layout.xaxis.title.text == "first component"
    assert figure.layout.annotations[0].text == "n = 3"


def test_texts_are_no_markup_and_cut() -> None:
    figure = embedding_map([[0, 0]], texts=["<b>" + "x" * 999], groups=["<i>g</i>"])
    assert figure.data[0].hovertext[0] == "&lt;b&gt;" + "x" * 117
    assert figure.data[0].name == "&lt;i&gt;g&lt;/i&gt;"


def test_no_points_make_an_empty_figure() -> None:
    assert embedding_map([], texts=[], groups=[]).data == ()


def test_without_plotly_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(MissingExtra, match=r"synthkit\[notebook\]"):
        embedding_map([], texts=[], groups=[])


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
    assert (figure.layout.width, figure.layout.height) == (640, 360)
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == (
        "cost ($)",
        "accuracy",
    )


def test_up_to_three_ways_are_named_at_their_lines_and_more_in_a_legend() -> None:
    few, many = cost_quality(points("a", "b", "c")), cost_quality(points("a", "b", "c", "d"))
    caption = "n = 50 rows; 95 % Wilson intervals; filled: the Pareto front; seed 4"
    assert [one.text for one in few.layout.annotations] == ["a", "b", "c", caption]
    assert [one.text for one in many.layout.annotations] == [caption]
    assert [one.showlegend for one in many.data] == [True] * 4


def test_costs_need_their_columns_and_none_make_an_empty_figure() -> None:
    with pytest.raises(TableError, match="column 'by' not found"):
        cost_quality([{"share": 1}])
    none = {name: [] for name in points("a")[0]}
    assert cost_quality(none, caption="none").data == ()


def test_the_caption_is_within_the_figure_under_the_axis_title() -> None:
    layout = embedding_map([[0, 0]], texts=["a"], groups=["b"], caption="n = 1").layout
    caption = layout.annotations[0]
    assert (caption.y, caption.yanchor) == (0, "top")
    assert -layout.margin.b + 20 < caption.yshift < -40
