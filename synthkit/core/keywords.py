"""Keyword options that several functions share, defined once as a ``TypedDict``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, is_typeddict

from synthkit.core.errors import check_known

F = TypeVar("F", bound=Callable[..., Any])


class _LeftOut:
    """The default that a signature shows for an option; the docstring names the real one."""

    def __repr__(self) -> str:
        return "..."


def shows(options: Callable[..., Any]) -> Callable[[F], F]:
    """Show the options that a function takes as ``**options`` as keyword-only parameters.

    They are those of a ``TypedDict``, which type checkers read from ``Unpack[Options]``, or the
    keyword-only parameters of the function that receives them. With this decorator
    ``inspect.signature`` has them too, so a notebook can complete and explain a call.

    >>> from typing import TypedDict, Unpack
    >>> class Paint(TypedDict, total=False):
    ...     colour: str
    >>> @shows(Paint)
    ... def paint(wall: str, **options: Unpack[Paint]) -> None: ...
    >>> list(inspect.signature(paint).parameters)
    ['wall', 'colour']
    >>> @shows(paint)
    ... def paint_all(*walls: str, **options: Any) -> None: ...
    >>> list(inspect.signature(paint_all).parameters)
    ['walls', 'colour']
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        parameters += _keyword_parameters(options)
        vars(function)["__signature__"] = signature.replace(parameters=parameters)
        if is_typeddict(options):
            function.__annotations__ |= options.__annotations__  # for ``typing.get_type_hints``
        return function

    return decorate


def _keyword_parameters(options: Callable[..., Any]) -> list[inspect.Parameter]:
    if not is_typeddict(options):
        parameters = inspect.signature(options).parameters.values()
        return [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=getattr(hint, "__forward_arg__", hint),
            default=_LeftOut(),
        )
        for name, hint in options.__annotations__.items()
    ]


def check(function: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Check that a function has all of the options.

    Raises
    ------
    UsageError
        If an option is unknown; the message names the closest one.
    """
    check_known("option", options, list(known), place=f"{function}: ")
