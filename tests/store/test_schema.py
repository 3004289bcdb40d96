"""Stores of older formats gain the tables that they lack, and keep what they hold."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from synthkit.core.models import Ledger
from synthkit.core.types import Completion, Mark, Message, Request
from synthkit.store.schema import COLUMNS, SCHEMA_VERSION, migrate
from synthkit.store.store import Store

REQUEST = Request((Message("user", "Hi."),))
ADDED_IN = {
    2: ("marks", "labs"),
    3: ("run_rows", "origins"),
    4: ("curations", "verdicts", "filters"),
    5: ("evaluations",),
    6: ("leases", "meta"),
    7: (),
    8: ("inputs", "claims"),
    9: ("people",),
    10: ("batches", "batch_requests"),
}
"""Format -> the tables that it added to the one before."""


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_a_store_of_an_older_format_gains_the_missing_tables(tmp_path: Path, version: int) -> None:
    path = tmp_path / "store.sqlite"
    key = REQUEST.key("m")
    with closing(Store(path)) as store:
        answer = "<think>Greet back.</think>\n\nHello."
        store.completions.put(key, REQUEST.payload("m"), Completion(answer))
        store.runs.add("facts", "m", "Hi.", 1, Ledger(requests=1))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for added in range(version + 1, SCHEMA_VERSION + 1):
            for table in ADDED_IN[added]:
                db.execute(f"DROP TABLE {table}")
        for column in (
            "reasoning",
            "tool_calls",
            "reasoning_tokens",
            "cached_tokens",
            "checksum",
            "how",
            "source",
        ):
            db.execute(f"ALTER TABLE completions DROP COLUMN {column}")
        if version > 1:
            db.execute("ALTER TABLE marks DROP COLUMN session")
        if version > 2:
            db.execute("ALTER TABLE run_rows DROP COLUMN call")
        for column in ("recipe", "reasons"):
            db.execute(f"ALTER TABLE runs DROP COLUMN {column}")
        db.execute(f"PRAGMA user_version = {version}")
    with closing(Store(path)) as store:
        completion = store.completions.get([key])[key]
        assert (completion.text, completion.reasoning) == ("Hello.", "Greet back.")
        assert [run["name"] for run in store.runs.all()] == ["facts"]
        assert store.runs.rows(1) is None
        assert store.runs.without_rows() == [1]
        assert store.marks.all() == []
        assert store.marks.add([Mark(id="a", label="accept")])
        store.labs.put("tone", {})
        assert store.curations.add("facts", [], [("a", "", "")]) == 1
        assert store.filters.add("polite", {}) == 1
        assert store.evaluations.add("facts", "{}", b"") == 1
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def test_checksums_of_format_6_hold(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    key = REQUEST.key("m")
    with closing(Store(path)) as store:
        store.completions.put(key, REQUEST.payload("m"), Completion("Hello.", completion_tokens=2))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for column in ("how", "source"):
            db.execute(f"ALTER TABLE completions DROP COLUMN {column}")
        db.execute("PRAGMA user_version = 6")
        assert len(db.execute("SELECT checksum FROM completions").fetchone()[0]) == 16
    with closing(Store(path)) as store:
        assert store.completions.get([key])[key].text == "Hello."


def test_an_upgrade_leaves_texts_whose_reasoning_was_left_in(tmp_path: Path) -> None:
    path, key, answer = tmp_path / "store.sqlite", REQUEST.key("m"), Completion("<think>a</think>b")
    with closing(Store(path)) as store:
        store.completions.put(key, REQUEST.payload("m"), answer)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION - 1}")
    with closing(Store(path)) as store:
        assert store.completions.get([key]) == {key: answer}


def test_the_columns_that_imports_are_checked_against_are_those_of_the_schema(
    tmp_path: Path,
) -> None:
    Store(tmp_path / "store.sqlite").close()
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        columns = {
            table: [row[1] for row in db.execute(f"PRAGMA table_info({table})")] for table in tables
        }
    assert columns == {table: list(kinds) for table, kinds in COLUMNS.items()}


def test_the_cause_of_a_failed_migration_is_not_hidden_by_the_rollback() -> None:
    class Failing(sqlite3.Connection):
        """Ends its transaction with the error, as SQLite does after some."""

        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if "CREATE TABLE" not in sql:
                return super().execute(sql, *parameters)
            super().execute("ROLLBACK")
            raise sqlite3.OperationalError("disk I/O error")

    connection = sqlite3.connect(":memory:", isolation_level=None, factory=Failing)
    with closing(connection), pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        migrate(connection)
