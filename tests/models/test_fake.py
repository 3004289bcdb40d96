from __future__ import annotations

import json
import time
from typing import Any

import jsonschema
import pydantic
import pytest

import synthkit as sk
from synthkit.core.errors import ModelError, UsageError
from synthkit.core.types import Completion, Message, Request, Sampling


def asks(n: int, **options: Any) -> list[Request]:
    return [Request((Message("user", f"q{i}"),), **options) for i in range(n)]


def answers(fake: sk.Fake, requests: list[Request]) -> list[Completion]:
    return [item[1] for item in fake.complete(requests) if item is not None]


def test_the_same_request_has_the_same_answer_in_any_company() -> None:
    requests = asks(10)
    together = answers(sk.Fake(), requests)
    assert answers(sk.Fake(), requests[::-1]) == together[::-1]
    assert len({completion.text for completion in together}) == 10
    assert answers(sk.Fake(), asks(1, index=1)) != together[:1]


def test_given_texts_are_scored_word_by_word_and_alike_in_any_company() -> None:
    requests = asks(3, answer="A warm\n loaf ")
    together = answers(sk.Fake(), requests)
    assert answers(sk.Fake(), requests[::-1]) == together[::-1]
    for one in together:
        assert (one.text, one.completion_tokens, one.finish) == ("A warm\n loaf ", 0, "stop")
        assert one.logprobs is not None
        assert "".join(word for word, _ in one.logprobs) == one.text
        assert all(-5 <= value <= 0 for _, value in one.logprobs)
    assert len({one.logprobs for one in together}) == 3
    (alone,) = answers(sk.Fake(score=lambda request: -2), [Request((), answer="two words")])
    assert alone.logprobs == ((" words", -2),)


def test_it_says_what_it_is_told() -> None:
    assert answers(sk.Fake("Yes."), asks(1))[0].text == "Yes."
    fake = sk.Fake(lambda request: request.messages[-1].content * 2)
    assert [c.text for c in answers(fake, asks(2))] == ["q0q0", "q1q1"]
    assert fake.asked == asks(2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": 0}, "concurrency must be at least 1; got 0"),
        ({"concurrency": "2"}, "concurrency must be a number; got '2'"),
        ({"seconds": "a"}, "seconds must be a number; got 'a'"),
        ({"fail": "a"}, "fail must be a number; got 'a'"),
        ({"babble": -1}, "babble must be a share from 0 to 1; got -1"),
        ({"stall": 5}, "stall must be a share from 0 to 1; got 5"),
        ({"die_after": "a"}, "die_after must be a number"),
        ({"price": (1,)}, "price must be"),
        ({"price": "free"}, "price must be"),
        ({"price": 1}, "price must be"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sk.Fake(**options)


def test_requests_may_be_appended_while_it_answers() -> None:
    feed = asks(1)
    seen = []
    for item in sk.Fake().complete(feed):
        assert item is not None
        seen.append(item[0])
        if len(feed) < 3:
            feed.append(asks(3)[len(feed)])
    assert seen == [0, 1, 2]


class Node(pydantic.BaseModel):
    name: str
    kids: list[Node]
    next: Node | None


SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"a": {"type": "string", "minLength": 99, "maxLength": 120}}},
    {"type": "object", "properties": {"a": {"type": "object"}, "b": {"const": 3}}},
    {"properties": {"a": {"type": "integer", "minimum": 1, "maximum": 5}}, "required": ["a"]},
    {"properties": {"a": {"type": "integer", "minimum": 0.5, "maximum": 1.5}}},
    {"properties": {"a": {"type": "integer", "maximum": -5}}},
    {"properties": {"a": {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 2}}},
    {"properties": {"a": {"type": "number", "minimum": 0.12345, "maximum": 0.12346}}},
    {"properties": {"a": {"type": "number", "exclusiveMinimum": 0, "maximum": 1}}},
    {"properties": {"a": {"type": "array", "items": {"enum": [1, 2]}, "maxItems": 0}}},
    {"properties": {"a": {"type": "array", "minItems": 2}, "b": {"type": ["null", "string"]}}},
    {"properties": {"a": {"anyOf": [{"type": "null"}, {"type": "boolean"}]}}},
    Node.model_json_schema(),
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:60])
def test_its_values_follow_the_schema(schema: dict[str, Any]) -> None:
    for completion in answers(sk.Fake(), asks(30, schema=schema)):
        jsonschema.validate(json.loads(completion.text), schema)


def test_it_picks_a_label() -> None:
    texts = {c.text for c in answers(sk.Fake(), asks(30, schema={"enum": ["a", "b"]}))}
    assert texts == {"a", "b"}


def test_failures_and_babble_depend_on_the_request_alone() -> None:
    fake = sk.Fake(fail=0.3, babble=0.3)
    first = answers(fake, asks(200, schema=SCHEMAS[0]))
    assert answers(fake, asks(200, schema=SCHEMAS[0])) == first
    failed = sum(completion.finish == "error" for completion in first)
    babbled = sum(not c.text.endswith("}") and c.finish != "error" for c in first)
    assert 35 < failed < 85
    assert 20 < babbled < 70


def test_it_dies_when_told_to() -> None:
    fake = sk.Fake(die_after=3)
    with pytest.raises(ModelError, match="told to die after 3"):
        answers(fake, asks(10))
    assert len(fake.asked) == 3


@pytest.mark.parametrize("other", [{"name": "b"}, {"answer": "x"}, {"babble": 0.5}])
def test_fakes_that_answer_otherwise_have_other_fingerprints(other: dict[str, Any]) -> None:
    assert sk.Fake(**other).fingerprint != sk.Fake().fingerprint
    assert sk.Fake(fail=0.5, seconds=1, price=None).fingerprint == sk.Fake().fingerprint


def test_time_passes_in_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.append(now.pop() + seconds))
    items = list(sk.Fake(seconds=0.12, concurrency=1).complete(asks(1)))
    assert items[:-1] == [None] * 3  # of 0.05 s at most
    assert items[-1] is not None
    assert now == [pytest.approx(0.12)]
    answers(sk.Fake(seconds=0.01, concurrency=1, stall=1.0), asks(1))
    assert now == [pytest.approx(0.12 + 20 * 0.01)]


def test_tokens_and_logprobs_are_told() -> None:
    (plain,) = answers(sk.Fake("abcdefgh"), [Request((Message("user", "x" * 40),))])
    assert (plain.prompt_tokens, plain.completion_tokens, plain.logprobs) == (10, 2, None)
    (with_them,) = answers(sk.Fake("a b"), asks(1, sampling=Sampling(logprobs=True)))
    assert with_them.logprobs == (("a", -1.0), ("b", -1.0))
