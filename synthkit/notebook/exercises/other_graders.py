"""The exercises of a lesson in the metadata that nbgrader and otter-grader read."""

from __future__ import annotations

import ast
from pathlib import Path
from pprint import pformat
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.files import file_to_write, folder_to_write
from synthkit.core.formatting import count
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.notebook.exercises.check import Check, in_points
from synthkit.notebook.exercises.notebooks import checks, exercise_of, read_notebook

NBGRADER_SCHEMA = 3


def add_metadata(notebook: Any) -> dict[str, Check]:
    """Write the metadata of both tools into a notebook; returns its checks by name.

    nbgrader: the cell of a check is graded and locked; the code cell before it has the solution.
    otter-grader: the asserts of each check are the tests of a question of its name, in the form
    that ``otter assign`` writes (OK format), and are run after the check's cell.

    Raises
    ------
    UsageError
        If there is no check, or one cannot be read.
    """
    found = checks(notebook)
    if not found:
        raise UsageError("the notebook has no check; expected cells of %%synth check NAME.")
    solution: Any = None
    for cell in notebook.cells:
        if name := exercise_of(cell):
            check = found[name]
            cell.metadata["nbgrader"] = {**_nbgrader(name, grade=True), "points": check.points}
            cell.metadata["otter"] = {"tests": [name]}
            if solution is not None:
                solution.metadata["nbgrader"] = _nbgrader(f"{name}-solution", grade=False)
            solution = None  # it belongs to the first of several checks after it
        elif cell.cell_type == "code":
            solution = cell
    otter = {**notebook.metadata.get("otter", {}), "OK_FORMAT": True}
    notebook.metadata["otter"] = {**otter, "tests": {n: otter_test(c) for n, c in found.items()}}
    return found


def _nbgrader(grade_id: str, *, grade: bool) -> dict[str, Any]:
    return {
        "schema_version": NBGRADER_SCHEMA,
        "cell_type": "code",
        "grade": grade,
        "grade_id": grade_id,
        "locked": grade,
        "solution": not grade,
        "task": False,
    }


def otter_test(check: Check) -> dict[str, Any]:
    """The test of a check, as ``otter assign`` writes it."""
    case = {"code": doctest_of(check.body), "hidden": False, "locked": False}
    suite = {"cases": [case], "scored": True, "setup": "", "teardown": "", "type": "doctest"}
    return {"name": check.name, "points": check.points, "suites": [suite]}


def doctest_of(body: str) -> str:
    """Python as a doctest without output.

    >>> doctest_of("assert long == 2; 1 + 1")
    '>>> assert long == 2\\n>>> _ = 1 + 1\\n'
    """
    lines = []
    for statement in ast.parse(body).body:
        text = ast.unparse(statement)
        if isinstance(statement, ast.Expr):  # a doctest would show its value
            text = f"_ = {text}"
        first, *rest = text.splitlines()
        lines += [f">>> {first}", *(f"... {line}" for line in rest)]
    return "".join(f"{line}\n" for line in lines)


def list_exercises(options: Any) -> StaticOutput:
    """The exercises of a lesson; writes what ``EXERCISES`` of the options asks for.

    Raises
    ------
    UsageError
        If the lesson cannot be read or has no check, or what is written is the lesson itself or
        cannot be written.
    """
    path = Path(options.lesson).expanduser()
    to = file_to_write(options.to) if options.to else None
    tests = folder_to_write(options.tests) if options.tests else None
    notebook = read_notebook(path)
    found = add_metadata(notebook)
    notes = []
    if to:
        if to.exists() and to.samefile(path):
            raise UsageError(f"{to} is the lesson itself; give another name to write.")
        need("nbformat", extra="notebook", why="to write notebooks").write(notebook, to)
        notes.append(f"written with metadata for nbgrader and otter-grader: {to}")
    if tests:
        write_otter_tests(found, tests)
        notes.append(f"written: {count(len(found), 'test')} in {tests}")
    points = sum(check.points for check in found.values())
    return static_table(
        [{"exercise": check.name, "points": check.points} for check in found.values()],
        note=f"{count(len(found), 'exercise')}, {in_points(points)}",
        notes=notes,
    )


def write_otter_tests(found: dict[str, Check], folder: Path) -> None:
    """Write a file for each test into a folder, from which ``otter generate`` makes a grader."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, check in found.items():
        text = f"OK_FORMAT = True\n\ntest = {pformat(otter_test(check), sort_dicts=False)}\n"
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
