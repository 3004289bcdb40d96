"""Weights that are in memory already, such as after fine-tuning, as a model that answers."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any

import torch

from synthkit.core.errors import ChatTemplateMissing
from synthkit.core.hashing import digest
from synthkit.models.hub.fingerprint import Identity
from synthkit.models.hub.resolve import Source
from synthkit.models.transformers.loading import held
from synthkit.models.transformers.model import Local, Settings


def loaded(
    net: Any,
    tokenizer: Any,
    *,
    name: str = "loaded",
    raw: bool | None = None,
    max_batch: int | None = None,
) -> Local:
    """A model of a transformers causal language model and its tokenizer, as they are now.

    The weights are hashed (0.3 s for SmolLM2), so that answers are kept under what gave them. After
    more training, make another: this one would keep the old name for new answers. It is set to
    answer (``net.eval()``); a trainer sets it back.

    Parameters
    ----------
    net : on its device; also with PEFT adapters.
    name : what it is called; not part of the fingerprint.
    raw : continue texts as they are, without a chat template; by default where there is none.
    max_batch : as in :func:`~synthkit.models.transformers.model.load_local`.

    Raises
    ------
    ChatTemplateMissing
        If the tokenizer has no chat template and ``raw`` is false.

    Examples
    --------
    >>> model = loaded(trainer.model, tokenizer, name="tuned")  # doctest: +SKIP
    """
    template = tokenizer.chat_template
    if raw is False and not template:
        raise ChatTemplateMissing(
            f"{name} has no chat template, so it does not know what a message is; give raw=True."
        )
    device = str(net.device)
    about = Identity(
        weights=_hash(net, tokenizer),
        template=digest(template)[:16] if template else "none",
        size=2 * sum(weight.numel() for weight in net.parameters()),
    )
    settings = Settings(
        source=Source(name=name, folder=None, identity=about),
        quantize="none",
        adapter=None,
        raw=not template if raw is None else raw,
        dtype=str(net.dtype).removeprefix("torch."),  # type: ignore[arg-type]
        device=device,
        max_batch=max_batch or (64 if device.startswith("cuda") else 32),
        threads=None,
    )
    return Local(settings, held(net, tokenizer, device))


def _hash(net: Any, tokenizer: Any) -> str:
    """32 hex digits of all that changes an answer: weights, configuration, adapters, tokens."""
    seen = blake2b(digest_size=16)
    for key, tensor in sorted(net.state_dict().items()):
        if isinstance(tensor, torch.Tensor):
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            seen.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
            seen.update(flat.view(torch.uint8).numpy())
    adapters = getattr(net, "peft_config", {})
    parts = {
        "config": _lasting(json.loads(net.config.to_json_string())),
        "adapters": {key: _lasting(one.to_dict()) for key, one in adapters.items()},
        "active": [str(getattr(net, "active_adapters", "")), _disabled(net)] if adapters else [],
        "tokens": sorted(tokenizer.get_vocab().items()),
    }
    seen.update(digest(parts).encode())
    return seen.hexdigest()


_INCIDENTAL = {
    "transformers_version",
    "_name_or_path",
    "peft_version",
    "base_model_name_or_path",
    "inference_mode",
}


def _lasting(config: dict[str, Any]) -> dict[str, str]:
    """What a configuration says of answers, in an order that does not change."""
    return {
        key: str(sorted(map(str, value)) if isinstance(value, set) else value)
        for key, value in config.items()
        if key not in _INCIDENTAL
    }


def _disabled(net: Any) -> bool:
    # transformers has a method of the name of PEFT's flag
    return any(getattr(module, "disable_adapters", None) is True for module in net.modules())
