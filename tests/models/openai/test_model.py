"""Endpoints against a stand-in server that misbehaves in every way a server can."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import openai
import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import EndpointError, UsageError
from synthkit.core.types import Completion, Message, Request
from synthkit.models.openai import health, responses
from synthkit.models.openai.embedder import endpoint_embedder
from synthkit.models.openai.model import Endpoint, endpoint
from synthkit.models.openai.server import connect
from synthkit.models.openai.strict_schema import strict
from tests.server import MODELS, Asked, Reply, Server, completion, free_port, spawn

KEY = "sk-test-0123456789abcdef"


@pytest.fixture(scope="module", autouse=True)
def quick_collections() -> Iterator[None]:
    """What is loaded so far is set aside, so that a full collection takes no second."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No thread of ours outlives a run, and no socket is left for the garbage collector."""
    yield
    gc.collect()  # an unclosed socket is an error here
    left = [thread.name for thread in threading.enumerate() if thread.name == "synthkit-endpoint"]
    assert left == []


def rows(n: int) -> pd.DataFrame:
    return pd.DataFrame({"x": range(n)})


def ask(session: sk.Session, model: Endpoint, n: int = 20, **options: Any) -> sk.Run:
    return sk.generate("Say {{ x }}.", rows=rows(n), model=model, session=session, **options)


def question(text: str, **parts: Any) -> Request:
    return Request((Message("user", text),), **parts)


def answered(model: Endpoint, requests: Sequence[Request]) -> dict[int, Completion]:
    return dict(done for done in model.complete(requests) if done is not None)


def only(n: int, reply: Reply) -> Callable[[Asked], Reply | None]:
    """That reply to the prompt of row ``n``, the ordinary one to all others."""
    return lambda request: reply if request.prompt == f"Say {n}." else None


# What is sent


def sent(model_options: dict[str, Any], request: Request) -> Asked:
    with Server() as server:
        answered(endpoint("m", base_url=server.base_url, **model_options), [request])
    return server.asked[0]


def test_plain_body_has_what_was_asked_and_nothing_else() -> None:
    request = question("hi")
    asked = sent({}, request)
    assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
    assert asked.json == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.7,
        "max_tokens": 256,
        "seed": request.row_seed,
    }


@pytest.mark.parametrize(
    ("sampling", "changed"),
    [
        ({"temperature": None}, {"temperature": None}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"top_p": 0.5}, {"top_p": 0.5}),
        ({"max_tokens": None}, {"max_tokens": None}),
        ({"seed": None}, {"seed": None}),
        ({"stop": ("\n", "END")}, {"stop": ["\n", "END"]}),
        ({"logprobs": True}, {"logprobs": True}),
        ({"extra": {"top_k": 40, "temperature": 1.5}}, {"top_k": 40, "temperature": 1.5}),
    ],
)
def test_each_sampling_option_is_in_the_body(
    sampling: dict[str, Any], changed: dict[str, Any]
) -> None:
    plain = {"temperature": 0.7, "max_tokens": 256, "seed": question("hi").row_seed}
    body = sent({}, question("hi", sampling=sk.Sampling(**sampling))).json
    del body["model"], body["messages"]
    assert body == {name: v for name, v in (plain | changed).items() if v is not None}


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"turn": "user"}, 'writes the assistant\'s turn only; turn="user" .* such as "smollm2"'),
        (
            {"sampling": sk.Sampling(extra={"token_bias": {"a": -1}})},
            "tokens by their texts; token",
        ),
        *(
            (
                {"sampling": sk.Sampling(extra={name: "x"})},
                f"extra parameters cannot replace '{name}'",
            )
            for name in ("model", "messages", "prompt")
        ),
        ({"answer": "yes"}, 'cannot score given texts; to score .* such as "smollm2"'),
    ],
)
def test_what_only_a_local_model_can_do_is_refused_before_anything_is_sent(
    parts: dict[str, Any], says: str, raw: bool
) -> None:
    with Server() as server:
        model = endpoint("m", base_url=server.base_url, raw=raw)
        with pytest.raises(UsageError, match=says):
            answered(model, [question("hi"), question("hi", **parts)])
    assert server.asked == []


def test_seed_of_a_row_depends_on_its_index() -> None:
    seeds = {sent({}, question("hi", index=i)).json["seed"] for i in range(3)}
    assert seeds == {question("hi", index=i).row_seed for i in range(3)}
    assert len(seeds) == 3


def test_roles_and_unicode_arrive_as_written() -> None:
    messages = (Message("system", "Sei höflich."), Message("user", "飯 🍚?"))
    body = sent({}, Request(messages)).json
    assert body["messages"] == [
        {"role": "system", "content": "Sei höflich."},
        {"role": "user", "content": "飯 🍚?"},
    ]


def test_extra_body_of_the_endpoint_wins_over_extra_of_the_sampling() -> None:
    request = question("hi", sampling=sk.Sampling(extra={"a": 1, "b": 1, "temperature": 1.0}))
    body = sent({"extra_body": {"b": 2, "max_tokens": 9}}, request).json
    assert (body["a"], body["b"], body["temperature"], body["max_tokens"]) == (1, 2, 1.0, 9)


def test_a_schema_is_sent_strict() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}}
    body = sent({}, question("hi", schema=schema)).json
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {
            "name": "row",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "additionalProperties": False,
                "required": ["a"],
            },
        },
    }


