"""Opening a session folder: it is created if it is new, and recovered if a process was killed."""

from __future__ import annotations

import atexit
import os
from pathlib import Path
from typing import Any

from synthkit.core.environment import warn
from synthkit.core.errors import StoreError, UsageError, cause
from synthkit.core.files import replacing, sweep
from synthkit.sessions.file_changes import recover
from synthkit.sessions.inputs import FOLDER
from synthkit.store.address import SQLITE, URL, address, read_address, store_file
from synthkit.store.meta import SESSION
from synthkit.store.store import Store

TABLES = "tables"
"""The folder of the named tables within that of the session."""
STORE = "SYNTHKIT_STORE"
"""The environment variable with the URL of the store of each new session."""
OPEN: list[Any] = []
"""The sessions that are open, which end with the program."""


@atexit.register
def _close_all() -> None:
    while OPEN:
        OPEN[-1].close()


def open_store(folder: Path, url: str = "") -> Store:
    """The open store of a session folder, for the constructor of ``Session``.

    Parameters
    ----------
    url : of a PostgreSQL database; if it is empty, the store is where the folder says, or else an
        SQLite file in it.

    Raises
    ------
    UsageError
        If the URL is not valid, or the folder has another store.
    StoreError
        If the folder cannot be created, or its store cannot be opened.
    """
    path, tables = store_file(folder), folder / TABLES
    is_new = not os.path.exists(path)
    if url:
        check_store(folder, url)
        path = folder / URL
    try:
        tables.mkdir(parents=True, exist_ok=True)
        if is_new and not url and any(tables.glob("*.parquet")):
            _warn(
                f"{folder} has tables but no store.sqlite, which was deleted or not copied. A new "
                "one is begun, without completions, runs and marks."
            )
        if is_new and url:
            with replacing(path) as partial:
                partial.write_text(f"{address(url, folder)}\n", encoding="utf-8")
    except OSError as error:
        if not os.access(path, os.R_OK):
            what = f"the session folder {folder} cannot be created or read: {cause(error)}."
            raise StoreError(what) from None
    try:
        store = Store(path)
    except BaseException:
        if is_new and url:  # the next attempt may be with another URL
            path.unlink(missing_ok=True)
        raise
    if store.read_only:
        place = folder if path.name == SQLITE else store.place
        _warn(
            f"{place} is read-only: the session can be read and replayed, but nothing is added "
            "to it."
        )
    else:
        for place in (folder, tables, folder / FOLDER):
            sweep(place)
            recover(store, place)
        if store.meta.get(SESSION) is None and store.completions.count():  # of an older synthkit
            store.marks.identify()
    return store


def store_of_new(folder: Path) -> str:
    """The URL that ``SYNTHKIT_STORE`` gives to a folder without a store; empty if it gives none."""
    return "" if os.path.exists(store_file(folder)) else os.environ.get(STORE, "")


def check_store(folder: Path, url: str) -> None:
    """Raise ``UsageError`` if a folder has another store than the one at a URL."""
    wanted, path = address(url, folder), store_file(folder)
    if not path.exists() or (path.name == URL and read_address(path) == wanted):
        return
    there = path.name if path.name == SQLITE else str(read_address(path))
    raise UsageError(
        f"{folder} has the store {there}, not {wanted}. Open another folder with that store; "
        "%synth export here and %synth import there take everything along."
    )


def _warn(message: str) -> None:
    warn(message, RuntimeWarning, stacklevel=4)  # where the session is constructed
