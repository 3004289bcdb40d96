"""A model in memory: its weights, its tokenizer, and forward passes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import torch
from transformers.cache_utils import DynamicLayer

from synthkit.core.answers import MARKER_TOKENS
from synthkit.core.errors import ModelError, UsageError
from synthkit.models.transformers.grammar import Grammars

Bias: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""(k,) token ids, and (k,) numbers to add to their logits."""

CACHE_NAMES = ("cache", "past_key_values", "cache_params", "state")
"""Names of the keys and values in arguments and outputs. transformers 5.24 introduced the first;
it still accepts the others, with a warning."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Loaded weights, and the facts about them that decoding needs.

    Parameters
    ----------
    accepts : the arguments of the architecture's forward pass.
    ends : the tokens that end a completion.
    context : most tokens of a prompt and its completion.
    mergeable : whether rows may share a batch.
    width : the number of logits.
    row_bytes : bytes of the keys and values of one token.
    how : its precision, device and threads, for people to read.
    """

    net: Any
    accepts: frozenset[str]
    tokenizer: Any
    ends: frozenset[int]
    context: int
    mergeable: bool
    device: str
    width: int
    row_bytes: int
    how: str = ""

    @cached_property
    def grammars(self) -> Grammars:
        """The grammars of this tokenizer; created at the first schema."""
        return Grammars(self.tokenizer, self.width, sorted(self.ends))

    @cached_property
    def shares_prompts(self) -> bool:
        """Whether texts can be read after one prompt: all layers keep all keys and values."""
        if not self.mergeable:
            return False
        out = self.forward(input_ids=torch.zeros(1, 1, dtype=torch.long, device=self.device))
        return all(type(layer) is DynamicLayer for layer in cache_of(out).layers)

    @cached_property
    def _ids(self) -> dict[str, list[int]]:
        """Text of a token -> the tokens that have it."""
        ids: dict[str, list[int]] = {}
        for token in range(self.width):
            ids.setdefault(self.text(token), []).append(token)
        return ids

    @cached_property
    def _hidden(self) -> frozenset[int]:
        """Control tokens that a text does not show: all but those around reasoning."""
        added = self.tokenizer.added_tokens_decoder.items()
        special = {*self.tokenizer.all_special_ids, *(id for id, token in added if token.special)}
        return frozenset(token for token in special if self.text(token) not in MARKER_TOKENS)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of some tokens, without control tokens other than those around reasoning."""
        shown = [token for token in tokens if token not in self._hidden]
        return str(
            self.tokenizer.decode(
                shown, skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
        )

    def text(self, token: int) -> str:
        """A token's text, as in log-probabilities; parts of a character have the same text."""
        return str(self.tokenizer.decode([token]))

    def bias(self, by_text: Mapping[str, float], spared: frozenset[int]) -> Bias:
        """A bias by token ids, from one by the texts of tokens, without the ``spared`` ids.

        Raises
        ------
        UsageError
            If a text is not a token of this model.
        """
        for text in by_text:
            if text not in self._ids:
                raise UsageError(
                    f"token_bias names {text!r}, which is not a token of this model; take the "
                    "texts from the logprobs of its completions."
                )
        by_token = {
            token: value
            for text, value in by_text.items()
            for token in self._ids[text]
            if token not in spared
        }
        return (
            torch.tensor(list(by_token), dtype=torch.long, device=self.device),
            torch.tensor(list(by_token.values()), dtype=torch.float32, device=self.device),
        )

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
