from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import ModelError, UsageError
from synthkit.core.models import Activity, Budget, Ledger
from synthkit.core.types import Completion, Message, Reject, Request, Row, Sampling
from synthkit.generation.runner import AHEAD, RunOutcome, run_recipe
from synthkit.recipes._ask import ask
from synthkit.store.store import Store

Recipe = Generator[list[Request], list[Completion], Any]


def question(text: str, **options: Any) -> Request:
    return Request((Message("user", text),), Sampling(**options))


def text_of(completion: Completion) -> str:
    return completion.text or completion.error


def asks(n: int, **options: Any) -> list[Recipe]:
    return [ask(question(f"q{i}", **options), text_of) for i in range(n)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "store.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def go(store: Store) -> Callable[..., RunOutcome[Any]]:
    def run(recipes: Sequence[Recipe], model: Any = None, **options: Any) -> RunOutcome[Any]:
        models = {"": model or sk.Fake(), **options.pop("others", {})}
        return run_recipe(recipes, models=models, store=store, **options)

    return run


@dataclass
class Looking:
    """A listener that does something at each end of a branch, and remembers them."""

    act: Callable[[int], None] = lambda position: None
    tock: Callable[[], None] = lambda: None
    order: list[int] = field(default_factory=list)
    hits: list[bool] = field(default_factory=list)

    def branch_ended(self, position: int, result: Any, answers: Sequence[Any]) -> None:
        self.order.append(position)
        self.hits += [answer.cached for answer in answers]
        self.act(position)

    def tick(self, ledger: Ledger, activity: Activity) -> None:
        self.tock()


class Newest:
    """A model that answers the newest request first, and says what it was asked."""

    name, fingerprint, price = "newest", "newest", (1.0, 2.0)

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        done: set[int] = set()
        while left := [i for i in range(len(requests)) if i not in done]:
            done.add(left[-1])
            yield left[-1], Completion(requests[left[-1]].messages[-1].content, "stop", 10, 5)


def chain(name: str, steps: int) -> Recipe:
    said = name
    for i in range(steps):
        (completion,) = yield [question(f"{said}{i}")]
        said = completion.text
    return said


def test_the_second_run_makes_no_calls(go: Callable[..., RunOutcome[Any]]) -> None:
    first, fake = go(asks(5)), sk.Fake()
    second = go(asks(5), fake)
    assert second.results == first.results
    assert list(first.results) == [0, 1, 2, 3, 4]
    assert fake.asked == []
    assert (first.ledger.requests, first.ledger.hits) == (5, 0)
    assert (second.ledger.requests, second.ledger.hits) == (0, 5)
    assert (second.ledger.prompt_tokens, second.ledger.cost) == (0, 0.0)


def test_an_answer_is_committed_before_its_recipe_sees_it(store: Store) -> None:
    def look(position: int) -> None:
        other = sqlite3.connect(store.path)
        counts.append(other.execute("SELECT count(*) FROM completions").fetchone()[0])
        other.close()

    counts: list[int] = []
    run_recipe(asks(4), models={"": sk.Fake()}, store=store, listener=Looking(look))
    assert counts == [1, 2, 3, 4]


def test_no_recipe_waits_for_another(go: Callable[..., RunOutcome[Any]]) -> None:
    listener = Looking()
    outcome = go([chain("a", 3), chain("b", 3), chain("c", 3)], Newest(), listener=listener)
    assert listener.order == [2, 1, 0]
    assert outcome.results == {2: "c012", 1: "b012", 0: "a012"}
    assert outcome.ledger.requests == 9
    assert outcome.ledger.cost == pytest.approx(9 * (10 * 1 + 5 * 2) / 1e6)


def test_recipes_that_began_first_end_before_the_last_begin(
    go: Callable[..., RunOutcome[Any]],
) -> None:
    fake, ends = sk.Fake(), []
    go(
        [chain(str(i), 3) for i in range(4 * AHEAD)],
        fake,
        listener=Looking(lambda position: ends.append(len(fake.asked))),
    )
    assert len(ends) == 4 * AHEAD
    assert ends[0] < 3 * AHEAD
    assert ends[len(ends) // 2 - 1] < 7 * AHEAD  # of 12; one step after another would take 10


def test_a_chain_resumes_in_the_middle(go: Callable[..., RunOutcome[Any]]) -> None:
    go([chain("a", 2)], Newest())
    outcome = go([chain("a", 5)], Newest())
    assert outcome.results == {0: "a01234"}
    assert (outcome.ledger.hits, outcome.ledger.requests) == (2, 3)


def test_the_same_request_is_asked_once(go: Callable[..., RunOutcome[Any]]) -> None:
    fake = sk.Fake()
    outcome = go([ask(question("same"), text_of) for _ in range(3)], fake)
    assert len(fake.asked) == 1
    assert len(set(outcome.results.values())) == 1
    assert len(outcome.results) == 3
    assert outcome.ledger.requests == 1


@pytest.mark.parametrize("cached", [False, True])
def test_a_recipe_may_ask_the_same_twice_in_one_step(
    go: Callable[..., RunOutcome[Any]], cached: bool
) -> None:
    def twice() -> Recipe:
        one, two = yield [question("same"), question("same")]
        assert one == two
        (three,) = yield [question("other")]
        return one.text, three.text

    if cached:
        go([twice()])
    fake = sk.Fake()
    outcome = go([twice()], fake)
    assert len(fake.asked) == (0 if cached else 2)
    assert [len(texts) for texts in outcome.results.values()] == [2]


def test_answers_come_in_the_order_they_were_asked(go: Callable[..., RunOutcome[Any]]) -> None:
    def several() -> Recipe:
        completions = yield [question(c) for c in "abcd"]
        return "".join(c.text for c in completions)

    go([ask(question("b"), text_of)], Newest())
    assert go([several()], Newest()).results == {0: "abcd"}


def test_recipes_may_ask_for_nothing(go: Callable[..., RunOutcome[Any]]) -> None:
    def nothing() -> Recipe:
        assert (yield []) == []
        assert (yield []) == []
        return "done"

    def at_once() -> Recipe:
        yield from ()
        return "now"

    fake = sk.Fake()
    assert go([nothing(), at_once()], fake).results == {0: "done", 1: "now"}
    assert fake.asked == []
    assert go([]).results == {}


def test_errors_are_told_not_stored_and_asked_again(
    go: Callable[..., RunOutcome[Any]], store: Store
) -> None:
    outcome = go(asks(20), sk.Fake(fail=0.5))
    failed = [i for i, text in outcome.results.items() if text == "fake was told to fail"]
    assert 0 < len(failed) < 20
    assert store.completions.count() == 20 - len(failed)
    again = go(asks(20))
    assert (again.ledger.requests, again.ledger.hits) == (len(failed), 20 - len(failed))


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, asyncio.CancelledError])
@pytest.mark.parametrize("where", ["act", "tock"])
def test_an_interrupt_keeps_what_is_done(
    go: Callable[..., RunOutcome[Any]], interrupt: type[BaseException], where: str
) -> None:
    def act(*_: Any) -> None:
        if len(listener.order) == 3:
            raise interrupt

    listener = Looking()
    setattr(listener, where, act)
    outcome = go(asks(10), listener=listener)
    assert outcome.ledger.stopped == "interrupted"
    assert list(outcome.results) == [0, 1, 2]
    fake = sk.Fake()
    again = go(asks(10), fake)
    assert (len(fake.asked), again.ledger.stopped, len(again.results)) == (7, "", 10)


