"""Named tables: the Parquet files in the ``tables`` folder of a session."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synthkit.core.errors import StoreError, TableError, UsageError, cause, unknown
from synthkit.core.extras import need
from synthkit.core.files import replacing
from synthkit.data.arrow_tables import column_cells
from synthkit.data.storage import from_storable, storable
from synthkit.store.store import Store

_ORIGIN = b"synthkit.origin"
"""The key of a file's metadata under which the origin of its rows is kept."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where rows were read from: a file, a pattern or a data set of the Hub, and its version.

    ``version`` is a commit, or a hash of the rows.
    """

    source: str
    version: str

    def __str__(self) -> str:
        return f"{self.source} ({self.version})"


@dataclass(frozen=True, slots=True)
class NamedTable:
    """What is known of a named table without reading its rows.

    Parameters
    ----------
    name : of the table and of its file.
    ids : the id of each row; ``None`` where a row has none.
    parents : the ``parent`` of each row; empty if the table has no such column.
    born : time of its file, or of the first run of that name if that is earlier, in seconds since
        1970.
    columns : their names.
    bytes : size of the file.
    when : time of the file, in seconds since 1970.
    run : number of the newest run of that name.
    problem : why the file cannot be read; empty if it can.
    origin : where its rows were read from, if they were.
    """

    name: str
    ids: Sequence[str | None]
    parents: Sequence[str | None] = ()
    born: float = 0.0
    columns: tuple[str, ...] = ()
    bytes: int = 0
    when: float = 0.0
    run: int | None = None
    problem: str = ""
    origin: Origin | None = None

    @property
    def rows(self) -> int:
        """Number of rows; 0 if the file cannot be read."""
        return len(self.ids)

    @property
    def row_ids(self) -> set[str]:
        """The ids of the rows that have one."""
        return {id for id in self.ids if id is not None}

    @property
    def links(self) -> Iterable[tuple[str | None, str | None]]:
        """The id of each row, and that of the row it was generated from."""
        return zip(self.ids, self.parents or [None] * self.rows, strict=True)


def check_name(name: str) -> str:
    """Return ``name`` if a table can have it.

    Raises
    ------
    UsageError
        If it has other characters than letters, digits, ``_``, ``-`` and ``.``, or over 100.
    """
    if not re.fullmatch(r"\w[\w.-]{,99}", name):
        raise UsageError(
            "a table name has letters, digits, '_', '-' and '.', at most 100 of them; "
            f"got {name[:200]!r}."
        )
    return name


def path_of(folder: Path, name: str) -> Path:
    """The file of the table of that name, whether it exists or not."""
    return folder / f"{check_name(name)}.parquet"


def names(folder: Path) -> list[str]:
    """The names of the tables in a folder, sorted."""
    return sorted(path.stem for path in folder.glob("*.parquet"))


def save(folder: Path, name: str, table: Any, origin: Origin | None = None) -> None:
    """Write a table of any kind; it replaces the table of that name, completely or not at all."""
    parquet = need("pyarrow.parquet", extra="data", why="to save a table")
    path = path_of(folder, name)
    arrow = storable(table)
    if origin is not None:
        arrow = _noted(arrow, origin)
    try:
        folder.mkdir(exist_ok=True)  # it may have been deleted since the session was opened
        with replacing(path) as partial:
            parquet.write_table(arrow, partial, write_page_checksum=True)
    except (OSError, NotImplementedError) as error:
        raise StoreError(f"the table {name!r} cannot be saved: {cause(error)}.") from None


def note_origin(path: Path, origin: Origin) -> None:
    """Note in the file of a table where its rows were read from; its time stays."""
    parquet = need("pyarrow.parquet", extra="data", why="to read a table")
    with parquet.ParquetFile(path, page_checksum_verification=True) as file:
        arrow = file.read()
    when = path.stat()
    with replacing(path) as partial:
        parquet.write_table(_noted(arrow, origin), partial, write_page_checksum=True)
        os.utime(partial, ns=(when.st_atime_ns, when.st_mtime_ns))


def _noted(arrow: Any, origin: Origin) -> Any:
    noted = {_ORIGIN: json.dumps(asdict(origin)).encode()}
    return arrow.replace_schema_metadata((arrow.schema.metadata or {}) | noted)


def load(folder: Path, name: str) -> Any:
    """The table of that name, as a pandas DataFrame."""
    path = path_of(folder, name)
    if not path.exists():
        raise TableError(unknown("table", name, names(folder)))
    parquet = need("pyarrow.parquet", extra="data", why="to read a table")
    try:
        # read_table would take a folder "x=1" for a column
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            return from_storable(file.read())
    except (OSError, ValueError, LookupError, TypeError) as error:  # pyarrow's inherit from these
        raise StoreError(f"the table {name!r} cannot be read: {cause(error)}.") from None


def origin(folder: Path, name: str) -> Origin | None:
    """Where the rows of a table were read from; ``None`` if it is not known, or there is none."""
    path = path_of(folder, name)
    found: Origin | None = _content(path).get("origin") if path.exists() else None
    return found


def _origin(metadata: Mapping[bytes, bytes] | None) -> Origin | None:
    noted = (metadata or {}).get(_ORIGIN)
    try:
        return Origin(**json.loads(noted)) if noted else None
    except (ValueError, TypeError):  # of another program
        return None


def read_all(store: Store, folder: Path) -> list[NamedTable]:
    """The tables in a folder, the newest first. Only ids and parents of rows are read."""
    first_run_at: dict[str, float] = {}
    newest_run: dict[str, int] = {}
    for run in store.runs.all():
        first_run_at.setdefault(run["name"], run["at"])
        newest_run[run["name"]] = run["run"]
    named_tables = []
    for path in folder.glob("*.parquet"):
        try:
            file = path.stat()
        except FileNotFoundError:  # another kernel has just deleted it
            continue
        name, when = path.stem, file.st_mtime
        named_tables.append(
            NamedTable(
                name=name,
                born=min(when, first_run_at.get(name, when)),
                bytes=file.st_size,
                when=when,
                run=newest_run.get(name),
                **_content(path),
            )
        )
    return sorted(named_tables, key=lambda table: (-table.when, table.name))


def _content(path: Path) -> dict[str, Any]:
    """Columns, ids and parents of a file, or the problem with it."""
    parquet = need("pyarrow.parquet", extra="data", why="to read a table")
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            columns = tuple(file.schema_arrow.names)
            cells = file.read(columns=[name for name in ("id", "parent") if name in columns])
            rows = int(file.metadata.num_rows)
            noted = file.schema_arrow.metadata
        return {
            "columns": columns,
            "origin": _origin(noted),
            "ids": _texts(column_cells(cells, "id")) if "id" in columns else [None] * rows,
            "parents": _texts(column_cells(cells, "parent")) if "parent" in columns else [],
        }
    except (OSError, ValueError) as error:  # the errors of pyarrow inherit from these
        return {"ids": [], "problem": str(error)}


def damage(path: Path) -> str:
    """Why a Parquet file cannot be read, with the checksums of its pages; empty if it can."""
    parquet = need("pyarrow.parquet", extra="data", why="to read a table")
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            for _ in file.iter_batches():
                pass
    except (OSError, ValueError, NotImplementedError) as error:  # pyarrow's inherit from these
        return cause(error)
    return ""


def links(path: Path) -> Iterable[tuple[str | None, str | None]]:
    """The links of the rows in a Parquet file; none if it is not there or cannot be read."""
    content = _content(path)
    return NamedTable("", content["ids"], content.get("parents", ())).links


def _texts(cells: Sequence[Any]) -> list[str | None]:
    return [None if cell is None else str(cell) for cell in cells]
