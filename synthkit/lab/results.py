"""The results of a lab: a table of its cells, and the ranking of its columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.data import tables
from synthkit.evaluate.metrics.lexical_diversity import distinct_n
from synthkit.evaluate.raters.variant_ranking import Proportion, VariantResult, rank
from synthkit.lab.cells import LabCell, LabColumn
from synthkit.stats.words import words

CellAt = Callable[[int, LabColumn], LabCell]
"""Returns the cell of a row and a column."""
Ranking = list[tuple[LabColumn, VariantResult]]
"""The columns with their results, the best first."""


def results_table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[LabColumn], cell_at: CellAt
) -> Any:
    """A DataFrame with one row for each cell.

    ``id``, ``variant``, ``model``, the fields, the output columns, ``state``, ``why`` (what is
    wrong), ``checks`` (name -> passed; ``None`` is no verdict), ``mark``, ``comment``, ``seconds``,
    ``tokens`` and ``cost``. The inputs' own id is ``parent``, as in the results of ``%%synth``; a
    field with another of these names is called ``field_...``.
    """
    last = list(_measures(LabCell()))
    reserved = {"id", "variant", "model", *last}
    records = []
    for n, fields in enumerate(rows):
        shown = {_field_name(name, reserved): value for name, value in fields.items()}
        for column in columns:
            cell = cell_at(n, column)
            ids = {"id": cell.id, "variant": column.variant.title, "model": column.model}
            records.append(ids | shown | dict(cell.output) | _measures(cell))
    names = dict.fromkeys(name for record in records for name in record)
    names = {name: None for name in names if name not in last} | dict.fromkeys(last)
    return tables.build(
        {name: [record.get(name) for record in records] for name in names}, n=len(records)
    )


def ranking(columns: Sequence[LabColumn], rows: Iterable[int], cell_at: CellAt) -> Ranking:
    """The columns with their results over some rows, the best first."""
    rows = list(rows)
    results = {
        column.name: (column, _entry(column.name, [cell_at(row, column) for row in rows]))
        for column in columns
    }
    return [results[entry.name] for entry in rank(entry for _, entry in results.values())]


def ranking_table(ranked: Ranking) -> Any:
    """A DataFrame with one row for each column of the matrix, the best first."""
    records: list[Mapping[str, Any]] = []
    for column, entry in ranked:
        accept, checks = entry.accept.interval, entry.checks.interval
        records.append(
            {
                "variant": column.variant.title,
                "model": column.model,
                "cells": entry.cells,
                "marked": entry.accept.n,
                "accept": entry.accept.value,
                "accept_low": accept[0],
                "accept_high": accept[1],
                "checked": entry.checks.n,
                "checks": entry.checks.value,
                "checks_low": checks[0],
                "checks_high": checks[1],
                "words": entry.words,
                "distinct_2": entry.distinct,
                "seconds": entry.seconds,
                "tokens": entry.tokens,
                "cost": entry.cost,
            }
        )
    return tables.native(records)


def winner(ranked: Ranking) -> LabColumn | None:
    """The first column; ``None`` if it has no marks and no verdicts."""
    column, entry = ranked[0]
    return column if entry.accept.n or entry.checks.n else None


def _entry(name: str, cells: list[LabCell]) -> VariantResult:
    done = [cell for cell in cells if cell.completion is not None]
    completions = [cell.completion for cell in done if cell.completion is not None]
    texts = [cell.text for cell in cells if cell.state == "done"]
    labels = [cell.label for cell in done if cell.label]
    passed = [
        fmean(verdicts)
        for cell in done
        if (verdicts := [v.passed for v in cell.verdicts.values() if v.passed is not None])
    ]
    return VariantResult(
        name=name,
        cells=len(done),
        accept=Proportion(labels.count("accept"), len(labels)),
        checks=Proportion(sum(passed), len(passed)),
        words=_mean(len(words(text)) for text in texts),
        distinct=_distinct(texts),
        seconds=_mean(c.seconds for c in completions),
        tokens=_mean(c.prompt_tokens + c.completion_tokens for c in completions),
        cost=_mean(cell.cost for cell in done if cell.cost is not None),
    )


def _mean(values: Iterable[float]) -> float | None:
    values = list(values)
    return fmean(values) if values else None


def _distinct(texts: list[str]) -> float | None:
    try:
        return distinct_n(texts).value
    except UsageError:  # no text has two words
        return None


def _field_name(name: str, reserved: Collection[str]) -> str:
    if name == "id":
        return "parent"
    return f"field_{name}" if name in reserved else name


def _measures(cell: LabCell) -> dict[str, Any]:
    completion = cell.completion
    return {
        "state": cell.state,
        "why": cell.why,
        "checks": {name: verdict.passed for name, verdict in cell.verdicts.items()},
        "mark": cell.label,
        "comment": cell.comment,
        "seconds": completion.seconds if completion else None,
        "tokens": completion.prompt_tokens + completion.completion_tokens if completion else None,
        "cost": cell.cost,
    }