def test_a_stop_from_another_thread_ends_the_run(go: Callable[..., RunOutcome[Any]]) -> None:
    stop = threading.Event()
    timer = threading.Timer(0.2, stop.set)
    timer.start()
    slow = sk.Fake(seconds=0.02, concurrency=1)
    outcome = go(asks(500), slow, cancel=stop)
    timer.join()
    assert outcome.ledger.stopped == "interrupted"
    assert 0 < len(outcome.results) < 500


def test_a_stop_before_the_start_gives_what_is_held_and_asks_nothing(
    go: Callable[..., RunOutcome[Any]],
) -> None:
    go(asks(3))
    stop, fake = threading.Event(), sk.Fake()
    stop.set()
    outcome = go(asks(5), fake, cancel=stop)
    assert (list(outcome.results), fake.asked) == ([0, 1, 2], [])
    assert outcome.ledger.stopped == "interrupted"
    assert go(asks(3), fake, cancel=stop).ledger.stopped == ""


def test_a_model_that_dies_keeps_what_is_done(go: Callable[..., RunOutcome[Any]]) -> None:
    outcome = go(asks(10), sk.Fake(die_after=4))
    assert isinstance(outcome.error, ModelError)
    assert outcome.ledger.stopped == "fake was told to die after 4 answers."
    assert len(outcome.results) == 4


