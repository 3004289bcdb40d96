"""The simplest steps: requests and their answers, asked again once if they cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from synthkit.core.types import Completion, Message, Reject, Request, Steps

T = TypeVar("T")

REPAIR = (
    "That answer cannot be used: {reason}.\nAnswer again, whole and in the form that was asked for,"
    " and write nothing else."
)


def ask(request: Request, decode: Callable[[Completion], T], *, repairs: int = 0) -> Steps[T]:
    """What ``decode`` makes of the answer to one request.

    An answer that cannot be read is shown to the model with the reason, and asked for again, up to
    ``repairs`` times. One that never came is not: there is nothing to show.

    >>> steps = ask(Request(()), lambda completion: completion.text)
    >>> next(steps)[0].index
    0
    >>> steps.send([Completion("yes")])
    Traceback (most recent call last):
    StopIteration: yes
    """
    (completion,) = yield [request]
    outcome = decode(completion)
    for _ in range(repairs):
        if not isinstance(outcome, Reject) or completion.finish not in ("stop", "length"):
            break
        request = repair(request, completion, outcome.reason)
        (completion,) = yield [request]
        outcome = decode(completion)
    return outcome


def ask_and_parse_all(
    requests: Sequence[Request], decoders: Sequence[Callable[[Completion], T]]
) -> Steps[list[T]]:
    """What each decoder makes of the answer to its request, all asked at once.

    Those that cannot be read are asked for again once, together, as :func:`ask` does.
    """
    if not requests:
        return []
    completions = yield requests
    outcomes = [read(one) for read, one in zip(decoders, completions, strict=True)]
    again = {
        at: repair(requests[at], completions[at], outcome.reason)
        for at, outcome in enumerate(outcomes)
        if isinstance(outcome, Reject) and completions[at].finish in ("stop", "length")
    }
    if again:
        completions = yield list(again.values())
        for at, completion in zip(again, completions, strict=True):
            outcomes[at] = decoders[at](completion)
    return outcomes


def repair(request: Request, completion: Completion, reason: str) -> Request:
    """The request that shows an answer to its model with the reason why it cannot be read.

    >>> asked = Request((Message("user", "Yes or no?"),))
    >>> again = repair(asked, Completion("perhaps"), "names none of the labels")
    >>> [message.role for message in again.messages], again.purpose
    (['user', 'assistant', 'user'], 'repair')
    """
    said = Message("assistant", completion.text)
    told = Message("user", REPAIR.format(reason=reason))
    return replace(request, messages=(*request.messages, said, told), purpose="repair")
