"""What every recipe is built from: the ``Recipe`` class, its registry, and steps over rows.

:func:`per_row` makes a recipe of steps for one row, :func:`per_table` of steps for a whole table.
"""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Protocol, TypeVar, cast

from synthkit.core.errors import SynthkitError, UsageError
from synthkit.core.registry import Registry
from synthkit.core.types import Completion, Message, Reject, Request, Row, Sampling, Steps
from synthkit.data import row_files, tables
from synthkit.recipes._arguments import kept_columns, parent_id

T = TypeVar("T")

Table = Annotated[Any, "TABLE"]
"""A table of any kind, or a file or a pattern such as ``data/*.jsonl``; in a ``%%synth`` line the
name of one."""
Embed = Annotated[Callable[[Sequence[str]], Any], "EMBEDDER"]
"""Texts -> (n, d) array, rows L2-normalised; in a ``%%synth`` line the name of an embedder."""


class TextClassifier(Protocol):
    """A trained classifier of texts, such as ``synthkit.stats.classifier.fit`` returns."""

    @property
    def labels(self) -> Sequence[Any]:
        """Its k labels."""

    def probabilities(self, texts: Sequence[str]) -> Any:
        """(n, k) probabilities, with columns in the order of ``labels``."""


FitClassifier = Annotated[Callable[[Sequence[str], Sequence[Any]], TextClassifier], "CLASSIFIER"]
"""(texts, labels) -> a classifier trained on them, such as ``functools.partial(fit,
embed=load_embedder("wordllama").embed)``; in a ``%%synth`` line the name of an embedder."""

Cells = Mapping[str, Any]
Outcome = Cells | Row | Reject | Sequence[Cells | Row | Reject]
"""What the steps for one row return: the cells of a row, a row, a reject, or several of these."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A lower and an upper bound; ``most`` is ``None`` if there is no upper bound.

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
    """A generation method with its arguments, ready for ``synthkit.generate(recipe, model=...)``.

    Parameters
    ----------
    name : the name of the method.
    branches : starts the recipe. It returns the steps of each branch; branches run side by side,
        and each yields its own rows. Steps see no model, file, clock or network.
    columns : the columns that the recipe adds to those of ``source``, in order. Columns that are
        not listed come after these.
    source : a table with one row for each branch, whose columns the results keep; ``None`` if
        branches do not belong to rows. The result is a table of the same kind.
    kind : the kind of the result if there is no ``source``.
    requests, rows : how many requests it sends, not counting repairs, and how many rows it makes.
    roles : the names of further models it needs, given as ``generate(others=...)``.
    prompt : the prompt template, stored with the run.
    call : the registered name of the function that made it, and its arguments; ``None`` of a recipe
        that no registered function made.
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
    call: tuple[str, Mapping[str, Any]] | None = field(default=None, repr=False, compare=False)


RECIPES: Registry[Callable[..., Any]] = Registry(
    "recipe", decorator="recipe", package="synthkit.recipes"
)
"""Every recipe by name: those of synthkit, of installed packages and of the notebook."""

Function = TypeVar("Function", bound=Callable[..., Any])


def recipe(function: Function) -> Function:
    """Register a recipe under the name of its function: a decorator.

    The function returns a :class:`Recipe`, or it is a generator function for
    :func:`~synthkit.recipes.from_function`. Lists of recipes show the first line of its docstring.
    Where it takes a table, the caller may name a file.
    """
    if inspect.isgeneratorfunction(function):
        RECIPES.add(function.__name__, function, function)
        return function

    @functools.wraps(function)
    def made(*values: Any, **options: Any) -> Any:
        given = dict(zip(inspect.signature(function).parameters, values, strict=False))
        options = {
            name: row_files.opened(value) if _is_table(function, name) else value
            for name, value in options.items()
        }
        result = function(*values, **options)
        if not isinstance(result, Recipe):
            return result
        return replace(result, call=(function.__name__, given | options))

    RECIPES.add(function.__name__, made, function)
    return cast("Function", made)


def takes_table(recipe: str, parameter: str) -> bool:
    """Whether a parameter of a registered recipe takes a table."""
    return _is_table(RECIPES[recipe], parameter)


def _is_table(function: Callable[..., Any], parameter: str) -> bool:
    """Whether a parameter takes a table."""
    annotated = function.__annotations__.get(parameter) in (Table, "Table")
    return annotated or parameter in ("rows", "like", "examples")


def gather(branches: Iterable[Steps[T]]) -> Steps[list[T]]:
    """Run several steps side by side and return their results in order.

    >>> def step(n):
    ...     return n
    ...     yield
    >>> next(gather([step(1), step(2)]))
    [<generator object step at ...>, <generator object step at ...>]
    """
    outcomes: list[T] = yield list(branches)
    return outcomes


