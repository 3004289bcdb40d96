"""What the front end gets of a lab: its state, a page of its rows, and one whole cell.

While a lab is blind, nothing is sent that shows which variant made an output, and the outputs of
each row are in an order of their own.
"""

from __future__ import annotations

import functools
import math
import random
from dataclasses import dataclass
from typing import Any

from synthkit.core.formatting import count, money, thousands
from synthkit.core.models import Activity
from synthkit.evaluate.raters.variant_ranking import stands_out, summary_line
from synthkit.evaluate.views.word_diff import Change, changes, cut
from synthkit.generation.dry_run import CostEstimate
from synthkit.lab.cells import LabColumn
from synthkit.lab.lab import PromptLab, Show
from synthkit.lab.variants import Variant
from synthkit.notebook.output.lab_summary import measures
from synthkit.notebook.widgets.base import clipped

PAGE = 20
CELL_LENGTH = 300
COMPARED_LENGTH = 1200
FIELD_LENGTH = 80
REASON_LENGTH = 2000
FULL_LENGTH = 100_000
FIELDS = 6


@dataclass(frozen=True, slots=True)
class LabView:
    """Which rows are shown, from which place on, and whether variants are hidden."""

    show: Show = "all"
    start: int = 0
    blind: bool = False


def lab_state(lab: PromptLab, blind: bool) -> dict[str, Any]:
    """Everything but the rows: columns, variants, ranking, what is missing, what failed."""
    columns = lab.columns
    activity = Activity.together(list(lab.matrix.completions.activities.values()))
    state: dict[str, Any] = {
        "running": lab.running,
        "todo": len(lab.missing()),
        "unjudged": len(lab.unjudged()),
        "cells": len(lab.rows) * len(columns),
        "inputs": " ".join(value for _, value in lab.config.line_options),
        "checks": [name[:FIELD_LENGTH] for name in lab.matrix.checks.names],
        "columns": [_column(lab, column, blind) for column in columns],
        "deleted": [[v.key, v.title] for v in lab.variants if v.deleted],
        "notes": list(lab.config.notes),
        "blind": blind,
        # the names of models are hidden while the lab is blind
        "doing": "" if blind else activity.text,
        "under_way": activity.rows,
    }
    if blind:
        hidden = ("models", "variants", "measures", "ranking", "failures")
        return state | {name: [] for name in hidden} | {"reading": "", "winner": -1}
    ranked = lab.ranked
    entries = [entry for _, entry in ranked]
    return state | {
        "models": list(lab.config.models),
        "variants": [_variant(lab, v) for v in lab.variants if not v.deleted],
        "measures": list(measures(ranked[0][1])),
        "ranking": [
            {
                "column": columns.index(column),
                "name": entry.name,
                "measures": list(measures(entry).values()),
            }
            for column, entry in ranked
        ],
        "reading": summary_line(entries),
        "winner": columns.index(ranked[0][0]) if stands_out(entries) else -1,
        "failures": [[name, why[:CELL_LENGTH]] for name, why in lab.failures.items()],
    }


