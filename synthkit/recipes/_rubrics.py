"""Rubrics of judges: their names, their templates, and the samples that answer them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from synthkit.core.errors import UsageError, unknown
from synthkit.core.types import Message, Reject
from synthkit.prompts.templates import Prompt, Turns
from synthkit.recipes._row_prompts import render_row

T = TypeVar("T")

FENCED = "\n\n<{what}>\n{{{{ {what} }}}}\n</{what}>"


def named_rubrics(
    prompt: str, chosen: Sequence[str] | Mapping[str, str], presets: Mapping[str, str], *, own: str
) -> dict[str, str]:
    """Name -> text of each rubric: the chosen presets or own ones; ``prompt`` is named ``own``.

    >>> named_rubrics("Is it kind?", "clear", {"clear": "Is it clear?"}, own="kind")
    {'kind': 'Is it kind?', 'clear': 'Is it clear?'}

    Raises
    ------
    UsageError
        If a preset is unknown, or a rubric has no text.
    """
    if isinstance(chosen, Mapping):
        rubrics = {str(name): str(text) for name, text in chosen.items()}
    else:
        rubrics = {}
        for name in map(str.strip, chosen.split(",") if isinstance(chosen, str) else chosen):
            if name not in presets:
                raise UsageError(unknown("rubric", name, presets))
            rubrics[name] = presets[name]
    if prompt.strip():  # it replaces the default rubric, which has its name
        rubrics = {own: prompt} | {name: rubrics[name] for name in rubrics if name != own}
    if not rubrics or not all(text.strip() for text in rubrics.values()):
        raise UsageError(f"expected one or more rubrics, each with a text; got {rubrics}.")
    return rubrics


def render_with_ending(
    template: Prompt, row: Mapping[str, Any], fields: Mapping[str, str], ending: str
) -> Turns | Reject:
    """The messages for one row, with ``ending`` after the last of them."""
    turns = render_row(template, row, **fields)
    if isinstance(turns, Reject):
        return turns
    *before, last = turns
    return (*before, Message("user", last.content + ending))


def equal_parts(items: Sequence[T], n: int) -> list[Sequence[T]]:
    """The items in ``n`` parts of equal length.

    >>> equal_parts([1, 2, 3, 4], 2)
    [[1, 2], [3, 4]]
    """
    size = len(items) // n
    return [items[i * size : (i + 1) * size] for i in range(n)]
