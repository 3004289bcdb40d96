"""Run a notebook with no more than Pyodide has, in this process, and print its outputs as JSON.

    python -m tests.lessons.without_threads NOTEBOOK

No thread can be started, no socket opened, and compiled packages that Pyodide 314.0.7 does not have
(those of its distribution are in ``pyodide.txt``) cannot be imported. The Python is that of this
process, and so are the versions of packages.
"""

from __future__ import annotations

import _thread
import json
import re
import socket
import sys
import threading
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, NoReturn

import nbformat
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

PURE = {"psygnal", "websockets"}
"""Packages that are compiled here, and have a wheel of plain Python as well."""
PYODIDE = Path(__file__).with_name("pyodide.txt")


def plain(name: str) -> str:
    """The normalized name of a distribution."""
    return re.sub(r"[-_.]+", "-", name).lower()


def missing() -> set[str]:
    """Top-level modules here that Pyodide does not have."""
    there = {plain(line.split()[0]) for line in PYODIDE.read_text(encoding="utf-8").splitlines()}
    compiled = {
        plain(found.metadata["Name"])
        for found in metadata.distributions()
        if any(file.suffix in (".so", ".pyd") for file in found.files or ())
    }
    return {
        module
        for module, names in metadata.packages_distributions().items()
        if {plain(name) for name in names} <= compiled - there - PURE
    }


def forbid() -> None:
    """Let this process be without threads, sockets and those modules."""
    gone, find = missing(), PathFinder.find_spec

    def found(name: str, path: Any = None, target: Any = None) -> Any:
        return None if name.partition(".")[0] in gone else find(name, path, target)

    def no_thread(*_: Any, **__: Any) -> NoReturn:
        raise RuntimeError("can't start new thread")

    def no_socket(*_: Any, **__: Any) -> NoReturn:
        raise OSError("there are no sockets")

    for module in [name for name in sys.modules if name.partition(".")[0] in gone]:
        del sys.modules[module]
    setattr(PathFinder, "find_spec", staticmethod(found))  # noqa: B010
    setattr(threading.Thread, "start", no_thread)  # noqa: B010
    setattr(_thread, "start_new_thread", no_thread)  # noqa: B010
    setattr(socket.socket, "__init__", no_socket)  # noqa: B010


def texts(path: Path) -> list[str]:
    """What each code cell of a notebook prints and shows as text, or its error."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    shell = InteractiveShell.instance(config=config)
    forbid()
    shown = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        with capture_output() as out:
            result = shell.run_cell(cell.source, store_history=True)
        error = result.error_before_exec or result.error_in_exec
        texts = [out.stdout] if error is None else []
        texts += [each.data.get("text/plain", "") for each in out.outputs if error is None]
        shown.append("\n".join([*texts, str(error) if error else ""]))
    return shown


if __name__ == "__main__":
    print(json.dumps(texts(Path(sys.argv[1]))))
