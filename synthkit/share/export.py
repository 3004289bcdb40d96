"""Export of tables: as text for the clipboard, and to files.

Cells are written unchanged, so that a file reads back as the same table; a value for which CSV or
JSON has no form, such as a date, is written as its text (:func:`synthkit.data.cells.json_text`). A
Parquet file keeps such values, in columns that synthkit reads back. A spreadsheet may take a
cell that starts with ``=``, ``+``, ``-`` or ``@`` for a formula: :func:`count_formulas` counts such
cells, so that the user can be warned.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.files import replacing
from synthkit.data import tables
from synthkit.data.cells import as_text, json_text
from synthkit.data.storage import storable

FORMATS = ("tsv", "markdown", "jsonl", "csv")
SUFFIXES = (".csv", ".jsonl", ".parquet")
_MARKDOWN = re.compile(r"[\\`*_\[\]<>|&~$]")
_FORMULA = re.compile(r"[=+@\t\r-]")


def to_text(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], format: str) -> str:
    """Rows as text in one of :data:`FORMATS`; all but ``jsonl`` start with a header line.

    >>> to_text([{"n": 1, "name": "a|b"}], ["n", "name"], "markdown").splitlines()
    ['| n | name |', '| --- | --- |', '| 1 | a\\\\|b |']

    Raises
    ------
    UsageError
        If the format is unknown.
    """
    if format not in FORMATS:
        raise UsageError(f"expected one of {', '.join(FORMATS)}; got {format!r}.")
    if format == "jsonl":
        records = ({name: row.get(name) for name in columns} for row in rows)
        return "".join(f"{json_text(record)}\n" for record in records)
    grid = [list(columns), *([as_text(row.get(name)) for name in columns] for row in rows)]
    if format == "markdown":
        grid = [[_markdown(cell) for cell in line] for line in grid]
        grid.insert(1, ["---"] * len(columns))
        return "".join(f"| {' | '.join(line)} |\n" for line in grid)
    text = io.StringIO()
    dialect = csv.excel_tab if format == "tsv" else csv.excel
    csv.writer(text, dialect).writerows(grid)  # its line ends have it quote "\r" and "\n" in cells
    return text.getvalue()


def save(table: Any, path: Path | str, *, overwrite: bool = False) -> Path:
    """Write a table of any kind to a CSV, JSON lines or Parquet file, by its suffix.

    The file is written completely or not at all. Returns its absolute path.

    Raises
    ------
    UsageError
        If the suffix is not one of :data:`SUFFIXES`, the file cannot be written, or it exists and
        ``overwrite`` is not set.
    """
    path = Path(path).expanduser().absolute()
    if path.suffix not in SUFFIXES:
        raise UsageError(f"expected a file that ends in {', '.join(SUFFIXES)}; got {path.name!r}.")
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists already, and was not overwritten.")
    try:
        with replacing(path) as partial:
            if path.suffix == ".parquet":
                parquet = need("pyarrow.parquet", extra="data", why="to write a Parquet file")
                parquet.write_table(storable(table), partial)
            else:
                text = to_text(tables.records(table), tables.columns(table), path.suffix[1:])
                # half of a surrogate pair cannot be encoded; as an escape, JSON readers restore it
                partial.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from None
    return path


def count_formulas(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> int:
    """Number of cells whose text starts like a formula of a spreadsheet.

    >>> count_formulas([{"a": "=1+1", "b": -3}, {"a": "fine", "b": "@me"}], ["a", "b"])
    2
    """
    cells = (row.get(name) for row in rows for name in columns)
    return sum(isinstance(cell, str) and bool(_FORMULA.match(cell)) for cell in cells)


def _markdown(cell: str) -> str:
    """Escape a cell, so that Markdown shows it unchanged and on one line."""
    escaped = _MARKDOWN.sub(lambda sign: "&lt;" if sign[0] == "<" else rf"\{sign[0]}", cell)
    return escaped.replace("\r\n", "\n").replace("\n", "<br>").replace("\t", " ")
