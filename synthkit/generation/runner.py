"""The runner: answers the requests of a recipe, each once, from the store or by a model.

A recipe is a generator that yields requests and receives their completions. The runner runs its
branches side by side: the store answers what it holds, and the rest goes to the models in one
growing list, so that no branch waits for another. Requests of branches that started first are sent
first, so that rows of many steps are finished before new ones are started. Each completion is
committed before its recipe sees it, and before another request takes its place at the model, so
that a killed process wastes no more than its model answers at once. There is no other code to
resume a run: a run after a crash finds the completions in the store.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from synthkit.core.answers import REASONING_MARKERS, separated
from synthkit.core.errors import SynthkitError, UsageError, unknown
from synthkit.core.garbage import collection_paused
from synthkit.core.models import Activity, Budget, Ledger, Model
from synthkit.core.types import Completion, Reject, Request, Row, Steps
from synthkit.generation import role_models
from synthkit.generation.branches import Answer, Branch, Branches
from synthkit.generation.commits import Arrived, Commits
from synthkit.generation.request_queue import RequestQueue
from synthkit.generation.rows import RowEvent, Rows
from synthkit.generation.spending import Spending, limited
from synthkit.store.store import Store

T = TypeVar("T")

LOOK_UP = 900
"""How many requests are looked up in the store at once."""

AHEAD = 128
"""How many requests a model is handed before it has answered the first; its concurrency if it has
one. The others wait, so that rows already started are finished before new ones start."""
TICK_SECONDS = 0.05
TOGETHER_SECONDS = 0.03
"""How long the answers of a server are taken together, if they arrive without a pause."""
ELSEWHERE = Activity("waiting for another run that is generating the same rows")
LOCKED = Activity("waiting for another program that keeps the session locked")


class RunListener(Protocol):
    """Follows a run; called from the thread that runs it."""

    def row_made(self, event: RowEvent) -> None:
        """A branch has made a row, or a reject."""

    def branch_ended(self, position: int, result: Any, answers: Sequence[Answer]) -> None:
        """The branch at ``position`` has returned ``result``."""

    def tick(self, ledger: Ledger, activity: Activity) -> None:
        """Some time has passed; ``activity`` is what the models do, or what the run waits for."""


@dataclass(slots=True)
class RunOutcome(Generic[T]):
    """What a run made, as far as it went.

    Parameters
    ----------
    results : what each branch returned, by position, in the order in which they ended.
    events : the rows and rejects, in the order of the branches.
    unsent : the requests that were next when the run stopped.
    error : what ended the run, if a model, the recipe or the store failed, or Ctrl-C did.
    """

    results: dict[int, T]
    events: list[RowEvent]
    ledger: Ledger
    unsent: list[Request]
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How many requests are handed to the models, and how their answers are committed.

    Parameters
    ----------
    ahead : most requests that they are handed and whose answers are not on disk.
    is_remote : the only model is behind a server. Its answers come in bursts, and its slots are
        filled before anything else is done.
    together : see :class:`~synthkit.generation.commits.Commits`.
    """

    ahead: int
    is_remote: bool
    together: float | None

    @staticmethod
    def of(models: Iterable[Model]) -> Pace:
        """The pace of some models, which may be the same one several times."""
        distinct = {id(model): model for model in models}.values()
        remote = [hasattr(model, "concurrency") for model in distinct]
        is_remote = remote == [True]
        return Pace(
            ahead=sum(getattr(model, "concurrency", AHEAD) for model in distinct),
            is_remote=is_remote,
            together=TOGETHER_SECONDS if is_remote else 0.0 if any(remote) else None,
        )


