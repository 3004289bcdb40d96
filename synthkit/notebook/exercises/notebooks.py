"""Notebooks as files: reading them, the checks in them, and the lesson's checks put back."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.notebook.exercises.check import Check, read_check


def read_notebook(path: Path) -> Any:
    """The notebook in a file, in the present format.

    Raises
    ------
    UsageError
        If there is none.
    """
    formats = need("nbformat", extra="notebook", why="to read a notebook")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cells without an id get one
            notebook = formats.read(path, as_version=4)
            formats.validate(notebook)
    except Exception as error:  # a file may hold anything
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{path} cannot be read as a notebook: {reason}.") from None
    return notebook


def checks(notebook: Any, *, name: str = "the notebook") -> dict[str, Check]:
    """The checks of a notebook by the names of their exercises, in its order.

    Raises
    ------
    UsageError
        If one cannot be read, or two have one name.
    """
    found: dict[str, Check] = {}
    for cell in notebook.cells:
        check = read_check(cell.source) if cell.cell_type == "code" else None
        if check is not None and check.name in found:
            raise UsageError(f"two checks of {name} are named {check.name!r}; rename one of them.")
        if check is not None:
            found[check.name] = check
    return found


def exercise_of(cell: Any) -> str:
    """The name of the exercise that a cell checks, also if its line has mistakes; else empty."""
    words = cell.source.partition("\n")[0].split()
    is_check = cell.cell_type == "code" and words[:2] == ["%%synth", "check"] and len(words) > 2
    return str(words[2]) if is_check else ""


def with_checks_of(lesson: Any, notebook: Any) -> list[str]:
    """Put the checks of a lesson into a student's notebook; returns what was changed or missing.

    A check that is not there goes before the next cell of the lesson that is, else to the end.
    """
    remarks = []
    for at, cell in enumerate(lesson.cells):
        if not (name := exercise_of(cell)):
            continue
        own = deepcopy(cell)
        places = [n for n, other in enumerate(notebook.cells) if exercise_of(other) == name]
        if any(_code(notebook.cells[place]) != _code(cell) for place in places):
            remarks.append(f"check {name} was changed")
        for place in places:
            notebook.cells[place] = own
        if not places:
            remarks.append(f"check {name} was missing")
            notebook.cells.insert(_place(notebook, lesson.cells[at + 1 :]), own)
    return remarks


def _place(notebook: Any, following: Iterable[Any]) -> int:
    """The place of the first of these cells, by its id or its text; the end if none is there."""
    places: dict[str, int] = {}
    for place, cell in enumerate(notebook.cells):
        for key in (cell.get("id"), _code(cell)):
            places.setdefault(key, place)
    keys = (key for cell in following for key in (cell.get("id"), _code(cell)) if key)
    return next((places[key] for key in keys if key in places), len(notebook.cells))


def _code(cell: Any) -> str:
    return "\n".join(line.rstrip() for line in cell.source.strip().splitlines())
