from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import ModelError, UsageError
from synthkit.core.models import Model
from synthkit.core.types import Completion, Message, Request
from synthkit.models.pool import Pool
from tests.server import Reply, Server


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert [one.name for one in threading.enumerate() if one.name == "synthkit-role-model"] == []


def ask(text: str) -> Request:
    return Request((Message("user", text),))


def asked(count: int) -> list[Request]:
    return [ask(str(at)) for at in range(count)]


def echo(name: str, **options: float) -> sk.Fake:
    return sk.Fake(lambda r: r.messages[-1].content, name=name, **options)  # type: ignore[arg-type]


def answers(pool: Model, requests: Sequence[Request]) -> dict[int, Completion]:
    found = list(filter(None, pool.complete(requests)))
    assert len(dict(found)) == len(found) == len(requests)
    return dict(found)


class Slots:
    """A model that holds its requests until it is told, and names how many it takes."""

    price = (0.0, 0.0)

    def __init__(self, name: str, concurrency: int) -> None:
        self.name = self.fingerprint = name
        self.concurrency = concurrency
        self.most = 0

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        done = 0
        while done < len(requests):
            self.most = max(self.most, len(requests) - done)
            yield None
            yield done, Completion(requests[done].messages[0].content)
            done += 1


def test_every_request_is_answered_once_and_its_model_is_named() -> None:
    models = [echo("a", seconds=0.1), echo("b", seconds=0.1)]
    found = answers(Pool(models), asked(40))
    assert [found[at].text for at in range(40)] == [str(at) for at in range(40)]
    assert Counter(done.how for done in found.values()).keys() == {"a", "b"}
    assert len(models[0].asked) + len(models[1].asked) == 40


def test_a_model_has_no_more_requests_than_its_slots() -> None:
    small, large = Slots("small", 2), Slots("large", 6)
    answers(Pool([small, large]), asked(50))
    assert small.most <= 2
    assert 2 < large.most <= 6
    assert Pool([small, large]).concurrency == 8


def test_requests_that_are_appended_while_it_runs_are_answered() -> None:
    requests = asked(2)
    found = {}
    for event in Pool([echo("a"), echo("b")]).complete(requests):
        if event is not None:
            found[event[0]] = event[1].text
            if len(requests) < 12:
                requests.append(ask(str(len(requests))))
    assert found == {at: str(at) for at in range(12)}


def test_a_model_that_dies_is_left_out_and_the_others_take_its_requests() -> None:
    with pytest.warns(RuntimeWarning, match="b is left out of a . b: b was told to die after 3"):
        found = answers(Pool([echo("a"), sk.Fake(name="b", die_after=3)]), asked(60))
    assert Counter(done.how for done in found.values())["b"] == 3


def test_the_last_model_that_dies_ends_the_run() -> None:
    pool = Pool([sk.Fake(name=name, die_after=3) for name in "ab"])
    with (
        pytest.warns(RuntimeWarning, match="left out"),
        pytest.raises(ModelError, match="told to die"),
    ):
        answers(pool, asked(60))


def test_a_request_that_fails_is_tried_at_every_other_model() -> None:
    found = answers(Pool([sk.Fake(name="a", fail=1.0), echo("b")]), asked(9))
    assert {done.how for done in found.values()} == {"b"}
    failing = [sk.Fake(name=name, fail=1.0) for name in "ab"]
    found = answers(Pool(failing), asked(5))
    assert [done.finish for done in found.values()] == ["error"] * 5
    assert [len(model.asked) for model in failing] == [5, 5]


def test_a_failed_request_is_an_error_once_the_only_other_model_has_died() -> None:
    models = [sk.Fake(name="a", fail=1.0), sk.Fake(name="b", die_after=0)]
    with pytest.warns(RuntimeWarning, match="b is left out"):
        found = answers(Pool(models), asked(4))
    assert {done.finish for done in found.values()} == {"error"}


