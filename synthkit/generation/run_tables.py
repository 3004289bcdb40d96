"""The tables of a run: its rows, its rejects and the rows that are pending."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from synthkit.core.types import Reject, Row
from synthkit.data import tables
from synthkit.generation.runner import RowEvent
from synthkit.prompts.conditions import with_parent
from synthkit.recipes._base import Recipe


def rows(recipe: Recipe, events: Sequence[RowEvent], added: Sequence[str] = ()) -> Any:
    """The rows: the fields of each one's branch, its own cells, and ``added`` from its event."""
    completed = [event for event in events if isinstance(event.outcome, Row)]
    cells = [
        {**event.outcome.cells, **{name: getattr(event, name) for name in added}}
        for event in completed
    ]
    names = dict.fromkeys([*recipe.columns, *(name for row in cells for name in row), *added])
    return _table(recipe, completed, cells, names)


def rejects(recipe: Recipe, events: Sequence[RowEvent]) -> Any:
    """The rejects: what is known of each row, then the raw text and the reason."""
    last = ("raw", "reason")
    rejected = [(event, event.outcome) for event in events if isinstance(event.outcome, Reject)]
    cells = [{**reject.cells, "raw": reject.raw, "reason": reject.reason} for _, reject in rejected]
    names = dict.fromkeys(name for row in cells for name in row if name not in last)
    return _table(recipe, [event for event, _ in rejected], cells, [*names, *last])


def _table(
    recipe: Recipe,
    events: Sequence[RowEvent],
    rows: Sequence[Mapping[str, Any]],
    names: Iterable[str],
) -> Any:
    cells: dict[str, list[Any]] = {"id": [event.id for event in events]}
    parents = [event.outcome.parent for event in events]
    has_parent = recipe.source is not None and {"id", "parent"} & set(tables.columns(recipe.source))
    if has_parent or any(parent is not None for parent in parents):
        cells["parent"] = parents
    first = tuple(cells)
    cells |= {name: [row.get(name) for row in rows] for name in names}
    if recipe.source is None:
        return tables.build(cells, like=recipe.kind, n=len(events))
    fields = tables.take(recipe.source, [event.position for event in events])
    return tables.assign(fields, cells, first=first)


def pending(recipe: Recipe, ids: Mapping[int, str | None], reason: str) -> Any:
    """The rows whose branch did not end, given by position and id, and why."""
    if recipe.source is None:
        return tables.build({"id": [], "reason": []}, like=recipe.kind, n=0)
    fields = with_parent(tables.take(recipe.source, list(ids)))
    first = ("id", "parent") if "parent" in tables.columns(fields) else ("id",)
    cells: dict[str, Sequence[Any]] = {"id": list(ids.values()), "reason": [reason] * len(ids)}
    return tables.assign(fields, cells, first=first)