def test_strict_tells_keywords_from_names_and_values() -> None:
    inner = {"type": "object", "properties": {"x": {"type": "integer", "default": 1}}}
    schema = {
        "type": "object",
        "properties": {
            "default": {"type": "string"},
            "properties": inner,
            "kind": {"const": {"default": 1, "properties": {}}},
            "list": {"type": "array", "items": {"anyOf": [inner, {"type": "null"}]}},
        },
        "$defs": {"default": inner},
    }
    closed = {
        "type": "object",
        "properties": {"x": {"type": "integer"}},
        "additionalProperties": False,
        "required": ["x"],
    }
    assert strict(schema) == {
        "type": "object",
        "properties": {
            "default": {"type": "string"},
            "properties": closed,
            "kind": {"const": {"default": 1, "properties": {}}},
            "list": {"type": "array", "items": {"anyOf": [closed, {"type": "null"}]}},
        },
        "$defs": {"default": closed},
        "additionalProperties": False,
        "required": ["default", "properties", "kind", "list"],
    }


def test_raw_sends_the_prompt_as_text() -> None:
    reply = Reply(
        body={
            "choices": [
                {
                    "text": " a time",
                    "finish_reason": "length",
                    "logprobs": {"tokens": [" a", " time"], "token_logprobs": [-0.5, -1.0]},
                }
            ]
        }
    )
    with Server(reply) as server:
        model = endpoint("m", base_url=server.base_url, raw=True)
        messages = (Message("system", "Tell."), Message("user", "Once upon"))
        got = answered(model, [Request(messages, sk.Sampling(logprobs=True))])[0]
    asked = server.asked[0]
    assert asked.path == "/v1/completions"
    assert asked.json["prompt"] == "Tell.\n\nOnce upon"
    assert "messages" not in asked.json
    assert asked.json["logprobs"] == 1
    assert (got.text, got.finish) == (" a time", "length")
    assert got.logprobs == ((" a", -0.5), (" time", -1.0))


def test_a_server_that_wants_max_completion_tokens_gets_it_from_then_on(
    session: sk.Session,
) -> None:
    def script(request: Asked) -> Reply | None:
        if "max_tokens" in request.json:
            words = "'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            return Reply(400, error=words)
        return None

    with Server(script) as server:
        run = ask(session, endpoint("m", base_url=server.base_url), 50)
    assert (len(run.table), server.count) == (50, 51)
    assert server.asked[-1].json["max_completion_tokens"] == 256


def test_all_of_a_slow_first_wave_may_learn_of_max_completion_tokens(session: sk.Session) -> None:
    def script(request: Asked) -> Reply | None:
        if "max_tokens" in request.json:
            return Reply(400, error="use max_completion_tokens", seconds=0.6)
        return None

    with Server(script) as server:
        run = ask(session, endpoint("m", base_url=server.base_url), 50)
    assert (len(run.table), len(run.rejects)) == (50, 0)
    assert server.count <= 60


# Configuration, beside the SDK's


def both_send(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> tuple[Asked, Asked]:
    """What the SDK and synthkit send for the same settings."""
    with Server() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url + "/")
        client = openai.OpenAI(**options)
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        client.close()
        nothing = sk.Sampling(temperature=None, max_tokens=None, seed=None)
        answered(endpoint("m", **options), [question("hi", sampling=nothing)])
    theirs, ours = server.asked
    return theirs, ours


