"""Grading by running notebooks: the same points again, the lesson's checks, and no exceptions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

import synthkit as sk
from synthkit.__main__ import main
from synthkit.core.errors import UsageError
from synthkit.notebook.exercises import sealed
from synthkit.notebook.exercises.grading import Grade, grade
from synthkit.notebook.exercises.notebooks import checks, read_notebook, with_checks_of
from tests.notebook.conftest import Shell
from tests.server import Server

ROWS = "%%synth check rows --points 2\nassert len(said) == 4, f'4 rows are due, not {len(said)}.'"
LONG = "%%synth check long\nassert long == 2, f'two rows are long; yours are {long}.'"
BEGIN = """LIVE = True
%load_ext synthkit
%synth session own --attach bundles/lesson.zip
%synth model small openai:m --base-url URL --api-key-env CLASS_KEY"""
LESSON = (
    BEGIN,
    "%%synth said --n 4 --vary topic=bread,soup --model small\nSay {{ topic }}.",
    ROWS,
    "long = (said['text'].str.len() > 20).sum()",
    LONG,
)


def write(path: Path, cells: Iterable[str]) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell{number}"
        cell.metadata.tags = ["parameters"] * cell.source.startswith("LIVE")
    notebook.metadata.kernelspec = {"name": "another", "display_name": "Another"}
    nbformat.write(notebook, path)
    return path


def sources(path: Path, lesson: Path) -> tuple[list[str], list[str]]:
    """The cells of a notebook with the lesson's checks, and the remarks."""
    notebook = read_notebook(path)
    remarks = with_checks_of(read_notebook(lesson), notebook)
    return [cell.source for cell in notebook.cells], remarks


@pytest.mark.slow
def test_a_class_is_graded_by_replay_whatever_its_notebooks_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MY_API_KEY", "sk-abcdefgh12345678")
    with Server() as server, sk.Session("teacher") as session:
        model = sk.load_model("openai:m", base_url=server.base_url, api_key="none")
        sk.generate(
            "Say {{ topic }}.",
            n=4,
            vary={"topic": ["bread", "soup"]},
            model=model,
            session=session,
            temperature=0.7,
            max_tokens=256,
            seed=0,
        )
        session.export("lesson.zip")
    cells = [cell.replace("URL", server.base_url) for cell in LESSON]
    lesson = write(tmp_path / "lesson.ipynb", cells)
    easy = "%%synth check rows --points 90\nassert True"
    peek = "import os, urllib.request\nkeys = os.environ['MY_API_KEY']\nlong = 2"
    fetch = f"urllib.request.urlopen('{server.base_url}')"
    write(tmp_path / "maya.ipynb", cells)
    write(
        tmp_path / "bo.ipynb", [*cells[:2], easy, "import time; time.sleep(99)", peek, fetch, LONG]
    )
    write(tmp_path / "cy.ipynb", [*cells[:3], "import os; os._exit(1)", LONG])
    (tmp_path / "dee.ipynb").write_text("{not a notebook")
    (tmp_path / "maya.zip").write_text("no bundle")
    paths = [Path(f"{name}.ipynb") for name in ("maya", "bo", "cy", "dee", "lesson")]
    bundles = [Path("lesson.zip")]
    maya, bo, cy, dee = grade(paths, lesson=lesson, bundles=bundles, seconds=9, at_once=1)
    assert (maya.student, maya.points, maya.total) == ("maya", {"rows": 2, "long": 1}, 3)
    assert maya.failed == {}
    assert re.fullmatch(r"a bundle was left out: .*maya\.zip.*", maya.remarks[0])
    assert maya.notebook.cells[0].source.endswith("\nLIVE = False")
    assert bo.points == {"rows": 2, "long": 1}
    assert bo.remarks == ["check rows was changed", "interrupted after 9 s: cell 4"]
    assert (
        "there is no network while a notebook is graded" in bo.notebook.cells[5].outputs[0].evalue
    )
    assert cy.points == {"rows": 2, "long": 0}
    assert (cy.failed, cy.remarks) == ({"long": "not run"}, ["the kernel died in cell 4"])
    assert (dee.points, dee.failed["rows"]) == ({"rows": 0, "long": 0}, "not run")
    assert "cannot be read as a notebook" in dee.remarks[0]


def test_the_command_prints_grades_and_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "lesson.ipynb", LESSON)
    Path("bo.ipynb").write_text("[")
    assert main(["grade", "bo.ipynb", "--lesson", "lesson.ipynb", "--csv", "grades.csv"]) == 0
    out, err = capsys.readouterr()
    assert "1 notebook, mean 0 of 3 points\n  bo: bo.ipynb cannot be read as a notebook" in out
    assert err == ""
    assert Path("grades.csv").read_text().splitlines()[1].startswith("bo,0,0,0,rows: not run;")


