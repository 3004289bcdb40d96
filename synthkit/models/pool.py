"""A pool: several models as one, such as replicas of a model on several servers."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from synthkit.core.environment import warn
from synthkit.core.errors import ModelError, UsageError
from synthkit.core.hashing import canonical
from synthkit.core.models import Activity, Model, Price
from synthkit.core.types import Completion, Request
from synthkit.models.worker import Item, Worker, close

TICK_SECONDS = 0.04
SLOTS = 64
"""How many requests a model is handed at once that names no ``concurrency``."""


class Pool:
    """Several models as one. Each request goes to the model with the most free slots.

    A model that cannot go on is left out for the rest of the run, and its open requests go to the
    others. A request that fails at one model is tried at each of the others. ``how`` of a
    completion begins with the name of the model that wrote it.

    Parameters
    ----------
    models : at least one. Models with one fingerprint are replicas, and the pool has their
        fingerprint, so that it answers from what any of them has answered before. Otherwise the
        fingerprint is that of all together, whatever their order, and which of them answers a
        request is not determined: a rerun finds the stored answer.
    name : by default those of the models.

    Raises
    ------
    UsageError
        If there is no model, or their markers of reasoning differ.

    Notes
    -----
    The price is the highest of the models', so a budget is never exceeded; unknown if one is.

    Examples
    --------
    >>> from synthkit.models.fake import Fake
    >>> from synthkit.core.types import Message
    >>> both = Pool([Fake("Yes.", name="a"), Fake("Yes.", name="b")])
    >>> [done.text for _, done in filter(None, both.complete([Request((Message("user", "?"),))]))]
    ['Yes.']
    """

    def __init__(self, models: Sequence[Model], *, name: str | None = None) -> None:
        if not models:
            raise UsageError("a pool needs at least one model: Pool([first, second]).")
        markers = {getattr(model, "reasoning_markers", None) for model in models}
        if len(markers) > 1:
            raise UsageError(
                "the models of a pool were expected to have the same reasoning_markers; got "
                f"{len(markers)} different ones. Load them with the same."
            )
        self.models = tuple(models)
        self.name = name or " + ".join(dict.fromkeys(model.name for model in models))
        (self.reasoning_markers,) = markers
        fingerprints = sorted({model.fingerprint for model in models})
        together = canonical({"pool": fingerprints}).decode()
        self.fingerprint = fingerprints[0] if len(fingerprints) == 1 else together

    @property
    def price(self) -> Price | None:
        """The highest price of each kind of token; ``None`` if one is unknown."""
        prices = [model.price for model in self.models]
        known = [price for price in prices if price is not None]
        if len(known) < len(prices):
            return None
        cached = max(price[2] if len(price) == 3 else price[0] for price in known)
        return max(price[0] for price in known), max(price[1] for price in known), cached

    @property
    def concurrency(self) -> int:
        """The most requests in flight."""
        return sum(map(_slots, self.models))

    @property
    def activity(self) -> Activity:
        """What its models do, together."""
        return Activity.together([m.activity for m in self.models if hasattr(m, "activity")])

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """(position, completion) pairs as any model finishes one; ``None`` while none does.

        Raises
        ------
        ModelError
            If the last model that was left cannot go on.
        """
        out: queue.SimpleQueue[Item] = queue.SimpleQueue()
        members = {worker: _Member(worker) for worker in (Worker(m, out) for m in self.models)}
        started = list(members)
        waiting: deque[int] = deque()
        failures: dict[int, dict[Worker, Completion]] = {}
        submitted = answered = 0
        held: Worker | None = None
        seconds = 0.0
        try:
            while answered < len(requests):
                waiting.extend(range(submitted, len(requests)))
                submitted = len(requests)
                _hand_out(waiting, requests, list(members.values()), failures)
                if held is not None:
                    held.resume.release()
                    held = None
                try:
                    worker, event = out.get(timeout=seconds) if seconds else out.get_nowait()
                except queue.Empty:
                    seconds = TICK_SECONDS
                    yield None
                    continue
                seconds = 0.0
                if isinstance(event, BaseException):
                    if not isinstance(event, ModelError) or len(members) == 1:
                        raise event
                    waiting.extendleft(sorted(members.pop(worker).open, reverse=True))
                    warn(f"{worker.model.name} is left out of {self.name}: {event}")
                else:
                    held = worker
                    position, done = event
                    members[worker].open.discard(position)
                    how = ": ".join(filter(None, (worker.model.name, done.how)))
                    done = replace(done, how=how)
                    if done.finish != "error":
                        answered += 1
                        yield position, done
                        continue
                    failures.setdefault(position, {})[worker] = done
                    waiting.appendleft(position)
                for position in [
                    at for at in waiting if members.keys() <= failures.get(at, {}).keys()
                ]:
                    waiting.remove(position)
                    answered += 1
                    yield position, list(failures[position].values())[-1]
        finally:
            close(started)


@dataclass(slots=True)
class _Member:
    """A model at work, with the positions of the requests that it has."""

    worker: Worker
    open: set[int] = field(default_factory=set)

    @property
    def free(self) -> int:
        return _slots(self.worker.model) - len(self.open)


def _slots(model: Model) -> int:
    return int(getattr(model, "concurrency", SLOTS))


def _hand_out(
    waiting: deque[int],
    requests: Sequence[Request],
    members: Sequence[_Member],
    failures: Mapping[int, Collection[Worker]],
) -> None:
    """Give each request to the model with the most free slots that has not failed at it."""
    parts: dict[Worker, list[tuple[int, Request]]] = {}
    for _ in range(len(waiting)):
        position = waiting.popleft()
        able = [m for m in members if m.worker not in failures.get(position, ()) and m.free > 0]
        if not able:
            waiting.append(position)
            if not any(member.free > 0 for member in members):
                break
            continue
        member = max(able, key=lambda member: member.free)
        member.open.add(position)
        parts.setdefault(member.worker, []).append((position, requests[position]))
    for worker, part in parts.items():
        worker.inbox.put(part)
