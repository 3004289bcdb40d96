"""What all figures have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from plotly.io import templates

from synthkit import plots
from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.data.results import Stage
from synthkit.plots import theme
from synthkit.plots.points import finite


def score(value: float, half: float | None = 0.1, n: int = 50, **options: Any) -> Score:
    ends = {} if half is None else {"low": value - half, "high": value + half}
    return Score(**{"name": "m", "value": value, "n": n, "better": "higher", **ends, **options})


CURVE = [
    {"source": s, "n": n, "value": 0.5, "low": 0.4, "high": 0.6, "seeds": 3, "test": 9}
    for s in ("real", "synthetic")
    for n in (1, 2)
]
RATES = [{"version": "v1", "accepted": 2, "n": 4}]
STUDENT = {"student": "Bo", "marked": 3, "assigned": 4, "agrees": 0.5, "n": 2}
FIGURES: dict[str, Callable[[], Any]] = {
    "scores": lambda: plots.scores({"a": [score(0.5)], "b": [score(0.9)]}),
    "funnel": lambda: plots.funnel([Stage("length", 9, 5)]),
    "learning_curve": lambda: plots.learning_curve(CURVE),
    "tstr": lambda: plots.tstr({"a": score(0.5)}, real=score(0.7), majority=score(0.3)),
    "reliability": lambda: plots.reliability(plots.binned([0.2, 0.8], [0, 1])),
    "balance": lambda: plots.balance({"a": 3, "b": 5}),
    "agreement": lambda: plots.agreement({("a", "b"): score(0.5)}),
    "accept_rates": lambda: plots.accept_rates(RATES),
    "embedding_map": lambda: plots.embedding_map([[0, 1]], texts=["t"], groups=["g"]),
    "cartography": lambda: plots.cartography([0.5], [0.1]),
    "losses": lambda: plots.losses([0.1], means=[0, 1], deviations=[1, 1], shares=[1, 0]),
    "training": lambda: plots.training([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5}]),
    "confusion": lambda: plots.confusion([[1, 2], [3, 4]], ["a", "b"]),
    "progress": lambda: plots.progress([STUDENT]),
    "cost_quality": lambda: plots.cost_quality(
        [{"by": "a", "share": 0, "cost": 1, "accuracy": 0.5, "low": 0.4, "high": 0.6}
         | {"front": True, "n": 5, "seed": 0}]
    ),
}  # fmt: skip
EMPTY: dict[str, Callable[[], Any]] = {
    "scores": lambda: plots.scores({}),
    "funnel": lambda: plots.funnel([]),
    "learning_curve": lambda: plots.learning_curve({name: [] for name in CURVE[0]}),
    "tstr": lambda: plots.tstr({}),
    "reliability": lambda: plots.reliability(plots.binned([], [])),
    "balance": lambda: plots.balance({}),
    "agreement": lambda: plots.agreement({}),
    "accept_rates": lambda: plots.accept_rates({name: [] for name in RATES[0]}),
    "training": lambda: plots.training([]),
    "progress": lambda: plots.progress({name: [] for name in STUDENT}),
}


def test_every_figure_is_tried() -> None:
    others = {"HUES", "SYMBOLS", "binned", "caption", "plot", "rows", "size", "summary"}
    assert set(plots.__all__) - others == set(FIGURES)
    with pytest.raises(AttributeError, match="no attribute 'pie'"):
        plots.pie  # noqa: B018


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_the_common_look_a_summary_and_a_table(name: str) -> None:
    figure = FIGURES[name]()
    layout = figure.layout
    assert (layout.width, layout.height) == (640, 360)
    assert layout.template.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert plots.summary(figure).endswith(".")
    assert "\n" not in plots.summary(figure)
    assert plots.rows(figure)
    assert plots.caption(figure)
    assert FIGURES[name]().to_json() == figure.to_json()


@pytest.mark.parametrize("name", EMPTY)
def test_a_figure_of_nothing_says_so_in_its_middle(name: str) -> None:
    figure = EMPTY[name]()
    assert plots.rows(figure) == []
    assert figure.layout.annotations[-1].text == plots.summary(figure)
    assert (figure.layout.xaxis.visible, figure.layout.yaxis.visible) == (False, False)


def test_the_caption_is_within_the_figure_below_the_axis() -> None:
    figure = plots.balance({"a": 1}, caption="a word " * 40)
    title, height = figure.layout.title, figure.layout.height
    lines = title.text.count("<br>") + 1
    assert lines > 2
    assert max(map(len, title.text.split("<br>"))) <= theme.CAPTION_WIDTH
    # its top is below the axis title, its last line above the edge
    assert title.y * height <= figure.layout.margin.b - 45
    assert title.y * height >= lines * 16


def test_lines_that_end_close_together_have_names_that_do_not_overlap() -> None:
    curve = [{**row, "source": s, "value": v} for row in CURVE[:2] for s, v in
             (("real", 0.5), ("synthetic", 0.501), ("real + synthetic", 0.502))]  # fmt: skip
    figure = plots.learning_curve(curve)
    low, high = figure.layout.yaxis.range
    heights = sorted(note.y for note in figure.layout.annotations)
    assert len(heights) == 3
    assert min(b - a for a, b in pairwise(heights)) >= 0.07 * (high - low)


def test_colours_are_never_alone() -> None:
    styles = [theme.style(at) for at in range(8)]
    assert len(set(styles)) == len({symbol for _, symbol in styles}) == 8


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None, "0.5"])
def test_what_is_no_finite_number_is_refused_by_name(bad: Any) -> None:
    with pytest.raises(UsageError, match=r"finite number for a cell; got"):
        finite(bad, "a cell")


def test_the_template_is_registered_and_small_in_the_json_of_a_figure() -> None:
    layout = json.loads(plots.balance({"a": 1}).to_json())["layout"]
    assert len(json.dumps(layout["template"])) < 1000
    assert layout["template"]["layout"]["font"]["color"] == theme.INK
    assert templates["synthkit"].to_plotly_json() == layout["template"]


@pytest.mark.parametrize("values", [(0.01, 0.0), (0.0, 0.01), (1.0, 0.0), (0.0, 0.0, 0.0)])
def test_names_of_lines_lie_within_the_axis_and_do_not_touch(values: tuple[float, ...]) -> None:
    figure = theme.new_figure()
    theme.name_lines(figure, [(str(n), n, value) for n, value in enumerate(values)], (0.0, 1.0))
    heights = [name.y for name in figure.layout.annotations]
    assert all(0 <= height <= 1 for height in heights)
    assert all(a - b >= 0.0749 for a, b in pairwise(heights))
