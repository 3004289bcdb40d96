"""The batch APIs that are not OpenAI's, against stand-ins written from their documents."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.images import image as image_of
from synthkit.core.types import Message, Request, Sampling
from synthkit.models.openai.batch import generate_content
from synthkit.models.openai.batch.messages_api import as_chat, as_messages
from synthkit.models.openai.model import Endpoint, endpoint
from synthkit.models.openai.providers import PROVIDERS
from synthkit.models.openai.responses import read
from tests.models.openai.batch_servers import (
    AnthropicServer,
    BatchServer,
    GeminiServer,
    MistralServer,
    TogetherServer,
)
from tests.server import Server

KEY = "sk-test-4242424242abcdef"
STAND_INS: dict[str, Callable[[], BatchServer]] = {
    "groq": BatchServer,
    "mistral": MistralServer,
    "together": TogetherServer,
    "anthropic": AnthropicServer,
    "gemini": GeminiServer,
}


@pytest.fixture(params=STAND_INS)
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def batches(provider: str) -> BatchServer:
    return STAND_INS[provider]()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[sk.Session]:
    with sk.Session(tmp_path / "session") as session:
        yield session


def at(server: Server, provider: str) -> Endpoint:
    """A model of a provider, whose place a stand-in takes."""
    address = PROVIDERS[provider].base_url
    return endpoint("m", base_url=server.base_url, proxy_of=address, api_key=KEY, max_retries=1)


def ask(session: sk.Session, model: Endpoint, n: int = 10, **options: Any) -> sk.Run:
    rows = pd.DataFrame({"x": range(n)})
    return sk.generate(
        "Say {{ x }}.", rows=rows, model=model, session=session, batch=True, seed=None, **options
    )


def until_done(session: sk.Session, model: Endpoint, n: int = 10) -> sk.Run:
    for _ in range(12):
        run = ask(session, model, n)
        if not len(run.pending):
            return run
    raise AssertionError(run.ledger.stopped)


def test_a_batch_is_submitted_once_and_collected(
    provider: str, batches: BatchServer, server: Server, session: sk.Session
) -> None:
    run = ask(session, at(server, provider))
    assert "10 requests wait in 1 batch" in run.ledger.stopped
    done = until_done(session, at(server, provider))
    assert done.table["text"].tolist() == [f"Answer to: Say {n}." for n in range(10)]
    assert done.ledger.prompt_tokens == 70
    assert set(batches.submitted.values()) == {1}


def test_what_failed_or_expired_is_submitted_again(
    provider: str, batches: BatchServer, server: Server, session: sk.Session
) -> None:
    def fails(line: dict[str, Any], tries: int) -> tuple[int, dict[str, Any]] | None:
        number = int(line["body"]["messages"][-1]["content"].split()[1].rstrip("."))
        if number == 1:
            return 400, {"message": "flagged", "type": "invalid_request_error"}
        overloaded = {"message": "try again", "type": "overloaded_error"}
        return (529, overloaded) if number == 2 and tries == 1 else None

    batches.fails, batches.expires = fails, {0: 6}
    done = until_done(session, at(server, provider))
    assert len(done.table) == 9
    assert "refused it (400): flagged" in done.rejects["reason"][0]
    assert set(batches.paid.values()) == {1}
    assert sorted(batches.submitted.values()) == [1] * 5 + [2] * 5


def test_a_lost_answer_is_found_in_the_list(
    provider: str, batches: BatchServer, server: Server, session: sk.Session
) -> None:
    batches.lost = 1
    assert "10 requests wait in 1 batch" in ask(session, at(server, provider)).ledger.stopped
    assert len(until_done(session, at(server, provider)).table) == 10
    assert set(batches.submitted.values()) == {1}


@pytest.mark.parametrize("provider", ["anthropic"], indirect=True)
def test_a_lost_answer_is_not_taken_for_a_batch_of_others(
    provider: str, batches: BatchServer, server: Server, session: sk.Session, tmp_path: Path
) -> None:
    batches.waits = True
    with sk.Session(tmp_path / "other") as other:
        options = {"rows": [{"x": n} for n in range(10)], "session": other, "batch": True}
        sk.generate("Shout {{ x }}.", model=at(server, provider), seed=None, **options)
    batches.lost = 1
    with pytest.warns(RuntimeWarning, match="pending"):
        ask(session, at(server, provider))
    assert "runs 2 batches of 10 requests" in ask(session, at(server, provider)).ledger.stopped
    batches.waits = False
    for job in batches.jobs.values():
        while not job.done:
            batches.advance(job)
    done = until_done(session, at(server, provider))
    assert done.table["text"].tolist() == [f"Answer to: Say {n}." for n in range(10)]
    assert set(batches.submitted.values()) == {1}


def test_a_batch_is_cancelled(
    provider: str, batches: BatchServer, server: Server, session: sk.Session
) -> None:
    model = at(server, provider)
    ask(session, model)
    (id,) = session.batches.table(model)["id"]
    assert session.batches.cancel(id, model) in ("cancelling", "cancelled")
    session.batches.table(model)
    run = ask(session, model)
    assert (len(run.table), len(run.pending)) == (5, 5)
    assert len(until_done(session, model).table) == 10
    assert set(batches.paid.values()) == {1}


def test_messages_say_what_the_chat_says(session: sk.Session) -> None:
    schema = {"type": "object", "properties": {"mood": {"type": "string"}}}
    pixel = b"\x89PNG\r\n\x1a\n"
    request = Request(
        (Message("system", "Be brief."), Message("user", "Look.", (image_of(pixel),))),
        Sampling(temperature=1.5, max_tokens=9, stop=("END",), extra={"top_k": 3}),
        schema=schema,
    )
    model = endpoint("claude", provider="anthropic", api_key=KEY)
    chat = json.loads(model.body(request, model.known.dialect))
    sent = as_messages(chat)
    assert sent["system"] == "Be brief."
    image, text = sent["messages"][0]["content"]
    assert image["source"]["media_type"] == "image/png"
    assert text == {"type": "text", "text": "Look."}
    assert (sent["temperature"], sent["max_tokens"], sent["top_k"]) == (1.0, 9, 3)
    assert sent["stop_sequences"] == ["END"]
    assert sent["tools"][0]["input_schema"]["properties"] == {"mood": {"type": "string"}}
    assert sent["tool_choice"] == {"type": "tool", "name": "row"}
    assert not {"seed", "stop", "response_format"} & sent.keys()


def test_a_message_is_read_as_a_chat() -> None:
    message = {
        "content": [
            {"type": "thinking", "thinking": "Hm."},
            {"type": "text", "text": "Fine."},
            {"type": "tool_use", "id": "t1", "name": "row", "input": {"mood": "good"}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 2},
    }
    completion = read(json.dumps(as_chat(message)).encode(), 0.0, 1)
    assert (completion.text, completion.reasoning) == ("Fine.", "Hm.")
    assert completion.tool_calls[0].arguments == {"mood": "good"}
    assert completion.finish == "tool_calls"
    assert (completion.prompt_tokens, completion.completion_tokens) == (7, 3)
    cut = as_chat({"content": [], "stop_reason": "max_tokens", "usage": {}})
    assert read(json.dumps(cut).encode(), 0.0, 1).truncated


def test_a_chat_is_content_of_gemini() -> None:
    schema = {"type": "object", "properties": {"mood": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "look", "parameters": schema}}
    request = Request(
        (Message("system", "Be brief."), Message("user", "Look."), Message("assistant", "Yes.")),
        Sampling(temperature=0.5, max_tokens=9, stop=("END",)),
        schema=schema,
        tools=(tool,),
    )
    model = endpoint("gemini-2.5-flash", provider="gemini", api_key=KEY)
    chat = json.loads(model.body(request, model.known.dialect))
    sent = generate_content.as_content(chat)
    assert [turn["role"] for turn in sent["contents"]] == ["user", "model"]
    assert sent["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    config = sent["generationConfig"]
    assert (config["temperature"], config["maxOutputTokens"]) == (0.5, 9)
    assert config["stopSequences"] == ["END"]
    assert config["responseJsonSchema"]["properties"] == schema["properties"]
    (declared,) = sent["tools"][0]["functionDeclarations"]
    assert declared == {"name": "look", "parametersJsonSchema": schema}


def test_content_of_gemini_is_read_as_a_chat() -> None:
    def completion(response: dict[str, Any]) -> Any:
        return read(json.dumps(generate_content.as_chat(response)).encode(), 0.0, 1)

    parts = [
        {"text": "Hm.", "thought": True},
        {"text": "Fine."},
        {"functionCall": {"name": "look", "args": {"mood": "good"}}},
    ]
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 3, "thoughtsTokenCount": 2,
             "totalTokenCount": 10}  # fmt: skip
    candidate = {"content": {"parts": parts}, "finishReason": "STOP"}
    whole = completion({"candidates": [candidate], "usageMetadata": usage})
    assert (whole.text, whole.reasoning, whole.finish) == ("Fine.", "Hm.", "tool_calls")
    assert whole.tool_calls[0].arguments == {"mood": "good"}
    assert (whole.completion_tokens, whole.reasoning_tokens) == (5, 2)
    cut = completion({"candidates": [{"finishReason": "MAX_TOKENS"}]})
    assert cut.truncated
    blocked = completion({"promptFeedback": {"blockReason": "SAFETY"}})
    assert (blocked.finish, blocked.text) == ("content_filter", "blocked: SAFETY")
