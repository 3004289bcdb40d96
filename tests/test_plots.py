from __future__ import annotations

import sys

import pytest

from synthkit.errors import MissingExtra, TableError
from synthkit.plots import (
    HUES,
    SYMBOLS,
    cartography,
    confusion,
    cost_quality,
    embedding_map,
    losses,
)


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


def test_a_data_map_tells_noisy_rows_from_others_and_says_how_many() -> None:
    figure = cartography(
        [0.9, 0.1, 0.8], [0.1, 0.2, 0.3], noisy=[False, True, False], caption="<b>; seed 4"
    )
    kept, noisy = figure.data
    assert (kept.x, kept.y, kept.customdata) == ((0.1, 0.3), (0.9, 0.8), (0, 2))
    assert (noisy.x, noisy.y, noisy.customdata) == ((0.2,), (0.1,), (1,))
    assert (kept.marker.color, noisy.marker.color) == HUES[:2]
    assert kept.marker.symbol != noisy.marker.symbol
    told = [(note.text, note.font.color) for note in figure.layout.annotations]
    assert told[:2] == [("2 kept", HUES[0]), ("1 noisy", HUES[1])]
    assert told[2][0] == "n = 3; &lt;b&gt;; seed 4"
    assert (figure.layout.width, figure.layout.height) == (640, 360)
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"


def test_of_many_rows_two_thousand_are_drawn_by_the_seed() -> None:
    values = [(n % 997) / 997 for n in range(12_345)]
    marks = [n % 3 == 0 for n in range(12_345)]
    figure = cartography(values, values, noisy=marks)
    drawn = [row for trace in figure.data for row in trace.customdata]
    assert len(set(drawn)) == 2000
    notes = [note.text for note in figure.layout.annotations]
    assert notes == [
        "8\u2009230 kept",
        "4\u2009115 noisy",
        "n = 12\u2009345; 2\u2009000 of them drawn, seed 0",
    ]
    assert len(figure.to_json()) < 100_000
    other = cartography(values, values, noisy=marks, seed=1)
    assert other.data[0].customdata != figure.data[0].customdata
    assert cartography(values, values, noisy=marks).data[0].customdata == figure.data[0].customdata


def test_losses_are_counted_in_bins_under_both_components() -> None:
    values = [0.0, 0.01, 0.5, 1.0, 1.0]
    figure = losses(values, means=[0.1, 0.9], deviations=[0.1, 0.05], shares=[0.6, 0.4])
    bars, small, large = figure.data
    assert (len(bars.x), sum(bars.y)) == (40, 5)
    assert (bars.y[0], bars.y[20], bars.y[39]) == (2, 1, 2)
    # the height of a normal distribution at its mean, times its rows in a bin
    assert max(small.y) == pytest.approx(0.6 * 5 / 40 / (0.1 * 6.283185**0.5), abs=1e-3)
    assert small.x[small.y.index(max(small.y))] == pytest.approx(0.1, abs=0.01)
    assert large.x[large.y.index(max(large.y))] == pytest.approx(0.9, abs=0.01)
    notes = [note.text for note in figure.layout.annotations]
    assert notes == ["small losses, 60%", "large losses, 40%", "n = 5"]
    assert (
        len(losses(values * 20_000, means=[0, 1], deviations=[1, 1], shares=[1, 0]).to_json()) < 1e5
    )


def test_losses_that_do_not_differ_have_no_components() -> None:
    figure = losses([0.0] * 3, means=[0, 1], deviations=[0, 0], shares=[1, 0])
    assert [trace.type for trace in figure.data] == ["bar"]


def test_a_confusion_colours_what_is_off_the_diagonal() -> None:
    figure = confusion([[40, 3], [5, 1052]], ["<i>", "x" * 99], caption="seed 0")
    (heat,) = figure.data
    assert [list(row) for row in heat.z] == [[None, 3], [5, None]]
    assert heat.x == heat.y == ("&lt;i&gt;", "x" * 20)
    notes = [note.text for note in figure.layout.annotations]
    assert notes == ["40", "1\u2009052", "n = 1\u2009100, 8 of them off the diagonal; seed 0"]


def test_fifty_labels_are_a_small_figure_without_numbers_in_it() -> None:
    figure = confusion([[n] * 50 for n in range(50)], ["a rather long label of one beginning"] * 50)
    assert len(figure.to_json()) < 100_000
    assert len(figure.layout.annotations) == 1
    assert len(set(figure.data[0].x)) == 50
    assert figure.data[0].texttemplate == ""


def test_empty_figures_say_so() -> None:
    assert cartography([], []).layout.annotations[-1].text == "n = 0"
    assert losses([], means=[0, 1], deviations=[0, 0], shares=[1, 0]).data[0].y == (0,) * 40
    assert confusion([], []).layout.annotations[-1].text == "n = 0, 0 of them off the diagonal"
