"""``%%synth check``: an exercise passes, or says in one line what is wrong and why."""

from __future__ import annotations

import pytest

from synthkit.core.errors import CheckFailed, UsageError
from tests.notebook.conftest import Shell

LENGTH = (
    "%%synth check length --points 2\n"
    "short = [text for text in texts if len(text) < 5]\n"
    "assert not short, f'texts need 5 letters; {short[0]!r} has {len(short[0])}.'\n"
    "assert (len(texts)\n    == 2)"
)


def failed(shell: Shell, cell: str) -> str:
    with pytest.raises(CheckFailed) as caught:
        shell.run(cell)
    return "\n".join(caught.value._render_traceback_())


def test_an_exercise_that_is_solved_passes_with_its_points(shell: Shell) -> None:
    shell.run("texts = ['A line.', 'A word.']")
    assert shell.run(LENGTH) == "length: passed, 2 points"
    assert shell.run("%%synth check sum\nassert 1 + 1 == 2") == "sum: passed, 1 point"
    (output,) = shell.shown
    assert output.metadata["synthkit"] == {"check": "sum", "passed": True}


@pytest.mark.parametrize(
    ("before", "why"),
    [
        ("", "length: not yet: there is no 'texts' here; run the cells above, or write it."),
        ("texts = ['A.']", "length: not yet: texts need 5 letters; 'A.' has 2."),
        ("texts = ['A line.']", "length: not yet: len(texts) == 2 does not hold."),
        (
            "texts = [3]",
            "length: the check could not run: TypeError: object of type 'int' has no len(), in: "
            "short\n"
            "= [text for text in texts if len(text) < 5]",
        ),
    ],
)
def test_one_that_is_not_says_what_is_wrong_without_a_traceback(
    shell: Shell, before: str, why: str
) -> None:
    shell.run(before)
    assert failed(shell, LENGTH) == why


def test_a_check_reads_variables_and_changes_none(shell: Shell) -> None:
    shell.run("texts = ['A line.', 'A word.']\nshort = 'mine'")
    shell.run(LENGTH)
    assert shell["short"] == "mine"
    functions = "def half(n):\n    return n / 2\nassert [half(n) for n in (2, 4)] == [1, 2]"
    assert "passed" in shell.run(f"%%synth check own\n{functions}")


def test_errors_in_the_solution_and_in_the_check_are_told(shell: Shell) -> None:
    shell.run("def solve(n):\n    assert n > 3, 'n is small'\n    return {}['answer']")
    assert failed(shell, "%%synth check a\nassert solve(2)") == "a: not yet: n is small"
    assert failed(shell, "%%synth check a\nassert solve(4)") == (
        "a: the check could not run: KeyError: 'answer', in: assert solve(4)"
    )
    said = failed(shell, "%%synth check a\nWrite a sentence.")
    assert said.startswith("a: the check is not Python, line 1: invalid syntax.")


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("%%synth check\nSay.", "required: NAME.*a table needs another name than check"),
        ("%%synth check --n 4\nSay.", "option '--n' not found.*a table needs another name"),
        ("%%synth --n 4 --model fake check\nSay.", "check begins the check of an exercise"),
        ("%%synth check one two\nassert True", "unrecognized arguments: two"),
        ("%%synth check a --points many\nassert True", "expected a number for --points"),
        ("%%synth check a --points -1\nassert True", "expected points from 0; got -1"),
        ("%%synth check total\nassert True", "named by letters.*got 'total'"),
        ("%%synth check a.b\nassert True", "named by letters.*got 'a.b'"),
        ("%%synth check a", "a check is a cell"),
        ("%synth check a", "a check is a cell"),
    ],
)
def test_a_wrong_line_says_what_is_wrong(shell: Shell, cell: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"(?s){why}"):
        shell.run(cell)


def test_help_and_completion_know_checks(shell: Shell) -> None:
    for line in ("%%synth check --help", "%synth check --help", "%synth check?"):
        assert "--points N" in shell.run(line)
    completer = shell.ip.magics_manager.registry["SynthMagics"].completer
    assert completer.candidates("%%synth check a --") == ["--points"]
