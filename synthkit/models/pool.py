"""A pool: several models as one, such as replicas of a model on several servers."""

from __future__ import annotations

import copy
import queue
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from synthkit.core.environment import warn
from synthkit.core.errors import ModelError, UsageError
from synthkit.core.hashing import canonical
from synthkit.core.models import Activity, Budget, Budgeted, Model, Price
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
        If there is no model, their markers of reasoning differ, or only some have a limit of tokens
        or cost.

    Notes
    -----
    The price is the highest of the models', so a budget is never exceeded; unknown if one is. The
    limits of the models' own budgets are added up.

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
        self._own = [getattr(model, "budget", Budget()) for model in models]
        for name in ("max_tokens_total", "max_cost"):
            limits = [getattr(budget, name) for budget in self._own]
            if None in limits and any(limit is not None for limit in limits):
                raise UsageError(
                    f"some models of the pool have {name}, and others have not. Give it to all, or "
                    "to the run."
                )
        self._counted = 0  # requests at models that do not count what they send
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
    def budget(self) -> Budget:
        """The sums of the models' limits; no limit where one has none."""
        limits = {name: [getattr(each, name) for each in self._own] for name in Budget.__slots__}
        return Budget(
            **{name: None if None in each else sum(each) for name, each in limits.items()}
        )

    @property
    def sent(self) -> int:
        """How many requests were sent since :meth:`with_budget`, with every further try."""
        return self._counted + sum(getattr(model, "sent", 0) for model in self.models)

    def with_budget(self, budget: Budget) -> Pool:
        """The same pool for a run with this budget, which counts retries as well.

        Without another one than its own, each model keeps its own.
        """
        made, is_own = copy.copy(self), budget == self.budget
        made._counted = 0
        made.models = tuple(
            model.with_budget(own if is_own else budget) if isinstance(model, Budgeted) else model
            for model, own in zip(self.models, self._own, strict=True)
        )
        return made

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
                    if not hasattr(worker.model, "sent"):
                        self._counted += done.tries
                    before = sum(each.tries for each in failures.get(position, {}).values())
                    if done.finish != "error":
                        answered += 1
                        yield position, replace(done, how=how, tries=before + done.tries)
                        continue
                    failures.setdefault(position, {})[worker] = replace(done, how=how)
                    waiting.appendleft(position)
                for position in [
                    at for at in waiting if members.keys() <= failures.get(at, {}).keys()
                ]:
                    waiting.remove(position)
                    answered += 1
                    *_, last = failures[position].values()
                    tries = sum(each.tries for each in failures[position].values())
                    yield position, replace(last, tries=tries)
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
