from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from synthkit.models.hub.fingerprint import Identity
from synthkit.models.local import memory
from synthkit.models.local.settings import LocalSettings
from synthkit.models.local_model import load_local
from synthkit.models.transformers import precision

Settled = Callable[..., tuple[str, str, str]]


@pytest.fixture
def settled(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Settled:
    """What is chosen for weights of some GB on a machine with some units and memory."""
    asked = load_local(f"hf:{tiny}", device="cpu").settings

    def settle(
        gigabytes: float, *, units: bool, limit: float, **options: Any
    ) -> tuple[str, str, str]:
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            monkeypatch.setattr(torch.cpu, name, lambda: units)
        monkeypatch.setattr(memory, "total", lambda device: int(limit * 1e9))
        identity = Identity(weights="w" * 64, template="t", size=int(gigabytes * 1e9))
        settings = replace(asked, source=replace(asked.source, identity=identity), **options)
        chosen: LocalSettings = precision.settled(settings)
        return chosen.dtype, chosen.quantize, chosen.device

    return settle


def test_the_precision_is_the_fastest_of_the_cpu(settled: Settled) -> None:
    assert settled(0.27, units=True, limit=2) == ("bfloat16", "none", "cpu")
    assert settled(0.27, units=False, limit=2) == ("float32", "none", "cpu")


def test_weights_of_more_than_half_of_the_memory_are_quantized(settled: Settled) -> None:
    assert settled(1.5, units=True, limit=4) == ("bfloat16", "none", "cpu")
    assert settled(1.5, units=False, limit=4) == ("float32", "nf4", "cpu")
    assert settled(3.0, units=True, limit=4) == ("bfloat16", "nf4", "cpu")
    assert settled(3.0, units=True, limit=0) == ("bfloat16", "none", "cpu")


def test_what_was_asked_for_stays(settled: Settled) -> None:
    assert settled(3.0, units=True, limit=4, dtype="float32", quantize="none") == (
        "float32",
        "none",
        "cpu",
    )
    assert settled(0.1, units=False, limit=4, quantize="int8")[:2] == ("float32", "int8")


def test_a_gpu_that_torch_cannot_use_is_the_cpu(
    settled: Settled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert settled(0.1, units=True, limit=4, device="cuda") == ("bfloat16", "none", "cpu")


@pytest.mark.parametrize("native", [True, False])
def test_a_gpu_computes_in_bfloat16_if_it_has_units_for_it(
    native: bool, settled: Settled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    expected = "bfloat16" if native else "float16"
    assert settled(0.1, units=False, limit=4, device="cuda")[0] == expected


def test_a_session_moves_between_machines(tiny: Path) -> None:
    model = load_local(f"hf:{tiny}")
    assert '"dtype":"auto"' in model.fingerprint
    assert '"quantize":"auto"' in model.fingerprint
    assert load_local(f"hf:{tiny}", dtype="float32").fingerprint != model.fingerprint
