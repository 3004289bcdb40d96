"""The driver: runs recipes against models and a store.

A recipe is a generator that yields requests and receives their completions. The driver runs many
side by side: what the store holds is answered from it, the rest goes to the model in one growing
list, so that no recipe waits for another, and those that began first come first, so that rows of
many steps are made from the start. Each completion is committed before its recipe sees it.
There is no other resume code: a run after a crash finds its answers in the store.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

from synthkit.core.errors import ModelError, RecipeError, SynthkitError, UsageError
from synthkit.core.types import (
    Budget,
    Completion,
    Ledger,
    Model,
    Reject,
    Request,
    Row,
    Steps,
    digest,
)
from synthkit.models.openai.model import Endpoint
from synthkit.models.pool import Several
from synthkit.store.ids import ID_DIGITS
from synthkit.store.store import Store

T = TypeVar("T")

LOOK_UP = 900
"""How many requests are looked up in the store at once."""

AHEAD = 128
"""How many requests a model is handed before it has answered the first; more if it answers more
than half as many at once. The others wait, so that what follows from an answer comes before what
begins a further recipe."""


class RunListener(Protocol):
    """What follows a run while it goes on; called from the thread that drives it."""

    def made(self, made: RowEvent) -> None:
        """A recipe has made a row, or rejects an answer."""

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


@dataclass(frozen=True, slots=True)
class RowEvent:
    """A row or a reject, as a recipe yielded it.

    ``position`` is the recipe's; ``of`` has the requests it rests on by their keys; ``tokens`` were
    completed for it, and for no row before it; ``hit`` says that the store held all of them.
    """

    position: int
    id: str
    outcome: Row | Reject
    of: Mapping[str, Request]
    tokens: int
    hit: bool


@dataclass(slots=True)
class RunOutcome(Generic[T]):
    """What a drive gave: the outcome of each recipe, by position, and what it made, in the order
    of the recipes; the ledger; and why it stopped.

    ``left`` is what was next to ask when it did; ``error`` is what ended it, if the model could
    not go on, or if a recipe failed.
    """

    outcomes: dict[int, T]
    made: list[RowEvent]
    ledger: Ledger
    left: list[Request]
    error: SynthkitError | None = None


@dataclass(slots=True)
class _Task:
    """Steps on their way, and what they wait for: answers by their keys, or further steps."""

    position: int
    steps: Steps[Any]
    parent: _Task | None = None
    place: int = 0
    keys: list[str] = field(default_factory=list)
    answers: dict[str, Completion] = field(default_factory=dict)
    children: list[_Task] = field(default_factory=list)
    left: int = 0
    outcome: Any = None
    asked: dict[str, Request] = field(default_factory=dict)
    got: list[Answer] = field(default_factory=list)


class Runner(Generic[T]):
    """One run under way. Use :func:`drive`."""

    def __init__(
        self,
        *,
        models: Several,
        store: Store,
        budget: Budget,
        stop: threading.Event | None,
        watch: RunListener | None,
        each: int,
    ) -> None:
        self.models, self.store, self.budget = models, store, budget
        self.stop, self.watch, self.each = stop, watch, each
        at_once = (getattr(model, "concurrency", 0) for model in models.models.values())
        self.ahead = max(AHEAD, 2 * sum(at_once))
        self.outcomes: dict[int, T] = {}
        self.made: list[RowEvent] = []
        self.told: dict[str, tuple[int, bool]] = {}
        self.repeats: Counter[tuple[int, tuple[str, ...]]] = Counter()
        priced = all(model.price is not None for model in models.models.values())
        self.ledger = Ledger(cost=0.0 if priced else None)
        self.fingerprints = {role: model.fingerprint for role, model in models.models.items()}
        self.ready: deque[tuple[_Task, list[Any] | None]] = deque()
        self.advancing = False
        self.fresh: deque[tuple[_Task, str, Request]] = deque()
        self.waiting: dict[str, list[_Task]] = {}
        self.held: list[tuple[int, int, str, Request]] = []
        self.turn = itertools.count()
        self.begun: dict[int, int] = {}
        self.due = 0
        self.feed: list[Request] = []
        self.keys: list[str] = []
        self.reserved: dict[int, int] = {}
        self.hits = self.repairs = 0
        self.began = time.perf_counter()

    def resume(self, task: _Task, reply: list[Any] | None) -> None:
        """Let steps go on, and all that goes on because they did, until each waits or has ended."""
        self.ready.append((task, reply))
        if self.advancing:
            return
        self.advancing = True
        try:
            while self.ready:
                self.advance(*self.ready.popleft())
        finally:
            self.advancing = False

    def advance(self, task: _Task, reply: list[Any] | None) -> None:
        """Let steps go on until they wait for something or end."""
        while True:
            try:
                step: Any = next(task.steps) if reply is None else task.steps.send(reply)
            except StopIteration as end:
                self.end(task, end.value)
                return
            except SynthkitError:
                raise
            except Exception as error:
                raise failed(error) from error
            reply = []
            if not step:
                continue
            if isinstance(step[0], Request):
                self.want(task, step)
                return
            if not isinstance(step[0], Row | Reject):
                task.children = [_Task(task.position, s, task, i) for i, s in enumerate(step)]
                task.left = len(step)
                self.ready.extend((child, None) for child in task.children)
                return
            for outcome in step:
                self.keep(task, outcome)

    def want(self, task: _Task, requests: Sequence[Request]) -> None:
        """Queue what steps ask for."""
        task.keys = [self.key(request) for request in requests]
        task.answers = {}
        once = dict(zip(task.keys, requests, strict=True))
        self.repairs += sum(request.purpose == "repair" for request in requests)
        task.asked |= once
        self.fresh.extend((task, key, request) for key, request in once.items())

    def keep(self, task: _Task, outcome: Row | Reject) -> None:
        """Take a row or a reject into what was made."""
        if task.parent is not None:
            raise UsageError(
                "only a recipe's outermost steps yield rows; steps within it return them."
            )
        of = {self.key(request): request for request in outcome.of} or dict(task.asked)
        keys = tuple(of) or (digest(repr(outcome)),)
        # one that rests on no answer may be made alike by several recipes
        alike = (task.position if of else -1, keys)
        nth = self.repeats[alike]
        self.repeats[alike] += 1
        tokens, hit = 0, True
        for key in of:  # what an answer took is told once, with the first row that rests on it
            took, held = self.told.pop(key, (0, True))
            tokens, hit = tokens + took, hit and held
        made = RowEvent(task.position, row_id(keys, nth), outcome, of, tokens, hit)
        self.made.append(made)
        if self.watch is not None:
            self.watch.made(made)

    def end(self, task: _Task, outcome: Any) -> None:
        """Hand what steps returned to those that wait for them."""
        task.outcome = outcome
        parent = task.parent
        if parent is None:
            self.outcomes[task.position] = outcome
            self.due -= max(0, self.each - self.begun.pop(task.position, self.each))
            if self.watch is not None:
                self.watch.done(task.position, outcome, task.got)
            return
        parent.left -= 1
        if not parent.left:
            children, parent.children = parent.children, []
            for child in children:
                parent.asked |= child.asked
                parent.got += child.got
            self.ready.append((parent, [child.outcome for child in children]))

    def key(self, request: Request) -> str:
        """The key of a request to the model that will answer it."""
        if request.to not in self.fingerprints:
            self.models.of(request)  # says which roles there are
        return request.key(self.fingerprints[request.to])

    def look_up(self) -> None:
        """Answer what the store holds; queue the rest for the model."""
        while self.fresh:
            part = [self.fresh.popleft() for _ in range(min(LOOK_UP, len(self.fresh)))]
            found = self.store.completions.get(list({key: None for _, key, _ in part}))
            for task, key, request in part:
                if key in found:
                    self.hits += 1
                    self.deliver(task, Answer(key, found[key], True))
                elif key in self.waiting:
                    self.waiting[key].append(task)
                else:
                    self.waiting[key] = [task]
                    turn = next(self.turn)
                    heapq.heappush(self.held, (task.position, turn, key, request))

    def deliver(self, task: _Task, answer: Answer) -> None:
        """Hand an answer to a recipe, and let it go on once it has all it asked for."""
        self.told[answer.key] = (answer.completion.completion_tokens, answer.hit)
        task.answers[answer.key] = answer.completion
        task.got.append(answer)
        if len(task.answers) == len(set(task.keys)):
            self.resume(task, [task.answers[key] for key in task.keys])

    def release(self) -> None:
        """Pass queued requests on to the model, as far as the budget allows."""
        while self.held and len(self.reserved) < self.ahead:
            position, _, key, request = self.held[0]
            if not self.affords(request, position):
                return
            heapq.heappop(self.held)
            sent = self.begun.get(position, 0)
            self.due += self.each - 1 if not sent else -(sent < self.each)
            self.begun[position] = sent + 1
            self.reserved[len(self.feed)] = _most_tokens(request)
            self.feed.append(request)
            self.keys.append(key)

    def affords(self, request: Request, position: int) -> bool:
        """Whether one more request keeps to the budget even if all in flight use all they may.

        It does not if it is a recipe's first, and those under way may need what is left.
        """
        limits, ledger = self.budget, self.ledger
        if limits.max_requests is not None:
            left = limits.max_requests - ledger.requests - len(self.reserved)
            begins = position not in self.begun and self.reserved
            if left < (self.due + self.each if begins else 1):
                return False
        if limits.max_tokens_total is None and limits.max_cost is None:
            return True
        coming = sum(self.reserved.values()) + _most_tokens(request)
        if limits.max_tokens_total is not None:
            spent = ledger.prompt_tokens + ledger.completion_tokens
            if spent + coming > limits.max_tokens_total:
                return False
        if limits.max_cost is not None:
            prices = (model.price or (0.0, 0.0) for model in self.models.models.values())
            dearest = max(map(max, prices)) / 1e6
            if (ledger.cost or 0.0) + coming * dearest > limits.max_cost:
                return False
        return True

    def book(self, position: int, completion: Completion) -> None:
        """Enter what an answer took into the ledger."""
        self.reserved.pop(position, None)
        ledger, price = self.ledger, self.models.of(self.feed[position]).price
        cost = ledger.cost
        if cost is not None and price is not None:
            cost += completion.prompt_tokens * price[0] / 1e6
            cost += completion.completion_tokens * price[1] / 1e6
        self.ledger = replace(
            ledger,
            requests=ledger.requests + completion.tries,
            answers=ledger.answers + 1,
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
        for role, model in self.models.models.items():
            self.store.models.add(self.fingerprints[role], model.name)
        answers = self.models.complete(self.feed)
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
            payload = request.payload(self.fingerprints[request.to])
            completion = self.store.completions.put(key, payload, completion)
        for task in self.waiting.pop(key):
            self.deliver(task, Answer(key, completion, False))
        self.look_up()
        self.release()

    def clocked(self) -> Ledger:
        """The ledger as of now."""
        seconds = time.perf_counter() - self.began
        return replace(self.ledger, hits=self.hits, repairs=self.repairs, seconds=seconds)


def drive(
    recipes: Iterable[Steps[T]],
    *,
    model: Model,
    others: Mapping[str, Model] | None = None,
    store: Store,
    budget: Budget | None = None,
    stop: threading.Event | None = None,
    watch: RunListener | None = None,
    each: int = 1,
) -> RunOutcome[T]:
    """The outcome of every recipe that could end, whatever happened on the way.

    An interrupt (Ctrl-C, the kernel's, or ``stop`` set from another thread), a budget that is used
    up and a model that fails all end the run early, with what is done; ``ledger.stopped`` says
    which it was.

    Parameters
    ----------
    model : answers all requests but those with a role.
    others : role -> the model that answers requests ``to`` it.
    each : most requests of one recipe, as far as is known. A budget of requests begins no more
        recipes side by side than it lets end.

    Raises
    ------
    UsageError
        If the budget limits the cost of a model whose price is not known, or a recipe asks for a
        role that no model has.
    """
    models = {"": model, **(others or {})}
    limits = budget or getattr(model, "budget", None) or Budget()
    for role, one in models.items():
        if budget is not None and isinstance(one, Endpoint):
            models[role] = replace(one, budget=budget)  # so that tries again count too
        if limits.max_cost is not None and one.price is None:
            raise UsageError(
                f"max_cost needs the price of {one.name}; give load_model(..., price=(prompt, "
                "completion)) in US dollars per million tokens."
            )
    run: Runner[T] = Runner(
        models=Several(models), store=store, budget=limits, stop=stop, watch=watch, each=each
    )
    stopped = ""
    error: SynthkitError | None = None
    try:
        for position, recipe in enumerate(recipes):
            run.resume(_Task(position, recipe), None)
        run.look_up()
        run.ask()
        if run.held:
            stopped = f"the budget is used up ({_limits(limits)})"
    except (KeyboardInterrupt, asyncio.CancelledError):
        stopped = "interrupted"
    except (ModelError, RecipeError, UsageError) as failure:
        stopped, error = str(failure), failure
    # in the order of the recipes: each recipe's own rows come in the order it yields them
    made = sorted(run.made, key=lambda one: one.position)
    left = [request for *_, request in sorted(run.held)]
    return RunOutcome(run.outcomes, made, replace(run.clocked(), stopped=stopped), left, error)


def row_id(keys: Sequence[str], nth: int = 0) -> str:
    """The id of the ``nth`` row that rests on the requests of these keys.

    Of a row that rests on one request alone it is how its key begins.

    >>> row_id(["c7a1" * 8])
    'c7a1c7a1c7a1c7a1'
    """
    if len(keys) == 1 and nth == 0:
        return keys[0][:ID_DIGITS]
    return digest([*keys, nth])[:ID_DIGITS]


def failed(error: Exception) -> RecipeError:
    """What to say of an error in a recipe's own code: its words, and where it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].name}, line {frames[-1].lineno})" if frames else ""
    return RecipeError(f"the recipe failed: {type(error).__name__}: {error}{where}")


def _most_tokens(request: Request) -> int:
    """Most tokens a request can use. No tokenizer makes more tokens of a text than it has bytes;
    64 more, and 8 for each turn, are for the chat template."""
    said = [*(message.content for message in request.messages), request.answer or ""]
    texts = [text.encode("utf-8", "surrogatepass") for text in said]
    prompt = 64 + sum(len(text) + 8 for text in texts)
    return prompt + request.most_written


def _limits(budget: Budget) -> str:
    given = {
        "max_requests": budget.max_requests,
        "max_tokens_total": budget.max_tokens_total,
        "max_cost": budget.max_cost,
    }
    return ", ".join(f"{name}={value}" for name, value in given.items() if value is not None)