@pytest.mark.parametrize("most", [0, 1, 7, 20])
def test_max_requests_is_never_exceeded(go: Callable[..., RunOutcome[Any]], most: int) -> None:
    fake = sk.Fake()
    go(asks(3))
    outcome = go(asks(20), fake, budget=Budget(max_requests=most))
    assert len(fake.asked) == min(most, 17)
    assert len(outcome.results) == 3 + min(most, 17)
    assert outcome.ledger.stopped == (
        "" if most == 20 else f"the budget is used up (max_requests={most})"
    )


def test_follow_ups_are_counted_too(go: Callable[..., RunOutcome[Any]]) -> None:
    outcome = go([chain(c, 3) for c in "abc"], Newest(), budget=Budget(max_requests=5))
    assert outcome.ledger.requests == 5
    assert len(outcome.results) == 1


@pytest.mark.parametrize("most", [30, 32])
def test_a_budget_begins_no_more_recipes_than_it_lets_end(
    go: Callable[..., RunOutcome[Any]], most: int
) -> None:
    outcome = go(
        [chain(str(i), 3) for i in range(30)], budget=Budget(max_requests=most), requests_each=3
    )
    assert outcome.ledger.requests == most  # what is over begins one more
    assert sorted(outcome.results) == list(range(10))
    assert outcome.ledger.stopped


def test_what_a_recipe_does_not_need_begins_others(go: Callable[..., RunOutcome[Any]]) -> None:
    outcome = go(
        [chain(str(i), 2) for i in range(30)], budget=Budget(max_requests=30), requests_each=3
    )
    assert sorted(outcome.results) == list(range(15))


@dataclass
class Greedy:
    """A model that uses each token it may: one for every byte, and ``max_tokens``."""

    name = "greedy"
    fingerprint = "greedy"
    price = (1.0, 3.0)
    asked: int = 0

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        for i, request in enumerate(requests):
            self.asked += 1
            prompt = sum(len(message.content.encode()) for message in request.messages)
            most = request.sampling.max_tokens or 0
            yield i, Completion("x", "stop", prompt, most)


@pytest.mark.parametrize("limit", [0, 100, 1000, 5000, 50_000])
@pytest.mark.parametrize("letter", ["a", "日", "\U0001f600"])
def test_token_and_cost_limits_are_never_exceeded(
    go: Callable[..., RunOutcome[Any]], limit: int, letter: str
) -> None:
    recipes = [ask(question(f"{i} {letter * 40}", max_tokens=50), text_of) for i in range(30)]
    tokens = go(recipes, Greedy(), budget=Budget(max_tokens_total=limit))
    used = tokens.ledger.prompt_tokens + tokens.ledger.completion_tokens
    assert used <= limit
    assert (used > limit - 400) or not tokens.ledger.stopped
    recipes = [ask(question(f"{i} more {letter * 40}", max_tokens=50), text_of) for i in range(30)]
    cost = go(recipes, Greedy(), budget=Budget(max_cost=limit / 1e6))
    assert cost.ledger.cost is not None
    assert cost.ledger.cost <= limit / 1e6


def test_a_models_own_budget_holds_unless_another_is_given(
    go: Callable[..., RunOutcome[Any]],
) -> None:
    fake = sk.Fake()
    fake.budget = Budget(max_requests=2)  # type: ignore[attr-defined]
    assert go(asks(5), fake).ledger.requests == 2
    assert go(asks(5), fake, budget=Budget()).ledger.requests == 3


def test_a_cost_limit_needs_a_price(go: Callable[..., RunOutcome[Any]]) -> None:
    with pytest.raises(UsageError, match="max_cost needs the price of fake"):
        go(asks(1), sk.Fake(price=None), budget=Budget(max_cost=1.0))
    assert go(asks(1), sk.Fake(price=None)).ledger.cost is None


def test_tries_count_as_requests(go: Callable[..., RunOutcome[Any]]) -> None:
    class Retrying(Newest):
        def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
            for item in super().complete(requests):
                assert item is not None
                yield item[0], replace(item[1], tries=3)

    assert go(asks(4), Retrying()).ledger.requests == 12


def test_a_model_is_closed_when_a_run_is_interrupted(go: Callable[..., RunOutcome[Any]]) -> None:
    closed = []

    class Closing(Newest):
        def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
            try:
                yield from super().complete(requests)
            finally:
                closed.append(True)

    def interrupt(position: int) -> None:
        raise KeyboardInterrupt

    go(asks(3), Closing(), listener=Looking(interrupt))
    assert closed == [True]


def test_a_watch_is_told_which_answers_were_held(go: Callable[..., RunOutcome[Any]]) -> None:
    go(asks(2))
    listener = Looking()
    go(asks(4), listener=listener)
    assert listener.order == [0, 1, 2, 3]
    assert listener.hits == [True, True, False, False]


