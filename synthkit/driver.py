"""The driver: runs recipes against a model and a store.

A recipe is a generator that yields requests and receives their completions. The driver runs many
side by side: what the store holds is answered from it, the rest goes to the model in one growing
list, so that no recipe waits for another. Each completion is committed before its recipe sees it.
There is no other resume code: a run after a crash finds its answers in the store.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

from synthkit.errors import ModelError, UsageError
from synthkit.models.endpoint import Endpoint
from synthkit.store import Store
from synthkit.types import Budget, Completion, Ledger, Model, Request

T = TypeVar("T")
Recipe = Generator[list[Request], list[Completion], T]

LOOK_UP = 900
"""How many requests are looked up in the store at once."""


class Watch(Protocol):
    """What follows a run while it goes on; called from the thread that drives it."""

    def done(self, position: int, outcome: Any, answers: Sequence[Answer]) -> None:
        """The recipe at ``position`` has returned ``outcome``."""

    def tick(self, ledger: Ledger) -> None:
        """Some time has passed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion as a recipe got it: under which key, and whether the store had it."""

    key: str
    completion: Completion
    hit: bool


@dataclass(slots=True)
class Driven(Generic[T]):
    """What a drive gave: the outcome of each recipe, by position; its ledger; and why it stopped.

    ``error`` is what ended it, if the model could not go on.
    """

    outcomes: dict[int, T]
    ledger: Ledger
    error: ModelError | None = None


@dataclass(slots=True)
class _Task(Generic[T]):
    """One recipe on its way: the keys it waits for, in the order it asked, and their answers."""

    position: int
    recipe: Recipe[T]
    keys: list[str] = field(default_factory=list)
    answers: dict[str, Completion] = field(default_factory=dict)
    got: list[Answer] = field(default_factory=list)


class Drive(Generic[T]):
    """One run under way. Use :func:`drive`."""

    def __init__(
        self,
        *,
        model: Model,
        store: Store,
        budget: Budget,
        stop: threading.Event | None,
        watch: Watch | None,
    ) -> None:
        self.model, self.store, self.budget = model, store, budget
        self.stop, self.watch = stop, watch
        self.outcomes: dict[int, T] = {}
        self.ledger = Ledger(cost=0.0 if model.price is not None else None)
        self.fingerprint = model.fingerprint
        self.fresh: deque[tuple[_Task[T], str, Request]] = deque()
        self.waiting: dict[str, list[_Task[T]]] = {}
        self.held: deque[tuple[str, Request]] = deque()
        self.feed: list[Request] = []
        self.keys: list[str] = []
        self.reserved: dict[int, int] = {}
        self.began = time.perf_counter()

    def resume(self, task: _Task[T], completions: list[Completion] | None) -> None:
        """Let a recipe go on until it asks again or returns."""
        while True:
            try:
                asked = next(task.recipe) if completions is None else task.recipe.send(completions)
            except StopIteration as end:
                self.outcomes[task.position] = end.value
                if self.watch is not None:
                    self.watch.done(task.position, end.value, task.got)
                return
            if asked:
                task.keys = [request.key(self.fingerprint) for request in asked]
                task.answers = {}
                once = dict(zip(task.keys, asked, strict=True))
                self.fresh.extend((task, key, request) for key, request in once.items())
                return
            completions = []

    def look_up(self) -> None:
        """Answer what the store holds; queue the rest for the model."""
        while self.fresh:
            part = [self.fresh.popleft() for _ in range(min(LOOK_UP, len(self.fresh)))]
            found = self.store.get(list({key: None for _, key, _ in part}))
            for task, key, request in part:
                if key in found:
                    self.ledger = replace(self.ledger, hits=self.ledger.hits + 1)
                    self.deliver(task, Answer(key, found[key], True))
                elif key in self.waiting:
                    self.waiting[key].append(task)
                else:
                    self.waiting[key] = [task]
                    self.held.append((key, request))

    def deliver(self, task: _Task[T], answer: Answer) -> None:
        """Hand an answer to a recipe, and let it go on once it has all it asked for."""
        task.answers[answer.key] = answer.completion
        task.got.append(answer)
        if len(task.answers) == len(set(task.keys)):
            self.resume(task, [task.answers[key] for key in task.keys])

    def release(self) -> None:
        """Pass queued requests on to the model, as far as the budget allows."""
        while self.held:
            key, request = self.held[0]
            if not self.affords(request):
                return
            self.held.popleft()
            self.reserved[len(self.feed)] = _most_tokens(request)
            self.feed.append(request)
            self.keys.append(key)

    def affords(self, request: Request) -> bool:
        """Whether one more request keeps to the budget even if all in flight use all they may."""
        limits, ledger = self.budget, self.ledger
        most = limits.max_requests
        if most is not None and ledger.requests + len(self.reserved) >= most:
            return False
        if limits.max_tokens_total is None and limits.max_cost is None:
            return True
        coming = sum(self.reserved.values()) + _most_tokens(request)
        if limits.max_tokens_total is not None:
            spent = ledger.prompt_tokens + ledger.completion_tokens
            if spent + coming > limits.max_tokens_total:
                return False
        if limits.max_cost is not None and self.model.price is not None:
            dearest = max(self.model.price) / 1e6
            if (ledger.cost or 0.0) + coming * dearest > limits.max_cost:
                return False
        return True

    def book(self, position: int, completion: Completion) -> None:
        """Enter what an answer took into the ledger."""
        self.reserved.pop(position, None)
        ledger, price = self.ledger, self.model.price
        cost = ledger.cost
        if cost is not None and price is not None:
            cost += completion.prompt_tokens * price[0] / 1e6
            cost += completion.completion_tokens * price[1] / 1e6
        self.ledger = replace(
            ledger,
            requests=ledger.requests + completion.tries,
            prompt_tokens=ledger.prompt_tokens + completion.prompt_tokens,
            completion_tokens=ledger.completion_tokens + completion.completion_tokens,
            cost=cost,
        )

    def ask(self) -> None:
        """Ask the model for all that is queued, and for what follows from its answers."""
        if self.held and self.stop is not None and self.stop.is_set():
            raise KeyboardInterrupt
        self.release()
        if not self.feed:
            return
        self.store.add_model(self.fingerprint, self.model.name)
        answers = self.model.complete(self.feed)
        try:
            for answered in answers:
                if answered is not None:
                    self.take(*answered)
                if self.watch is not None:
                    self.watch.tick(self.clocked())
                if self.stop is not None and self.stop.is_set():
                    raise KeyboardInterrupt
        finally:
            close = getattr(answers, "close", None)
            if close is not None:
                close()

    def take(self, position: int, completion: Completion) -> None:
        """Commit one answer, then give it to those who wait for it."""
        key, request = self.keys[position], self.feed[position]
        self.book(position, completion)
        if completion.finish != "error":
            completion = self.store.put(key, request.payload(self.fingerprint), completion)
        for task in self.waiting.pop(key):
            self.deliver(task, Answer(key, completion, False))
        self.look_up()
        self.release()

    def clocked(self) -> Ledger:
        """The ledger as of now."""
        return replace(self.ledger, seconds=time.perf_counter() - self.began)


def drive(
    recipes: Iterable[Recipe[T]],
    *,
    model: Model,
    store: Store,
    budget: Budget | None = None,
    stop: threading.Event | None = None,
    watch: Watch | None = None,
) -> Driven[T]:
    """The outcome of every recipe that could end, whatever happened on the way.

    An interrupt (Ctrl-C, the kernel's, or ``stop`` set from another thread), a budget that is used
    up and a model that fails all end the run early, with what is done; ``ledger.stopped`` says
    which it was.

    Raises
    ------
    UsageError
        If the budget limits the cost of a model whose price is not known.
    """
    limits = budget or getattr(model, "budget", None) or Budget()
    if budget is not None and isinstance(model, Endpoint):
        model = replace(model, budget=budget)  # so that tries again count too
    if limits.max_cost is not None and model.price is None:
        raise UsageError(
            f"max_cost needs the price of {model.name}; give load_model(..., price=(prompt, "
            "completion)) in US dollars per million tokens."
        )
    run: Drive[T] = Drive(model=model, store=store, budget=limits, stop=stop, watch=watch)
    stopped, error = "", None
    try:
        for position, recipe in enumerate(recipes):
            run.resume(_Task(position, recipe), None)
        run.look_up()
        run.ask()
        if run.held:
            stopped = f"the budget is used up ({_limits(limits)})"
    except (KeyboardInterrupt, asyncio.CancelledError):
        stopped = "interrupted"
    except ModelError as failure:
        stopped, error = str(failure), failure
    return Driven(run.outcomes, replace(run.clocked(), stopped=stopped), error)


def _most_tokens(request: Request) -> int:
    """Most tokens a request can use. No tokenizer makes more tokens of a text than it has bytes;
    64 more, and 8 for each turn, are for the chat template."""
    texts = [message.content.encode("utf-8", "surrogatepass") for message in request.messages]
    prompt = 64 + sum(len(text) + 8 for text in texts)
    return prompt + (request.sampling.max_tokens or 1024)


def _limits(budget: Budget) -> str:
    given = {
        "max_requests": budget.max_requests,
        "max_tokens_total": budget.max_tokens_total,
        "max_cost": budget.max_cost,
    }
    return ", ".join(f"{name}={value}" for name, value in given.items() if value is not None)
