"""The connection to a SQLite file: locking, transactions, backup, and giving back free space.

Several kernels can use one file at once, because SQLite keeps a write-ahead log beside it. The log
is merged into the file after each run, so that the file alone can be copied. With
``synchronous=NORMAL`` a power cut can lose the last commits but cannot damage the file.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from synthkit.core.errors import StoreError
from synthkit.store import schema

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

    Raises
    ------
    StoreError
        If the file cannot be opened, is not a synthkit store, or has a newer format.
    """

    def __init__(self, path: Path, *, log: bool = True) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._open(log)
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            raise StoreError(f"{path} cannot be opened as a synthkit store: {error}.") from None

    def _open(self, log: bool) -> None:
        # SQLite does not wait for other processes when it changes the journal mode.
        for attempt in range(100):
            try:
                self._connection.execute(f"PRAGMA journal_mode = {'WAL' if log else 'DELETE'}")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or attempt == 99:
                    raise
                time.sleep(0.05)
        self._connection.execute("PRAGMA synchronous = NORMAL")
        version = schema.version_of(self._connection)
        if version > schema.SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} was written by a newer synthkit (format {version}; this one reads "
                f"formats up to {schema.SCHEMA_VERSION}). Upgrade: pip install -U jupyter-synthkit"
            )
        if version < schema.SCHEMA_VERSION:
            schema.migrate(self._connection)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """The connection, locked for this thread; errors of SQLite become ``StoreError``."""
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise StoreError(f"{self.path}: {error}.") from error

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[SqlRow]:
        """All rows of a query."""
        with self.connection() as connection:
            return connection.execute(query, parameters).fetchall()

    def value(self, query: str, parameters: Sequence[Any] = ()) -> Any:
        """The only value of a query that returns one row of one column."""
        return self.rows(query, parameters)[0][0]

    def execute(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> int:
        """Execute a statement, and return how many rows it changed.

        It is committed at once, unless a transaction is open.
        """
        with self.connection() as connection:
            return connection.execute(statement, parameters).rowcount

    def insert(self, statement: str, parameters: Sequence[Any]) -> int:
        """Insert one row as :meth:`execute` does, and return its number."""
        with self.connection() as connection:
            return connection.execute(statement, parameters).lastrowid or 0

    def execute_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """Execute a statement for each row of parameters; returns the number of rows changed."""
        with self.connection() as connection:
            return connection.executemany(statement, rows).rowcount

    @contextmanager
    def transaction(self, *, write: bool = True, patience: float | None = None) -> Iterator[None]:
        """Commit all writes of a block together, or none; reads see one state throughout.

        Raises
        ------
        StoreError
            If another process writes to the file for longer than ``patience`` seconds, or
            :data:`BUSY_SECONDS` if it is not given.
        """
        patience = BUSY_SECONDS if patience is None else patience
        with self.connection() as connection:
            connection.execute(f"PRAGMA busy_timeout = {round(patience * 1000)}")
            try:
                connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                raise StoreError(
                    f"{self.path.name} has been locked by another process for over "
                    f"{patience:.0f} s; nothing was changed. Try again when its run has ended."
                ) from None
            finally:
                connection.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")
            try:
                yield
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

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
        with self._lock:
            try:
                self._connection.execute("PRAGMA busy_timeout = 2000")
                self._connection.execute("VACUUM")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.OperationalError:  # busy, or too little space for the copy it makes
                return False
            finally:
                self._connection.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")
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
            self._connection.close()


class TableGroup:
    """Some tables of a file, and the statements that read and write them."""

    def __init__(self, database: Database) -> None:
        self._database = database
