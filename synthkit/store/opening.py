"""Opening the SQLite file of a store, on any file system, and saying what is wrong with it.

A new file is built under another name and appears complete, so that an empty file is always damage.
In a folder that may only be read the file is opened to read. Where programs cannot share memory
(some network drives) a rollback journal takes the place of the write-ahead log.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from synthkit.core.environment import warn
from synthkit.core.errors import StoreError, StoreLocked, cause
from synthkit.core.files import replacing, sync
from synthkit.store import schema
from synthkit.store.database import identity

T = TypeVar("T")

LOCK_SECONDS = 0.1
"""How long SQLite waits for a lock by itself; longer waits are here, where Ctrl-C ends them."""
OPEN_SECONDS = 20.0
"""How long opening waits while another program holds the file."""
_PAGES = ("page_count", "page_size")


@dataclass(slots=True)
class OpenedFile:
    """An open SQLite file.

    Parameters
    ----------
    read_only : it lies where it may only be read.
    identity : of the file that was opened; another one means that it was replaced.
    has_log : it keeps a write-ahead log.
    copy : the temporary folder that a copy is read in, if the file could not be read in its place.
    """

    connection: sqlite3.Connection
    read_only: bool
    identity: tuple[float, ...]
    has_log: bool = False
    copy: tempfile.TemporaryDirectory[str] | None = None


def open_file(path: Path, *, log: bool, read_only: bool = False) -> OpenedFile:
    """Open the store at ``path``; it is created if it does not exist and may be written.

    Raises
    ------
    StoreError
        If it cannot be opened, is empty, cut short or no synthkit store, or has a newer format.
    """
    try:
        if not path.exists() and (read_only or not _create(path)):
            raise StoreError(f"{path} {'does not exist' if read_only else 'cannot be created'}.")
        if path.stat().st_size == 0:
            raise StoreError(
                f"{path} is empty: what it held is lost, perhaps by a full disk or a copy that was "
                "cut short. Restore it from a copy or a bundle; or delete it to begin with none."
            )
        writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
        return _open_to_write(path, log) if writable and not read_only else _open_to_read(path)
    except sqlite3.Error as error:
        if is_locked(error):
            raise StoreLocked(_locked(path)) from None
        raise StoreError(f"{path} cannot be opened as a synthkit store: {advice(error)}") from None
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{path} cannot be opened as a synthkit store: {cause(error)}.") from None


def is_locked(error: sqlite3.Error) -> bool:
    """Whether another program holds a lock that the statement needs."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    )


def advice(error: sqlite3.Error) -> str:
    """The words of an SQLite error, and what to do about it."""
    name = getattr(error, "sqlite_errorname", "")
    hints = {
        "SQLITE_FULL": "The disk is full: free some space, then run it again.",
        "SQLITE_CORRUPT": "The file is damaged: restore it from a copy or a bundle.",
        "SQLITE_NOTADB": "It is no SQLite file, or is damaged: restore it from a copy or a bundle.",
        "SQLITE_READONLY": "The folder is read-only now: allow writing, then open it again.",
        "SQLITE_CANTOPEN": "Is the folder there, and may you write to it?",
        "SQLITE_IOERR": "The disk or network drive fails: move the session folder to another one.",
    }
    found = next((hint for start, hint in hints.items() if name.startswith(start)), "")
    kind = f" ({name})" if name.startswith("SQLITE_IOERR_") else ""
    return f"{error}{kind}.{' ' if found else ''}{found}"


def wait_for_lock(action: Callable[[], T], seconds: float) -> T:
    """Try until other programs release the file; the wait can be interrupted."""
    until = time.monotonic() + seconds
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if not is_locked(error) or time.monotonic() >= until:
                raise
        time.sleep(0.01)


