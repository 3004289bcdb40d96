"""Field chains: the fields of a row one after another, each generated from those before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from synthkit.core.errors import PromptError
from synthkit.core.types import Reject, Sampling, Steps
from synthkit.data import tables
from synthkit.recipes._arguments import blank
from synthkit.recipes._ask import ask_and_parse_all
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, per_row, recipe
from synthkit.recipes._fields import as_prompt, check_fields, dependency_levels, parse_fields


@recipe
def chain(
    prompt: str,
    *,
    rows: Table = None,
    fields: Mapping[str, Any] | None = None,
    fill: bool = False,
    sampling: Sampling = Sampling(),
) -> Recipe:
    r"""Rows generated field by field, where a field's prompt may use the fields before it.

    A row is drawn as p(x1) p(x2 | x1) p(x3 | x1, x2) ...: the sample-wise decomposition of the
    survey (arXiv 2406.15126, section 3.1.2). The templates determine the order: a field comes after
    the fields that it uses, and independent fields are requested together. A completion that cannot
    be parsed is repaired once. A row that lacks a field is rejected with the cells it has. Rows
    with equal prompts draw different samples.

    Parameters
    ----------
    prompt : ``--- field NAME`` lines, each with that field's template below it, which may have
        turns (``--- system``). ``--- field NAME: a, b`` is for a field that is one of these labels.
        A ``--- system`` turn before the first field is used for all fields.
    rows : a table whose columns the templates may use.
    fields : further fields: name -> template, or a :class:`Field`.
    fill : for fields that are columns of the rows, request only cells that are missing or blank;
        other cells are kept.

    Raises
    ------
    UsageError
        If fields depend on each other in a circle, or two of them make the same column.
    PromptError
        If a template cannot be parsed, or uses a field that does not exist.

    Examples
    --------
    >>> recipe = chain("--- field answer\nAnswer: {{ question }}\n"
    ...                "--- field question\nAsk about {{ topic }}.", rows=[{"topic": "rain"}])
    >>> recipe.columns, str(recipe.requests)
    (('question', 'answer'), '1 to 2')
    """
    parsed = parse_fields(prompt, fields or {})
    source = tables.native([{}] if rows is None else rows)
    present = tables.columns(source)
    levels = list(dependency_levels(parsed, present))
    added = [name for level in levels for field in level for name in field.decoder.columns]
    records = tables.records(source)
    check_fields(parsed, records)
    used = {name for field in parsed for name in (*field.template.fields, *field.decoder.columns)}
    inputs = [name for name in present if name in used]

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        cells = {name: row[name] for name in added if name in row}
        # rows whose later prompts become equal, such as for one label, draw different samples
        row_key = repr([row[name] for name in inputs])
        for level in levels:
            missing = [field for field in level if field.is_missing(cells)]
            try:
                requests = [field.request(row | cells, sampling, row_key) for field in missing]
            except PromptError as error:
                return Reject("", str(error), cells)
            outcomes = yield from ask_and_parse_all(requests, [field.decoder for field in missing])
            rejects = []
            for field, outcome in zip(missing, outcomes, strict=True):
                if isinstance(outcome, Reject):
                    rejects.append(replace(outcome, reason=f"{field.name}: {outcome.reason}"))
                else:
                    cells |= {k: v for k, v in outcome.items() if blank(cells.get(k))}
            if rejects:
                return replace(rejects[0], cells=cells)
        return cells

    recipe = per_row(
        steps,
        source,
        name="chain",
        columns=[name for name in added if not (fill and name in present)],
        requests=Bounds(1, len(parsed)),
        prompt=as_prompt(prompt, fields or {}),
    )
    # the number of requests for each row and level; only the first level is certain
    counts = [
        [sum(field.is_missing(row) for field in level) for level in levels] for row in records
    ]
    least = sum(next(filter(None, row), 0) for row in counts)
    return replace(recipe, requests=Bounds(least, sum(map(sum, counts))))
