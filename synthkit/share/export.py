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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from warnings import warn

from synthkit.core.errors import UsageError, cause, check_known
from synthkit.core.extras import need
from synthkit.core.files import replacing, scratch_folder
from synthkit.data import tables
from synthkit.data.arrow_tables import dataset
from synthkit.data.cells import as_text, json_text
from synthkit.data.storage import storable
from synthkit.share import formats, llama_factory
from synthkit.share.formats import NOT_REPLACED
from synthkit.share.openai_rules import openai_problems

FORMATS = ("tsv", "markdown", "jsonl", "csv")
SUFFIXES = (".csv", ".jsonl", ".parquet")
ROW_SUFFIXES = (".jsonl", ".json", ".parquet")
"""Files of a trainer's format."""
FOLDERS = ("datasets", "llama-factory")
"""Formats that are folders."""
_MARKDOWN = re.compile(r"[\\`*_\[\]<>|&~$]")
_FORMULA = re.compile(r"[=+@\t\r-]")


def to_text(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], format: str, *, header: bool = True
) -> str:
    """Rows as text in one of :data:`FORMATS`; all but ``jsonl`` start with a header line.

    Parameters
    ----------
    header : ``False`` for the rows alone, which follow others.

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
    grid = [list(columns)] * header
    grid += ([as_text(row.get(name)) for name in columns] for row in rows)
    if format == "markdown":
        grid = [[_markdown(cell) for cell in line] for line in grid]
        grid[1:1] = [["---"] * len(columns)] * header
        return "".join(f"| {' | '.join(line)} |\n" for line in grid)
    text = io.StringIO()
    dialect = csv.excel_tab if format == "tsv" else csv.excel
    csv.writer(text, dialect).writerows(grid)  # its line ends have it quote "\r" and "\n" in cells
    return text.getvalue()


def save(
    table: Any,
    path: Path | str,
    *,
    format: str = "",
    columns: Mapping[str, str | None] | None = None,
    model: str = "",
    overwrite: bool = False,
) -> Path:
    """Write a table of any kind, or splits of one, to a file or a folder.

    Without a format, the suffix decides: CSV, JSON lines or Parquet with all columns. A format of
    :data:`~synthkit.share.formats.FORMATS` is written as ``.jsonl``, ``.json`` or ``.parquet``.
    Files are written completely or not at all. Splits go to a folder, a file of JSON lines for
    each, which ``datasets.load_dataset(folder)`` reads as splits.

    Parameters
    ----------
    table : or name -> table, as :func:`synthkit.splits` returns them.
    format : ``"datasets"``, a folder that ``datasets.load_from_disk`` reads;
        ``"prompt-completion"``, ``"messages"``, ``"preference"``, ``"kto"`` and ``"prompt-only"``
        of TRL; ``"openai-chat"`` for fine-tuning and ``"openai-batch"``, whose rules are checked;
        ``"sharegpt"``; ``"llama-factory"``, a folder with ``dataset_info.json``, to which the
        table is added by the name of the folder.
    columns : field -> column, where they have other names; see
        :func:`synthkit.share.formats.formatted`.
    model : that a batch asks.

    Returns
    -------
    Path
        The absolute path.

    Raises
    ------
    UsageError
        If the suffix or the format is unknown, columns for it are not found, the file cannot be
        written, or it exists and ``overwrite`` is not set.
    """
    path = Path(path).expanduser().absolute()
    check_known("format", [format] if format else [], FOLDERS + tuple(formats.FORMATS))
    parts = table if is_splits(table) else {"": table}
    try:
        if format == "datasets":
            return _save_datasets(parts, path, overwrite)
        if format == "llama-factory":
            return llama_factory.save(parts, path, columns=columns, overwrite=overwrite)
        if "" not in parts:
            files = {part: path / f"{part}.jsonl" for part in parts}
            if path.suffix:
                raise UsageError(f"splits are saved in a folder; got the file name {path.name!r}.")
        else:
            files = {"": path}
        suffixes = ROW_SUFFIXES if format else SUFFIXES
        for file in files.values():
            if file.suffix not in suffixes:
                raise UsageError(
                    f"expected a file that ends in {', '.join(suffixes)}; got {path.name!r}."
                )
            if file.exists() and not overwrite:
                raise UsageError(f"{file} exists already, {NOT_REPLACED}")
        rows = {part: _rows(parts[part], format, columns, model) for part in parts}
        for part, file in files.items():
            if part:
                path.mkdir(exist_ok=True)
            with replacing(file) as partial:
                _write(parts[part], rows[part], partial, file.suffix)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from None
    return path


def is_splits(table: Any) -> bool:
    """Whether a value is a dict of tables, and no dict of lists."""
    if not isinstance(table, dict) or not table:
        return False
    return not any(isinstance(part, list | tuple | str | dict) for part in table.values())


def _rows(
    table: Any, format: str, columns: Mapping[str, str | None] | None, model: str
) -> list[dict[str, Any]] | None:
    """The rows in a format, checked by the rules of OpenAI where it is one of theirs."""
    if not format:
        return None
    rows = formats.formatted(table, format, columns=columns, model=model)
    if format.startswith("openai"):
        for problem in openai_problems(rows, format):
            if not problem.startswith("expected 10"):
                raise UsageError(f"OpenAI would refuse this file: {problem}.")
            warn(f"OpenAI would refuse this file: {problem}.", RuntimeWarning, stacklevel=3)
    return rows


def _write(table: Any, rows: list[dict[str, Any]] | None, file: Path, suffix: str) -> None:
    """Write rows in a format, or all columns of a table."""
    if suffix == ".parquet" and rows is None:
        parquet = need("pyarrow.parquet", extra="data", why="to write a Parquet file")
        parquet.write_table(storable(table), file)
        return
    if suffix == ".parquet":
        datasets: Any = need("datasets", extra="data", why="to write a Parquet file")
        try:
            datasets.Dataset.from_list(rows).to_parquet(file)
        except (ValueError, TypeError, OverflowError, NotImplementedError) as error:  # of pyarrow
            raise UsageError(
                f"Parquet has no type for all cells of a column of these rows: {cause(error)}. "
                "Save them as .jsonl."
            ) from None
        return
    # half of a surrogate pair cannot be encoded; as an escape, JSON readers restore it
    with file.open("w", encoding="utf-8", errors="backslashreplace", newline="") as out:
        if rows is None:
            out.writelines(_texts(table, suffix[1:]))
        elif suffix == ".json":
            out.write(json_text(rows) + "\n")
        else:
            out.writelines(f"{json_text(row)}\n" for row in rows)


def _texts(table: Any, format: str) -> Iterator[str]:
    """A table as text in parts, since the text of a large table is large as well."""
    names = tables.columns(table)
    yield to_text([], names, format)
    for rows in tables.record_batches(table):
        yield to_text(rows, names, format, header=False)


def _save_datasets(parts: Mapping[str, Any], path: Path, overwrite: bool) -> Path:
    """Write a folder of ``datasets``; one that is there is replaced only if it is such a folder."""
    datasets: Any = need("datasets", extra="data", why="to write a folder of it")
    known = any((path / name).exists() for name in ("state.json", "dataset_dict.json"))
    if path.exists() and not (overwrite and known):
        reason = NOT_REPLACED if known or not overwrite else "and is no dataset."
        raise UsageError(f"{path} exists already, {reason}")
    made = {part: dataset(tables.to_arrow(rows)) for part, rows in parts.items()}
    with scratch_folder(path.parent) as folder:
        (made[""] if "" in made else datasets.DatasetDict(made)).save_to_disk(folder / "data")
        if path.exists():
            path.rename(folder / "old")
        (folder / "data").rename(path)
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
