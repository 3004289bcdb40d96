"""Vectors of the texts of tables that do not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from synthkit.core.errors import UsageError
from synthkit.data import tables
from synthkit.data.cells import as_text
from synthkit.data.typed_columns import package
from synthkit.models.embedders import Embedder, load_embedder
from synthkit.parquet.executors import executor
from synthkit.parquet.table import KEPT, ParquetTable, open_table
from synthkit.parquet.writing import result_folder, write_shards


def embed(
    table: str | Path | ParquetTable,
    embedder: Embedder | str = "wordllama",
    *,
    to: str | Path,
    column: str = "",
    output: str = "vector",
    cluster: str = "",
) -> ParquetTable:
    """The table with a vector for each text: a list of floats, as :func:`synthkit.embed` adds it.

    Vectors are not kept in a session: they are in the result.

    Parameters
    ----------
    table : Parquet files, as for :func:`open_table`.
    embedder : or its spec for :func:`synthkit.load_embedder`, by which each worker of a cluster
        loads it.
    to : a folder for the result. An earlier result is replaced.
    column : of the texts; by default the one with the longest texts.
    output : the column of the vectors. A missing or blank text has none.
    cluster : as for :func:`apply_filters`.

    Raises
    ------
    UsageError
        If the table has a column ``output``, or ``to`` is another folder.
    TableError
        If a file cannot be read, or there is no such column.

    Examples
    --------
    >>> import tempfile, pandas
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = pandas.DataFrame({"text": ["Hot soup.", None]})
    ...     rows.to_parquet(f"{folder}/rows.parquet")
    ...     rows = embed(f"{folder}/rows.parquet", to=f"{folder}/embedded")
    ...     [cell and len(cell) for cell in rows.load()["vector"].to_pylist()]
    [256, None]
    """
    source = open_table(table)
    column = column or source.text_column
    source.check_columns([column])
    if output in source.column_names:
        raise UsageError(f"the table has a column {output!r}; name another one for the vectors.")
    pyarrow = package("pyarrow")
    schema = source.schema.append(pyarrow.field(output, pyarrow.list_(pyarrow.float32())))
    with result_folder(to) as folder:
        changes: Iterator[_Embedding] = (
            _Embedding(embedder, column, output) for _ in source.shards
        )
        write_shards(source, changes, [folder / KEPT], [schema], executor(cluster))
    return open_table(to)


class _Embedding:
    """Adds the vectors of texts to the batches of a shard."""

    def __init__(self, embedder: Embedder | str, column: str, output: str) -> None:
        self.embedder, self.column, self.output = embedder, column, output

    def __call__(self, batch: Any, start: int) -> Sequence[Any]:
        found = _loaded(self.embedder) if isinstance(self.embedder, str) else self.embedder
        cells = [as_text(cell) for cell in tables.column(batch, self.column)]
        texts = list(dict.fromkeys(text for text in cells if text.strip()))
        embedded = np.asarray(found.embed(texts) if texts else [], np.float32)
        of_text = dict(zip(texts, embedded, strict=True))
        vectors = [of_text[text].tolist() if text.strip() else None for text in cells]
        pyarrow = package("pyarrow")
        kind = pyarrow.list_(pyarrow.float32())
        return [batch.append_column(self.output, pyarrow.array(vectors, kind))]


@lru_cache(1)
def _loaded(spec: str) -> Embedder:
    return load_embedder(spec)