def test_the_lessons_checks_are_put_back_where_they_were(tmp_path: Path) -> None:
    lesson = write(tmp_path / "lesson.ipynb", LESSON)
    own = ["first", *LESSON]
    assert sources(write(tmp_path / "a.ipynb", LESSON), lesson) == (list(LESSON), [])
    assert sources(write(tmp_path / "b.ipynb", [f"{each} \n" for each in LESSON]), lesson)[1] == []
    eased = [*LESSON[:2], "%%synth check rows\nassert True", "x = 1", *LESSON[2:]]
    restored, remarks = sources(write(tmp_path / "c.ipynb", eased), lesson)
    assert restored == [*LESSON[:2], ROWS, "x = 1", *LESSON[2:]]
    assert remarks == ["check rows was changed"]
    notebook = read_notebook(lesson)
    del notebook.cells[4], notebook.cells[2]
    notebook.cells.insert(2, nbformat.v4.new_code_cell("own = 1"))
    nbformat.write(notebook, tmp_path / "d.ipynb")
    restored, remarks = sources(tmp_path / "d.ipynb", lesson)
    assert restored == [*LESSON[:2], "own = 1", *LESSON[2:]]
    assert remarks == ["check rows was missing", "check long was missing"]
    for cell in notebook.cells:
        del cell["id"]  # as other editors write it
    notebook.nbformat_minor = 4
    nbformat.write(notebook, tmp_path / "d.ipynb")
    assert sources(tmp_path / "d.ipynb", lesson) == (restored, remarks)
    assert list(checks(read_notebook(lesson))) == ["rows", "long"]
    with pytest.raises(UsageError, match=r"two checks of it are named 'rows'"):
        checks(read_notebook(write(tmp_path / "e.ipynb", [ROWS, *own])), name="it")


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"cells": 3, "nbformat": 4}', "\x00"])
def test_a_file_that_is_no_notebook_is_a_row(tmp_path: Path, text: str) -> None:
    (tmp_path / "maya.ipynb").write_text(text)
    (got,) = grade([tmp_path / "maya.ipynb"])
    assert got.possible == 0
    assert "cannot be read as a notebook" in got.remarks[0]


def test_a_notebook_without_checks_is_a_row_and_a_lesson_without_is_an_error(
    tmp_path: Path,
) -> None:
    empty = write(tmp_path / "maya.ipynb", ["1 + 1"])
    (got,) = grade([empty])
    assert replace(got, notebook=None) == Grade("maya", remarks=["it has no check"])
    with pytest.raises(UsageError, match="has no check"):
        list(grade([empty], lesson=empty))
    with pytest.raises(UsageError, match=r"gone\.zip does not exist"):
        list(grade([empty], bundles=[tmp_path / "gone.zip"]))


def test_the_verb_binds_a_row_for_each_student(shell: Shell, tmp_path: Path) -> None:
    write(tmp_path / "maya.ipynb", ["1"])
    (tmp_path / "bo.ipynb").write_text("[")
    said = shell.run("%synth class grade *.ipynb")
    assert "2 notebooks, mean 0 of 0 points; bound grades" in said
    assert "maya: it has no check" in said
    assert "bo: bo.ipynb cannot be read" in said
    assert "--lesson gives the lesson's own" in said
    assert shell["grades"]["student"].tolist() == ["bo", "maya"]
    with pytest.raises(UsageError, match=r"no notebooks in gone\*; expected \*\.ipynb"):
        shell.run("%synth class grade gone*")


@pytest.mark.parametrize(
    "options", ["--seconds 0", "--seconds -1", "--seconds nan", "--seconds inf", "--at-once 0"]
)
def test_numbers_out_of_range_are_refused(shell: Shell, options: str) -> None:
    with pytest.raises(UsageError, match=r"^(seconds|at_once) must be "):
        shell.run(f"%synth class grade *.ipynb {options}")


def test_a_kernel_gets_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "mine")
    monkeypatch.setenv("DATABASE", "postgres://me:hunter22@host/db")
    monkeypatch.setenv("COLOR", "red")
    cells = ["%synth model m openai:x --api-key-env CLASS", "f(api_key_env='OTHER')"]
    found = sealed.environment("/tmp/x", cells)
    names = ("MY_API_KEY", "DATABASE", "CLASS", "OTHER", "OPENAI_API_KEY", "GROQ_API_KEY")
    assert {found[name] for name in names} == {"none"}
    assert found["COLOR"] == "red"
