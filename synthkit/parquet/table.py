"""Tables in Parquet files, which are read in batches and never as a whole.

The row groups of the files are cut into shards, the units of work of an executor. A row's place in
the table is that of its file among the sorted files, and its place in the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from synthkit.core.errors import TableError, UsageError, check_known
from synthkit.core.files import SCRATCH
from synthkit.core.formatting import count, thousands
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.data import tables
from synthkit.data.row_files import matching
from synthkit.data.typed_columns import package

BATCH_ROWS, BATCH_BYTES = 1 << 14, 1 << 26
"""Rows in memory at once, and about their bytes, unless a single row has more."""
KEPT, DROPPED, MARK = "kept", "dropped", "_synthkit.json"
"""The folders of the rows of a result, and the file by which the folder above is known as a result,
which may be replaced."""
SHARD_ROWS = 1 << 17
"""Rows of a shard, as far as the row groups of a file allow it."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Some row groups of a file, one after the other.

    Parameters
    ----------
    number : its place among the shards of the table.
    start : the position in the table of its first row.
    first : the position in the file of its first row.
    schema : that of the table.
    """

    number: int
    path: Path
    groups: tuple[int, ...]
    start: int
    first: int
    rows: int
    schema: Any

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[tuple[int, Any]]:
        """The rows as Arrow tables, each with the place in the shard of its first row.

        Raises
        ------
        TableError
            If the file cannot be read; names the file and the row.
        """
        pyarrow, parquet = package("pyarrow"), package("pyarrow.parquet")
        names = self.schema.names if columns is None else list(columns)
        schema = pyarrow.schema([self.schema.field(name) for name in names], self.schema.metadata)
        done = 0
        if not self.groups:
            return
        try:
            with parquet.ParquetFile(self.path) as file:
                read = file.iter_batches(
                    _batch_rows(file.metadata, self.groups), row_groups=self.groups, columns=names
                )
                for batch in read:
                    yield done, self._cast(pyarrow.Table.from_batches([batch]), schema, done)
                    done += batch.num_rows
        except TableError:
            raise
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise TableError(
                f"{self.path}, after row {self.first + done}: no Parquet, or damaged: {error}."
            ) from None

    def _cast(self, part: Any, schema: Any, start: int) -> Any:
        part = part.select(schema.names)
        if part.schema.equals(schema):
            return part
        try:
            return part.cast(schema)
        except package("pyarrow").ArrowException as error:
            raise TableError(
                f"{self.path}, after row {self.first + start}: a cell does not fit the type that "
                f"its column has in all files together: {error}. Write the column with one type."
            ) from None

    @contextmanager
    def place(self, start: int, batch: Any) -> Iterator[None]:
        """Name the place of a batch in errors about it."""
        try:
            yield
        except UsageError as error:
            kind = TableError if isinstance(error, TableError) else UsageError
            raise kind(f"{self._named(start, batch)}: {error}") from None
        except UnicodeDecodeError as error:
            place = self._named(start, batch)
            raise TableError(f"{place}: expected texts in UTF-8; {error}.") from None

    def _named(self, start: int, batch: Any) -> str:
        """The file and the row of a batch; of a file that is gone soon, the row and its id."""
        if not any(part.endswith(SCRATCH) for part in self.path.parts):
            return f"{self.path}, from row {self.first + start}"
        ids = tables.column(batch.slice(0, 1), "id") if "id" in batch.column_names else []
        id = f", with the id {ids[0]!r}" if ids else ""
        return f"from row {self.start + start} of those kept so far{id}"


@dataclass(frozen=True)
class ParquetTable:
    """A table in Parquet files, of which only some rows are in memory at any time.

    :func:`open_table` makes it.

    Parameters
    ----------
    files : in the order of their rows.
    schema : of all files.
    shards : of all files, in the order of their rows.
    """

    files: tuple[Path, ...]
    schema: Any
    shards: tuple[Shard, ...]

    def __len__(self) -> int:
        return sum(shard.rows for shard in self.shards)

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self.schema.names)

    @cached_property
    def text_column(self) -> str:
        """The column with the longest texts in the first 200 rows."""
        return tables.text_column(self.head(200))

    def place(self, row: int) -> str:
        """The file of a row, and the row's place in it."""
        shard = next(each for each in self.shards if row < each.start + each.rows)
        return f"{shard.path}, row {row - shard.start + shard.first}"

    def check_columns(self, names: Sequence[str]) -> None:
        """Raise a :class:`TableError` for the first of some names that is not a column."""
        check_known("column", names, dict.fromkeys(self.column_names), error=TableError)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """The rows as Arrow tables, in order."""
        if columns is not None:
            self.check_columns(columns)
        for shard in self.shards:
            yield from (batch for _, batch in shard.batches(columns))

    def head(self, n: int) -> Any:
        """The first ``n`` rows as an Arrow table."""
        parts, left = [self.schema.empty_table()], n
        for batch in self.batches():
            parts.append(batch.slice(0, left))
            left -= parts[-1].num_rows
            if left <= 0:
                break
        return package("pyarrow").concat_tables(parts)

    def load(self) -> Any:
        """All rows as an Arrow table in memory."""
        return package("pyarrow").concat_tables([self.schema.empty_table(), *self.batches()])

    def __repr__(self) -> str:
        files = count(len(self.files), "file")
        return f"ParquetTable({count(len(self), 'row')} in {files}: {', '.join(self.column_names)})"

    def _repr_html_(self) -> str:
        return table_summary(self).html


