"""Keyword options that several functions share, written once as a ``TypedDict``."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from synthkit.core.errors import UsageError, unknown

F = TypeVar("F", bound=Callable[..., Any])


class _LeftOut:
    """The default of an option that may be left out; the docstring says what applies then."""

    def __repr__(self) -> str:
        return "..."


def shows(options: type) -> Callable[[F], F]:
    """Show a ``TypedDict``'s options as keyword-only parameters: a decorator.

    ``function(..., **options: Unpack[Options])`` tells a type checker what the function takes. This
    tells ``inspect.signature`` as well, by which a notebook completes a call and explains it.

    >>> from typing import TypedDict, Unpack
    >>> class Paint(TypedDict, total=False):
    ...     colour: str
    >>> @shows(Paint)
    ... def paint(wall: str, **options: Unpack[Paint]) -> None: ...
    >>> list(inspect.signature(paint).parameters)
    ['wall', 'colour']
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        shared = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                annotation=hint,
                default=_LeftOut(),
            )
            for name, hint in typing.get_type_hints(options, include_extras=True).items()
        ]
        vars(function)["__signature__"] = signature.replace(parameters=[*own, *shared])
        return function

    return decorate


def check(function: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Refuse an option that a function does not have.

    Raises
    ------
    UsageError
        Names the nearest option there is.
    """
    have = list(known)
    for name in options:
        if name not in have:
            raise UsageError(f"{function}: {unknown('option', name, have)}")
