"""The shape of a recipe: named steps over the rows of a table, with what it expects to ask.

:func:`per_row` makes one of steps for a single row, and :func:`per_table` of steps for all rows at once.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

from synthkit.core.errors import SynthkitError, UsageError
from synthkit.core.registry import Registry
from synthkit.core.types import Completion, Message, Reject, Request, Row, Sampling, Steps
from synthkit.data import tables as tables
from synthkit.prompts.templates import Turns

T = TypeVar("T")

Table = Annotated[Any, "TABLE"]
"""A table of any kind; on a ``%%synth`` line its name."""
Embed = Annotated[Callable[[Sequence[str]], Any], "EMBEDDER"]
"""Texts -> (n, d) array, rows L2-normalised; on a ``%%synth`` line an embedder's name."""

PROBES = 100
"""Most steps of one's own recipe that are tried to learn its columns."""

Cells = Mapping[str, Any]
Outcome = Cells | Row | Reject | Sequence[Cells | Row | Reject]
"""What steps for one row return: a row's cells, a row, a reject, or several of these."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """At least and at most; ``most`` is ``None`` where only a budget ends it.

    >>> print(Bounds(40, 40)), print(Bounds(40, 80)), print(Bounds(40, None))
    40
    40 to 80
    40 or more
    (None, None, None)
    """

    least: int
    most: int | None

    def __str__(self) -> str:
        if self.most is None:
            return f"{self.least} or more"
        return str(self.least) if self.least == self.most else f"{self.least} to {self.most}"

    def __mul__(self, n: int) -> Bounds:
        return Bounds(self.least * n, None if self.most is None else self.most * n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A generation method, ready to be run: ``synthkit.make(recipe, model=...)``.

    Parameters
    ----------
    name : what it is called.
    branches : begins it anew; gives the steps that run side by side, each of which yields its
        rows. They see no model, file, clock or network.
    columns : those of the rows besides the fields of ``source``, in order; any others follow.
    source : a table with a row for each branch, whose fields its rows get; ``None`` if a branch
        does not belong to a row. The result is of its kind.
    requests, rows : how many requests it sends, without repairs, and how many rows it makes.
    roles : the names of the further models it asks, which ``make(others=...)`` has to give.
    prompt : the template it was given, as it is kept with the run.
    """

    name: str
    branches: Callable[[], Iterator[Steps[None]]]
    columns: tuple[str, ...] = ()
    source: Any = None
    kind: tables.Kind = "pandas"
    requests: Bounds
    rows: Bounds
    roles: tuple[str, ...] = ()
    prompt: str = ""


RECIPES: Registry[Callable[..., Any]] = Registry(
    "recipe", decorator="recipe", package="synthkit.recipes"
)
"""Every recipe by its name: those of synthkit, of installed packages and of the notebook."""

Function = TypeVar("Function", bound=Callable[..., Any])


def recipe(function: Function) -> Function:
    """Register a recipe under the name of its function: a decorator.

    The function returns a :class:`Recipe`, or it is a generator function as
    :func:`from_function` takes it. Its docstring's first line is shown where recipes are listed.
    """
    RECIPES.add(function.__name__, function, function)
    return function


def gather(branches: Iterable[Steps[T]]) -> Steps[list[T]]:
    """What each of several steps returns, in order; they run side by side, none waits for another.

    >>> def one(n):
    ...     return n
    ...     yield
    >>> next(gather([one(1), one(2)]))
    [<generator object one at ...>, <generator object one at ...>]
    """
    outcomes: list[T] = yield list(branches)
    return outcomes


def ask_all(requests: Sequence[Request]) -> Steps[list[Completion]]:
    """The answers to some requests, in order."""
    completions: list[Completion] = yield list(requests)
    return completions


def user(
    content: str,
    sampling: Sampling = Sampling(),
    *,
    schema: Mapping[str, Any] | None = None,
    index: int = 0,
    to: str = "",
) -> Request:
    """A request with one turn, the user's.

    >>> user("Name a fruit.").messages[0].content
    'Name a fruit.'
    """
    return Request((Message("user", content),), sampling, schema, index, to=to)


