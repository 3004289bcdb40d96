"""The statements of the store as PostgreSQL has them, and the values that its columns can hold.

Statements are written as SQLite has them. Text of PostgreSQL holds no NUL character, and no bytes
where SQLite keeps a text with half of a surrogate pair as such: both are stored with an escape.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from synthkit.store.schema import COLUMNS, DECLARATIONS

ESCAPE = "\x1a"
"""The control character SUB; four hex digits follow it."""
_ESCAPED = re.compile(f"{ESCAPE}([0-9a-f]{{4}})")
_UNSTORABLE = re.compile(f"[\0{ESCAPE}\ud800-\udfff]")
_INSERT = re.compile(r"INSERT INTO (\w+)(?= (VALUES|SELECT)\b)")
_TYPES = {
    "INTEGER": "BIGINT",
    "REAL": "DOUBLE PRECISION",
    "TEXT": 'TEXT COLLATE "C"',  # keys and names are compared by their bytes, as in SQLite
    "BLOB": "BYTEA",
}
_WORDS = (
    (" NOT IN (SELECT value FROM json_each(?))", " <> ALL(?)"),
    (" IN (SELECT value FROM json_each(?))", " = ANY(?)"),
    ("json_extract(request, '$.model')", "(request::json ->> 'model')"),
)


_LONG = (
    ("models (\n    fingerprint TEXT PRIMARY KEY", "models (\n    fingerprint TEXT NOT NULL"),
    ("ON marks (row)", "ON marks USING hash (row)"),
    ("ON verdicts (row)", "ON verdicts USING hash (row)"),
)
"""Keys of any length, of which an index of PostgreSQL holds at most 2,704 bytes."""


@functools.cache
def translated(statement: str) -> str:
    """A statement for psycopg.

    >>> translated("DELETE FROM marks WHERE row NOT IN (SELECT value FROM json_each(?))")
    'DELETE FROM marks WHERE row <> ALL(%s)'
    >>> translated("INSERT INTO meta VALUES (?, ?)")
    'INSERT INTO meta (key, value) VALUES (%s, %s)'
    """
    statement = _INSERT.sub(lambda found: f"{found[0]} ({', '.join(COLUMNS[found[1]])})", statement)
    for words, other in _WORDS:
        statement = statement.replace(words, other)
    statement = re.sub(r"json_each\(\?\) AS (\w+)", r"unnest(?::text[]) AS \1(value)", statement)
    return statement.replace("%", "%%").replace("?", "%s")


@functools.cache
def returning_number(statement: str) -> str:
    """An insert that returns the number of the new row, which is in the first column."""
    (table,) = re.findall(r"INSERT INTO (\w+)", statement)
    return f"{translated(statement)} RETURNING {NUMBERED[table]}"


@functools.cache
def _mixed(statement: str) -> tuple[int, ...]:
    """The places of the values of an insert that are text or bytes."""
    found = _INSERT.match(statement)
    columns = COLUMNS[found[1]].values() if found else ()
    return tuple(at for at, types in enumerate(columns) if {str, bytes} <= set(types))


def bound(statement: str, values: Sequence[Any]) -> list[Any]:
    """Parameters of a statement as the columns can hold them."""
    parameters = [
        escaped(value)
        if type(value) is str
        else list(map(escaped, value))
        if type(value) is list and value and type(value[0]) is str
        else value
        for value in values
    ]
    for at in _mixed(statement):
        if type(value := parameters[at]) is bytes:
            parameters[at] = escaped(value.decode("utf-8", "surrogatepass"), halves=True)
    return parameters


def escaped(text: str, *, halves: bool = False) -> str:
    """A text without NUL characters; with ``halves``, also without halves of surrogate pairs.

    >>> escaped("a\\0b")
    'a\\x1a0000b'
    """
    if not halves and "\0" not in text and ESCAPE not in text:
        return text
    return _UNSTORABLE.sub(
        lambda found: f"{ESCAPE}{ord(found[0]):04x}" if halves or found[0] < "\x80" else found[0],
        text,
    )


def unescaped(text: str) -> str | bytes:
    """What was stored: bytes if it has half of a surrogate pair, as SQLite returns it."""
    if ESCAPE not in text:
        return text
    whole = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    try:
        whole.encode()
    except UnicodeEncodeError:
        return whole.encode("utf-8", "surrogatepass")
    return whole


NUMBERED: Mapping[str, str] = {
    found[1]: found[2]
    for statement in DECLARATIONS
    if (
        found := re.match(r"CREATE TABLE IF NOT EXISTS (\w+) \(\s*(\w+) INTEGER PRIMARY", statement)
    )
}
"""Table -> its integer key. Tables with another key get a ``rowid``, as SQLite gives to all."""


def declarations() -> Iterator[str]:
    """The statements that create the tables and indexes, where they are missing.

    As in SQLite, the integer key of a new row is the largest one plus one, unless it is given.
    """
    for statement in DECLARATIONS:
        found = re.match(r"CREATE TABLE IF NOT EXISTS (\w+)", statement)
        table = found[1] if found else ""
        if table and table not in NUMBERED:
            statement = f"{statement[:-1]}, rowid BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE)"
        for words, other in _LONG:
            statement = statement.replace(words, other)
        yield with_types(statement)
        if table == "models":
            yield "CREATE UNIQUE INDEX IF NOT EXISTS models_key ON models (md5(fingerprint))"
        if column := NUMBERED.get(table):
            yield (
                f"CREATE OR REPLACE FUNCTION next_{table}() RETURNS BIGINT LANGUAGE sql AS "
                f"$$ SELECT coalesce(max({column}), 0) + 1 FROM {table} $$"
            )
            yield f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT next_{table}()"


def with_types(declaration: str) -> str:
    """A declaration with the types of PostgreSQL."""
    return re.sub(r"\b(INTEGER|REAL|TEXT|BLOB)\b", lambda kind: _TYPES[kind[0]], declaration)
