"""A class: names, who marks what, what comes back, agreement, and the final labels."""

from __future__ import annotations

import pytest

from synthkit.core.errors import UsageError
from tests.notebook.conftest import Shell

TABLE = (
    "import pandas as pd\n"
    "said = pd.DataFrame({'id': list('abcdef'), 'text': [f'A line on {x}.' for x in 'abcdef']})"
)


def test_a_name_is_given_shown_and_refused(shell: Shell) -> None:
    assert shell.run("%synth me") == "marks are by 'me'; %synth me NAME names you\n"
    assert shell.run("%synth me Maya Lin") == "marks are by 'Maya Lin'\n"
    assert shell.run("%synth me") == "marks are by 'Maya Lin'\n"
    with pytest.raises(UsageError, match="1 to 80 printable characters"):
        shell.run(f"%synth me {'x' * 81}")


def test_marks_stay_by_the_name_under_which_they_were_made(shell: Shell) -> None:
    shell.run(f"{TABLE}\n%synth mark said")
    shell.run("said_marker.mark(['a', 'b'], 'accept')")
    assert shell.run("%synth me Maya") == "marks are by 'Maya'\n2 marks by 'me' stay by 'me'\n"
    shell.run("%synth mark said")
    shell.run("said_marker.mark('c', 'reject')")
    assert [mark.by for mark in shell.context.session.marks()] == ["me", "me", "Maya"]
    assert shell.run("%synth me Bo") == (
        "marks are by 'Bo'\n1 mark by 'Maya' stays by 'Maya'\n2 marks by 'me' stay by 'me'\n"
    )


def test_a_marker_hints_once_at_the_name_and_only_where_a_person_watches(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    hint = "marks are by 'me'; %synth me NAME names you"
    assert hint not in shell.run(f"{TABLE}\n%synth mark said")
    monkeypatch.setenv("SYNTHKIT_LIVE", "1")
    assert hint not in shell.run("%synth mark said --by Bo")
    assert hint in shell.run("%synth mark said")
    assert hint not in shell.run("%synth mark said")
    shell.run("%config SynthMagics.folder = 'other'\n%synth me Maya")
    assert hint not in shell.run("%synth mark said")
