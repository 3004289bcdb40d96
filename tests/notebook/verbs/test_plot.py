"""``%synth plot``: what each kind draws, and what it says where it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

import synthkit as sk
from synthkit import plots
from synthkit.core.errors import StoreError, SynthkitError, TableError, UsageError
from synthkit.core.types import Score
from synthkit.evaluate import light, tstr
from synthkit.notebook.output.figures import PLOTLY
from synthkit.notebook.verbs._base import VERBS
from synthkit.plots.registry import PLOTS
from tests.notebook.conftest import Shell
from tests.notebook.test_completion import complete

ROWS = pd.DataFrame(
    {
        "id": [f"r{n}" for n in range(40)],
        "text": ["warm soup and bread", "cold and late"] * 20,
        "mood": ["good", "bad", "good", "good"] * 10,
        "guess": ["good", "bad"] * 20,
        "p": [0.9, 0.2] * 20,
        "right": [True, False, True, False] * 10,
        "confidence": [0.9, 0.3] * 20,
        "variability": [0.1, 0.2] * 20,
        "noisy": [False, True] * 20,
    }
)


class Letters:
    """An embedder without weights."""

    name = fingerprint = "letters"
    dim = 2

    def embed(self, texts: Any) -> Any:
        return np.array([[text.count("o"), text.count("a") + len(text) / 9] for text in texts])


@pytest.fixture
def table(shell: Shell) -> Shell:
    shell.ip.user_ns |= {"reviews": ROWS.copy(), "letters": Letters()}
    return shell


def drawn(shell: Shell) -> dict[str, Any]:
    """The figure that the cell showed."""
    bundle: dict[str, Any] = shell.shown[0].data[PLOTLY]
    assert len(json.dumps(bundle)) < 100_000
    return bundle


def session(shell: Shell) -> sk.Session:
    found: sk.Session = shell.context.session
    return found


def test_balance_is_of_a_column_against_all_alike(table: Shell) -> None:
    table.ip.user_ns["reviews"].loc[0, "mood"] = None
    shown = table.run("%synth plot balance reviews --label mood")
    assert drawn(table)["data"][0]["x"] == pytest.approx([29 / 39, 10 / 39], abs=1e-5)
    assert drawn(table)["data"][1]["x"] == [0.5, 0.5]
    assert "2 of 2 labels differ significantly from their target; the most: good" in shown
    assert "1 without mood left out" in shown


def test_balance_is_against_given_shares_or_another_table(table: Shell) -> None:
    table.run("%synth plot balance reviews --label mood --target good=3,bad=1")
    assert drawn(table)["data"][1]["x"] == [0.75, 0.25]
    table.ip.user_ns["real"] = pd.DataFrame({"mood": ["good", "odd"]})
    table.run("%synth plot balance @reviews --label mood --target @real")
    assert drawn(table)["data"][1]["x"] == [0.5, 0.0, 0.5]
    assert drawn(table)["data"][1]["y"] == ["good", "bad", "odd"]


def test_labels_of_two_tables_or_columns_meet(table: Shell) -> None:
    numbers = datasets.Dataset.from_dict({"mood": [0, 1]})
    names = datasets.ClassLabel(names=["Bad", "Good"])
    table.ip.user_ns["real"] = numbers.cast_column("mood", names)
    table.run("%synth plot balance @reviews --label mood --target @real")
    assert drawn(table)["data"][1]["x"] == [0.5, 0.5]
    rows = table.ip.user_ns["reviews"]
    table.ip.user_ns["marked"] = rows.assign(mood=range(40), other=[str(n) for n in range(40)])
    table.run("%synth plot confusion marked --label mood --by other")
    assert len(drawn(table)["data"][0]["z"]) == 40


def test_a_funnel_is_of_a_curation_or_of_the_table_it_was_made_of(table: Shell) -> None:
    table.run("%synth filter reviews --length 4-")
    shown = table.run("%synth plot funnel reviews")
    assert drawn(table)["data"][0]["x"] == [20]
    assert "20 of 40 rows kept (50 %)." in shown
    first = drawn(table)
    table.run("%synth plot funnel reviews_curation")
    assert drawn(table) == first


def test_reliability_is_of_two_columns_or_of_bins(table: Shell) -> None:
    table.run("%synth plot reliability reviews --probability p --outcome right")
    by_columns = drawn(table)
    assert by_columns["data"][0]["y"] == [0.0, 1.0]
    assert "predicted probability of right" in by_columns["layout"]["xaxis"]["title"]["text"]
    table.ip.user_ns["bins"] = sk.plots.binned(ROWS["p"], ROWS["right"])
    table.run("%synth plot reliability bins")
    assert drawn(table)["data"] == by_columns["data"]


def test_tstr_is_of_what_evaluate_gives_one_or_several(table: Shell) -> None:
    table.ip.user_ns["worth"] = worth = tstr(
        ROWS, ROWS, ROWS, "mood", learner=light(Letters().embed)
    )
    shown = table.run("%synth plot tstr worth")
    assert drawn(table)["data"][0]["x"] == [worth.synthetic.value]
    assert "No significant difference between real rows and worth: 0.00" in shown
    assert "most frequent label" in shown
    table.ip.user_ns["both"] = {"plain": worth, "varied": worth.synthetic}
    table.run("%synth plot tstr both --metric macro-F1")
    values = [worth.synthetic_f1.value, worth.synthetic.value]
    assert drawn(table)["data"][0]["x"] == pytest.approx(values, abs=1e-5)


def test_a_learning_curve_is_of_its_table(table: Shell) -> None:
    table.ip.user_ns["curve"] = [
        {"source": "real", "n": n, "value": 0.5, "low": 0.4, "high": 0.6, "seeds": 3, "test": 9}
        for n in (5, 10)
    ]
    table.run("%synth plot learning-curve curve --metric macro-F1")
    assert drawn(table)["data"][0]["x"] == [5, 10]
    assert "macro-F1" in drawn(table)["layout"]["yaxis"]["title"]["text"]


def test_scores_are_of_the_session_or_of_a_variable(table: Shell) -> None:
    table.run("%synth eval reviews --column text --embedder none --metric vocabulary")
    table.run("%synth plot scores")
    first = drawn(table)
    assert [trace["name"] for trace in first["data"]] == ["reviews"] * len(first["data"])
    table.run("%synth plot scores reviews")
    assert drawn(table) == first
    table.run("%synth plot scores reviews_scores")
    assert [trace["x"] for trace in drawn(table)["data"]] == [t["x"] for t in first["data"]]
    score = Score(name="vocabulary", value=3.0, low=2.0, high=4.0, n=5)
    table.ip.user_ns |= {"mine": [score], "both": {"a": [score], "b": [score]}}
    table.run("%synth plot scores mine reviews")
    assert [t["name"] for t in drawn(table)["data"][:2]] == ["mine", "reviews"]
    table.run("%synth plot scores both")
    assert [t["name"] for t in drawn(table)["data"]] == ["a", "b"]


def test_agreement_and_accept_rates_are_of_the_marks(shell: Shell) -> None:
    shell.ip.user_ns["model"] = sk.Fake(lambda request: request.messages[-1].content)
    shell.run("%%synth reviews --model model --vary i=1,2,3,4\nSay {{ i }}.")
    ids = [str(id) for id in shell["reviews"]["id"]]
    here = session(shell)
    here.mark(ids[:2], "accept", by="ana")
    here.mark(ids[2:], "reject", by="ana")
    here.mark(ids[:3], "accept", by="bob")
    here.mark(ids[3], "reject", by="bob")
    shown = shell.run("%synth plot agreement reviews")
    # agreed on 3 of 4, by chance (2 x 3 + 2 x 1) / 16
    assert drawn(shell)["data"][0]["z"] == [[None, 0.5], [0.5, None]]
    assert "Agreement of ana and bob: 0.50" in shown
    shell.run("%%synth reviews --model model --vary i=1,2,3,4\nDo say {{ i }}.")
    here.mark([str(id) for id in shell["reviews"]["id"]], "accept", by="ana")
    shown = shell.run("%synth plot accept-rates reviews")
    # of the first version ids[2] is even, and so decided by no one
    assert [trace["y"] for trace in drawn(shell)["data"]] == [[pytest.approx(2 / 3, abs=1e-5)], [1]]
    assert "No significant difference between v2 and v1" in shown
    assert "Do say {{ i }}." in shown


def test_a_map_is_of_texts_coloured_by_a_label(table: Shell) -> None:
    shown = table.run("%synth plot map reviews --embedder letters --column text --label mood")
    assert [len(trace["x"]) for trace in drawn(table)["data"]] == [30, 10]
    assert "40 points in 2 groups" in shown
    assert "text embedded by letters, PCA" in shown


def test_columns_are_a_confusion_or_a_data_map(table: Shell) -> None:
    table.run("%synth plot confusion reviews --label mood --by guess")
    assert drawn(table)["data"][0]["z"] == [[None, 0], [10, None]]
    table.run("%synth plot cartography reviews --by noisy")
    assert [len(trace["x"]) for trace in drawn(table)["data"]] == [20, 20]
    table.ip.user_ns["costs"] = [
        {"by": "a", "share": 0, "cost": 1, "accuracy": 0.5, "low": 0.4, "high": 0.6}
        | {"front": True, "n": 5, "seed": 0}
    ]
    table.run("%synth plot cost-quality costs")
    assert drawn(table)["data"][0]["y"] == [0.5]


def test_losses_are_drawn_from_the_column_of_the_small_loss_method(table: Shell) -> None:
    losses = [0.1, 0.12, 0.11, None, 0.09, 3.0, 3.1, 2.9]
    table.ip.user_ns["judged"] = pd.DataFrame({"loss": losses})
    table.run("%synth plot losses judged --seed 3")
    assert "n = 7; two components, seed 3<" in drawn(table)["layout"]["title"]["text"]
    assert " small losses, 57%<" in drawn(table)["layout"]["annotations"][0]["text"]
    with pytest.raises(TableError, match="column 'loss' not found"):
        table.run("%synth plot losses reviews")


def test_every_figure_of_the_package_is_offered() -> None:
    modules = {path.stem for path in Path(plots.__file__).parent.glob("_[a-z]*.py")}
    assert modules == {listed.module.rpartition(".")[2] for listed in PLOTS.listed().values()}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("pie reviews", "'pie' not found; have .*--help explains"),
        ("", "required: KIND"),
        ("balance reviews", "balance needs --label COLUMN"),
        ("balance --label mood", "takes one table or variable; got 0"),
        ("balance reviews --label mod", "column 'mod' not found.*Did you mean 'mood'"),
        ("balance reviews --label mood --target good=x", "expected LABEL=SHARE"),
        ("balance reviews --label mood --target rael", "table 'rael' not found"),
        ("funnel reviews", "no curation in reviews or reviews_curation; %synth filter reviews"),
        ("reliability reviews --outcome right", "needs --probability COLUMN"),
        ("reliability reviews --probability p --outcome mood", "true or false.*got 'good'"),
        ("reliability reviews", "column 'predicted' not found"),
        ("tstr reviews", "expected a result of evaluate.tstr or evaluate.gain"),
        ("tstr nothing", "variable 'nothing' not found"),
        ("learning-curve reviews", "column 'source' not found"),
        ("scores", "no scores are stored; %synth eval TABLE computes them"),
        ("scores reviews", "no scores of 'reviews' are stored"),
        ("scores reviews others", "evaluation 'reviews' not found"),
        ("accept-rates reviews", "run of 'reviews' not found"),
        ("confusion reviews --label mood", "needs --by COLUMN"),
        ("map reviews --embedder letters --label mod", "column 'mod' not found"),
        ("balance reviews --lable mood", "option '--lable' not found.*--label"),
    ],
)
def test_mistakes_are_named(table: Shell, line: str, message: str) -> None:
    with pytest.raises((SynthkitError, StoreError), match=message):
        table.run(f"%synth plot {line}")


def test_nothing_marked_is_said(table: Shell) -> None:
    assert "No two annotators marked the same rows" in table.run("%synth plot agreement reviews")
    table.ip.user_ns["model"] = sk.Fake("Soup.")
    table.run("%%synth soups --model model\nSay.")
    with pytest.raises(UsageError, match="no row of soups is marked; %synth mark soups"):
        table.run("%synth plot accept-rates soups")


def test_a_figure_is_live_only_on_request_and_where_someone_looks(
    table: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.run("%synth plot balance reviews --label mood --live")
    assert PLOTLY in table.shown[0].data
    monkeypatch.setenv("SYNTHKIT_LIVE", "1")
    told = table.run("%synth plot balance reviews --label mood --live")
    assert "about 5 MB" in told
    assert any("application/vnd.jupyter.widget-view+json" in one.data for one in table.shown)
    assert "labels differ significantly from their target" in told


def test_the_value_of_the_line_holds_the_figure(table: Shell) -> None:
    table.run("made = %synth plot balance reviews --label mood")
    assert table["made"].figure.data[0].x == (0.75, 0.25)


def test_kinds_tables_and_columns_are_completed_and_explained(table: Shell) -> None:
    assert complete(table, "%synth plot lear") == ["%synth plot learning-curve"]
    assert complete(table, "%synth plot balance rev") == ["%synth plot balance reviews"]
    assert complete(table, "%synth plot balance reviews --lab") == [
        "%synth plot balance reviews --label"
    ]
    assert list(PLOTS) == list(VERBS["plot"].arguments[0].kwds["choices"])
    assert "accept-rates" in table.run("%synth plot --help")


WORDS = """
import plotly.graph_objects as go
from synthkit.plots import plot

@plot("words")
def words(table, *, least=1, **options):
    "The number of words of each text."
    counts = [len(text.split()) for text in table["text"]]
    bars = go.Bar(y=[n for n in counts if n >= least])
    return go.Figure(bars, {"title": {"text": " ".join(f"{k}={v}" for k, v in options.items())}})
"""


def test_a_plot_of_a_cell_gets_its_own_options_and_all_others(table: Shell) -> None:
    table.run(WORDS)
    try:
        assert "words; default: 1" in table.run("%synth plot --help")
        assert complete(table, "%synth plot words reviews --le") == [
            "%synth plot words reviews --least"
        ]
        table.run("%synth plot words reviews --least 4 --by mood --seed 3")
        figure = drawn(table)
        assert figure["data"][0]["y"] == [4] * 20
        assert "by=mood seed=3" in figure["layout"]["title"]["text"]
    finally:
        PLOTS.remove("words")
