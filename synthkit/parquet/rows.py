"""Single rows of a large table, by their positions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from synthkit.data import tables
from synthkit.data.large_texts import Positions
from synthkit.data.typed_columns import package
from synthkit.parquet.executors import Executor
from synthkit.parquet.table import ParquetTable, Shard


def rows_at(
    table: ParquetTable,
    positions: Positions,
    executor: Executor,
    columns: Sequence[str] | None = None,
) -> Any:
    """The rows at some ascending positions, as an Arrow table; all columns, or some."""
    ends = np.searchsorted(positions, [shard.start + shard.rows for shard in table.shards])
    starts = np.concatenate([[0], ends[:-1]])
    chosen = [
        (shard, positions[start:end] - shard.start)
        for shard, start, end in zip(table.shards, starts.tolist(), ends.tolist(), strict=True)
        if start < end
    ]
    parts = list(executor.map(partial(_rows, columns=columns), chosen))
    none = table.schema.empty_table()
    return package("pyarrow").concat_tables(
        [none if columns is None else none.select(columns), *parts]
    )


def _rows(part: tuple[Shard, Positions], *, columns: Sequence[str] | None) -> Any:
    shard, places = part
    found = []
    for start, batch in shard.batches(columns):
        inside = places[(places >= start) & (places < start + batch.num_rows)] - start
        found.append(tables.take(batch, inside.tolist()))
    return package("pyarrow").concat_tables(found)
