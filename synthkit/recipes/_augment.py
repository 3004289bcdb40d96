"""Augmentation of a table: new columns, and cells that were blank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from synthkit.core.types import Sampling
from synthkit.recipes._base import Recipe, Table, recipe
from synthkit.recipes._chain import chain


@recipe
def augment(
    prompt: str,
    *,
    rows: Table,
    fields: Mapping[str, Any] | None = None,
    sampling: Sampling = Sampling(),
) -> Recipe:
    r"""A table with new columns, and with the blank cells of existing columns filled in.

    It is :func:`chain` with ``fill=True``: cells with a value are kept and not requested. This is
    the column-wise augmentation of the survey (arXiv 2406.15126, section 3.1.2).

    Parameters
    ----------
    prompt, rows, fields : as in :func:`chain`.

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
