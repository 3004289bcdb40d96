"""Curations: which rows were kept or dropped, by which filter and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from synthkit.curate.filters.base import Filter, apply_filters
from synthkit.data import tables
from synthkit.data.results import Curation
from synthkit.sessions._frames import frame
from synthkit.store.curations import VERDICT_COLUMNS
from synthkit.store.store import Store


def curate(store: Store, table: Any, filters: Iterable[Filter], name: str) -> Curation:
    """Apply filters to a table, and record the curation."""
    curation = apply_filters(table, *filters)
    record(store, curation, name)
    return curation


def record(store: Store, curation: Curation, name: str) -> int:
    """Store the verdict on each row of a curation, and return the number of the curation."""
    funnel = [
        [stage.name, stage.rows, stage.kept, dict(stage.reasons)] for stage in curation.funnel
    ]
    dropped = curation.dropped
    ids, reasons = (tables.column(dropped, column) for column in ("id", "why"))
    filters = [""] * len(ids)
    if "filter" in tables.columns(dropped):
        filters = tables.column(dropped, "filter")
    verdicts = [
        (str(id), filter, why) for id, filter, why in zip(ids, filters, reasons, strict=True)
    ]
    verdicts += [(str(id), "", "") for id in tables.column(curation.kept, "id")]
    return store.curations.add(name, funnel, verdicts)


def verdict_frame(store: Store, ids: Iterable[str] | None) -> Any:
    """A DataFrame of the verdicts on some rows, or on all, the oldest first."""
    verdicts = store.curations.verdicts(ids)
    return frame(verdicts, VERDICT_COLUMNS, what="verdicts", time="at")