class Runner(Generic[T]):
    """One run under way. Use :func:`run_recipe`."""

    def __init__(
        self,
        *,
        models: Mapping[str, Model],
        store: Store,
        spending: Spending,
        cancel: threading.Event | None,
        listener: RunListener | None,
        no_truncated: bool,
    ) -> None:
        self.models, self.store, self.spending = models, store, spending
        self.cancel, self.listener = cancel, listener
        self.branches, self.rows = Branches(self), Rows(no_truncated=no_truncated)
        self.results: dict[int, T] = {}
        self.fingerprints = {role: model.fingerprint for role, model in models.items()}
        self.queue = RequestQueue(store)
        self.pace = Pace.of(models.values())
        self.commits = Commits(store, together=self.pace.together)
        self.hits = self.repairs = 0

    def key(self, request: Request) -> str:
        """The key of a request to the model that will answer it."""
        if request.to not in self.fingerprints:
            raise UsageError(unknown("role", request.to, self.fingerprints))
        return request.key(self.fingerprints[request.to])

    def asked(self, branch: Branch, requests: Mapping[str, Request]) -> None:
        """Queue what a branch asks for."""
        self.repairs += sum(request.purpose == "repair" for request in requests.values())
        self.queue.new.extend((branch, key, request) for key, request in requests.items())

    def yielded(self, branch: Branch, outcome: Row | Reject) -> None:
        """Add a row or a reject to what the run made."""
        requests = {self.key(request): request for request in outcome.of} or dict(branch.requests)
        event = self.rows.add(branch.position, outcome, requests)
        if self.listener is not None:
            self.listener.row_made(event)

    def ended(self, branch: Branch) -> None:
        """Keep the result of a branch."""
        self.results[branch.position] = branch.result
        self.spending.branch_ended(branch.position)
        if self.listener is not None:
            self.listener.branch_ended(branch.position, branch.result, branch.answers)

    def run(self) -> None:
        """Have the models answer each request that the store does not hold.

        Raises
        ------
        KeyboardInterrupt
            If ``cancel`` is set.
        ModelError
            If no request can succeed.
        """
        self.look_up()
        if self.queue.unsent and self.cancel is not None and self.cancel.is_set():
            raise KeyboardInterrupt
        while (waits := self.send()) or self.in_flight:
            if self.in_flight:
                self.stream()
            elif waits:
                self.queue.leases.release()  # so that no two runs wait for each other
                self.tick(ELSEWHERE if self.queue.elsewhere else LOCKED)
                time.sleep(TICK_SECONDS)
                self.queue.try_again()

    def stream(self) -> None:
        """Take completions from the models until they have answered all that they were sent."""
        for role, model in self.models.items():
            self.store.models.add(self.fingerprints[role], model.name)
        with closing(role_models.complete(self.models, self.queue.sent)) as completions:
            for completed in completions:
                if completed is not None:
                    self.take(*completed)
                self.go_on(ticked=completed is None)
                self.tick()
                if self.queue.try_again():
                    self.send()
        self.queue.restart()

    def tick(self, waiting: Activity | None = None) -> None:
        """Tell the listener the time, and end the run if it was cancelled."""
        self.queue.leases.renew()
        if self.listener is not None:
            self.listener.tick(self.ledger(), waiting or role_models.activity(self.models))
        if self.cancel is not None and self.cancel.is_set():
            raise KeyboardInterrupt

    def look_up(self) -> None:
        """Answer new requests from the store; queue the others for the models."""
        queue = self.queue
        while queue.new:
            part = [queue.new.popleft() for _ in range(min(LOOK_UP, len(queue.new)))]
            with collection_paused():
                cached = self.store.completions.get(list({key: None for _, key, _ in part}))
                for branch, key, request in part:
                    if key in cached:
                        self.hits += 1
                        self.deliver(branch, Answer(key, cached[key], True))
                    else:
                        queue.wait(branch, key, request)

    def send(self) -> bool:
        """Hand queued requests to the models, as far as the budget and uncommitted answers allow.

        A request is looked up again as it is leased, since another kernel may have its completion
        by now. Returns whether some requests wait for another program.

        Raises
        ------
        StoreError
            If their completions could not be stored; nothing is sent then.
        """
        queue, spending = self.queue, self.spending
        while queue.unsent and self.in_flight + len(self.commits.waiting) < self.pace.ahead:
            position, _, key, request = queue.unsent[0]
            if not spending.affords(request, position):
                break
            if key in queue.leases.keys:
                spending.reserve(len(queue.sent), request, position)
                queue.push_next()
            elif (stored := queue.claim()) is None:
                return True
            else:
                self.deliver_cached(stored)
        return bool(queue.elsewhere)

    def deliver_cached(self, stored: Mapping[str, Completion]) -> None:
        """Give completions that another kernel has stored to the branches that wait for them."""
        for key, completion in stored.items():
            branches = self.queue.waiting.pop(key)
            self.hits += len(branches)
            for branch in branches:
                self.deliver(branch, Answer(key, completion, True))
        self.look_up()

    def take(self, place: int, completion: Completion) -> None:
        """Take a completion from a model, to be committed; or note what a request waits for."""
        if completion.finish == "later":
            self.spending.set_aside(place)
            self.queue.later[completion.error] = None
            return
        key, request = self.queue.keys[place], self.queue.sent[place]
        model = self.models[request.to]
        self.spending.charge(place, request, completion, model)
        markers = getattr(model, "reasoning_markers", REASONING_MARKERS)
        completion = separated(completion, request, markers)
        is_stored = completion.finish != "error"
        payload = request.payload(self.fingerprints[request.to]) if is_stored else None
        self.commits.add(Arrived(key, payload, completion))

    def go_on(self, *, ticked: bool) -> None:
        """Commit what has arrived, if it is time, and resume the branches that wait for it.

        A server gets its next requests first, and the branches are resumed while it works on them.
        """
        sent = len(self.queue.sent)
        if self.commits.waiting and (ticked or self.commits.is_due() or not self.in_flight):
            self.commit()
            if self.pace.is_remote:
                self.send()
        if (ticked and len(self.queue.sent) == sent) or not (
            self.pace.is_remote and self.in_flight
        ):
            self.deliver_committed()

    @property
    def in_flight(self) -> int:
        """How many requests the models have, and have not answered."""
        return self.spending.in_flight

    def commit(self) -> None:
        """Commit what has arrived, unless another program keeps the store locked.

        The models are not asked for more while all that they were sent is uncommitted.
        """
        while not self.commits.commit():
            if self.in_flight:
                return
            self.tick(LOCKED)
            time.sleep(TICK_SECONDS)

    def deliver_committed(self) -> None:
        """Give what is committed to the branches that wait for it, and send what they ask."""
        while self.commits.committed:
            self.deliver_all()
            self.look_up()
            self.send()

    def settle(self) -> None:
        """At the end of a run, keep what has arrived, and give it to the branches."""
        self.commits.settle()
        with suppress(SynthkitError):  # the error that ended the run is the one to be told
            self.deliver_all()
        self.queue.leases.close()

    def deliver_all(self) -> None:
        """Give each committed completion to the branches that wait for it."""
        while self.commits.committed:
            key, payload, completion = self.commits.committed.popleft()
            if payload is None:
                self.queue.leases.release([key])  # so that other runs can try it
            for branch in self.queue.waiting.pop(key):
                self.deliver(branch, Answer(key, completion, False))

    def deliver(self, branch: Branch, answer: Answer) -> None:
        """Give a branch an answer."""
        self.rows.count(answer)
        self.branches.deliver(branch, answer)

    def ledger(self) -> Ledger:
        """The ledger as of now. Requests that got no answer were sent as well."""
        unanswered = self.spending.unanswered(self.models.values())
        return replace(
            self.spending.ledger,
            requests=self.spending.ledger.requests + unanswered,
            hits=self.hits,
            repairs=self.repairs,
            truncated=len(self.rows.truncated),
            seconds=self.spending.seconds,
        )