def _connect(place: str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(
        place, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False, uri=uri
    )


def _create(path: Path) -> bool:
    """Build a new store beside ``path`` and give it its name, unless another process is first."""
    with suppress(FileExistsError), replacing(path) as partial:
        with closing(_connect(str(partial))) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            schema.migrate(connection)
        sync(partial)
        try:
            os.link(partial, path)  # fails if the name is taken, which replacing would not
        except FileExistsError:
            raise
        except (
            OSError,
            AttributeError,
        ):  # a file system, or a Python such as Pyodide, without links
            if path.exists():
                raise FileExistsError(path) from None
    return path.exists()


def _open_to_write(path: Path, log: bool) -> OpenedFile:
    connection = _connect(str(path))
    try:
        try:
            _journal(connection, path, "WAL" if log else "DELETE")
        except sqlite3.OperationalError as error:
            if not _lacks_shared_memory(error):
                raise
            connection.close()
            connection = _connect(str(path))
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # needs no shared memory
            _journal(connection, path, "TRUNCATE")
            connection.execute("PRAGMA locking_mode = NORMAL")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            warn(
                f"the file system of {path.parent} cannot share memory between programs, so the "
                "session keeps a rollback journal, and commits are slower. For long runs keep the "
                "session on a local disk.",
                RuntimeWarning,
                stacklevel=2,
            )
        _check(connection, path)
        if schema.version_of(connection) < schema.SCHEMA_VERSION:
            wait_for_lock(lambda: schema.migrate(connection), OPEN_SECONDS)
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        return OpenedFile(connection, False, identity(path), mode == "wal")
    except BaseException:
        connection.close()
        raise


def _journal(connection: sqlite3.Connection, path: Path, mode: str) -> None:
    """Set the journal mode, and read once, which takes the locks and memory that it needs."""

    def attempt() -> None:
        try:
            got = connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()[0]
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            refused = "LOCK" in getattr(error, "sqlite_errorname", "") and not is_locked(error)
            if refused or (is_locked(error) and _refuses_locks(path.parent)):
                raise StoreError(
                    f"the file system of {path.parent} refuses locks, as some network drives do, "
                    "so a session there could be damaged. Keep the session on a local disk: "
                    "Session('/tmp/work') in Python."
                ) from None
            raise
        if mode == "WAL" and got != "wal":
            raise sqlite3.OperationalError("no shared memory")

    wait_for_lock(attempt, OPEN_SECONDS)
    synchronous = "NORMAL" if mode == "WAL" else "FULL"
    connection.execute(f"PRAGMA synchronous = {synchronous}")


def _lacks_shared_memory(error: sqlite3.Error) -> bool:
    name = getattr(error, "sqlite_errorname", "")
    return str(error) == "no shared memory" or name.startswith(
        ("SQLITE_IOERR_SHM", "SQLITE_PROTOCOL", "SQLITE_CANTOPEN")
    )


def _refuses_locks(folder: Path) -> bool:
    """Whether no file in a folder can be locked, whoever asks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    # a file that cannot be created means another trouble, such as a full disk
    with suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _open_to_read(path: Path) -> OpenedFile:
    """Open a store that may not be changed: in its place, or else a temporary copy of it."""
    log = path.with_name(f"{path.name}-wal")
    has_log = log.exists() and log.stat().st_size > 0
    connection: sqlite3.Connection | None = None
    # without a log nobody writes to the file, so it needs no lock
    for how, content in (("mode=ro", False), *([] if has_log else [("immutable=1", True)])):
        mark = identity(path, content=content)
        connection = _connect(f"{path.absolute().as_uri()}?{how}", uri=True)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            _check(connection, path)
            if schema.version_of(connection) == schema.SCHEMA_VERSION:
                return OpenedFile(connection, True, mark)
        except sqlite3.OperationalError:
            pass
        except BaseException:
            connection.close()
            raise
        connection.close()
    return _open_copy(path)


def _open_copy(path: Path) -> OpenedFile:
    """A copy of a store in a temporary folder: for an older format, or a log that cannot be read"""
    folder = tempfile.TemporaryDirectory(prefix="synthkit-")
    try:
        mark = identity(path, content=True)
        copy = Path(folder.name) / path.name
        shutil.copyfile(path, copy)
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{path}-wal", f"{copy}-wal")
        return OpenedFile(_open_to_write(copy, True).connection, True, mark, copy=folder)
    except BaseException:
        folder.cleanup()
        raise


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise ``StoreError`` if the file is no store, is cut short, or has a newer format."""
    version = schema.version_of(connection)
    if version > schema.SCHEMA_VERSION:
        raise StoreError(
            f"{path} was written by a newer synthkit (format {version}; this one reads "
            f"formats up to {schema.SCHEMA_VERSION}). Upgrade: pip install -U jupyter-synthkit"
        )
    query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    names = {name for (name,) in connection.execute(query)}
    lacking = set(schema.COLUMNS) - names if version == schema.SCHEMA_VERSION else set()
    if version == 0 or lacking or "completions" not in names:
        what = f"lacks the table {min(lacking)!r}" if lacking else "has none of its tables"
        raise StoreError(
            f"{path} cannot be opened as a synthkit store: it {what}. It is another program's "
            "file, or damaged: restore it from a copy or a bundle, or move it away."
        )
    pages, size = (connection.execute(f"PRAGMA {it}").fetchone()[0] for it in _PAGES)
    log = path.with_name(f"{path.name}-wal")
    if not log.exists() and path.stat().st_size < pages * size:
        raise StoreError(
            f"{path} is damaged: it has {path.stat().st_size} bytes of {pages * size}, so its copy "
            "or its disk was cut short. Restore it from a copy or a bundle."
        )


def _locked(path: Path) -> str:
    return (
        f"{path} cannot be opened: another program has held it locked for over "
        f"{OPEN_SECONDS:.0f} s. Close that program (a database browser, a backup), then try again."
    )
