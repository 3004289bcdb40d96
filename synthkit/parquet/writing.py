"""Folders of Parquet files that a large table is written to, one file for each of its shards."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError, cause
from synthkit.core.files import scratch_folder, sweep
from synthkit.data.typed_columns import package
from synthkit.parquet.executors import Executor
from synthkit.parquet.table import DROPPED, KEPT, MARK, ParquetTable, Shard

GROUP_ROWS, GROUP_BYTES = 1 << 16, 1 << 27
"""Rows of a row group, and about their bytes."""
Change = Callable[[Any, int], Sequence[Any]]
"""A batch of rows, and the place in its shard of the first -> the rows to write, for each output
folder."""


@contextmanager
def result_folder(to: str | Path) -> Iterator[Path]:
    """A scratch folder that becomes the folder ``to`` when the block ends without error.

    What killed processes left beside it is removed. An earlier result is there until the new one
    takes its place; a process that is killed just then leaves it hidden beside, and the next one
    puts it back.

    Raises
    ------
    UsageError
        If ``to`` cannot be written, or exists and is not such a result itself, which is replaced.
    """
    path = Path(to).expanduser().resolve()  # a link stays, and leads to the result
    earlier = path.with_name(f".{path.name}.replaced")
    with ExitStack() as stack:
        with writing(path):
            _settle(path, earlier)
            _check_free(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            sweep(path.parent)
            folder = stack.enter_context(scratch_folder(path.parent)) / "result"
            folder.mkdir()  # with the rights of any new folder; a scratch folder is private
        yield folder
        with writing(path):
            (folder / MARK).touch()
            try:
                if path.exists():
                    path.rename(earlier)
                folder.rename(path)
            finally:
                _settle(path, earlier)


def _settle(path: Path, earlier: Path) -> None:
    """Put an earlier result back that nothing replaced, or remove it."""
    if not earlier.exists():
        return
    if path.exists():
        shutil.rmtree(earlier, ignore_errors=True)
    else:
        earlier.rename(path)


def _check_free(path: Path) -> None:
    """Raise an error if something else than a result is at a path."""
    if not path.exists():
        return
    inside = {each.name for each in path.iterdir()}
    if MARK in inside:  # hidden files are those of file managers and editors
        inside = {each for each in inside - {MARK, KEPT, DROPPED} if not each.startswith(".")}
    others = sorted(inside)
    if others:
        raise UsageError(
            f"{path} exists, and has {others[0]}, so that it is no result of this kind that could "
            "be replaced. Choose another folder, or remove it."
        )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one sentence why a file or folder cannot be written."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {cause(error)}. Name another folder: to=."
        ) from None


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
    with writing(path):
        writer = package("pyarrow.parquet").ParquetWriter(path, schema)
    output = _Output(path, writer, schema)
    try:
        yield output
        output.flush()
    finally:
        with writing(path):
            writer.close()


class _Output:
    """Rows on their way to a Parquet file, in row groups."""

    def __init__(self, path: Path, writer: Any, schema: Any) -> None:
        self._path, self._writer, self._schema = path, writer, schema
        self._waiting: list[Any] = []
        self._bytes = 0
        self.rows = self._written = 0

    def __call__(self, rows: Any) -> None:
        self._waiting.append(rows.select(self._schema.names).cast(self._schema))
        self.rows += rows.num_rows
        self._bytes += rows.nbytes
        if self.rows - self._written >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait."""
        if self.rows > self._written:
            with writing(self._path):
                self._writer.write_table(package("pyarrow").concat_tables(self._waiting))
        self._waiting, self._bytes, self._written = [], 0, self.rows
