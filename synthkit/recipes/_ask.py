"""How recipes send requests: with repairs, in rounds, and with the requests of each outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from synthkit.core.types import Completion, Message, Reject, Request, Row, Sampling, Steps
from synthkit.prompts.parsing import Cells, Decoder
from synthkit.prompts.templates import Turns
from synthkit.recipes._base import gather, user

T = TypeVar("T")

REPAIR = (
    "That answer cannot be used: {reason}.\nAnswer again, whole and in the form that was asked for,"
    " and write nothing else."
)
BATCH = 100
"""Most texts that are requested together, so that the first rows appear before a round ends."""


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


def ask_each(
    requests: Sequence[Request], decode: Callable[[Completion], T], *, repairs: int = 0
) -> Steps[list[tuple[tuple[Request, ...], T]]]:
    """:func:`ask` for each request, side by side: the requests of each outcome, and the outcome."""
    branches = (traced(ask(request, decode, repairs=repairs)) for request in requests)
    return (yield from gather(branches))


def ask_label(
    content: str, decoder: Decoder, sampling: Sampling, *, to: str = ""
) -> Steps[Cells | Reject]:
    """Ask for a label at temperature 0; a completion that names none is repaired once."""
    greedy = replace(sampling, temperature=0)
    request = user(content, greedy, schema=decoder.schema, to=to)
    return (yield from ask(request, decoder, repairs=1))


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


def traced(steps: Steps[T]) -> Steps[tuple[tuple[Request, ...], T]]:
    """The requests that steps sent, repairs included, and what the steps returned.

    The steps may yield nothing but requests.

    >>> from synthkit.recipes import ask_all, user
    >>> steps = traced(ask_all([user("Hi.")]))
    >>> request = next(steps)[0]
    >>> try:
    ...     steps.send(["Hello."])
    ... except StopIteration as end:
    ...     end.value == ((request,), ["Hello."])
    True
    """
    requests: list[Request] = []
    try:
        step: Any = next(steps)
        while True:
            requests += step
            step = steps.send((yield step))
    except StopIteration as end:
        return tuple(requests), end.value


def with_origin(
    parsed: Mapping[str, Any] | Reject,
    of: tuple[Request, ...],
    cells: Mapping[str, Any],
    parent: str | None = None,
) -> Row | Reject:
    """The row of parsed cells, or the reject, with its requests, other cells and parent."""
    if isinstance(parsed, Reject):
        return replace(parsed, cells={**cells, **parsed.cells}, of=of, parent=parent)
    return Row({**cells, **parsed}, of, parent)


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
