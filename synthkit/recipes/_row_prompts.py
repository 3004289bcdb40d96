"""Prompts about the texts of a table: which rows they can be rendered for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from synthkit.core.errors import PromptError, unknown
from synthkit.core.types import Reject, Steps
from synthkit.data import tables
from synthkit.prompts.templates import Prompt, Turns, parse
from synthkit.recipes._base import Bounds, Outcome, Recipe, per_row

T = TypeVar("T")


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
    for field in template.fields:
        if field not in have and field not in fields:
            raise PromptError(unknown("field", field, dict.fromkeys([*have, *fields])))
    return template


def render_row(template: Prompt, row: Mapping[str, Any], **fields: str) -> Turns | Reject:
    """The messages for one row; a reject if a cell that they need is missing or blank."""
    for column in fields.values():
        if is_blank(row, column):
            return Reject("", f"{column!r} is missing or blank")
    try:
        return template.render({**row, **{name: row[column] for name, column in fields.items()}})
    except PromptError as error:
        return Reject("", str(error))


def all_or_reject(items: Iterable[Turns | Reject]) -> list[Turns] | Reject:
    """The messages of all prompts; the first reject, if there is one."""
    rendered = []
    for item in items:
        if isinstance(item, Reject):
            return item
        rendered.append(item)
    return rendered


def is_blank(row: Mapping[str, Any], column: str) -> bool:
    """Whether a cell is missing or blank.

    >>> is_blank({"text": " "}, "text")
    True
    """
    return row[column] is None or not str(row[column]).strip()


def per_rendered_row(
    render: Callable[[dict[str, Any]], T | Reject],
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
