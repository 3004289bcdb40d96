"""Checks of the tables in a bundle: a small file must not become a huge table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synthkit.core.errors import StoreError, cause
from synthkit.core.extras import need

MAX_ROWS = 10_000_000
"""Most rows of a table."""
MAX_NESTED = 100_000_000
"""Most values of a column with lists."""
MAX_BYTES = 4 * 2**30
"""Most bytes of a table in memory."""
MAX_RATIO, FREE_BYTES = 250, 64 * 2**20
"""Most bytes in memory per byte of the file, above the bytes that any table may have."""
BATCH_CELLS = 4_000_000


def check_table(path: Path) -> None:
    """Check that a Parquet file can be read, and how large it is in memory.

    Texts are read by their dictionaries: two thousand times the same text of two megabytes takes
    few bytes in a file, and 4 GB in a table.

    Raises
    ------
    StoreError
        If the file is no table, or too large.
    """
    pa = need("pyarrow", extra="data", why="to read a table")
    parquet = need("pyarrow.parquet", extra="data", why="to read a table")
    most = min(MAX_BYTES, MAX_RATIO * path.stat().st_size + FREE_BYTES)
    try:
        with parquet.ParquetFile(path) as file:
            texts = _check_numbers(path.stem, file, most)
        with parquet.ParquetFile(path, read_dictionary=texts) as file:
            size = 0
            rows = max(1, BATCH_CELLS // max(1, file.metadata.num_columns))
            for batch in file.iter_batches(batch_size=rows):
                size += sum(_bytes(pa, column) for column in batch.columns)
                if size > most:
                    raise _too_large(path.stem, f"over {most} bytes in memory")
    except StoreError:
        raise
    except (OSError, ValueError, MemoryError, pa.ArrowException) as error:
        raise StoreError(
            f"the bundle's table {path.stem!r} cannot be read: {cause(error)}."
        ) from None


def _check_numbers(name: str, file: Any, most: int) -> list[str]:
    """Check what the file says of itself, and return the columns of texts."""
    metadata, schema = file.metadata, file.schema
    if metadata.num_rows > MAX_ROWS:
        raise _too_large(name, f"{metadata.num_rows} rows; expected at most {MAX_ROWS}")
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    size = 0
    for at in range(metadata.num_columns):
        chunks = [group.column(at) for group in groups]
        if sum(chunk.num_values for chunk in chunks) > MAX_NESTED:
            raise _too_large(name, f"over {MAX_NESTED} values in a column")
        size += sum(chunk.total_uncompressed_size for chunk in chunks)
        if size > most:
            raise _too_large(name, f"over {most} bytes in its pages")
    columns = [schema.column(at) for at in range(len(schema))]
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def _too_large(name: str, what: str) -> StoreError:
    return StoreError(
        f"the bundle's table {name!r} has {what}. If you trust it, unpack the bundle and read "
        f"tables/{name}.parquet yourself."
    )


def _bytes(pa: Any, array: Any) -> int:
    """The bytes of an array whose texts are all written out."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        import pyarrow.compute as pc

        lengths = _lengths(pa, pc, array.dictionary)
        texts = pc.sum(lengths.take(array.indices)).as_py() or 0
        return int(texts + array.indices.nbytes)
    if pa.types.is_struct(kind):
        return sum(_bytes(pa, part) for part in array.flatten())
    if pa.types.is_map(kind):
        return _bytes(pa, array.keys) + _bytes(pa, array.items) + 4 * len(array)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _bytes(pa, array.flatten()) + 8 * len(array)
    return int(array.nbytes)


def _lengths(pa: Any, pc: Any, dictionary: Any) -> Any:
    """The bytes of each value of a dictionary."""
    kind = dictionary.type
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)
    if any(test(kind) for test in (*texts, pa.types.is_large_binary)):
        return pc.binary_length(dictionary).cast(pa.int64())
    each = dictionary.nbytes // max(1, len(dictionary)) + 1
    return pa.array([each] * len(dictionary), pa.int64())
