"""A class: names, who marks what, what comes back, agreement, and the final labels."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from synthkit.core.errors import UsageError
from synthkit.notebook.verbs._base import VERBS
from synthkit.notebook.verbs.serve import SERVING
from tests.notebook.conftest import Shell
from tests.server import Server
from tests.sessions.classroom.conftest import CLASS, marks_of, send

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


@pytest.mark.parametrize("to", ["lesson.zip", "no/lesson.zip", "taken"])
@pytest.mark.parametrize("first", [True, False])
def test_an_assignment_that_is_refused_changes_nothing(
    shell: Shell, tmp_path: Path, to: str, first: bool
) -> None:
    line = "%synth class assign said --students a,b,c --rows"
    shell.run(TABLE if first else f"{TABLE}\n{line} 2")
    (tmp_path / "taken").mkdir()
    (tmp_path / "lesson.zip").write_bytes(b"there")

    def state() -> dict[str, list[object]]:
        session = shell.context.session
        return {name: session.load(name).values.tolist() for name in session.names()}

    before = state()
    with pytest.raises(UsageError):
        shell.run(f"{line} 4 --to {to}")
    assert state() == before
    assert ("said_assigned" in shell.ip.user_ns) is not first
    if not first:
        assert len(shell["said_assigned"]) == 6


def test_what_students_send_comes_in_once_and_says_what_it_was(
    shell: Shell, tmp_path: Path
) -> None:
    for name, labels, file in (
        ("Maya", "aar---", "Maya"),
        ("Bo", "--raa-", "Bo"),
        ("Maya", "r-----", "other"),
    ):
        send(tmp_path, name, labels, on=file)
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


@pytest.fixture
def school(shell: Shell, tmp_path: Path) -> Shell:
    """The notebook of a teacher who marked four rows and collected what three students sent."""
    for name, labels in CLASS.items():
        send(tmp_path, name, labels)
    shell.run(f"{TABLE}\n%synth me Ms Ada\n%synth class collect *.zip")
    shell.context.session.store.marks.add(marks_of("Ms Ada", "arrr--"))
    return shell


def test_agreement_is_shown_and_bound(school: Shell) -> None:
    said = school.run("%synth class agreement said")
    assert "Krippendorff's alpha (nominal): -0.2 [" in said
    assert "4 of 5 rows with two labels contested" in said
    assert re.search(r"Bo +Cy +4 +0\.25 \[0\.05, 0\.70\] +-0\.5$", said, re.M)
    assert re.search(r"Ms Ada +Bo +3 +1\.00 \[0\.44, 1\.00\] +1\.0$", said, re.M)
    assert re.search(r"b +accept 2, reject 1 +0\.6667 +reject +A line on b\.", said)
    assert school["said_pairs"]["n"].tolist() == [4, 4, 3]
    assert school["said_contested"]["id"].tolist() == ["d", "e", "b", "c"]
    hidden = school.run("%synth class agreement said --anonymous")
    assert "Student 1" in hidden
    assert not re.search(r"Maya|Bo|Cy", hidden)
    with pytest.raises(UsageError, match="no student marked other yet"):
        school.run("other = [{'id': 'x', 'text': 'y'}]\n%synth class agreement other")


def test_the_teacher_decides_in_the_marker(school: Shell) -> None:
    said = school.run("%synth class adjudicate said")
    assert "said: 4 rows contested" in said
    assert "teacher 4, tie 1, no label 1" in said
    assert "2 rows undecided" in said
    marker = school["said_adjudication"]
    assert marker.scope == ["d", "e", "b", "c"]
    assert marker.table.row("e") == {"votes": "accept: Bo; reject: Cy", "text": "A line on e."}
    school.run("said_adjudication.mark('e', 'accept')\n%synth class adjudicate said --anonymous")
    final = school["said_adjudicated"].set_index("id")
    assert final.loc["e", ["label", "decided"]].tolist() == ["accept", "teacher"]
    assert school["said_adjudication"].table.row("e")["votes"] == "accept 1, reject 1"
    assert school.context.session.marks()[-1].by == "Ms Ada"


def test_the_dashboard_shows_a_figure_and_a_table(school: Shell) -> None:
    said = school.run("%synth class dashboard said")
    (figure,) = (
        each.data for each in school.shown if "application/vnd.plotly.v1+json" in each.data
    )
    bars = figure["application/vnd.plotly.v1+json"]["data"][0]
    assert bars["y"] == ["Bo", "Cy", "Maya"]
    assert bars["x"] == pytest.approx([4 / 6, 5 / 6, 4 / 6], abs=1e-4)
    assert "said: 13 of 18 marks; bound said_progress" in said
    assert "null" not in said
    assert re.search(r"Cy +5 +6 +10\.0 +0\.25 +4 +3 +2", said)
    assert "Maya" not in school.run("%synth class dashboard said --anonymous")
    assert school["said_progress"]["student"].tolist() == ["Student 1", "Student 2", "Student 3"]


def test_a_machine_is_checked_for_a_lesson(shell: Shell) -> None:
    said = shell.run("%synth class check --model fake")
    assert re.search(r"^versions +✓ +Python 3\.", said, re.M)
    assert re.search(r"^port +✓ +8\d\d\d is free", said, re.M)
    assert "weights" not in said
    assert "this machine can run the lesson" in said
    said = shell.run("%synth class check --model granite-4.0-micro")
    assert re.search(r"^weights +✗ no +granite-4\.0-micro is not here +synthkit pull", said, re.M)
    assert re.search(r"^\d lines? not ok$", said, re.M)


def test_a_long_list_of_names_is_a_class(shell: Shell) -> None:
    shell.run(TABLE)
    names = [f"Student{n:02} Smith" for n in range(30)]
    assert shell.run(f"%synth class assign said --students '{','.join(names)}'")
    assert set(shell["said_assigned"]["student"]) <= set(names)


@pytest.mark.parametrize(
    ("students", "message"),
    [
        ("''", r"--students '' has no names"),
        ("', ,'", r"has no names"),
        ("@nobody", r"--students '@nobody' has no names"),
        ("@dicts", r"--students @dicts: expected names; got a dict\."),
        ("missing.txt", "the file cannot be read"),
        (f"{'x' * 300}.txt", "the file cannot be read"),
    ],
)
def test_a_list_of_a_class_without_names_is_refused(
    shell: Shell, students: str, message: str
) -> None:
    shell.run(f"{TABLE}\nnobody, dicts = [], [{{'name': 'Maya'}}]")
    with pytest.raises(UsageError, match=message):
        shell.run(f"%synth class assign said --students {students}")


def test_what_is_served_goes_on_if_another_cannot_be(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLASS_KEY", "sk-proj-0aB1cD2eF3gH4iJ5")
    with Server() as server:
        load = f"%synth model small openai:m --base-url {server.base_url} --api-key-env"
        shell.run(f"{load} CLASS_KEY")
        line = "%synth class serve small --host 127.0.0.1 --students Maya,Bo"
        shell.run(line)
        (before,) = SERVING
        Path("notes.csv").write_text("mine")
        wrong = ["--cap 0", "--at-once 0", "--port 99999", "--port -1", "--host nowhere.invalid"]
        wrong += ["--tokens notes.csv", "--students Maya,Maya", f"--port {server.port}"]
        for options in wrong:
            with pytest.raises(UsageError):
                shell.run(f"{line} {options}")
        with pytest.raises(UsageError, match="runs here"):
            shell.run("%synth class serve fake --students Maya")
        assert [before] == SERVING
        assert "0 requests of 2 students" in shell.run("%synth class serve")
        shell.run(f"{line} --port {before.port}")
        assert [each.port for each in SERVING] == [before.port]
        assert [before] != SERVING
        shell.run("%synth class serve --stop")


def test_an_endpoint_is_served_to_a_class(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLASS_KEY", key := "sk-proj-0aB1cD2eF3gH4iJ5")
    with pytest.raises(UsageError, match="nothing is served here"):
        shell.run("%synth class serve")
    with pytest.raises(UsageError, match="say who the class is: --students"):
        shell.run("%synth class serve fake")
    with pytest.raises(UsageError, match="runs here; only a server's model can be served"):
        shell.run("%synth class serve fake --students Maya,Bo")
    with Server() as server:
        load = f"%synth model small openai:m --base-url {server.base_url} --api-key-env"
        shell.run(f"{load} CLASS_KEY")
        said = shell.run("%synth class serve small --students Maya,Bo --cap 3 --host 127.0.0.1")
        assert re.search(r"m: served at http://127\.0\.0\.1:80\d\d/v1 to 2 students, 3 req", said)
        (line,) = re.findall(r"^(%synth model .*) --ask-key$", said, re.M)
        tokens = dict(row.split(",") for row in Path("tokens.csv").read_text().splitlines())
        assert not any(token in said for token in (key, *tokens.values()) if token != "token")
        monkeypatch.setenv("MINE", tokens["Maya"])
        shell.run(f"{line} --api-key-env MINE\n%config SynthMagics.folder = 'maya'")
        assert "(200)" in shell.run("%synth class check --model class_model")
        shell.run("%%synth said --n 2 --model class_model\nSay.")
        assert shell["class_model"].fingerprint == shell["small"].fingerprint
        assert re.search(r"^Maya +2 +3 ", shell.run("%synth class serve"), re.M)
        assert "nothing is served" in shell.run("%synth class serve --stop")
    assert "does not answer" in shell.run("%synth class check --model class_model")
