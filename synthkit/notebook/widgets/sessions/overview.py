"""The overview of a session: counts, sizes, marks, spending over time, and the lineage graph."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.formatting import count, thousands
from synthkit.notebook.widgets.base import clipped
from synthkit.notebook.widgets.sessions.lists import NAME_LENGTH, file_size
from synthkit.sessions import inventory, lineage
from synthkit.sessions.named_tables import NamedTable
from synthkit.sessions.session import Session

GRAPH_TABLES = 40
GRAPH_BYTES = 5_000
CHART_POINTS = 40
MOST_LINES = 20
"""Most lines of marks, and most labs, in a trait."""
_PARTS = {"runs": "run records", "free": "free space in the store"}


def overview(
    session: Session, runs: Sequence[Mapping[str, Any]], tables: Sequence[NamedTable]
) -> dict[str, Any]:
    """Everything but the lists and the graph, as texts."""
    store = session.store
    sizes, marks, labs = session.sizes(), inventory.mark_counts(store), store.labs.names()[::-1]
    return {
        "counts": [
            count(len(runs), "run"),
            count(len(tables), "table"),
            count(store.completions.count(), "completion"),
            count(sum(row["marks"] for row in marks), "mark"),
            file_size(sum(sizes.values())),
        ],
        "sizes": [[_PARTS.get(what, what), file_size(size)] for what, size in sizes.items()],
        "marks": [_mark_line(row) for row in marks[:MOST_LINES]],
        "labs": [clipped(name, NAME_LENGTH) for name in labs[:MOST_LINES]],
        "more": max(0, len(marks) - MOST_LINES) + max(0, len(labs) - MOST_LINES),
        "chart": _chart(inventory.costs(runs)),
    }


def graph(tables: Sequence[NamedTable], edges: Sequence[lineage.Edge]) -> dict[str, Any]:
    """The newest tables and their edges, as many as a trait may hold."""
    for most in range(min(GRAPH_TABLES, len(tables)), -1, -1):
        drawn = sorted(tables[:most], key=lambda table: (table.born, table.name))
        names = {table.name for table in drawn}
        among = [edge for edge in edges if edge.source in names and edge.target in names]
        places = lineage.places([table.name for table in drawn], among)
        graph = {
            "boxes": [
                {"name": table.name, "rows": table.rows, "x": x, "y": y}
                for table in drawn
                for x, y in [places[table.name]]
            ],
            "edges": [[edge.source, edge.target, edge.kind, edge.rows] for edge in among],
            "hidden": len(tables) - most,
        }
        if len(json.dumps(graph)) <= GRAPH_BYTES:
            break
    return graph


def _mark_line(row: Mapping[str, Any]) -> list[Any]:
    task, by, label = (clipped(row[key], NAME_LENGTH) for key in ("task", "by", "label"))
    return [task or "–", by, label, f"round {row['round']}", thousands(row["marks"])]


def _chart(costs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Points (time, running total, run) in dollars, or in tokens where nothing was paid."""
    key = "total_cost" if costs and costs[-1]["total_cost"] else "total_tokens"
    step = max(1, -(-len(costs) // CHART_POINTS))
    points = [*costs[: len(costs) - 1 : step], *costs[-1:]]
    return {
        "unit": "US dollars" if key == "total_cost" else "tokens",
        "points": [[run["at"], run[key], run["run"]] for run in points],
        "unpriced": sum(run["cost"] is None for run in costs),
    }
