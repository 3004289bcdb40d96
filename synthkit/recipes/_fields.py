"""The fields of a chain: their templates and decoders, and the order that they depend on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import product
from typing import Any

from synthkit.core.errors import PromptError, UsageError, check_known
from synthkit.core.hashing import digest
from synthkit.core.types import Request, Sampling
from synthkit.prompts import parsing
from synthkit.prompts.templates import Prompt, located, parse
from synthkit.recipes._arguments import blank
from synthkit.recipes._cell_sections import sections

_SYSTEM = re.compile(r"\s*---[ \t]*system[ \t\r]*\n((?:(?!---).*\n?)*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """The prompt of one field of a chain, and how its completion is parsed: as text by default.

    Parameters
    ----------
    prompt : a template; it may use the columns of the rows and of other fields.
    labels : the completion is one of these labels.
    schema : the completion is JSON that follows a JSON Schema or pydantic model. It becomes one
        column for each property, in place of a column with the field's name.
    regex : the completion is parsed by the named groups of a pattern, which become columns.
    """

    prompt: str
    labels: Sequence[str] | None = None
    schema: Any = None
    regex: str | None = None


@dataclass(frozen=True, slots=True)
class ParsedField:
    """A field with its parsed template; ``structured`` if its cells may be other than text.

    ``labels`` are those that its cells may be, if they are labels.
    """

    name: str
    template: Prompt
    decoder: parsing.Decoder
    structured: bool
    labels: Sequence[str] = ()

    def is_missing(self, cells: Mapping[str, Any]) -> bool:
        """Whether a cell that the field makes is missing or blank."""
        return any(blank(cells.get(name)) for name in self.decoder.columns)

    def request(self, values: Mapping[str, Any], sampling: Sampling, row: str) -> Request:
        """The request for one row; ``row`` distinguishes rows whose prompts are equal."""
        with located(self.name):
            messages = self.template.render(values)
        index = int(digest([self.name, row])[:5], 16)
        return Request(messages, sampling, self.decoder.schema, index)


def parse_fields(prompt: str, fields: Mapping[str, Any]) -> list[ParsedField]:
    """The fields in a prompt, then those given as an argument.

    Raises
    ------
    PromptError
        If there are none, a name occurs twice, or a template cannot be parsed.
    UsageError
        If a field is neither a template nor a :class:`Field`, or has two ways to be parsed.
    """
    before, in_prompt = sections(prompt, "field")
    system = _SYSTEM.fullmatch(before)
    if before.strip() and system is None:
        raise PromptError(
            "expected '--- field NAME' lines with a template below each, and before the first of "
            f"them at most a '--- system' turn; got {before.strip()[:80]!r}."
        )
    named = {
        name: Field(prompt=text, labels=_split(labels))
        for name, (labels, text) in in_prompt.items()
    }
    for name, field in fields.items():
        if name in named:
            raise PromptError(f"the field {name!r} is both in the prompt and in fields=.")
        if not isinstance(field, Field | str):
            raise UsageError(f"the field {name!r} must be a template or a Field; got {field!r}.")
        named[name] = Field(prompt=field) if isinstance(field, str) else field
    if not named:
        raise PromptError("expected one or more '--- field NAME' lines, each above a template.")
    return [_parsed(name, field, system and system[1]) for name, field in named.items()]


def _parsed(name: str, field: Field, system: str | None) -> ParsedField:
    with located(f"field {name!r}"):
        template = parse(field.prompt, system=system)
    ways = [way for way in ("labels", "schema", "regex") if getattr(field, way) is not None]
    if len(ways) > 1:
        raise UsageError(f"field {name!r} is parsed in one way; got {' and '.join(ways)}.")
    if field.labels is not None:
        decoder = parsing.label(field.labels, name)
    elif field.regex is not None:
        decoder = parsing.regex(field.regex)
    else:
        decoder = parsing.text(name) if field.schema is None else parsing.structured(field.schema)
    structured = field.schema is not None
    return ParsedField(name, template, decoder, structured, tuple(field.labels or ()))


def dependency_levels(
    fields: Sequence[ParsedField], columns: Sequence[str]
) -> Iterator[list[ParsedField]]:
    """The fields in levels: each field comes in a level after the fields that it uses.

    ``columns`` are those that the rows have.

    Raises
    ------
    UsageError
        If fields depend on each other in a circle, or two of them make the same column.
    PromptError
        If a template uses a field that does not exist.
    """
    makers: dict[str, str] = {}
    for field in fields:
        for column in field.decoder.columns:
            if column in ("id", "parent"):
                raise UsageError(f"a field cannot make the column {column!r}; rename it.")
            if column in makers:
                raise UsageError(
                    f"the fields {makers[column]!r} and {field.name!r} both make a column "
                    f"{column!r}; rename one of them."
                )
            makers[column] = field.name
    have = dict.fromkeys([*columns, *makers])
    for field in fields:
        place = f"field {field.name!r}: "
        check_known("field", field.template.fields, have, place=place, error=PromptError)
    sorter = TopologicalSorter(
        {
            field.name: [makers[name] for name in field.template.fields if name in makers]
            for field in fields
        }
    )
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise UsageError(f"the fields depend on each other in a circle: {circle}.") from None
    while sorter.is_active():
        ready = sorter.get_ready()
        sorter.done(*ready)
        yield [field for field in fields if field.name in ready]


def check_fields(fields: Sequence[ParsedField], rows: Sequence[Mapping[str, Any]]) -> None:
    """Check that each template can be rendered for each row, as far as is known before the run.

    A template that uses cells which are made later is refused only for a row that lacks one of its
    other values, if it cannot be rendered whatever labels are made. Those that use cells of a
    schema are not checked: no placeholder fits them.

    Raises
    ------
    PromptError
        If one cannot.
    """
    makers = {name: field for field in fields for name in field.decoder.columns}
    for field in fields:
        used = field.template.fields
        for position, row in enumerate(rows):
            later = {n: makers[n] for n in used if n in makers and blank(row.get(n))}
            known = [name for name in used if name not in later]
            lacks = not later or any(row.get(name, "") is None for name in known)
            if lacks and not any(maker.structured for maker in later.values()):
                _check_field(field, position, row, later)


def _check_field(
    field: ParsedField, position: int, row: Mapping[str, Any], later: Mapping[str, ParsedField]
) -> None:
    """Render a template with placeholders: text, or each combination of labels."""
    failed: PromptError | None = None
    for cells in product(*(maker.labels or ("...",) for maker in later.values())):
        values = {**row, **dict(zip(later, cells, strict=True))}
        try:
            with located(f"field {field.name!r}, row {position}", field.template, values):
                field.template.render(values)
            return
        except PromptError as error:
            failed = failed or error
    if failed:
        raise failed


def _split(labels: str) -> list[str] | None:
    return [label.strip() for label in labels.split(",")] if labels else None


def as_prompt(prompt: str, fields: Mapping[str, Any]) -> str:
    """A prompt with further fields added to it as sections."""
    texts = [field if isinstance(field, str) else field.prompt for field in fields.values()]
    lines = [f"--- field {name}\n{text}" for name, text in zip(fields, texts, strict=True)]
    return "\n".join([prompt, *lines]).strip()
