"""``%synth learn``: train a filter on the marks of a table, and measure it."""

from __future__ import annotations

from typing import Any

from synthkit.core.static_output import static_table
from synthkit.notebook.context import Context
from synthkit.notebook.names import words
from synthkit.notebook.verbs._base import (
    EMBEDDER_SPEC,
    READ_COLUMNS,
    TABLE_NAME,
    TEXT_COLUMN,
    argument,
    verb,
)
from synthkit.notebook.widgets.marker.learning import report_rows

ENOUGH_MARKS = 20
"""Marks on random rows below which precision and recall are too uncertain to be useful."""


@verb(
    TABLE_NAME,
    argument("--name", metavar="NAME", help="name of the filter; default: the task or table"),
    TEXT_COLUMN,
    READ_COLUMNS,
    argument("--task", default="", metavar="NAME", help="task of the marks to learn from"),
    argument("--threshold", type=float, help="keep rows with P(accept) from here; default: 0.5"),
    argument("--precision", type=float, help="choose the threshold for this precision"),
    EMBEDDER_SPEC,
    argument("--seed", type=int, default=0, help="--seed of %%synth mark; default: %(default)s"),
)
def learn(context: Context, options: Any) -> Any:
    """Learn a filter from the marks on a table, and save it; binds TABLE_filter."""
    table = options.table.removeprefix("@")
    name = options.name or options.task or table
    learned = context.session.learn(
        context.names.table(table),
        name=name,
        embed=context.embedder(options.embedder).embed,
        column=options.column,
        reads=words(options.reads),
        task=options.task,
        threshold=options.threshold,
        precision=options.precision,
        seed=options.seed,
    )
    bound = context.bind({f"{table}_filter": learned})
    versions = context.session.filters()
    version = int(versions[versions["name"] == name]["version"].max())
    report = learned.report
    notes = [] if report.needs else [f"use: %synth filter TABLE --learned {name}"]
    if report.sample < min(report.marks, ENOUGH_MARKS):
        notes.append("only marks on random rows measure it: --order uncertain asks for them")
        notes.append("they count if --seed is that of the marker")
    note = f"filter {name}, version {version}; {bound}"
    return static_table(report_rows(report), note=note, notes=notes)
