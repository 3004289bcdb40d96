"""Prompts about the texts of a table: which rows they can be rendered for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from synthkit.core.errors import PromptError, check_known
from synthkit.core.types import Reject, Steps
from synthkit.data import tables
from synthkit.prompts.templates import Prompt, Turns, parse
from synthkit.recipes._arguments import blank
from synthkit.recipes._base import Bounds, Outcome, Recipe, per_row

T = TypeVar("T")
Renderer: TypeAlias = Callable[[Mapping[str, Any]], T | Reject]
"""The cells of a row -> its messages, or a reject."""


def column_template(prompt: str, rows: Any, **fields: str) -> Prompt:
    """The parsed prompt template, after checking that its fields are columns of the rows.

    ``fields`` are further field names, each with the column it stands for.

    >>> column_template("Who wrote {{ text }}?", [{"poem": "Roses"}], text="poem").fields
    ('text',)

    Raises
    ------
    TableError
        If there is no such column.
    PromptError
        If the template uses another field, or cannot be parsed.
    """
    have = tables.columns(tables.native(rows))
    tables.check_columns(rows, fields.values())
    template = parse(prompt)
    known = dict.fromkeys([*have, *fields])
    check_known("field", template.fields, known, error=PromptError)
    return template


def row_renderer(
    prompt: str, rows: Any, *, needs: Sequence[str] = (), ending: str = "", **fields: str
) -> Renderer[Turns]:
    """Renders a prompt template for a row; a reject if a cell that it needs is missing or blank.

    Parameters
    ----------
    needs : columns that must not be missing or blank, besides those of ``fields``.
    ending : text below the last message.

    Raises
    ------
    TableError, PromptError
        As :func:`column_template`.
    """
    template = column_template(prompt, rows, **fields)
    tables.check_columns(rows, needs)

    def render(row: Mapping[str, Any]) -> Turns | Reject:
        for column in (*fields.values(), *needs):
            if blank(row[column]):
                return Reject("", f"{column!r} is missing or blank")
        try:
            values = {**row, **{name: row[column] for name, column in fields.items()}}
            *before, last = template.render(values)
        except PromptError as error:
            return Reject("", str(error))
        return (*before, replace(last, content=last.content + ending))

    return render


def all_rendered(renderers: Sequence[Renderer[Turns]]) -> Renderer[list[Turns]]:
    """Renders several prompts for a row; the first reject, if there is one."""

    def render(row: Mapping[str, Any]) -> list[Turns] | Reject:
        rendered = []
        for renderer in renderers:
            turns = renderer(row)
            if isinstance(turns, Reject):
                return turns
            rendered.append(turns)
        return rendered

    return render


def per_rendered_row(
    render: Renderer[T],
    steps: Callable[[dict[str, Any], T], Steps[Outcome]],
    rows: Any,
    *,
    name: str,
    columns: Sequence[str],
    requests: Bounds,
    most: int = 1,
    prompt: str = "",
) -> Recipe:
    """:func:`~synthkit.recipes._base.per_row`, with messages that are rendered before the steps.

    Rows whose messages cannot be rendered are rejects, and are not counted among the requests.

    Parameters
    ----------
    render : a row's cells -> the messages that the steps get too, or a reject.
    requests : for each row that can be rendered.
    most : most rows that a row can become.
    """

    def rendered_steps(row: dict[str, Any]) -> Steps[Outcome]:
        messages = render(row)
        if isinstance(messages, Reject):
            return messages
        return (yield from steps(row, messages))

    recipe = per_row(
        rendered_steps,
        rows,
        name=name,
        columns=columns,
        requests=requests,
        makes=Bounds(0, most),
        prompt=prompt,
    )
    asking = sum(not isinstance(render(row), Reject) for row in tables.records(recipe.source))
    return replace(recipe, requests=requests * asking)