def table_summary(table: ParquetTable, *, rows: int = 8, name: str = "") -> StaticOutput:
    """The first rows of a table, and how many rows and files it has."""
    names = table.column_names
    shown = [each for each in names if each != "id"] or names
    first = tables.records(table.head(rows))
    rest = len(table) - len(first)
    note = f"{name + ': ' if name else ''}{count(len(table), 'row')}"
    note += f" in {count(len(table.files), 'Parquet file')}"
    return static_table(
        first, columns=shown, more=[f"{thousands(rest)} more"] if rest else [], note=note
    )


def open_table(source: str | Path | ParquetTable) -> ParquetTable:
    """The table in a Parquet file, a folder of such files, or those of a pattern.

    Only what the files say of themselves is read. Files are sorted by their names; one that a link
    leads to again counts once, and results inside a folder do not count. All must have the same
    columns; where the types of a column differ and one can hold both, as a column without a value
    in one file, the table has that one.

    Parameters
    ----------
    source : such as ``"rows.parquet"``, ``"big"`` or ``"big/*.parquet"``. In the folder of a
        result, as :func:`apply_filters` writes it, these are the rows kept.

    Raises
    ------
    TableError
        If there is no such file, one is no Parquet or damaged, or one has other columns: names it.

    Examples
    --------
    >>> import tempfile, pandas
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, text in [("a", "Good soup."), ("b", "Tea.")]:
    ...         pandas.DataFrame({"text": [text]}).to_parquet(f"{folder}/{name}.parquet")
    ...     open_table(folder)
    ParquetTable(2 rows in 2 files: text)
    """
    if isinstance(source, ParquetTable):
        return source
    path = Path(source).expanduser()
    path = path / KEPT if (path / MARK).exists() else path
    files = [file.absolute() for file in _files(path)]
    other = next((file for file in files if file.suffix.lower() != ".parquet"), None)
    if other is not None:
        raise TableError(
            f"{other}: expected Parquet. Other files are read as a whole: synthkit.share.read."
        )
    described = [_described(file) for file in files]
    schema = described[0][0]
    for file, (own, _) in zip(files, described, strict=True):
        schema = _joined(schema, own, files[0], file)
    return ParquetTable(tuple(files), schema, tuple(_shards(files, described, schema)))


def text_column(table: Any) -> str:
    """The column with the longest texts in the first rows of a table of any kind."""
    return table.text_column if isinstance(table, ParquetTable) else tables.text_column(table)


def is_parquet(text: str) -> bool:
    """Whether a text can be meant as the name of Parquet files or of a folder of them.

    >>> is_parquet("big/*.parquet"), is_parquet("reviews")
    (True, False)
    """
    if text.lower().endswith(".parquet"):
        return True
    path = Path(text).expanduser()
    return (path / MARK).exists() or next(_in_folder(path), None) is not None


