"""Code in a model's folder is never run, and weights are those that the fingerprint names."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from synthkit.core.errors import ModelError, ModelNotFound, UsageError
from synthkit.core.types import Message, Request, Sampling
from synthkit.models import load_model
from synthkit.models.embedders import load_embedder
from synthkit.models.hub import catalog, resolve
from synthkit.models.hub.fingerprint import adapter_hash, of_folder
from synthkit.models.local_model import Local, load_local

ASKED = Request((Message("user", "a"),), Sampling(max_tokens=1))


class Trap:
    """It writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.system, (f"touch {self.path}",))


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


def answer(model: Local) -> str:
    return next(event[1].text for event in model.complete([ASKED]) if event)


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "model.pt", "consolidated.00.pth", "weights.ckpt", "m.pkl"]
)
def test_pickled_weights_are_refused_with_how_to_convert_them(copy: Path, name: str) -> None:
    (copy / "model.safetensors").unlink()
    (copy / name).write_bytes(pickle.dumps(Trap(copy / "ran")))
    for load in (load_local, lambda spec: load_embedder(spec)):
        with pytest.raises(UsageError, match=rf"has {name}, which is pickled.*convert it once"):
            load(f"hf:{copy}")
    assert not (copy / "ran").exists()


def test_pickled_weights_beside_safetensors_are_not_read(copy: Path) -> None:
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(copy / "ran")))
    assert isinstance(answer(load_local(f"hf:{copy}", quantize="none")), str)
    assert not (copy / "ran").exists()


def test_an_index_that_names_pickled_weights_is_refused(copy: Path) -> None:
    index = {"weight_map": {"model.embed_tokens.weight": "pytorch_model.bin"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UsageError, match=r"pytorch_model\.bin, which is pickled"):
        load_local(f"hf:{copy}")


def test_a_folder_without_weights_says_what_it_has(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    with pytest.raises(ModelNotFound, match=r"contain \*\.safetensors, but has .*config\.json"):
        of_folder(copy)


def test_a_pickled_adapter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.bin").write_bytes(pickle.dumps(Trap(tmp_path / "ran")))
    with pytest.raises(UsageError, match=r"adapter_model\.bin, which is pickled.*convert it once"):
        adapter_hash(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("where", ["config.json", "tokenizer_config.json"])
def test_code_of_a_model_is_not_run(copy: Path, where: str) -> None:
    config = json.loads((copy / where).read_text())
    own = {
        "config.json": {
            "model_type": "own",
            "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Net"},
        },
        "tokenizer_config.json": {
            "tokenizer_class": "OwnTokenizer",
            "auto_map": {"AutoTokenizer": ["own.OwnTokenizer", None]},
        },
    }
    (copy / where).write_text(json.dumps(config | own[where]))
    (copy / "own.py").write_text(f"open({str(copy / 'ran')!r}, 'w').close()\n")
    model = load_local(f"hf:{copy}", quantize="none")
    with pytest.raises(ModelError, match=r"Python code of its own .*which is never run"):
        answer(model)
    assert not (copy / "ran").exists()


def test_weights_that_change_before_they_are_loaded_are_refused(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    model = load_local(f"hf:{copy}", quantize="none")
    weights = load_file(copy / "model.safetensors")
    weights["model.norm.weight"] += 1
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="have changed since this model was made"):
        answer(model)
    assert isinstance(answer(load_local(f"hf:{copy}", quantize="none")), str)


def test_a_template_that_changes_before_the_weights_are_loaded_is_refused(copy: Path) -> None:
    model = load_local(f"hf:{copy}", quantize="none")
    (copy / "chat_template.jinja").write_text("{{ messages[0].content }}<end>")
    with pytest.raises(ModelError, match="have changed since this model was made"):
        answer(model)


def test_an_adapter_that_changes_before_it_is_loaded_is_refused(tiny: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from synthkit.models.transformers.loading import quiet

    net = AutoModelForCausalLM.from_pretrained(tiny, dtype="float32")
    config = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    with quiet():
        get_peft_model(net, config).save_pretrained(tmp_path)
    model = load_local(f"hf:{tiny}", quantize="none", adapter=tmp_path)
    settings = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings | {"lora_alpha": 99}))
    with pytest.raises(ModelError, match=r"files of the adapter in .* have changed"):
        answer(model)


def snapshot(cache: Path, commit: str, files: dict[str, bytes]) -> None:
    """A repository ``a/b`` of the Hub in its cache."""
    folder = cache / "models--a--b"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text(commit)
    place = folder / "snapshots" / commit
    place.mkdir(parents=True)
    for name, content in files.items():
        (place / name).write_bytes(content)


def test_a_commit_of_a_repository_can_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    first, second = "1" * 40, "2" * 40
    for commit in (first, second):
        snapshot(tmp_path, commit, {"model.safetensors": commit.encode()})
    assert resolve.folder_of("a/b").name == second
    assert resolve.folder_of(f"a/b@{first}").name == first
    with pytest.raises(ModelNotFound, match="is not on this machine"):
        resolve.folder_of("a/b@" + "3" * 40)


def test_a_catalog_file_that_changed_without_changing_its_size_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def bring(model: Any, part: Path, folder: Path, *_: Any) -> str:
        made.append(model.name)
        (folder / "model.safetensors").write_bytes(b"right")
        return ""

    monkeypatch.setenv("SYNTHKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(catalog, "_bring", bring)
    folder = catalog.fetch("wordllama", quiet=True)
    assert catalog.fetch("wordllama", quiet=True) == folder
    assert made == ["wordllama"]
    (folder / "model.safetensors").write_bytes(b"wrong")
    monkeypatch.setattr(catalog, "_intact", {})  # as in another process
    catalog.fetch("wordllama", quiet=True)
    assert (folder / "model.safetensors").read_bytes() == b"right"
    assert len(made) == 2


def test_int8_on_a_cpu_logs_nothing(tiny: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = load_model(f"hf:{tiny}", quantize="int8", device="cpu")
    asked = Request((Message("user", "a"),), Sampling(max_tokens=4, extra={"ignore_eos": True}))
    [(_, done)] = [event for event in model.complete([asked]) if event]
    assert done.completion_tokens == 4
    assert caplog.records == []
