from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from synthkit.core.types import Message, Request, Sampling
from synthkit.models import load_model
from synthkit.models.hub import resolve
from synthkit.models.hub.catalog_entries import CATALOG
from synthkit.models.hub.hub_models import HUB_MODELS
from synthkit.models.schemes import MODEL_SCHEMES, model_specs

MODEL = HUB_MODELS["smollm2-360m"]
COMMIT = "c" * 40


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub, which cannot be reached."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


@pytest.fixture
def downloaded(hub: Path, tiny: Path) -> Path:
    """The cache once :data:`MODEL` was downloaded; random weights stand in for its own."""
    folder = hub / f"models--{MODEL.repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    shutil.copytree(tiny, folder / "snapshots" / COMMIT)
    return folder


def test_names_are_short_unlike_others_and_ordered_by_size() -> None:
    assert all(re.fullmatch(r"[a-z0-9.-]+", name) for name in HUB_MODELS)
    assert not {*HUB_MODELS} & ({*CATALOG} | {*MODEL_SCHEMES})
    assert {*HUB_MODELS} <= {*model_specs()}
    sizes = [model.parameters for model in HUB_MODELS.values()]
    assert sizes == sorted(sizes)
    assert min(sizes) > 0.3e9
    assert max(sizes) < 8.5e9
    assert {model.licence for model in HUB_MODELS.values()} == {"Apache-2.0", "MIT"}


def test_sizes_follow_from_the_parameters() -> None:
    model = HUB_MODELS["qwen2.5-0.5b"]  # its model.safetensors has 988 MB
    assert model.size("bf16") == 988_000_000
    assert model.size("fp32") == 2 * model.size("bf16")
    # 358 million weights of 4 bits with their scales, 136 million embeddings of 16 bits
    assert model.size("nf4") == 358_000_000 * 9 // 16 + 272_000_000


def test_a_name_loads_the_repository(downloaded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = load_model(MODEL.name, device="cpu", quantize="none")
    assert capsys.readouterr().err == ""
    same = load_model(f"hf:{MODEL.repository}", device="cpu", quantize="none")
    assert model.fingerprint == same.fingerprint
    assert model.name.startswith(MODEL.name)
    request = Request((Message("user", "a"),), Sampling(max_tokens=4, extra={"ignore_eos": True}))
    [(_, done)] = [event for event in model.complete([request]) if event]
    assert done.completion_tokens == 4
    assert done.how.endswith(f"commit {COMMIT}")


def test_the_commit_is_known(downloaded: Path, tiny: Path) -> None:
    assert resolve.find(MODEL.name).commit == COMMIT
    assert resolve.find(f"hf:{tiny}").commit == ""
