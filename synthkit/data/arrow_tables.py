"""Arrow tables with new columns and other rows, and the Hugging Face tables around them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.data.cells import decode
from synthkit.data.typed_columns import arrow_column, package

JSON_FIELD = {b"synthkit": b"json"}
"""The metadata of a field whose cells are JSON, as Arrow has no type for them."""


def is_json(field: Any) -> bool:
    """Whether the cells of an Arrow field were written as JSON."""
    return (field.metadata or {}).get(b"synthkit") == b"json"


def column_cells(arrow: Any, name: str) -> list[Any]:
    """The cells of one column of an Arrow table, as they were before it was stored."""
    cells: list[Any] = arrow.column(name).to_pylist()
    return [decode(cell) for cell in cells] if is_json(arrow.schema.field(name)) else cells


def arrow_rows(arrow: Any) -> list[dict[str, Any]]:
    """The rows of an Arrow table or batch, as they were before it was stored."""
    if not any(map(is_json, arrow.schema)):
        rows: list[dict[str, Any]] = arrow.to_pylist()
        return rows
    names = arrow.schema.names
    cells = (column_cells(arrow, name) for name in names)
    return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]


def arrow_table(cells: Mapping[str, Sequence[Any]], names: Sequence[str], *, of: Any = None) -> Any:
    """An Arrow table of these columns, those in ``cells`` new, the others from the table ``of``."""
    pyarrow = package("pyarrow")
    arrays, fields = [], []
    for name in names:
        array = arrow_column(name, cells[name]) if name in cells else of.column(name)
        arrays.append(array)
        fields.append(pyarrow.field(name, array.type) if name in cells else of.schema.field(name))
    schema = pyarrow.schema(fields, None if of is None else _described(of.schema, cells))
    return pyarrow.table(arrays, schema=schema)


def _described(schema: Any, replaced: Mapping[str, Any]) -> dict[bytes, bytes]:
    """The metadata of an Arrow schema, without what pandas noted of columns that are replaced."""
    metadata = dict(schema.metadata or {})
    if b"pandas" in metadata:
        noted = json.loads(metadata[b"pandas"])
        noted["columns"] = [each for each in noted["columns"] if each["name"] not in replaced]
        metadata[b"pandas"] = json.dumps(noted).encode()
    return metadata


def dataset(arrow: Any, *, like: Any = None) -> Any:
    """A Hugging Face table; columns with the same type as in ``like`` keep their features."""
    datasets = package("datasets")
    features = datasets.Features.from_arrow_schema(arrow.schema.remove_metadata())
    if like is not None:
        kept = like.features  # a copy at each access, which takes as long as there are columns
        types = kept.arrow_schema
        for name in set(features) & set(kept):
            if types.field(name).type == arrow.schema.field(name).type:
                features[name] = kept[name]
    return datasets.Dataset(arrow.replace_schema_metadata(features.arrow_schema.metadata))


def taken(arrow: Any, positions: Sequence[int]) -> Any:
    """The rows of an Arrow table at ``positions``, in that order."""
    pyarrow = package("pyarrow")
    try:
        return arrow.take(pyarrow.array(positions, type="int64"))
    except pyarrow.ArrowNotImplementedError:  # as for views and run-end encoded columns
        rows = [arrow.slice(position, 1) for position in positions]
        return pyarrow.concat_tables([arrow.slice(0, 0), *rows]).combine_chunks()
