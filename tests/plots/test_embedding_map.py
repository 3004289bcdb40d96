from __future__ import annotations

import math
import random
import sys

import pytest

from synthkit.core.errors import MissingExtra, UsageError
from synthkit.plots import HUES, SYMBOLS, caption, embedding_map, rows, summary


def test_each_group_has_a_colour_and_a_shape() -> None:
    figure = embedding_map(
        [[0, 1], [2, 3], [4, 5]], texts=["a", "b", "c"], groups=["x", "y", "x"], caption="n = 3"
    )
    first, second = figure.data
    assert (first.type, first.x, first.y, first.customdata) == ("scatter", (0, 4), (1, 5), (0, 2))
    assert (first.marker.color, first.marker.symbol) == (HUES[0], SYMBOLS[0])
    assert (second.marker.color, second.marker.symbol) == (HUES[1], SYMBOLS[1])
    assert (figure.layout.width, figure.layout.height) == (640, 360)
    assert figure.layout.xaxis.title.text == "first component"
    assert caption(figure) == "n = 3"
    assert rows(figure) == [{"group": "x", "points": 2}, {"group": "y", "points": 1}]


def test_groups_keep_the_colours_of_an_order_that_is_given() -> None:
    figure = embedding_map([[0, 1]], texts=["a"], groups=["z"], order=["y", "z"])
    (only,) = figure.data
    assert (only.name, only.marker.color, only.marker.symbol) == ("z", HUES[1], SYMBOLS[1])
    assert rows(figure) == [{"group": "z", "points": 1}]


def test_texts_are_no_markup_and_cut() -> None:
    figure = embedding_map([[0, 0]], texts=["<b>" + "x" * 999], groups=["<i>g</i>"])
    assert figure.data[0].hovertext[0] == "&lt;b&gt;" + "x" * 111
    assert figure.data[0].name == "&lt;i&gt;g&lt;/i&gt;"


def test_no_points_make_an_empty_figure() -> None:
    figure = embedding_map([], texts=[], groups=[])
    assert figure.data == ()
    assert summary(figure).startswith("0 points")


def test_without_plotly_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(MissingExtra, match=r"synthkit\[notebook\]"):
        embedding_map([], texts=[], groups=[])


def test_a_point_that_is_not_finite_is_refused() -> None:
    with pytest.raises(UsageError, match="finite number for point 1; got nan"):
        embedding_map([[0, 0], [1, math.nan]], texts=["a", "b"], groups=["x", "x"])


def test_the_reading_of_a_map_counts_nearest_neighbours() -> None:
    # the nearest of 0 is 1 (same), of 1 is 0 (same), of 9 is 10 (other), of 10 is 9 (other)
    spots = [[0, 0], [1, 0], [9, 0], [10, 0]]
    figure = embedding_map(spots, texts=["t"] * 4, groups=["a", "a", "a", "b"])
    # by chance: 3 x 2 of 4 x 3 ordered pairs
    assert "of the same group for a share of 0.50 [" in summary(figure)
    assert summary(figure).endswith("against 0.50 by chance.")


def test_a_large_map_is_a_sample_and_small() -> None:
    rng = random.Random(0)
    n = 30_000
    spots = [[rng.gauss(0, 1), rng.gauss(0, 1)] for _ in range(n)]
    texts = ["寒いスープ, café & <b> " * 40] * n
    groups = [f"group {at % 5}" for at in range(n)]
    figure = embedding_map(spots, texts=texts, groups=groups, caption="n = 30000")
    drawn = [at for trace in figure.data for at in trace.customdata]
    assert len(set(drawn)) == 2000
    assert caption(figure) == "n = 30000; 2\u202f000 of them drawn, seed 0"
    for trace in figure.data:
        at = trace.customdata[0]
        assert trace.x[0] == pytest.approx(spots[at][0], rel=1e-3)
    assert rows(figure)[0] == {"group": "group 0", "points": 6000}
