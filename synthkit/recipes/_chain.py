"""Field chains: the fields of a row one after another, each with those before it in sight.

A row is drawn as p(x1) p(x2 | x1) p(x3 | x1, x2) ...: the sample-wise decomposition of the survey
arXiv 2406.15126 (section 3.1.2). Which field rests on which is read from their templates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

from synthkit.core.errors import PromptError, UsageError, unknown
from synthkit.core.types import Reject, Request, Sampling, Steps, digest
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.templates import Prompt, located, parse
from synthkit.recipes._ask import ask_and_parse_all
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, per_row, recipe
from synthkit.recipes._cell_sections import sections

_SYSTEM = re.compile(r"\s*---[ \t]*system[ \t\r]*\n((?:(?!---).*\n?)*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """How one field of a chain is asked for, and how its answer is read: as text, if not said.

    Parameters
    ----------
    prompt : a template; it may use the columns of the rows and those of other fields.
    labels : the answer is one of these.
    schema : the answer is JSON that follows a JSON Schema or pydantic model, with a column for
        each property in place of the field's name.
    regex : the answer is read by the named groups of a pattern, which are its columns.
    """

    prompt: str
    labels: Sequence[str] | None = None
    schema: Any = None
    regex: str | None = None


@recipe
def chain(
    prompt: str,
    *,
    rows: Table = None,
    fields: Mapping[str, Any] | None = None,
    fill: bool = False,
    sampling: Sampling = Sampling(),
) -> Recipe:
    r"""Rows made field by field, where a field's prompt sees the fields before it.

    This is the sample-wise decomposition of the survey (arXiv 2406.15126, section 3.1.2). Fields
    are asked for in the order in which their templates use each other; those that do not, in one
    step. An answer that cannot be read is asked for again once. A row that lacks a field is
    rejected, with the cells it has. Equal prompts of different rows draw samples of their own.

    Parameters
    ----------
    prompt : ``--- field NAME`` lines, each with that field's template below it, which may have
        turns (``--- system``). ``--- field NAME: a, b`` is for an answer that is one of these
        labels. Before the first, a ``--- system`` turn may stand, which all of them begin with.
    rows : a table; its columns are fields of the templates too.
    fields : further fields: name -> template, or a :class:`Field`.
    fill : ask for a field that is a column of the rows already where it is missing or blank; what
        is there stays.

    Raises
    ------
    UsageError
        If fields rest on each other in a circle, or two of them make one column.
    PromptError
        If a template cannot be read, or uses a field that there is not.

    Examples
    --------
    >>> recipe = chain("--- field answer\nAnswer: {{ question }}\n"
    ...                "--- field question\nAsk about {{ topic }}.", rows=[{"topic": "rain"}])
    >>> recipe.columns, str(recipe.requests)
    (('question', 'answer'), '1 to 2')
    """
    links = _links(prompt, fields or {})
    source = tables.native([{}] if rows is None else rows)
    there = tables.columns(source)
    levels = list(_levels(links, there))
    made = [column for level in levels for link in level for column in link.decoder.columns]
    records = tables.records(source)
    _try(links, records)
    used = {name for link in links for name in (*link.prompt.fields, *link.decoder.columns)}
    told = [name for name in there if name in used]

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        cells = {name: row[name] for name in made if name in row}
        # rows that come to ask the same, such as for one label, draw samples of their own
        own = repr([row[name] for name in told])
        for level in levels:
            wanted = [link for link in level if link.lacks(cells)]
            try:
                requests = [link.request(row | cells, sampling, own) for link in wanted]
            except PromptError as error:
                return Reject("", str(error), cells)
            outcomes = yield from ask_and_parse_all(requests, [link.decoder for link in wanted])
            rejected = []
            for link, outcome in zip(wanted, outcomes, strict=True):
                if isinstance(outcome, Reject):
                    rejected.append(replace(outcome, reason=f"{link.name}: {outcome.reason}"))
                else:
                    cells |= {k: v for k, v in outcome.items() if _blank(cells.get(k))}
            if rejected:
                return replace(rejected[0], cells=cells)
        return cells

    recipe = per_row(
        steps,
        source,
        name="chain",
        columns=[name for name in made if not (fill and name in there)],
        requests=Bounds(1, len(links)),
        prompt=_written(prompt, fields or {}),
    )
    # how many of each level are asked for, row by row; the first of them for certain
    asks = [[sum(link.lacks(row) for link in level) for level in levels] for row in records]
    least = sum(next(filter(None, counts), 0) for counts in asks)
    return replace(recipe, requests=Bounds(least, sum(map(sum, asks))))


@recipe
def augment(
    prompt: str,
    *,
    rows: Table,
    fields: Mapping[str, Any] | None = None,
    sampling: Sampling = Sampling(),
) -> Recipe:
    r"""A table with further columns, and with the blanks of those it has filled in.

    It is :func:`chain` with ``fill``: what a cell holds stays, and is not asked for. After the
    augmentation of data column by column in the survey (arXiv 2406.15126, section 3.1.2).

    Examples
    --------
    >>> recipe = augment("--- field answer\nAnswer: {{ question }}",
    ...                  rows=[{"question": "Why?", "answer": None},
    ...                        {"question": "Who?", "answer": "Me."}])
    >>> str(recipe.requests)
    '1'
    """
    return replace(
        chain(prompt, rows=rows, fields=fields, fill=True, sampling=sampling), name="augment"
    )


@dataclass(frozen=True, slots=True)
class _Link:
    """A field whose template was read; ``open`` if what it makes may be other than text."""

    name: str
    prompt: Prompt
    decoder: parsing.Decoder
    open: bool

    def lacks(self, cells: Mapping[str, Any]) -> bool:
        """Whether a cell that it makes is not there yet."""
        return any(_blank(cells.get(name)) for name in self.decoder.columns)

    def request(self, values: Mapping[str, Any], sampling: Sampling, own: str) -> Request:
        """What it asks; ``own`` tells rows apart that ask the same."""
        try:
            messages = self.prompt.render(values)
        except PromptError as error:
            raise PromptError(f"{self.name}: {error}") from None
        index = int(digest([self.name, own])[:5], 16)
        return Request(messages, sampling, self.decoder.schema, index)


def _links(prompt: str, fields: Mapping[str, Any]) -> list[_Link]:
    """The fields in a prompt and those beside it, in the order they are written."""
    before, written = sections(prompt, "field")
    system = _SYSTEM.fullmatch(before)
    if before.strip() and system is None:
        raise PromptError(
            "expected '--- field NAME' lines with a template below each, and before the first of "
            f"them at most a '--- system' turn; got {before.strip()[:80]!r}."
        )
    found = {
        name: Field(prompt=text, labels=_apart(labels)) for name, (labels, text) in written.items()
    }
    for name, field in fields.items():
        if name in found:
            raise PromptError(f"the field {name!r} is given twice, in the prompt and beside it.")
        if not isinstance(field, Field | str):
            raise UsageError(f"the field {name!r} must be a template or a Field; got {field!r}.")
        found[name] = Field(prompt=field) if isinstance(field, str) else field
    if not found:
        raise PromptError("expected one or more '--- field NAME' lines, each above a template.")
    return [_link(name, field, system and system[1]) for name, field in found.items()]


def _link(name: str, field: Field, system: str | None) -> _Link:
    try:
        template = parse(field.prompt, system=system)
    except PromptError as error:
        raise PromptError(f"field {name!r}: {error}") from None
    ways = [way for way in ("labels", "schema", "regex") if getattr(field, way) is not None]
    if len(ways) > 1:
        raise UsageError(f"field {name!r} is read in one way; got {' and '.join(ways)}.")
    if field.labels is not None:
        decoder = parsing.label(field.labels, name)
    elif field.regex is not None:
        decoder = parsing.regex(field.regex)
    else:
        decoder = parsing.text(name) if field.schema is None else parsing.structured(field.schema)
    return _Link(name, template, decoder, open=field.schema is not None)


def _levels(links: Sequence[_Link], there: Sequence[str]) -> Iterator[list[_Link]]:
    """The fields in an order in which each comes after those it uses; side by side where it can."""
    makers: dict[str, str] = {}
    for link in links:
        for column in link.decoder.columns:
            if column in ("id", "parent"):
                raise UsageError(f"a field cannot make the column {column!r}; rename it.")
            if column in makers:
                raise UsageError(
                    f"the fields {makers[column]!r} and {link.name!r} both make a column "
                    f"{column!r}; rename one of them."
                )
            makers[column] = link.name
    for link in links:
        for name in link.prompt.fields:
            if name not in makers and name not in there:
                have = dict.fromkeys([*there, *makers])
                raise PromptError(f"field {link.name!r}: {unknown('field', name, have)}")
    sorter = TopologicalSorter(
        {
            link.name: [makers[name] for name in link.prompt.fields if name in makers]
            for link in links
        }
    )
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise UsageError(f"the fields rest on each other in a circle: {circle}.") from None
    while sorter.is_active():
        ready = sorter.get_ready()
        sorter.done(*ready)
        yield [link for link in links if link.name in ready]


def _try(links: Sequence[_Link], rows: Sequence[Mapping[str, Any]]) -> None:
    """Render each template for each row, with stand-ins for what is not there yet.

    One that uses what a schema makes is not tried: no text can stand in for that.
    """
    texts = [name for link in links if not link.open for name in link.decoder.columns]
    unlike = {name for link in links if link.open for name in link.decoder.columns}
    for link in links:
        if unlike & set(link.prompt.fields):
            continue
        for i, row in enumerate(rows):
            values = {**row, **{name: "..." for name in texts if _blank(row.get(name))}}
            try:
                link.prompt.render(values)
            except PromptError as error:
                at = f"field {link.name!r}, row {i}"
                raise located(error, link.prompt, values, at) from None


def _blank(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _apart(labels: str) -> list[str] | None:
    return [label.strip() for label in labels.split(",")] if labels else None


def _written(prompt: str, fields: Mapping[str, Any]) -> str:
    """The prompt with the fields beside it, as it could have been written."""
    texts = [field if isinstance(field, str) else field.prompt for field in fields.values()]
    lines = [f"--- field {name}\n{text}" for name, text in zip(fields, texts, strict=True)]
    return "\n".join([prompt, *lines]).strip()
