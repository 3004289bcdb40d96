"""Models of weights that are already in memory, such as after fine-tuning."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import torch

from synthkit.core.errors import ChatTemplateMissing
from synthkit.core.hashing import digest
from synthkit.models.hub.fingerprint import INCIDENTAL, Identity
from synthkit.models.hub.resolve import ModelSource
from synthkit.models.local.settings import LocalSettings
from synthkit.models.local.template_options import check_options
from synthkit.models.local_model import Local
from synthkit.models.transformers.loading import wrap


def loaded(
    net: Any,
    tokenizer: Any,
    *,
    name: str = "loaded",
    raw: bool | None = None,
    chat_template_kwargs: Mapping[str, Any] | None = None,
    max_batch: int | None = None,
) -> Local:
    """A model of a transformers causal language model and its tokenizer, in their present state.

    The weights are hashed for the fingerprint (0.3 s for SmolLM2). After further training create
    another model, since this one keeps its fingerprint. ``net`` is set to evaluation mode; a
    trainer sets it back.

    Parameters
    ----------
    net : on its device; also with PEFT adapters.
    name : for people; not part of the fingerprint.
    raw : continue texts without a chat template; by default if there is none.
    chat_template_kwargs, max_batch : as in
        :func:`~synthkit.models.local_model.load_local`.

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
            f"{name} has no chat template, so it cannot read messages; use raw=True."
        )
    check_options(chat_template_kwargs or {})
    device = str(net.device)
    identity = Identity(
        weights=_hash(net, tokenizer),
        template=digest(template)[:16] if template else "none",
        size=2 * sum(weight.numel() for weight in net.parameters()),
    )
    settings = LocalSettings(
        source=ModelSource(name=name, folder=None, identity=identity),
        quantize="none",
        adapter=None,
        raw=not template if raw is None else raw,
        chat_template_kwargs=dict(chat_template_kwargs or {}),
        dtype=str(net.dtype).removeprefix("torch."),  # type: ignore[arg-type]
        device=device,
        max_batch=max_batch or (64 if device.startswith("cuda") else 32),
        threads=None,
    )
    return Local(settings, wrap(net, tokenizer, device))


def _hash(net: Any, tokenizer: Any) -> str:
    """32 hex digits of what changes a completion: weights, configuration, adapters, tokens."""
    seen = blake2b(digest_size=16)
    for key, tensor in sorted(net.state_dict().items()):
        if isinstance(tensor, torch.Tensor):
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            seen.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
            seen.update(flat.view(torch.uint8).numpy())
    adapters = getattr(net, "peft_config", {})
    parts = {
        "config": _lasting(json.loads(net.config.to_json_string())),
        "adapters": {key: _lasting(adapter.to_dict()) for key, adapter in adapters.items()},
        "active": [str(getattr(net, "active_adapters", "")), _disabled(net)] if adapters else [],
        "tokens": sorted(tokenizer.get_vocab().items()),
    }
    seen.update(digest(parts).encode())
    return seen.hexdigest()


_INCIDENTAL = INCIDENTAL | {"peft_version", "base_model_name_or_path", "inference_mode"}


def _lasting(config: dict[str, Any]) -> dict[str, str]:
    """The parts of a configuration that change completions, in a fixed order."""
    return {
        key: str(sorted(map(str, value)) if isinstance(value, set) else value)
        for key, value in config.items()
        if key not in _INCIDENTAL
    }


def _disabled(net: Any) -> bool:
    # in transformers, a method has the name of PEFT's flag
    return any(getattr(module, "disable_adapters", None) is True for module in net.modules())
