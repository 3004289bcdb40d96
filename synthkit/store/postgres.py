"""A store in a PostgreSQL database, which several machines can use at once.

A transaction that writes holds the advisory lock of the session until it ends, so that there is one
writer at a time, as with an SQLite file. What is committed is on the disk of the server.

If the connection is lost, statements outside of transactions are sent again. A transaction is not,
since only its caller can repeat it. If the connection is lost during a commit, the server is asked
later whether the transaction was committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from synthkit.core.errors import StoreError, StoreLocked, StoreUnreachable
from synthkit.store import database
from synthkit.store.address import read_address
from synthkit.store.database import Database, SqlRow, identity
from synthkit.store.dialect import NUMBERED, bound, returning_number, translated
from synthkit.store.postgres_opening import connect, lock_number, prepare, psycopg
from synthkit.store.schema import COLUMNS
from synthkit.store.sqlite import SqliteDatabase

T = TypeVar("T")
LOCK_MILLISECONDS = 100
"""How long the server waits for a lock by itself; longer waits are here, where Ctrl-C ends them."""
RECONNECT_SECONDS = 0.2
_COMMIT_SECONDS = 10.0
"""How long a commit whose connection was lost waits for the server."""
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresDatabase(Database):
    """The tables of one session on a server.

    Parameters
    ----------
    path : the file that has the URL of the store.
    read_only : open the session to read, although it may be written.

    Raises
    ------
    StoreError
        If the server refuses, or the session has a newer format.
    StoreUnreachable
        If the server does not answer.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        super().__init__(path)
        self.address = read_address(path)
        self.place = str(self.address)
        self.read_only = self._asked_read_only = read_only
        self._lost: StoreUnreachable | None = None
        self._transaction_id = ""
        self._open()

    def _open(self) -> None:
        self._identity = identity(self.path)
        connection = connect(self.address)
        try:
            self.read_only = prepare(connection, self.address, read_only=self._asked_read_only)
        except BaseException as error:
            connection.close()
            if isinstance(error, psycopg.Error):
                raise self._translated(error, lost=connection.broken) from error
            raise
        self._connection = connection

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """The connection, locked for this thread; errors of psycopg become ``StoreError``."""
        with self._lock:
            self._ready()
            connection = self._connection
            try:
                yield connection
            except psycopg.Error as error:
                lost = connection.closed or _is_end(error)
                if lost and not self._in_transaction:
                    self._disconnect()
                raise self._translated(error, lost=lost) from error

    def _translated(self, error: Any, *, lost: bool) -> StoreError:
        words = " ".join(str(error).split())
        state = error.sqlstate or ""
        if lost:
            return StoreUnreachable(
                f"the connection to {self.place} was lost: {words}. Run it again when the server "
                "is there; what was committed is kept."
            )
        if state.startswith("40"):  # a deadlock
            return StoreLocked(f"{self.place} is in use: {words}; nothing was changed.")
        hints = {
            "53100": "The disk of the server is full.",
            "42501": "Ask whoever runs the server for the right to write to this session.",
            "25006": "The server may only be read.",
        }
        return StoreError(f"{self.place}: {words}. {hints.get(state, '')}".strip())

    def _patiently(self, act: Callable[[], T], seconds: float) -> T:
        """Repeat something that is safe to repeat until the server answers."""
        until = time.monotonic() + seconds
        while True:
            try:
                return act()
            except StoreUnreachable:
                with self._lock:
                    if self._in_transaction or time.monotonic() >= until:
                        raise
            time.sleep(RECONNECT_SECONDS)

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[SqlRow]:
        """All rows of a query."""

        def read() -> list[SqlRow]:
            with self.connection() as connection:
                values = bound(query, parameters)
                found: list[SqlRow] = connection.execute(translated(query), values).fetchall()
                return found

        return self._patiently(read, database.BUSY_SECONDS)

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        """Execute a statement, and return how many rows it changed.

        It is committed at once, unless a transaction is open.
        """
        values = bound(statement, parameters)
        return self._write(
            lambda connection: int(connection.execute(translated(statement), values).rowcount)
        )

    def insert(self, statement: str, parameters: Sequence[Any]) -> int:
        """Insert one row as :meth:`execute` does, and return its number."""
        query, values = returning_number(statement), bound(statement, parameters)
        return self._write(lambda connection: int(connection.execute(query, values).fetchone()[0]))

    def _write(self, action: Callable[[Any], T]) -> T:
        def attempt() -> T:
            with self.transaction(), self.connection() as connection:
                return action(connection)

        return self._patiently(attempt, database.BUSY_SECONDS)

    def execute_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """Execute a statement for each row of parameters; returns the number of rows changed."""
        with self.transaction(), self.connection() as connection, connection.cursor() as cursor:
            cursor.executemany(translated(statement), (bound(statement, row) for row in rows))
            return max(0, int(cursor.rowcount))

    def _begin(self, *, write: bool, durable: bool) -> bool:
        self._lost = None
        begin = _READ if not write else (
            f"BEGIN; SET LOCAL lock_timeout = {LOCK_MILLISECONDS}; "
            f"SELECT pg_advisory_xact_lock({lock_number(self.address)}); "
            "SELECT pg_current_xact_id()::text"
        )  # fmt: skip
        try:
            with self.connection() as connection:
                try:
                    cursor = connection.execute(begin, prepare=False)
                    while cursor.nextset():
                        pass
                    self._transaction_id = cursor.fetchone()[0] if write else ""
                except psycopg.errors.LockNotAvailable:
                    return False
        except StoreUnreachable as error:
            self._lost = error
            return False
        return True

    def _commit(self, seconds: float) -> None:
        try:
            with self.connection() as connection:
                ended = connection.execute("COMMIT").statusmessage
        except StoreUnreachable:
            if self._transaction_id and self._was_committed(max(seconds, _COMMIT_SECONDS)):
                return
            raise
        if ended == "ROLLBACK":
            raise StoreError(f"{self.place}: a statement failed, so nothing was changed.")

    def _was_committed(self, seconds: float) -> bool:
        """Ask the server whether the transaction was committed whose connection was lost."""
        until = time.monotonic() + seconds
        while True:
            try:
                self._disconnect()
                self._open()
                query = "SELECT pg_xact_status(%s::xid8)"
                (status,) = self._connection.execute(query, [self._transaction_id]).fetchone()
                if status != "in progress":
                    return bool(status == "committed")
            except (StoreUnreachable, psycopg.OperationalError):
                if time.monotonic() >= until:
                    return False
            time.sleep(RECONNECT_SECONDS)

    def _end(self) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                connection.execute("ROLLBACK")
        except psycopg.Error:
            self._disconnect()  # the server rolls back

    def _wait(self, until: float, seconds: float) -> None:
        if self._lost is None:
            super()._wait(until, seconds)
        elif time.monotonic() >= until:
            raise self._lost
        else:
            time.sleep(RECONNECT_SECONDS)

    def _read_only_message(self) -> str:
        return (
            f"{self.place} is read-only for this user: what is in this session can be read and "
            "replayed, but nothing can be added, changed or deleted. Ask whoever runs the server."
        )

    def merge_log(self) -> None:
        """Do nothing: what is committed is complete."""

    def backup(self, path: Path) -> None:
        """Write what is stored at one moment to a new SQLite file, also while others write."""
        with (
            closing(SqliteDatabase(path, log=False)) as copy,
            self.transaction(write=False),
            self.connection() as connection,
            copy.transaction(),
        ):
            for table, columns in COLUMNS.items():
                key = NUMBERED.get(table, "rowid")
                with connection.cursor(name="backup") as cursor:
                    cursor.itersize = 5000
                    cursor.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {key}")
                    marks = ", ".join("?" * len(columns))
                    copy.execute_many(f"INSERT INTO {table} VALUES ({marks})", cursor)

    def compact(self) -> bool:
        """Let the space of what was deleted be used again; the server keeps it."""
        with self.connection() as connection:
            connection.execute(f"VACUUM {', '.join(COLUMNS)}")
        return True

    def pages(self) -> tuple[int, int]:
        """(bytes in use, free bytes) of the tables and indexes; none are known to be free."""
        query = (
            "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class "
            "WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        )
        return int(self.value(query)), 0

    def table_bytes(self, table: str, row_bytes: str) -> int:
        """Bytes of the table on the server, with its indexes."""
        return int(self.value("SELECT pg_total_relation_size(CAST(? AS regclass))", (table,)))

    def is_same(self, other: Database) -> bool:
        """Whether the other one is the same session of the same server."""
        return isinstance(other, PostgresDatabase) and self.address == other.address

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()


def _is_end(error: Any) -> bool:
    """Whether an error ends the connection: the server stops, or the network failed."""
    return (error.sqlstate or "").startswith(("08", "57P0"))
