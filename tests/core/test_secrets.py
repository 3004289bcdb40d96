"""Which settings are secret, and what stands in their place."""

from __future__ import annotations

from typing import Any

import pytest

from synthkit.core.images import image
from synthkit.core.redaction import Redactor
from synthkit.core.secrets import (
    hidden,
    hidden_query,
    hidden_url,
    placeholder,
    placeholders_in,
    secrets_in,
)
from synthkit.core.types import Message, Request, Sampling

VALUE = "MARKERmm0123456789"
SECRET_OPTIONS: list[dict[str, Any]] = [
    {"api_key": VALUE},
    {"apiKey": VALUE},
    {"x-api-key-2": VALUE},
    {"user_token": VALUE},
    {"accessToken": VALUE},
    {"client_secret": VALUE},
    {"provider": {"credentials": {"password": VALUE}}},
    {"provider": {"credentials": [VALUE]}},
    {"a": [{"authentication": {"type": "api_key", "key": VALUE}}]},
    {"a": {"auth": {"value": VALUE}}},
    {"key": VALUE},
    {"headers": {"Authorization": f"Bearer {VALUE}"}},
    {"note": f"Bearer {VALUE}"},
    {"webhook": f"https://me:{VALUE}@example.org/x"},
    {"webhook": f"https://example.org/x?sig={VALUE}"},
    {"store": f"AccountName=a;AccountKey={VALUE};"},
    {"note": f"sk-{VALUE}"},
    {f"sk-{VALUE}": True},
    {"X-Functions-Key": VALUE},
    {"session": {"cookie": VALUE}},
]
PLAIN_OPTIONS: list[dict[str, Any]] = [
    {},
    {"top_k": 40, "min_p": 0.05, "repetition_penalty": 1.1},
    {"max_completion_tokens": 5, "logit_bias": {"50256": -100}, "stop_token_ids": [1, 2]},
    {"prompt_cache_key": "batch-2026-07"},
    {"eos_token": "<|end|>", "skip_special_tokens": True},
    {"chat_template_kwargs": {"enable_thinking": False, "think_token": "<think>"}},
    {"guided_regex": "[a-z]+@[a-z]+[.]org", "guided_choice": ["yes", "no"]},
    {"filters": {"type": "eq", "key": "genre", "value": "soup"}},
    {"metadata": {"user_id": "a81bc81b-dead-4e5d-abff-90865d1e13b1", "keywords": ["a", "b"]}},
    {"tool_choice": {"type": "function", "function": {"name": "get_token_count"}}},
    {"authentication": {"type": "system_assigned_managed_identity"}},
    {"reasoning": {"effort": "low", "budget_tokens": 1000}},
    {"response_format": {"type": "json_object"}, "author": "Ann", "monkey": "Bobo"},
    {"provider": {"order": ["Together", "DeepInfra"], "require_parameters": True}},
    {"safe": True, "api_key": None, "password": ""},
]


@pytest.mark.parametrize("options", SECRET_OPTIONS)
def test_a_secret_leaf_is_replaced_by_a_placeholder(options: dict[str, Any]) -> None:
    assert VALUE not in repr(hidden(options))
    assert placeholders_in(hidden(options)) or "[secret:" in repr(hidden(options))
    assert any(VALUE in secret for secret in secrets_in(options))


@pytest.mark.parametrize("options", PLAIN_OPTIONS)
def test_options_without_a_secret_stay_as_they_are(options: dict[str, Any]) -> None:
    assert hidden(options) == options
    assert Sampling(extra=options).payload()["extra"] == options


def test_placeholders_tell_secrets_apart_and_stay_the_same() -> None:
    assert placeholder("hunter22") == placeholder("hunter22") != placeholder("hunter23")
    assert placeholder(placeholder("hunter22")) == placeholder("hunter22")
    # fixed, since keys of stored requests depend on it
    assert placeholder("hunter22") == "[secret:93896488640e]"


