from __future__ import annotations

import sys

import pytest

from synthkit.errors import MissingExtra
from synthkit.plots import HUES, SYMBOLS, embedding_map


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
