"""A table of values as the argument ``vary``."""

from __future__ import annotations

from typing import Any

from synthkit.core.errors import TableError
from synthkit.data import row_files, tables
from synthkit.recipes._base import Table


def as_vary(rows: Table) -> dict[str, Any]:
    """The argument ``vary`` from a table of :func:`values`: field -> its values, for each label.

    >>> as_vary([{"field": "topic", "label": "sports", "value": "golf"}])
    {'topic': {'by': 'label', 'values': {'sports': ['golf']}}}
    >>> as_vary([{"field": "tone", "value": "dry"}, {"field": "tone", "value": "warm"}])
    {'tone': ['dry', 'warm']}

    Raises
    ------
    TableError
        If the columns ``field`` or ``value`` are missing or have a missing cell, or if a field has
        both values with a label and values without.
    """
    rows = row_files.opened(rows)
    cells = [tables.column(rows, name) for name in ("field", "value")]
    labelled = "label" in tables.columns(rows)
    labels = tables.column(rows, "label") if labelled else [None] * len(cells[0])
    by_field: dict[str, dict[Any, list[Any]]] = {}
    for i, (field, value, label) in enumerate(zip(*cells, labels, strict=True)):
        if field is None or value is None:
            raise TableError(f"row {i} has no {'field' if field is None else 'value'}; drop it.")
        by_field.setdefault(field, {}).setdefault(label, []).append(value)
    for field, by_label in by_field.items():
        if None in by_label and len(by_label) > 1:
            raise TableError(f"{field!r} has values with a label and without; keep one kind.")
    return {
        field: by_label.get(None, {"by": "label", "values": by_label})
        for field, by_label in by_field.items()
    }
