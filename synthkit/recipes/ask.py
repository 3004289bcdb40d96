"""The simplest recipe: one request, one row."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from synthkit.types import Completion, Request

T = TypeVar("T")


def ask(
    request: Request, decode: Callable[[Completion], T]
) -> Generator[list[Request], list[Completion], T]:
    """What ``decode`` makes of the answer to one request.

    >>> steps = ask(Request(()), lambda completion: completion.text)
    >>> next(steps)[0].index
    0
    >>> steps.send([Completion("yes")])
    Traceback (most recent call last):
    StopIteration: yes
    """
    (completion,) = yield [request]
    return decode(completion)