def _files(path: Path) -> list[Path]:
    """The files of a path or a pattern, sorted, each once."""
    if not path.is_dir():
        found = matching(path)
    elif not (found := sorted(_in_folder(path))):
        raise TableError(f"{path}: expected a folder with Parquet files; it has none.")
    once: dict[Path, Path] = {}
    for file in found:
        once.setdefault(file.resolve(), file)
    return list(once.values())


def _in_folder(folder: Path) -> Iterator[Path]:
    """The Parquet files in a folder, at any depth; not those of results in it, or hidden ones."""
    seen = set()
    for name, folders, names in os.walk(folder, followlinks=True):
        place = Path(name)
        if place.resolve() in seen or (place != folder and (place / MARK).exists()):
            folders.clear()
            continue
        seen.add(place.resolve())
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        visible = (each for each in names if not each.startswith("."))
        yield from (place / each for each in visible if each.lower().endswith(".parquet"))


def _described(file: Path) -> tuple[Any, list[int]]:
    """The schema of a file, and the number of rows of each row group."""
    pyarrow, parquet = package("pyarrow"), package("pyarrow.parquet")
    try:
        with parquet.ParquetFile(file) as opened:
            schema, groups = opened.schema_arrow, opened.metadata.num_row_groups
            sizes = [opened.metadata.row_group(at).num_rows for at in range(groups)]
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise TableError(f"{file}: no Parquet, or damaged: {error}.") from None
    try:
        tables.columns(schema.empty_table())
    except TableError as error:
        raise TableError(f"{file}: {error}") from None
    return schema, sizes


def _batch_rows(metadata: Any, groups: Sequence[int]) -> int:
    """How many rows of some row groups to read at once."""
    chosen = [metadata.row_group(at) for at in groups]
    largest = max(group.total_byte_size / max(1, group.num_rows) for group in chosen)
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(1, largest))))


def _joined(schema: Any, own: Any, first: Path, file: Path) -> Any:
    """The schema of the files so far and of one more."""
    pyarrow = package("pyarrow")
    lacks = [name for name in schema.names if name not in own.names]
    more = [name for name in own.names if name not in schema.names]
    if lacks or more:
        parts = [f"lacks {', '.join(lacks)}"] if lacks else []
        parts += [f"has {', '.join(more)} besides"] if more else []
        raise TableError(
            f"{file} has other columns than {first}: it {' and '.join(parts)}. All files of a "
            "table need the same columns; name only those that have them."
        )
    try:
        schemas = [_decoded(schema, own), _decoded(own, schema)]
        return pyarrow.unify_schemas(schemas, promote_options="permissive")
    except pyarrow.ArrowException:
        name = next(n for n in own.names if not schema.field(n).type.equals(own.field(n).type))
        raise TableError(
            f"{file}: the column {name!r} is of type {own.field(name).type}, but "
            f"{schema.field(name).type} in {first}. Write it with one type."
        ) from None


def _decoded(schema: Any, other: Any) -> Any:
    """A schema whose categories are plain values where the other schema has another type."""
    is_category = package("pyarrow").types.is_dictionary
    for at, field in enumerate(schema):
        if is_category(field.type) and not field.type.equals(other.field(field.name).type):
            schema = schema.set(at, field.with_type(field.type.value_type))
    return schema


def _shards(
    files: Sequence[Path], described: Sequence[tuple[Any, list[int]]], schema: Any
) -> Iterator[Shard]:
    number = start = 0
    for file, (_, sizes) in zip(files, described, strict=True):
        first = group = 0
        while group < max(1, len(sizes)):  # a file without rows is a shard as well
            stop, rows = group + 1, sum(sizes[group : group + 1])
            while stop < len(sizes) and rows + sizes[stop] <= SHARD_ROWS:
                rows += sizes[stop]
                stop += 1
            groups = tuple(range(group, min(stop, len(sizes))))
            yield Shard(number, file, groups, start, first, rows, schema)
            number, start, first, group = number + 1, start + rows, first + rows, stop
