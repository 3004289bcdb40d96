"""``%synth learn``: a filter from the marks on a table, and what it is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic_arguments import argument

from synthkit.core.static_output import static_table
from synthkit.notebook.verbs.verb import Verb
from synthkit.notebook.widgets.marker.learning import report_rows

if TYPE_CHECKING:
    from synthkit.notebook.magics import SynthMagics

LEAST = 20
"""Marks on rows drawn at random below which precision and recall say little."""


def learn(magics: SynthMagics, options: Any) -> Any:
    """Learn a filter from the marks on a table, and keep it by name; binds TABLE_filter."""
    table = options.table.removeprefix("@")
    name = options.name or options.task or table
    found = magics.session.learn(
        magics.names.table(table),
        name=name,
        embed=magics.embedder(options.embedder).embed,
        column=options.column,
        task=options.task,
        threshold=options.threshold,
        precision=options.precision,
    )
    magics.shell.user_ns[f"{table}_filter"] = found
    held = magics.session.filters()
    version = int(held[held["name"] == name]["version"].max())
    report = found.report
    notes = [] if report.needs else [f"use: %synth filter TABLE --learned {name}"]
    if report.sample < min(report.marks, LEAST):
        notes.append("only marks on random rows measure it: --order uncertain asks for them")
    kept = f"filter {name}, version {version}; bound {table}_filter"
    return static_table(report_rows(report), note=kept, notes=notes)


LEARN = Verb(
    "learn",
    learn,
    (
        argument("table", metavar="TABLE", help="a variable, or a table kept in the session"),
        argument("--name", metavar="NAME", help="the filter's; the table's if not given"),
        argument("--column", metavar="COLUMN", help="of the texts; the longest if not given"),
        argument("--task", default="", metavar="NAME", help="the question that was marked"),
        argument("--threshold", type=float, help="P(accept) from which a row is kept; 0.5 else"),
        argument("--precision", type=float, help="choose the threshold that gives it"),
        argument("--embedder", default="wordllama", metavar="NAME", help="wordllama or minilm"),
    ),
)
