"""All SQL is in ``synthkit/store``: no other module has a statement, a cursor or a connection."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import synthkit

ROOT = Path(synthkit.__file__).parent
OUTSIDE = [path for path in sorted(ROOT.rglob("*.py")) if path.parent != ROOT / "store"]
STATEMENT = re.compile(
    r"\b(SELECT\s.+\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|DELETE\s+FROM|UPDATE\s+\w+\s+SET|PRAGMA\s|"
    r"CREATE\s+(TABLE|INDEX|TRIGGER|VIEW)|DROP\s+TABLE|ALTER\s+TABLE|BEGIN\s+IMMEDIATE|VACUUM)",
    re.DOTALL,
)
CALLS = {"cursor", "execute", "executemany", "executescript", "fetchall", "fetchone", "connection"}


def database_code(tree: ast.AST) -> list[str]:
    """SQL in string literals, calls of cursors, and imports of sqlite3."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [match[0] for match in STATEMENT.finditer(node.value)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found += [node.func.attr] if node.func.attr in CALLS else []
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in names if name.partition(".")[0] == "sqlite3"]
    return found


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sql_outside_the_store(path: Path) -> None:
    assert database_code(ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "import sqlite3",
        "from sqlite3 import connect",
        "x = 'SELECT key FROM completions'",
        "x = f'DELETE FROM {table}'",
        "x = 'INSERT OR REPLACE INTO labs VALUES (?)'",
        "x = 'UPDATE runs SET rows = 1'",
        "x = 'PRAGMA user_version'",
        "db.executemany(statement, rows)",
        "rows = db.cursor()",
    ],
)
def test_the_guard_sees_database_code(source: str) -> None:
    assert database_code(ast.parse(source))


def test_the_guard_lets_plain_words_pass() -> None:
    assert database_code(ast.parse("x = 'Select rows from a table, then delete them.'")) == []
