"""Folders of Parquet files that a large table is written to, one file for each of its shards."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.files import scratch_folder
from synthkit.data.typed_columns import package
from synthkit.parquet.executors import Executor
from synthkit.parquet.table import MARK, ParquetTable, Shard

GROUP_ROWS = 1 << 16
"""Rows of a row group."""
Change = Callable[[Any, int], Sequence[Any]]
"""A batch of rows, and the place in its shard of the first -> the rows to write, for each output
folder."""


@contextmanager
def result_folder(to: str | Path) -> Iterator[Path]:
    """A scratch folder that becomes the folder ``to`` when the block ends without error.

    Raises
    ------
    UsageError
        If ``to`` exists and is not such a result itself, which is replaced.
    """
    path = Path(to).expanduser()
    if path.exists() and not (path / MARK).exists() and (path.is_file() or any(path.iterdir())):
        raise UsageError(
            f"{path} exists, and is no result of this kind that could be replaced. Choose another "
            "folder, or remove it."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(path.parent) as scratch:
        yield scratch
        (scratch / MARK).touch()
        if path.exists():
            path.rename(scratch / "replaced")
        scratch.rename(path)
    shutil.rmtree(path / "replaced", ignore_errors=True)


def write_shards(
    table: ParquetTable,
    changes: Iterable[Change],
    folders: Sequence[Path],
    schemas: Sequence[Any],
    executor: Executor,
    *,
    prefix: str = "",
) -> list[Any]:
    """Write the rows of each shard, changed, to one or more folders.

    Parameters
    ----------
    changes : for each shard a function of its batches.
    folders : one for each table that a change returns.
    schemas : of these tables.
    prefix : of the names of the files.

    Returns
    -------
    What each change has as ``notes``, if it has any.
    """
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    write = partial(_write, folders=list(folders), schemas=list(schemas), prefix=prefix)
    return list(executor.map(write, zip(table.shards, changes, strict=True)))


def _write(
    part: tuple[Shard, Change], *, folders: list[Path], schemas: list[Any], prefix: str
) -> Any:
    shard, change = part
    paths = [folder / f"{prefix}part-{shard.number:06}.parquet" for folder in folders]
    with ExitStack() as stack:
        outputs = [
            stack.enter_context(_output(path, schema))
            for path, schema in zip(paths, schemas, strict=True)
        ]
        for start, batch in shard.batches():
            for output, rows in zip(outputs, change(batch, start), strict=True):
                output(rows)
    for path, output in zip(paths, outputs, strict=True):
        if shard.number and not output.rows:  # the first file keeps the columns
            path.unlink()
    return getattr(change, "notes", None)


@contextmanager
def _output(path: Path, schema: Any) -> Iterator[_Output]:
    """A Parquet file for some rows. If a worker dies, another one writes it again."""
    with package("pyarrow.parquet").ParquetWriter(path, schema) as writer:
        output = _Output(writer, schema)
        yield output
        output.flush()


class _Output:
    """Rows on their way to a Parquet file, in row groups."""

    def __init__(self, writer: Any, schema: Any) -> None:
        self._writer, self._schema = writer, schema
        self._waiting: list[Any] = []
        self.rows = self._written = 0

    def __call__(self, rows: Any) -> None:
        self._waiting.append(rows.select(self._schema.names).cast(self._schema))
        self.rows += rows.num_rows
        if self.rows - self._written >= GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait."""
        if self.rows > self._written:
            self._writer.write_table(package("pyarrow").concat_tables(self._waiting))
        self._waiting, self._written = [], self.rows
