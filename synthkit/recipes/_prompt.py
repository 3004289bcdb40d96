"""The recipe of a prompt: one request for each row of fields, one row for each completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, Unpack

from synthkit.core import keywords
from synthkit.core.errors import TableError, UsageError, check_known, check_positive
from synthkit.core.images import image
from synthkit.core.types import Message, Request, Sampling, Steps
from synthkit.data import tables
from synthkit.data.expressions import rule
from synthkit.prompts import parsing
from synthkit.prompts.conditions import (
    Band,
    Sampler,
    Where,
    conditions_and_records,
)
from synthkit.prompts.templates import Examples, Prompt, demonstrate, located, parse
from synthkit.prompts.tools import declared_tools, tool_calls
from synthkit.recipes._arguments import parent_id
from synthkit.recipes._ask import ask, with_origin
from synthkit.recipes._base import Bounds, Recipe, Samples, recipe
from synthkit.recipes._example_answers import answer_writer


class PromptOptions(TypedDict, total=False):
    """What a prompt takes besides its text; :func:`synthkit.generate` explains each option."""

    rows: Any
    n: int
    vary: Mapping[str, Any]
    sampler: Sampler
    like: Any
    where: Where | str | None
    system: str | None
    examples: Any
    schema: Any
    labels: Sequence[str] | None
    regex: str | None
    output: str | None
    image: str | None
    tools: Sequence[Mapping[str, Any]] | None
    repairs: int | None
    sampling: Sampling
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    seed: int | None
    stop: str | Sequence[str]
    logprobs: bool
    extra: Mapping[str, Any]


SAMPLING = ("temperature", "top_p", "max_tokens", "seed", "stop", "logprobs", "extra")
"""The options that are parameters of :class:`~synthkit.core.types.Sampling`."""


@recipe
@keywords.shows(PromptOptions)
def prompt(prompt: str, **options: Unpack[PromptOptions]) -> Recipe:
    """One row for each completion of a prompt template.

    This is what ``%%synth`` and :func:`synthkit.generate` run for a prompt;
    :func:`synthkit.generate` explains the options.

    Parameters
    ----------
    prompt : a Jinja2 template (see :mod:`synthkit.prompts.templates`).

    Raises
    ------
    UsageError
        If a field is unknown, a schema is invalid or an option makes no sense.

    Examples
    --------
    >>> str(prompt("Name a {{ colour }} fruit.", vary={"colour": ["red", "green"]}).requests)
    '2'
    """
    keywords.check("a prompt", options, PromptOptions.__annotations__)
    n, repairs, schema = options.get("n", 1), options.get("repairs"), options.get("schema")
    check_positive(n=n)
    if repairs is None:
        repairs = 0 if schema is None else 1
    elif repairs < 0:
        raise UsageError(f"repairs must be 0 or more; got {repairs}.")
    sampling = sampled(options)
    template = parse(prompt, system=options.get("system"))
    fields, records = _fields(options, n, sampling.seed or 0)
    parsed: dict[str, Any] = {
        name: options.get(name) for name in ("schema", "labels", "regex", "output")
    }
    decoder = decoder_for(tables.columns(fields), **parsed)
    tools = declared_tools(options["tools"]) if options.get("tools") is not None else ()
    if tools and (decoder.whole or "tool_calls" in tables.columns(fields)):
        raise UsageError(
            "tools= adds a column 'tool_calls' beside a text; leave out schema, labels and regex, "
            "and rename such a column of the rows."
        )
    asked: dict[str, Any] = {"sampling": sampling, "tools": tools, "pattern": decoder.pattern}
    requests = _requests(template, records, decoder, options, asked)
    decode = tool_calls(decoder, tools) if tools else decoder
    parents = list(map(parent_id, records))

    def branch(request: Request, parent: str | None) -> Steps[None]:
        outcome = yield from ask(request, decode, repairs=repairs)
        yield [with_origin(outcome, (), {}, parent)]

    size = Bounds(len(requests), len(requests))
    return Recipe(
        name="prompt",
        branches=lambda: map(branch, requests, parents),
        columns=(*decoder.columns, *(["tool_calls"] if tools else [])),
        source=fields,
        kind=tables.kind(fields),
        requests=size,
        rows=size,
        prompt=prompt,
    )


def sampled(options: Mapping[str, Any]) -> Sampling:
    """The sampling that options ask for: ``sampling``, with those given by name in its place.

    >>> sampled({"sampling": Sampling(max_tokens=9), "temperature": 0}).payload()["max_tokens"]
    9
    """
    by_name = {name: options[name] for name in SAMPLING if name in options}
    return replace(options.get("sampling") or Sampling(), **by_name)


def decoder_for(
    fields: Sequence[str],
    *,
    schema: Any = None,
    labels: Sequence[str] | None = None,
    regex: str | None = None,
    output: str | None = None,
) -> parsing.Decoder:
    """How completions are parsed, and into which columns, beside the columns ``fields``.

    Raises
    ------
    UsageError
        If more than one way is asked for, or a column has the name of a field.
    """
    chosen = {"schema": schema, "labels": labels, "regex": regex}
    ways = [way for way, value in chosen.items() if value is not None]
    if len(ways) > 1:
        raise UsageError(f"an answer is read in one way; got {' and '.join(ways)}.")
    if output is not None and ways in (["schema"], ["regex"]):
        raise UsageError(f"output names the one column of a text; {ways[0]} names its own columns.")
    taken = {*fields, "id", "parent"}
    if output is not None and output in taken:
        raise UsageError(f"output={output!r} is a column of the rows already; choose another.")
    if schema is not None:
        decoder = parsing.structured(schema)
    elif regex is not None:
        decoder = parsing.regex(regex)
    elif labels is not None:
        return parsing.label(labels, output or _free("label", taken))
    else:
        return parsing.text(output or _free("text", taken))
    clash = [name for name in decoder.columns if name in taken]
    if clash:
        raise UsageError(
            f"the {ways[0]} has a column {clash[0]!r}, and so have the rows; rename one of them."
        )
    return decoder


def _free(name: str, taken: set[str]) -> str:
    numbered = (f"{name}_{i}" for i in range(2, len(taken) + 3))
    return next(candidate for candidate in (name, *numbered) if candidate not in taken)


def _fields(options: PromptOptions, n: int, seed: int) -> tuple[Any, list[dict[str, Any]]]:
    """The table with the fields of each request, and its rows as dicts."""
    rows, like, where = options.get("rows"), options.get("like"), options.get("where")
    vary = {} if options.get("vary") is None else options["vary"]
    if not isinstance(vary, Mapping):
        raise UsageError(f"vary must be a dict of fields with values; got {type(vary).__name__}.")
    if isinstance(where, str):
        columns = [tables.columns(table) for table in (rows, like) if table is not None]
        where = rule(where, [*(name for names in columns for name in names), *vary])
    sampler = options.get("sampler", "product")
    fields, records = conditions_and_records(rows, n, vary, sampler, seed, like=like, where=where)
    bands = {
        name: [str(row[name]) for row in records]
        for name in vary
        if any(isinstance(row[name], Band) for row in records)
    }
    return tables.assign(fields, bands) if bands else fields, records


def _requests(
    template: Prompt,
    rows: Sequence[Mapping[str, Any]],
    decoder: parsing.Decoder,
    options: PromptOptions,
    asked: Mapping[str, Any],
) -> list[Request]:
    """One request for each row, with what is ``asked`` of all.

    Rows with the same messages get different sample indices.
    """
    demonstrations: Sequence[Any] = [()] * len(rows)
    examples, column = options.get("examples"), options.get("image")
    if examples is not None:
        shown = examples if isinstance(examples, Examples) else Examples(table=examples)
        demonstrations = demonstrate(template, rows, shown, answer_writer(decoder))
    sample = Samples()
    requests = []
    for i, row in enumerate(rows):
        with located(f"row {i}", template, row):
            messages = template.render(row, demonstrations[i])
            if column is not None:
                messages = _with_image(messages, row, column)
        request = Request(messages, schema=decoder.schema, attrs=row, **asked)
        requests.append(sample(request))
    return requests


def _with_image(
    messages: tuple[Message, ...], row: Mapping[str, Any], column: str
) -> tuple[Message, ...]:
    """Messages whose last turn shows the image in a row's column; unchanged if there is none."""
    check_known("column", [column], row, place="image: ", error=TableError)
    if row[column] is None:
        return messages
    return (*messages[:-1], replace(messages[-1], images=(image(row[column]),)))
