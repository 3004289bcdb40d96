"""The connection to a SQLite file: locking, transactions, backup, and giving back free space.

Several kernels can use one file at once, because SQLite keeps a write-ahead log beside it. The log
is merged into the file after each run, so that the file alone can be copied. With
``synchronous=NORMAL`` a power cut can lose the last commits but cannot damage the file; a
transaction that is ``durable`` is on disk when it has ended.

Before each statement the file is looked up by its path, since SQLite would go on writing to a file
that was deleted or replaced. A connection must not be carried across a fork, so all are closed
before one, and opened again when they are next used.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from synthkit.core.errors import StoreError, StoreLocked
from synthkit.store.opening import (
    OpenedFile,
    advice,
    identity,
    is_locked,
    open_file,
    wait_for_lock,
)

T = TypeVar("T")
SqlRow: TypeAlias = tuple[Any, ...]
BUSY_SECONDS = 60.0
"""How long a statement waits while another process writes."""
AMONG = "IN (SELECT value FROM json_each(?))"
"""Condition on a column; its parameter is a :func:`json_list`."""


def json_list(values: Iterable[Any]) -> str:
    """Values as the one parameter of :data:`AMONG`, so that their number has no limit."""
    return json.dumps(list(values))


class Database:
    """One SQLite file, for all threads of this process.

    Parameters
    ----------
    path : created if it does not exist.
    log : keep a write-ahead log; without it the file is always complete by itself.
    read_only : open the file to read, although it may be written.

    Raises
    ------
    StoreError
        If the file cannot be opened, is not a synthkit store, or has a newer format.
    """

    def __init__(self, path: Path, *, log: bool = True, read_only: bool = False) -> None:
        self.path = path
        self._how = {"log": log, "read_only": read_only}
        self._lock = threading.RLock()
        self._closed = self._in_transaction = False
        self._use(open_file(path, **self._how))
        _DATABASES.add(self)

    def _use(self, opened: OpenedFile) -> None:
        self._file = opened
        self._connection: sqlite3.Connection | None = opened.connection
        self.read_only = opened.read_only

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """The connection, locked for this thread; errors of SQLite become ``StoreError``."""
        with self._lock:
            if self._closed:
                raise StoreError(f"{self.path} is closed; open the session again.")
            if not self._in_transaction:  # its beginning has checked
                self.check_present()
            if self._connection is None:  # after a fork
                self._use(open_file(self.path, **self._how))
            assert self._connection is not None
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise StoreError(f"{self.path}: {advice(error)}") from error
            except UnicodeDecodeError as error:
                raise StoreError(f"{self.path} is damaged: {error}.") from error

    def is_present(self) -> bool:
        """Whether the file that was opened is still at its path."""
        known = self._file.identity
        try:
            return identity(self.path, content=len(known) > 2) == known
        except OSError:
            return False

    def check_present(self) -> None:
        """Raise ``StoreError`` if the file was deleted, moved or replaced since it was opened."""
        if self.is_present():
            return
        raise StoreError(
            f"{self.path} was deleted, moved or replaced since this session was opened, so that "
            "what is written now would be lost. Nothing more is asked or written. Open the session "
            "again (restart the kernel, or Session(folder) in Python)."
        )

    def check_writable(self) -> None:
        """Raise ``StoreError`` if the file may only be read."""
        if self.read_only:
            raise StoreError(
                f"{self.path.parent} is read-only: what is in this session can be read and "
                "replayed, but nothing can be added, changed or deleted. Copy the folder to a "
                "place where you may write, and open the copy."
            )

    def _execute(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Do something once other programs let it; other threads can read while this one waits."""
        until = time.monotonic() + BUSY_SECONDS
        while True:
            with self.connection() as connection:
                try:
                    return action(connection)
                except sqlite3.OperationalError as error:
                    if not is_locked(error) or connection.in_transaction:
                        raise
            self._wait(until, BUSY_SECONDS)

    def _wait(self, until: float, seconds: float) -> None:
        """Sleep before another attempt, unless the time is up; Ctrl-C ends it."""
        if time.monotonic() >= until:
            raise StoreLocked(
                f"{self.path.name} has been locked by another process for over {seconds:.0f} s; "
                "nothing was changed. Try again when its run has ended."
            )
        time.sleep(0.01)

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[SqlRow]:
        """All rows of a query."""
        return self._execute(lambda connection: connection.execute(query, parameters).fetchall())

    def value(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        """The only value of a query that returns one row of one column."""
        return self.rows(query, parameters)[0][0]

    def execute(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> int:
        """Execute a statement, and return how many rows it changed.

        It is committed at once, unless a transaction is open.
        """
        self.check_writable()
        return self._execute(lambda connection: connection.execute(statement, parameters).rowcount)

    def insert(self, statement: str, parameters: Sequence[Any]) -> int:
        """Insert one row as :meth:`execute` does, and return its number."""
        self.check_writable()
        return self._execute(
            lambda connection: connection.execute(statement, parameters).lastrowid or 0
        )

    def execute_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """Execute a statement for each row of parameters; returns the number of rows changed."""
        with self.transaction(), self.connection() as connection:
            return connection.executemany(statement, rows).rowcount

    @contextmanager
    def transaction(
        self, *, write: bool = True, patience: float | None = None, durable: bool = False
    ) -> Iterator[None]:
        """Commit all writes of a block together, or none; reads see one state throughout.

        A transaction within another is part of it.

        Parameters
        ----------
        durable : the writes are on disk when the block has ended, also after a power cut.

        Raises
        ------
        StoreLocked
            If another process writes to the file for longer than ``patience`` seconds, or
            :data:`BUSY_SECONDS` if it is not given.
        """
        if write:
            self.check_writable()
        seconds = BUSY_SECONDS if patience is None else patience
        until = time.monotonic() + seconds
        while True:
            with self._lock:
                if self._in_transaction:
                    yield
                    return
                with self.connection() as connection, self._synchronous(connection, durable):
                    try:
                        if _begin(connection, "BEGIN IMMEDIATE" if write else "BEGIN"):
                            self._in_transaction = True
                            yield
                            wait_for_lock(lambda: connection.execute("COMMIT"), seconds)
                            return
                    finally:
                        self._in_transaction = False
                        # SQLite rolls back by itself after some errors, such as a full disk
                        if connection.in_transaction:
                            connection.execute("ROLLBACK")
            self._wait(until, seconds)

    @contextmanager
    def _synchronous(self, connection: sqlite3.Connection, durable: bool) -> Iterator[None]:
        """Wait for the disk at the end of a transaction that is begun within the block."""
        if not durable or not self._file.has_log:  # a rollback journal always waits
            yield
            return
        connection.execute("PRAGMA synchronous = FULL")
        try:
            yield
        finally:
            connection.execute("PRAGMA synchronous = NORMAL")

    def merge_log(self) -> None:
        """Move the write-ahead log into the file, so that the file alone can be copied."""
        # all rows are read: a statement in progress would keep other threads from committing
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def backup(self, path: Path) -> None:
        """Copy the file as it is at one moment, also while others write to it."""
        try:
            with self.connection() as connection, closing(sqlite3.connect(path)) as copy:
                connection.backup(copy)
        except OSError as error:
            raise StoreError(f"the store cannot be copied to {path}: {error}.") from None

    def compact(self) -> bool:
        """Give free space back to the disk; ``False`` if another process is writing."""
        with self.connection() as connection:
            try:
                wait_for_lock(lambda: connection.execute("VACUUM"), 2.0)
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.OperationalError:  # busy, or too little space for the copy it makes
                return False
        return True

    def pages(self) -> tuple[int, int]:
        """(bytes in use, free bytes) of the file."""
        total, free, size = (
            self.value(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size")
        )
        return (total - free) * size, free * size

    def close(self) -> None:
        """Close the file; the log is merged into it. Closing twice does nothing."""
        with self._lock:
            self._closed = True
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if self._file.copy is not None:
            self._file.copy.cleanup()

    def _before_fork(self) -> None:
        """Wait until no other thread uses the connection, and close it."""
        self._lock.acquire()
        if not self._in_transaction:
            self._disconnect()

    def _after_fork_in_child(self) -> None:
        self._lock = threading.RLock()
        if self._connection is not None:  # forked within a transaction, which is the parent's
            _CARRIED.append(self._connection)
            self._connection, self._in_transaction = None, False


def _begin(connection: sqlite3.Connection, statement: str) -> bool:
    """Begin a transaction; ``False`` if another process is writing."""
    try:
        connection.execute(statement)
    except sqlite3.OperationalError as error:
        if not is_locked(error):
            raise
        return False
    return True


_DATABASES: weakref.WeakSet[Database] = weakref.WeakSet()
_CARRIED: list[sqlite3.Connection] = []
"""Connections of a parent process: they are neither used nor closed here."""
_FORKING: list[Database] = []


def _before_fork() -> None:
    _FORKING[:] = sorted(_DATABASES, key=id)
    for database in _FORKING:
        database._before_fork()


def _after_fork_in_parent() -> None:
    while _FORKING:
        _FORKING.pop()._lock.release()


def _after_fork_in_child() -> None:
    while _FORKING:
        _FORKING.pop()._after_fork_in_child()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )


class TableGroup:
    """Some tables of a file, and the statements that read and write them."""

    def __init__(self, database: Database) -> None:
        self._database = database
