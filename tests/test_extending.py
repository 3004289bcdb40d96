"""Functions that other packages register appear in help and completion, and work."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd
import pytest

from synthkit.core.errors import UsageError
from synthkit.curate.filters.registry import FILTERS
from synthkit.evaluate import report
from synthkit.evaluate.registry import METRICS
from synthkit.models.embedders import EMBEDDERS
from synthkit.models.schemes import MODEL_SCHEMES
from synthkit.notebook.output.figures import PLOTLY
from synthkit.plots.registry import PLOTS
from synthkit.recipes._base import RECIPES
from tests.notebook import conftest as notebook
from tests.notebook.test_completion import complete

shell = notebook.shell

HAIKU = """
from synthkit.recipes import recipe, user

@recipe
def haiku(row, *, lines: int = 3):
    "Haikus about topics."
    (answer,) = yield [user(f"Write {lines} lines about {row['topic']}.")]
    return {"haiku": answer.text, "lines": lines}
"""


def test_a_recipe_is_listed_completed_and_run(
    shell: notebook.Shell, install: Callable[..., None]
) -> None:
    install(RECIPES, "haiku", HAIKU)
    assert "Haikus about topics." in shell.run("%synth recipes")
    assert "--lines" in shell.run("%synth recipes haiku")
    assert complete(shell, "%synth generate x --recipe hai") == ["%synth generate x --recipe haiku"]
    shell.ip.user_ns["topics"] = [{"topic": "rain"}, {"topic": "bread"}]
    shell.run("%synth generate poems --recipe haiku --from topics --lines 2 --model fake")
    assert list(shell["poems"].lines) == [2, 2]
    assert list(shell["poems"].topic) == ["rain", "bread"]


SHOUTING = """
from synthkit.core.types import Score
from synthkit.evaluate import metric

@metric("shouting", kind="diversity")
def shouting(texts):
    loud = [float(text.isupper()) for text in texts]
    return Score(name="shouting", value=sum(loud) / len(loud), n=len(loud), parts=loud)
"""
LENGTHS = """
import plotly.graph_objects as go
from synthkit.plots import plot

@plot("lengths")
def lengths(table, label, *, bins=10):
    "Text lengths by label."
    return go.Figure(go.Scatter(x=table[label], y=table["text"].str.len(), name=str(bins)))
"""


@pytest.fixture
def texts(shell: notebook.Shell) -> Iterator[notebook.Shell]:
    """A shell with a table; what its cells register is removed at the end."""
    table = pd.DataFrame({"text": ["HELP", "thanks a lot"], "mood": ["bad", "good"]})
    shell.ip.user_ns["mails"] = table
    yield shell
    for registry, name in ((METRICS, "shouting"), (PLOTS, "lengths")):
        if name in registry._added:
            registry.remove(name)


@pytest.mark.parametrize("where", ["package", "notebook"])
def test_a_metric_is_listed_completed_and_reported(
    texts: notebook.Shell, install: Callable[..., None], where: str
) -> None:
    if where == "package":
        install(METRICS, "shouting", SHOUTING)
    else:
        texts.run(SHOUTING)
    assert "shouting" in texts.run("%synth eval --help")
    assert complete(texts, "%synth eval mails --metric shou") == [
        "%synth eval mails --metric shouting"
    ]
    texts.run("%synth eval mails --embedder none --metric shouting --metric MTLD")
    scores = texts["mails_scores"]
    assert scores[["kind", "metric", "value"]].values.tolist() == [["diversity", "shouting", 0.5]]


@pytest.mark.parametrize("where", ["package", "notebook"])
def test_a_plot_is_listed_completed_and_drawn(
    texts: notebook.Shell, install: Callable[..., None], where: str
) -> None:
    if where == "package":
        install(PLOTS, "lengths", LENGTHS)
    else:
        texts.run(LENGTHS)
    assert "lengths" in texts.run("%synth plot --help")
    assert complete(texts, "%synth plot leng") == ["%synth plot lengths"]
    texts.run("%synth plot lengths mails --label mood --bins 3")
    (trace,) = texts.shown[0].data[PLOTLY]["data"]
    assert (trace["x"], trace["name"]) == (["bad", "good"], "3")
    with pytest.raises(Exception, match="lengths needs --label COLUMN"):
        texts.run("%synth plot lengths mails")


def test_a_package_that_fails_leaves_the_other_metrics_usable(install: Callable[..., None]) -> None:
    install(METRICS, "broken", "1 / 0")
    found = report([{"text": "the soup and the bread"}])
    assert "ZeroDivisionError" in found.left_out["broken"]
    assert "MTLD" in found.scores


NO_SHOUTING = """
from synthkit.curate import filter_option, text_filter

