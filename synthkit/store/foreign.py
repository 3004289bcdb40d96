"""The store of a bundle from elsewhere: opened read-only, and checked before it is merged."""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from synthkit.core.errors import StoreError
from synthkit.store.database import SqlRow
from synthkit.store.schema import (
    ADDED,
    COLUMNS,
    SCHEMA_VERSION,
    answer_and_reasoning,
    columns_of,
    version_of,
)

MAX_TIME = 2**33
"""Seconds since 1970. A time after the year 2242 is not believed."""
_DECLARED = {
    *"CREATE TABLE INDEX ON TEXT INTEGER REAL BLOB NOT NULL PRIMARY KEY DEFAULT 0 '' ( ) ,".split()
}
"""What declarations of tables and indexes consist of, beside names."""
RowCheck = Callable[[Mapping[str, Any]], object]


class ForeignStore:
    """A store file that may hold anything; nothing in it can be executed or changed.

    Raises
    ------
    StoreError
        If the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._older = False
        try:
            self._connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
            self._connection.execute("PRAGMA trusted_schema = OFF")
        except sqlite3.Error as error:
            raise StoreError(f"the bundle's store cannot be read: {error}.") from None

    def rows(self, table: str) -> Iterator[SqlRow]:
        """The rows of a table as this synthkit writes them, the oldest first."""
        present = columns_of(self._connection, table)
        if not present:
            return
        selected = ", ".join(
            column if column in present else ADDED[table][column].partition(" DEFAULT ")[2]
            for column in COLUMNS[table]
        )
        query = f"SELECT {selected} FROM main.{table} ORDER BY rowid"
        is_mixed = table == "completions" and "reasoning" not in present
        for row in self._connection.execute(query):
            yield _separated(row) if is_mixed else row

    def session(self) -> str:
        """The id of the session; empty if it has none."""
        return next((value for key, value in self.rows("meta") if key == "session"), "")

    def counts(self) -> dict[str, int]:
        """Number of marks, and of completions."""
        return {table: sum(1 for _ in self.rows(table)) for table in ("marks", "completions")}

    def check(self, checks: Mapping[str, RowCheck]) -> None:
        """Compare schema, types and rows with what this synthkit writes.

        Parameters
        ----------
        checks : table -> function that raises if a row of it (column -> value) is not valid.

        Raises
        ------
        StoreError
            If anything differs; nothing of the file may be used then.
        """
        try:
            self._check_schema()
            for table, columns in COLUMNS.items():
                check = checks.get(table)
                for row in self.rows(table):
                    for value, (column, types) in zip(row, columns.items(), strict=True):
                        if not _fits(value, column, types):
                            raise StoreError(f"{table}.{column} holds {str(value)[:60]!r}.")
                    if check:
                        check(dict(zip(columns, row, strict=True)))
        except (sqlite3.Error, ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoreError(f"the bundle's store is damaged: {error}.") from None
        except StoreError as error:
            raise StoreError(f"the bundle's store is refused: {error}") from None

    def _check_schema(self) -> None:
        db = self._connection
        version = version_of(db)
        if not 1 <= version <= SCHEMA_VERSION:
            raise StoreError(f"it has format {version}; expected at most {SCHEMA_VERSION}.")
        self._older = version < SCHEMA_VERSION
        schema = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
        for kind, _, table, _ in schema:
            if kind not in ("table", "index") or table not in COLUMNS:
                raise StoreError(f"it holds a {kind} of {table!r}.")
        for table, columns in COLUMNS.items():
            added = ADDED.get(table, {}) if self._older else {}
            least = len(columns) - len(added)
            present = columns_of(db, table)
            is_start = len(present) >= least and present == list(columns)[: len(present)]
            if not is_start and (present or not self._older):
                raise StoreError(f"its table {table} has other columns.")
        for kind, name, table, sql in schema:
            if sql is not None and (word := _foreign_word(sql, {name, table, *COLUMNS[table]})):
                raise StoreError(f"its {kind} {name[:100]!r} is declared with {word[:60]!r}.")
        # only now, since this evaluates constraints and generated columns
        if db.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
            raise StoreError("its pages are not consistent.")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _foreign_word(sql: str, names: Collection[str]) -> str:
    """The first word of a declaration that synthkit does not write; empty if there is none.

    So there are no constraints, generated columns, expressions, collations or partial indexes.

    >>> _foreign_word("CREATE TABLE t (a TEXT, b AS (hex(zeroblob(9))))", {"t", "a", "b"})
    'AS'
    """
    words = re.findall(r"\w+|'[^']*'|\"[^\"]*\"|\S", sql)
    known = (word for word in words if word.upper() not in _DECLARED)
    return next((word for word in known if word.strip('"') not in names), "")


def _separated(row: SqlRow) -> SqlRow:
    """A completion of an older format, with its reasoning apart from its text."""
    cells = dict(zip(COLUMNS["completions"], row, strict=True))
    cells["text"], cells["reasoning"] = answer_and_reasoning(cells["request"], cells["text"])
    return tuple(cells.values())


def _fits(value: Any, column: str, types: tuple[type, ...]) -> bool:
    """Whether a value has the type of its column; numbers must be finite, times plausible."""
    has_type = isinstance(value, types)
    is_finite = not isinstance(value, float) or math.isfinite(value)
    return has_type and is_finite and (column != "at" or 0 <= value < MAX_TIME)
