"""The lessons that are whole workflows, and the README's table of their lengths."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
ROW = re.compile(r"^\| .*\(notebooks/(\w+)\.ipynb\) \|.*\| (\d+) \| (\d+) \|$", re.M)
LESSON = {"lesson", "parameters", "raises-exception"}
"""Tags of cells that are the lesson's and not the workflow's."""
DATADREAMER = {
    "08_distil": 52,
    "09_instruct": 39,
    "10_align": 28,
    "11_self_reward": 80,
    "12_augment": 27,
    "13_clean": 23,
    "14_attributed_reviews": 49,
}
"""Lines of the same workflow in DataDreamer 0.46, without blanks and comments."""


def cells(name: str) -> list[str]:
    """The code cells of the workflow, without those of the lesson around it."""
    path = FOLDER / f"{name}.ipynb"
    return [
        "".join(cell["source"])
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code" and not LESSON & set(cell["metadata"].get("tags", ()))
    ]


def lines(name: str) -> int:
    """Lines of code and prompts, without blanks and comments, however long they are."""
    stripped = [line.strip() for cell in cells(name) for line in cell.splitlines()]
    return sum(bool(line) and not line.startswith("#") for line in stripped)


def test_the_table_has_every_workflow_with_its_lines() -> None:
    rows = ROW.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {name: int(theirs) for name, _, theirs in rows} == DATADREAMER
    assert {name: int(ours) for name, ours, _ in rows} == {name: lines(name) for name, *_ in rows}
    lessons = {path.stem for path in FOLDER.glob("[0-9]*.ipynb")}
    assert {name for name in lessons if 8 <= int(name[:2]) <= 14} == set(DATADREAMER)


@pytest.mark.parametrize("name", DATADREAMER)
def test_each_is_shorter_than_that_of_datadreamer(name: str) -> None:
    assert lines(name) < DATADREAMER[name]


@pytest.mark.parametrize("name", DATADREAMER)
def test_no_line_is_long_only_to_save_lines(name: str) -> None:
    code = [line for cell in cells(name) for line in cell.splitlines() if line[:1] != "%"]
    assert [line for line in code if len(line) > 160] == []


@pytest.mark.parametrize("name", DATADREAMER)
def test_each_ends_with_an_evaluation_with_intervals(name: str) -> None:
    assert re.search(r"%synth scores \w+ \w+|evaluate\.gain\(|paired_bootstrap\(", cells(name)[-1])
