"""Opening a session folder: it is created if it is new, and recovered if a process was killed."""

from __future__ import annotations

import atexit
import os
from pathlib import Path
from typing import Any

from synthkit.core.environment import warn
from synthkit.core.errors import StoreError
from synthkit.core.files import sweep
from synthkit.sessions.file_changes import recover
from synthkit.sessions.inputs import FOLDER
from synthkit.store.meta import SESSION
from synthkit.store.store import Store

TABLES = "tables"
"""The folder of the named tables within that of the session."""
OPEN: list[Any] = []
"""The sessions that are open, which end with the program."""


@atexit.register
def _close_all() -> None:
    while OPEN:
        OPEN[-1].close()


def open_store(folder: Path) -> Store:
    """The open store of a session folder, for the constructor of ``Session``.

    Raises
    ------
    StoreError
        If the folder cannot be created, or its store cannot be opened.
    """
    path, tables = folder / "store.sqlite", folder / TABLES
    try:
        tables.mkdir(parents=True, exist_ok=True)
        if not path.exists() and any(tables.glob("*.parquet")):
            _warn(
                f"{folder} has tables but no store.sqlite, which was deleted or not copied. A new "
                "one is begun, without completions, runs and marks."
            )
    except OSError as error:
        if not os.access(path, os.R_OK):
            what = f"the session folder {folder} cannot be created or read: {error}."
            raise StoreError(what) from None
    store = Store(path)
    if store.read_only:
        _warn(
            f"{folder} is read-only: the session can be read and replayed, but nothing is added "
            "to it."
        )
    else:
        for place in (folder, tables, folder / FOLDER):
            sweep(place)
            recover(store, place)
        if store.meta.get(SESSION) is None and store.completions.count():  # of an older synthkit
            store.marks.identify()
    return store


def _warn(message: str) -> None:
    warn(message, RuntimeWarning, stacklevel=4)  # where the session is constructed
