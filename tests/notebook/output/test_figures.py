"""A figure in the notebook: two outputs, of which the second stands everywhere."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from itertools import combinations
from typing import Any

import nbformat
import pytest

from synthkit import plots
from synthkit.core.types import Score
from synthkit.data.results import Stage
from synthkit.notebook.output.figures import PLOTLY, FigureOutput
from tests.notebook.conftest import Shell

SHOWN = """
from synthkit import plots
from synthkit.notebook.output.figures import FigureOutput
FigureOutput(plots.balance({"<b>yes</b>": 30, "no": 10}))
"""


def test_a_figure_is_plotlys_json_and_beneath_it_reading_and_table(shell: Shell) -> None:
    shell.run(SHOWN)
    drawn, told = (output.data for output in shell.shown)
    assert set(drawn) == {PLOTLY, "text/plain"}
    assert set(told) == {"text/plain", "text/html"}
    assert drawn[PLOTLY]["data"][0]["x"] == [0.75, 0.25]
    assert "meta" not in drawn[PLOTLY]["layout"]
    assert told["text/plain"].startswith(
        "2 of 2 labels differ significantly from their target; the most: <b>yes</b>"
    )
    assert "&lt;b&gt;yes" in told["text/html"]
    assert "<b>yes" not in told["text/html"]
    assert "<table>" in told["text/html"]
    assert "n = 40 rows" in told["text/html"]


def test_two_showings_are_equal_and_hold_no_address(shell: Shell) -> None:
    shell.run(SHOWN)
    first = [output.data for output in shell.shown]
    shell.run(SHOWN)
    assert [output.data for output in shell.shown] == first
    text = json.dumps(first)
    assert "0x" not in text
    assert not re.search(r'"uid"', text)


def test_all_text_takes_the_colour_of_the_theme_but_on_shades() -> None:
    figure = plots.confusion([[4, 1], [2, 5]], ["a", "b"])
    layout = FigureOutput(figure).bundle[PLOTLY]["layout"]
    inked = [note["text"] for note in layout["annotations"] if "--jp-" in note["text"]]
    assert len(inked) == 2
    assert "--jp-" in layout["title"]["text"]
    assert "--jp-" in layout["xaxis"]["title"]["text"]
    assert "--jp-" in layout["yaxis"]["tickprefix"]
    assert "--jp-" not in figure.to_json()


def test_named_ticks_and_legends_take_it_too() -> None:
    rates = plots.accept_rates([{"version": "v1", "accepted": 1, "n": 2}])
    ticks = FigureOutput(rates).bundle[PLOTLY]["layout"]["xaxis"]["ticktext"]
    assert ticks[0].startswith('<span style="color:var(--jp-')
    curve = [
        {"source": s, "n": 1, "value": 0.5, "low": 0.4, "high": 0.6, "seeds": 1, "test": 9}
        for s in "abcd"
    ]
    bundle = FigureOutput(plots.learning_curve(curve)).bundle[PLOTLY]
    assert all("--jp-" in trace["name"] for trace in bundle["data"])
    many = plots.confusion([[1] * 20] * 20, range(20))
    assert "--jp-" in FigureOutput(many).bundle[PLOTLY]["data"][0]["colorbar"]["title"]["text"]


def many(kind: str, n: int = 20_000) -> Any:
    rng = random.Random(0)
    values = [rng.random() for _ in range(n)]
    names = [f"a rather long name of a group, number {at % 9}" for at in range(n)]
    texts = ["寒いスープ, café & <b> " * 40] * n
    half = {"low": 0.123456, "high": 0.987654}
    score = Score(name="a metric of some length", value=0.5432109, n=n, unit="0..1", **half)
    match kind:
        case "map":
            spots = list(zip(values, values[1:] + values[:1], strict=True))
            return plots.embedding_map(spots, texts=texts, groups=names, caption=names[0])
        case "cartography":
            return plots.cartography(values, values, noisy=[v < 0.4 for v in values])
        case "losses":
            return plots.losses(values, means=[0, 1], deviations=[1, 1], shares=[1, 0])
        case "confusion":
            return plots.confusion([[n] * 40 for n in range(40)], names[:40])
        case "reliability":
            bins = plots.binned(values, [v > 0.5 for v in values], bins=200)
            return plots.reliability(bins, what=names[0])
        case "balance":
            return plots.balance(dict(zip(map(str, values), range(n), strict=True)))
        case "accept_rates":
            return plots.accept_rates(
                [{"version": f"{v} of a prompt", "accepted": 1, "n": 2} for v in values]
            )
        case "scores":
            metrics = [replace(score, name=f"metric {at}, {names[0]}") for at in range(30)]
            return plots.scores({f"{at} {names[0]}": metrics for at in range(30)})
        case "agreement":
            pairs = combinations([f"{at} {names[0]}" for at in range(40)], 2)
            return plots.agreement(dict.fromkeys(pairs, score))
        case "funnel":
            return plots.funnel([Stage(name, n, n - 1, {name: 1}) for name in names])
        case "tstr":
            return plots.tstr({f"{at} {names[0]}": score for at in range(99)}, real=score)
        case "learning_curve":
            row = {"value": 0.5432109, "seeds": 3, "test": 9, **half}
            sizes = [(s, 25 << k) for s in names[:9] for k in range(12)]
            return plots.learning_curve([{"source": s, "n": size, **row} for s, size in sizes])
    raise ValueError(kind)


@pytest.mark.parametrize(
    "kind",
    "map cartography losses confusion reliability balance accept_rates scores agreement funnel "
    "tstr learning_curve".split(),
)
def test_the_file_of_a_notebook_grows_by_less_than_100_kilobytes(kind: str) -> None:
    shown = FigureOutput(many(kind))
    sizes = []
    for bundle in (shown.bundle, shown.static._repr_mimebundle_()):
        output = nbformat.v4.new_output("display_data", data=bundle)
        cell = nbformat.v4.new_code_cell(outputs=[output])
        sizes.append(len(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])).encode()))
    assert sizes[0] < 100_000
    assert sizes[1] < 25_000


def test_a_long_table_is_cut_and_says_how_long_it_is() -> None:
    shown = FigureOutput(plots.balance({f"label {n}": 1 for n in range(400)}))
    assert "380 more rows" in shown.static.plain
    assert len(json.dumps(shown.bundle)) + len(shown.static.html) < 100_000
