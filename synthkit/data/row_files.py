"""Rows of Parquet, JSONL, JSON, CSV and TSV files: read in order, only as far as they are needed.

A line that cannot be read is an error that names the file and the line.
"""

from __future__ import annotations

import csv
import glob
import gzip
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from synthkit.core.errors import TableError
from synthkit.data.typed_columns import package

Record = dict[str, Any]
BATCH_ROWS = 1000
"""Rows of a Parquet file that are held at once."""
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
    paths = [path] if path.is_file() else sorted(map(Path, glob.glob(str(path), recursive=True)))
    files = [each for each in paths if each.is_file()]
    if not files:
        what = "is a folder; name its files" if path.is_dir() else "does not exist"
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


def _ending(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def read(files: Iterable[Path], first: int | None = None) -> list[Record]:
    """The rows of files, one file after the other; only the ``first`` so many if given.

    Nothing behind these rows is read. A column of a CSV file has numbers if each of its cells is
    written as Python writes that number, so that no digit is lost: ``007`` and ``1.50`` stay texts.
    An empty cell is missing.

    Raises
    ------
    TableError
        If a file cannot be read; names the line, or the row of a Parquet file.

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
    for file in files:
        left = None if first is None else first - len(rows)
        if left == 0:
            break
        ending = _ending(file)
        try:
            new = list(itertools.islice(READERS[ending](file), left))
        except (OSError, EOFError) as error:  # EOFError: a cut .gz
            reason = getattr(error, "strerror", None) or error
            raise TableError(f"{file} cannot be read: {reason}.") from None
        texts += new if READERS[ending] in (_csv, _tsv) else []
        rows += new
    _read_numbers(texts)
    return rows


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Line number and text of the lines of a file, with their ends."""
    unpacked: Any = gzip.open if file.name.lower().endswith(".gz") else open
    with unpacked(file, "rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise TableError(
                    f"{file}, line {number}: expected UTF-8; got {error.object[error.start]:#x} at "
                    f"byte {error.start}. Save the file as UTF-8."
                ) from None


def _jsonl(file: Path) -> Iterator[Record]:
    for number, line in _lines(file):
        if line.strip():
            yield _object(line, f"{file}, line {number}")


def _object(text: str, place: str) -> Record:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TableError(f"{place}: no JSON: {error}; got {text.strip()[:80]!r}.") from None
    if not isinstance(row, dict):
        raise TableError(f"{place}: expected a JSON object; got {text.strip()[:80]!r}.")
    return row


def _json(file: Path) -> Iterator[Record]:
    text = "".join(line for _, line in _lines(file))
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TableError(f"{file}: no JSON: {error}.") from None
    if not isinstance(rows, list):
        raise TableError(
            f"{file}: expected a list of objects; got {type(rows).__name__}. A file with an object "
            "in each line ends in .jsonl."
        )
    for at, row in enumerate(rows):
        if not isinstance(row, dict):
            raise TableError(f"{file}, row {at}: expected an object; got {type(row).__name__}.")
        yield row


def _csv(file: Path, delimiter: str = ",") -> Iterator[Record]:
    csv.field_size_limit(MOST_CHARACTERS)
    reader = csv.reader((line for _, line in _lines(file)), delimiter=delimiter, strict=True)
    names: list[str] = []
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
                        f"{file}, line {reader.line_num}: expected {len(names)} cells "
                        f"({', '.join(names)[:80]}); got {len(cells)}."
                    )
                yield {name: cell or None for name, cell in zip(names, cells, strict=True)}
    except csv.Error as error:
        raise TableError(f"{file}, line {reader.line_num}: {error}.") from None


def _tsv(file: Path) -> Iterator[Record]:
    return _csv(file, "\t")


def _parquet(file: Path) -> Iterator[Record]:
    parquet, pyarrow = package("pyarrow.parquet"), package("pyarrow")
    done = 0
    try:
        with parquet.ParquetFile(file) as opened:
            for batch in opened.iter_batches(BATCH_ROWS):
                yield from batch.to_pylist()
                done += batch.num_rows
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


READERS: Mapping[str, Callable[[Path], Iterator[Record]]] = {
    ".parquet": _parquet,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
}
"""Ending -> the rows of a file. Text files may be packed: ``.jsonl.gz``."""
