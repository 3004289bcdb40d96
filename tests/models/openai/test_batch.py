"""Batches at stand-in servers: each request is submitted once and paid once, whatever happens."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import EndpointError, StoreError, UsageError
from synthkit.models.openai.batch import desk, forms, model
from synthkit.models.openai.batch.api import Api
from synthkit.models.openai.batch.openai_form import OpenAIForm
from synthkit.models.openai.batch.records import all_records
from synthkit.models.openai.model import Endpoint, endpoint
from synthkit.sessions.batches import Batches
from synthkit.store import database, leases
from synthkit.store.store import Store
from tests.models.openai.batch_servers import BatchServer
from tests.server import Reply, Server, completion

KEY = "sk-test-4242424242abcdef"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[sk.Session]:
    with sk.Session(tmp_path / "session") as session:
        yield session


def rows(n: int, first: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"x": range(first, first + n)})


def at(server: Server, **options: Any) -> Endpoint:
    return endpoint("m", base_url=server.base_url, api_key=KEY, max_retries=1, **options)


def ask(session: sk.Session, asked: Endpoint, n: int = 20, **options: Any) -> sk.Run:
    defaults: dict[str, Any] = {"rows": rows(n), "batch": True}
    prompt = options.pop("prompt", "Say {{ x }}.")
    return sk.generate(prompt, model=asked, session=session, **{**defaults, **options})


def until_done(session: sk.Session, asked: Endpoint, n: int = 20, **options: Any) -> sk.Run:
    """The run that leaves nothing pending."""
    for _ in range(12):
        run = ask(session, asked, n, **options)
        if not len(run.pending):
            return run
    raise AssertionError(run.ledger.stopped)


def submissions(server: Server) -> int:
    return sum(a.method == "POST" and a.path.startswith("/v1/batches") for a in server.asked)


def test_a_run_submits_and_later_ones_fill_the_table(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    first = ask(session, at(server))
    assert (len(first.table), len(first.pending)) == (0, 20)
    assert first.ledger.stopped.startswith(
        "20 requests wait in 1 batch (validating, 0 of 20 done, sent "
    )
    assert set(first.pending["reason"]) == {first.ledger.stopped}
    second = ask(session, at(server))
    assert "1 batch (in_progress, 0 of 20 done, sent" in second.ledger.stopped
    third = ask(session, at(server))
    assert third.table["text"].tolist() == [f"Answer to: Say {n}." for n in range(20)]
    assert third.table["id"].tolist() == first.pending["id"].tolist()
    assert (third.ledger.stopped, third.ledger.requests, third.ledger.answers) == ("", 20, 20)
    assert ask(session, at(server)).ledger.hits == 20
    assert (submissions(server), set(batches.paid.values())) == (1, {1})


def test_a_line_is_what_would_be_posted(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    ask(session, at(server, extra_body={"top_k": 4}), 1, max_tokens=9)
    (job,) = batches.jobs.values()
    (line,) = job.lines
    assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
    assert job.body["endpoint"] == "/v1/chat/completions"
    with sk.Session(":memory:") as other:
        ask(other, at(server, extra_body={"top_k": 4}), 1, max_tokens=9, batch=False)
    assert line["body"] == server.asked[-1].json
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY.encode() not in (session.folder / "store.sqlite").read_bytes()


def test_batch_and_direct_answers_replay_each_other(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    direct = ask(session, at(server), 5, batch=False)
    done = until_done(session, at(server), 12)
    assert done.table["id"].tolist()[:5] == direct.table["id"].tolist()
    assert len(batches.submitted) == 7
    before = server.count
    assert ask(session, at(server), 12, batch=False).ledger.hits == 12
    assert server.count == before


@pytest.mark.usefixtures("each_store")
def test_another_cell_does_not_submit_what_waits(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    batches.waits = True
    ask(session, at(server), 10)
    other = ask(session, at(server), rows=rows(10, 5))
    assert "10 requests wait in 2 batches" in other.ledger.stopped
    assert set(batches.submitted.values()) == {1}
    assert len(batches.submitted) == 15
    batches.waits = False
    assert len(until_done(session, at(server), rows=rows(10, 5)).table) == 10
    assert len(until_done(session, at(server), 10).table) == 10
    assert set(batches.paid.values()) == {1}


def test_the_batch_price_is_half(batches: BatchServer, server: Server, session: sk.Session) -> None:
    done = until_done(session, at(server, price=(2.0, 8.0)))
    tokens = done.ledger.prompt_tokens, done.ledger.completion_tokens
    assert done.ledger.cost == pytest.approx((tokens[0] * 1.0 + tokens[1] * 4.0) / 1e6)


def test_listed_batch_prices_are_used() -> None:
    asked = endpoint("gpt-4.1-mini", base_url="https://api.openai.com/v1", api_key=KEY)
    store: Any = None
    assert model.BatchModel(asked, store).price == (0.2, 0.8, 0.1)
    other = endpoint("mistral-large-latest", provider="mistral", api_key=KEY)
    assert other.price == (2.0, 6.0, 2.0)
    assert model.BatchModel(other, store).price == (1.0, 3.0, 1.0)


@pytest.mark.parametrize(
    ("limit", "most"),
    [({"max_requests": 7}, 7), ({"max_tokens_total": 3000}, 8), ({"max_cost": 0.003}, 8)],
)
def test_a_budget_holds_before_a_batch_is_submitted(
    batches: BatchServer, server: Server, session: sk.Session, limit: dict[str, Any], most: int
) -> None:
    asked = at(server, price=(1.0, 2.0))
    for _ in range(2):  # what waits still counts
        run = ask(session, asked, **limit)
        assert 0 < len(batches.submitted) <= most
        assert "the budget is used up" in run.ledger.stopped
        assert f"{len(batches.submitted)} requests wait" in run.ledger.stopped
    assert len(run.pending) == 20
    assert ask(session, asked, **limit).ledger.answers == len(batches.paid)


def test_what_failed_at_the_server_is_submitted_again_and_a_refusal_is_a_reject(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    def fails(line: dict[str, Any], tries: int) -> tuple[int, dict[str, Any]] | None:
        number = int(line["body"]["messages"][-1]["content"].split()[1].rstrip("."))
        if number % 5 == 0 and tries == 1:
            return 500, {"message": "The server had an error."}
        refused = {"message": "Your request was flagged.", "code": "content_filter"}
        return (400, refused) if number == 3 else None

    batches.fails = fails
    done = until_done(session, at(server))
    assert len(done.table) == 19
    assert "refused it (400): Your request was flagged." in done.rejects["reason"][0]
    assert sorted(batches.submitted.values()) == [1] * 16 + [2] * 4
    assert set(batches.paid.values()) == {1}
    batches.fails = lambda line, tries: None
    assert len(until_done(session, at(server)).table) == 20  # the next run asks it again


def test_what_fails_always_is_a_reject_in_the_end(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    batches.fails = lambda line, tries: (500, {"message": "overloaded"})
    done = until_done(session, at(server), 2)
    assert "answered 500: overloaded; tried 2 times" in done.rejects["reason"][0]
    assert set(batches.submitted.values()) == {2}
    assert batches.paid == {}


@pytest.mark.usefixtures("each_store")
def test_of_an_expired_batch_what_is_done_is_taken_and_the_rest_submitted_again(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    batches.expires = {0: 12}
    runs = [ask(session, at(server)) for _ in range(3)]
    assert (len(runs[2].table), len(runs[2].pending)) == (12, 8)
    done = until_done(session, at(server))
    assert len(done.table) == 20
    assert sorted(batches.submitted.values()) == [1] * 12 + [2] * 8
    assert set(batches.paid.values()) == {1}


def test_a_batch_that_is_refused_as_a_whole_is_an_error_and_can_be_tried_again(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    batches.invalid = {0: "Enqueued token limit reached."}
    ask(session, at(server))
    with pytest.raises(EndpointError, match="batch_0 failed: Enqueued token limit") as error:
        ask(session, at(server))
    assert len(error.value.run.pending) == 20
    assert len(until_done(session, at(server)).table) == 20
    assert set(batches.paid.values()) == {1}


def test_a_parameter_that_the_server_refuses_is_left_out(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    def fails(line: dict[str, Any], tries: int) -> tuple[int, dict[str, Any]] | None:
        words = {"message": "Unsupported parameter: 'seed'.", "param": "seed"}
        return (400, words) if "seed" in line["body"] else None

    batches.fails = fails
    asked = at(server)
    with pytest.warns(RuntimeWarning, match="takes no seed"):
        done = until_done(session, asked, 4)
    assert len(done.table) == 4
    # a new kernel knows it from the record
    with pytest.warns(RuntimeWarning, match="takes no seed"):
        until_done(session, at(server), 6)
    assert sorted(batches.submitted.values()) == [1, 1, 2, 2, 2, 2]


def test_structured_answers_are_read_as_direct_ones(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    schema = {"type": "object", "properties": {"mood": {"type": "string"}}}
    batches.answer = lambda body: completion('{"mood": "good"}')
    done = until_done(session, at(server), 3, schema=schema)
    assert done.table["mood"].tolist() == ["good"] * 3
    (job,) = batches.jobs.values()
    assert job.lines[0]["body"]["response_format"]["type"] == "json_schema"
    batches.answer = lambda body: completion("?", message={
        "role": "assistant", "content": "Fine.", "reasoning_content": "Think."})  # fmt: skip
    thought = until_done(session, at(server), rows=rows(2, 50), reasoning=True)
    assert thought.table["reasoning"].tolist() == ["Think."] * 2
    batches.answer = lambda body: completion('{"label": "bad"}')
    labels = until_done(session, at(server), rows=rows(2, 60), labels=["good", "bad"])
    assert labels.table["label"].tolist() == ["bad"] * 2


def test_requests_that_depend_on_answers_are_one_further_batch(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    def twice(row: dict[str, Any]) -> Any:
        (draft,) = yield [sk.recipes.user(f"Draft {row['x']}.")]
        (final,) = yield [sk.recipes.user(f"Improve: {draft.text}")]
        return {"text": final.text}

    done = until_done(session, at(server), 30, prompt=twice)
    assert done.table["text"][0] == "Answer to: Improve: Answer to: Draft 0."
    assert [len(job.lines) for job in batches.jobs.values()] == [30, 30]


def test_a_batch_has_no_more_than_the_server_allows(
    batches: BatchServer, server: Server, session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(asked: Endpoint) -> OpenAIForm:
        path = "/v1/chat/completions"
        return OpenAIForm(Api(asked.server), path, most_requests=8, most_bytes=limit)

    monkeypatch.setitem(forms.FORMS, "openai", small)
    limit = 10**6
    assert "20 requests wait in 3 batches" in ask(session, at(server)).ledger.stopped
    assert [len(job.lines) for job in batches.jobs.values()] == [8, 8, 4]
    assert len(until_done(session, at(server)).table) == 20
    limit = 1000
    ask(session, at(server), rows=rows(8, 100))
    sizes = [len(content) for name, content in batches.files.items() if "output" not in name]
    assert max(sizes[3:]) <= limit
    assert set(batches.submitted.values()) == {1}


def spoil(name: str, content: str) -> str:
    """A file of results with garbage, an unknown id, a line twice and a cut end."""
    lines = content.splitlines()
    stranger = json.dumps({"custom_id": "f" * 32, "response": {"status_code": 200, "body": {}}})
    return "\n".join(["<html>", lines[0], stranger, "[1, 2]", '"x"', *lines, "{}", lines[-1][:40]])


def test_garbage_duplicates_and_unknown_ids_in_the_results_change_nothing(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    batches.edit = spoil
    done = until_done(session, at(server))
    assert done.table["text"].tolist() == [f"Answer to: Say {n}." for n in range(20)]
    assert set(batches.paid.values()) == {1}


def test_results_that_are_cut_are_read_again(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    reads = 0

    def cut(name: str, content: str) -> str:
        nonlocal reads
        reads += 1
        return content[: len(content) // 2] if reads == 1 else content

    batches.edit = cut
    assert len(until_done(session, at(server)).table) == 20
    assert set(batches.paid.values()) == {1}


def test_what_the_server_has_lost_is_submitted_again(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    batches.edit = lambda name, content: content[: len(content) // 2] if "_0-" in name else content
    done = until_done(session, at(server))
    assert len(done.table) == 20
    assert 9 <= sum(batches.submitted.values()) - 20 <= 11


def test_a_server_that_is_down_leaves_the_rows_pending(
    batches: BatchServer, session: sk.Session
) -> None:
    with Server(batches) as server:
        ask(session, at(server))
    run = ask(session, at(server))
    assert (len(run.table), len(run.pending)) == (0, 20)
    assert "20 requests wait in 1 batch" in run.ledger.stopped
    assert "cannot be reached" in run.ledger.stopped
    with pytest.warns(RuntimeWarning, match="pending"):
        fresh = ask(session, at(server), rows=rows(3, 90))  # nothing to submit to
    assert len(fresh.pending) == 3
    with Server(batches, port=server.port) as server:
        assert len(until_done(session, at(server)).table) == 20
    assert set(batches.submitted.values()) == {1}


def test_a_server_that_fails_while_results_are_read_is_asked_again(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    ask(session, at(server))
    ask(session, at(server))

    def fails(asked: Any) -> Reply | None:
        is_file = asked.path.endswith("/content")
        return Reply(503, error="busy") if is_file else batches(asked)

    server.script = fails
    run = ask(session, at(server))
    assert "(503): busy" in run.ledger.stopped
    server.script = batches
    assert len(ask(session, at(server)).table) == 20
    assert set(batches.submitted.values()) == {1}


@pytest.mark.usefixtures("each_store")
def test_an_answer_that_is_lost_on_the_way_is_found_in_the_list(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    batches.lost = 1
    run = ask(session, at(server))
    assert "20 requests wait in 1 batch" in run.ledger.stopped
    assert len(until_done(session, at(server)).table) == 20
    assert set(batches.submitted.values()) == {1}


def test_a_lost_answer_and_a_busy_list_are_no_reason_to_submit_again(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    def busy(asked: Any) -> Reply | None:
        is_list = asked.path.startswith("/v1/batches?")
        headers = {"Retry-After": "0"}
        return Reply(429, error="busy", headers=headers) if is_list else batches(asked)

    batches.lost, server.script = 1, busy
    with pytest.warns(RuntimeWarning, match="pending"):
        ask(session, at(server))
    server.script = batches
    assert len(until_done(session, at(server)).table) == 20
    assert set(batches.submitted.values()) == {1}


def test_a_batch_that_is_forgotten_while_it_is_uploaded_is_not_submitted(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    def forgets(asked: Any) -> Reply | None:
        for record in all_records(session.store):
            session.batches.forget(record.id)
        return batches(asked)

    server.script = forgets
    with pytest.raises(StoreError, match="was forgotten meanwhile"):
        ask(session, at(server))
    server.script = batches
    assert len(until_done(session, at(server)).table) == 20
    assert set(batches.submitted.values()) == {1}


def test_a_store_that_is_locked_while_a_batch_is_uploaded_delays_it_no_longer_than_that(
    batches: BatchServer, server: Server, session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    monkeypatch.setattr(leases, "LEASE_SECONDS", 2.0)  # those of the run that failed last so long
    path = session.folder / "store.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:

        def locks(asked: Any) -> Reply | None:
            if not other.in_transaction:
                other.execute("BEGIN IMMEDIATE")
            return batches(asked)

        server.script = locks
        with pytest.raises(StoreError, match="locked"):
            ask(session, at(server))
        other.execute("ROLLBACK")
    server.script = batches
    assert "20 requests wait in 1 batch" in ask(session, at(server)).ledger.stopped
    assert len(batches.jobs) == 1


@pytest.mark.parametrize("body", [b"<html>Log in</html>", b"null", b'"x"', b'{"cut'])
@pytest.mark.parametrize("what", ["look", "create", "upload"])
def test_a_page_in_place_of_an_answer_leaves_the_rows_pending(
    batches: BatchServer, server: Server, session: sk.Session, body: bytes, what: str
) -> None:
    def script(asked: Any) -> Reply | None:
        reply = batches(asked) if what != "upload" else None
        kinds = {"/v1/files": "upload", "/v1/batches": "create", "/v1/batches/batch_0": "look"}
        if kinds.get(asked.path) == what:
            kind = "text/html" if body.startswith(b"<") else "application/json"
            return Reply(body=body, headers={"Content-Type": kind})
        return reply or batches(asked)

    if what == "look":
        ask(session, at(server))
    server.script = script
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = ask(session, at(server))
    assert len(run.pending) == 20
    assert "wait in 1 batch" in run.ledger.stopped or "has answered no JSON" in run.ledger.stopped
    server.script = batches
    assert len(until_done(session, at(server)).table) == 20
    assert set(batches.submitted.values()) == {1}


def test_of_a_batch_that_failed_what_is_done_is_taken(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    def fails(asked: Any) -> Reply | None:
        reply = batches(asked)
        if reply and asked.path.endswith("batch_0"):
            shown: Any = reply.body
            shown["status"] = "failed" if shown["output_file_id"] else shown["status"]
        return reply

    server.script, batches.expires = fails, {0: 12}
    assert len(until_done(session, at(server)).table) == 20
    assert set(batches.paid.values()) == {1}


def test_edited_rows_pay_for_the_new_ones_alone_and_the_old_answers_stay(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    ask(session, at(server), 10)
    assert len(until_done(session, at(server), rows=rows(10, 2)).table) == 10
    assert len(until_done(session, at(server), 10).table) == 10
    assert (set(batches.submitted.values()), set(batches.paid.values())) == ({1}, {1})


def test_a_session_that_is_only_read_lists_its_batches_and_cancels_none(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    ask(session, at(server))
    with closing(Store(session.folder / "store.sqlite", read_only=True)) as store:
        listed = Batches(store).table(at(server))
        assert listed["state"].tolist() == ["in_progress"]
        with pytest.raises(StoreError, match="is read-only"):
            Batches(store).cancel("batch_0", at(server))
    assert batches.jobs["batch_0"].status == "in_progress"


def test_a_batch_of_another_account_is_not_submitted_again(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    ask(session, at(server))
    held, batches.jobs = batches.jobs, {}
    with pytest.raises(EndpointError, match=r"No batch found .*%synth batches forget batch_0"):
        ask(session, at(server))
    batches.jobs = held
    assert len(until_done(session, at(server)).table) == 20
    assert set(batches.submitted.values()) == {1}


def test_waiting_ends_when_all_is_answered(
    batches: BatchServer, server: Server, session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "FIRST_SECONDS", 0.05)
    seen: set[str] = set()
    job = sk.plan("Say {{ x }}.", rows=rows(5), model=at(server), session=session, batch=True,
                  wait=True)  # fmt: skip

    class Listener:
        def row_made(self, event: Any) -> None: ...
        def branch_ended(self, *_: Any) -> None: ...
        def tick(self, ledger: Any, activity: Any) -> None:
            seen.add(activity.text)

    batches.fails = lambda line, tries: (503, {"message": "busy"}) if tries == 1 else None
    run = job.run(listener=Listener())
    assert (len(run.table), len(run.pending), run.ledger.stopped) == (5, 0, "")
    assert any("5 requests wait in 1 batch" in text for text in seen)
    assert set(batches.submitted.values()) == {2}


def test_an_interrupt_of_the_wait_keeps_the_batch(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    batches.waits = True
    cancel = threading.Event()
    job = sk.plan("Say {{ x }}.", rows=rows(5), model=at(server), session=session, batch=True,
                  wait=True)  # fmt: skip
    timer = threading.Timer(1.0, cancel.set)
    timer.start()
    run = job.run(cancel=cancel)
    timer.join()
    assert (run.ledger.stopped, len(run.pending)) == ("interrupted", 5)
    batches.waits = False
    assert len(until_done(session, at(server), 5).table) == 5
    assert set(batches.submitted.values()) == {1}


def test_an_interrupt_while_answers_are_read_pays_nothing_twice(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    ask(session, at(server))
    ask(session, at(server))
    cancel = threading.Event()

    class Listener:
        def row_made(self, event: Any) -> None:
            cancel.set()

        def branch_ended(self, *_: Any) -> None: ...
        def tick(self, ledger: Any, activity: Any) -> None: ...

    job = sk.plan("Say {{ x }}.", rows=rows(20), model=at(server), session=session, batch=True)
    assert job.run(cancel=cancel, listener=Listener()).ledger.stopped in ("", "interrupted")
    assert len(ask(session, at(server)).table) == 20
    assert (set(batches.submitted.values()), set(batches.paid.values())) == ({1}, {1})


def test_what_cannot_be_asked_in_a_batch_is_said_before(session: sk.Session) -> None:
    with pytest.raises(UsageError, match="fake has no batch API"):
        sk.generate("Hi.", model=sk.Fake(), session=session, batch=True)
    router = endpoint("m", provider="openrouter", api_key=KEY)
    with pytest.raises(UsageError, match="OpenRouter has no batch API"):
        ask(session, router)
    with pytest.raises(UsageError, match=r"wait=True .* batch=True"):
        sk.generate("Hi.", model=sk.Fake(), session=session, wait=True)


def test_a_direct_run_says_that_it_pays_again_for_what_waits(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    ask(session, at(server), 8)
    with pytest.warns(RuntimeWarning, match="5 requests of this run wait in a batch as well"):
        ask(session, at(server), 5, batch=False)
    ask(session, at(server), 5, batch=False)
    assert len(until_done(session, at(server), 8).table) == 8


def test_a_server_without_batches_is_said_to_have_none(session: sk.Session) -> None:
    refused = pytest.raises(UsageError, match="seems to have no batch API")
    with Server(Reply(404, error="Not Found")) as server, refused:
        ask(session, at(server))
    assert all_records(session.store) == []


def test_requests_of_several_models_are_submitted_to_each(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    def judged(row: dict[str, Any]) -> Any:
        (text,) = yield [sk.recipes.user(f"Say {row['x']}.")]
        (verdict,) = yield [sk.recipes.user(f"Judge: {text.text}", to="judge")]
        return {"verdict": verdict.text}

    judge = endpoint("j", base_url=server.base_url, api_key=KEY)
    for _ in range(8):
        recipe = sk.recipes.per_row(
            judged, rows(6), name="judged", requests=sk.recipes.Bounds(2, 2), roles=["judge"]
        )
        done = sk.generate(
            recipe, model=at(server), others={"judge": judge}, session=session, batch=True
        )
    assert done.ledger.hits == 12
    assert done.table["verdict"][0] == "Answer to: Judge: Answer to: Say 0."
    models = [job.lines[0]["body"]["model"] for job in batches.jobs.values()]
    assert models.count("m") == 1
    assert 1 <= models.count("j") <= 3  # one, if the answers came without a pause
    assert set(batches.submitted.values()) == {1}


KILLED = """
import json, sys
import pandas as pd, synthkit as sk
from synthkit.models.openai.model import endpoint
address, folder, n = sys.argv[1:]
model = endpoint("m", base_url=address, api_key="k")
with sk.Session(folder) as session:
    run = sk.generate("Say {{ x }}.", rows=pd.DataFrame({"x": range(int(n))}), model=model,
                      session=session, batch=True)
    print(len(run.table), len(run.pending), flush=True)
