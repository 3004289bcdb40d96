"""Recipes made of generator functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeVar

from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Reject, Request, Row, Steps
from synthkit.data import row_files, tables
from synthkit.recipes._base import Bounds, Recipe, as_list, per_row, per_table

T = TypeVar("T")

TRIAL_STEPS = 100
"""Most steps of a user's recipe that are tried to learn its columns."""


def from_function(function: Callable[..., Any], rows: Any = None, **options: Any) -> Recipe:
    """A recipe made of a generator function.

    If the function's first parameter is ``row``, it is called for each row of the table with the
    row's cells as a dict, and returns the cells to add, or ``[]`` for no row. If it is ``rows``,
    the function is called once with all rows as a list of dicts, and yields lists of
    :class:`~synthkit.core.types.Row` as they are finished. Lists of recipes show the first line of
    its docstring.

    Parameters
    ----------
    options : arguments for its keyword-only parameters.

    Examples
    --------
    >>> from synthkit import Sampling
    >>> from synthkit.recipes import user
    >>> def haiku(row, *, sampling=Sampling()):
    ...     (draft,) = yield [user(f"Write a haiku about {row['topic']}.", sampling)]
    ...     (final,) = yield [user(f"Make it plainer:\\n{draft.text}", sampling)]
    ...     return {"draft": draft.text, "haiku": final.text}
    >>> print(from_function(haiku, [{"topic": "rain"}, {"topic": "bread"}]).requests)
    2 or more

    Raises
    ------
    UsageError
        If the function is not a generator function with such a first parameter, or has no
        keyword-only parameter of an option's name.
    """
    name, rows = getattr(function, "__name__", "recipe"), row_files.opened(rows)
    if not inspect.isgeneratorfunction(function):
        raise UsageError(
            f"a recipe is a generator function: it yields lists of requests; {name} does not yield."
        )
    parameters = inspect.signature(function).parameters
    first = next(iter(parameters), "")
    keywords = [each.name for each in parameters.values() if each.kind is each.KEYWORD_ONLY]
    for option in options:
        if option not in keywords:
            have = ", ".join(keywords) or "none"
            raise UsageError(f"{name} takes no {option!r}; its keyword-only parameters: {have}.")
    if first == "row":
        present = tables.columns(rows) if rows is not None else []
        sample_row = (tables.head(rows, 1) or [{}])[0] if present else {}
        columns = _tried_columns(_validated(function(sample_row, **options)))
        return per_row(
            lambda row: _answering(_validated(function(row, **options))),
            rows,
            name=name,
            columns=[column for column in columns if column not in present],
            requests=Bounds(1, None),
            makes=Bounds(0, None),
        )
    if first == "rows":
        records = [] if rows is None else tables.records(rows)
        return per_table(
            lambda: _validated(function([dict(row) for row in records], **options)),
            name=name,
            requests=Bounds(1, None),
            rows=Bounds(0, None),
            like=rows,
        )
    raise UsageError(
        "the first parameter of a recipe is 'row' (called for each row) or 'rows' (called once); "
        f"that of {name} is {first or 'missing'!r}."
    )


def _validated(steps: Steps[T]) -> Steps[T]:
    """The same steps; one that is not a list of requests, rows or steps raises an error in them.

    >>> from synthkit.recipes import user
    >>> steps = _validated(request for request in [user("Hi.")])
    >>> next(steps)
    Traceback (most recent call last):
    TypeError: a recipe yields a list of requests, rows or steps; got a Request. Write yield [...].
    """
    try:
        step: Any = next(steps)
        while True:
            problem = _problem(step)
            # thrown into the steps, the error points at the user's line
            step = steps.throw(TypeError(problem)) if problem else steps.send((yield step))
    except StopIteration as end:
        outcome: T = end.value
        return outcome


def _answering(steps: Steps[Any]) -> Steps[Any]:
    """The same steps of a row; a reject if they neither yield nor return rows, rejects or cells."""
    made, reply = False, None
    try:
        while True:
            step: Any = steps.send(reply)
            made = made or any(isinstance(item, Row | Reject) for item in step)
            reply = yield step
    except StopIteration as end:
        if end.value is None and not made:
            return Reject("", "the recipe returned nothing; return cells, or [] for no row")
        return end.value


def _problem(step: Any) -> str:
    """Why a step is not valid; empty if it is."""
    expected = "a recipe yields a list of requests, rows or steps; got"
    if not isinstance(step, list | tuple):
        return f"{expected} a {type(step).__name__}. Write yield [...]."
    wrong = [item for item in step if not isinstance(item, Request | Row | Reject | Generator)]
    return f"{expected} one with {wrong[0]!r:.80}." if wrong else ""


def _tried_columns(steps: Steps[Any]) -> list[str]:
    """The columns that steps return when every completion is empty; none if that fails.

    Steps have no side effects, so trying them costs nothing. A preview can then show the columns
    before the first row is finished.
    """
    reply: Any = None
    try:
        for _ in range(TRIAL_STEPS):
            step: Any = steps.send(reply)
            asks = step and isinstance(step[0], Request)
            reply = [Completion("") for _ in step] if asks else []
    except StopIteration as end:
        outcomes = as_list(end.value)
        first = outcomes[0] if outcomes else {}
        cells = first.cells if isinstance(first, Row | Reject) else first
        return list(cells) if isinstance(cells, Mapping) else []
    except Exception:  # empty completions are too little for it; a real run shows its errors
        return []
    finally:
        steps.close()
    return []
