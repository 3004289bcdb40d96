"""Solutions of the lessons' exercises: what stands in the cell before each check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "solutions"


def solutions(lesson: str) -> dict[str, str]:
    """Exercise -> the code that solves it, from the file of a lesson.

    A line ``# exercise: NAME`` begins each.
    """
    found: dict[str, list[str]] = {}
    name = ""
    for line in (FOLDER / f"{lesson}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# exercise: "):
            name = line.removeprefix("# exercise: ").strip()
            found[name] = []
        else:
            found[name].append(line)
    return {name: "\n".join(lines).strip() for name, lines in found.items()}


def solved(lesson: str, notebook: Any) -> None:
    """Put the solutions of a lesson into its notebook, before each check."""
    from synthkit.notebook.exercises.notebooks import exercise_of

    code = solutions(lesson)
    for before, cell in zip(notebook.cells, notebook.cells[1:], strict=False):
        if name := exercise_of(cell):
            before.source = code.pop(name)
    assert not code, f"{lesson} has no exercise {', '.join(code)}"