@filter_option("no-shouting", takes="NUMBER")
def no_shouting(most, column):
    "Drop texts with more capitals than a share of NUMBER."
    def test(text):
        return "shouting" if sum(map(str.isupper, text)) > most * len(text) else ""
    return text_filter(f"no shouting above {most}", column, test)
"""


def test_a_filter_of_a_package_is_listed_completed_and_used(
    shell: notebook.Shell, install: Callable[..., None]
) -> None:
    install(FILTERS, "no-shouting", NO_SHOUTING)
    assert "drop texts with more capitals" in " ".join(shell.run("%synth filter -h").split())
    shell.ip.user_ns["reviews"] = [{"text": "GOOD SOUP!"}, {"text": "Good soup."}]
    assert complete(shell, "%synth filter reviews --no-sh") == [
        "%synth filter reviews --no-shouting"
    ]
    shell.run("%synth filter reviews --no-shouting 0.5")
    assert [row["text"] for row in shell["reviews_kept"].to_dict("records")] == ["Good soup."]


def test_a_filter_of_a_notebook_is_used_on_the_next_line(shell: notebook.Shell) -> None:
    shell.ip.user_ns["reviews"] = [{"text": "GOOD SOUP!"}, {"text": "Good soup."}]
    shell.run("%synth filter reviews --length 1-")
    shell.run(NO_SHOUTING)
    shell.run("%synth filter reviews --no-shouting 0.5")
    assert [row["text"] for row in shell["reviews_kept"].to_dict("records")] == ["Good soup."]
    FILTERS.remove("no-shouting")


def test_a_package_that_fails_leaves_the_other_filters_usable(
    shell: notebook.Shell, install: Callable[..., None]
) -> None:
    install(FILTERS, "broken", "1 / 0")
    shell.ip.user_ns["reviews"] = [{"text": "Soup."}, {"text": "Good soup."}]
    shell.run("%synth filter reviews --length 2-")
    assert len(shell["reviews_kept"]) == 1
    with pytest.raises(UsageError, match=r"--broken.*ZeroDivisionError"):
        shell.run("%synth filter reviews --broken 1")


ECHO = """
from synthkit import Fake
from synthkit.models import model_scheme

@model_scheme("echo")
def echo(name, *, prefix=""):
    "A model that repeats the prompt."
    return Fake(lambda request: prefix + request.messages[-1].content, name=name)
"""
LETTERS = """
import numpy as np
from synthkit.models import embedder

@embedder("letters")
class Letters:
    "Counts of two letters."
    fingerprint, dim = "letters", 2

    def __init__(self, name):
        self.name = name

    def embed(self, texts):
        counts = np.array([[text.count(letter) for letter in self.name] for text in texts], float)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)
"""


@pytest.fixture
def lines(shell: notebook.Shell) -> Iterator[notebook.Shell]:
    """A shell; the scheme and the embedder that its cells register are removed at the end."""
    yield shell
    for registry, name in ((MODEL_SCHEMES, "echo"), (EMBEDDERS, "letters")):
        if name in registry._added:
            registry.remove(name)


@pytest.mark.parametrize("where", ["package", "notebook"])
def test_a_model_scheme_is_listed_completed_and_asked(
    lines: notebook.Shell, install: Callable[..., None], where: str
) -> None:
    if where == "package":
        install(MODEL_SCHEMES, "echo", ECHO)
    else:
        lines.run(ECHO)
    assert "echo:NAME" in lines.run("%synth models")
    assert complete(lines, "%%synth a --model ech") == ["%%synth a --model echo:"]
    lines.run("%%synth a --model echo:x\nSay it.")
    assert list(lines["a"].text) == ["Say it."]
    lines.run("%synth model loud echo:y --prefix '> '")
    lines.run("%%synth b --model loud\nSay it.")
    assert list(lines["b"].text) == ["> Say it."]


@pytest.mark.parametrize("where", ["package", "notebook"])
def test_an_embedder_is_listed_completed_and_used(
    lines: notebook.Shell, install: Callable[..., None], where: str
) -> None:
    if where == "package":
        install(EMBEDDERS, "letters", LETTERS)
    else:
        lines.run(LETTERS)
    assert "letters:NAME" in lines.run("%synth models")
    assert complete(lines, "%synth eval t --embedder let") == ["%synth eval t --embedder letters:"]
    lines.ip.user_ns["t"] = pd.DataFrame({"text": ["aab", "abb", "bbb"]})
    lines.run("%synth filter t --dedupe-meaning 0.85 --embedder letters:ab")
    assert list(lines["t_kept"].text) == ["aab", "abb"]
    lines.run("%synth eval t --embedder letters:ab --metric APS")
    assert "letters:ab" in lines["t_scores"].how[0]
