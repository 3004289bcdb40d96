"""Rows of Parquet, JSONL, JSON, CSV and TSV files: read in order, only as far as they are needed.

A line that cannot be read is an error that names the file and the line. Rows that would not fit
into memory are an error as well, after the first of them.
"""

from __future__ import annotations

import csv
import glob
import gzip
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf, isfinite
from pathlib import Path
from typing import Any

from synthkit.core.errors import TableError, UsageError
from synthkit.core.files import existing
from synthkit.core.formatting import count
from synthkit.core.memory import of_process
from synthkit.data import tables
from synthkit.data.arrow_tables import arrow_rows
from synthkit.data.typed_columns import package

Record = dict[str, Any]
BATCH_ROWS = 1000
"""Rows of a Parquet file that are held at once."""
BYTES_EACH = 4
"""Most bytes of memory, beside what is read, for a table and a copy to keep it in: measured 2.2 to
3.8 for each byte of its rows."""
CHECK_BYTES = 100_000
"""Bytes of rows between two checks of whether all will fit."""
MOST_CHARACTERS = 1 << 30
"""Of one cell of a CSV file; the csv module allows 131,072 by default."""


def matching(pattern: str | Path) -> list[Path]:
    """The files that a path or a pattern such as ``data/*.parquet`` stands for, sorted.

    Raises
    ------
    TableError
        If there is none, or one has another ending than those of :data:`READERS`.
    """
    path = Path(pattern).expanduser()
    there = existing(path)
    paths = (
        [path]
        if there and path.is_file()
        else sorted(map(Path, glob.glob(str(path), recursive=True)))
    )
    files = [each for each in paths if each.is_file()]
    if not files:
        what = "is a folder; name its files" if there and path.is_dir() else "does not exist"
        raise TableError(f"{pattern} {what}; expected a file or a pattern such as 'data/*.jsonl'.")
    for file in files:
        if _ending(file) not in READERS:
            raise TableError(f"{file}: expected a file that ends in {', '.join(READERS)}.")
    return files


def is_file_name(text: str) -> bool:
    """Whether a text can be meant as the name of such a file.

    >>> is_file_name("data/*.jsonl.gz"), is_file_name("reviews")
    (True, False)
    """
    return _ending(Path(text)) in READERS


def opened(rows: Any, first: int | None = None) -> Any:
    """The table in a file or files if ``rows`` is a path or a pattern; else ``rows`` themselves.

    Rows without ids of their own get hashes of their cells.

    Raises
    ------
    TableError
        If there is no such file, or it cannot be read.
    UsageError
        If the rows would not fit into memory.
    """
    if not isinstance(rows, str | Path):
        return rows
    return tables.with_ids(tables.native(read(matching(rows), first)))


