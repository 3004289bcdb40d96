"""One server for a class: fair turns, a cap, streams, and a key that is seen nowhere."""

from __future__ import annotations

import asyncio
import logging
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

import synthkit as sk
from synthkit.core.errors import EndpointError, UsageError
from synthkit.sessions.classroom.endpoint.proxy import count_table
from synthkit.sessions.classroom.endpoint.serving import Serving, open_room
from synthkit.sessions.classroom.endpoint.tokens import tokens_of, write_tokens
from synthkit.sessions.classroom.endpoint.turns import Turns
from tests.server import Reply, Server, completion

KEY = "sk-proj-0aB1cD2eF3gH4iJ5kL6mN7"
STUDENTS = [f"Student {n}" for n in range(30)]


@pytest.fixture
def upstream() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def serve(upstream: Server) -> Iterator[Callable[..., Serving]]:
    """Serves a model of the stand-in server to a class."""
    started: list[Serving] = []

    def start(students: Any = ("Maya", "Bo"), **options: Any) -> Serving:
        model = sk.load_model("openai:m", base_url=upstream.base_url, api_key=KEY)
        room = open_room(model, students, **options)
        started.append(Serving(room, host="127.0.0.1", port=0))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def post(serving: Serving, who: str = "Maya", path: str = "chat/completions", **body: Any) -> Any:
    """The response to a request of a student."""
    content = {"model": "m", "messages": [{"role": "user", "content": "Hi."}], **body}
    token = serving.room.tokens.get(who, who)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx2.post(f"{serving.base_url}/{path}", json=content, headers=headers)


def student(serving: Serving, who: str, **options: Any) -> Any:
    """The model as a student loads it."""
    return sk.load_model(
        "openai:m",
        base_url=serving.base_url,
        proxy_of=serving.room.model.server.origin,
        api_key=serving.room.tokens[who],
        **options,
    )


def test_a_student_asks_by_a_token_and_the_server_gets_the_key(
    upstream: Server, serve: Callable[..., Serving], session: sk.Session
) -> None:
    serving = serve()
    model = student(serving, "Maya")
    run = sk.generate("Say {{ x }}.", model=model, session=session, rows={"x": ["a", "b"]})
    assert run.table["text"].tolist() == ["Answer to: Say a.", "Answer to: Say b."]
    assert {asked.headers["authorization"] for asked in upstream.asked} == {f"Bearer {KEY}"}
    assert serving.room.counts["Maya"].requests == 2
    assert model.fingerprint == serving.room.model.fingerprint
    again = sk.generate(
        "Say {{ x }}.", model=serving.room.model, session=session, rows={"x": ["a", "b"]}
    )
    assert (again.ledger.hits, again.ledger.requests) == (2, 0)
    models = httpx2.get(
        f"{serving.base_url}/models", headers={"Authorization": f"Bearer {model.server.api_key}"}
    )
    assert models.json()["data"] == [{"id": "m", "object": "model"}]


def test_the_cap_is_final_for_the_client_and_the_rows_so_far_stay(
    upstream: Server, serve: Callable[..., Serving], session: sk.Session
) -> None:
    serving = serve(cap=3)
    began = time.monotonic()
    with pytest.raises(EndpointError, match=r"429.*Maya has used 3 of 3 requests; ask the") as got:
        sk.generate(
            "Say {{ x }}.",
            model=student(serving, "Maya", concurrency=1),
            session=session,
            rows={"x": list("abcde")},
        )
    assert time.monotonic() - began < 5
    assert (got.value.status, len(got.value.run.table), upstream.count) == (429, 3, 3)
    refused = post(serving)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "insufficient_quota"
    assert refused.headers["x-should-retry"] == "false"
    assert post(serving, "Bo", n=4).status_code == 429  # four answers are four requests
    assert post(serving, "Bo", "completions", prompt=list("abcd")).status_code == 429
    assert post(serving, "Bo", n=3).status_code == 200
    assert [post(serving, "teacher").status_code for _ in range(5)] == [200] * 5


def test_what_the_server_refuses_is_told_and_not_counted(
    upstream: Server, serve: Callable[..., Serving]
) -> None:
    serving = serve(cap=1)
    upstream.script = [
        Reply(500, error="later"),
        Reply(429, error="slow", headers={"Retry-After": "7"}),
        Reply(401, error=f"Incorrect API key provided: {KEY}"),
        None,
    ]
    statuses = [(got := post(serving)).status_code, (slow := post(serving)).status_code]
    denied = post(serving)
    assert (statuses, slow.headers["Retry-After"]) == ([500, 429], "7")
    assert got.json()["error"]["message"] == "later"
    assert denied.status_code == 403
    assert "refuses the API key of this class (401); tell the teacher" in denied.text
    assert post(serving).status_code == 200
    assert serving.room.counts["Maya"].failed == 3
    assert post(serving).status_code == 429


