"""Inventory of a session: its runs, tables, marks and costs, related to each other by row ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.curate.marks.history import current_marks
from synthkit.sessions import inputs, lineage, named_tables
from synthkit.sessions._frames import frame
from synthkit.sessions.named_tables import NamedTable
from synthkit.store.store import Store

TITLE_LENGTH = 48
"""Characters of its prompt that stand for the name of a run."""
COST_COLUMNS = tuple(
    "run at name requests tokens cost total_requests total_tokens total_cost".split()
)
_TABLE_COLUMNS = ("name", "rows", "columns", "bytes", "when", "runs", "marks")


def run_title(run: Mapping[str, Any]) -> str:
    """A run's name, or the start of its prompt: runs of a lab or a benchmark have no name.

    >>> run_title({"name": "", "prompt": "Write\\nabout soup."})
    'Write about soup.'
    """
    start = " ".join(str(run["prompt"])[: 2 * TITLE_LENGTH].split())
    cut = start if len(start) <= TITLE_LENGTH else f"{start[: TITLE_LENGTH - 1].rstrip()}…"
    return str(run["name"]) or cut


def run_frame(store: Store) -> Any:
    """A DataFrame with one row per run."""
    return need("pandas", extra="data", why="to show runs").DataFrame(store.runs.all())


def table_frame(store: Store, folder: Path) -> Any:
    """A DataFrame with one row per named table, the newest first."""
    tables = named_tables.read_all(store, folder)
    runs, labels = run_counts(store, tables), label_counts(store, tables)
    rows = [
        (
            *(table.name, table.rows, len(table.columns), table.bytes, table.when),
            *(sorted(runs[table.name]), labels[table.name]),
        )
        for table in tables
    ]
    return frame(rows, _TABLE_COLUMNS, what="tables", time="when")


def lineage_frame(store: Store, folder: Path) -> Any:
    """A DataFrame of the edges between named tables, and from where they were read."""
    tables = named_tables.read_all(store, folder)
    edges = [*lineage.edges(tables), *lineage.origins(tables)]
    rows = [(edge.source, edge.target, edge.kind, edge.rows) for edge in edges]
    return frame(rows, ("source", "target", "kind", "rows"), what="lineage")


def cost_frame(store: Store) -> Any:
    """A DataFrame of :func:`costs`."""
    return frame(costs(store.runs.all()), COST_COLUMNS, what="costs", time="at")


def sizes(store: Store, folder: Path) -> dict[str, int]:
    """Bytes on disk of each part of the store, of the tables, and of inputs of runs."""
    places = {"tables": folder, "inputs": store.path.parent / inputs.FOLDER}
    return store.sizes() | {
        kind: sum(path.stat().st_size for path in place.glob("*.parquet"))
        for kind, place in places.items()
    }


def cell(store: Store, number: int) -> str:
    """The ``%%synth`` cell of a run; for a run started in Python, made from name and prompt.

    Raises
    ------
    UsageError
        If there is no run of that number.
    """
    run = next((run for run in store.runs.all() if run["run"] == number), None)
    if run is None:
        raise UsageError(f"no run {number} in this session; session.runs() lists them.")
    rows = store.runs.rows(number)
    line = rows.line.strip() if rows else ""
    return f"%%synth {line or run['name'] or 'NAME'}\n{run['prompt'].rstrip()}"


def run_counts(store: Store, tables: Iterable[NamedTable]) -> dict[str, dict[int, int]]:
    """Table -> run -> how many of the table's rows it returned; the newest run of a row counts."""
    counts: dict[str, dict[int, int]] = {}
    tables_of: dict[str, list[str]] = {}
    for table in tables:
        counts[table.name] = {}
        for id in table.ids:
            if id is not None:
                tables_of.setdefault(id, []).append(table.name)
    for run in reversed(store.runs.all()):
        if not tables_of:
            break
        rows = store.runs.rows(run["run"])
        for id in rows.ids if rows else ():
            for name in tables_of.pop(id, ()):
                counts[name][run["run"]] = counts[name].get(run["run"], 0) + 1
    return counts


def label_counts(store: Store, tables: Iterable[NamedTable]) -> dict[str, dict[str, int]]:
    """Table -> label -> how many current marks on its rows have it, the most frequent first."""
    ids = {table.name: table.row_ids for table in tables}
    counts: dict[str, Counter[str]] = {name: Counter() for name in ids}
    for mark in current_marks(store.marks.all()).values():
        for name, row_ids in ids.items():
            if mark.label and mark.id in row_ids:
                counts[name][mark.label] += 1
    return {name: dict(labels.most_common()) for name, labels in counts.items()}


def mark_counts(store: Store) -> list[dict[str, Any]]:
    """How many current marks there are, for each task, annotator, round and label."""
    counts = Counter(
        (mark.task, mark.person, mark.round, mark.label)
        for mark in current_marks(store.marks.all()).values()
        if mark.label
    )
    names = ("task", "by", "round", "label")
    return [{**dict(zip(names, key, strict=True)), "marks": n} for key, n in sorted(counts.items())]


def costs(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Requests, tokens and US dollars of each run, with running totals: :data:`COST_COLUMNS`.

    ``cost`` is ``None`` if the price is not known; it adds nothing to ``total_cost``.
    """
    rows = []
    requests, tokens, dollars = 0, 0, 0.0
    for run in runs:
        run_tokens = run["prompt_tokens"] + run["completion_tokens"]
        requests, tokens = requests + run["requests"], tokens + run_tokens
        dollars += run["cost"] or 0.0
        run_cells = (run["run"], run["at"], run["name"], run["requests"], run_tokens, run["cost"])
        rows.append(dict(zip(COST_COLUMNS, (*run_cells, requests, tokens, dollars), strict=True)))
    return rows
