"""Tables in Parquet files: every cell is read back as it was written.

A column whose cells Arrow has no type for, or would change, is written as JSON; the field's
metadata says so, and :func:`from_storable` reads it back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from synthkit.core.environment import warn
from synthkit.data import tables
from synthkit.data.arrow_tables import JSON_FIELD, column_cells, is_json
from synthkit.data.cells import SIMPLE, as_text, encode, is_missing
from synthkit.data.typed_columns import all_same, arrow_array, package, pandas_column, read_back


def storable(table: Any) -> Any:
    """The same rows as an Arrow table for Parquet, from which :func:`from_storable` reads them."""
    table = tables.native(table)
    names = tables.columns(table)
    if tables.kind(table) == "pandas":
        types = zip(names, table.dtypes, strict=True)
        objects = [name for name, dtype in types if _is_object(dtype)]
        arrow = tables.to_arrow(table.drop(columns=objects))
    elif tables.kind(table) == "polars":
        types = zip(names, table.dtypes, strict=True)
        objects = [name for name, dtype in types if str(dtype) in ("Object", "Int128")]
        arrow = tables.to_arrow(table.drop(objects))
    else:
        objects, arrow = [], tables.to_arrow(table)
    objects += [field.name for field in arrow.schema if not _is_writable(field.type)]
    stored = {name: _stored(name, tables.column(table, name)) for name in objects}
    if not stored:
        return arrow
    fields = [stored[name][0] if name in stored else arrow.schema.field(name) for name in names]
    arrays = [stored[name][1] if name in stored else arrow.column(name) for name in names]
    schema = package("pyarrow").schema(fields, arrow.schema.metadata)
    return package("pyarrow").table(arrays, schema=schema)


def from_storable(arrow: Any) -> Any:
    """The DataFrame of an Arrow table that :func:`storable` made, or of any other."""
    pandas = package("pandas")
    own = [field.name for field in arrow.schema if _needs_care(field, arrow)]
    index = pandas.RangeIndex(arrow.num_rows)
    series = {name: pandas_column(column_cells(arrow, name), index) for name in own}
    frame = pandas.DataFrame(series, index=index)
    if len(own) < arrow.num_columns:
        frame = pandas.concat([_to_pandas(arrow.drop_columns(own)), frame], axis=1)
    return frame[arrow.schema.names]


def _to_pandas(arrow: Any) -> Any:
    noted = _pandas_notes(arrow.schema) | {"index_columns": []}  # every column stays a column
    metadata = {b"pandas": json.dumps(noted).encode()}
    try:
        return arrow.replace_schema_metadata(metadata).to_pandas()
    except (TypeError, ValueError, NotImplementedError):  # pandas' notes do not fit the columns
        return arrow.replace_schema_metadata().to_pandas()


def _needs_care(field: Any, arrow: Any) -> bool:
    """Whether ``to_pandas`` would change the cells of a column."""
    types = package("pyarrow").types
    if is_json(field) or types.is_nested(field.type):
        return True
    if not getattr(field.type, "extension_name", "pandas.").startswith("pandas."):
        return True
    if types.is_integer(field.type) and arrow.column(field.name).null_count:
        return not _has_dtype(arrow.schema, field.name)
    return False


def _has_dtype(schema: Any, name: str) -> bool:
    """Whether pandas has noted a dtype of its own for a column, such as ``Int64``."""
    dtypes = {each["name"]: each["numpy_type"] for each in _pandas_notes(schema)["columns"]}
    dtype = str(dtypes.get(name, ""))
    return dtype.startswith(("Int", "UInt")) or dtype.endswith("[pyarrow]")


def _pandas_notes(schema: Any) -> dict[str, Any]:
    """What pandas notes of the columns of an Arrow table made of a DataFrame."""
    none = b'{"columns": [], "column_indexes": [], "index_columns": []}'
    notes: dict[str, Any] = json.loads((schema.metadata or {}).get(b"pandas", none))
    return notes


def _is_object(dtype: Any) -> bool:
    """Whether Arrow makes no column of one type of a pandas column."""
    dtype = getattr(getattr(dtype, "categories", None), "dtype", dtype)
    return str(dtype).startswith(("object", "complex", "Sparse"))


@lru_cache(1000)
def _is_writable(type: Any) -> bool:
    """Whether Parquet has the type of an Arrow column."""
    pyarrow, parquet = package("pyarrow"), package("pyarrow.parquet")
    try:
        empty = pyarrow.schema([("cells", type)]).empty_table()
        parquet.write_table(empty, pyarrow.BufferOutputStream())
    except pyarrow.ArrowException:
        return False
    return True


def _stored(name: str, cells: Sequence[Any]) -> tuple[Any, Any]:
    """The field and the array of cells that may have any types."""
    pyarrow = package("pyarrow")
    array = arrow_array(cells)
    kinds = set(map(type, cells)) - {type(None)}
    if array is not None and _is_writable(array.type):
        simple = len(kinds) <= 1 and kinds <= SIMPLE
        if simple or all_same(cells, read_back(array), exact=True):
            return pyarrow.field(name, array.type), array
    texts = pyarrow.array(_encoded(name, cells), pyarrow.string())
    return pyarrow.field(name, texts.type, metadata=JSON_FIELD), texts


def _encoded(name: str, cells: Sequence[Any]) -> list[str | None]:
    texts: list[str | None] = []
    types: set[str] = set()
    for cell in cells:
        try:
            texts.append(None if is_missing(cell) else encode(cell))
        except TypeError:
            types.add(type(cell).__name__)
            texts.append(encode(as_text(cell)))
    if types:
        warn(
            f"the column {name!r} has cells of the type {', '.join(sorted(types))}, which are "
            "saved as text.",
            RuntimeWarning,
            stacklevel=2,
        )
    return texts
