"""The tables of a store, the version of their format, and migration from older versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing

SCHEMA_VERSION = 5
"""Format that this synthkit writes. Formats 1 to 5 can be read."""

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS models (
    fingerprint TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS completions (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, ask TEXT NOT NULL,
    text TEXT NOT NULL, finish TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, seconds REAL NOT NULL, logprobs TEXT, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS completions_ask ON completions (ask);
CREATE TABLE IF NOT EXISTS runs (
    run INTEGER PRIMARY KEY, name TEXT NOT NULL, model TEXT NOT NULL, prompt TEXT NOT NULL,
    at REAL NOT NULL, rows INTEGER NOT NULL, ledger TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS marks (
    seq INTEGER PRIMARY KEY, task TEXT NOT NULL, round INTEGER NOT NULL, row TEXT NOT NULL,
    by TEXT NOT NULL, label TEXT NOT NULL, reason TEXT NOT NULL, flag INTEGER NOT NULL,
    edit TEXT NOT NULL, at REAL NOT NULL, act TEXT NOT NULL, step INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS marks_row ON marks (row);
CREATE TABLE IF NOT EXISTS run_rows (
    run INTEGER PRIMARY KEY, line TEXT NOT NULL, made BLOB NOT NULL, rejected BLOB NOT NULL);
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
PRAGMA user_version = {SCHEMA_VERSION};
"""

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
    columns["completions"]["text"] = (str, bytes)  # bytes if it has half of a surrogate pair
    return columns


COLUMNS: Mapping[str, Mapping[str, tuple[type, ...]]] = _columns()
"""Table -> column -> the types of its values, in the order of the schema."""


def version_of(connection: sqlite3.Connection) -> int:
    """The format of a file; 0 for a new one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a new file, or one of an older format, to :data:`SCHEMA_VERSION`.

    Each format so far only added tables, so the missing ones are created.
    """
    connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
