"""The filters that have a name: ``%synth filter TABLE --length 3-50 --no-refusals``.

A filter gets a name by a decorator on the function that makes it, in synthkit, in an installed
package or in a notebook; :func:`filter_from_spec` makes it from its name and one value.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from synthkit.core.errors import UsageError
from synthkit.core.registry import Registry
from synthkit.curate.filters.base import Filter

Function = TypeVar("Function", bound=Callable[..., Filter])


@dataclass(frozen=True, slots=True)
class FilterOption:
    """A filter with a name.

    Parameters
    ----------
    make : the function that makes the filter.
    takes : what its value is, as :func:`filter_option` explains; empty if it takes none.
    cost : the place in the help, as :func:`filter_option` explains.
    """

    make: Callable[..., Filter]
    takes: str
    cost: int

    @property
    def help(self) -> str:
        """The first line of the function's docstring, as a line of help."""
        line = (inspect.getdoc(self.make) or "").partition("\n")[0]
        return line[:1].lower() + line[1:].removesuffix(".")

    @property
    def takes_embedder(self) -> bool:
        """Whether the function has a parameter ``embed``."""
        return "embed" in inspect.signature(self.make).parameters

    @property
    def needs_value(self) -> bool:
        """Whether the filter cannot be made without a value."""
        first = next(iter(inspect.signature(self.make).parameters.values()), None)
        return bool(self.takes) and first is not None and first.default is first.empty


FILTERS: Registry[FilterOption] = Registry(
    "filter", decorator="filter_option", package="synthkit.curate"
)
"""Every named filter: those of synthkit, of installed packages and of the notebook."""


def filter_option(name: str, *, takes: str = "", cost: int = 0) -> Callable[[Function], Function]:
    """Register a function that makes a filter under a name: a decorator.

    ``%synth filter`` then has an option of that name, whose help is the first line of the
    function's docstring. The function gets the option's value as its first argument, if the option
    takes one. If it has a parameter ``column``, it gets the column of texts; if it has a parameter
    ``embed``, it gets the function of an embedder.

    Parameters
    ----------
    takes : what the value is, as help and completion show it. ``"NUMBER"`` is read as a number. A
        notebook gives the object that the value names for ``"TABLE"``, ``"SCHEMA"``,
        ``"VARIABLE"`` and ``"LEARNED"`` (a filter learned from marks). Any other value is passed
        as text.
    cost : the place of the option in the help, where cheap ones come first: 0 for string
        operations on one text, 1 for patterns and small models, 2 for comparisons between rows,
        3 for embeddings and training.

    Raises
    ------
    UsageError
        If synthkit or an installed package has the name already.

    Examples
    --------
    >>> @filter_option("no-shouting")
    ... def no_shouting(column):
    ...     '''Drop texts in capitals.'''
    ...     return text_filter("no shouting", column, lambda text: "capitals" * text.isupper())
    >>> from synthkit.curate import text_filter
    >>> filter_from_spec("no-shouting").judge([{"text": "GOOD SOUP"}, {"text": "Good soup."}])
    ['capitals', '']
    >>> FILTERS.remove("no-shouting")
    """

    def register(function: Function) -> Function:
        FILTERS.add(name, FilterOption(function, takes, cost), function)
        return function

    return register


def filter_from_spec(
    name: str, value: Any = "", *, column: str = "text", embed: Callable[..., Any] | None = None
) -> Filter:
    """The filter of a name, made from one value: a number, a text, a table, a schema.

    Parameters
    ----------
    name : as on a line of ``%synth filter``, whose help lists the names.
    column : of the texts.
    embed : the function of an embedder, for filters that need one.

    Raises
    ------
    UsageError
        If there is no such filter, its value is missing or unsuitable, or it takes no value.

    Examples
    --------
    >>> filter_from_spec("length", "3-50").name, filter_from_spec("no-pii", "email,phone").name
    ('words >= 3 and <= 50', 'no personal data (email, phone; US)')
    """
    option = FILTERS[name]
    empty = value is None or (isinstance(value, str) and not value.strip())
    if option.needs_value and empty:
        raise UsageError(f"the filter {name!r} needs {option.takes}: {option.help}.")
    if not option.takes and not empty:
        raise UsageError(f"the filter {name!r} takes no value; got {value!r}.")
    parameters = inspect.signature(option.make).parameters
    required = [key for key, p in parameters.items() if p.default is p.empty]
    if embed is None and "embed" in required:
        raise UsageError(f"the filter {name!r} needs embed=, the function of an embedder.")
    context = {"column": column} | ({} if embed is None else {"embed": embed})
    keywords = {key: context[key] for key in context if key in parameters}
    if empty:
        return option.make(**keywords)
    return option.make(number(value) if option.takes == "NUMBER" else value, **keywords)


def number(value: Any) -> float:
    """The number that a value is, or that it has as text.

    Raises
    ------
    UsageError
        If it is not a number.
    """
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"expected a number; got {value!r}.") from None


def listed(value: Any) -> list[str]:
    """The words of ``"en,fr"`` or of a list, without blanks."""
    parts = value.split(",") if isinstance(value, str) else value
    return [str(part).strip() for part in parts if str(part).strip()]
