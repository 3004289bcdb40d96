"""``%synth classify``, ``embed`` and ``similarity``: columns that a model makes of texts."""

from __future__ import annotations

from typing import Any

from synthkit import parquet
from synthkit.core.errors import UsageError
from synthkit.core.formatting import count
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.data import tables
from synthkit.notebook.context import Context
from synthkit.notebook.names import variable_of
from synthkit.notebook.verbs._base import (
    CLUSTER,
    EMBEDDER_SPEC,
    TABLE_NAME,
    TABLE_OR_FILES,
    TEXT_COLUMN,
    argument,
    verb,
)
from synthkit.parquet.table import ParquetTable

TO = argument("--to", metavar="NAME", help="variable for the table; default: TABLE_VERBed")
AS = argument("--as", dest="output", metavar="COLUMN", help="the new column; default: %(default)s")


def _as(default: str) -> Any:
    return argument(*AS.args, **AS.kwds, default=default)


@verb(
    TABLE_NAME,
    argument(
        "classifier", metavar="CLASSIFIER", help="hf:..., or a variable with a trained classifier"
    ),
    TEXT_COLUMN,
    _as("predicted"),
    TO,
)
def classify(context: Context, options: Any) -> StaticOutput:
    """Add the label of a text classifier, and its score; binds TABLE_classified."""
    from synthkit.generation.text_columns import classify

    model = context.variables.get(options.classifier.removeprefix("@"), options.classifier)
    table = tables.with_ids(context.names.table(options.table))
    shared = {"column": options.column, "to": options.output, "session": context.session}
    return _bound(context, options, classify(table, model, **shared), "classified")


@verb(TABLE_OR_FILES, TEXT_COLUMN, EMBEDDER_SPEC, _as("vector"), TO, CLUSTER)
def embed(context: Context, options: Any) -> StaticOutput:
    """Add the vector of each text by an embedder; binds TABLE_embedded."""
    from synthkit.generation.text_columns import embed

    large = context.names.parquet(options.table)
    if large is not None:
        return _embed_files(context, large, options)
    table = tables.with_ids(context.names.table(options.table))
    embedder = context.embedder(options.embedder)
    shared = {"column": options.column, "to": options.output, "session": context.session}
    return _bound(context, options, embed(table, embedder, **shared), "embedded")


@verb(
    TABLE_NAME,
    argument("column", metavar="COLUMN", help="a column of texts"),
    argument("other", nargs="?", metavar="OTHER", help="the column to compare it with"),
    argument("--text", help="compare with this text, or @variable, instead of a column"),
    EMBEDDER_SPEC,
    _as("similarity"),
    TO,
)
def similarity(context: Context, options: Any) -> StaticOutput:
    """Add the similarity of a column to another or a text; binds TABLE_compared."""
    from synthkit.generation.text_columns import similarity

    if (options.other is None) == (options.text is None):
        raise UsageError("name a second column, or a text with --text; one of the two.")
    compared = similarity(
        tables.with_ids(context.names.table(options.table)),
        options.column,
        options.other,
        text=context.names.text(options.text),
        embedder=context.embedder(options.embedder),
        to=options.output,
        session=context.session,
    )
    return _bound(context, options, compared, "compared")


def _embed_files(context: Context, table: ParquetTable, options: Any) -> StaticOutput:
    """Add vectors to Parquet files, in a folder that is named as the variable."""
    name = variable_of(options.table.removeprefix("@"))
    to = options.to or f"{name}_embedded"
    context.check_variable(to)
    in_variable = hasattr(context.variables.get(options.embedder.removeprefix("@")), "embed")
    embedded = parquet.embed(
        table,
        context.embedder(options.embedder) if in_variable else options.embedder,
        to=to,
        column=options.column or "",
        output=options.output,
        cluster=options.cluster,
    )
    bound = context.bind({to: embedded}, chosen=[to])
    rows = [
        {column: _short(cell) for column, cell in row.items()}
        for row in tables.records(embedded.head(context.settings.preview_rows))
    ]
    note = f"{name}: {count(len(embedded), 'row')} with {options.output}; {bound}; files in {to}/"
    return static_table(rows, note=note)


def _bound(context: Context, options: Any, table: Any, ending: str) -> StaticOutput:
    """Bind the table, keep it in the session, and show its first rows without vectors."""
    name = options.table.removeprefix("@")
    wanted = options.to or f"{name}_{ending}"
    cells = {run["name"] for run in context.session.store.runs.all()}
    free = wanted if options.to else context.bindings.free([wanted], context.verb, cells)[wanted]
    context.check_variable(free)
    context.session.save(free, table)
    bound = context.bind({free: table}, chosen=[free])
    rows = [
        {column: _short(cell) for column, cell in row.items()}
        for row in tables.head(table, context.settings.preview_rows)
    ]
    return static_table(
        rows, note=f"{name}: {count(tables.size(table), 'row')} with {options.output}; {bound}"
    )


def _short(cell: Any) -> Any:
    is_vector = isinstance(cell, list) and len(cell) > 8
    return f"{len(cell)} numbers" if is_vector else cell
