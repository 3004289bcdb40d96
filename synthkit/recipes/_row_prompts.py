"""Prompts about texts that are there: what is asked of a row, or why nothing can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from synthkit.core.errors import PromptError, TableError, unknown
from synthkit.core.types import Reject, Steps
from synthkit.data import tables
from synthkit.prompts.templates import Prompt, Turns, parse
from synthkit.recipes._base import Bounds, Outcome, Recipe, per_row

T = TypeVar("T")


def about(prompt: str, rows: Any, **named: str) -> Prompt:
    """The prompt, once it is seen that its fields are columns of the rows.

    ``named`` are further fields: name -> the column that it stands for.

    >>> about("Who wrote {{ text }}?", [{"poem": "Roses"}], text="poem").fields
    ('text',)

    Raises
    ------
    TableError
        If a column is not there.
    PromptError
        If the prompt uses another field, or cannot be read.
    """
    have = tables.columns(tables.native(rows))
    for column in named.values():
        if column not in have:
            raise TableError(unknown("column", column, have))
    template = parse(prompt)
    for field in template.fields:
        if field not in have and field not in named:
            raise PromptError(unknown("field", field, dict.fromkeys([*have, *named])))
    return template


def posed(template: Prompt, row: Mapping[str, Any], **named: str) -> Turns | Reject:
    """The messages for one row; a reject if it lacks what they are about."""
    for column in named.values():
        if lacks(row, column):
            return Reject("", f"{column!r} is missing or blank")
    try:
        return template.render({**row, **{name: row[column] for name, column in named.items()}})
    except PromptError as error:
        return Reject("", str(error))


def first_reject(asked: Sequence[Turns | Reject]) -> Reject | None:
    """The first of them that is a reject."""
    return next((one for one in asked if isinstance(one, Reject)), None)


def lacks(row: Mapping[str, Any], column: str) -> bool:
    """Whether a row's cell is missing or blank.

    >>> lacks({"text": " "}, "text")
    True
    """
    return row[column] is None or not str(row[column]).strip()


def each_given(
    ready: Callable[[dict[str, Any]], T | Reject],
    steps: Callable[[dict[str, Any], T], Steps[Outcome]],
    rows: Any,
    *,
    name: str,
    columns: Sequence[str],
    requests: Bounds,
    most: int = 1,
    prompt: str = "",
) -> Recipe:
    """:func:`~synthkit.recipes._base.per_row`, of steps that begin with what is asked of a row.

    Rows of which nothing can be asked are rejects, and do not count among the requests.

    Parameters
    ----------
    ready : a row's fields -> what the steps get besides them, or the reject.
    requests : for each row of which something is asked.
    most : rows that come of one, at most.
    """

    def begun(row: dict[str, Any]) -> Steps[Outcome]:
        found = ready(row)
        if isinstance(found, Reject):
            return found
        return (yield from steps(row, found))

    recipe = per_row(
        begun,
        rows,
        name=name,
        columns=columns,
        requests=requests,
        makes=Bounds(0, most),
        prompt=prompt,
    )
    asking = sum(not isinstance(ready(row), Reject) for row in tables.records(recipe.source))
    return replace(recipe, requests=requests * asking)
