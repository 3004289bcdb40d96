from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit import Session
from synthkit.core.errors import UsageError
from synthkit.core.types import Message, Request, Sampling
from synthkit.models.hub.download import OPENVINO, SAFETENSORS, Form
from synthkit.models.local_model import Local, load_local
from tests.models.hub.test_gguf import save_gguf


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("gguf")
    save_gguf(folder / "tiny-Q4_1.gguf", quantized=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTHKIT_CACHE", str(folder / "cache"))
        yield folder / "tiny-Q4_1.gguf"


def installed(monkeypatch: pytest.MonkeyPatch, *forms: Form) -> None:
    """Let only these forms' packages be installed."""
    monkeypatch.setattr(Form, "installed", property(lambda form: form in forms))


def test_openvino_runs_gguf_files_where_nothing_asks_for_transformers(file: Path) -> None:
    spec = f"gguf:{file}"
    assert load_local(spec).engine == "openvino"
    assert load_local("smollm2").engine == "openvino"
    others: list[dict[str, Any]] = [
        {"engine": "transformers"},
        {"quantize": "nf4"},
        {"dtype": "float32"},
        {"device": "cuda"},
    ]
    assert {load_local(spec, **options).engine for options in others} == {"transformers"}


def test_folders_of_safetensors_are_run_by_transformers(tiny: Path) -> None:
    assert load_local(f"hf:{tiny}").engine == "transformers"


def test_other_architectures_are_run_by_transformers(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthkit.models.local.engine_choice.ARCHITECTURES", {"qwen3"})
    assert load_local(f"gguf:{file}").engine == "transformers"
    with pytest.raises(
        UsageError, match=r"architectures qwen3; tiny-Q4_1 is of llama\. Use engine"
    ):
        load_local(f"gguf:{file}", engine="openvino")
    installed(monkeypatch, OPENVINO)
    assert load_local(f"gguf:{file}").engine == "transformers"  # whose packages are then named


@pytest.mark.parametrize("form", [OPENVINO, SAFETENSORS])
def test_the_engine_that_is_installed_is_used_under_one_fingerprint(
    file: Path, monkeypatch: pytest.MonkeyPatch, form: Form
) -> None:
    both = load_local(f"gguf:{file}").fingerprint
    installed(monkeypatch, form)
    model = load_local(f"gguf:{file}")
    assert model.engine == ("openvino" if form == OPENVINO else "transformers")
    assert model.fingerprint == both


def test_an_engine_that_was_named_is_in_the_name_and_the_fingerprint(file: Path) -> None:
    for engine in ("openvino", "transformers"):
        model = load_local(f"gguf:{file}", engine=engine)
        assert model.engine == engine
        assert model.name == f"tiny-Q4_1 {engine}"
        assert json.loads(model.fingerprint)["engine"] == engine
    assert "engine" not in json.loads(load_local(f"gguf:{file}").fingerprint)


def test_openvino_refuses_what_only_transformers_has(file: Path) -> None:
    with pytest.raises(UsageError, match=r"no quantize or dtype.*engine='transformers'"):
        load_local(f"gguf:{file}", engine="openvino", quantize="nf4", dtype="float32")
    with pytest.raises(UsageError, match="engine"):
        load_local(f"gguf:{file}", engine="jax")  # type: ignore[arg-type]


def test_a_session_moves_to_a_machine_with_the_other_engine_and_asks_nothing(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(tmp_path / "session")
    options: dict[str, Any] = {"n": 4, "sampling": Sampling(max_tokens=3), "session": session}
    first = sk.generate("a word", model=load_local(f"gguf:{file}"), **options)
    installed(monkeypatch, SAFETENSORS)
    again = sk.generate("a word", model=load_local(f"gguf:{file}"), **options)
    assert (first.ledger.requests, again.ledger.requests) == (4, 0)
    assert first.table.equals(again.table)


def test_both_engines_stay_within_one_model(file: Path) -> None:
    model = load_local(f"gguf:{file}")
    ask = (Message("user", "salt"),)
    requests = [Request(ask, Sampling(max_tokens=2)), Request(ask, answer="4")]
    found = dict(event for event in model.complete(requests) if event is not None)
    assert found[0].how.startswith("openvino")
    assert "on cpu" in found[1].how
    assert isinstance(model, Local)