def test_replicas_share_their_completions_and_other_pools_have_a_fingerprint() -> None:
    one, two = echo("a"), echo("b")
    assert Pool([one, echo("a")]).fingerprint == one.fingerprint
    assert Pool([one, two]).fingerprint == Pool([two, one]).fingerprint != one.fingerprint
    assert json.loads(Pool([one, two]).fingerprint)["pool"] == [one.fingerprint, two.fingerprint]
    assert Pool([one, two]).name == "a + b"
    assert Pool([one, two], name="both").name == "both"


def test_the_price_is_the_highest_and_unknown_if_one_is() -> None:
    cheap, dear = sk.Fake(price=(1.0, 5.0)), sk.Fake(price=(2.0, 3.0))
    assert Pool([cheap, dear]).price == (2.0, 5.0, 2.0)
    assert Pool([cheap, sk.Fake(price=None)]).price is None


def test_a_pool_needs_models_that_agree_on_reasoning() -> None:
    with pytest.raises(UsageError, match="at least one model"):
        Pool([])
    with pytest.raises(UsageError, match="same reasoning_markers"):
        Pool([sk.Fake(), sk.Fake(reasoning_markers=(("<r>", "</r>"),))])


def test_a_run_goes_on_where_one_of_two_servers_refuses(session: sk.Session) -> None:
    with Server(script=Reply(401, error="bad key")) as first, Server(latency=0.01) as second:
        models = [
            sk.load_model("openai:m", base_url=server.base_url, api_key="k", concurrency=4)
            for server in (first, second)
        ]
        rows = [{"i": at} for at in range(30)]
        with pytest.warns(RuntimeWarning, match="left out"):
            run = sk.generate("Say {{ i }}.", rows=rows, model=Pool(models), session=session)
        assert len(run.table) == 30
        assert second.count == 30


def test_a_run_uses_both_of_two_servers(session: sk.Session) -> None:
    with Server(latency=0.02) as first, Server(latency=0.02) as second:
        models = [
            sk.load_model("openai:m", base_url=server.base_url, api_key="k", concurrency=4)
            for server in (first, second)
        ]
        rows = [{"i": at} for at in range(60)]
        run = sk.generate("Say {{ i }}.", rows=rows, model=Pool(models), session=session)
        assert len(run.table) == 60
        assert min(first.count, second.count) > 15
        assert max(first.peak, second.peak) <= 4


def test_the_limits_of_its_models_are_added_up(tmp_path: Path) -> None:
    with Server() as server, sk.Session(tmp_path) as session:
        url = server.base_url
        models = [sk.load_model("openai:m", base_url=url, max_tokens_total=400) for _ in range(2)]
        pool = Pool(models)
        assert (pool.budget.max_tokens_total, pool.budget.max_requests) == (800, None)
        options: dict[str, Any] = {"rows": [{"i": i} for i in range(3)], "session": session}
        for most, rows in ((900, 0), (500, 3)):  # what a request may use at the most
            run = sk.generate(f"Say {{{{ i }}}} {most}.", model=pool, max_tokens=most, **options)
            assert len(run.table) == rows
            assert ("max_tokens_total=800" in run.ledger.stopped) is not bool(rows)
        assert server.count == 3
        with pytest.raises(UsageError, match="some models of the pool have max_tokens_total"):
            Pool([models[0], echo("b")])
        unpriced = sk.load_model("openai:m", base_url=url, max_cost=1)
        with pytest.raises(UsageError, match="max_cost needs the price"):
            sk.generate("Say.", model=Pool([unpriced, unpriced]), session=session)


def test_a_failed_try_counts_as_a_request(tmp_path: Path) -> None:
    fails, works = sk.Fake(fail=1.0, name="a"), sk.Fake("ok.", name="b")
    with sk.Session(tmp_path) as session:
        rows = [{"i": i} for i in range(9)]
        run = sk.generate(
            "Say {{ i }}.", rows=rows, model=Pool([fails, works]), session=session, max_requests=6
        )
    assert run.ledger.requests == len(fails.asked) + len(works.asked)
    assert run.ledger.requests > len(run.table)
    assert "max_requests=6" in run.ledger.stopped
