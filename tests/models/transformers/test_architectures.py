"""Models of other architectures than a plain decoder: with a state, nested settings, and none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synthkit.core.errors import ModelError
from synthkit.core.types import Message, Request, Sampling
from synthkit.models.in_memory import loaded

SMALL: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2}
DECODER = SMALL | {"num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 16}
GRANITE = DECODER | {
    "shared_intermediate_size": 16,
    "num_local_experts": 0,
    "num_experts_per_tok": 0,
    "mamba_n_heads": 2,
    "mamba_d_state": 4,
    "position_embedding_type": "rope",
}

MIXED = ["mamba", "attention"]


@pytest.fixture(scope="module")
def tokenizer(tiny: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny)


def network(tokenizer: Any, kind: str, **settings: Any) -> Any:
    import torch
    import transformers

    torch.manual_seed(0)
    ids = {"eos_token_id": tokenizer.eos_token_id, "bos_token_id": None, "pad_token_id": None}
    config = getattr(transformers, f"{kind}Config")(vocab_size=len(tokenizer), **ids, **settings)
    return transformers.AutoModelForCausalLM.from_config(config).eval()


@pytest.mark.parametrize(
    ("kind", "settings", "row_bytes", "together"),
    [
        ("Mamba", SMALL | {"state_size": 4}, 2 * 2 * 16 * 4, False),
        ("Rwkv", SMALL | {"attention_hidden_size": 16}, 2 * 2 * 16 * 4, False),
        ("Llama", DECODER, 2 * 2 * 8 * 4, True),
        ("Gemma3Text", DECODER | {"head_dim": 4}, 2 * 2 * 4 * 4, True),
        # Granite 4.0: a class for models with a state; without Mamba layers they have none
        ("GraniteMoeHybrid", GRANITE | {"layer_types": ["attention"] * 2}, 2 * 2 * 8 * 4, True),
        ("GraniteMoeHybrid", GRANITE | {"layer_types": MIXED}, 2 * 2 * 8 * 4, False),
    ],
)
def test_an_architecture_decodes_as_without_a_cache(
    tokenizer: Any, kind: str, settings: dict[str, Any], row_bytes: int, together: bool
) -> None:
    import torch

    net = network(tokenizer, kind, **settings)
    model = loaded(net, tokenizer, raw=True)
    assert model.load().row_bytes == row_bytes
    assert model.load().mergeable == together
    sampling = Sampling(temperature=0, max_tokens=6)
    requests = [Request((Message("user", text),), sampling) for text in ("salt river", "lamp")]
    done = dict(event for event in model.complete(requests) if event is not None)
    for at, request in enumerate(requests):
        ids = tokenizer(request.messages[0].content, add_special_tokens=False)["input_ids"]
        written: list[int] = []
        while len(written) < 6 and (not written or written[-1] not in model.load().ends):
            with torch.no_grad():
                logits = net(torch.tensor([ids + written]), use_cache=False).logits
            written.append(int(logits[0, -1].argmax()))
        assert done[at].text == model.load().decode(written)


def test_an_architecture_that_returns_no_state_is_refused(tokenizer: Any) -> None:
    settings = {"lru_width": 16, "num_attention_heads": 2, "intermediate_size": 16}
    net = network(tokenizer, "RecurrentGemma", hidden_size=16, num_hidden_layers=3, **settings)
    request = Request((Message("user", "salt"),), Sampling(max_tokens=2))
    with pytest.raises(ModelError, match="does not return what it keeps of a text"):
        list(loaded(net, tokenizer, raw=True).complete([request]))
