"""Running a student's notebook to its end, whatever its cells do."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from subprocess import DEVNULL
from typing import Any

from synthkit.core.extras import need
from synthkit.notebook.exercises.sealed import environment

SEAL = "%load_ext synthkit\nfrom synthkit.notebook.exercises.sealed import seal\nseal({})"
PARAMETERS = "parameters"
"""The tag of a cell with the settings of a lesson."""
REPLAY = "LIVE = False"
"""The setting with which a lesson takes what models answered from its bundle."""
_ATTACHED = re.compile(r"--attach[=\s]+[\"']?([^\s\"']+)")
LATE = "CellTimeoutError"
MOST_OUTPUT = 1_000_000
"""Characters that a cell's prints may have; the rest is left out."""
_LOG = logging.getLogger("synthkit.exercises")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False


def run_sealed(
    notebook: Any,
    bundles: Mapping[str, Path],
    files: Sequence[Path],
    seconds: float,
    stopping: threading.Event,
) -> str:
    """Run all cells in a new kernel and folder; returns why it ended early, else an empty text.

    The outputs are in the notebook then. A cell that raises does not end it; one that takes too
    long is interrupted. A cell that is tagged ``parameters`` gets ``LIVE = False``.

    Parameters
    ----------
    bundles : of sessions, which are attached to the new one; by their names beside the notebook.
    files : further ones that the cells may read there.
    seconds : longest time of a cell.
    stopping : when it is set, no further cell is run.
    """
    formats = need("nbformat", extra="notebook", why="to grade notebooks")
    with tempfile.TemporaryDirectory(prefix="synthkit-", ignore_cleanup_errors=True) as folder:
        for name, path in [*((path.name, path) for path in files), *_places(notebook, bundles)]:
            target = Path(folder) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if path.is_dir() else shutil.copy)(path, target)
        for cell in notebook.cells:
            if PARAMETERS in cell.metadata.get("tags", ()):
                cell.source += f"\n{REPLAY}"
        begin = formats.v4.new_code_cell(SEAL.format(list(bundles)))
        notebook.cells.insert(0, begin)
        try:
            why = asyncio.run(_run(notebook, folder, seconds, stopping))
        finally:
            notebook.cells.remove(begin)
    errors = [each for each in begin.get("outputs", ()) if each.output_type == "error"]
    return why or "".join(f"a bundle was left out: {each.evalue}" for each in errors)


def _places(notebook: Any, bundles: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Where bundles are to be: beside the notebook, and where its cells attach one so named."""
    yield from bundles.items()
    for path in {path for cell in notebook.cells for path in _ATTACHED.findall(cell.source)}:
        parts = PurePosixPath(path).parts
        if parts[-1] in bundles and len(parts) > 1 and not {"/", ".."} & {*parts}:
            yield path, bundles[parts[-1]]


async def _run(notebook: Any, folder: str, seconds: float, stopping: threading.Event) -> str:
    client = need("nbclient", extra="notebook", why="to grade notebooks")
    late: list[int] = []
    printed: dict[int, int] = {}

    def note_late(cell: Any, cell_index: int, execute_reply: Any) -> None:
        if execute_reply["content"].get("ename") == LATE:
            late.append(cell_index)

    class Client(client.NotebookClient):  # type: ignore[name-defined]
        """A client that keeps only so much of what a cell prints."""

        def output(self, outs: Any, msg: Any, display_id: str, cell_index: int) -> Any:
            length = len(str(msg["content"].get("text", "")))
            printed[cell_index] = printed.get(cell_index, 0) + length
            if length and printed[cell_index] > MOST_OUTPUT:
                return None
            return super().output(outs, msg, display_id, cell_index)

    runner = Client(
        notebook,
        kernel_name="python3",
        timeout=seconds,
        interrupt_on_timeout=True,
        error_on_timeout={"ename": LATE, "evalue": "too long", "traceback": []},
        allow_errors=True,
        store_widget_state=False,
        resources={"metadata": {"path": folder}},
        on_cell_executed=note_late,
        log=_LOG,
    )
    sources = [cell.source for cell in notebook.cells]
    at = 0
    try:
        async with runner.async_setup_kernel(
            env=environment(folder, sources), stdout=DEVNULL, stderr=DEVNULL
        ):
            for at, cell in enumerate(notebook.cells):
                if stopping.is_set():
                    return "grading was interrupted"
                await runner.async_execute_cell(cell, at)
                if late[-2:] == [at - 1, at]:
                    return (
                        f"cell {at - 1} ran for more than {seconds:g} s and cannot be interrupted"
                    )
    except client.exceptions.DeadKernelError:
        return f"the kernel died in cell {at}"
    except RuntimeError as error:  # it did not start
        return f"no kernel: {error}"
    cells = ", ".join(map(str, late))
    return f"interrupted after {seconds:g} s: cell {cells}" if late else ""
