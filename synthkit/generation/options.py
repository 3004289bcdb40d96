"""The options of a job: of its prompt, its session and its limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.models import Budget, Model
from synthkit.data import tables
from synthkit.recipes._base import Recipe
from synthkit.recipes._from_function import from_function
from synthkit.recipes._prompt import SAMPLING, PromptOptions, prompt, sampled
from synthkit.sessions.session import Session


class JobOptions(PromptOptions, total=False):
    """What :func:`generate` and :func:`plan` take besides a prompt or recipe, and a model."""

    session: Session | None
    others: Mapping[str, Model | str] | None
    name: str
    first: int | None
    max_requests: int | None
    max_tokens_total: int | None
    max_cost: float | None
    no_truncated: bool
    mark_truncated: bool
    reasoning: bool
    batch: bool
    wait: bool


def recipe_for(source: str | Recipe | Callable[..., Any], options: JobOptions) -> Recipe:
    """The recipe that a prompt, a recipe or a generator function stands for."""
    prompt_options = PromptOptions.__annotations__
    used: Any = {name: value for name, value in options.items() if name in prompt_options}
    if isinstance(source, str):
        return prompt(source, **used)
    if isinstance(source, Recipe):
        for name in used:
            raise UsageError(
                f"{name}= is an option of prompts; give it to the recipe {source.name} when it is "
                "built."
            )
        return source
    taken = {name: used.pop(name) for name in ("sampling", *SAMPLING) if name in used}
    rows = used.pop("rows", None)
    for name in used:
        raise UsageError(f"{name}= is an option of prompts; a generator function takes rows=.")
    return from_function(source, rows, **({"sampling": sampled(taken)} if taken else {}))


def added_columns(recipe: Recipe, options: JobOptions) -> tuple[str, ...]:
    """The columns that options add to the table.

    Raises
    ------
    UsageError
        If the table has such a column already.
    """
    asked = {"reasoning": "reasoning", "truncated": "mark_truncated"}
    added = tuple(column for column, option in asked.items() if options.get(option))
    present = {
        *recipe.columns,
        *(tables.columns(recipe.source) if recipe.source is not None else ()),
    }
    for column in added:
        if column in present:
            raise UsageError(
                f"{asked[column]}= adds a column {column!r}, and the table has one already; rename "
                "it or leave the option out."
            )
    return added


def budget_of(options: JobOptions) -> Budget | None:
    """The limits of a run; ``None`` without any."""
    limits = Budget(
        max_requests=options.get("max_requests"),
        max_tokens_total=options.get("max_tokens_total"),
        max_cost=options.get("max_cost"),
    )
    return None if limits == Budget() else limits
