"""Providers by name: addresses, keys, what they refuse, and the prices of their models."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import EndpointError, UsageError
from synthkit.core.images import Image
from synthkit.core.types import Completion, Message, Request
from synthkit.generation.spending import most_tokens, with_estimates
from synthkit.models.embedders import load_embedder
from synthkit.models.openai.constraints import constraint
from synthkit.models.openai.model import Endpoint, endpoint
from synthkit.models.openai.prices import listed_price
from synthkit.models.openai.providers import PROVIDERS
from tests.server import Asked, Reply, Server, completion

KEY = "sk-test-0123456789abcdef"


def load(spec: str, **options: Any) -> Endpoint:
    model = sk.load_model(spec, **options)
    assert isinstance(model, Endpoint)
    return model


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_has_an_address_and_the_key_of_its_variable(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = PROVIDERS[name]
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai-0123456789")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://proxy.test/v1")
    if provider.key_env:
        with pytest.raises(UsageError, match=f"needs a key: set {provider.key_env}"):
            load(f"{name}:m")
        monkeypatch.setenv(provider.key_env, KEY)
    model = load(f"{name}:m")
    assert (model.name, model.server.base_url) == ("m", provider.base_url)
    assert model.server.api_key == (KEY if provider.key_env else None)
    assert KEY not in repr(model) + model.fingerprint
    if provider.key_env:
        monkeypatch.delenv(provider.key_env)
    same = endpoint("m", base_url=provider.base_url, api_key="x")
    assert same.fingerprint == model.fingerprint


def test_a_local_provider_may_be_elsewhere() -> None:
    with Server() as server:
        run = sk.generate("Hi.", model=load("vllm:m", base_url=server.base_url))
    assert run.table.text.tolist() == ["Answer to: Hi."]
    assert "authorization" not in server.asked[0].headers


def test_the_key_of_a_provider_is_sent_to_no_other_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    with pytest.raises(UsageError, match="Groq needs a key"):
        load("groq:m", base_url="http://elsewhere.test/v1")
    assert load("groq:m", base_url="http://elsewhere.test/v1", api_key="k").server.api_key == "k"


def test_what_a_provider_ignores_is_not_sent_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    model = load("anthropic:m")
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    request = Request((Message("user", "Hi."),), schema=schema)
    body = json.loads(model.body(request, model.known.dialect))
    assert "seed" not in body
    assert "response_format" not in body
    assert body["tool_choice"]["function"]["name"] == "row"
    model.check(request)
    (notice,) = model.known.notices
    assert "takes no seed, so it is left out; its answers cannot be repeated" in notice


def test_a_provider_has_its_own_name_for_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTRAL_API_KEY", KEY)
    model = load("mistral:m")
    request = Request((Message("user", "Hi."),))
    body = json.loads(model.body(request, model.known.dialect))
    assert body["random_seed"] == request.row_seed
    assert "seed" not in body


def test_embedders_have_providers_too() -> None:
    with Server() as server:
        vectors = load_embedder("ollama:e", base_url=server.base_url).embed(["a", "b"])
    assert vectors.shape == (2, 8)
    with pytest.raises(UsageError, match="set TOGETHER_API_KEY"):
        load_embedder("together:e")


def test_an_unknown_provider_is_named() -> None:
    with pytest.raises(UsageError, match="Did you mean 'groq'"):
        endpoint("m", provider="grok")


# Prices


@pytest.mark.parametrize(
    ("address", "model"),
    [
        ("https://api.openai.com/v1", "gpt-4.1-mini"),
        ("https://api.anthropic.com/v1", "claude-sonnet-4-5"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-flash"),
        ("https://openrouter.ai/api/v1", "openai/gpt-5-mini"),
    ],
)
def test_a_hosted_model_has_its_listed_price(address: str, model: str) -> None:
    price = listed_price(address, model)
    assert price is not None
    prompt, answer, *cached = price
    assert 0 < cached[0] < prompt < answer < 100


@pytest.mark.parametrize(
    ("address", "model"),
    [
        ("https://api.openai.com/v1", "no-such-model"),
        ("https://llm.example.com/v1", "gpt-4.1-mini"),
        ("http://localhost:8000/v1", "gpt-4.1-mini"),
        ("http://127.0.0.1:8000/v1", "gpt-4.1-mini"),
        ("http://gpu:8000/v1", "gpt-4.1-mini"),
    ],
)
def test_an_unlisted_price_stays_unknown(address: str, model: str) -> None:
    assert listed_price(address, model) is None


def test_a_server_of_your_own_does_not_load_the_list() -> None:
    code = (
        "import sys, synthkit as sk; m = sk.load_model('openai:m', base_url='http://127.0.0.1:1');"
        "assert m.price is None; print('genai_prices' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_given_price_wins_and_is_checked() -> None:
    assert endpoint("gpt-4.1", api_key="k", price=(1.0, 2.0)).price == (1.0, 2.0)
    wrong: Any
    for wrong in ((1.0,), (1.0, -2.0), (1, 2, 3, 4)):
        with pytest.raises(UsageError, match="price must be"):
            endpoint("m", base_url="http://a", price=wrong)


def test_cached_tokens_cost_what_they_cost(session: sk.Session) -> None:
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 500,
        "prompt_tokens_details": {"cached_tokens": 800},
        "completion_tokens_details": {"reasoning_tokens": 300},
    }
    with Server(Reply(body=completion("Fine.") | {"usage": usage})) as server:
        model = endpoint("m", base_url=server.base_url, price=(1.0, 10.0, 0.1))
        run = sk.generate("Hi.", model=model, session=session)
        plain = endpoint("n", base_url=server.base_url, price=(1.0, 10.0))
        without = sk.generate("Hi.", model=plain, session=session)
    assert run.ledger.cost == pytest.approx((200 * 1.0 + 800 * 0.1 + 500 * 10.0) / 1e6)
    assert without.ledger.cost == pytest.approx((1000 * 1.0 + 500 * 10.0) / 1e6)


# Budgets of servers that report no tokens

REPORTED = {"prompt_tokens": 10, "completion_tokens": 50}
USAGES: dict[str, Any] = {
    "none": None,
    "zeros": {"prompt_tokens": 0, "completion_tokens": 0},
    "nothing": {},
    "only the prompt": {"prompt_tokens": 10},
    "only the completion": {"completion_tokens": 50},
    "words": {"prompt_tokens": "many", "completion_tokens": "few"},
    "a list": [1, 2],
    "floats": {"prompt_tokens": 10.0, "completion_tokens": 50.0},
    "other names": {"input_tokens": 10, "output_tokens": 50},
    "a total": {"total_tokens": 60},
}


@pytest.mark.parametrize("limit", [{"max_tokens_total": 2000}, {"max_cost": 0.002}])
@pytest.mark.parametrize("name", USAGES)
def test_a_budget_holds_whatever_usage_a_server_reports(
    name: str, limit: dict[str, Any], session: sk.Session
) -> None:
    answer = completion("word " * 50) | {"usage": USAGES[name]}
    with Server(Reply(body=answer)) as server:
        model = endpoint("m", base_url=server.base_url, concurrency=4, price=(1.0, 1.0))
        run = sk.generate(
            "Row {{ i }}.",
            rows=[{"i": i} for i in range(100)],
            model=model,
            session=session,
            max_tokens=100,
            **limit,
        )
    assert 15 <= server.count <= 35
    ledger = run.ledger
    assert ledger.prompt_tokens + ledger.completion_tokens <= 2000
    assert ledger.cost is not None
    assert 0.001 < ledger.cost <= 0.002
    told = name in ("floats", "other names")
    assert ledger.estimated == (0 if told else server.count)
    assert ("are estimated" in ledger.stopped) is not told
    assert ("about " in repr(run._repr_html_())) is not told


def test_an_image_counts_in_a_budget_before_it_is_paid(session: sk.Session) -> None:
    image = Image("https://pictures.test/a.png")
    request = Request((Message("user", "What is it?", (image,)),))
    assert most_tokens(request) > 1600
    assert with_estimates(request, Completion("A cat.")).prompt_tokens > 1600


def test_a_failed_request_is_estimated_to_cost_nothing(session: sk.Session) -> None:
    with Server(Reply(401, error="no")) as server, pytest.raises(EndpointError) as caught:
        sk.generate("Hi.", model=endpoint("m", base_url=server.base_url), session=session)
    assert caught.value.run.ledger.estimated == 0


# Patterns

REGEX = r"Q: (?P<question>.+)\nA: (?P<answer>\d+)"
PLAIN = r"Q: (.+)\nA: (\d+)"


@pytest.mark.parametrize(
    ("provider", "sent"),
    [
        ("vllm", {"structured_outputs": {"regex": PLAIN}}),
        ("sglang", {"regex": PLAIN}),
        ("ollama", {}),
        (None, {}),
    ],
)
def test_a_pattern_is_followed_where_the_server_can(
    provider: str | None, sent: dict[str, Any], session: sk.Session
) -> None:
    with Server(Reply(body=completion("Q: Who?\nA: 7"))) as server:
        model = endpoint("m", provider=provider, base_url=server.base_url)
        run = sk.generate("Ask.", model=model, session=session, regex=REGEX)
    assert run.table[["question", "answer"]].values.tolist() == [["Who?", "7"]]
    usual = {"model", "messages", "temperature", "max_tokens", "seed"}
    assert {k: v for k, v in server.asked[0].json.items() if k not in usual} == sent
    how = session.trace(run.table["id"][0])[0].completion.how
    assert how == ("the pattern was sent to the server" if sent else "")


def test_a_refused_pattern_is_left_out(session: sk.Session) -> None:
    def script(request: Asked) -> Reply | None:
        if "structured_outputs" in request.json:
            return Reply(400, error="Failed to compile the regex for structured_outputs")
        return Reply(body=completion("Q: Who?\nA: 7"))

    with Server(script) as server:
        model = endpoint("m", provider="vllm", base_url=server.base_url)
        run = sk.generate("Ask.", n=5, model=model, session=session, regex=REGEX)
    assert (len(run.table), server.count) == (5, 6)


@pytest.mark.parametrize(
    "pattern",
    [r"(?i)(?P<a>yes)", r"(?P<a>\w+) (?P=a)", r"(?=x)(?P<a>x)", r"\b(?P<a>x)", r"(?P<a>x)$|^y"],
)
def test_a_pattern_that_only_python_knows_is_not_sent(pattern: str) -> None:
    assert constraint(pattern, "regex") == {}


def test_a_pattern_is_no_part_of_the_key() -> None:
    request = Request((Message("user", "Hi."),))
    assert replace(request, pattern="x").key("m") == request.key("m")
