from __future__ import annotations

from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import ModelNotFound, UsageError


def test_fakes_are_named_by_their_spec() -> None:
    assert sk.load_model("fake").name == "fake"
    assert sk.load_model("fake:b", answer="x").fingerprint == sk.Fake("x", name="b").fingerprint


@pytest.mark.parametrize("spec", ["smolm2", "gpt-4", "", "faek", "ollama:x"])
def test_an_unknown_model_lists_what_is_here(spec: str) -> None:
    with pytest.raises(ModelNotFound, match=r"not found; have '.*smollm2.*'openai:NAME'.*'fake'"):
        sk.load_model(spec)


def test_a_near_miss_is_hinted_at() -> None:
    with pytest.raises(ModelNotFound, match="Did you mean 'smollm2'"):
        sk.load_model("smolm2")


@pytest.mark.parametrize(
    ("spec", "options", "hint"),
    [
        ("fake", {"temperatur": 1}, "has no such option.*temperatur"),
        ("replay", {}, "needs a session"),
        ("openai:", {"base_url": "http://x.invalid/v1"}, "expected a model name"),
    ],
)
def test_options_that_cannot_work_are_refused(
    spec: str, options: dict[str, Any], hint: str
) -> None:
    with pytest.raises(UsageError, match=hint):
        sk.load_model(spec, **options)
