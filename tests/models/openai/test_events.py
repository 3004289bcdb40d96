"""Answers that come as a stream of events: the whole answer, or none."""

from __future__ import annotations

import json
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.types import ToolCall
from synthkit.models.openai import responses
from synthkit.models.openai.events import is_stream, whole
from tests.server import Reply, Server


def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


USAGE = json.dumps({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}})
CHUNKS = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "Hm"}),
    chunk({"reasoning_content": "."}),
    chunk({"content": "Très "}),
    chunk({"content": "bon.\n\ndata: x"}),
    chunk({}, "stop"),
    USAGE,
    "[DONE]",
]


def stream(chunks: list[str], line: str = "\n", blank: int = 1, before: str = "") -> bytes:
    return (before + "".join(f"data: {each}{line}{line * blank}" for each in chunks)).encode()


@pytest.mark.parametrize(
    "data",
    [
        stream(CHUNKS),
        stream(CHUNKS, "\r\n"),
        stream(CHUNKS, "\r"),
        stream(CHUNKS, blank=0),
        stream(CHUNKS).replace(b"data: {", b"data:{"),
        stream(CHUNKS, before="\ufeff"),
        stream(CHUNKS, before=": PROCESSING\n\n: PROCESSING\n\n"),
        stream(CHUNKS, before="event: ping\ndata: ping\n\nid: 4\nretry: 5\n"),
        stream(CHUNKS)[:-2],
        stream(CHUNKS[:-1]),
    ],
)
def test_an_answer_is_read_from_every_form_of_a_stream(data: bytes) -> None:
    assert is_stream(data)
    done = responses.read(data, 0.0, 1)
    assert (done.text, done.reasoning, done.finish) == ("Très bon.\n\ndata: x", "Hm.", "stop")
    assert (done.prompt_tokens, done.completion_tokens) == (3, 5)


@pytest.mark.parametrize("line", ["\n", "\r\n"])
def test_a_stream_that_is_cut_anywhere_gives_the_whole_answer_or_none(line: str) -> None:
    data = stream(CHUNKS, line)
    ended = data.index(b"}", data.index(b'"stop"')) + 3  # the chunk that says so is complete
    for length in range(5, len(data)):
        if length < ended:
            with pytest.raises(ValueError, match="broke off"):
                whole(data[:length])
        else:
            assert responses.read(data[:length], 0.0, 1).text == "Très bon.\n\ndata: x"


def test_pieces_of_tool_calls_parts_and_log_probabilities_are_joined() -> None:
    first = {"index": 0, "id": "a", "type": "function"}
    calls = [
        chunk({"tool_calls": [first | {"function": {"name": "f", "arguments": '{"x"'}}]}),
        chunk({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g"}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"name": None, "arguments": ": 1}"}}]}),
        chunk({"content": [{"type": "thinking", "thinking": "Hm."}]}),
        chunk({"content": "War"}),
        chunk({"content": "m."}, "tool_calls"),
    ]
    done = responses.read(stream(calls), 0.0, 1)
    assert done.tool_calls == (ToolCall("f", {"x": 1}, "a"), ToolCall("g", {}, "b"))
    assert (done.text, done.reasoning) == ("Warm.", "Hm.")
    texts = [
        {"text": text, "logprobs": {"tokens": [text], "token_logprobs": [-1]}} for text in "ab"
    ]
    data = stream([json.dumps({"choices": [each]}) for each in texts] + ["[DONE]"])
    assert responses.read(data, 0.0, 1).logprobs == (("a", -1.0), ("b", -1.0))


def test_an_error_in_a_stream_is_no_answer() -> None:
    error = {"error": {"message": "overloaded", "code": 502}}
    data = stream([*CHUNKS[:5], json.dumps(error)])
    status, body = responses.embedded_error(data) or (0, b"")
    assert (status, json.loads(body)["error"]) == (502, error["error"])
    with pytest.raises(ValueError, match="overloaded"):
        responses.read(data, 0.0, 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b" \n", "it is empty"),
        (b"<html>Sign in</html>", "it is no JSON in UTF-8, but '<html>Sign in</html>'"),
        ('{"choices": "caf\xe9"}'.encode("latin-1"), "it is no JSON in UTF-8, but"),
        (b'{"choices": []}', "it has no choices"),
        (b'{"choices": [{"message": {"content": "a"}}], "error": {"message": "no"}}', "no"),
        (b'{"choices": [{"message": {"content": 5}}]}', "the content is not text"),
    ],
)
def test_a_body_that_is_no_answer_says_what_it_is(data: bytes, words: str) -> None:
    with pytest.raises(responses.UNREADABLE) as error:
        responses.read(data, 0.0, 1)
    assert words in responses.problem_of(error.value, data)


def test_a_server_that_streams_unasked_loses_no_row(session: sk.Session) -> None:
    replies = [Reply(body=stream(CHUNKS[:4]), how="until close"), Reply(body=stream(CHUNKS))]
    with Server(replies) as server:
        model = sk.load_model("openai:m", base_url=server.base_url)
        run = sk.generate("Say it.", model=model, session=session)
    assert run.table["text"].tolist() == ["Très bon.\n\ndata: x"]
    assert (run.ledger.requests, run.ledger.completion_tokens) == (2, 5)
