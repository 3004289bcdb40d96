"""A model in memory: its weights, its tokenizer, and forward passes."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from transformers.cache_utils import DynamicLayer

from synthkit.core.errors import ModelError
from synthkit.models.local.vocabulary import Vocabulary

CACHE_NAMES = ("cache", "past_key_values", "cache_params", "state")
"""Names of the keys and values in arguments and outputs. transformers 5.24 introduced the first;
it still accepts the others, with a warning."""


@dataclass(frozen=True, kw_only=True)
class Engine(Vocabulary):
    """Loaded weights, and the facts about them that decoding needs.

    Parameters
    ----------
    accepts : the arguments of the architecture's forward pass.
    mergeable : whether rows may share a batch.
    row_bytes : bytes of the keys and values of one token.
    threads : of torch; 0 leaves them as they are.
    """

    net: Any
    accepts: frozenset[str]
    mergeable: bool
    device: str
    row_bytes: int
    threads: int = 0

    def use_threads(self) -> None:
        """Set torch's number of threads, which it keeps for each thread of Python."""
        if self.threads:
            torch.set_num_threads(self.threads)

    @cached_property
    def shares_prompts(self) -> bool:
        """Whether texts can be read after one prompt: all layers keep all keys and values."""
        if not self.mergeable:
            return False
        out = self.forward(input_ids=torch.zeros(1, 1, dtype=torch.long, device=self.device))
        return all(type(layer) is DynamicLayer for layer in cache_of(out).layers)

    def forward(self, **inputs: Any) -> Any:
        """One forward pass without gradients.

        Arguments that the architecture does not accept are left out; ``past_key_values`` are
        passed by the name that it uses. ``inference_mode`` is entered here and not around the
        decode loop, since a generator suspended inside it would leave its caller in that mode.
        """
        cache = inputs.pop("past_key_values", None)
        arguments = {name: value for name, value in inputs.items() if name in self.accepts}
        if cache is not None:
            arguments[next(name for name in CACHE_NAMES if name in self.accepts)] = cache
        with torch.inference_mode():
            return self.net(**arguments, use_cache=True)


def cache_of(out: Any) -> Any:
    """The keys and values, or the state, in the output of a forward pass.

    Raises
    ------
    ModelError
        If the architecture returns none, as RecurrentGemma.
    """
    for name in CACHE_NAMES:
        if name in out:
            return out[name]
    raise ModelError(
        f"{type(out).__name__}: this architecture does not return what it keeps of a text, so it "
        "cannot go on from there. Use another model, or run it behind a server ('openai:NAME')."
    )


def accepted(net: Any) -> frozenset[str]:
    """The arguments of the architecture's forward pass, also under a PEFT wrapper."""
    inner = net.get_base_model() if hasattr(net, "get_base_model") else net
    return frozenset(inspect.signature(type(inner).forward).parameters)