def per_row(
    steps: Callable[[dict[str, Any]], Steps[Outcome]],
    rows: Any,
    *,
    name: str,
    requests: Bounds,
    columns: Sequence[str] = (),
    makes: Bounds = Bounds(1, 1),
    roles: Sequence[str] = (),
    prompt: str = "",
) -> Recipe:
    """A recipe whose steps are begun for each row of a table, side by side.

    What the steps return for a row is added to its fields; the row's ``id`` becomes ``parent``.
    Steps that fail with an error of their own make a reject of that row, and nothing else is lost.

    Parameters
    ----------
    steps : a row's fields -> its steps.
    rows : a table of any kind; ``None`` is one row without fields.
    requests, makes : for each row.
    """
    source = tables.build({}, n=1) if rows is None else tables.native(rows)
    if "parent" in columns or "id" in columns:
        raise UsageError(f"a recipe's columns cannot be 'id' or 'parent'; got {list(columns)}.")
    clash = [one for one in columns if one in tables.columns(source)]
    if clash:
        raise UsageError(
            f"{name} makes a column {clash[0]!r}, and the rows have one already; rename it."
        )

    def branch(row: dict[str, Any]) -> Steps[None]:
        parent = row.get("id", row.get("parent"))
        try:
            outcome = yield from steps(row)
            made = [_complete(one, parent) for one in _listed(outcome)]
        except SynthkitError:
            raise
        except Exception as error:
            made = [Reject("", f"the recipe failed: {type(error).__name__}: {error}")]
        yield made

    def branches() -> Iterator[Steps[None]]:
        yield from apart(map(branch, tables.records(source)))

    size = tables.size(source)
    return Recipe(
        name=name,
        branches=branches,
        columns=tuple(columns),
        source=source,
        kind=tables.kind(source),
        requests=requests * size,
        rows=makes * size,
        roles=tuple(roles),
        prompt=prompt,
    )


def per_table(
    steps: Callable[[], Steps[Any]],
    *,
    name: str,
    requests: Bounds,
    rows: Bounds,
    columns: Sequence[str] = (),
    like: Any = None,
    roles: Sequence[str] = (),
    prompt: str = "",
) -> Recipe:
    """A recipe of one branch, which works on a whole dataset, and yields its rows as it goes.

    Rows that it returns at the end are taken too. ``like`` is a table of the kind that the result
    is to be.
    """

    def branch() -> Steps[None]:
        outcome = yield from steps()
        yield [_complete(one, None) for one in _listed(outcome)]

    def branches() -> Iterator[Steps[None]]:
        yield branch()

    return Recipe(
        name=name,
        branches=branches,
        columns=tuple(columns),
        kind="pandas" if like is None else tables.kind(like),
        requests=requests,
        rows=rows,
        roles=tuple(roles),
        prompt=prompt,
    )