@pytest.mark.parametrize(
    ("who", "path", "body", "status"),
    [
        ("sk-class-nobody", "chat/completions", {}, 401),
        ("", "chat/completions", {}, 401),
        ("Maya", "chat/completions", {"model": "gpt-large"}, 404),
        ("Maya", "chat/completions", {"n": "many"}, 400),
        ("Maya", "files", {}, 404),
        ("Maya", "fine_tuning/jobs", {}, 404),
    ],
)
def test_nothing_else_reaches_the_server(
    upstream: Server, serve: Callable[..., Serving], who: str, path: str, body: Any, status: int
) -> None:
    got = post(serve(), who, path, **body)
    assert (got.status_code, upstream.count) == (status, 0)
    assert got.json()["error"]["message"]


def test_the_server_reads_what_was_checked(upstream: Server, serve: Callable[..., Serving]) -> None:
    serving = serve()
    got = httpx2.post(
        f"{serving.base_url}/completions",
        content=b'{"model": "gpt-large", "n": 9, "prompt": "Hi.", "model": "m", "n": 1}',
        headers={"Authorization": f"Bearer {serving.room.tokens['Bo']}"},
    )
    assert got.status_code == 200
    assert upstream.asked[0].body == b'{"model": "m", "n": 1, "prompt": "Hi."}'


def test_a_stream_passes_as_it_comes(upstream: Server, serve: Callable[..., Serving]) -> None:
    events = [f'data: {{"n": {n}, "echo": "Bearer {KEY}"}}\n\n' for n in range(20)]
    whole = "".join([*events, "data: [DONE]\n\n"])
    headers = {"Content-Type": "text/event-stream"}
    upstream.script = Reply(body=whole, how="drip", headers=headers)
    serving = serve()
    url = f"{serving.base_url}/chat/completions"
    token = {"Authorization": f"Bearer {serving.room.tokens['Bo']}"}
    body = {"model": "m", "stream": True, "messages": []}
    with httpx2.stream("POST", url, json=body, headers=token) as response:
        parts = list(response.iter_bytes())
    assert response.headers["Content-Type"] == "text/event-stream"
    assert len(parts) > 5
    assert b"".join(parts).decode() == whole.replace(KEY, "[key]")


def test_the_key_is_nowhere(
    upstream: Server,
    serve: Callable[..., Serving],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG, "tornado")
    serving = serve()
    upstream.script = [
        Reply(400, error=f"no: Authorization was Bearer {KEY}"),
        Reply(body=completion(f"You sent {KEY}.")),
        Reply(body="plain " + KEY, headers={"Content-Type": f"text/{KEY}"}),
        Reply(how="cut", body=KEY * 9),
        Reply(how="nothing"),
    ]
    seen = [post(serving) for _ in range(5)]
    seen.append(httpx2.get(serving.base_url.removesuffix("v1")))
    path = write_tokens(serving.room.tokens, tmp_path / "tokens.csv")
    texts = [
        *(each.text + str(each.headers) for each in seen),
        repr(serving.room),
        repr(serving),
        str(vars(serving)),
        serving.line,
        path.read_text(),
        count_table(serving.room).html,
        caplog.text,
    ]
    assert [each.status_code for each in seen] == [400, 200, 200, 502, 502, 401]
    assert not any(KEY in text for text in texts)
    tokens = set(serving.room.tokens.values())
    assert not any(token in text for token in tokens for text in (texts[6], texts[9], texts[11]))


def test_the_page_of_counts_opens_for_the_teacher(serve: Callable[..., Serving]) -> None:
    serving = serve()
    post(serving)
    page, tokens = serving.base_url.removesuffix("v1"), serving.room.tokens
    refused = httpx2.get(page, auth=("", tokens["Maya"]))
    assert (refused.status_code, "Maya" in refused.text) == (401, False)
    assert refused.headers["WWW-Authenticate"].startswith("Basic")
    shown = httpx2.get(page, auth=("anybody", tokens["teacher"])).text
    assert "<bdi>Maya</bdi>" in shown
    assert "1 request of 2 students" in shown


