"""What the browser is sent of a lab: its state, a page of its rows, and one cell in full.

Where a lab is blind, nothing is sent that tells whose an output is, and the outputs of each row are
in an order of their own.
"""

from __future__ import annotations

import functools
import math
import random
from typing import Any

from synthkit.core.formatting import count, money, thousands
from synthkit.core.types import Sampling
from synthkit.evaluate.raters.variant_ranking import Entry, reading
from synthkit.evaluate.views.word_diff import Change, changes, cut
from synthkit.generation.job import CostEstimate
from synthkit.lab.cells import Cell, Column
from synthkit.lab.lab import Laboratory, Show
from synthkit.lab.results import entries
from synthkit.lab.variants import Variant
from synthkit.notebook.widgets.base import clipped

PAGE = 20
CELL_LENGTH = 300
COMPARED_LENGTH = 1200
FIELD_LENGTH = 80
FULL_LENGTH = 100_000
FIELDS = 6


def state(lab: Laboratory, blind: bool) -> dict[str, Any]:
    """All but the rows: columns, variants, ranking, what is left to ask, what went wrong."""
    columns = lab.columns
    ranked = [] if blind else entries(lab)
    best = None if blind else lab.winner
    return {
        "running": lab.running,
        "todo": len(lab.missing()),
        "unjudged": len(lab.unjudged()),
        "cells": len(lab.rows) * len(columns),
        "models": [] if blind else list(lab.setup.models),
        "inputs": " ".join(value for _, value in lab.setup.words),
        "checks": [name[:FIELD_LENGTH] for name in lab.matrix.jury.names],
        "columns": [_column(lab, one, blind) for one in columns],
        "variants": []
        if blind
        else [_variant(lab, one) for one in lab.variants if not one.deleted],
        "deleted": [[one.key, one.title] for one in lab.variants if one.deleted],
        "measures": list(_measures(ranked[0][1])) if ranked else [],
        "ranking": [
            {
                "column": columns.index(column),
                "name": entry.name,
                "measures": list(_measures(entry).values()),
            }
            for column, entry in ranked
        ],
        "reading": reading([entry for _, entry in ranked]) if ranked else "",
        "winner": columns.index(best) if best else -1,
        "failures": []
        if blind
        else [[name, why[:CELL_LENGTH]] for name, why in lab.failures.items()],
        "notes": list(lab.setup.notes),
        "blind": blind,
    }


