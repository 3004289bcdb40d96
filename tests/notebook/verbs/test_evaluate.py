from __future__ import annotations

import pandas as pd
import pytest
from IPython.utils.capture import capture_output

from synthkit.core.errors import SynthkitError
from synthkit.sessions.current import session
from tests.notebook.conftest import Shell

TOPICS = "soup bread wine staff".split()


@pytest.fixture(autouse=True)
def tables(shell: Shell) -> None:
    """A table of two labels, real rows, and a table that says one thing."""
    said = ["good" if n % 2 else "bad" for n in range(40)]
    rows = [
        {"id": f"r{n}", "text": f"the {TOPICS[n % 4]} was {said[n]} {n}", "label": said[n]}
        for n in range(40)
    ]
    shell.ip.user_ns["reviews"] = pd.DataFrame(rows[:16])
    shell.ip.user_ns["real"] = pd.DataFrame(rows[16:])
    shell.ip.user_ns["plain"] = pd.DataFrame(rows[:16]).assign(text="it was all just fine")


def test_one_line_measures_and_says_what_it_left_out(shell: Shell) -> None:
    line = "eval reviews --against real --label label --embedder none"
    out = shell.ip.run_line_magic("synth", line)
    plain = repr(out)
    assert " scores, 95 % intervals" in plain
    assert "bound reviews_scores; saved in the session" in plain
    assert "an embedder (embed)" in plain
    table = shell["reviews_scores"]
    assert {"vocabulary", "self-BLEU-4", "label total variation"} <= set(table["metric"])
    assert "<bdi>self-BLEU-4</bdi>" in out.html


def test_a_bar_counts_the_metrics_and_gives_way_to_the_scores(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTHKIT_LIVE", "1")
    monkeypatch.setattr("synthkit.notebook.output.scores.PAUSE", -1)
    shell.run("%synth eval reviews --embedder none --metric MTLD --metric self-BLEU")
    pages = [str(one.data["text/html"]) for one in shell.shown]
    assert [page.count("<progress") for page in pages] == [1, 1, 1, 1, 0]
    assert "1 of 2 self-BLEU" in pages[2]
    assert "<bdi>self-BLEU-4</bdi>" in pages[-1]
    places = {one.transient["display_id"] for one in shell.shown}
    assert len(places) == 1  # each in the place of the one before


def test_an_error_leaves_no_bar(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHKIT_LIVE", "1")
    with capture_output() as captured:
        result = shell.ip.run_cell("%synth eval reviews --embedder none --label gone --metric TSTR")
    assert isinstance(result.error_in_exec, SynthkitError)
    first, *_, last = (out.data["text/plain"] for out in captured.outputs)
    assert (first, last) == ("0 of 1", "")


def test_checks_and_a_learner_come_from_the_line(shell: Shell) -> None:
    shell.ip.user_ns["always"] = lambda texts, labels, weights: lambda new: ["good"] * len(new)
    shell.run(
        "%synth eval reviews --against real --label label --embedder none --learner @always "
        "--check 'length text 5-5 words' --check 'regex text good' --metric TSTR "
        "--metric 'pass rate'",
    )
    found = shell["reviews_scores"].set_index("metric")["value"]
    assert found["pass rate"] == 0.5
    assert found["regex text good"] == 0.5
    assert found["length text 5-5 words"] == 1
    assert found["TSTR accuracy"] == 0.5


def test_marks_are_among_the_scores(shell: Shell) -> None:
    session().mark(["r0", "r1", "r2"], "accept", by="ana")
    session().mark(["r3"], "reject", by="ana")
    shell.run("%synth eval reviews --embedder none --metric 'accept rate'")
    assert shell["reviews_scores"]["value"].tolist() == [0.75]


def test_two_versions_are_told_apart_or_not(shell: Shell) -> None:
    for name in ("reviews", "plain"):
        shell.run(f"%synth eval {name} --embedder none")
    plain = shell.run("%synth scores reviews plain")
    assert "reviews against plain" in plain
    line = next(line for line in plain.splitlines() if line.startswith("self-BLEU-4"))
    assert line.rstrip().endswith("better")
    again = shell.run("%synth scores reviews 1")
    assert "no significant difference" in again
    assert "better" not in again
    assert "1 reviews" in shell.run("%synth scores")
    assert "2 plain" not in shell.run("%synth scores reviews")
    assert "2 plain" in shell.run("%synth scores 2")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("eval reviews --check 'judge Is it kind?'", "asks a model"),
        ("eval reviews --check 'weight text 3'", "check 'weight' not found"),
        ("eval reviews --metric bleu --embedder none", "bleu"),
        ("eval nothing", "nothing"),
        ("eval reviews --label tone --embedder none", "tone"),
        ("eval reviews --against gone", "gone"),
        ("scores", "no scores are stored"),
        ("scores reviews", "no scores are stored"),
        ("scores a b", "evaluation"),
        ("scores a b c", "one or two"),
    ],
)
def test_what_cannot_be_done_says_why(shell: Shell, line: str, says: str) -> None:
    with pytest.raises(SynthkitError, match=says):
        shell.run(f"%synth {line}")
