"""A store in an SQLite file: locking, transactions, backup, and giving back free space.

Several kernels can use one file at once, because SQLite keeps a write-ahead log beside it. The log
is merged into the file after each run, so that the file alone can be copied. With
``synchronous=NORMAL`` a power cut can lose the last commits but cannot damage the file; a
transaction that is ``durable`` is on disk when it has ended.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from synthkit.core.errors import StoreError, cause
from synthkit.store import database
from synthkit.store.database import Database, SqlRow
from synthkit.store.opening import OpenedFile, advice, is_locked, open_file, wait_for_lock

T = TypeVar("T")
SAMPLE = 20_000
"""The newest rows by which the size of a table is estimated."""


class SqliteDatabase(Database):
    """One SQLite file.

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
        super().__init__(path)
        self.place = str(path)
        self._how = {"log": log, "read_only": read_only}
        self._file: OpenedFile | None = None
        self._synchronous = False
        self._open()

    def _open(self) -> None:
        self._file = opened = open_file(self.path, **self._how)
        self._connection, self._identity = opened.connection, opened.identity
        self.read_only = opened.read_only

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """The connection, locked for this thread; errors of SQLite become ``StoreError``."""
        with self._lock:
            self._ready()
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise StoreError(f"{self.path}: {advice(error)}") from error
            except UnicodeDecodeError as error:
                raise StoreError(f"{self.path} is damaged: {error}.") from error

    def _execute(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """Do something once other programs let it; other threads can read while this one waits."""
        until = time.monotonic() + database.BUSY_SECONDS
        while True:
            with self.connection() as connection:
                try:
                    return action(connection)
                except sqlite3.OperationalError as error:
                    if not is_locked(error) or connection.in_transaction:
                        raise
            self._wait(until, database.BUSY_SECONDS)

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[SqlRow]:
        """All rows of a query."""
        values = _bound(parameters)
        return self._execute(lambda connection: connection.execute(query, values).fetchall())

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        """Execute a statement, and return how many rows it changed.

        It is committed at once, unless a transaction is open.
        """
        self.check_writable()
        values = _bound(parameters)
        return self._execute(lambda connection: connection.execute(statement, values).rowcount)

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

    def _begin(self, *, write: bool, durable: bool) -> bool:
        with self.connection() as connection:
            # a rollback journal always waits for the disk
            self._synchronous = durable and self._file is not None and self._file.has_log
            if self._synchronous:
                connection.execute("PRAGMA synchronous = FULL")
            try:
                connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            except sqlite3.OperationalError as error:
                if is_locked(error):
                    return False
                raise
        return True

    def _commit(self, seconds: float) -> None:
        with self.connection() as connection:
            wait_for_lock(lambda: connection.execute("COMMIT"), seconds)

    def _end(self) -> None:
        # SQLite rolls back by itself after some errors, such as a full disk
        if self._connection is not None and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        # it no longer waits for the disk
        if self._synchronous and self._connection is not None:
            self._connection.execute("PRAGMA synchronous = NORMAL")
        self._synchronous = False

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
            raise StoreError(f"the store cannot be copied to {path}: {cause(error)}.") from None

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

    def table_bytes(self, table: str, row_bytes: str) -> int:
        """Bytes of the rows; of those of a long table, what the newest take, by their number."""
        last, first = (
            self.value(f"SELECT coalesce({end}(rowid), 0) FROM {table}") for end in ("max", "min")
        )
        query = f"SELECT coalesce(sum({row_bytes}), 0), count(*) FROM {table} WHERE rowid > ?"
        newest, n = self.rows(query, (last - SAMPLE,))[0]
        return int(newest * max(1, (last - first + 1) / n)) if last - first >= SAMPLE else newest

    def is_same(self, other: Database) -> bool:
        """Whether the other one is of the same file."""
        return isinstance(other, SqliteDatabase) and self.path.samefile(other.path)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()  # the log is merged into the file
        if self._file is not None and self._file.copy is not None:
            self._file.copy.cleanup()


def _bound(parameters: Sequence[Any]) -> list[Any]:
    """Parameters as SQLite takes them: a list is JSON, for :data:`~.database.AMONG`."""
    return [json.dumps(value) if type(value) is list else value for value in parameters]
