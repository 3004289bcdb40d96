"""Ids of the rows of a large table: its own, or hashes of the rows, as for a table in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import TableError
from synthkit.data import tables
from synthkit.data.large_texts import digests, first_equal_digests
from synthkit.data.typed_columns import package
from synthkit.parquet.executors import Executor
from synthkit.parquet.rows import rows_at
from synthkit.parquet.table import ParquetTable, Shard, open_table
from synthkit.parquet.writing import write_shards

Numbers = NDArray[np.uint64]


def identified(table: ParquetTable, folder: Path, executor: Executor) -> ParquetTable:
    """The table with an ``id`` for each row, as :func:`synthkit.data.tables.identified` gives it.

    Parameters
    ----------
    folder : where a table without ids is written with them.

    Raises
    ------
    TableError
        If an id is missing or occurs twice.
    """
    if "id" in table.column_names:
        _check_ids(table, executor)
        return table
    hashes = np.concatenate(list(executor.map(_hashes, table.shards)))
    schema = table.schema.insert(0, package("pyarrow").field("id", "string"))
    named = _with_ids(table.shards, hashes)
    write_shards(table, named, [folder], [schema], executor)
    return open_table(folder)


def _check_ids(table: ParquetTable, executor: Executor) -> None:
    found = np.concatenate(list(executor.map(_digests, table.shards)))
    first = first_equal_digests(found)
    (again,) = np.nonzero(first != np.arange(len(first)))
    if len(again):
        (id,) = tables.column(rows_at(table, again[:1], executor, ["id"]), "id")
        at, before = (table.place(int(row)) for row in (again[0], first[again[0]]))
        raise TableError(
            f"each row needs an id of its own; {id!r} occurs twice: in {before}, and in {at}. Drop "
            "one of these rows, or rename the column, and each row gets a hash as its id."
        )


def _digests(shard: Shard) -> Numbers:
    parts = [np.zeros((0, 2), np.uint64)]
    for start, batch in shard.batches(["id"]):
        with shard.place(start, batch):
            ids = tables.column(batch, "id")
        if None in ids:
            row = shard.first + start + ids.index(None)
            raise TableError(f"{shard.path}: {tables.no_own_id(row, None)}")
        parts.append(digests(map(str, ids)))
    return np.concatenate(parts)


def _hashes(shard: Shard) -> Numbers:
    found = [np.zeros(0, np.uint64)]
    for start, batch in shard.batches():
        with shard.place(start, batch):
            rows = tables.records(batch)
        found.append(np.array([int(tables.row_hash(row), 16) for row in rows], np.uint64))
    return np.concatenate(found)


def _with_ids(shards: Sequence[Shard], hashes: Numbers) -> Iterator[_Named]:
    """For each shard a function that gives its rows ids."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(order)]
    (opens,) = np.nonzero(new)
    numbers = np.empty(len(order), np.int32)
    numbers[order] = np.arange(len(order)) - opens[np.cumsum(new) - 1] + 1
    for shard in shards:
        rows = slice(shard.start, shard.start + shard.rows)
        yield _Named(hashes[rows], numbers[rows])


class _Named:
    """Gives the rows of a shard ids by their hashes, and their numbers among equal rows."""

    def __init__(self, hashes: Numbers, numbers: NDArray[np.int32]) -> None:
        self.hashes, self.numbers = hashes, numbers

    def __call__(self, batch: Any, start: int) -> list[Any]:
        rows = slice(start, start + batch.num_rows)
        pairs = zip(self.hashes[rows].tolist(), self.numbers[rows].tolist(), strict=True)
        ids = [tables.numbered_id(f"{hashed:016x}", number) for hashed, number in pairs]
        return [tables.assign(batch, {"id": ids}, first=("id",))]
