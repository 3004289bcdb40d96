"""The grades of a class: from the options of a line to a table and its static output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from synthkit.core.environment import bar_stream, watched
from synthkit.core.errors import Interrupted, UsageError, check_numbers, check_positive
from synthkit.core.extras import need
from synthkit.core.files import folder_to_write
from synthkit.core.formatting import count
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.notebook.exercises.check import in_points
from synthkit.notebook.exercises.grading import Grade, grade
from synthkit.sessions.classroom.collecting import named_files


def grade_class(options: Any) -> list[Grade]:
    """The grades that the options of :data:`~synthkit.notebook.exercises.options.GRADE` ask for.

    Raises
    ------
    UsageError
        If there are no notebooks, a file of the lesson is missing, the notebooks cannot be
        saved, or a number is out of range.
    """
    check_positive(at_once=options.at_once)
    check_numbers(seconds=options.seconds)
    if options.seconds <= 0:
        raise UsageError(f"seconds must be above 0; got {options.seconds:g}.")
    folder = folder_to_write(options.save) if options.save else None
    paths = [
        path
        for path in named_files(options.sources, "*.ipynb", "notebooks", "notebooks of students")
        if ".ipynb_checkpoints" not in path.parts
    ]
    graded = grade(
        paths,
        lesson=Path(options.lesson).expanduser() if options.lesson else None,
        bundles=[Path(path).expanduser() for path in options.attach],
        files=[Path(path).expanduser() for path in options.file],
        seconds=options.seconds,
        at_once=options.at_once,
    )
    from tqdm import tqdm

    hidden = not watched()
    bar = {"desc": "graded", "leave": False, "disable": hidden, "file": bar_stream()}
    grades: list[Grade] = []
    try:
        for each in tqdm(graded, total=len(paths), **bar):
            grades.append(each)  # noqa: PERF402 - an interrupt keeps what is there
    except KeyboardInterrupt:
        graded.close()
        done = f"{len(grades)} of {count(len(paths), 'notebook')}"
        raise Interrupted(f"Interrupted: {done} were graded; run it again.") from None
    if folder:
        save(grades, folder)
    if not grades:
        raise UsageError("there is no notebook besides the lesson; name those of the students.")
    return grades


def save(grades: Sequence[Grade], folder: Path) -> None:
    """Write the notebooks as they were run into a folder, by the names of the students."""
    formats = need("nbformat", extra="notebook", why="to write notebooks")
    for each in grades:
        if each.notebook is not None:
            path = folder / f"{each.student}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            formats.write(each.notebook, path)


def summary(table: Any, grades: Sequence[Grade], *, lesson: str | None, bound: str) -> StaticOutput:
    """The table of points, the mean of the class, and what was changed or went wrong."""
    whole = max(each.possible for each in grades)
    average = mean(each.total for each in grades)
    notes = [f"{each.student}: {'; '.join(each.remarks)}" for each in grades if each.remarks]
    if not lesson:
        notes.append("the checks are those of each notebook; --lesson gives the lesson's own")
    return static_table(
        table.drop(columns="remarks").to_dict("records"),
        note=f"{count(len(grades), 'notebook')}, mean {average:.3g} of {in_points(whole)}"
        + (f"; {bound}" if bound else ""),
        notes=notes,
    )
