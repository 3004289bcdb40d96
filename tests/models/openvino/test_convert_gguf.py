from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.models.hub.test_gguf import save_gguf

TOKENS = [1, 40, 50, 9, 70, 33, 90, 120, 45, 30, 200, 150]


REWRITTEN = {"F32": 0.02, "BF16": 0.02, "Q5_0": 0.1, "Q5_1": 0.1}
"""Types that are copied in another one -> the largest mean error of log-probabilities."""
COPIED = {"F16": 0.02, "Q4_0": 0.1, "Q4_1": 0.1, "Q8_0": 0.1, "Q4_K": 0.1, "Q6_K": 0.1}


@pytest.mark.parametrize(("kind", "most"), [*REWRITTEN.items(), *COPIED.items()])
def test_files_of_each_type_are_converted_near_to_their_own_weights(
    tmp_path: Path, kind: str, most: float
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    from synthkit.models.openvino import convert_gguf, weights

    file = tmp_path / "tiny.gguf"
    save_gguf(file, quantized=True, kind=kind, width=256 if kind.endswith("K") else 32)
    convert_gguf.main(file, tmp_path)
    engine = weights.load(tmp_path, threads=1, most_bytes=1 << 20, rows=1)
    blocks, _ = engine.blocks.reserve([], 1) or ([], 0)
    ours = [
        engine.forward([weights.Part(TOKENS[:count], 0, blocks, whole=True)])[0]
        for count in (3, 7, 12)
    ]
    net = AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True)
    ).float()
    with torch.inference_mode():
        theirs = net(torch.tensor([TOKENS])).logits[0, [2, 6, 11]].numpy()
    found, expected = (np.array(each, np.float64) for each in (ours, theirs))
    assert expected.std() > 0.3
    found -= np.log(np.exp(found).sum(1, keepdims=True))
    expected -= np.log(np.exp(expected).sum(1, keepdims=True))
    assert np.abs(found - expected).mean() < most


def test_both_engines_follow_the_factors_of_a_file_for_its_positions(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from synthkit.models.hub import convert_gguf as for_transformers
    from synthkit.models.openvino import convert_gguf, weights

    found = []
    for factors in (False, True):
        folder = tmp_path / str(factors)
        (folder / "safetensors").mkdir(parents=True)
        save_gguf(folder / "a.gguf", quantized=True, kind="F16", factors=factors)
        convert_gguf.main(folder / "a.gguf", folder)
        engine = weights.load(folder, threads=1, most_bytes=1 << 20, rows=1)
        blocks, _ = engine.blocks.reserve([], 2) or ([], 0)
        part = weights.Part(TOKENS * 3, 0, blocks, whole=True)
        for_transformers.main(folder / "a.gguf", folder / "safetensors")
        net = AutoModelForCausalLM.from_pretrained(folder / "safetensors", dtype=torch.float32)
        with torch.inference_mode():
            found.append(
                (engine.forward([part])[0], net(torch.tensor([TOKENS * 3])).logits[0, -1].numpy())
            )
    (ours, theirs), (ours_scaled, theirs_scaled) = found
    change = theirs_scaled - theirs
    assert np.abs(change).mean() > 0.05
    assert np.abs(ours_scaled - ours - change).mean() < np.abs(change).mean() / 10
