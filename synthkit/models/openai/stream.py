"""The answers of a server as a stream, in the thread of the caller."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from typing import TypeVar

from synthkit.core.environment import warn
from synthkit.models.openai.health import Meter
from synthkit.models.openai.operation import Operation
from synthkit.models.openai.scheduler import Scheduler
from synthkit.models.openai.server import Server

TICK_SECONDS = 0.1

Input = TypeVar("Input")
Output = TypeVar("Output")


def stream(
    server: Server,
    operation: Operation[Input, Output],
    requests: Sequence[Input],
    *,
    max_requests: int | None = None,
    meter: Meter | None = None,
) -> Iterator[tuple[int, Output] | None]:
    """(position, answer) pairs as they finish; ``None`` when no more has arrived.

    That is given at once after an answer and after new requests were sent, so that the caller can
    do its own work, then every 0.1 s of waiting. ``requests`` may grow while this runs. Closing the
    iterator cancels what is in flight.

    Parameters
    ----------
    max_requests : most requests to send, retries included.
    meter : counts what is sent, also of requests that get no answer.

    Raises
    ------
    UsageError
        If the operation refuses a request; before it is sent.
    EndpointError
        If no request can succeed, or ``max_requests`` are used up.
    """
    scheduler = Scheduler(server, operation, max_requests, meter or Meter())
    submitted = answered = 0
    waits = False
    try:
        while answered < len(requests):
            if submitted < len(requests):
                for request in requests[submitted:]:
                    operation.check(request)
                scheduler.submit(enumerate(requests[submitted:], submitted))
                submitted = len(requests)
                waits = False
            try:
                item = scheduler.out.get(waits, TICK_SECONDS)
            except queue.Empty:
                waits = True
                yield None
                continue
            waits = False
            if isinstance(item, Warning):
                warn(str(item), type(item), stacklevel=2)
                continue
            if isinstance(item, BaseException):
                raise item
            answered += 1
            yield item
    finally:
        scheduler.close()
