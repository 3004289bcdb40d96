"""Checks of the arguments that many recipes take."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.core.types import Sampling
from synthkit.data import tables
from synthkit.prompts.templates import Prompt, located, parse


def check_positive(**counts: int) -> None:
    """Raise a :class:`UsageError` for a count below 1."""
    for name, value in counts.items():
        if value < 1:
            raise UsageError(f"{name} must be at least 1; got {value}.")


def check_samples(k: int, sampling: Sampling) -> None:
    """Raise a :class:`UsageError` unless ``k`` samples can differ."""
    check_positive(k=k)
    if k > 1 and sampling.temperature == 0:
        raise UsageError("at temperature 0 all samples are the same; raise it, or use k=1.")


def check_new_columns(recipe: str, columns: Iterable[str], rows: Any) -> None:
    """Raise a :class:`TableError` if the rows have a column that a recipe makes."""
    for column in columns:
        if column in field_columns(rows):
            raise TableError(
                f"{recipe} makes a column {column!r}, which the rows have already; rename it."
            )


def field_columns(rows: Any) -> list[str]:
    """The columns of the rows, other than ``id`` and ``parent``; ``None`` has no columns."""
    names = [] if rows is None else tables.columns(rows)
    return [name for name in names if name not in ("id", "parent")]


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
    rows : a table; ``None`` is one row without columns.
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
    for position, row in enumerate(tables.records([{}] if rows is None else rows)):
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