@pytest.mark.parametrize(
    ("environment", "options"),
    [
        ({"OPENAI_API_KEY": KEY}, {}),
        ({"OPENAI_API_KEY": KEY, "OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj-1"}, {}),
        ({"OPENAI_API_KEY": "other", "OPENAI_ORG_ID": "org-1"}, {"organization": "org-2"}),
        ({"OPENAI_API_KEY": "other"}, {"api_key": KEY, "project": "proj-2"}),
        ({}, {"api_key": KEY, "default_headers": {"X-Title": "lab", "authorization": "Basic q"}}),
        ({}, {"api_key": KEY, "default_query": {"api-version": "2026-01-01", "a b": "ü&"}}),
    ],
)
def test_settings_reach_the_server_as_the_sdk_sends_them(
    environment: dict[str, str], options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    theirs, ours = both_send(monkeypatch, options)
    assert (ours.method, ours.path, ours.json) == (theirs.method, theirs.path, theirs.json)
    names = ["authorization", "openai-organization", "openai-project", "content-type", "accept"]
    for name in [*names, "x-title", "host"]:
        assert ours.headers.get(name) == theirs.headers.get(name), name


def test_a_server_of_your_own_needs_no_key_and_gets_none() -> None:
    assert "authorization" not in sent({}, question("hi")).headers


def test_the_sdks_key_is_not_sent_to_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    asked = sent({}, question("hi"))
    assert "authorization" not in asked.headers
    assert KEY not in str(asked.headers)


def test_a_named_key_is_sent_to_the_address_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_KEY", KEY + "\n")
    asked = sent({"api_key_env": "LAB_KEY"}, question("hi"))
    assert asked.headers["authorization"] == f"Bearer {KEY}"


def test_ask_key_asks_without_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt: KEY if "127.0.0.1" in prompt else "")
    assert sent({"ask_key": True}, question("hi")).headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs a key"),
        ({"api_key_env": "NOT_SET"}, "'NOT_SET' is not set"),
        ({"base_url": "localhost:8000"}, "must be an address"),
        ({"base_url": "http://"}, "must be an address"),
        ({"base_url": "http://a:99999/v1"}, "must be an address"),
        ({"base_url": "http://a b/v1"}, "must be an address"),
        ({"base_url": "http://exämple/v1"}, "must be an address"),
        ({"base_url": "http://a/v1?x=1"}, "default_query"),
        ({"base_url": "http://a", "concurrency": 0}, "concurrency must be at least 1"),
        ({"base_url": "http://a", "timeout": 0}, "timeout above 0"),
        ({"base_url": "http://a", "default_headers": {"X-A": "1\r\nX-B: 2"}}, "'X-A'"),
        ({"base_url": "http://a", "default_headers": {"X A": "1"}}, "'X A'"),
    ],
)
def test_settings_that_cannot_work_are_named_before_anything_is_asked(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        sk.load_model("openai:m", **options)


@pytest.mark.parametrize("factory", [endpoint, endpoint_embedder])
def test_a_notebook_can_complete_the_options_of_the_server(factory: Callable[..., Any]) -> None:
    own = inspect.signature(factory).parameters
    assert own.items() >= inspect.signature(connect).parameters.items()
    assert all(parameter.kind is not parameter.VAR_KEYWORD for parameter in own.values())


def test_a_name_is_needed() -> None:
    with pytest.raises(UsageError, match="model name"):
        sk.load_model("openai:", base_url="http://a")


@pytest.mark.parametrize("key", [KEY + "\N{RIGHT DOUBLE QUOTATION MARK}", KEY + "\n" + KEY])
def test_a_key_that_http_cannot_carry_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(UsageError, match="the key has a character") as caught:
        endpoint("m", base_url="http://a", api_key=key)
    assert KEY not in str(caught.value)


def test_a_password_in_the_address_is_refused_without_showing_it() -> None:
    with pytest.raises(UsageError, match="no user or password") as caught:
        endpoint("m", base_url="http://user:hunter22@a/v1")
    assert "hunter22" not in str(caught.value)


def test_secrets_are_in_no_repr_and_no_fingerprint() -> None:
    headers = {"api-key": "header-secret"}
    query = {"key": "query-secret", "api-version": "3"}
    model = endpoint(
        "m", base_url="http://a/v1/", api_key=KEY, default_headers=headers, default_query=query
    )
    assert json.loads(model.fingerprint) == {
        "base_url": "http://a/v1",
        "model": "m",
        "query": {"api-version": "3"},
    }
    for secret in (KEY, "header-secret", "query-secret"):
        assert secret not in repr(model) + model.fingerprint


def test_fingerprint_tells_apart_what_answers_differently() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"base_url": "http://b"},
        {"extra_body": {"top_k": 1}},
        {"raw": True},
        {"default_query": {"api-version": "2"}},
    ]
    prints = [endpoint("m", **{"base_url": "http://a"} | change).fingerprint for change in changes]
    assert len(set(prints)) == len(changes)
    assert endpoint("m", base_url="http://a/", api_key=KEY).fingerprint == prints[0]


# Refusals that end a run

REFUSALS = {
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    422: openai.UnprocessableEntityError,
}


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_costs_one_request_and_says_the_servers_words(
    status: int, session: sk.Session
) -> None:
    words = f"Incorrect key {KEY} for model m"
    with Server(Reply(status, error=words, code="bad"), latency=0.05) as server:
        model = endpoint("m", base_url=server.base_url, api_key=KEY)
        with pytest.raises(EndpointError, match=r"Incorrect key \[key\] for model m") as caught:
            ask(session, model, 500)
    assert server.count == 1
    error: Any = caught.value
    assert isinstance(error, REFUSALS[status])
    assert (error.status, error.status_code, error.code) == (status, status, "bad")
    assert KEY not in str(error) + repr(error) + str(error.body) + error.response.text
    assert KEY not in str(error.response.headers) + str(error.request.headers)
    assert (len(error.run.table), len(error.run.pending)) == (0, 500)
    assert KEY.encode() not in session.store.path.read_bytes()


def test_a_key_revoked_half_way_keeps_the_rows(session: sk.Session) -> None:
    def script(request: Asked) -> Reply | None:
        return Reply(401, error="revoked") if request.number >= 30 else None

    with Server(script, latency=0.01) as server:
        model = endpoint("m", base_url=server.base_url, concurrency=4)
        with pytest.raises(openai.AuthenticationError, match="revoked") as caught:
            ask(session, model, 100)
        first: Any = caught.value
        done = len(first.run.table)
        assert 20 <= done <= 30
        assert done + len(first.run.pending) == 100
        assert server.count <= 30 + 4
        server.script = None
        server.reset()
        again = ask(session, model, 100)
        assert (len(again.table), server.count) == (100, 100 - done)


def test_a_quota_that_is_used_up_ends_the_run_at_once(session: sk.Session) -> None:
    reply = Reply(429, error="You exceeded your quota", code="insufficient_quota")
    with Server(reply) as server, pytest.raises(openai.RateLimitError, match="your quota"):
        ask(session, endpoint("m", base_url=server.base_url), 100)
    assert server.count == 1


def test_a_redirect_names_the_new_address(session: sk.Session) -> None:
    reply = Reply(308, body=b"", headers={"Location": "https://new.test/v1"})
    with Server(reply) as server, pytest.raises(EndpointError, match=r"https://new\.test/v1"):
        ask(session, endpoint("m", base_url=server.base_url))
    assert server.count == 1


