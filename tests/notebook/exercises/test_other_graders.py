"""The metadata that nbgrader and otter-grader read, as they were seen to read it.

A small lesson was graded by both (nbgrader 0.9.6: validate, generate_assignment, autograde;
otter-grader 7.0.0: generate, run, check); what is held here is what they took.
"""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import nbformat
import pytest

from synthkit.core.errors import UsageError
from synthkit.notebook.exercises.notebooks import read_notebook
from synthkit.notebook.exercises.other_graders import add_metadata, doctest_of
from tests.notebook.conftest import Shell
from tests.notebook.exercises.test_grading import LESSON, write

NBGRADER = {
    "schema_version": 3,
    "cell_type": "code",
    "grade": False,
    "grade_id": "rows-solution",
    "locked": False,
    "solution": True,
    "task": False,
}
OTTER = {
    "name": "long",
    "points": 1,
    "suites": [
        {
            "cases": [
                {
                    "code": ">>> assert long == 2, f'two rows are long; yours are {long}.'\n",
                    "hidden": False,
                    "locked": False,
                }
            ],
            "scored": True,
            "setup": "",
            "teardown": "",
            "type": "doctest",
        }
    ],
}
"""Letter by letter what ``otter assign`` 7.0.0 wrote for a question with this assert."""


def test_checks_become_graded_cells_and_questions(tmp_path: Path) -> None:
    notebook = read_notebook(write(tmp_path / "lesson.ipynb", [*LESSON, "%%synth check more\n1"]))
    notebook.metadata["otter"] = {"assignment_name": "first"}
    assert list(add_metadata(notebook)) == ["rows", "long", "more"]
    found = [cell.metadata.get("nbgrader") for cell in notebook.cells]
    graded = NBGRADER | {"grade": True, "locked": True, "solution": False}
    assert found == [
        None,
        NBGRADER,
        graded | {"grade_id": "rows", "points": 2},
        NBGRADER | {"grade_id": "long-solution"},
        graded | {"grade_id": "long", "points": 1},
        graded | {"grade_id": "more", "points": 1},  # the solution before it is that of "long"
    ]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]*", each["grade_id"]) for each in found if each)
    assert [cell.metadata.get("otter", {}).get("tests") for cell in notebook.cells][2:] == [
        ["rows"],
        None,
        ["long"],
        ["more"],
    ]
    otter = notebook.metadata["otter"]
    assert (otter["OK_FORMAT"], otter["assignment_name"]) == (True, "first")
    assert list(otter["tests"]) == ["rows", "long", "more"]
    assert otter["tests"]["long"] == OTTER
    once = nbformat.writes(notebook)
    add_metadata(notebook)
    assert nbformat.writes(notebook) == once


@pytest.mark.parametrize(
    ("texts", "failures"), [(["Bread.", "Soup."], 0), (["Bread."], 1), ([3, 4], 1)]
)
def test_a_check_as_a_doctest_fails_where_the_check_does(texts: list[str], failures: int) -> None:
    body = (
        "# how long\nfor text in texts:\n\n    assert text.strip(), '''an empty\ntext'''\n"
        "len(texts)\nassert len(texts) == 2"
    )
    examples = doctest.DocTestParser().get_doctest(doctest_of(body), {"texts": texts}, "x", "", 0)
    result = doctest.DocTestRunner(verbose=False).run(examples, out=lambda text: None)
    assert result.failed == failures


def test_the_verb_lists_exercises_and_writes_what_is_asked(shell: Shell, tmp_path: Path) -> None:
    write(tmp_path / "lesson.ipynb", LESSON)
    said = shell.run("%synth class exercises lesson.ipynb --to made.ipynb --tests tests")
    assert re.search(r"^rows +2$", said, re.M)
    assert "2 exercises, 3 points" in said
    assert read_notebook(tmp_path / "made.ipynb").metadata["otter"]["tests"]["long"] == OTTER
    assert "nbgrader" not in (tmp_path / "lesson.ipynb").read_text()
    written: dict[str, object] = {}
    exec((tmp_path / "tests" / "long.py").read_text(), written)
    assert (written["OK_FORMAT"], written["test"]) == (True, OTTER)
    with pytest.raises(UsageError, match="is the lesson itself"):
        shell.run("%synth class exercises lesson.ipynb --to lesson.ipynb")
    with pytest.raises(UsageError, match="the folder course does not exist; create it first"):
        shell.run("%synth class exercises lesson.ipynb --to course/lesson.ipynb")
    write(tmp_path / "empty.ipynb", ["1"])
    with pytest.raises(UsageError, match="has no check"):
        shell.run("%synth class exercises empty.ipynb")
