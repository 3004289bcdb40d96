"""What the tables of a store are written to: one interface, whichever engine keeps them.

:class:`~synthkit.store.sqlite.SqliteDatabase` is a file, :class:`~synthkit.store.postgres.\
PostgresDatabase` a schema of a server. Statements are written once, as SQLite has them.

Before each statement the file of the store is looked up by its path, so that nothing is written to
one that was deleted or replaced. A connection must not be carried across a fork, so all are closed
before one, and opened again when they are next used.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from synthkit.core.errors import StoreError, StoreLocked

SqlRow: TypeAlias = tuple[Any, ...]
BUSY_SECONDS = 60.0
"""How long a statement waits while another process writes."""
AMONG = "IN (SELECT value FROM json_each(?))"
"""Condition on a column; its parameter is a list, so that the number of values has no limit."""


class Database(ABC):
    """The tables of one store, for all threads of this process.

    Parameters
    ----------
    path : the file of the store: SQLite's, or the one that has the URL of the store.

    Attributes
    ----------
    place : where the tables are, for messages.
    read_only : whether nothing can be written.
    """

    place: str
    read_only: bool

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._closed = self._in_transaction = False
        self._connection: Any = None
        self._identity: tuple[float, ...] = ()
        _DATABASES.add(self)

    @abstractmethod
    def _open(self) -> None:
        """Connect: set the connection, the identity of the file, and whether it is read-only."""

    @abstractmethod
    def _begin(self, *, write: bool, durable: bool) -> bool:
        """Begin a transaction; ``False`` if another process is writing."""

    @abstractmethod
    def _commit(self, seconds: float) -> None:
        """Commit; wait at most so many seconds for others."""

    @abstractmethod
    def _end(self) -> None:
        """Roll back a transaction that was not committed; there may be none."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Close the connection, if it is open."""

    @abstractmethod
    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[SqlRow]:
        """All rows of a query."""

    @abstractmethod
    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        """Execute a statement, and return how many rows it changed.

        It is committed at once, unless a transaction is open.
        """

    @abstractmethod
    def insert(self, statement: str, parameters: Sequence[Any]) -> int:
        """Insert one row as :meth:`execute` does, and return its number."""

    @abstractmethod
    def execute_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """Execute a statement for each row of parameters; returns the number of rows changed."""

    @abstractmethod
    def merge_log(self) -> None:
        """Make the files of the store complete by themselves."""

    @abstractmethod
    def backup(self, path: Path) -> None:
        """Write what is stored at one moment to a new SQLite file, also while others write."""

    @abstractmethod
    def compact(self) -> bool:
        """Give free space back to the disk; ``False`` if another process is writing."""

    @abstractmethod
    def pages(self) -> tuple[int, int]:
        """(bytes in use, free bytes) of the tables and indexes."""

    @abstractmethod
    def table_bytes(self, table: str, row_bytes: str) -> int:
        """Bytes that a table takes, nearly, without reading all of it.

        Parameters
        ----------
        row_bytes : an expression of the bytes that a row takes.
        """

    @abstractmethod
    def is_same(self, other: Database) -> bool:
        """Whether the other one has the same tables."""

    def value(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        """The only value of a query that returns one row of one column."""
        return self.rows(query, parameters)[0][0]

    def _ready(self) -> None:
        """Raise ``StoreError`` if the store is closed or its file gone; connect after a fork."""
        if self._closed:
            raise StoreError(f"{self.place} is closed; open the session again.")
        if not self._in_transaction:  # its beginning has checked
            self.check_present()
        if self._connection is None:
            self._open()

    def is_present(self) -> bool:
        """Whether the file that was opened is still at its path."""
        try:
            return identity(self.path, content=len(self._identity) > 2) == self._identity
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
        """Raise ``StoreError`` if nothing can be written."""
        if self.read_only:
            raise StoreError(self._read_only_message())

    def _read_only_message(self) -> str:
        return (
            f"{self.path.parent} is read-only: what is in this session can be read and "
            "replayed, but nothing can be added, changed or deleted. Copy the folder to a "
            "place where you may write, and open the copy."
        )

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
            If another process writes for longer than ``patience`` seconds, or
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
                try:  # an interrupt may come as soon as it has begun
                    if self._begin(write=write, durable=durable):
                        self._in_transaction = True
                        yield
                        self._commit(seconds)
                        return
                finally:
                    self._in_transaction = False
                    self._end()
            self._wait(until, seconds)

    def _wait(self, until: float, seconds: float) -> None:
        """Sleep before another attempt, unless the time is up; Ctrl-C ends it."""
        if time.monotonic() >= until:
            raise StoreLocked(
                f"{self.path.name} has been locked by another process for over {seconds:.0f} s; "
                "nothing was changed. Try again when its run has ended."
            )
        time.sleep(0.01)

    def close(self) -> None:
        """Disconnect. Closing twice does nothing."""
        with self._lock:
            self._closed = True
            self._disconnect()

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


def identity(path: Path, *, content: bool = False) -> tuple[float, ...]:
    """What tells one file from another at the same path; with its content, from later versions."""
    stat = path.stat()
    return (stat.st_dev, stat.st_ino, *((stat.st_mtime_ns, stat.st_size) if content else ()))


_DATABASES: weakref.WeakSet[Database] = weakref.WeakSet()
_CARRIED: list[Any] = []
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
    """Some tables of a store, and the statements that read and write them."""

    def __init__(self, database: Database) -> None:
        self._database = database
