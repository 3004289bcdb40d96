"""The ledger counts what was sent, whatever became of it."""

from __future__ import annotations

import threading
import time
from typing import Any

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import EndpointError
from synthkit.models.openai.model import endpoint
from tests.server import Asked, Reply, Server, free_port

pytestmark = pytest.mark.usefixtures("quick")


def ask(session: sk.Session, server: Server, n: int = 20, **options: Any) -> sk.Run:
    model = endpoint("m", base_url=server.base_url, concurrency=4, **options)
    rows = pd.DataFrame({"x": range(n)})
    return sk.generate("Say {{ x }}.", rows=rows, model=model, session=session)


@pytest.mark.parametrize("status", [401, 403, 404, 422])
def test_a_refused_run_counts_its_requests(status: int, session: sk.Session) -> None:
    with Server(Reply(status, error="no")) as server, pytest.raises(EndpointError) as caught:
        ask(session, server)
    assert caught.value.run.ledger.requests == server.count > 0


def test_a_wrong_address_counts_its_requests(session: sk.Session) -> None:
    with Server(Reply(body={"error": "no"})) as server, pytest.raises(EndpointError) as caught:
        ask(session, server)
    assert caught.value.run.ledger.requests == server.count > 0


def test_a_server_that_fails_counts_its_requests(session: sk.Session) -> None:
    with Server(Reply(500, error="no")) as server, pytest.warns(RuntimeWarning, match="pending"):
        run = ask(session, server)
    assert run.ledger.requests == server.count == 4
    assert "tried 4 times" in run.ledger.stopped


def test_a_server_that_cannot_be_reached_got_nothing(session: sk.Session) -> None:
    model = endpoint("m", base_url=f"http://127.0.0.1:{free_port()}/v1", max_retries=1)
    with pytest.warns(RuntimeWarning, match="tried 2 times"):
        run = sk.generate("Hi.", model=model, session=session)
    assert run.ledger.requests == 0


def test_requests_in_flight_count_when_a_run_is_stopped(session: sk.Session) -> None:
    def script(request: Asked) -> Reply:
        return Reply(how="whole" if request.number < 10 else "hang")

    with Server(script) as server:
        model = endpoint("m", base_url=server.base_url, concurrency=4)
        rows = pd.DataFrame({"x": range(50)})
        job = sk.plan("Say {{ x }}.", rows=rows, model=model, session=session)
        cancel = threading.Event()

        def stop() -> None:
            while server.count < 14:
                time.sleep(0.01)
            time.sleep(0.1)
            cancel.set()

        threading.Thread(target=stop).start()
        run = job.run(cancel=cancel)
    assert (run.ledger.answers, run.ledger.requests, server.count) == (10, 14, 14)


def test_a_second_run_counts_its_own_requests(session: sk.Session) -> None:
    with Server() as server:
        model = endpoint("m", base_url=server.base_url)
        for n in (3, 5):
            rows = pd.DataFrame({"x": range(n)})
            run = sk.generate("Say {{ x }}.", rows=rows, model=model, session=session)
    assert (run.ledger.requests, run.ledger.hits, server.count) == (2, 3, 5)


def test_roles_of_one_server_are_counted_once(session: sk.Session) -> None:
    with Server() as server:
        model = endpoint("m", base_url=server.base_url)
        judge = endpoint("judge", base_url=server.base_url)
        recipe = sk.recipes.judge(rows=pd.DataFrame({"text": list("abcd")}))
        others = dict.fromkeys(recipe.roles[:1], judge)
        run = sk.generate(recipe, model=model, others=others, session=session)
    assert run.ledger.requests == server.count > 0
