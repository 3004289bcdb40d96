"""What a lab found: a table of its cells, the ranking of its variants, and the winner's cell."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterable, Mapping
from statistics import fmean
from typing import TYPE_CHECKING, Any

from synthkit.core.errors import UsageError
from synthkit.data import tables as tables
from synthkit.evaluate.metrics.lexical_diversity import distinct_n
from synthkit.evaluate.raters.variant_ranking import Proportion, VariantResult, rank
from synthkit.lab.cells import Cell, Column
from synthkit.prompts.parsing import json_schema

if TYPE_CHECKING:
    from synthkit.lab.lab import Laboratory


def results(lab: Laboratory) -> Any:
    """A DataFrame with one row for each cell.

    ``id``, ``variant``, ``model``, the fields, the output columns, ``state``, ``why`` (what is
    wrong), ``checks`` (name -> passed; ``None`` is no verdict), ``mark``, ``comment``, ``seconds``,
    ``tokens`` and ``cost``. The inputs' own id is ``parent``, as in the results of ``%%synth``; a
    field that has another of these names is called ``field_...``.
    """
    own = {"id", "variant", "model", *_measures(Cell(output={}, verdicts={}))}
    rows = []
    for n, fields in enumerate(lab.rows):
        shown = {_called(key, own): value for key, value in fields.items()}
        for column in lab.columns:
            cell = lab.cell(n, column)
            ids = {"id": cell.id, "variant": column.variant.title, "model": column.model}
            rows.append(ids | shown | dict(cell.output) | _measures(cell))
    names = list(dict.fromkeys(name for row in rows for name in row))
    last = [name for name in names if name in _measures(Cell(output={}, verdicts={}))]
    names = [name for name in names if name not in last] + last
    return tables.build({name: [row.get(name) for row in rows] for name in names}, n=len(rows))


def entries(
    lab: Laboratory, rows: Iterable[int] | None = None
) -> list[tuple[Column, VariantResult]]:
    """Each column with what its cells came to, the best first."""
    chosen = list(range(len(lab.rows)) if rows is None else rows)
    found = {
        column.name: (column, _entry(column.name, [lab.cell(n, column) for n in chosen]))
        for column in lab.columns
    }
    return [found[entry.name] for entry in rank(entry for _, entry in found.values())]


def ranked(lab: Laboratory) -> Any:
    """A DataFrame with one row for each column of the matrix, the best first."""
    rows: list[Mapping[str, Any]] = []
    for column, entry in entries(lab):
        accept, checks = entry.accept.interval, entry.checks.interval
        rows.append(
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
    return tables.build({name: [row[name] for row in rows] for name in rows[0]})


def winner(lab: Laboratory) -> Column | None:
    """The column that ranks first; ``None`` while nothing is marked or checked."""
    column, entry = entries(lab)[0]
    return column if entry.accept.n or entry.checks.n else None


def source(lab: Laboratory, column: Column) -> str:
    """The ``%%synth`` cell that goes on with a column: its rows are not asked again.

    Inputs and a schema that no word of a line stands for are kept in the session's folder, and the
    cell reads them from there.
    """
    words = [word for pair in lab.setup.words for word in pair]
    reading = lab.setup.reading
    if any(lab.rows) and not {"--from", "--vary"} & set(words):
        lab.session.save(f"{lab.name}_inputs", lab.setup.inputs)
        words += ["--from", f"{lab.name}_inputs"]
    if "schema" in reading and "--schema" not in words:
        path = lab.session.folder / f"{lab.name}_schema.json"
        path.write_text(json.dumps(json_schema(reading["schema"])), encoding="utf-8")
        words += ["--schema", str(path)]
    if "labels" in reading:
        words += ["--labels", ",".join(map(str, reading["labels"]))]
    for name in ("regex", "output"):
        words += [f"--{name}", reading[name]] if name in reading else []
    draws = column.variant.sampling
    given = {
        "--temperature": draws.temperature,
        "--top-p": draws.top_p,
        "--max-tokens": draws.max_tokens,
        "--seed": draws.seed,
    }
    for option, value in given.items():
        words += [] if value is None else [option, str(value)]
    for text in draws.stop:
        words += ["--stop", text]
    for name, value in draws.extra.items():
        words += ["--extra", f"{name}={json.dumps(value)}"]
    line = shlex.join(["%%synth", lab.name, "--model", column.model, *words])
    return f"{line}\n{column.variant.prompt}"


def _entry(name: str, cells: list[Cell]) -> VariantResult:
    done = [cell for cell in cells if cell.completion is not None]
    texts = [cell.text for cell in cells if cell.state == "done"]
    labels = [cell.label for cell in done if cell.label]
    passed = [v.passed for cell in done for v in cell.verdicts.values() if v.passed is not None]
    taken = [cell.completion for cell in done if cell.completion is not None]
    costs = [cell.cost for cell in done if cell.cost is not None]
    return VariantResult(
        name=name,
        cells=len(done),
        accept=Proportion(labels.count("accept"), len(labels)),
        checks=Proportion(sum(passed), len(passed)),
        words=fmean(len(text.split()) for text in texts) if texts else None,
        distinct=_distinct(texts),
        seconds=fmean(one.seconds for one in taken) if taken else None,
        tokens=fmean(one.prompt_tokens + one.completion_tokens for one in taken) if taken else None,
        cost=fmean(costs) if costs else None,
    )


def _distinct(texts: list[str]) -> float | None:
    try:
        return distinct_n(texts).value
    except UsageError:  # no text has two words
        return None


def _called(field: str, own: Collection[str]) -> str:
    if field == "id":
        return "parent"
    return f"field_{field}" if field in own else field


def _measures(cell: Cell) -> dict[str, Any]:
    done = cell.completion
    return {
        "state": cell.state,
        "why": cell.why,
        "checks": {name: verdict.passed for name, verdict in cell.verdicts.items()},
        "mark": cell.label,
        "comment": cell.mark.reason if cell.mark else "",
        "seconds": done.seconds if done else None,
        "tokens": done.prompt_tokens + done.completion_tokens if done else None,
        "cost": cell.cost,
    }
