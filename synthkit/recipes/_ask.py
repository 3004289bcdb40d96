"""Requests whose completions are decoded, with one repair request where decoding fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from synthkit.core.types import Completion, Message, Reject, Request, Sampling, Steps
from synthkit.prompts.parsing import Cells, Decoder
from synthkit.prompts.templates import Turns

T = TypeVar("T")

REPAIR = (
    "That answer cannot be used: {reason}.\nAnswer again, whole and in the form that was asked for,"
    " and write nothing else."
)


def ask(request: Request, decode: Callable[[Completion], T], *, repairs: int = 0) -> Steps[T]:
    """Send one request and return its decoded completion.

    If decoding fails, the model is shown its completion with the reason and asked again, up to
    ``repairs`` times. A request that failed is not repaired: there is no completion to show.

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
    """Send requests together and return the completions, each decoded by its own decoder.

    Those that cannot be decoded are repaired once, together, as in :func:`ask`.
    """
    if not requests:
        return []
    completions = yield requests
    outcomes = [
        decode(completion) for decode, completion in zip(decoders, completions, strict=True)
    ]
    repairs = {
        position: repair(requests[position], completions[position], outcome.reason)
        for position, outcome in enumerate(outcomes)
        if isinstance(outcome, Reject) and completions[position].finish in ("stop", "length")
    }
    if repairs:
        completions = yield list(repairs.values())
        for position, completion in zip(repairs, completions, strict=True):
            outcomes[position] = decoders[position](completion)
    return outcomes


def ask_samples(
    messages: Sequence[Turns], decoder: Decoder, sampling: Sampling, *, k: int = 1
) -> Steps[list[Cells | Reject]]:
    """Send ``k`` samples of each prompt together and return the decoded completions in order.

    Those that cannot be decoded are repaired once, together, as in :func:`ask`.
    """
    requests = [
        Request(turns, sampling, decoder.schema, index=i) for turns in messages for i in range(k)
    ]
    return (yield from ask_and_parse_all(requests, [decoder] * len(requests)))


def repair(request: Request, completion: Completion, reason: str) -> Request:
    """A request that shows the model its completion, with the reason why it cannot be used.

    >>> request = Request((Message("user", "Yes or no?"),))
    >>> again = repair(request, Completion("perhaps"), "names none of the labels")
    >>> [message.role for message in again.messages], again.purpose
    (['user', 'assistant', 'user'], 'repair')
    """
    answer = Message("assistant", completion.text)
    complaint = Message("user", REPAIR.format(reason=reason))
    return replace(request, messages=(*request.messages, answer, complaint), purpose="repair")
