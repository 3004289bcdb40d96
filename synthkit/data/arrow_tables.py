"""Arrow tables with new columns and other rows, and the Hugging Face tables around them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.data.typed_columns import arrow_column, package


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
