"""Curations: which rows were kept or dropped, by which filter and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from synthkit.curate.filters.base import Filter, apply_filters
from synthkit.data import tables
from synthkit.data.results import Curation, Stage
from synthkit.sessions._frames import frame
from synthkit.store.curations import VERDICT_COLUMNS
from synthkit.store.store import Store

SPLIT = "split "
"""What the filter of a verdict begins with, if it says in which part of a split a row is."""
SETTINGS = ("seed", "stratify", "together")
"""Options of a split that are recorded with it."""


def curate(store: Store, table: Any, filters: Iterable[Filter], name: str) -> Curation:
    """Apply filters to a table, and record the curation."""
    curation = apply_filters(table, *filters)
    record(store, curation, name)
    return curation


def split(
    store: Store, table: Any, shares: Mapping[str, float], name: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Split a table, and record in which part each row is: it is kept by ``split PART: how``."""
    from synthkit.curate.selection.splitting import splits

    parts = splits(table, shares, **options)
    chosen = {"seed": 0} | {key: options[key] for key in SETTINGS if options.get(key) is not None}
    how = [" ".join(f"{part}={share:g}" for part, share in shares.items())]
    chosen = {
        key: (", ".join(value) or "none") if isinstance(value, list | tuple) else value
        for key, value in chosen.items()
    }
    how += [f"{key} {value}" for key, value in chosen.items()]
    if "id" in tables.columns(table):
        counts = {part: tables.size(rows) for part, rows in parts.items()}
        n = sum(counts.values())
        verdicts = [
            (str(id), f"{SPLIT}{part}: {'; '.join(how)}", "")
            for part, rows in parts.items()
            for id in tables.column(rows, "id")
        ]
        store.curations.add(name, [[f"{SPLIT}{how[0]}", n, n, counts]], verdicts)
    return parts


def record(store: Store, curation: Curation, name: str) -> int:
    """Store the verdict on each row of a curation, and return the number of the curation."""
    dropped = curation.dropped
    ids, reasons = (tables.column(dropped, column) for column in ("id", "why"))
    filters = [""] * len(ids)
    if "filter" in tables.columns(dropped):
        filters = tables.column(dropped, "filter")
    verdicts = [
        (str(id), filter, why) for id, filter, why in zip(ids, filters, reasons, strict=True)
    ]
    verdicts += [(str(id), "", "") for id in tables.column(curation.kept, "id")]
    return store.curations.add(name, _plain(curation.funnel), verdicts)


def record_funnel(store: Store, funnel: Sequence[Stage], name: str) -> int:
    """Store a curation without verdicts on single rows, as of a table that is not in memory."""
    return store.curations.add(name, _plain(funnel), [])


def _plain(funnel: Sequence[Stage]) -> list[list[Any]]:
    return [[stage.name, stage.rows, stage.kept, dict(stage.reasons)] for stage in funnel]


def verdict_frame(store: Store, ids: Iterable[str] | None) -> Any:
    """A DataFrame of the verdicts on some rows, or on all, the oldest first."""
    verdicts = store.curations.verdicts(ids)
    return frame(verdicts, VERDICT_COLUMNS, what="verdicts", time="at")