def test_sampling_shows_and_stores_no_secret_and_still_has_it() -> None:
    sampling = Sampling(extra={"top_k": 5, "user_token": VALUE})
    request = Request((Message("user", "Hi."),), sampling)
    assert sampling.extra["user_token"] == VALUE
    for shown in (repr(sampling), repr(request), repr(request.payload("m"))):
        assert VALUE not in shown
        assert "[secret:" in shown
    other = Request((Message("user", "Hi."),), Sampling(extra={"top_k": 5, "user_token": "other1"}))
    assert request.key("m") != other.key("m")
    stored = Request(
        (Message("user", "Hi."),), Sampling(extra=request.payload("m")["sampling"]["extra"])
    )
    assert stored.key("m") == request.key("m")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (f"http://h/{VALUE}/v1", True),
        (f"http://h/bot/sk-{VALUE}/v1", True),
        ("http://h/SECRET-MARKER-123456/v1", True),
        ("http://h/key/MARKERabc/v1", True),
        (f"http://me:{VALUE}@h/v1", False),
        (f"http://h/v1?api_key={VALUE}", False),
        (f"http://h/v1?a=1&sig={VALUE}&b=2", False),
        (f"http://h/v1?X-Amz-Signature={VALUE}", False),
        (f"http://h/v1?next=sk-{VALUE}", False),
        (f"http://h/v1#token={VALUE}", False),
        (f"htp:/h/v1?password={VALUE}", False),
    ],
)
def test_a_secret_in_a_url_is_replaced(url: str, path: bool) -> None:
    shown = hidden_url(url, path=path)
    assert "MARKER" not in shown
    assert "[secret:" in shown
    assert hidden_url(shown, path=path) == shown


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "http://127.0.0.1:8000/v1",
        "https://my-resource-12.openai.azure.com/openai/deployments/gpt-4o-2024-08-06",
        "https://h/v1/projects/my-project-123456/locations/us-central1/endpoints/1234567890123456",
        "https://router.huggingface.co/hf-inference/models/meta-llama/Llama-3.1-8B-Instruct/v1",
        "https://h/accounts/a81bc81bdead4e5dabff90865d1e13b1/ai/v1",
        "https://api.runpod.ai/v2/vllm-abc123xyz/openai/v1",
        "https://h/a81bc81b-dead-4e5d-abff-90865d1e13b1/v1",
        "https://h/v1?api-version=2024-10-21&deployment=gpt-4o",
    ],
)
def test_a_url_without_a_secret_stays_as_it_is(url: str) -> None:
    assert hidden_url(url, path=True) == url


def test_parameters_of_a_url_are_secret_by_name_or_value() -> None:
    query = {"code": VALUE, "sig": "abc", "api-version": "3", "x": f"sk-{VALUE}", "n": 2}
    shown = hidden_query(query)
    assert {name for name in query if shown[name] != query[name]} == {"code", "sig", "x"}


def test_a_signed_address_of_an_image_is_not_stored() -> None:
    url = f"https://bucket.example.org/soup.png?X-Amz-Date=1&X-Amz-Signature={VALUE}"
    assert VALUE not in repr(image(url).payload())
    assert image(url).address() == url


@pytest.mark.parametrize(
    "echo",
    [
        "ab+cd/ef=0123456",
        "ab%2Bcd%2Fef%3D0123456",
        "ab%2bcd%2fef%3d0123456",
        "ab%252Bcd%252Fef%253D0123456",
        "ab\\u002bcd\\/ef\\u003D0123456",
        "ab&#43;cd/ef=0123456",
        "%61b%2Bcd%2Fef%3D0123456",
    ],
)
def test_an_echo_of_a_secret_is_replaced_in_whatever_way_it_is_written(echo: str) -> None:
    redactor = Redactor()
    redactor.add("ab+cd/ef=0123456", certain=True)
    assert redactor.redact(f"you sent {echo}, no") == "you sent [key], no"


def test_a_password_in_basic_authentication_is_replaced() -> None:
    redactor = Redactor()
    redactor.add_header("Authorization", "Basic bWU6aHVudGVyMjIy")  # me:hunter222
    assert redactor.redact("Basic bWU6aHVudGVyMjIy is me:hunter222") == "Basic [key] is me:[key]"


def test_what_a_model_wrote_changes_for_certain_secrets_only() -> None:
    redactor = Redactor()
    for name, value in {
        "X-Title": "restaurant reviews",
        "X-Project": "soups",
        "Authorization": "Bearer lm-studio",
        "X-Api-Key": "abcd1234efgh",
    }.items():
        redactor.add_header(name, value)
    redactor.add("key1", certain=True)
    text = "restaurant reviews of soups in lm-studio with key1: abcd1234efgh"
    assert redactor.redact_body(text.encode()).decode() == text.replace("abcd1234efgh", "[key]")
    assert redactor.redact("key1 keyring1 key12") == "[key] keyring1 key12"
    odd = b'{"content": "\xff\xfe abcd1234efgh"}'
    assert redactor.redact_body(odd) == b'{"content": "\xff\xfe [key]"}'


def test_a_short_key_is_replaced_in_a_model_s_text_only_where_it_is_a_header() -> None:
    redactor = Redactor()
    redactor.add_key("soupkey")
    text = "authorization: Bearer soupkey, and a soupkey"
    assert redactor.redact_body(text.encode()) == b"authorization: [key], and a soupkey"
    redactor.add_key("EMPTY")
    assert redactor.redact("Bearer EMPTY") == "Bearer EMPTY"
