"""Tables as text for the clipboard, and as files.

Cells are written as they are: nothing is put in front of one that begins with ``=``, ``+``, ``-``
or ``@``, which a spreadsheet may take for a formula, since what is read back must be what was
written. :func:`formulas` counts them, so that whoever opens the file can be told.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.data import tables as tables
from synthkit.data.expressions import text as plain

FORMS = ("tsv", "markdown", "jsonl", "csv")
SUFFIXES = (".csv", ".jsonl", ".parquet")
_MARKDOWN = re.compile(r"[\\`*_\[\]<>|&~$]")
_FORMULA = re.compile(r"[=+@\t\r-]")


def text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], form: str) -> str:
    """Rows in one of :data:`FORMS`, with a line of names in all but JSON lines.

    >>> text([{"n": 1, "said": "a|b"}], ["n", "said"], "markdown").splitlines()
    ['| n | said |', '| --- | --- |', '| 1 | a\\\\|b |']

    Raises
    ------
    UsageError
        If the form is none of these.
    """
    if form not in FORMS:
        raise UsageError(f"expected one of {', '.join(FORMS)}; got {form!r}.")
    if form == "jsonl":
        lines = (json.dumps(_chosen(row, columns), ensure_ascii=False, default=str) for row in rows)
        return "".join(f"{line}\n" for line in lines)
    grid = [list(columns), *([plain(row.get(name)) for name in columns] for row in rows)]
    if form == "markdown":
        grid = [[_markdown(cell) for cell in line] for line in grid]
        grid.insert(1, ["---"] * len(columns))
        return "".join(f"| {' | '.join(line)} |\n" for line in grid)
    made = io.StringIO()
    dialect = csv.excel_tab if form == "tsv" else csv.excel
    csv.writer(made, dialect, lineterminator="\n").writerows(grid)
    return made.getvalue()


def save(table: Any, path: Path | str, *, overwrite: bool = False) -> Path:
    """The file that a table of any kind was written to: CSV, JSON lines or Parquet, by its suffix.

    It is there whole or not at all.

    Raises
    ------
    UsageError
        If the suffix is another, the folder is not there or cannot be written to, or the file is
        there already and ``overwrite`` is not set.
    """
    path = Path(path).expanduser().absolute()
    if path.suffix not in SUFFIXES:
        raise UsageError(f"expected a file that ends in {', '.join(SUFFIXES)}; got {path.name!r}.")
    if path.exists() and not overwrite:
        raise UsageError(f"{path} is there already; nothing was written over.")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        if path.suffix == ".parquet":
            parquet = need("pyarrow.parquet", extra="data", why="to write a Parquet file")
            parquet.write_table(tables.storable(table), partial)
        else:
            made = text(tables.records(table), tables.columns(table), path.suffix[1:])
            # half of a surrogate pair is no text; as an escape it can be read back from JSON
            partial.write_text(made, encoding="utf-8", errors="backslashreplace", newline="")
        os.replace(partial, path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from None
    finally:
        partial.unlink(missing_ok=True)
    return path


def formulas(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> int:
    """How many cells a spreadsheet may take for a formula: texts that begin as one does.

    >>> formulas([{"a": "=1+1", "b": -3}, {"a": "fine", "b": "@me"}], ["a", "b"])
    2
    """
    cells = (row.get(name) for row in rows for name in columns)
    return sum(isinstance(cell, str) and bool(_FORMULA.match(cell)) for cell in cells)


def _chosen(row: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    return {name: row.get(name) for name in columns}


def _markdown(cell: str) -> str:
    """A cell that Markdown shows as it is, on one line."""
    kept = _MARKDOWN.sub(lambda sign: "&lt;" if sign[0] == "<" else rf"\{sign[0]}", cell)
    return kept.replace("\r\n", "\n").replace("\n", "<br>").replace("\t", " ")
