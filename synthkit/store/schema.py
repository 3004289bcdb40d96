"""The tables of a store, the version of their format, and migration from older versions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from synthkit.core.answers import split_reasoning

SCHEMA_VERSION = 10
"""Format that this synthkit writes. Formats 1 to 10 can be read."""

ADDED: Mapping[str, Mapping[str, str]] = {
    "completions": {
        "reasoning": "TEXT NOT NULL DEFAULT ''",
        "tool_calls": "TEXT DEFAULT NULL",
        "reasoning_tokens": "INTEGER NOT NULL DEFAULT 0",
        "cached_tokens": "INTEGER NOT NULL DEFAULT 0",
        "checksum": "TEXT NOT NULL DEFAULT ''",
        "how": "TEXT NOT NULL DEFAULT ''",
        "source": "TEXT NOT NULL DEFAULT ''",
    },
    "marks": {"session": "TEXT NOT NULL DEFAULT ''"},
    "runs": {"recipe": "TEXT NOT NULL DEFAULT ''", "reasons": "TEXT NOT NULL DEFAULT ''"},
    "run_rows": {"call": "TEXT NOT NULL DEFAULT ''"},
}
"""Table -> the columns that formats 6 to 9 added at its end, with their declarations."""

_NEW = {
    table: "".join(f", {column} {declared}" for column, declared in columns.items())
    for table, columns in ADDED.items()
}

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS models (
    fingerprint TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS completions (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, ask TEXT NOT NULL,
    text TEXT NOT NULL, finish TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, seconds REAL NOT NULL, logprobs TEXT,
    at REAL NOT NULL{_NEW["completions"]});
CREATE INDEX IF NOT EXISTS completions_ask ON completions (ask);
CREATE TABLE IF NOT EXISTS runs (
    run INTEGER PRIMARY KEY, name TEXT NOT NULL, model TEXT NOT NULL, prompt TEXT NOT NULL,
    at REAL NOT NULL, rows INTEGER NOT NULL, ledger TEXT NOT NULL{_NEW["runs"]});
CREATE TABLE IF NOT EXISTS marks (
    seq INTEGER PRIMARY KEY, task TEXT NOT NULL, round INTEGER NOT NULL, row TEXT NOT NULL,
    by TEXT NOT NULL, label TEXT NOT NULL, reason TEXT NOT NULL, flag INTEGER NOT NULL,
    edit TEXT NOT NULL, at REAL NOT NULL, act TEXT NOT NULL, step INTEGER NOT NULL{_NEW["marks"]});
CREATE INDEX IF NOT EXISTS marks_row ON marks (row);
CREATE TABLE IF NOT EXISTS run_rows (
    run INTEGER PRIMARY KEY, line TEXT NOT NULL, made BLOB NOT NULL,
    rejected BLOB NOT NULL{_NEW["run_rows"]});
CREATE TABLE IF NOT EXISTS origins (row TEXT PRIMARY KEY, keys BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS labs (name TEXT PRIMARY KEY, body TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS curations (
    curation INTEGER PRIMARY KEY, name TEXT NOT NULL, at REAL NOT NULL, funnel TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS verdicts (
    row TEXT NOT NULL, curation INTEGER NOT NULL, filter TEXT NOT NULL, why TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS verdicts_row ON verdicts (row);
CREATE INDEX IF NOT EXISTS verdicts_curation ON verdicts (curation);
CREATE TABLE IF NOT EXISTS filters (
    name TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (name, version));
CREATE TABLE IF NOT EXISTS evaluations (
    evaluation INTEGER PRIMARY KEY, name TEXT NOT NULL, at REAL NOT NULL, body TEXT NOT NULL,
    rows BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS inputs (name TEXT PRIMARY KEY, body TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS claims (
    claim INTEGER PRIMARY KEY, at REAL NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS people (session TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS leases (key TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL);
CREATE TABLE IF NOT EXISTS batches (
    batch TEXT PRIMARY KEY, owner TEXT NOT NULL, at REAL NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batch_requests (
    key TEXT PRIMARY KEY, batch TEXT NOT NULL, tries INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS batch_requests_batch ON batch_requests (batch);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
DECLARATIONS = tuple(filter(None, map(str.strip, _SCHEMA.split(";"))))
"""The statements that create the tables and indexes, where they are missing."""

_TYPES = {"TEXT": (str,), "BLOB": (bytes,), "INTEGER": (int,), "REAL": (int, float)}


def _columns() -> dict[str, dict[str, tuple[type, ...]]]:
    query = """SELECT t.name, c.name, c.type, c."notnull" OR c.pk
        FROM sqlite_master AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table'"""
    columns: dict[str, dict[str, tuple[type, ...]]] = {}
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(_SCHEMA)
        for table, column, kind, required in connection.execute(query):
            types = _TYPES[kind] if required else (*_TYPES[kind], type(None))
            columns.setdefault(table, {})[column] = types
    for column in ("text", "reasoning"):
        columns["completions"][column] = (str, bytes)  # bytes if it has half of a surrogate pair
    return columns


COLUMNS: Mapping[str, Mapping[str, tuple[type, ...]]] = _columns()
"""Table -> column -> the types of its values, in the order of the schema."""


def version_of(connection: sqlite3.Connection) -> int:
    """The format of a file; 0 for a new one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def columns_of(connection: sqlite3.Connection, table: str) -> list[str]:
    """The columns of a table of a file; none if it has no such table."""
    return [row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")]


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a new file, or one of an older format, to :data:`SCHEMA_VERSION`.

    Formats 2 to 5 only added tables. Format 6 added columns, and separates the reasoning in the
    texts of completions. Format 7 added the column ``how``, format 8 those of ``runs``, ``call``,
    inputs and claims, format 9 ``source`` and people, format 10 batches.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        present = columns_of(connection, "completions")
        is_mixed = bool(present) and "reasoning" not in present
        for table, columns in ADDED.items():
            present = columns_of(connection, table)
            for column, declared in columns.items():
                if present and column not in present:
                    connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} {declared}")
        for statement in (*DECLARATIONS, f"PRAGMA user_version = {SCHEMA_VERSION}"):
            connection.execute(statement)
        if is_mixed:
            _separate_reasoning(connection)
        connection.execute("COMMIT")
    except BaseException:
        # SQLite rolls back by itself after some errors, such as a full disk
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _separate_reasoning(connection: sqlite3.Connection) -> None:
    """Move the reasoning in the texts of completions to its column."""
    query = "SELECT key, request, text FROM completions WHERE instr(text, 'think') > 0"
    for key, request, text in connection.execute(query).fetchall():
        answer, reasoning = answer_and_reasoning(request, text)
        if reasoning:
            connection.execute(
                "UPDATE completions SET text = ?, reasoning = ? WHERE key = ?",
                (answer, reasoning, key),
            )


def answer_and_reasoning(request: str, text: Any) -> tuple[Any, str]:
    """The text of a completion of format 5 or before, without and with its reasoning.

    A text that was scored, and one that is stored as bytes, stays whole.
    """
    if isinstance(text, bytes) or json.loads(request).get("op") != "complete":
        return text, ""
    parts, answer = split_reasoning(text)
    return answer, "\n\n".join(parts)