def page(lab: PromptLab, view: LabView) -> dict[str, Any]:
    """The rows from ``view.start`` on; the last page if there are not so many."""
    shown = lab.showing(view.show)
    start = min(view.start, max(0, len(shown) - 1) // PAGE * PAGE)
    return {
        "show": view.show,
        "blind": view.blind,
        "start": start,
        "found": len(shown),
        "total": len(lab.rows),
        "rows": [_row(lab, row, view.blind) for row in shown[start : start + PAGE]],
    }


def slots(lab: PromptLab, row: int, blind: bool) -> list[LabColumn]:
    """The columns in the order in which a row shows them; shuffled while the lab is blind."""
    columns = lab.columns
    if blind:
        random.Random(f"{lab.name}:{row}").shuffle(columns)
    return columns


def whole_cell(lab: PromptLab, row: int, column: LabColumn, blind: bool) -> dict[str, Any]:
    """Everything about one cell; while the lab is blind, only what its own output shows."""
    cell = lab.cell(row, column)
    fields = [[name, clipped(value, FULL_LENGTH)] for name, value in lab.rows[row].items()]
    verdicts = cell.verdicts.items()
    wire = _cell(lab, row, column, blind) | {
        "text": clipped(cell.text, FULL_LENGTH),
        "why": clipped(cell.why, FULL_LENGTH),
        "comment": clipped(cell.comment, FULL_LENGTH),
        "verdicts": [[name, v.passed, clipped(v.reason, REASON_LENGTH)] for name, v in verdicts],
        "fields": fields,
    }
    if blind:
        return wire
    if lab.differs(row, column):
        base = lab.cell(row, lab.base(column))
        wire["diff"] = _wired(changes(base.text, cell.text))
    wire |= {"id": cell.id, "name": column.name}
    if cell.id:
        request = lab.matrix.request(row, column).request
        wire["prompt"] = [[m.role, clipped(m.content, FULL_LENGTH)] for m in request.messages]
    completion = cell.completion
    if completion is not None:
        tokens = f"{count(completion.prompt_tokens, 'token')} in"
        tokens += f", {thousands(completion.completion_tokens)} out"
        cost = "–" if cell.cost is None else money(cell.cost)
        finish = f"finish: {completion.finish}"
        wire["took"] = [column.model, tokens, f"{completion.seconds:.2f} s", cost, finish]
        if completion.reasoning:
            wire["reasoning"] = clipped(completion.reasoning, FULL_LENGTH)
        if completion.text != cell.text:
            wire["raw"] = clipped(completion.text, FULL_LENGTH)
    return wire


def estimate_parts(estimate: CostEstimate) -> list[str]:
    """Seconds and dollars, as far as they are known."""
    parts = []
    if estimate.seconds is not None:
        minutes = round(estimate.seconds / 60)
        short = f"~{max(1, math.ceil(estimate.seconds))} s"
        parts.append(short if estimate.seconds < 90 else f"~{thousands(minutes)} min")
    return parts if estimate.cost is None else [*parts, money(estimate.cost)]


def _row(lab: PromptLab, row: int, blind: bool) -> dict[str, Any]:
    fields = {name: cell for name, cell in lab.rows[row].items() if name != "id"}
    return {
        "at": row,
        "fields": [[name, clipped(cell, FIELD_LENGTH)] for name, cell in fields.items()][:FIELDS],
        "cells": [_cell(lab, row, column, blind) for column in slots(lab, row, blind)],
    }


def _cell(lab: PromptLab, row: int, column: LabColumn, blind: bool) -> dict[str, Any]:
    cell = lab.cell(row, column)
    by_result: dict[bool | None, list[list[Any]]] = {True: [], False: [], None: []}
    for name, verdict in cell.verdicts.items():
        reason = clipped(verdict.reason, FIELD_LENGTH)
        by_result[verdict.passed].append([name[:FIELD_LENGTH], reason])
    wire: dict[str, Any] = {
        "state": cell.state,
        "text": clipped(cell.text, CELL_LENGTH),
        "why": clipped(cell.why, CELL_LENGTH),
        "mark": cell.label,
        "comment": clipped(cell.comment, FIELD_LENGTH),
        "fails": by_result[False],
        "unsaid": by_result[None],
        "passes": len(by_result[True]),
    }
    if blind:
        return wire
    if cell.completion is not None:
        tokens, seconds = cell.completion.completion_tokens, cell.completion.seconds
        cost = [money(cell.cost)] if cell.cost else []
        wire["took"] = [f"{thousands(tokens)} tok", f"{seconds:.1f} s", *cost]
    if lab.differs(row, column):
        wire["diff"] = _short_diff(lab.cell(row, lab.base(column)).text, cell.text)
    return wire


def _column(lab: PromptLab, column: LabColumn, blind: bool) -> dict[str, Any]:
    if blind:
        return {"variant": "", "model": "", "name": ""}
    model = column.model if len(lab.config.models) > 1 else ""
    return {"variant": column.variant.key, "model": model, "name": column.name}


def _variant(lab: PromptLab, variant: Variant) -> dict[str, Any]:
    base = lab.variant(lab.baseline)
    differs = variant.key != base.key and variant.prompt != base.prompt
    return {
        "key": variant.key,
        "name": variant.name,
        "baseline": variant.key == base.key,
        "prompt": clipped(variant.prompt, CELL_LENGTH),
        "diff": _short_diff(base.prompt, variant.prompt) if differs else None,
        "at": variant.at + 1,
        "versions": len(variant.versions),
        "temperature": variant.sampling.temperature,
        "max_tokens": variant.sampling.max_tokens,
    }


@functools.lru_cache(maxsize=1024)
def _changes(before: str, after: str) -> tuple[Change, ...]:
    return tuple(changes(before, after) or ())


def _short_diff(before: str, after: str) -> list[list[str]] | None:
    """The changes between the starts of two texts, as many as a cell of the matrix shows."""
    pieces = _changes(before[:COMPARED_LENGTH], after[:COMPARED_LENGTH])
    return _wired(cut(list(pieces), CELL_LENGTH) if pieces else None)


def _wired(pieces: list[Change] | None) -> list[list[str]] | None:
    """Changes as lists, with text that can be sent as UTF-8."""
    if pieces is None:
        return None
    return [[kind, str(clipped(text, len(text)) or "")] for kind, text in pieces]