def test_an_answer_that_another_kernel_stored_first_is_the_one_used(store: Store) -> None:
    request, model = question("q0"), Newest()

    class Late(Newest):
        def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
            key = request.key("newest")
            store.completions.put(key, request.payload("newest"), Completion("first"))
            yield from super().complete(requests)

    outcome = run_recipe([ask(request, text_of)], models={"": Late()}, store=store)
    assert outcome.results == {0: "first"}
    assert model.name == "newest"


def test_what_steps_within_steps_return_comes_in_their_order(
    go: Callable[..., RunOutcome[Any]],
) -> None:
    def forked() -> Any:
        outer = yield [chain("a", 3), chain("b", 1), iter_of("c")]
        inner = yield [nested()]
        return outer, inner

    def iter_of(value: str) -> Any:
        return value
        yield []

    def nested() -> Any:
        (found,) = yield [chain("d", 2)]
        return [found]

    outcome = go([forked()], Newest())
    (outer, inner) = outcome.results[0]
    assert outer == [result_alone(go, "a", 3), result_alone(go, "b", 1), "c"]
    assert inner == [[result_alone(go, "d", 2)]]


def result_alone(go: Callable[..., RunOutcome[Any]], name: str, steps: int) -> Any:
    return go([chain(name, steps)], Newest()).results[0]


def test_rows_have_ids_of_what_they_rest_on(go: Callable[..., RunOutcome[Any]]) -> None:
    def rows() -> Any:
        one, two = question("one"), question("two")
        yield [one, two]
        yield [Row({"n": 1}, of=(one,)), Row({"n": 2}, of=(one,)), Row({"n": 3}, of=(two, one))]
        yield [Row({"n": 4})]

    first = go([rows()])
    one, two = (question(text).key(sk.Fake().fingerprint) for text in ("one", "two"))
    assert [tuple(event.requests) for event in first.events] == [
        (one,),
        (one,),
        (two, one),
        (one, two),
    ]
    ids = [event.id for event in first.events]
    assert ids[0] == one[:16]
    assert len(set(ids)) == 4
    assert [event.cached for event in first.events] == [False, True, False, True]
    again = go([rows()])
    assert [event.id for event in again.events] == ids
    assert all(event.cached for event in again.events)


def test_steps_within_steps_yield_no_rows(go: Callable[..., RunOutcome[Any]]) -> None:
    def inner() -> Any:
        yield [Row({"n": 1})]

    def outer() -> Any:
        yield [inner()]

    outcome = go([outer()])
    assert isinstance(outcome.error, UsageError)
    assert "outermost" in str(outcome.error)


def test_each_role_is_answered_by_its_model_and_priced_so(
    go: Callable[..., RunOutcome[Any]], store: Store
) -> None:
    def both() -> Any:
        answers = yield [question("hi"), replace(question("hi"), to="judge")]
        return [answer.text for answer in answers]

    judge = sk.Fake("fine", name="judge", price=(3e6, 0))
    outcome = go([both()], sk.Fake("hello", price=(1e6, 0)), others={"judge": judge})
    assert outcome.results[0] == ["hello", "fine"]
    assert outcome.ledger.cost == 1 + 3
    assert set(store.models.names().values()) == {"fake", "judge"}
    assert go([both()], sk.Fake("hello"), others={"judge": judge}).ledger.hits == 2
    with pytest.raises(UsageError, match="max_cost needs the price of unpriced"):
        go([both()], others={"judge": sk.Fake(name="unpriced", price=None)},
           budget=Budget(max_cost=1))  # fmt: skip


def test_a_role_without_a_model_is_said(go: Callable[..., RunOutcome[Any]]) -> None:
    model = sk.Fake()
    outcome = go(
        [ask(question("hi"), text_of), ask(replace(question("hi"), to="jury"), text_of)], model
    )
    assert "role 'jury' not found; have ''" in str(outcome.error)
    assert model.asked == []


def test_repairs_are_counted_held_or_not(go: Callable[..., RunOutcome[Any]]) -> None:
    def picky() -> Any:
        return ask(
            question("hi"), lambda c: Reject(c.text, "no") if c.text == "x" else 1, repairs=1
        )

    fake = sk.Fake(lambda request: "ok" if request.purpose else "x")
    assert go([picky()], fake).ledger.repairs == 1
    again = go([picky()], fake)
    assert (again.ledger.repairs, again.ledger.hits, again.results) == (1, 2, {0: 1})
