from __future__ import annotations

import os
import pickle
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

import synthkit as sk
from synthkit.core.errors import EndpointError, ModelError
from synthkit.core.types import Completion, Message, Request
from synthkit.models.ray.host import Host, News, Part, sendable


def part(*positions: int) -> Part:
    return [(at, Request((Message("user", str(at)),))) for at in positions]


def echo(**options: float) -> sk.Fake:
    return sk.Fake(lambda request: request.messages[0].content, **options)  # type: ignore[arg-type]


def host(model: object) -> Host:
    made = Host(lambda: model)  # type: ignore[arg-type, return-value]
    made.greet({})
    return made


def collected(made: Host, stream: str, sent: Part) -> dict[int, str]:
    """Position -> text of the completions of some requests."""
    found: dict[int, str] = {}
    until = time.monotonic() + 20
    news = made.exchange(stream, sent, 1.0)
    while len(found) < len(sent) and time.monotonic() < until:
        found |= {position: done.text for position, done in news.completions}
        news = made.exchange(stream, [], 0.1)
    return found


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    until = time.monotonic() + 5
    while any(one.name == "synthkit-ray-stream" for one in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)


class OneStream(sk.Fake):
    """Counts how often it was asked to complete a list, and whether the iterator was closed."""

    opened = closed = 0

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        self.opened += 1
        try:
            yield from super().complete(requests)
        finally:
            self.closed += 1


def test_a_run_has_one_iterator_whose_requests_come_in_parts() -> None:
    model = OneStream(lambda request: request.messages[0].content)
    made = host(model)
    found = collected(made, "a", part(3, 5))
    found |= collected(made, "a", part(8))
    assert found == {3: "3", 5: "5", 8: "8"}
    assert (model.opened, model.closed) == (1, 0)
    made.stop("a")
    until = time.monotonic() + 5
    while not model.closed and time.monotonic() < until:
        time.sleep(0.01)
    assert (model.opened, model.closed) == (1, 1)


def test_two_runs_get_their_own_completions() -> None:
    made = host(echo())
    assert collected(made, "a", part(0, 1)) == {0: "0", 1: "1"}
    assert collected(made, "b", part(7)) == {7: "7"}
    made.stop("a")
    made.stop("b")


def test_a_run_that_was_stopped_takes_no_more_requests() -> None:
    model = echo()
    made = host(model)
    made.stop("a")
    assert made.exchange("a", part(1), 0.0) == News()
    assert model.asked == []


def test_stopping_wakes_whoever_waits_for_news() -> None:
    made = host(echo(seconds=60.0, concurrency=1))
    threading.Timer(0.2, made.stop, ["a"]).start()
    began = time.monotonic()
    assert made.exchange("a", part(1), 30.0).completions == []
    assert time.monotonic() - began < 5


def test_an_error_comes_after_the_completions_before_it() -> None:
    made = host(sk.Fake("yes", die_after=2))
    news = made.exchange("a", part(0, 1, 2), 5.0)
    assert [position for position, _ in news.completions] == [0, 1]
    assert isinstance(news.error, ModelError)
    made.stop("a")


def test_the_environment_is_there_when_the_model_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNTHKIT_TEST_KEY", raising=False)
    made = Host(lambda: sk.Fake(name=os.environ["SYNTHKIT_TEST_KEY"]))
    greeting = made.greet({"SYNTHKIT_TEST_KEY": "k"})
    assert greeting.fingerprint == sk.Fake(name="k").fingerprint
    assert greeting.node
    monkeypatch.delenv("SYNTHKIT_TEST_KEY")


def test_a_model_that_cannot_be_made_is_an_error_of_the_greeting() -> None:
    def fail() -> sk.Fake:
        raise ModelError("no such weights")

    assert str(Host(fail).greet({}).error) == "no such weights"


def test_an_error_that_cannot_be_sent_is_sent_as_its_text() -> None:
    class Local(Exception):
        pass

    assert str(sendable(Local("x"))) == "Local: x"
    error = EndpointError("401")
    assert sendable(error) is error
    assert str(pickle.loads(pickle.dumps(sendable(Local("x"))))) == "Local: x"
