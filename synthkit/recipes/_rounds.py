"""Rounds: the parts in which a recipe asks, the sample index of a repeated request, lineage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from synthkit.core.types import Request, Steps
from synthkit.recipes._base import signature

T = TypeVar("T")

BATCH = 100
"""Most texts that are requested together, so that the first rows appear before a round ends."""


def traced(steps: Steps[T]) -> Steps[tuple[tuple[Request, ...], T]]:
    """The requests that steps sent, repairs included, and what the steps returned.

    The steps may yield nothing but requests.

    >>> from synthkit.recipes._base import ask_all, user
    >>> steps = traced(ask_all([user("Hi.")]))
    >>> request = next(steps)[0]
    >>> try:
    ...     steps.send(["Hello."])
    ... except StopIteration as end:
    ...     end.value == ((request,), ["Hello."])
    True
    """
    requests: list[Request] = []
    reply: Any = None
    while True:
        try:
            step: Any = steps.send(reply)
        except StopIteration as end:
            return tuple(requests), end.value
        requests += step
        reply = yield step


class Samples:
    """Counts the requests of a run, so that a repeated request gets the next sample index.

    >>> from synthkit.recipes._base import user
    >>> sample = Samples()
    >>> [sample(user(text)).index for text in ["a", "b", "a"]]
    [0, 0, 1]
    """

    def __init__(self) -> None:
        self._counts: Counter[Any] = Counter()

    def __call__(self, request: Request) -> Request:
        """The request with the next unused sample index."""
        same = signature(request)
        self._counts[same] += 1
        return replace(request, index=self._counts[same] - 1)


def portions(n: int, rounds: int) -> list[slice]:
    """``n`` positions cut into one slice per round; none is empty, sizes differ by 1 at most.

    >>> [range(5)[part] for part in portions(5, 2)], portions(1, 3)
    ([range(0, 2), range(2, 5)], [slice(0, 1, None)])
    """
    rounds = min(n, rounds)
    return [slice(n * at // rounds, n * (at + 1) // rounds) for at in range(rounds)]


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in batches of :data:`BATCH` at most."""
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