def _ending(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def read(files: Sequence[Path], first: int | None = None) -> list[Record]:
    """The rows of files, one file after the other; only the ``first`` so many if given.

    Nothing behind these rows is read. A column of a CSV file has numbers if each of its cells is
    written as Python writes that number, so that no digit is lost: ``007`` and ``1.50`` stay texts.
    An empty cell is missing.

    Raises
    ------
    TableError
        If a file cannot be read; names the line, or the row of a Parquet file.
    UsageError
        If the rows would not fit into memory, by the size of those that were read so far.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "fruits.csv")
    ...     _ = file.write_text("name,price\\nfig,3\\nplum,\\n")
    ...     read([file])
    [{'name': 'fig', 'price': 3}, {'name': 'plum', 'price': None}]
    """
    rows: list[Record] = []
    texts: list[Record] = []
    room = _Room(files, first)
    for file in files:
        left = None if first is None else first - len(rows)
        if left == 0:
            break
        ending = _ending(file)
        new: list[Record] = []
        try:
            room.begin(file, whole=ending == ".json")
            for share, row in itertools.islice(READERS[ending](file), left):
                new.append(row)
                room.check(row, share)
        except (OSError, EOFError) as error:  # EOFError: a cut .gz
            reason = getattr(error, "strerror", None) or error
            raise TableError(f"{file} cannot be read: {reason}.") from None
        texts += new if READERS[ending] in (_csv, _tsv) else []
        rows += new
    _read_numbers(texts)
    return rows


class _Room:
    """The memory for the rows of files, and how much of it they need, by those that were read."""

    def __init__(self, files: Sequence[Path], first: int | None) -> None:
        self.first = first
        self.name = f"{files[0]}{' and others' * (len(files) > 1)}" if files else ""
        self.total = sum(file.stat().st_size for file in files)
        memory = of_process()
        self.free = inf if memory is None else memory.free
        self.rows = self.bytes = self.checked = 0
        self.before = self.size = 0
        """Bytes of the files before this one, and of this one."""

    def begin(self, file: Path, *, whole: bool) -> None:
        """Go on to a file, and refuse it if its text is read as a whole and would not fit."""
        self.before += self.size
        self.size = file.stat().st_size
        if whole and 2 * self.size > self.free:
            raise UsageError(
                f"{file} has {self.size / 1e6:,.0f} MB, and a .json file is read as a whole, but "
                f"{self.free / 1e6:,.0f} MB of memory are free. Save it as .jsonl, of which "
                "first=N, or --first N in a cell, reads only the first rows."
            )

    def check(self, row: Record, share: float) -> None:
        """Count a row, and refuse all of them if they would not fit.

        Parameters
        ----------
        share : of the file that was read.
        """
        self.rows += 1
        self.bytes += _bytes(row)
        if self.bytes < self.checked + CHECK_BYTES:
            return
        self.checked = self.bytes
        done = self.before + share * self.size
        part = max(done / self.total, self.rows / (self.first or inf))
        needed = BYTES_EACH * self.bytes / part
        if needed > self.free:
            most = int(self.rows * self.free / (BYTES_EACH * self.bytes))
            raise UsageError(
                f"the rows of {self.name} need about {needed / 1e6:,.0f} MB of memory, and "
                f"{self.free / 1e6:,.0f} MB are free. Read only the first rows, at most about "
                f"{most:,}: first=N, or --first N in a cell."
            )


def _bytes(cell: Any) -> int:
    """The bytes of a cell or a row in memory, with all that is in it."""
    inner = cell.values() if isinstance(cell, dict) else cell if isinstance(cell, list) else ()
    return sys.getsizeof(cell) + sum(map(_bytes, inner))


def _lines(file: Path) -> Iterator[tuple[float, int, str]]:
    """The lines of a file with their ends: the share of it that was read, line number and text."""
    packed, size = file.name.lower().endswith(".gz"), file.stat().st_size
    with file.open("rb") as source, gzip.open(source) if packed else source as lines:
        for number, line in enumerate(lines, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                yield source.tell() / size, number, text
            except UnicodeDecodeError as error:
                raise TableError(
                    f"{file}, line {number}: expected UTF-8; got {error.object[error.start]:#x} at "
                    f"byte {error.start}. Save the file as UTF-8."
                ) from None


def _jsonl(file: Path) -> Iterator[tuple[float, Record]]:
    for share, number, line in _lines(file):
        if line.strip():
            yield share, _object(line, f"{file}, line {number}")


def _object(text: str, place: str) -> Record:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TableError(
            f"{place}: not JSON: {_reason(error)}; got {text.strip()[:80]!r}."
        ) from None
    if not isinstance(row, dict):
        raise TableError(f"{place}: expected a JSON object; got {text.strip()[:80]!r}.")
    return row


def _reason(error: Exception) -> str:
    """Why a line is not JSON; it is one line, so that only the column is said."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, at column {error.colno}"
    return str(error)


def _json(file: Path) -> Iterator[tuple[float, Record]]:
    text = "".join(line for _, _, line in _lines(file))
    at = _past_space(text, 0)
    if text[at : at + 1] != "[":
        raise TableError(
            f"{file}: expected a list of objects; got {text[at : at + 20]!r}. A file with an "
            "object in each line ends in .jsonl."
        )
    at = _past_space(text, at + 1)
    if text[at : at + 1] == "]":
        return
    for number in itertools.count():
        place = f"{file}, row {number}"
        try:
            row, at = json.JSONDecoder().raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise TableError(f"{place}: not JSON: {error}.") from None
        if not isinstance(row, dict):
            raise TableError(f"{place}: expected an object; got {type(row).__name__}.")
        yield at / len(text), row
        at = _past_space(text, at)
        if text[at : at + 1] == "]":
            return
        if text[at : at + 1] != ",":
            raise TableError(f"{place}: not JSON: expected ',' or ']' after it.")
        at = _past_space(text, at + 1)


def _past_space(text: str, at: int) -> int:
    """The position of the next character that is not white space."""
    return re.compile(r"\s*").match(text, at).end()  # type: ignore[union-attr]


def _csv(file: Path, delimiter: str = ",") -> Iterator[tuple[float, Record]]:
    csv.field_size_limit(MOST_CHARACTERS)
    share = 0.0
    names: list[str] = []

    def lines() -> Iterator[str]:
        nonlocal share
        for read, _, line in _lines(file):
            share = read
            yield line

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if not names:
                names = [name or f"column_{at}" for at, name in enumerate(cells, 1)]
                twice = next((name for name in names if names.count(name) > 1), None)
                if twice is not None:
                    raise TableError(f"{file}, line 1: two columns are named {twice!r}.")
            elif cells:
                if len(cells) != len(names):
                    raise TableError(
                        f"{file}, line {reader.line_num}: expected {count(len(names), 'cell')} "
                        f"({', '.join(names)[:80]}); got {len(cells)}."
                        f"{_other_delimiter(names[0], delimiter)}"
                    )
                yield share, {name: cell or None for name, cell in zip(names, cells, strict=True)}
    except csv.Error as error:
        raise TableError(f"{file}, line {reader.line_num}: {error}.") from None


def _other_delimiter(header: str, delimiter: str) -> str:
    """A hint, if the first name of a header looks like several, separated otherwise."""
    other = next((mark for mark in ";\t|," if mark in header and mark != delimiter), None)
    if other is None:
        return ""
    return (
        f" The cells seem to be separated by {other!r}: pandas reads such a file by "
        f"read_csv(..., sep={other!r}), and --from takes its table."
    )


def _tsv(file: Path) -> Iterator[tuple[float, Record]]:
    return _csv(file, "\t")


def _parquet(file: Path) -> Iterator[tuple[float, Record]]:
    parquet, pyarrow = package("pyarrow.parquet"), package("pyarrow")
    done = 0
    try:
        with parquet.ParquetFile(file) as opened:
            for batch in opened.iter_batches(BATCH_ROWS):
                for row in arrow_rows(batch):
                    done += 1
                    yield done / opened.metadata.num_rows, row
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise TableError(f"{file}, after row {done}: no Parquet, or damaged: {error}.") from None


def _read_numbers(rows: list[Record]) -> None:
    """Replace the texts of columns in which all are numbers, written as Python writes them."""
    for name in dict.fromkeys(name for row in rows for name in row):
        filled = [row for row in rows if row.get(name) is not None]
        numbers = [_number(row[name]) for row in filled]
        if None not in numbers:
            for row, number in zip(filled, numbers, strict=True):
                row[name] = number


def _number(text: str) -> float | None:
    """The number that is written so; ``None`` if it is written otherwise or is none."""
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if repr(value) == text and isfinite(value):
            return value
    return None


READERS: Mapping[str, Callable[[Path], Iterator[tuple[float, Record]]]] = {
    ".parquet": _parquet,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
}
"""Ending -> the rows of a file, each with the share of the file that was read.

Text files may be packed: ``.jsonl.gz``."""