def from_function(function: Callable[..., Any], rows: Any = None, **options: Any) -> Recipe:
    """A recipe of your own, from a generator function.

    If its first parameter is ``row``, it is begun for each row of the table, with the row's fields
    as a dict, and returns the cells to add. If it is ``rows``, it gets all of them, as a list of
    dicts, and yields lists of :class:`~synthkit.core.types.Row` as it goes. Its docstring's first line
    is shown where recipes are listed.

    Parameters
    ----------
    options : for its keyword-only parameters.

    Examples
    --------
    >>> def haiku(row, *, sampling=Sampling()):
    ...     (draft,) = yield [user(f"Write a haiku about {row['topic']}.", sampling)]
    ...     (final,) = yield [user(f"Make it plainer:\\n{draft.text}", sampling)]
    ...     return {"draft": draft.text, "haiku": final.text}
    >>> print(from_function(haiku, [{"topic": "rain"}, {"topic": "bread"}]).requests)
    2 or more

    Raises
    ------
    UsageError
        If the function is not of that form, or has no parameter of an option's name.
    """
    name = getattr(function, "__name__", "recipe")
    if not inspect.isgeneratorfunction(function):
        raise UsageError(
            f"a recipe is a generator function: it yields lists of requests; {name} does not yield."
        )
    parameters = inspect.signature(function).parameters
    first = next(iter(parameters), "")
    known = [one.name for one in parameters.values() if one.kind is one.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            have = ", ".join(known) or "none"
            raise UsageError(f"{name} takes no {option!r}; its keyword-only parameters: {have}.")
    if first == "row":
        taken = tables.columns(rows) if rows is not None else []
        blank = (tables.head(rows, 1) or [{}])[0] if taken else {}
        columns = _probed(_formed(function(blank, **options)))
        return per_row(
            lambda row: _formed(function(row, **options)),
            rows,
            name=name,
            columns=[one for one in columns if one not in taken],
            requests=Bounds(1, None),
            makes=Bounds(0, None),
        )
    if first == "rows":
        given = [] if rows is None else tables.records(rows)
        return per_table(
            lambda: _formed(function([dict(row) for row in given], **options)),
            name=name,
            requests=Bounds(1, None),
            rows=Bounds(0, None),
            like=rows,
        )
    raise UsageError(
        f"the first parameter of a recipe is 'row' (begun for each row) or 'rows' (begun once); "
        f"that of {name} is {first or 'missing'!r}."
    )


def _formed(steps: Steps[T]) -> Steps[T]:
    """The same steps, which fail where they yield something else than steps do.

    >>> steps = _formed(request for request in [user("Hi.")])
    >>> next(steps)
    Traceback (most recent call last):
    TypeError: a recipe yields a list of requests, rows or steps; got a Request. Write yield [...].
    """
    reply: Any = None
    wrong = ""
    while True:
        try:  # thrown into them, the error tells the line
            step: Any = steps.throw(TypeError(wrong)) if wrong else steps.send(reply)
        except StopIteration as end:
            outcome: T = end.value
            return outcome
        wrong = _malformed(step)
        if not wrong:
            reply = yield step


def _malformed(step: Any) -> str:
    """What is wrong with a step, in words; empty if nothing is."""
    said = "a recipe yields a list of requests, rows or steps; got"
    if not isinstance(step, list | tuple):
        return f"{said} a {type(step).__name__}. Write yield [...]."
    odd = [one for one in step if not isinstance(one, Request | Row | Reject | Generator)]
    return f"{said} one with {odd[0]!r:.80}." if odd else ""


def _probed(steps: Steps[Any]) -> list[str]:
    """The columns that steps make, as far as they tell when every answer is a blank one.

    Recipes do nothing but decide, so a try costs nothing; it only serves a table that shows its
    columns before its first row is there.
    """
    reply: Any = None
    try:
        for _ in range(PROBES):
            step: Any = steps.send(reply)
            blank = step and isinstance(step[0], Request)
            reply = [Completion("") for _ in step] if blank else []
    except StopIteration as end:
        listed = _listed(end.value)
        first = listed[0] if listed else {}
        cells = first.cells if isinstance(first, Row | Reject) else first
        return list(cells) if isinstance(cells, Mapping) else []
    except Exception:  # it cannot do with blank answers; it will say so itself when it is run
        return []
    finally:
        steps.close()
    return []


def apart(branches: Iterable[Steps[None]]) -> Iterator[Steps[None]]:
    """The branches, so that those that begin with the same request draw samples of their own.

    Without that, two equal rows would get one answer between them.
    """
    seen: Counter[Any] = Counter()
    for branch in branches:
        first = next(branch, ())
        copy = 0
        if first and isinstance(first[0], Request):
            copy = seen[signature(first[0])]
            seen[signature(first[0])] += 1
        yield _resampled(branch, copy, first)


def _resampled(steps: Steps[T], copy: int, first: Any = None) -> Steps[T]:
    """The same steps, which may have yielded ``first`` already, with other samples."""
    reply: Any = None
    while True:
        if first is not None:
            step, first = first, None
        else:
            try:
                step = steps.send(reply)
            except StopIteration as end:
                outcome: T = end.value
                return outcome
        reply = yield [_shift(one, copy) for one in step] if copy else step


def signature(request: Request) -> tuple[Turns, str, str, str | None]:
    """What two requests have in common that ask the same of the same model."""
    return request.messages, request.turn, request.to, request.answer


def _shift(one: Any, copy: int) -> Any:
    if isinstance(one, Request):
        return replace(one, index=one.index + (copy << 20))
    if isinstance(one, Row | Reject):
        return replace(one, of=tuple(_shift(request, copy) for request in one.of))
    return _resampled(one, copy)


def _listed(outcome: Any) -> list[Any]:
    if outcome is None:
        return []
    return list(outcome) if isinstance(outcome, list | tuple) else [outcome]


def _complete(one: Cells | Row | Reject, parent: str | None) -> Row | Reject:
    if isinstance(one, Mapping):
        return Row(dict(one), parent=parent)
    if not isinstance(one, Row | Reject):
        raise TypeError(f"a recipe returns cells as a dict, rows or rejects; got {one!r:.200}")
    return one if one.parent is not None or parent is None else replace(one, parent=parent)
