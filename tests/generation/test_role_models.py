from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Generator, Iterator, Sequence

import pytest

import synthkit as sk
from synthkit.core.errors import ModelError
from synthkit.core.models import Model
from synthkit.core.types import Completion, Message, Request
from synthkit.generation.role_models import complete


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert [one.name for one in threading.enumerate() if one.name == "synthkit-role-model"] == []


def ask(text: str, to: str = "") -> Request:
    return Request((Message("user", text),), to=to)


def echo(role: str, **options: float) -> sk.Fake:
    """A Fake that says which role it has and what it was asked."""
    options = {"concurrency": 1, **options}
    return sk.Fake(lambda r: f"{role}:{r.messages[-1].content}", name=role, **options)  # type: ignore[arg-type]


def answers(models: dict[str, Model], requests: Sequence[Request]) -> dict[int, str]:
    found = [(at, done.text) for at, done in filter(None, complete(models, requests))]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_each_request_is_answered_by_the_model_of_its_role_whatever_finishes_first() -> None:
    draw = random.Random(3)
    roles = [draw.choice(["", "judge", "critic"]) for _ in range(60)]
    models: dict[str, Model] = {
        "": echo(""),
        "judge": echo("judge", seconds=0.002, stall=0.2),
        "critic": echo("critic", seconds=0.005),
    }
    found = answers(models, [ask(str(at), role) for at, role in enumerate(roles)])
    assert found == {at: f"{role}:{at}" for at, role in enumerate(roles)}


def test_two_models_work_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=30)  # breaks unless two answers are under way at once

    def answer(request: Request) -> str:
        both.wait()
        return "done"

    models: dict[str, Model] = {"": sk.Fake(answer), "b": sk.Fake(answer)}
    first, second = [ask(str(at)) for at in range(12)], [ask(str(at), "b") for at in range(12)]
    assert len(answers(models, [*first, *second])) == 24


def test_what_follows_from_an_answer_may_go_to_any_of_them() -> None:
    requests = [ask(f"{row}") for row in range(5)]
    models: dict[str, Model] = {"": echo("", seconds=0.003), "judge": echo("judge", seconds=0.001)}
    for event in complete(models, requests):
        if event is not None and event[1].text.count(":") < 4:
            requests.append(ask(event[1].text, ["judge", ""][requests[event[0]].to == "judge"]))
    assert len(requests) == 20
    asked = [request.messages[0].content for request in requests]
    last = sorted(text for text in asked if text.count(":") == 3)
    assert last == [f":judge::{row}" for row in range(5)]


class Slow:
    """A model of the test's own: it ticks until it is closed, and remembers by which thread."""

    name = fingerprint = "slow"
    price = None

    def __init__(self) -> None:
        self.opened: list[int] = []
        self.closed: list[int] = []

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        self.opened.append(threading.get_ident())
        try:
            while True:
                time.sleep(0.005)
                yield None
        finally:
            self.closed.append(threading.get_ident())


def test_a_closed_iterator_closes_every_model_in_its_own_thread() -> None:
    slow, other = Slow(), Slow()
    stream = complete({"": slow, "a": other, "idle": sk.Fake()}, [ask("x"), ask("y", "a")])
    assert isinstance(stream, Generator)
    while not (slow.opened and other.opened):
        assert next(stream) is None
    stream.close()
    assert slow.closed == slow.opened != [threading.get_ident()]
    assert other.closed == other.opened != slow.opened


def test_an_interrupt_of_the_caller_closes_them_too() -> None:
    def interrupt(request: Request) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        return "too late"

    slow = Slow()
    with pytest.raises(KeyboardInterrupt):
        list(complete({"": slow, "a": sk.Fake(interrupt)}, [ask("x"), ask("y", "a")]))
    assert slow.closed == slow.opened


def test_while_nothing_is_done_it_ticks() -> None:
    stream = complete({"": Slow(), "a": sk.Fake()}, [ask("x")])
    ticks = [next(stream) for _ in range(5)]
    assert ticks == [None] * 5
    assert isinstance(stream, Generator)
    stream.close()


def test_a_model_that_cannot_go_on_ends_it_after_the_others_are_closed() -> None:
    slow = Slow()
    models: dict[str, Model] = {"": slow, "a": echo("a", die_after=2)}
    stream = complete(models, [ask("x"), *(ask(str(at), "a") for at in range(4))])
    seen: list[str] = []
    with pytest.raises(ModelError, match="a was told to die after 2 answers"):
        seen.extend(done.text for _, done in filter(None, stream))
    assert seen == ["a:0", "a:1"]
    assert slow.closed == slow.opened


def test_a_model_is_asked_once_for_what_follows_from_its_own_answers() -> None:
    """Opening a stream again costs an endpoint a connection and a first request alone."""
    opened = 0

    class Counting(sk.Fake):
        def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
            nonlocal opened
            opened += 1
            yield from super().complete(requests)

    requests = [ask("0")]
    for event in complete({"": Counting(), "judge": sk.Fake()}, requests):
        if event is not None and len(requests) < 20:
            requests.append(ask(str(len(requests))))
    assert opened == 1


def test_an_only_model_works_in_the_callers_thread() -> None:
    threads = set()

    def echo(request: Request) -> str:
        threads.add(threading.get_ident())
        return request.messages[-1].content

    model = sk.Fake(echo)
    assert answers({"": model, "judge": model}, [ask("a"), ask("b", "judge")]) == {
        0: "a",
        1: "b",
    }
    assert threads == {threading.get_ident()}


def test_no_requests_need_no_thread() -> None:
    assert list(complete({"": sk.Fake(), "a": sk.Fake(name="a")}, [])) == []
