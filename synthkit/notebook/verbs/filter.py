"""``%synth filter``: drop rows by a funnel of filters, in the order of the line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from synthkit import parquet
from synthkit.core.errors import UsageError
from synthkit.core.types import Sampling
from synthkit.curate.filters.base import Filter
from synthkit.curate.filters.registry import FILTERS, FilterOption, filter_from_spec, number
from synthkit.data import tables
from synthkit.data.results import curation_summary
from synthkit.notebook.context import EMBEDDER, Context
from synthkit.notebook.names import python_name, variable_of
from synthkit.notebook.verbs._base import (
    CLUSTER,
    EMBEDDER_SPEC,
    TABLE_OR_FILES,
    TEXT_COLUMN,
    argument,
    verb,
)
from synthkit.parquet.table import ParquetTable
from synthkit.sessions import curations
from synthkit.sessions.learned_filters import load_body

BY_PROMPT = "by-prompt"


class _Append(argparse.Action):
    """Appends a filter to those of the line, whose order is that of the funnel."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        before = getattr(namespace, "filters", None) or []
        namespace.filters = [*before, (str(option).removeprefix("--"), values or None)]


def filter_arguments() -> list[Any]:
    """An argument for each registered filter, the cheapest first, then those that are broken."""
    options: dict[str, FilterOption] = {}
    broken = []
    for name in FILTERS:
        try:
            options[name] = FILTERS[name]
        except UsageError as error:  # of another package, which must not stop the others
            broken.append(argument(f"--{name}", help=str(error), dest="filters", action=_Append))
    cheapest_first = sorted(options, key=lambda name: options[name].cost)
    return [*(_argument(name, options[name]) for name in cheapest_first), *broken]


def _argument(name: str, option: FilterOption) -> Any:
    takes: dict[str, Any] = {"metavar": option.takes} if option.takes else {"nargs": 0}
    if option.takes and not option.needs_value:
        takes["nargs"] = "?"
    help = option.help.replace("%", "%%")
    return argument(f"--{name}", dest="filters", action=_Append, help=help, **takes)


@verb(
    TABLE_OR_FILES,
    TEXT_COLUMN,
    argument("--to", metavar="NAME", help="variable for the rows kept; default: TABLE_kept"),
    EMBEDDER_SPEC,
    argument(
        f"--{BY_PROMPT}",
        dest="filters",
        metavar="PROMPT",
        action=_Append,
        help="keep rows for which a model answers a question with yes",
    ),
    argument(
        "--model",
        "-m",
        metavar="MODEL",
        help="that answers --by-prompt; default: SynthMagics.model",
    ),
    argument(
        "--reasons", action="store_true", help="--by-prompt asks for a reason before yes or no"
    ),
    argument(
        "--max-tokens",
        type=int,
        metavar="N",
        help="per answer to --by-prompt; default: 8, with --reasons 200",
    ),
    CLUSTER,
    registered=filter_arguments,
)
def filter(context: Context, options: Any) -> Any:
    """Drop rows by filters, in order; binds TABLE_kept and TABLE_dropped."""
    if not options.filters:
        raise UsageError(
            'expected a filter, such as --where "words > 5", --no-refusals or --dedupe 0.9; '
            "%synth filter --help lists them."
        )
    if options.to:
        context.check_variable(options.to)
    large = context.names.parquet(options.table)
    if large is not None:
        return _filter_files(context, large, options)
    name = options.table.removeprefix("@")
    table = context.names.table(name)
    column = options.column or tables.text_column(table)
    filters = [
        _prompt_filter(context, text, options, table)
        if option == BY_PROMPT
        else line_filter(context, option, text, column=column, embedder=options.embedder)
        for option, text in options.filters
    ]
    curation = context.session.curate(table, *filters, name=name)
    to = options.to or _kept_name(context, name)
    context.session.save(to, curation.kept)
    bound = context.bind(
        {to: curation.kept, f"{name}_dropped": curation.dropped, f"{name}_curation": curation},
        chosen=[to],
    )
    return curation_summary(curation, name=name, bound=bound)


def _filter_files(context: Context, table: ParquetTable, options: Any) -> Any:
    """Filter Parquet files, to a folder that is named as the variable of the rows kept."""
    if BY_PROMPT in dict(options.filters):
        raise UsageError(
            f"--{BY_PROMPT} needs a table in memory; draw a sample with --sample N, and load it."
        )
    name = variable_of(options.table.removeprefix("@"))
    column = options.column or table.text_column
    filters = [
        line_filter(context, option, text, column=column, embedder=options.embedder)
        for option, text in options.filters
    ]
    to = options.to or _kept_name(context, name)
    curation = parquet.apply_filters(table, *filters, to=to, cluster=options.cluster)
    curations.record_funnel(context.session.store, curation.funnel, name)
    bound = context.bind(
        {to: curation.kept, f"{name}_dropped": curation.dropped, f"{name}_curation": curation},
        chosen=[to],
    )
    return curation_summary(curation, name=name, bound=f"{bound}; files in {to}/")


def _prompt_filter(context: Context, prompt: str, options: Any, table: Any) -> Filter:
    """The filter of ``--by-prompt``; whatever is wrong with its columns is said at once."""
    from synthkit.generation.prompt_filter import by_prompt, checked_column

    question = str(context.names.text(prompt))
    column = checked_column(question, table, options.column)
    most = options.max_tokens
    return by_prompt(
        question,
        model=context.model(options.model),
        session=context.session,
        column=column,
        reasons=options.reasons,
        sampling=Sampling(temperature=0.0, max_tokens=most) if most else None,
    )


def _kept_name(context: Context, table: str) -> str:
    """The variable and saved table for the rows kept, with a number where a cell has that name."""
    wanted = python_name(f"{table}_kept")
    cells = {run["name"] for run in context.session.store.runs.all()}
    free = context.bindings.free([wanted], context.verb, cells)[wanted]
    if free != wanted:
        holder = "a table of a cell" if wanted in cells else context.bindings.holder(wanted)
        print(f"{wanted} is {holder} and stays; {free} is bound here.")
    return free


def line_filter(
    context: Context, name: str, text: str | None, *, column: str, embedder: str = EMBEDDER
) -> Filter:
    """The filter that an option and the text of its value stand for."""

    def embed() -> Any:
        return context.embedder(embedder).embed

    names = context.names
    read: dict[str, Callable[[str], Any]] = {
        "TABLE": names.table,
        "SCHEMA": names.schema,
        "VARIABLE": names.value,
        "LEARNED": lambda spec: context.session.learned(
            spec.partition(":")[0], version=_version(spec), embed=embed()
        ),
    }
    try:
        option = FILTERS[name]
        value = read[option.takes](text) if text and option.takes in read else text
        takes_embedder = embed() if option.takes_embedder else None
        return filter_from_spec(name, value, column=column, embed=takes_embedder)
    except UsageError as error:
        raise UsageError(f"--{name} {text or ''}: {error}") from None


def learned_filter(context: Context, spec: str) -> Filter:
    """The filter ``name`` or ``name:version`` of this session, on the column it was learned on."""
    name = spec.partition(":")[0]
    column = load_body(context.session.store, name, _version(spec))["column"]
    return line_filter(context, "learned", spec, column=column)


def _version(spec: str) -> int | None:
    """The version in ``name:version``; ``None`` is the latest."""
    version = spec.partition(":")[2]
    return int(number(version)) if version else None
