from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import ModelNotFound, UsageError
from synthkit.core.types import Message, Request
from synthkit.models.schemes import MODEL_SCHEMES, model_specs


def test_fakes_are_named_by_their_spec() -> None:
    assert sk.load_model("fake").name == sk.load_model("fake:").name == "fake"
    assert sk.load_model("fake:b", answer="x").fingerprint == sk.Fake("x", name="b").fingerprint


@pytest.mark.parametrize("spec", ["smolm2", "gpt-4", "", "faek", "olama:x"])
def test_an_unknown_model_lists_the_known_ones(spec: str) -> None:
    with pytest.raises(ModelNotFound, match=r"not found; have '.*smollm2.*'fake:'.*'openai:'"):
        sk.load_model(spec)


def test_a_near_miss_is_hinted_at() -> None:
    with pytest.raises(ModelNotFound, match="Did you mean 'smollm2'"):
        sk.load_model("smolm2")


@pytest.mark.parametrize("spec", [f"{scheme}:{'a' * 300}" for scheme in ("hf", "gguf")])
def test_a_name_that_is_too_long_for_a_file_is_not_found(spec: str) -> None:
    with pytest.raises(ModelNotFound, match=r"a folder with one|existing folder"):
        sk.load_model(spec)


@pytest.mark.parametrize("spec", [None, 3, sk.Fake()])
def test_what_is_no_spec_is_refused(spec: Any) -> None:
    with pytest.raises(UsageError, match="expected the spec of a model, such as 'smollm2'; got"):
        sk.load_model(spec)
    with pytest.raises(UsageError, match="expected the spec of an embedder"):
        sk.load_embedder(spec)


@pytest.mark.parametrize(
    ("spec", "options", "hint"),
    [
        ("fake", {"temperatur": 1}, "option 'temperatur' not found; have .*'answer'"),
        ("openai:m", {"base_ulr": "http://x"}, "not found; have .* Did you mean 'base_url'"),
        ("replay", {}, "needs a session"),
        ("openai:", {"base_url": "http://x.invalid/v1"}, "expected a model name"),
        ("minilm", {}, "minilm is an embedder"),
    ],
)
def test_options_that_cannot_work_are_refused(
    spec: str, options: dict[str, Any], hint: str
) -> None:
    with pytest.raises(UsageError, match=hint):
        sk.load_model(spec, **options)


def test_known_models_are_listed_without_importing_one() -> None:
    code = (
        "import sys; from synthkit.models.schemes import model_specs; print(*model_specs());"
        "print([name for name in ('torch', 'numpy', 'httptools') if name in sys.modules])"
    )
    out = subprocess.check_output([sys.executable, "-c", code], text=True).splitlines()
    assert {"smollm2", "fake:", "hf:", "openai:", "replay:"} <= set(out[0].split())
    assert out[1] == "[]"


@pytest.fixture
def echo() -> Iterator[list[Any]]:
    """A scheme that a notebook registers; the list receives the stores it is given."""
    stores: list[Any] = []

    @sk.models.model_scheme("echo")
    def factory(name: str, *, store: Any, prefix: str = "") -> sk.Fake:
        """A model that repeats the prompt."""
        stores.append(store)
        return sk.Fake(lambda request: prefix + request.messages[-1].content, name=name)

    yield stores
    MODEL_SCHEMES.remove("echo")


def test_a_scheme_of_a_notebook_is_loaded_and_listed(echo: list[Any], session: sk.Session) -> None:
    model = sk.load_model("echo:x", store=session.store, prefix="> ")
    ((_, completion),) = filter(None, model.complete([Request((Message("user", "hi"),))]))
    assert (model.name, completion.text, echo) == ("x", "> hi", [session.store])
    assert "echo:" in model_specs()
    assert MODEL_SCHEMES.listed()["echo"].summary == "A model that repeats the prompt."


def test_a_scheme_of_a_notebook_runs_a_prompt(
    echo: list[Any], generate: Callable[..., sk.Run]
) -> None:
    assert generate("Say {{ x }}.", rows=[{"x": 1}], model="echo:x").table.text.tolist() == [
        "Say 1."
    ]


def test_a_scheme_of_an_installed_package_is_loaded(install: Callable[..., None]) -> None:
    source = (
        "import synthkit as sk\n\n@sk.models.model_scheme('parrot')\n"
        "def parrot(name):\n    return sk.Fake(name, name='parrot')\n"
    )
    install(MODEL_SCHEMES, "parrot", source)
    assert "parrot:" in model_specs()
    assert sk.load_model("parrot:hello").name == "parrot"


def test_a_scheme_of_synthkit_cannot_be_taken() -> None:
    with pytest.raises(UsageError, match=r"the name 'openai' is taken by the model scheme in"):
        sk.models.model_scheme("openai")(lambda name: sk.Fake())
