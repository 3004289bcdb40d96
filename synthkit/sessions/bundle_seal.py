"""The seal of a bundle: digests of each row and column, by which a changed cell is found.

A row's digest and a column's digest that both differ say which cell was changed. Whoever changes a
cell can compute the seal again, as any checksum; :mod:`synthkit.verify` therefore derives rows,
scores and cards again as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthkit.core.extras import need
from synthkit.core.files import file_hash
from synthkit.data.storage import column_cells
from synthkit.store.foreign import ForeignStore
from synthkit.store.schema import COLUMNS

SEAL = "seal.json"
STORE = "store.sqlite"
_DIGITS = 16
Records = tuple[Sequence[str], list[tuple[Any, ...]]]
"""The names of columns, and rows of cells."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A row that differs from its seal: its position from 0, its cells, and the columns changed.

    ``row`` is ``None`` if rows were added or removed, which ``what`` says.
    """

    row: int | None
    columns: tuple[str, ...]
    what: str = ""


def store_records(path: Path) -> Iterator[tuple[str, Records]]:
    """The records of each table of a store file that may come from anywhere."""
    with closing(ForeignStore(path)) as store:
        for table, columns in COLUMNS.items():
            yield table, (list(columns), list(store.rows(table)))


def table_records(path: Path) -> Records:
    """The records of a Parquet file."""
    parquet = need("pyarrow.parquet", extra="data", why="to read a table")
    with parquet.ParquetFile(path) as file:
        arrow = file.read()
    cells = [column_cells(arrow, name) for name in arrow.schema.names]
    return list(arrow.schema.names), list(zip(*cells, strict=True))


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


def changes(records: Records, sealed: Mapping[str, Any]) -> list[Changed]:
    """Where records differ from their seal, the first rows first."""
    now = _sealed(records)
    if now == sealed:
        return []
    columns = [
        name for name, digest in now["columns"].items() if digest != sealed["columns"].get(name)
    ]
    gone = [name for name in sealed["columns"] if name not in now["columns"]]
    if gone:
        return [Changed(None, tuple(gone), f"the columns {', '.join(gone)} are missing")]
    before, after = _split(sealed["rows"]), _split(now["rows"])
    if len(before) != len(after):
        return [Changed(None, (), f"{len(before)} rows were sealed, {len(after)} are here")]
    rows = [at for at, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    found = [Changed(at, tuple(columns)) for at in rows]
    return found or [Changed(None, tuple(columns), "its columns are other ones")]


def cell_text(cell: Any) -> str:
    """A text that is the same for equal cells, and in any version of Python."""
    return f"s{cell}" if isinstance(cell, str) else json.dumps(cell, default=str, sort_keys=True)


def _sealed(records: Records) -> dict[str, Any]:
    names, rows = records
    hashers = [hashlib.blake2b(digest_size=_DIGITS // 2) for _ in names]
    digests = []
    for row in rows:
        texts = [cell_text(cell).encode("utf-8", "surrogatepass") + b"\x1f" for cell in row]
        for hasher, text in zip(hashers, texts, strict=True):
            hasher.update(text)
        digests.append(hashlib.blake2b(b"".join(texts), digest_size=_DIGITS // 2).hexdigest())
    columns = {name: hasher.hexdigest() for name, hasher in zip(names, hashers, strict=True)}
    return {"columns": columns, "rows": "".join(digests)}


def _split(digests: str) -> list[str]:
    return [digests[at : at + _DIGITS] for at in range(0, len(digests), _DIGITS)]