def test_one_wording_for_all_ends_the_run_after_a_few(session: sk.Session) -> None:
    reply = Reply(400, error="temperature must be 1")
    with Server(reply) as server, pytest.raises(openai.BadRequestError, match="must be 1"):
        ask(session, endpoint("m", base_url=server.base_url), 500)
    assert server.count == health.SAME_MESSAGE


def test_rows_refused_for_their_own_faults_are_rejects(session: sk.Session) -> None:
    def script(request: Asked) -> Reply | None:
        row = int(request.prompt.strip("Say ."))
        return Reply(400, error=f"the prompt {row} is too long") if row < 20 else None

    with Server(script) as server:
        run = ask(session, endpoint("m", base_url=server.base_url), 40)
    assert (len(run.table), len(run.rejects), server.count) == (20, 20, 40)
    assert "(400): the prompt 0 is too long" in run.rejects.reason[0]


def test_a_list_of_models_lets_all_requests_go_before_the_first_is_answered(
    session: sk.Session,
) -> None:
    with Server(latency=0.5, lists=MODELS) as server:
        run = ask(session, endpoint("m", base_url=server.base_url), 40)
        first = server.asked[0].at
        assert all(asked.at - first < 0.5 for asked in server.asked)
        assert len(run.table) == server.count == 40
        assert server.listed == 1
        ask(session, endpoint("m", base_url=server.base_url), 1)
        assert server.listed == 1  # nothing to let go


def test_a_key_that_may_list_models_and_nothing_else_ends_the_run(session: sk.Session) -> None:
    with Server(Reply(401, error="no"), lists=MODELS) as server:
        with pytest.raises(openai.AuthenticationError, match="no"):
            ask(session, endpoint("m", base_url=server.base_url), 500)
        assert server.count < 64


# 429


@pytest.mark.parametrize("concurrency", [64, 256, 500])
def test_429s_above_32_in_flight_cost_few_requests_and_no_row(
    concurrency: int, session: sk.Session
) -> None:
    with Server(latency=0.05, max_inflight=32) as server:
        model = endpoint("m", base_url=server.base_url, concurrency=concurrency)
        run = ask(session, model, 500)
    assert (len(run.table), len(run.rejects), len(run.pending)) == (500, 0, 0)
    assert server.rejected < 71
    assert run.ledger.requests == server.count == 500 + server.rejected


def test_a_spent_quota_is_waited_for_and_not_hammered(session: sk.Session) -> None:
    with Server(Reply(429, error="slow down")) as server:
        opening = time.monotonic() + 3.0

        def script(request: Asked) -> Reply | None:
            return Reply(429, error="slow down") if time.monotonic() < opening else None

        server.script = script
        run = ask(session, endpoint("m", base_url=server.base_url), 100)
    assert len(run.table) == 100
    assert server.count - 100 <= 5


def test_a_quota_spent_half_way_is_waited_for_and_not_hammered(session: sk.Session) -> None:
    spent: list[float] = []

    def script(request: Asked) -> Reply | None:
        if request.number < 200:
            return None
        spent.append(time.monotonic())
        return Reply(429, error="slow down") if spent[-1] < spent[0] + 3.0 else None

    with Server(script, latency=0.02) as server:
        run = ask(session, endpoint("m", base_url=server.base_url, concurrency=64), 400)
    assert len(run.table) == 400
    assert server.count - 400 <= 64 + 32 + 8 + 3 * 2


def test_the_wait_that_the_server_asks_for_is_kept(session: sk.Session) -> None:
    replies = [Reply(429, headers={"retry-after-ms": "700"}), Reply(503, headers={})]
    replies[1].headers["Retry-After"] = "1"
    with Server([*replies, None]) as server:
        run = ask(session, endpoint("m", base_url=server.base_url), 1)
    first, second, third = (asked.at for asked in server.asked)
    assert len(run.table) == 1
    assert second - first >= 0.7
    assert third - second >= 1.0


