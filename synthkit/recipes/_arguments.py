"""Checks of the arguments that many recipes take."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.data import tables
from synthkit.prompts.templates import Prompt, located, parse


def positive(name: str, value: int) -> int:
    """``value``, if it is at least 1.

    Raises
    ------
    UsageError
        If it is below 1.
    """
    if value < 1:
        raise UsageError(f"{name} must be at least 1; got {value}.")
    return value


def distinct_names(option: str, names: Collection[str]) -> list[str]:
    """The names as a list; a text is split at its commas.

    >>> distinct_names("labels", "yes, no")
    ['yes', 'no']

    Raises
    ------
    UsageError
        If there are none, or if they are not distinct texts.
    """
    items = names.split(",") if isinstance(names, str) else list(names)
    texts = [name.strip() for name in items if isinstance(name, str) and name.strip()]
    if not texts or len(set(texts)) < len(items):
        raise UsageError(f"{option} must be one or more distinct texts; got {items}.")
    return texts if isinstance(names, str) else items


def checked_template(
    prompt: str, rows: Any, *, uses: Sequence[str] = (), later: Sequence[str] = ()
) -> Prompt:
    """The parsed prompt template, after rendering it once for every row.

    Parameters
    ----------
    uses : the template must use at least one of these fields.
    later : fields that get their values while the recipe runs.

    Raises
    ------
    PromptError
        If the template uses none of ``uses``, or a field that a row lacks.
    """
    template = parse(prompt)
    if uses and not set(uses) & set(template.fields):
        raise PromptError(
            f"the prompt must use {{{{ {uses[0]} }}}}; it uses "
            f"{', '.join(map(repr, template.fields)) or 'no field'}."
        )
    for position, row in enumerate(tables.records(rows)):
        values = row | dict.fromkeys(later, "...")
        try:
            template.render(values)
        except PromptError as error:
            raise located(error, template, values, f"row {position}") from None
    return template


def column_texts(rows: Any, column: str) -> list[str]:
    """The texts of a column.

    Raises
    ------
    TableError
        If there is no such column, or a cell is missing, blank or not a text.
    """
    cells = tables.column(rows, column)
    for position, cell in enumerate(cells):
        if not isinstance(cell, str) or not cell.strip():
            raise TableError(
                f"row {position}: expected a text in {column!r}; got {cell!r:.80}. Leave such rows "
                "out."
            )
    return cells
