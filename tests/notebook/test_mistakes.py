"""Mistakes in a cell or a line: a sentence says what was expected, and nothing is lost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from synthkit.core.errors import (
    Interrupted,
    ModelNotFound,
    PromptError,
    SynthkitError,
    TableError,
    UsageError,
)
from synthkit.models.fake import Fake
from synthkit.notebook.arguments import split
from synthkit.notebook.cell import cell_options
from tests.notebook.conftest import Shell

TEN = "%%synth facts --model fake --n 10\nTell a fact."


@pytest.mark.parametrize(
    ("cell", "error", "words"),
    [
        ("%%synth\nHi.", UsageError, "NAME"),
        ("%%synth 1x --model fake\nHi.", UsageError, "got '1x'"),
        ("%%synth a --model fake --temprature 1\nHi.", UsageError, "mean '--temperature'"),
        ("%%synth a --model fake --n few\nHi.", UsageError, "few"),
        (
            "%%synth a --model fake --temperature hot\nHi.",
            UsageError,
            "expected a number for --temperature",
        ),
        (
            "%%synth a --model fake --seed 1.5\nHi.",
            UsageError,
            "expected a whole number for --seed",
        ),
        ("%%synth a --model fake --n 0\nHi.", UsageError, "at least 1; got 0"),
        ("%%synth a --model fake --system 'open\nHi.", UsageError, "quotation"),
        ("%%synth a --model fake\n   \n", PromptError, "empty"),
        ("%%synth a --model fake", PromptError, "empty"),
        ("%%synth a --model fake --max-cost -1\nHi.", UsageError, "at least 0; got -1"),
        ("%%synth a --model fake --max-requests -1\nHi.", UsageError, "at least 0; got -1"),
        ("%%synth a --model fake --vary t=x\n{{ t", PromptError, "statement'; the line is"),
        ("%%synth a --model fake --vary t=x\n{{ topic }}", PromptError, "have 't'"),
        ("%%synth a --model fake --vary topic\nHi.", UsageError, "FIELD=a,b,c"),
        ("%%synth a --model fake --vary t=@gone\nHi.", UsageError, "'gone' not found"),
        ("%%synth a --model fake --from gone\nHi.", TableError, "'gone' not found"),
        ("%%synth a --model fake --schema gone.json\nHi.", UsageError, "file: No such file or"),
        ("%%synth a --model smolm2\nHi.", ModelNotFound, "mean 'smollm2'"),
        ("%synth modl", UsageError, "mean 'model'"),
        ("%synth trace xyz", TableError, "'xyz'"),
        ("%synth model", UsageError, "NAME SPEC"),
        ("%synth model m fake --wings 2", UsageError, "wings"),
        ("%synth model m openai:m --price 3", UsageError, "--price [0.1,0.4]; got 3"),
        ("%synth model m openai:m --timeout soon", UsageError, "timeout must be a number"),
        ("%synth model m openai:m --default-headers x", UsageError, "must be a dict"),
        ("%synth show a.csv", TableError, "are read by --from"),
        ("%%synth a --model fake --extra k\nHi.", UsageError, "such as top_k=40; got 'k'"),
    ],
)
def test_mistakes_are_told_with_what_was_expected(
    shell: Shell, cell: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as told:
        shell.run(cell)
    assert words in str(told.value)


@pytest.mark.parametrize("option", ["--schema {}", "--tools {}", "--labels @{}", "--vary x=@{}"])
@pytest.mark.parametrize("name", ["table", "column", "array", "empty"])
def test_what_an_option_cannot_take_is_told_in_a_sentence(
    shell: Shell, option: str, name: str
) -> None:
    table = pd.DataFrame({"text": ["one", "two"]})
    values = {"table": table, "column": table["text"], "array": table["text"].to_numpy()}
    shell.ip.user_ns |= {**values, "empty": None}
    cell = f"%%synth a --model fake {option.format(name)}\nHi."
    if "@" in option and name in ("column", "array"):
        shell.run(cell.replace("Hi.", "Hi {{ x }}.") if "vary" in option else cell)
        return
    with pytest.raises(UsageError, match=r"^.*(table|DataFrame|Series|array|None).*$"):
        shell.run(cell)


def test_an_error_is_shown_without_a_traceback(shell: Shell, capsys: Any) -> None:
    shell.ip.run_cell("%%synth a --model fake --vary t=x\n{{ topic }}")
    shown = capsys.readouterr()
    assert "PromptError: field 'topic' not found; have 't'." in shown.out + shown.err
    assert "Traceback" not in shown.out + shown.err


def test_a_learned_filter_that_is_not_there_is_noticed_before_the_model_is_asked(
    shell: Shell,
) -> None:
    shell.ip.user_ns["fake"] = fake = Fake()
    with pytest.raises(UsageError, match="learned filter 'gone' not found"):
        shell.run("%%synth facts --model fake --learned gone\nTell a fact.")
    assert not fake.asked


@pytest.mark.parametrize(
    "line", ["%%synth a --model fake --n 3\nHi.", "%synth filter a --length 1-"]
)
def test_an_interrupt_before_or_beside_a_run_is_a_sentence(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    shell.ip.user_ns["a"] = pd.DataFrame({"text": ["one"]})

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("synthkit.notebook.cell.prompt", interrupted)
    monkeypatch.setattr("synthkit.sessions.session.Session.curate", interrupted)
    with pytest.raises(Interrupted, match="Interrupted"):
        shell.run(line)


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("%synth filter a --length 1-", "verbs.filter"),
        ("%synth class agreement a", "verbs.classes"),
        ("%%synth a --model fake\nHi.", "cell"),
    ],
)
def test_an_interrupt_of_a_first_import_is_a_sentence(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, line: str, module: str
) -> None:
    from synthkit.notebook.verbs._base import VERBS

    class Interrupting:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == f"synthkit.notebook.{module}":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, f"synthkit.notebook.{module}", raising=False)
    monkeypatch.setattr(VERBS, "_values", {})
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    magic = " ".join(line.split()[:2])
    with pytest.raises(Interrupted, match=rf"^Interrupted: {magic} has not finished\.$"):
        shell.run(line)


def test_the_run_of_a_cell_that_ran_to_its_end_can_still_be_awaited(shell: Shell) -> None:
    shell.run("%%synth facts --model fake --n 5 --background\nTell a fact.")
    run = shell["facts_run"]
    run.stop()
    assert run.wait(1) is run


def test_help_of_a_cell_needs_no_cell(shell: Shell) -> None:
    assert "--vary" in shell.run("%%synth quiz --help")


@pytest.mark.parametrize("line", ["afile", "other --store mysql://x/y"])
def test_a_session_that_cannot_be_opened_leaves_the_notebook_in_its_own(
    shell: Shell, line: str
) -> None:
    Path("afile").write_text("x")
    shell.run(TEN)
    with pytest.raises(SynthkitError):
        shell.run(f"%synth session {line}")
    assert "10 cached" in shell.run(TEN)


def test_a_value_may_begin_with_dashes(shell: Shell) -> None:
    words = split("a --stop --- --stop '--- end' --stop --> --seed -1 -t 0 -b")
    options = cell_options(shell.context, words)
    assert options.stop == ["---", "--- end", "-->"]
    assert (options.seed, options.temperature, options.background) == (-1, 0.0, True)
    shell.run("%%synth a --model fake --stop ---\nHi.")
    with pytest.raises(UsageError, match="expected a value; one that begins with '-' is written"):
        shell.run("%%synth a --model fake --stop -x\nHi.")
    with pytest.raises(UsageError, match="option '--seeds' not found"):
        shell.run("%%synth a --model fake --stop --seeds 1\nHi.")
