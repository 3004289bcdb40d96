"""A class: names, who marks what, what comes back, agreement, and the final labels."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.notebook.verbs._base import VERBS
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


def test_each_part_is_listed_explained_and_found(shell: Shell) -> None:
    listed = shell.run("%synth class")
    explained = " ".join(shell.run("%synth class?").split())
    assert "%synth class assign" not in shell.run("%synth")
    for name in (each for each in VERBS if each.startswith("class ")):
        summary = VERBS[name].summary
        assert f"%synth {name}" in listed
        assert f"{name.split()[1]}: {summary.rstrip('.')}" in explained
    with pytest.raises(UsageError, match=r"'asign' not found.*Did you mean 'assign'"):
        shell.run("%synth class asign said")


def test_a_class_is_assigned_rows_and_a_student_marks_the_own_ones(
    shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "names.txt").write_text("Maya\nBo Li\n\nCy\n", encoding="utf-8")
    line = "%synth class assign said --rows 4 --overlap 2 --students"
    said = shell.run(f"{TABLE}\n{line} names.txt")
    loads = shell["said_assigned"]["student"].value_counts().to_dict()
    assert sorted(loads.values()) == [2, 3, 3]
    for student, n in loads.items():
        assert re.search(rf"^{student} +{n}$", said, re.M)
    assert "4 rows to 2 students each, 2 to 3 rows a student; bound said_assigned" in said
    assigned = shell["said_assigned"]
    with pytest.raises(UsageError, match="exists already"):
        shell.run(f"{line} names.txt")
    shell.run("who = ['Maya', 'Bo Li', 'Cy']")
    for students in ("@who", "'Maya,Bo Li,Cy'"):
        shell.run(f"{line} {students} --over")
        assert shell["said_assigned"].equals(assigned)
    with pytest.raises(UsageError, match=r"no.txt: the file cannot be read"):
        shell.run(f"{line} no.txt")
    shell.run("del said, said_assigned\n%config SynthMagics.folder = 'student'")
    with pytest.raises(UsageError, match="attach the lesson"):
        shell.run("said = 3\nsaid = [{'id': 'a', 'text': 'x'}]\n%synth mark said --assigned")
    shell.run("del said\n%synth session --attach lesson.zip\n%synth me Bo Lu")
    with pytest.raises(UsageError, match=r"Did you mean 'Bo Li'\? %synth me NAME changes"):
        shell.run("%synth mark said --assigned")
    shell.run("%synth me Bo Li\n%synth mark said --assigned")
    own = assigned["id"][assigned["student"] == "Bo Li"].tolist()
    assert shell["said_marker"].scope == own


def student(folder: Path, name: str, labels: str, *, file: str = "") -> None:
    """Write the bundle of a student who gave each row of "abcdef" a label: a, r or none (-)."""
    names = {"a": "accept", "r": "reject"}
    with sk.Session(folder / "sessions" / (file or name)) as session:
        session.person = name
        for id, label in zip("abcdef", labels, strict=True):
            if label != "-":
                session.mark(id, names[label], by=name)
        session.export(folder / f"{file or name}.zip", over=True)


def test_what_students_send_comes_in_once_and_says_what_it_was(
    shell: Shell, tmp_path: Path
) -> None:
    student(tmp_path, "Maya", "aar---")
    student(tmp_path, "Bo", "--raa-")
    student(tmp_path, "Maya", "r-----", file="other")
    (tmp_path / "torn.zip").write_bytes((tmp_path / "Bo.zip").read_bytes()[:-99])
    said = shell.run("%synth class collect *.zip").splitlines()
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in said[2:6]}
    assert rows == {
        "Bo.zip": "Bo 3 marks",
        "Maya.zip": "Maya 3 marks",
        "other.zip": "Maya 1 mark",
        "torn.zip": "damaged",
    }
    assert "4 bundles: 7 marks new, 1 damaged" in said
    text = "\n".join(said)
    assert "torn.zip: " in text
    assert "both marks stay where one name marked 1 row differently:" in text
    assert "row a by Maya: 'accept' in session" in text or "row a by Maya: 'reject' in" in text
    again = shell.run("files = ['Maya.zip', 'Bo.zip']\n%synth class collect @files other.zip")
    assert "3 bundles: nothing new" in again
    assert re.search(r"Maya\.zip +Maya +3 marks", again)
    assert len(shell.context.session.marks()) == 7
    with pytest.raises(UsageError, match=r"no bundles in no\*\.zip"):
        shell.run("%synth class collect no*.zip")
