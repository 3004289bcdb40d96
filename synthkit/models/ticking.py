"""Work in a thread of its own, with ticks for the caller: what a model does before it generates."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from typing import TypeVar

TICK_SECONDS = 0.1

T = TypeVar("T")


def ticking(work: Callable[[], T]) -> Generator[None, None, T]:
    """The result of ``work``, by ``yield from``; ``None`` every 0.1 s until it is there.

    An interrupt ends the wait at once, while the work goes on: half an import of torch could not be
    continued.

    Examples
    --------
    >>> def loaded():
    ...     weights = yield from ticking(lambda: [1.0, 2.0])
    ...     yield sum(weights)
    >>> [total for total in loaded() if total is not None]
    [3.0]
    """
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:  # raised in the caller's thread
            result.set_exception(error)

    # what it prints belongs to the cell that runs
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="synthkit-work", daemon=True).start()
    while not result.done():
        yield None
        wait([result], TICK_SECONDS)
    return result.result()
