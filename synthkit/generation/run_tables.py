"""The tables of a run: its rows, its rejects and the rows that are pending.

The columns ``id``, ``parent``, ``raw`` and ``reason`` belong to the run. A column of the user's
rows with such a name is kept under a free name beside it: ``reason_2``. Two are not: the ``id`` of
a row is the ``parent`` of those made from it, and the ``parent`` of a row that this session has
generated is found by :meth:`~synthkit.sessions.session.Session.trace`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.types import Reject, Row
from synthkit.data import tables
from synthkit.generation.rows import RowEvent
from synthkit.recipes._base import Recipe


def rows(
    recipe: Recipe,
    events: Sequence[RowEvent],
    added: Sequence[str] = (),
    *,
    own_parent: bool = False,
) -> Any:
    """The rows: the fields of each one's branch, its own cells, and ``added`` from its event.

    Parameters
    ----------
    own_parent : whether a column ``parent`` of the recipe's source is the user's own.
    """
    completed = [event for event in events if isinstance(event.outcome, Row)]
    cells = [
        {**event.outcome.cells, **{name: getattr(event, name) for name in added}}
        for event in completed
    ]
    names = dict.fromkeys([*recipe.columns, *(name for row in cells for name in row), *added])
    return _table(recipe, completed, _columns(cells, names), {}, own_parent)


def rejects(recipe: Recipe, events: Sequence[RowEvent], *, own_parent: bool = False) -> Any:
    """The rejects: what is known of each row, then the raw text and the reason."""
    rejected = [(event, event.outcome) for event in events if isinstance(event.outcome, Reject)]
    cells = [reject.cells for _, reject in rejected]
    names = dict.fromkeys(name for row in cells for name in row)
    last = {
        "raw": [reject.raw for _, reject in rejected],
        "reason": [reject.reason for _, reject in rejected],
    }
    by_name = _columns(cells, names)
    return _table(recipe, [event for event, _ in rejected], by_name, last, own_parent)


def pending(
    recipe: Recipe, ids: Mapping[int, str | None], reason: str, *, own_parent: bool = False
) -> Any:
    """The rows whose branch did not end, given by position and id, and why."""
    if recipe.source is None:
        return tables.build({"id": [], "reason": []}, like=recipe.kind, n=0)
    fields = tables.take(recipe.source, list(ids))
    first: dict[str, Sequence[Any]] = {"id": list(ids.values())}
    for name in ("id", "parent"):
        if name in tables.columns(fields):
            first["parent"] = tables.column(fields, name)
            break
    return _beside(fields, {}, first, {"reason": [reason] * len(ids)}, own_parent)


def _columns(
    rows: Sequence[Mapping[str, Any]], names: Mapping[str, None]
) -> dict[str, Sequence[Any]]:
    return {name: [row.get(name) for row in rows] for name in names}


def _table(
    recipe: Recipe,
    events: Sequence[RowEvent],
    cells: Mapping[str, Sequence[Any]],
    last: Mapping[str, Sequence[Any]],
    own_parent: bool,
) -> Any:
    first: dict[str, Sequence[Any]] = {"id": [event.id for event in events]}
    parents = [event.outcome.parent for event in events]
    has_parent = recipe.source is not None and {"id", "parent"} & set(tables.columns(recipe.source))
    if has_parent or any(parent is not None for parent in parents):
        first["parent"] = parents
    if recipe.source is None:
        free = tables.free_names(cells, {**first, **last})
        renamed = {free.get(name, name): values for name, values in cells.items()}
        return tables.build({**first, **renamed, **last}, like=recipe.kind, n=len(events))
    fields = tables.take(recipe.source, [event.position for event in events])
    return _beside(fields, cells, first, last, own_parent)


def _beside(
    fields: Any,
    cells: Mapping[str, Sequence[Any]],
    first: Mapping[str, Sequence[Any]],
    last: Mapping[str, Sequence[Any]],
    own_parent: bool,
) -> Any:
    """The fields and cells between the first and last columns, which keep their names."""
    names = tables.columns(fields)
    free = tables.free_names([*names, *cells], {**first, **last})
    replaced = {"id"} if own_parent else {"id", "parent"}
    fields = tables.rename(
        fields, {name: free[name] for name in names if name in free and name not in replaced}
    )
    renamed = {free.get(name, name): values for name, values in cells.items()}
    return tables.assign(fields, {**first, **renamed, **last}, first=tuple(first))