def run_recipe(
    branches: Iterable[Steps[T]],
    *,
    models: Mapping[str, Model],
    store: Store,
    budget: Budget | None = None,
    cancel: threading.Event | None = None,
    listener: RunListener | None = None,
    requests_each: int = 1,
    no_truncated: bool = False,
) -> RunOutcome[T]:
    """What the branches of a recipe made, as far as the run went.

    An interrupt (Ctrl-C, the kernel's, or ``cancel`` set from another thread), a budget that is
    used up, a model that fails and a store that cannot be written all end the run early, with what
    was made; ``ledger.stopped`` says which it was.

    Parameters
    ----------
    models : role -> the model that answers the requests ``to`` it; ``""`` answers the others.
    requests_each : the most requests of one branch, as far as is known. A budget of requests starts
        no more branches side by side than it can finish.
    no_truncated : rows that rest on a completion that was cut become rejects.

    Raises
    ------
    UsageError
        If the budget limits the cost of a model whose price is unknown, or a recipe asks for a role
        that no model has.
    """
    models, limits = limited(models, budget)
    prices = [model.price for model in models.values()]
    run: Runner[T] = Runner(
        models=models,
        store=store,
        spending=Spending(limits, prices, requests_each),
        cancel=cancel,
        listener=listener,
        no_truncated=no_truncated,
    )
    stopped = ""
    error: BaseException | None = None
    try:
        if not store.read_only:
            store.completions.absorb()
        with collection_paused():
            for position, steps in enumerate(branches):
                run.branches.start(position, steps)
        run.run()
        unsent = [f"the budget is used up ({run.spending})"] if run.queue.unsent else []
        stopped = "; ".join([*run.queue.later, *unsent])
    except (KeyboardInterrupt, asyncio.CancelledError) as interrupt:
        stopped = "interrupted"
        if cancel is None or not cancel.is_set():
            error = interrupt
    except SynthkitError as failure:
        stopped, error = str(failure), failure
    except Exception as failure:  # of a model or listener that is not synthkit's
        stopped, error = f"{type(failure).__name__}: {failure}", failure
    run.settle()
    # in the order of the branches; the rows of one branch stay in the order it made them
    events = sorted(run.rows.events, key=lambda event: event.position)
    ledger = replace(run.ledger(), stopped=stopped)
    return RunOutcome(run.results, events, ledger, run.queue.remaining(), error)