def test_retry_after_is_read_in_each_of_its_forms() -> None:
    read = responses.retry_after
    soon = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 20))
    assert read({"retry-after": "1.5"}) == 1.5
    assert read({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert 17 < (read({"retry-after": soon}) or 0) <= 20
    assert read({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert read({"retry-after": "86400"}) == 60
    for nonsense in ("", "soon", "-1", "nan", "Mon, 01 Jan 99999 00:00:00 GMT"):
        assert read({"retry-after": nonsense}) is None, nonsense


def test_429s_without_end_end_the_run(
    session: sk.Session, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.3)
    with (
        Server(Reply(429, error="slow down")) as server,
        pytest.raises(openai.RateLimitError, match="slow down"),
    ):
        ask(session, endpoint("m", base_url=server.base_url), 50)


# Answers that are none

BROKEN = {
    "garbage": Reply(body=b"\x00\xff garbage"),
    "truncated JSON": Reply(body=json.dumps(completion("x" * 100))[:120]),
    "empty": Reply(body=b""),
    "HTML": Reply(body="<html><body>Welcome!</body></html>", headers={"Content-Type": "text/html"}),
    "no choices": Reply(body={"choices": []}),
    "null": Reply(body=b"null"),
    "a list": Reply(body=[1]),
    "an error with status 200": Reply(body={"error": {"message": "the upstream is lost"}}),
    "an error in the choice": Reply(body=completion("", finish_reason="error")),
    "content of no text": Reply(body=completion("", message={"content": 7})),
    "deep nesting": Reply(body="[" * 100_000),
    "cut": Reply(how="cut"),
    "closed after headers": Reply(how="headers"),
    "closed before headers": Reply(how="nothing"),
    "not HTTP": Reply(how="raw", body=b"SSH-2.0-OpenSSH_9\r\n"),
    "too long": Reply(body=b"x" * 40_000_000),
    "500": Reply(500, error="internal"),
    "500 with Retry-After": Reply(500, error="internal", headers={"Retry-After": "0.01"}),
    "502 of HTML": Reply(502, body="<html>Bad gateway</html>"),
    "413": Reply(413, error="too large"),
    "204": Reply(204, body=b""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_row_that_is_never_answered_is_a_reject_and_all_others_are_rows(
    name: str, session: sk.Session, quick: None
) -> None:
    def script(request: Asked) -> Reply | None:
        if request.prompt == "Say 3.":
            return BROKEN[name]
        return Reply(seconds=0.7) if request.prompt == "Say 39." else None

    with Server(script) as server:
        run = ask(session, endpoint("m", base_url=server.base_url), 40)
    assert (len(run.table), run.rejects.x.tolist()) == (39, [3])
    assert len(run.rejects.reason[0]) > 10
    assert run.ledger.requests == server.count


def test_a_row_that_hangs_is_a_reject_and_all_others_are_rows(
    session: sk.Session, quick: None
) -> None:
    def script(request: Asked) -> Reply:
        return Reply(how="hang") if request.prompt == "Say 3." else Reply(seconds=0.1)

    with Server(script) as server:
        model = endpoint("m", base_url=server.base_url, timeout=0.25, concurrency=2)
        run = ask(session, model, 24)
    assert (len(run.table), run.rejects.x.tolist()) == (23, [3])
    assert run.rejects.reason[0] == "does not answer: no answer in 0.25 s; tried 4 times"


@pytest.mark.parametrize("bad", [1, 6])
def test_rows_that_fail_do_not_end_a_run_while_slow_answers_are_on_their_way(
    bad: int, session: sk.Session, quick: None
) -> None:
    def script(request: Asked) -> Reply:
        row = int(request.prompt.strip("Say ."))
        return Reply(how="cut") if 0 < row <= bad else Reply(seconds=2.0 if row else 0.0)

    with Server(script) as server:
        run = ask(session, endpoint("m", base_url=server.base_url), 40)
    assert run.rejects.x.tolist() == list(range(1, bad + 1))
    assert (len(run.table), len(run.pending)) == (40 - bad, 0)


def test_without_retries_one_failure_is_a_reject(session: sk.Session) -> None:
    with Server(only(5, Reply(500, error="no")), latency=0.01) as server:
        model = endpoint("m", base_url=server.base_url, max_retries=0)
        run = ask(session, model, 100)
    assert (len(run.table), run.rejects.x.tolist(), server.count) == (99, [5], 100)


@pytest.mark.parametrize("name", sorted(BROKEN.keys() - {"413", "204"}))
def test_an_answer_broken_once_is_asked_again(name: str, session: sk.Session, quick: None) -> None:
    seen: Counter[str] = Counter()

    def script(request: Asked) -> Reply | None:
        seen[request.prompt] += 1
        return BROKEN[name] if request.prompt == "Say 3." and seen["Say 3."] == 1 else None

    with Server(script) as server:
        run = ask(session, endpoint("m", base_url=server.base_url), 10)
    assert run.table.text.tolist() == [f"Answer to: Say {i}." for i in range(10)]
    assert (run.ledger.requests, server.count) == (11, 11)


@pytest.mark.parametrize("raw", ['{"choices": []}', '{"choices'])
def test_a_server_that_talks_nonsense_gives_rejects_with_the_raw_text(
    raw: str, session: sk.Session, quick: None
) -> None:
    with Server(Reply(body=raw)) as server:
        run = ask(session, endpoint("m", base_url=server.base_url), 50)
    assert (len(run.table), len(run.rejects), len(run.pending)) == (0, 50, 0)
    assert set(run.rejects.raw) == {raw}
    assert run.rejects.reason.str.contains("the response cannot be read").all()


@pytest.mark.parametrize("name", ["500", "cut", "closed before headers", "not HTTP"])
def test_a_server_that_serves_nobody_leaves_rows_pending_with_a_warning(
    name: str, session: sk.Session, quick: None
) -> None:
    with Server(BROKEN[name]) as server:
        model = endpoint("m", base_url=server.base_url)
        with pytest.warns(RuntimeWarning, match="50 rows are pending: http"):
            run = ask(session, model, 50)
    assert (len(run.table), len(run.rejects), len(run.pending)) == (0, 0, 50)
    assert server.count <= 4  # one at a time, with growing waits


def test_a_first_row_that_kills_its_connection_does_not_hold_up_the_rest(
    session: sk.Session, quick: None
) -> None:
    with Server(only(0, Reply(how="nothing")), latency=0.02) as server:
        run = ask(session, endpoint("m", base_url=server.base_url, concurrency=2), 100)
    assert (len(run.table), run.rejects.x.tolist()) == (99, [0])


def test_what_the_server_repeats_of_the_key_is_not_in_the_rejects(
    session: sk.Session, quick: None
) -> None:
    def script(request: Asked) -> Reply:
        return Reply(body='{"choices": [], "headers": ' + json.dumps(request.headers) + "}")

    with Server(script) as server:
        run = ask(session, endpoint("m", base_url=server.base_url, api_key=KEY), 3)
    assert run.rejects.raw.str.contains("Bearer [key]", regex=False).all()
    assert KEY not in run.rejects.to_csv()
    assert KEY.encode() not in session.store.path.read_bytes()


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (None, (6, 2)),  # estimates
        ({"prompt_tokens": 3}, (3, 2)),
        ({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 14}, (3, 11)),
        (
            {
                "prompt_tokens": 3,
                "completion_tokens": 2,
                "total_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 4},
            },
            (7, 2),
        ),
        ({"prompt_tokens": 10**30, "completion_tokens": -5}, (6, 2)),
        ({"prompt_tokens": float("inf"), "completion_tokens": "7"}, (6, 7)),
    ],
)
def test_an_answer_with_strange_usage_is_kept(
    usage: Any, counted: tuple[int, int], session: sk.Session
) -> None:
    with Server(Reply(body=completion("fine") | {"usage": usage})) as server:
        run = ask(session, endpoint("m", base_url=server.base_url), 1)
    assert run.table.text.tolist() == ["fine"]
    assert (run.ledger.prompt_tokens, run.ledger.completion_tokens) == counted


def test_what_an_answer_holds_is_read() -> None:
    def read(**choice: Any) -> Completion:
        return responses.read(json.dumps(completion("", **choice)).encode(), 1.0, 1)

    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert read(message={"content": parts}).text == "ab"
    assert read(message={"content": None}).text == ""
    refused = read(message={"content": None, "refusal": "I cannot."})
    assert (refused.text, refused.finish) == ("I cannot.", "content_filter")
    assert read(message={"content": "a\ud800b"}).text == "a\N{REPLACEMENT CHARACTER}b"
    assert read(message={"content": "x"}, finish_reason=None).finish == "stop"
    pairs = [{"token": "x", "logprob": -0.25}]
    assert read(message={"content": "x"}, logprobs={"content": pairs}).logprobs == (("x", -0.25),)


def test_ten_megabytes_are_a_row(session: sk.Session) -> None:
    with Server(Reply(body=completion("x" * 10_000_000))) as server:
        run = ask(session, endpoint("m", base_url=server.base_url), 2)
    assert run.table.text.str.len().tolist() == [10_000_000] * 2


# A server that is not there


def test_a_server_that_is_down_leaves_all_pending_and_a_rerun_asks_for_all(
    session: sk.Session, quick: None
) -> None:
    port = free_port()
    model = endpoint("m", base_url=f"http://127.0.0.1:{port}/v1")
    with pytest.warns(RuntimeWarning, match="500 rows are pending: http://127"):
        run = ask(session, model, 500)
    assert (len(run.table), len(run.rejects), len(run.pending)) == (0, 0, 500)
    assert "Connect call failed" in run.ledger.stopped
    with Server(port=port) as server:
        assert len(ask(session, model, 500).table) == 500
        assert server.count == 500


def test_a_name_that_does_not_exist_leaves_all_pending(session: sk.Session, quick: None) -> None:
    model = endpoint("m", base_url="http://nowhere.invalid/v1")
    with pytest.warns(RuntimeWarning, match="5 rows are pending: http://nowhere"):
        assert len(ask(session, model, 5).pending) == 5


def test_a_server_killed_half_way_keeps_rows_and_a_rerun_asks_for_the_rest(
    session: sk.Session, quick: None
) -> None:
    def kill_half_way() -> None:
        while session.store.completions.count() < 32:
            time.sleep(0.01)
        server.kill()

    with spawn("--latency-ms", "50") as server:
        model = endpoint("m", base_url=server.base_url, concurrency=16)
        threading.Thread(target=kill_half_way).start()
        with pytest.warns(RuntimeWarning, match="rows are pending"):
            run = ask(session, model, 2000)
    assert len(run.table) > 16
    assert len(run.rejects) == 0
    assert len(run.table) + len(run.pending) == 2000
    with Server(port=server.port) as back:
        again = ask(session, model, 2000)
    assert len(again.table) == 2000
    assert back.count == 2000 - len(run.table)


def test_a_cached_rerun_needs_no_server(session: sk.Session) -> None:
    with Server() as server:
        model = endpoint("m", base_url=server.base_url)
        first = ask(session, model, 100)
    second = ask(session, model, 100)
    assert second.table.equals(first.table)
    assert (second.ledger.requests, second.ledger.hits) == (0, 100)


def test_a_certificate_nobody_vouches_for_is_named_at_once(
    session: sk.Session, tmp_path: Path
) -> None:
    import ssl

    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"]
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command += ["/CN=127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with Server(tls=context) as server:
        model = endpoint("m", base_url=server.base_url)
        with pytest.warns(RuntimeWarning, match="SSL_CERT_FILE"):
            run = ask(session, model, 5)
    assert (len(run.pending), server.connections) == (5, 0)


# The stream


def test_requests_appended_while_it_runs_are_served() -> None:
    with Server() as server:
        model = endpoint("m", base_url=server.base_url)
        requests = [question("0")]
        got = []
        for done in model.complete(requests):
            if done is not None:
                got.append(done[1].text)
                if len(requests) < 30:
                    requests += [question(str(len(requests))), question(str(len(requests) + 1))]
    assert len(got) == len(requests) == 31
    assert set(got) == {f"Answer to: {i}" for i in range(31)}


def test_no_requests_are_no_answers() -> None:
    assert answered(endpoint("m", base_url="http://127.0.0.1:9"), []) == {}


def test_answers_come_as_they_finish_with_ticks_between() -> None:
    def script(request: Asked) -> Reply:
        return Reply(seconds=0.6 if request.prompt == "slow" else 0.0)

    with Server(script) as server:
        model = endpoint("m", base_url=server.base_url)
        stream = list(model.complete([question("a"), question("slow"), question("b")]))
    order = [item[0] for item in stream if item is not None]
    assert order == [0, 2, 1]
    assert stream.count(None) >= 2


def test_at_most_concurrency_are_in_flight(session: sk.Session) -> None:
    with Server(latency=0.02) as server:
        ask(session, endpoint("m", base_url=server.base_url, concurrency=7), 100)
    assert server.peak == 7


def test_only_the_first_run_of_a_model_sends_one_request_first(session: sk.Session) -> None:
    with Server(latency=0.3) as server:
        model = endpoint("m", base_url=server.base_url, concurrency=8)
        ask(session, model, 8)
        began = server.count
        ask(session, model, 16)
        first_wave = [
            asked.at - server.asked[began].at for asked in server.asked[began : began + 8]
        ]
    assert max(first_wave) < 0.3


def test_a_slow_first_answer_does_not_hold_up_the_rest() -> None:
    with Server(only(0, Reply(seconds=3.0))) as server:
        stream = endpoint("m", base_url=server.base_url).complete(
            [question(f"Say {row}.") for row in range(100)]
        )
        order = [done[0] for done in stream if done is not None]
    assert sorted(order) == list(range(100))
    assert order[-1] == 0


def test_closing_the_stream_ends_its_thread_and_connections_at_once() -> None:
    with Server(lambda request: Reply(how="hang" if request.number else "whole")) as server:
        stream = endpoint("m", base_url=server.base_url).complete([question("a")] * 50)
        assert next(filter(None, stream))
        while server.count < 50:
            assert next(stream) is None
        assert server.open == 49  # the first one's connection serves again
        stream.close()  # type: ignore[attr-defined]
        until = time.monotonic() + 5
        while server.open and time.monotonic() < until:
            time.sleep(0.01)
        assert server.open == 0


def test_closing_in_the_middle_of_connecting_and_waiting_is_clean(quick: None) -> None:
    for reply in (None, Reply(429), Reply(500), Reply(how="cut"), Reply(how="hang")):
        for _ in range(2):
            with Server(reply) as server:
                stream = endpoint("m", base_url=server.base_url).complete([question("a")] * 50)
                next(stream)
                stream.close()  # type: ignore[attr-defined]
                assert not [t for t in threading.enumerate() if t.name == "synthkit-endpoint"]


def test_an_interrupt_in_the_consumer_keeps_what_is_done(tmp_path: Path) -> None:
    with spawn("--latency-ms", "50") as server:
        code = (
            "import sys, pandas as pd, synthkit as sk\n"
            "rows = pd.DataFrame({'x': range(int(sys.argv[1]))})\n"
            f"model = sk.load_model('openai:m', base_url={server.base_url!r}, concurrency=8)\n"
            f"with sk.Session({str(tmp_path / 's')!r}) as session:\n"
            "    print('go', flush=True)\n"
            "    try:\n"
            "        run = sk.generate('Say {{ x }}.', rows=rows, model=model, session=session)\n"
            "    except KeyboardInterrupt as interrupt:\n"
            "        run = interrupt.run\n"
            "    print(len(run.table), len(run.pending), run.ledger.stopped, flush=True)\n"
        )
        command = [sys.executable, "-W", "error", "-c", code]
        with subprocess.Popen(
            [*command, "3000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "go\n"
            while server.stats()["requests"] < 100:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            out, errors = process.communicate(timeout=30)
        done, pending, why = out.split()
        assert (int(done) + int(pending), why) == (3000, "interrupted")
        assert int(done) >= 90
        assert errors == ""
        server.reset()
        again = subprocess.run([*command, done], capture_output=True, text=True, check=True)
        assert again.stdout.split()[1:3] == [done, "0"]
        assert again.stderr == ""


def test_two_runs_in_two_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    runs: dict[int, sk.Run] = {}
    with Server(latency=0.01) as server:

        def work(i: int) -> None:
            with sk.Session(tmp_path / str(i)) as session:
                runs[i] = ask(session, endpoint(f"m{i}", base_url=server.base_url), 100)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    expected = [f"Answer to: Say {i}." for i in range(100)]
    assert [runs[i].table.text.tolist() for i in range(2)] == [expected, expected]
    assert Counter(asked.json["model"] for asked in server.asked) == {"m0": 100, "m1": 100}


def test_it_works_inside_a_running_event_loop(session: sk.Session) -> None:
    async def cell() -> sk.Run:
        return ask(session, endpoint("m", base_url=server.base_url), 20)

    with Server() as server:
        assert len(asyncio.run(cell()).table) == 20


def test_one_connection_serves_one_request_after_another(session: sk.Session) -> None:
    with Server(latency=0.005) as server:
        ask(session, endpoint("m", base_url=server.base_url, concurrency=8), 200)
    assert server.connections <= 8 + 1  # and one for the list of models


def test_a_server_that_closes_after_each_answer_costs_no_row(session: sk.Session) -> None:
    with Server(Reply(how="silent close")) as server:
        run = ask(session, endpoint("m", base_url=server.base_url), 200)
    assert len(run.table) == 200
    assert len(run.rejects) == 0


def ideal(seconds: Sequence[float], concurrency: int) -> float:
    """Length of the schedule where each request starts as soon as a place is free."""
    free = [0.0] * concurrency
    for each in seconds:
        at = free.index(min(free))
        free[at] += each
    return max(free)


def test_slow_calls_hold_up_no_others(session: sk.Session) -> None:
    def seconds(i: int) -> float:
        return 1.0 if i % 20 == 0 else 0.05

    def script(request: Asked) -> Reply:
        return Reply(seconds=seconds(int(request.prompt.strip("Say ."))))

    with Server(script) as server:
        run = ask(session, endpoint("m", base_url=server.base_url, concurrency=64), 500)
        span = server.asked[-1].at - server.asked[0].at
    assert len(run.table) == 500
    # a barrier after each 64 would take 8 s; the strict figure is in tests/benchmarks/endpoint.py
    assert span < run.ledger.seconds < 2.5 * ideal([seconds(i) for i in range(500)], 64)


# Budgets


def test_max_requests_is_never_exceeded_tries_again_included(
    session: sk.Session, quick: None
) -> None:
    def script(request: Asked) -> Reply | None:
        return Reply(500, error="flaky") if request.number % 3 == 0 else None

    with Server(script, latency=0.01) as server:
        model = endpoint("m", base_url=server.base_url, concurrency=8, max_requests=60)
        run = ask(session, model, 100)
        assert server.count <= 60
        assert 35 <= len(run.table) <= 40
        assert len(run.table) + len(run.pending) == 100
        assert "max_requests=60" in run.ledger.stopped
        server.script = None
        server.reset()
        again = ask(session, model, 100)
        assert (len(again.table), server.count) == (100, 100 - len(run.table))


def test_max_requests_holds_when_a_kept_connection_turns_out_stale(session: sk.Session) -> None:
    with Server(lambda request: Reply(how="nothing") if request.number % 2 else None) as server:
        model = endpoint("m", base_url=server.base_url, max_requests=11, concurrency=1)
        run = ask(session, model, 100)
    assert server.count <= 11
    assert len(run.table) + len(run.pending) == 100


def test_max_tokens_total_and_max_cost_stop_before_more_is_spent(session: sk.Session) -> None:
    sampling = sk.Sampling(max_tokens=20)
    with Server() as server:
        model = endpoint("m", base_url=server.base_url, max_tokens_total=1000)
        run = ask(session, model, 200, sampling=sampling)
        spent = run.ledger.prompt_tokens + run.ledger.completion_tokens
        assert 700 < spent <= 1000
        assert "max_tokens_total=1000" in run.ledger.stopped
        priced = endpoint("p", base_url=server.base_url, price=(100.0, 200.0), max_cost=0.1)
        run = ask(session, priced, 200, sampling=sampling)
    assert run.ledger.cost is not None
    assert 0.05 < run.ledger.cost <= 0.1
    assert len(run.table) + len(run.pending) == 200
    tokens = run.ledger.prompt_tokens * 100.0 + run.ledger.completion_tokens * 200.0
    assert run.ledger.cost == pytest.approx(tokens / 1e6)


def test_max_cost_without_a_price_is_named(session: sk.Session) -> None:
    with pytest.raises(UsageError, match="max_cost needs the price"):
        ask(session, endpoint("m", base_url="http://127.0.0.1:9", max_cost=1.0))


def test_variables_of_the_chat_template_are_sent_as_vllm_reads_them() -> None:
    off, on = {"enable_thinking": False}, {"enable_thinking": True}
    single = question("Hi.", sampling=sk.Sampling(extra={"chat_template_kwargs": on}))

    def variables(request: Request = question("Hi."), **options: Any) -> Any:  # noqa: B008
        return sent(options, request).json.get("chat_template_kwargs")

    assert variables() is None
    assert variables(single) == on
    assert variables(chat_template_kwargs=off) == off
    assert variables(single, chat_template_kwargs={**off, "a": 1}) == {**on, "a": 1}
    other = {"chat_template_kwargs": {"b": 2}}
    assert variables(extra_body=other, chat_template_kwargs=off) == {**off, "b": 2}


def test_variables_of_the_chat_template_are_part_of_the_fingerprint_and_need_one() -> None:
    off = {"enable_thinking": False}
    address = "http://127.0.0.1:9/v1"
    plain = endpoint("m", base_url=address)
    assert endpoint("m", base_url=address, chat_template_kwargs={}).fingerprint == plain.fingerprint
    fixed = endpoint("m", base_url=address, chat_template_kwargs=off)
    assert fixed.fingerprint != plain.fingerprint
    with pytest.raises(UsageError, match="raw=True does not use"):
        endpoint("m", base_url=address, raw=True, chat_template_kwargs=off)
    raw = endpoint("m", base_url=address, raw=True)
    with pytest.raises(UsageError, match="need the chat protocol"):
        answered(
            raw,
            [question("Hi.", sampling=sk.Sampling(extra={"chat_template_kwargs": off}))],
        )
