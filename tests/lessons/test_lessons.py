"""The lessons have one form, and their exercises pass with a solution, graded by replay."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from notebooks.website.lite import NOT_IN_BROWSER, in_browser
from synthkit.models.embedders import load_embedder
from synthkit.models.hub.sample_data import fetch_sample
from synthkit.notebook.exercises.grading import grade
from synthkit.notebook.exercises.notebooks import checks, exercise_of
from synthkit.verify import verify
from tests.lessons.build import BUNDLES, NOTEBOOKS, PLOTLY
from tests.lessons.solutions import solved
from tests.lessons.texts import read, said, stored

LESSONS = sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", ()))


def test_the_course_is_numbered_without_gaps() -> None:
    assert [int(lesson[:2]) for lesson in LESSONS] == list(range(16))
    assert {path.stem for path in BUNDLES.glob("*")} == set(LESSONS)
    assert NOT_IN_BROWSER.keys() <= set(LESSONS)


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_begins_with_its_session_and_ends_with_a_summary(lesson: str) -> None:
    cells, number = read(lesson).cells, lesson[:2]
    assert len(cells) <= 25
    assert cells[0].source.startswith(f"# {int(number)}. ")
    parameters = [cell.source for cell in cells if "parameters" in tags(cell)]
    assert parameters == ['LIVE = False\nMODEL = "smollm2"']
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    assert f"%synth session .synthkit/{number} --attach bundles/{lesson}.zip" in code[1]
    assert f"%synth session .synthkit/{number}_live" in code[1]
    assert any(re.search(r"^%synth mark ", source, re.M) for source in code)
    assert cells[-1].source.startswith("## Summary")
    assert (BUNDLES / f"{lesson}.zip").stat().st_size < 400_000


@pytest.mark.parametrize("lesson", LESSONS)
def test_all_that_a_lesson_shows_is_stored(lesson: str) -> None:
    cells = [cell for cell in read(lesson).cells if cell.cell_type == "code"]
    figures = 0
    for cell in cells:
        assert cell.execution_count is not None
        errors = [output.evalue for output in cell.outputs if output.output_type == "error"]
        if exercise_of(cell):
            (message,) = errors
            assert re.match(r"\w+: not yet: \w.{20,}", message)
        else:
            assert not errors
        for output in cell.outputs:
            if PLOTLY in output.get("data", {}):
                figures += 1
                assert len(output.data["image/png"]) > 5000
    assert figures
    assert sum("nbval-ignore-output" in tags(cell) for cell in cells) <= 2


def fetched(notebook: Any) -> None:
    """Fetch the data that a notebook reads, since it is graded without a network."""
    load_embedder("wordllama")
    for name in re.findall(r'load_sample\("(\w+)"', "\n".join(c.source for c in notebook.cells)):
        fetch_sample(name, quiet=True)


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_solution_gets_all_points_in_replay(lesson: str, tmp_path: Path) -> None:
    notebook = read(lesson)
    possible = sum(check.points for check in checks(notebook).values())
    solved(lesson, notebook)
    fetched(notebook)
    nbformat.write(notebook, tmp_path / "maya.ipynb")
    (points,) = grade(
        [tmp_path / "maya.ipynb"],
        lesson=NOTEBOOKS / f"{lesson}.ipynb",
        files=[BUNDLES],
    )
    assert (points.total, dict(points.failed), list(points.remarks)) == (possible, {}, [])
    assert possible > 0


@pytest.mark.parametrize("lesson", LESSONS)
def test_what_a_bundle_says_is_derived_again(lesson: str) -> None:
    found = verify(BUNDLES / f"{lesson}.zip")
    assert found.agrees, found


@pytest.mark.parametrize("lesson", [each.path.stem for each in in_browser()])
def test_a_lesson_of_the_browser_says_the_same_without_threads_sockets_and_compiled_packages(
    lesson: str, tmp_path: Path
) -> None:
    shutil.copytree(BUNDLES, tmp_path / "bundles")
    run = [sys.executable, "-m", "tests.lessons.without_threads", NOTEBOOKS / f"{lesson}.ipynb"]
    path = f"{NOTEBOOKS.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    out = subprocess.run(
        run, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, check=True, timeout=300,
        capture_output=True, text=True,
    )  # fmt: skip
    code = [cell for cell in read(lesson).cells if cell.cell_type == "code"]
    for cell, before, now in zip(code, stored(lesson), json.loads(out.stdout), strict=True):
        if "nbval-ignore-output" not in tags(cell):
            assert said(now) == said(before)