"""


def start(server: Server, session: sk.Session, n: int = 20) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", KILLED, server.base_url, str(session.folder), str(n)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def kill(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    """Kill a process as soon as something is true."""
    until = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before the upload", "after it", "before the submission"])
def test_a_process_that_is_killed_before_it_submitted_has_submitted_nothing(
    batches: BatchServer,
    server: Server,
    session: sk.Session,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    monkeypatch.setattr(desk, "CERTAIN_SECONDS", 0.0)
    at_file = moment != "before the submission"

    def hangs(asked: Any) -> Reply | None:
        path = "/v1/files" if at_file else "/v1/batches"
        if asked.method != "POST" or asked.path != path:
            return batches(asked)
        if moment == "after it":
            batches(asked)
        return Reply(how="hang")

    server.script = hangs
    path = "/v1/files" if at_file else "/v1/batches"
    kill(start(server, session), lambda: any(a.path == path for a in server.asked))
    server.script = batches
    assert [record.step for record in all_records(session.store)] == [
        "uploading" if at_file else "creating"
    ]
    assert len(until_done(session, at(server)).table) == 20
    assert set(batches.submitted.values()) == {1}
    assert len(batches.removed) == (0 if at_file else 1)


@pytest.mark.slow
def test_a_process_that_is_killed_as_it_submitted_has_submitted_once(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    def hangs(asked: Any) -> Reply | None:
        reply = batches(asked)
        created = asked.method == "POST" and asked.path == "/v1/batches"
        return Reply(how="hang") if created else reply

    server.script = hangs
    kill(start(server, session), lambda: bool(batches.jobs))
    server.script = batches
    run = ask(session, at(server))
    assert "20 requests wait in 1 batch" in run.ledger.stopped
    assert len(until_done(session, at(server)).table) == 20
    assert set(batches.submitted.values()) == {1}


def test_until_it_is_certain_nothing_is_submitted_again(
    batches: BatchServer, server: Server, session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(asked: Any) -> Reply | None:
        created = asked.method == "POST" and asked.path == "/v1/batches"
        return Reply(how="nothing") if created else batches(asked)

    server.script = fails
    with pytest.warns(RuntimeWarning, match="pending"):
        ask(session, at(server))
    server.script = batches
    run = ask(session, at(server))  # the list has none, but it may be too early to say
    assert len(batches.jobs) == 0
    assert "being submitted" in run.ledger.stopped
    monkeypatch.setattr(desk, "CERTAIN_SECONDS", 0.0)
    assert len(until_done(session, at(server)).table) == 20
    assert set(batches.submitted.values()) == {1}


@pytest.mark.slow
def test_two_processes_on_one_cell_submit_each_request_once(
    batches: BatchServer, server: Server, session: sk.Session
) -> None:
    both = [start(server, session, 600) for _ in range(2)]
    assert [process.communicate(timeout=120)[0].split() for process in both] == [["0", "600"]] * 2
    assert len(batches.submitted) == 600
    assert set(batches.submitted.values()) == {1}


@pytest.mark.slow
def test_five_thousand_requests_with_failures_a_kill_and_an_expired_batch(
    batches: BatchServer, server: Server, session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(line: dict[str, Any], tries: int) -> tuple[int, dict[str, Any]] | None:
        number = int(line["custom_id"][:6], 16)
        return (500, {"message": "try again"}) if number % 50 == 0 and tries == 1 else None

    batches.fails, batches.expires, batches.waits = fails, {0: 3000}, True
    process = start(server, session, 5000)
    kill(process, lambda: any(record.state for record in all_records(session.store)))
    batches.waits = False
    done = until_done(session, at(server), 5000)
    assert len(done.table) == 5000
    assert len(batches.paid) == 5000
    assert set(batches.paid.values()) == {1}
    twice = sum(times == 2 for times in batches.submitted.values())
    assert 2000 <= twice <= 2000 + 200
    assert len(batches.jobs) <= 4
