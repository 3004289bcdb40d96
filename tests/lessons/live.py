"""Run lessons on the model of this machine, and say what differs from what they have stored.

    python -m tests.lessons.live [LESSON ...]

Each runs with ``LIVE = True`` in a folder and session of its own, with the author's marks in the
place of a reader's: they are found by the ids of the rows. Other machines, engines and versions
give other texts, so a difference is no failure; a cell that fails is one, and then the program ends
with status 1.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbclient.exceptions import CellExecutionError

import synthkit as sk
from tests.lessons.build import NOTEBOOKS, marks_of, run, session_of
from tests.lessons.texts import read, said, stored, texts


def differing(name: str, notebook: Any) -> Iterator[str]:
    """The code cells whose text is not that of the stored lesson, by their first lines."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, before, now in zip(code, stored(name), texts(notebook), strict=True):
        tags = cell.metadata.get("tags", ())
        if said(before) != said(now) and not {"parameters", "nbval-ignore-output"} & set(tags):
            yield cell.source.partition("\n")[0][:90]


def main() -> int:
    """Run the lessons of the command line, all by default."""
    lessons = sys.argv[1:] or sorted(path.stem for path in NOTEBOOKS.glob("[0-9]*.ipynb"))
    failed = 0
    for name in lessons:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="lesson-") as folder:
            with sk.Session(Path(folder) / session_of(name, live=True)) as session:
                session.store.marks.add(marks_of(name))
            try:
                notebook = run(name, Path(folder), live=True, solve=False)
            except CellExecutionError as error:
                failed += 1
                print(f"{name}: failed\n{error}", flush=True)
                continue
        cells = list(differing(name, notebook))
        number = sum(cell.cell_type == "code" for cell in read(name).cells)
        print(f"{name}: {time.monotonic() - began:.0f} s, {len(cells)} of {number} code cells "
              "differ", *cells, sep="\n  ", flush=True)  # fmt: skip
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