def page(lab: Laboratory, show: Show, start: int, blind: bool) -> dict[str, Any]:
    """The rows to show from a place on; from the last page, if there are not so many."""
    shown = lab.showing(show)
    start = min(start, max(0, len(shown) - 1) // PAGE * PAGE)
    return {
        "show": show,
        "blind": blind,
        "start": start,
        "found": len(shown),
        "total": len(lab.rows),
        "rows": [_row(lab, row, blind) for row in shown[start : start + PAGE]],
    }


def slots(lab: Laboratory, row: int, blind: bool) -> list[Column]:
    """The columns in the order in which a row shows them: shuffled where the lab is blind."""
    columns = lab.columns
    if blind:
        random.Random(f"{lab.name}:{row}").shuffle(columns)
    return columns


def whole(lab: Laboratory, row: int, column: Column, blind: bool) -> dict[str, Any]:
    """All that is known of one cell; where the lab is blind, what the model said alone."""
    cell = lab.cell(row, column)
    fields = [[name, clipped(value, FULL_LENGTH)] for name, value in lab.rows[row].items()]
    wire = _cell(lab, row, column, blind) | {
        "text": clipped(cell.text, FULL_LENGTH),
        "why": clipped(cell.why, FULL_LENGTH),
        "comment": clipped(cell.mark.reason if cell.mark else "", FULL_LENGTH),
        "verdicts": [[n, v.passed, clipped(v.reason, 2000)] for n, v in cell.verdicts.items()],
        "fields": fields,
    }
    if blind:
        return wire
    if lab.differs(row, column):
        base = lab.cell(row, lab.base(column))
        wire["diff"] = _wired(changes(base.text, cell.text))
    wire |= {"id": cell.id, "name": column.name}
    if cell.id:
        request = lab.matrix.question(row, column).request
        wire["prompt"] = [[m.role, clipped(m.content, FULL_LENGTH)] for m in request.messages]
    done = cell.completion
    if done is not None:
        tokens = f"{count(done.prompt_tokens, 'token')} in, {thousands(done.completion_tokens)} out"
        ended = [f"{done.seconds:.2f} s", _money(cell.cost), f"ended by {done.finish}"]
        wire["took"] = [column.model, tokens, *ended]
        if done.text != cell.text:
            wire["raw"] = clipped(done.text, FULL_LENGTH)
    return wire


def _row(lab: Laboratory, row: int, blind: bool) -> dict[str, Any]:
    fields = {name: cell for name, cell in lab.rows[row].items() if name != "id"}
    return {
        "at": row,
        "fields": [[name, clipped(cell, FIELD_LENGTH)] for name, cell in fields.items()][:FIELDS],
        "cells": [_cell(lab, row, column, blind) for column in slots(lab, row, blind)],
    }


def _cell(lab: Laboratory, row: int, column: Column, blind: bool) -> dict[str, Any]:
    cell = lab.cell(row, column)
    verdicts = cell.verdicts.items()
    wire: dict[str, Any] = {
        "state": cell.state,
        "text": clipped(cell.text, CELL_LENGTH),
        "why": clipped(cell.why, CELL_LENGTH),
        "mark": cell.label,
        "comment": clipped(cell.mark.reason if cell.mark else "", FIELD_LENGTH),
        "fails": [_said(name, v.reason) for name, v in verdicts if v.passed is False],
        "unsaid": [_said(name, v.reason) for name, v in verdicts if v.passed is None],
        "passes": sum(v.passed is True for _, v in verdicts),
    }
    if blind:
        return wire
    wire |= {"took": _took(cell)} if cell.completion is not None else {}
    if lab.differs(row, column):
        base = lab.cell(row, lab.base(column))
        pieces = _changes(base.text[:COMPARED_LENGTH], cell.text[:COMPARED_LENGTH])
        wire["diff"] = _wired(cut(list(pieces), CELL_LENGTH) if pieces else None)
    return wire


def _column(lab: Laboratory, column: Column, blind: bool) -> dict[str, Any]:
    if blind:
        return {"variant": "", "model": "", "name": ""}
    several = len(lab.setup.models) > 1
    model = column.model if several else ""
    return {"variant": column.variant.key, "model": model, "name": column.name}


def _variant(lab: Laboratory, one: Variant) -> dict[str, Any]:
    base = lab.variant(lab.baseline)
    diff = None
    if one.key != base.key and one.prompt != base.prompt:
        pieces = _changes(base.prompt[:COMPARED_LENGTH], one.prompt[:COMPARED_LENGTH])
        diff = _wired(cut(list(pieces), CELL_LENGTH) if pieces else None)
    temperature, max_tokens = numbers(one.sampling)
    return {
        "key": one.key,
        "name": one.name,
        "baseline": one.key == base.key,
        "prompt": clipped(one.prompt, CELL_LENGTH),
        "diff": diff,
        "at": one.at + 1,
        "versions": len(one.versions),
        "temperature": temperature,
        "max_tokens": max_tokens,
    }


def _measures(entry: Entry) -> dict[str, tuple[str, float | None]]:
    """What a variant is ranked by: the text to show, and the number to sort by."""
    return {
        "accept": (str(entry.accept), entry.accept.value),
        "marked": (f"{entry.accept.n}/{entry.cells}", entry.accept.n),
        "checks": (str(entry.checks), entry.checks.value),
        "words": (_digits(entry.words, 1), entry.words),
        "distinct-2": (_digits(entry.distinct, 2), entry.distinct),
        "seconds": (_digits(entry.seconds, 1), entry.seconds),
        "tokens": (_digits(entry.tokens, 0), entry.tokens),
        "cost": (_money(entry.cost), entry.cost),
    }


def _took(cell: Cell) -> list[str]:
    """What an answer took: tokens out, seconds, and dollars if it cost any."""
    done = cell.completion
    if done is None:
        return []
    cost = [money(cell.cost)] if cell.cost else []
    return [f"{thousands(done.completion_tokens)} tok", f"{done.seconds:.1f} s", *cost]


def told(estimate: CostEstimate) -> list[str]:
    """Seconds and dollars, as far as they are known."""
    parts = []
    if estimate.seconds is not None:
        minutes = round(estimate.seconds / 60)
        short = f"~{max(1, math.ceil(estimate.seconds))} s"
        parts.append(short if estimate.seconds < 90 else f"~{thousands(minutes)} min")
    return parts if estimate.cost is None else [*parts, money(estimate.cost)]


def _digits(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _money(dollars: float | None) -> str:
    return "–" if dollars is None else money(dollars)


@functools.lru_cache(maxsize=1024)
def _changes(before: str, after: str) -> tuple[Change, ...]:
    return tuple(changes(before, after) or ())


def _wired(pieces: list[Change] | None) -> list[list[str]] | None:
    """Changes as the browser takes them: texts that can be sent as UTF-8."""
    if pieces is None:
        return None
    return [[kind, str(clipped(text, len(text)) or "")] for kind, text in pieces]


def _said(name: str, reason: str) -> list[Any]:
    return [name[:FIELD_LENGTH], clipped(reason, FIELD_LENGTH)]


def numbers(sampling: Sampling) -> tuple[float | None, int | None]:
    """Temperature and most tokens."""
    return sampling.temperature, sampling.max_tokens
