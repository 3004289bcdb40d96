"""Embeddings from a stand-in server."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import openai
import pytest

from synthkit.core.errors import EndpointError, UsageError
from synthkit.models.embedders import Embedder, load_embedder
from tests.server import Asked, Reply, Server, embeddings

KEY = "sk-test-0123456789abcdef"


pytestmark = pytest.mark.usefixtures("quick")


def load(server: Server, **options: Any) -> Embedder:
    return load_embedder("openai:m", base_url=server.base_url, **options)


def test_texts_go_in_batches_and_vectors_come_back_in_order() -> None:
    texts = [f"text {'abc'[at % 3] * (at % 7 + 1)}" for at in range(70)]
    with Server(lambda request: Reply(seconds=0.05 if request.number == 1 else 0.0)) as server:
        vectors = load(server, batch_size=16).embed(texts)
    assert sorted(len(asked.json["input"]) for asked in server.asked) == [6, 16, 16, 16, 16]
    assert {asked.path for asked in server.asked} == {"/v1/embeddings"}
    expected = [part["embedding"] for part in embeddings(texts)["data"][::-1]]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert (vectors.shape, vectors.dtype) == ((70, 8), np.float32)
    assert vectors == pytest.approx(np.array(expected), abs=1e-6)


def test_the_body_has_the_model_the_texts_and_the_dimensions() -> None:
    with Server() as server:
        embedder = load(server, dimensions=5, api_key=KEY)
        assert embedder.embed(["a", "b"]).shape == (2, embedder.dim) == (2, 5)
    assert [asked.json for asked in server.asked] == [
        {"model": "m", "input": ["a", "b"], "dimensions": 5, "encoding_format": "float"}
    ]
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"


def test_an_empty_text_is_not_sent_and_gives_zeros() -> None:
    with Server() as server:
        embedder = load(server)
        vectors = embedder.embed(["", "a", " \n"])
        assert server.asked[0].json["input"] == ["a"]
        assert np.linalg.norm(vectors, axis=1).tolist() == [0, 1, 0]
        assert embedder.embed([]).shape == (0, 8)


def test_failures_are_retried_as_those_of_completions() -> None:
    replies = [
        Reply(429, error="slow", headers={"retry-after-ms": "1"}),
        Reply(500, error="x"),
        Reply(how="cut"),
        Reply(body={"data": [{"index": 0, "embedding": [1, None]}]}),
        None,
    ]
    with Server(replies) as server:
        assert load(server).embed(["a"]).shape == (1, 8)
    assert server.count == 5


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"no json", "does not speak the protocol of OpenAI; it answered: no json"),
        ({"data": [{"index": 0}]}, "is not of the expected form .KeyError"),
        ({"data": [{"index": 1, "embedding": [1.0]}]}, "is not of the expected form .KeyError"),
        ({"data": [{"index": 0, "embedding": [float("nan")]}]}, "not lists of finite numbers"),
        (embeddings(["a"]), r"the shape \(1, 8\); expected \(2, 8\)"),
    ],
)
def test_a_response_without_the_embeddings_is_an_error(body: Any, words: str) -> None:
    with Server(Reply(body=body)) as server, pytest.raises(EndpointError, match=words):
        load(server).embed(["a", "b"])


def test_batches_of_different_lengths_are_an_error() -> None:
    def script(request: Asked) -> Reply:
        return Reply(body=embeddings(request.json["input"], 8 if request.number else 4))

    with Server(script) as server, pytest.raises(EndpointError, match="vectors of the shape"):
        load(server, batch_size=1).embed(["a", "b"])


def test_a_refusal_is_an_openai_error_without_the_key() -> None:
    with Server(Reply(401, error=f"bad key {KEY}")) as server:
        with pytest.raises(EndpointError, match=r"bad key \[key\]") as caught:
            load(server, api_key=KEY).embed(["a"])
        assert isinstance(caught.value, openai.AuthenticationError)
        assert server.count == 1


def test_the_fingerprint_has_address_name_and_dimensions_and_no_key() -> None:
    embedder = load_embedder("openai:m", base_url="http://a/v1/", api_key=KEY, dimensions=3)
    assert json.loads(embedder.fingerprint) == {
        "base_url": "http://a/v1",
        "embedder": "m",
        "dimensions": 3,
    }
    assert KEY not in repr(embedder)


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        ("openai:", {}, "expected a model name"),
        ("openai:m", {"batch_size": 0}, "must be 1 or more"),
        ("openai:m", {"dimensions": 0}, "must be 1 or more"),
        ("openai:m", {"base_url": "ftp://a"}, "must be an address"),
    ],
)
def test_options_that_cannot_work_are_refused(
    spec: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        load_embedder(spec, **{"base_url": "http://a"} | options)


def test_an_element_that_is_no_text_is_named() -> None:
    texts: Any = ["a", None]
    with pytest.raises(UsageError, match="text 1: expected a str"):
        load_embedder("openai:m", base_url="http://a").embed(texts)