def ask_all(requests: Sequence[Request]) -> Steps[list[Completion]]:
    """Send requests and return their completions in order."""
    completions: list[Completion] = yield list(requests)
    return completions


def user(
    content: str,
    sampling: Sampling = Sampling(),
    *,
    schema: Mapping[str, Any] | None = None,
    to: str = "",
) -> Request:
    """A request with a single user message.

    >>> user("Name a fruit.").messages[0].content
    'Name a fruit.'
    """
    return Request((Message("user", content),), sampling, schema, to=to)


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
    """A recipe that starts the same steps for each row of a table, side by side.

    The cells that the steps return are added to the row; the row's ``id`` becomes ``parent``. Steps
    that raise an error of their own reject that row only.

    Parameters
    ----------
    steps : takes the cells of a row and returns its steps.
    rows : a table of any kind; ``None`` stands for one row without columns.
    requests, makes : how many requests are sent for each row, and how many rows it becomes.

    Raises
    ------
    UsageError
        If the recipe makes a column ``id`` or ``parent``.
    TableError
        If it makes a column that the rows have already.
    """
    source = tables.build({}, n=1) if rows is None else tables.native(rows)
    if "parent" in columns or "id" in columns:
        raise UsageError(f"a recipe's columns cannot be 'id' or 'parent'; got {list(columns)}.")
    kept_columns(name, source, columns)

    def branch(row: dict[str, Any]) -> Steps[None]:
        try:
            outcome = yield from steps(row)
            outcomes = [_as_row(item, parent_id(row)) for item in as_list(outcome)]
        except SynthkitError:
            raise
        except Exception as error:
            outcomes = [Reject("", f"the recipe failed: {type(error).__name__}: {error}")]
        yield outcomes

    size = tables.size(source)
    return Recipe(
        name=name,
        branches=lambda: resample_equal(map(branch, tables.records(source))),
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
    """A recipe with one branch, for a whole dataset. It yields rows as they are finished.

    Rows that the steps return at the end are added to the result. ``like`` is a table whose kind
    the result has.
    """

    def branch() -> Steps[None]:
        outcome = yield from steps()
        yield [_as_row(item, None) for item in as_list(outcome)]

    return Recipe(
        name=name,
        branches=lambda: iter([branch()]),
        columns=tuple(columns),
        kind="pandas" if like is None else tables.kind(like),
        requests=requests,
        rows=rows,
        roles=tuple(roles),
        prompt=prompt,
    )


class Samples:
    """Counts the requests of a run, so that a repeated request gets the next sample index.

    Requests are equal if they ask the same question of the same model.

    >>> sample = Samples()
    >>> [sample(user(text)).index for text in ["a", "b", "a"]]
    [0, 0, 1]
    """

    def __init__(self) -> None:
        self._counts: Counter[Any] = Counter()

    def __call__(self, request: Request) -> Request:
        """The request with the next unused sample index."""
        question = (request.messages, request.turn, request.to, request.answer)
        index = self._counts[question]
        self._counts[question] += 1
        return request if request.index == index else replace(request, index=index)


def resample_equal(branches: Iterable[Steps[None]]) -> Iterator[Steps[None]]:
    """The branches, with a different sample index where several start with the same request.

    Without it, two equal rows would share one completion.
    """
    sample = Samples()
    for branch in branches:
        first: Any = next(branch, ())
        asks = first and isinstance(first[0], Request)
        yield _resampled(branch, sample(first[0]).index if asks else 0, first)


def _resampled(steps: Steps[T], copy: int, first: Any = None) -> Steps[T]:
    """The same steps with shifted sample indices; ``first`` is a step taken from them already."""
    try:
        step: Any = next(steps) if first is None else first
        while True:
            step = steps.send((yield [_shifted(item, copy) for item in step] if copy else step))
    except StopIteration as end:
        outcome: T = end.value
        return outcome


def _shifted(item: Any, copy: int) -> Any:
    if isinstance(item, Request):
        return replace(item, index=item.index + (copy << 20))
    if isinstance(item, Row | Reject):
        return replace(item, of=tuple(_shifted(request, copy) for request in item.of))
    return _resampled(item, copy)


def as_list(outcome: Any) -> list[Any]:
    """What steps returned, as a list: empty for ``None``, one item for a single row or reject."""
    if outcome is None:
        return []
    return list(outcome) if isinstance(outcome, list | tuple) else [outcome]


def _as_row(item: Cells | Row | Reject, parent: str | None) -> Row | Reject:
    if isinstance(item, Mapping):
        return Row(dict(item), parent=parent)
    if not isinstance(item, Row | Reject):
        raise TypeError(f"a recipe returns cells as a dict, rows or rejects; got {item!r:.200}")
    return item if item.parent is not None or parent is None else replace(item, parent=parent)
