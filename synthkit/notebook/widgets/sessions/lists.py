"""The lists of runs and of kept tables: their columns, their records, and the rows to send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from synthkit.core.formatting import count, money, thousands
from synthkit.notebook.widgets.base import clipped
from synthkit.sessions import inventory, lineage
from synthkit.sessions.named_tables import NamedTable
from synthkit.store.store import Store

NAME_LENGTH = 60
RUN_COLUMNS = {
    "run": "sk-number",
    "when": "sk-session-wide sk-session-when",
    "name": "sk-session-named",
    "model": "sk-session-wide sk-session-some",
    "rows": "sk-number",
    "rejects": "sk-number sk-session-wide",
    "tokens": "sk-number sk-session-wide",
    "cost": "sk-number",
}
"""Column -> the classes of its cells."""
TABLE_COLUMNS = {
    "name": "sk-session-named",
    "rows": "sk-number",
    "size": "sk-number sk-session-wide",
    "when": "sk-session-wide sk-session-when",
    "source": "sk-session-wide sk-session-from",
    "marks": "sk-session-wide sk-session-some",
}


def run_records(
    runs: Sequence[Mapping[str, Any]], tables: Sequence[NamedTable]
) -> list[dict[str, Any]]:
    """The runs, the newest first; ``table`` is the newest kept table of the run."""
    table_of = {table.run: table.name for table in reversed(tables)}
    return [
        {name: run[name] for name in ("run", "model", "rows", "rejects", "cost")}
        | {"name": inventory.run_title(run)}
        | {"when": run["at"], "tokens": run["prompt_tokens"] + run["completion_tokens"]}
        | {"table": table_of.get(run["run"], "")}
        for run in reversed(runs)
    ]


def run_row(record: Mapping[str, Any]) -> dict[str, Any]:
    """A run for the front end."""
    name, model = short(record["name"]), short(record["model"])
    rows, rejects, tokens = (thousands(record[key]) for key in ("rows", "rejects", "tokens"))
    cost = "–" if record["cost"] is None else money(record["cost"])
    number = record["run"]
    return {
        "which": number,
        "label": f"run {number} ({name})" if name else f"run {number}",
        "run": number,
        "table": record["table"],
        "at": record["when"],
        "cells": [str(number), record["when"], name or "–", model, rows, rejects, tokens, cost],
        "sub": f"{model}, {count(record['rejects'], 'reject')}, {tokens} tokens",
    }


def table_records(
    store: Store, tables: Sequence[NamedTable], edges: Iterable[lineage.Edge]
) -> list[dict[str, Any]]:
    """The kept tables; ``sources`` and ``marks`` are in words, ``problem`` if unreadable."""
    runs_of, labels = inventory.run_counts(store, tables), inventory.label_counts(store, tables)
    sources = {name: [f"run {run}" for run in sorted(runs)] for name, runs in runs_of.items()}
    for edge in edges:
        sources[edge.target].append(f"{edge.rows} {edge.kind} {edge.source}")
    return [
        {
            "name": table.name,
            "rows": table.rows,
            "size": table.bytes,
            "when": table.when,
            "source": ", ".join(sources[table.name]),
            "marks": listed([f"{n} {label}" for label, n in labels[table.name].items()]),
            "sources": sources[table.name],
            "run": table.run or max(runs_of[table.name], default=None),
            "problem": table.problem,
        }
        for table in tables
    ]


def table_row(record: Mapping[str, Any]) -> dict[str, Any]:
    """A kept table for the front end."""
    name, size, when, marks = (record[key] for key in ("name", "size", "when", "marks"))
    source = f"✗ {record['problem']}" if record["problem"] else listed(record["sources"]) or "–"
    noted = [f"marks: {marks}"] if marks else []
    cells = [name, thousands(record["rows"]), file_size(size), when]
    return {
        "which": name,
        "label": name,
        "run": record["run"],
        "table": "" if record["problem"] else name,
        "at": when,
        "cells": [*cells, clipped(source, NAME_LENGTH), clipped(marks or "–", NAME_LENGTH)],
        "sub": listed([file_size(size), *record["sources"], *noted], 4),
    }


def short(text: str) -> str:
    """The start of a text that should be short."""
    start = clipped(text, NAME_LENGTH)
    return f"{start[0]}…" if isinstance(start, list) else str(start)


def file_size(size: int) -> str:
    """Bytes in the largest fitting unit.

    >>> file_size(999), file_size(1_250_000)
    ('999 B', '1.2 MB')
    """
    amount, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"


def listed(words: Sequence[str], most: int = 6) -> str:
    """The first words, and the number of the others."""
    rest = len(words) - most
    return ", ".join([*words[:most], *([f"{rest} more"] if rest > 0 else [])])
