"""Keyword options that several functions share, defined once as a ``TypedDict``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from synthkit.core.errors import UsageError, unknown

F = TypeVar("F", bound=Callable[..., Any])


class _LeftOut:
    """The default that a signature shows for an option; the docstring names the real one."""

    def __repr__(self) -> str:
        return "..."


def shows(options: type) -> Callable[[F], F]:
    """Show a ``TypedDict``'s options as keyword-only parameters: a decorator.

    Type checkers read the options from ``function(..., **options: Unpack[Options])``. With this
    decorator ``inspect.signature`` has them too, so a notebook can complete and explain a call.

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
                annotation=getattr(hint, "__forward_arg__", hint),
                default=_LeftOut(),
            )
            for name, hint in options.__annotations__.items()
        ]
        vars(function)["__signature__"] = signature.replace(parameters=[*own, *shared])
        function.__annotations__ |= options.__annotations__  # for ``typing.get_type_hints``
        return function

    return decorate


def check(function: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Check that a function has all of the options.

    Raises
    ------
    UsageError
        If an option is unknown; the message names the closest one.
    """
    have = list(known)
    for name in options:
        if name not in have:
            raise UsageError(f"{function}: {unknown('option', name, have)}")
