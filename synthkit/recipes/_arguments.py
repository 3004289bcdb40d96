"""The arguments that many recipes take: checks of them, and the rows that labels stand for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from synthkit.core.errors import PromptError, TableError, UsageError, check_positive
from synthkit.core.types import Sampling
from synthkit.data import tables
from synthkit.prompts.conditions import conditions
from synthkit.prompts.templates import Prompt, located, parse

Labels = Sequence[str] | Mapping[str, str]
"""Labels; or label -> its description. A text is split at its commas."""


def check_samples(k: int, sampling: Sampling) -> None:
    """Raise a :class:`UsageError` unless ``k`` samples can differ."""
    check_positive(k=k)
    if k > 1 and sampling.temperature == 0:
        raise UsageError("at temperature 0 all samples are the same; raise it, or use k=1.")


def kept_columns(recipe: str, rows: Any, added: Collection[str]) -> list[str]:
    """The columns of the rows that a recipe keeps: all but ``id`` and ``parent``.

    Raises
    ------
    TableError
        If one of them is among the columns that the recipe adds.
    """
    names = [] if rows is None else tables.columns(rows)
    kept = [name for name in names if name not in ("id", "parent")]
    for column in added:
        if column in kept:
            raise TableError(
                f"{recipe} makes a column {column!r}, which the rows have already; rename it."
            )
    return kept


def distinct_names(option: str, names: Collection[str], *, least: int = 1) -> list[str]:
    """The names as a list, at least one or two; a text is split at its commas.

    >>> distinct_names("labels", "yes, no")
    ['yes', 'no']

    Raises
    ------
    UsageError
        If there are fewer, or if they are not distinct texts.
    """
    items = names.split(",") if isinstance(names, str) else list(names)
    texts = [name.strip() for name in items if isinstance(name, str) and name.strip()]
    if len(texts) < least or len(set(texts)) < len(items):
        number = "one" if least == 1 else "two"
        raise UsageError(f"{option} must be {number} or more distinct texts; got {items}.")
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
        with located(f"row {position}", template, values):
            template.render(values)
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


def parent_id(row: Mapping[str, Any]) -> str | None:
    """The ``parent`` of the rows made from a row: its id, or its own parent if it has no id."""
    parent: str | None = row.get("id", row.get("parent"))
    return parent


def blank(cell: Any) -> bool:
    """Whether a cell is missing, or a text of white space."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def label_fields(labels: Labels | None) -> dict[str, Any]:
    """Labels as values for ``vary``, with the field ``description`` if the labels have one.

    >>> label_fields({"sports": "games and athletes"})["description"]
    {'by': 'label', 'values': {'sports': ['games and athletes']}}

    Raises
    ------
    UsageError
        If the labels are not one or more distinct texts.
    """
    if labels is None:
        return {}
    names = distinct_names("labels", labels)
    if not isinstance(labels, Mapping):
        return {"label": names}
    descriptions = {name: [description] for name, description in labels.items()}
    return {"label": names, "description": {"by": "label", "values": descriptions}}


def labelled_rows(labels: Labels | None, n: int, rows: Any = None) -> Any:
    """A table of ``n`` rows that repeats the labels in order; or ``n`` for each row and label.

    >>> labelled_rows("yes, no", 3)["label"].tolist()
    ['yes', 'no', 'yes']
    """
    check_positive(n=n)
    fields = conditions(rows, n, label_fields(labels))
    return tables.take(fields, range(n)) if rows is None else fields