def test_a_request_whose_student_has_left_is_not_sent(
    upstream: Server, serve: Callable[..., Serving]
) -> None:
    upstream.latency = 1.5
    serving = serve(cap=1, at_once=1)

    async def ask(who: str) -> int:
        headers = {"Authorization": f"Bearer {serving.room.tokens[who]}"}
        async with httpx2.AsyncClient() as client:
            url = f"{serving.base_url}/chat/completions"
            body = {"model": "m", "messages": [{"content": who}]}
            return (await client.post(url, json=body, headers=headers)).status_code

    async def leave() -> int:
        first = asyncio.ensure_future(ask("Maya"))
        while not upstream.prompts:
            await asyncio.sleep(0.02)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask("Bo"), 0.5)
        assert await first == 200
        return await ask("Bo")

    assert asyncio.run(leave()) == 200
    assert upstream.prompts == ["Maya", "Bo"]


def test_thirty_students_get_fair_shares(upstream: Server, serve: Callable[..., Serving]) -> None:
    upstream.latency = 0.15
    serving = serve(STUDENTS, at_once=10)

    async def ask(client: httpx2.AsyncClient, who: str, requests: int, together: int) -> None:
        """Send requests, so many at a time."""
        headers = {"Authorization": f"Bearer {serving.room.tokens[who]}"}
        gate = asyncio.Semaphore(together)

        async def one() -> None:
            async with gate:
                url = f"{serving.base_url}/chat/completions"
                got = await client.post(url, json={"model": "m", "messages": []}, headers=headers)
                assert got.status_code == 200

        await asyncio.gather(*(one() for _ in range(requests)))

    async def attend() -> None:
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(limits=limits, timeout=60) as client:
            greedy = asyncio.ensure_future(ask(client, STUDENTS[0], 60, 60))  # all at once
            await asyncio.sleep(0.1)
            await asyncio.gather(*(ask(client, who, 4, 1) for who in STUDENTS[1:]))
            await greedy

    upstream.script = Reply(body=completion("Yes."))
    asyncio.run(attend())
    waits = {who: c.waited / c.requests for who, c in serving.room.counts.items()}
    others = [waits[who] for who in STUDENTS[1:]]
    assert max(others) / min(others) < 2
    assert 2 * max(others) < waits[STUDENTS[0]]
    assert upstream.peak == 10
    assert upstream.count == 60 + 29 * 4


def test_turns_go_round_those_who_wait() -> None:
    async def order() -> list[str]:
        turns, taken = Turns(1), list[str]()

        async def one(who: str) -> None:
            async with turns.turn(who):
                taken.append(who)
                await asyncio.sleep(0)

        tasks = [asyncio.ensure_future(one(who)) for who in "aaaabbc"]
        await asyncio.sleep(0)
        assert turns.waiting == {"a": 3, "b": 2, "c": 1}
        tasks[2].cancel()  # the third of a leaves
        await asyncio.gather(*tasks, return_exceptions=True)
        async with turns.turn("d"):
            assert turns.waiting == {}
        return taken

    assert asyncio.run(order()) == ["a", "a", "b", "c", "b", "a"]


def test_one_who_leaves_when_the_turn_comes_passes_it_on() -> None:
    async def leave() -> None:
        turns = Turns(1)
        async with turns.turn("a"):
            leaving = asyncio.ensure_future(turns._take("b"))
            await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        async with asyncio.timeout(1), turns.turn("c"):
            pass

    asyncio.run(leave())


def test_tokens_are_those_of_the_key_and_only_the_teacher_can_read_them(tmp_path: Path) -> None:
    tokens = tokens_of(["Maya", "Bo"], KEY)
    assert tokens == tokens_of(["Maya", "Bo"], KEY)
    assert len({*tokens.values(), *tokens_of(["Maya", "Bo"], KEY[::-1]).values()}) == 4
    assert tokens_of(["Maya"], "none") != tokens_of(["Maya"], "none")
    path = write_tokens(tokens, tmp_path / "tokens.csv")
    assert path.read_text().splitlines()[1] == f"Maya,{tokens['Maya']}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    write_tokens(tokens, path)
    (tmp_path / "mine.csv").write_text("my notes")
    with pytest.raises(UsageError, match="exists and has no tokens"):
        write_tokens(tokens, tmp_path / "mine.csv")


def test_wrong_options_are_told(upstream: Server) -> None:
    model: Any = sk.load_model("openai:m", base_url=upstream.base_url, api_key=KEY)
    for options, why in (
        ({"students": ["Bo", "Bo"]}, "twice"),
        ({"students": ["teacher"]}, "without a cap; choose another"),
        ({"students": ["Bo"], "cap": 0}, "cap must be at least 1"),
        ({"students": ["Bo"], "at_once": 0}, "at_once must be at least 1"),
    ):
        with pytest.raises(UsageError, match=why):
            open_room(model, **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"cannot be used at 127.0.0.1; give another: --port"):
        Serving(open_room(model, ["Bo"]), host="127.0.0.1", port=upstream.port)
