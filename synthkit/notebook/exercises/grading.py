"""Points for the exercises of a class: each student's notebook is run, and its checks are read."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from synthkit.core.errors import SynthkitError, UsageError
from synthkit.notebook.exercises.check import RESULT, Check
from synthkit.notebook.exercises.notebooks import (
    checks,
    exercise_of,
    read_notebook,
    with_checks_of,
)
from synthkit.notebook.exercises.sealed_run import run_sealed
from synthkit.sessions._frames import frame

MOST_LETTERS = 500
"""Of a message, which a student's code may have made."""


@dataclass(frozen=True, slots=True)
class Grade:
    """What one notebook is worth.

    Parameters
    ----------
    student : the name of the file, with folders where two have one name.
    points : of each exercise.
    failed : exercise -> why it has no points.
    remarks : checks that were changed, and why the notebook was not run to its end.
    possible : the points of all exercises.
    notebook : as it was run; ``None`` if it could not be read.
    """

    student: str
    points: Mapping[str, float] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    remarks: Sequence[str] = ()
    possible: float = 0.0
    notebook: Any = None

    @property
    def total(self) -> float:
        """The sum of the points."""
        return sum(self.points.values())


def grade(
    paths: Sequence[Path],
    *,
    lesson: Path | None = None,
    bundles: Sequence[Path] = (),
    files: Sequence[Path] = (),
    seconds: float = 60.0,
    at_once: int = 2,
) -> Generator[Grade, None, None]:
    """The grades of notebooks, in their order, each as soon as it is there.

    Each notebook runs in a kernel, a folder and a session of its own. What models answered is
    taken from the bundles, so the same notebook gets the same points again, unless its own code is
    random or reads the clock. Cells that fail do not end it.

    What is isolated: the kernel starts in a new temporary folder, with no key in its environment;
    Python's sockets reach nothing; a cell has a time limit; what it prints is limited.

    What is not: the code of students runs as the user who grades, without a container. It can read
    and write that user's files, use memory and disk, and start programs, which can reach the
    network. It could also make its checks pass by changing Python itself. Grade notebooks of people
    whom you do not trust in a container or on a machine that has nothing else.

    Parameters
    ----------
    lesson : the teacher's notebook, whose checks replace those of the students' notebooks.
    bundles : of sessions to attach, such as the lesson's. One beside a notebook, of the same name,
        is attached as well: ``maya.zip`` with what ``maya.ipynb`` has asked itself.
    files : further files and folders to be put beside each notebook.
    seconds : longest time of a cell.
    at_once : how many notebooks run at the same time.

    Raises
    ------
    UsageError
        If the lesson cannot be read or has no check, or a file does not exist.
    """
    for path in (*bundles, *files):
        if not path.exists():
            raise UsageError(f"{path} does not exist; give the path of a file to grade with.")
    own = None if lesson is None else read_notebook(lesson)
    if own is not None and not checks(own, name=str(lesson)):
        raise UsageError(f"{lesson} has no check; expected cells of %%synth check NAME.")
    paths = [path for path in paths if lesson is None or not _same(path, lesson)]
    stopping = threading.Event()

    def one(path: Path, student: str) -> Grade:
        attached = {bundle.name: bundle for bundle in bundles}
        if (sent := path.with_suffix(".zip")).is_file() and sent not in bundles:
            attached[f"{'sent-' * (sent.name in attached)}{sent.name}"] = sent
        run = partial(run_sealed, bundles=attached, files=files, seconds=seconds, stopping=stopping)
        return _grade(path, student, own, run)

    with ThreadPoolExecutor(max(1, at_once)) as pool:
        try:
            yield from pool.map(one, paths, handles(paths))
        finally:  # after Ctrl-C: no further cell, no further notebook
            stopping.set()
            pool.shutdown(cancel_futures=True)


def handles(paths: Sequence[Path]) -> list[str]:
    """The name of each student: that of the file, with folders where two files have one name.

    >>> handles([Path("sent/maya.ipynb"), Path("sent/bo.ipynb")])
    ['maya', 'bo']
    >>> handles([Path("sent/maya/lesson.ipynb"), Path("sent/bo/lesson.ipynb")])
    ['maya/lesson', 'bo/lesson']
    """
    if max(Counter(path.stem for path in paths).values(), default=0) < 2:
        return [path.stem for path in paths]
    absolute = [path.absolute() for path in paths]
    top = os.path.commonpath([path.parent for path in absolute])
    return [path.relative_to(top).with_suffix("").as_posix() for path in absolute]


def grade_table(grades: Sequence[Grade]) -> Any:
    """A DataFrame with one row per student: points of each exercise, total, and what failed.

    ``failed`` has the message of each exercise without points; ``remarks`` says which checks were
    changed, and why a notebook was not run to its end.
    """
    exercises = list(dict.fromkeys(name for each in grades for name in each.points))
    rows = [
        (
            each.student,
            *(each.points.get(name, 0) for name in exercises),
            each.total,
            "; ".join(f"{name}: {why}" for name, why in each.failed.items()),
            "; ".join(each.remarks),
        )
        for each in grades
    ]
    columns = ["student", *exercises, "total", "failed", "remarks"]
    return frame(rows, columns, what="grades")


def _grade(path: Path, student: str, lesson: Any, run: Callable[[Any], str]) -> Grade:
    """The grade of a notebook, which ``run`` runs; it returns why it ended early."""
    exercises = {} if lesson is None else checks(lesson)
    remarks, notebook = list[str](), None
    try:
        notebook = read_notebook(path)
        if lesson is None:
            exercises = checks(notebook)
        else:
            remarks = with_checks_of(lesson, notebook)
        if not exercises:
            return Grade(student, remarks=["it has no check"], notebook=notebook)
        ended = run(notebook)
    except SynthkitError as error:
        ended = str(error)
    failures = {name: _failure(check, notebook) for name, check in exercises.items()}
    return Grade(
        student,
        {name: 0 if failures[name] else check.points for name, check in exercises.items()},
        {name: why for name, why in failures.items() if why},
        [*remarks, *([ended] if ended else [])],
        sum(check.points for check in exercises.values()),
        notebook,
    )


def _failure(check: Check, notebook: Any) -> str:
    """Why the last run of a check gives no points; empty if it passed."""
    cells = [cell for cell in (notebook or {}).get("cells", ()) if exercise_of(cell) == check.name]
    outputs = cells[-1].get("outputs", []) if cells else []
    for output in outputs:
        if output.output_type == "error":
            return str(output.evalue).removeprefix(f"{check.name}: ")[:MOST_LETTERS]
    if any(output.get("metadata", {}).get(RESULT) == check.result for output in outputs):
        return ""
    return "not run"


def _same(path: Path, other: Path) -> bool:
    return path.exists() and other.exists() and path.samefile(other)
