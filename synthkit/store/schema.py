"""The tables of a store, the version of their format, and migration from older versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

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

KINDS: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "bytes": (bytes,),
    "text_or_bytes": (str, bytes),
    "integer": (int,),
    "real": (int, float),
    "text_or_null": (str, type(None)),
}
COLUMNS: Mapping[str, Mapping[str, str]] = {
    table: dict(column.split(":") for column in columns.split())
    for table, columns in {
        "models": "fingerprint:text name:text",
        "completions": "key:text request:text ask:text text:text_or_bytes finish:text "
        "prompt_tokens:integer completion_tokens:integer seconds:real logprobs:text_or_null "
        "at:real",
        "runs": "run:integer name:text model:text prompt:text at:real rows:integer ledger:text",
        "run_rows": "run:integer line:text made:bytes rejected:bytes",
        "marks": "seq:integer task:text round:integer row:text by:text label:text reason:text "
        "flag:integer edit:text at:real act:text step:integer",
        "origins": "row:text keys:bytes",
        "labs": "name:text body:text at:real",
        "curations": "curation:integer name:text at:real funnel:text",
        "verdicts": "row:text curation:integer filter:text why:text",
        "filters": "name:text version:integer body:text at:real",
        "evaluations": "evaluation:integer name:text at:real body:text rows:bytes",
    }.items()
}
"""Table -> column -> kind of its values (:data:`KINDS`), in the order of the schema."""


def version_of(connection: sqlite3.Connection) -> int:
    """The format of a file; 0 for a new one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a new file, or one of an older format, to :data:`SCHEMA_VERSION`.

    Each format so far only added tables, so the missing ones are created.
    """
    connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
