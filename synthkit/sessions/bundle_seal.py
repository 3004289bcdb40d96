"""The seal of a bundle: digests of each row and column, by which a changed cell is found.

A row's digest and a column's digest that both differ say which cell was changed. Whoever changes a
cell can compute the seal again, as any checksum; :mod:`synthkit.verify` therefore derives rows,
scores and cards again as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from synthkit.core.extras import need
from synthkit.core.files import file_hash
from synthkit.data.arrow_tables import column_cells
from synthkit.store.foreign import ForeignStore
from synthkit.store.schema import COLUMNS

SEAL = "seal.json"
STORE = "store.sqlite"
_DIGITS = 16
BATCH_ROWS = 10_000
"""Rows of a Parquet file that are in memory at once."""
Cells = tuple[Any, ...]
Records = tuple[Sequence[str], Iterable[Cells]]
"""The names of columns, and rows of cells, which may be read only once."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A row that differs from its seal: its position from 0, its cells, and the columns changed.

    ``row`` is ``None`` if rows were added or removed, which ``what`` says.
    """

    row: int | None
    columns: tuple[str, ...]
    what: str = ""
    cells: Mapping[str, Any] = field(default_factory=dict)


def store_records(path: Path) -> Iterator[tuple[str, Records]]:
    """The records of each table of a store file that may come from anywhere.

    Read the rows of a table before the next: they are not in memory at once.
    """
    with closing(ForeignStore(path)) as store:
        for table, columns in COLUMNS.items():
            yield table, (list(columns), store.rows(table))


def table_records(path: Path) -> Records:
    """The records of a Parquet file, which is read in parts."""
    parquet = need("pyarrow.parquet", extra="data", why="to read a table")
    return list(parquet.read_schema(path).names), _table_rows(path)


def _table_rows(path: Path) -> Iterator[Cells]:
    parquet = need("pyarrow.parquet", extra="data", why="to read a table")
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS):
            cells = [column_cells(batch, name) for name in batch.schema.names]
            yield from zip(*cells, strict=True)


def seal(folder: Path, members: Sequence[str]) -> dict[str, Any]:
    """Member -> its seal: of the store and tables, of each table; of other files, their hash."""
    sealed: dict[str, Any] = {}
    for name in sorted(members):
        if name == STORE:
            parts = store_records(folder / name)
            sealed[name] = {table: _sealed(records) for table, records in parts}
        elif name.endswith(".parquet"):
            sealed[name] = _sealed(table_records(folder / name))
        else:
            sealed[name] = file_hash(folder / name)
    return sealed


def changes(records: Records, sealed: Mapping[str, Any]) -> tuple[int, list[Changed]]:
    """The number of records, and where they differ from their seal, the first rows first."""
    names, rows = records
    hashers = _hashers(names)
    before, n = str(sealed["rows"]), 0
    different: dict[int, Mapping[str, Any]] = {}
    for n, (cells, digest) in enumerate(_digested(rows, hashers), 1):
        if digest != before[(n - 1) * _DIGITS : n * _DIGITS]:
            different[n - 1] = dict(zip(names, cells, strict=True))
    now = _columns(names, hashers)
    columns = tuple(name for name in names if now[name] != sealed["columns"].get(name))
    gone = tuple(name for name in sealed["columns"] if name not in now)
    if gone:
        return n, [Changed(None, gone, f"the columns {', '.join(gone)} are missing")]
    if n != len(before) // _DIGITS:
        return n, [Changed(None, (), f"{len(before) // _DIGITS} rows were sealed, {n} are here")]
    found = [Changed(at, columns, cells=cells) for at, cells in different.items()]
    if columns and not found:
        found = [Changed(None, columns, "its columns are other ones")]
    return n, found


def cell_text(cell: Any) -> str:
    """A text that is the same for equal cells, and in any version of Python."""
    if isinstance(cell, str):
        return f"s{cell}"
    if type(cell) is int or (type(cell) is float and isfinite(cell)):
        return repr(cell)  # as json.dumps writes it, in a tenth of the time
    return "null" if cell is None else json.dumps(cell, default=str, sort_keys=True)


def _sealed(records: Records) -> dict[str, Any]:
    names, rows = records
    hashers = _hashers(names)
    digests = "".join(digest for _, digest in _digested(rows, hashers))
    return {"columns": _columns(names, hashers), "rows": digests}


def _digested(rows: Iterable[Cells], hashers: Sequence[Any]) -> Iterator[tuple[Cells, str]]:
    """Each row with its digest; the hashers of the columns take its cells."""
    for row in rows:
        texts = [cell_text(cell).encode("utf-8", "surrogatepass") + b"\x1f" for cell in row]
        for hasher, text in zip(hashers, texts, strict=True):
            hasher.update(text)
        yield row, hashlib.blake2b(b"".join(texts), digest_size=_DIGITS // 2).hexdigest()


def _hashers(names: Sequence[str]) -> list[Any]:
    return [hashlib.blake2b(digest_size=_DIGITS // 2) for _ in names]


def _columns(names: Sequence[str], hashers: Sequence[Any]) -> dict[str, str]:
    return {name: hasher.hexdigest() for name, hasher in zip(names, hashers, strict=True)}
