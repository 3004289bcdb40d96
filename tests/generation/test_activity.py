"""What a listener is told of what a run does, or waits for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import synthkit as sk
from synthkit.core.models import Activity, Ledger
from synthkit.core.types import Completion, Message, Request
from synthkit.generation.runner import ELSEWHERE, LOCKED, run_recipe
from synthkit.models.fake import Fake


@dataclass
class Told:
    """A listener that keeps each new activity, and may end what the run waits for."""

    seen: list[Activity] = field(default_factory=list)
    act: Callable[[Activity], None] = lambda activity: None

    def row_made(self, event: Any) -> None: ...

    def branch_ended(self, position: int, result: Any, answers: Sequence[Any]) -> None: ...

    def tick(self, ledger: Ledger, activity: Activity) -> None:
        if self.seen[-1:] != [activity]:
            self.seen.append(activity)
        self.act(activity)


class Loading(Fake):
    """A model that loads before it answers."""

    activity = Activity()

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        for self.activity in (Activity("loading fake, 1 MB"), Activity("", 2, 7)):
            yield None
        yield from super().complete(requests)


def asks(text: str, to: str = "") -> Generator[list[Request], list[Completion], str]:
    (completion,) = yield [Request((Message("user", text),), to=to)]
    return completion.text


def test_a_model_says_that_it_loads_and_then_what_is_under_way(session: sk.Session) -> None:
    told = Told()
    run_recipe([asks("a"), asks("b")], models={"": Loading()}, store=session.store, listener=told)
    assert told.seen == [Activity("loading fake, 1 MB"), Activity("", 2, 7)]


def test_several_models_are_told_together(session: sk.Session) -> None:
    draft, judge, silent = Loading(name="draft"), Loading(name="judge"), Fake(seconds=9)
    draft.activity, judge.activity = Activity("loading a", 1, 5), Activity("loading b", 2, 6)
    told = Told()
    models = {"": draft, "again": draft, "judge": judge, "silent": silent}
    run = run_recipe([asks("a", "silent")], models=models, store=session.store, listener=told)
    assert run.error is None
    assert told.seen == [Activity("loading a; loading b", 3, 11)]


def test_a_run_says_that_another_one_generates_its_rows(session: sk.Session) -> None:
    fake = Fake("An answer.")
    key = Request((Message("user", "a"),)).key(fake.fingerprint)
    store = session.store
    with store.transaction():
        store.leases.claim([key], "another")
    told = Told(act=lambda activity: store.leases.release("another", None))
    run = run_recipe([asks("a")], models={"": fake}, store=session.store, listener=told)
    assert run.results == {0: "An answer."}
    assert told.seen[0] == ELSEWHERE


def test_a_run_says_that_another_program_locks_the_session(session: sk.Session) -> None:
    with closing(sqlite3.connect(session.store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def unlock(activity: Activity) -> None:
            if other.in_transaction:
                other.execute("ROLLBACK")

        told = Told(act=unlock)
        run = run_recipe([asks("a")], models={"": Fake("Yes.")}, store=session.store, listener=told)
    assert run.results == {0: "Yes."}
    assert told.seen[0] == LOCKED
