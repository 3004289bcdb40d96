"""A model in memory: its weights, and its tokens by number and by text."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch

from synthkit.core.errors import UsageError
from synthkit.models.transformers.grammar import Grammars

Bias: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""(k,) token ids and (k,) what is added to their logits."""

HELD = ("cache", "past_key_values", "cache_params")
"""The names of the keys and values so far: the first since transformers 5.24, which still gives
them by the others, with a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Loaded weights and what decoding with them needs.

    ``ends`` are the tokens that end a completion, ``context`` the most tokens of prompt and
    completion, ``width`` the number of logits, ``row_bytes`` the keys and values of one token.
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
    _grammars: list[Grammars] = field(default_factory=list)
    _ids: dict[str, list[int]] = field(default_factory=dict)

    def matchers(self) -> Grammars:
        """The grammars of this tokenizer; made at the first schema."""
        if not self._grammars:
            self._grammars.append(Grammars(self.tokenizer, self.width, sorted(self.ends)))
        return self._grammars[0]

    def text(self, token: int) -> str:
        """A token as log-probabilities name it. Of pieces of a character many have one name."""
        return str(self.tokenizer.decode([token]))

    def bias(self, wanted: Mapping[str, float], spared: frozenset[int]) -> Bias:
        """A bias by the texts of tokens as one by their ids, but for those that are ``spared``.

        Raises
        ------
        UsageError
            If a text is no token of this model.
        """
        if not self._ids:
            for token in range(self.width):
                self._ids.setdefault(self.text(token), []).append(token)
        for text in wanted:
            if text not in self._ids:
                raise UsageError(
                    f"token_bias names {text!r}, which is no token of this model; take the texts "
                    "from the logprobs of its completions."
                )
        found = {
            token: value
            for text, value in wanted.items()
            for token in self._ids[text]
            if token not in spared
        }
        return (
            torch.tensor(list(found), dtype=torch.long, device=self.device),
            torch.tensor(list(found.values()), dtype=torch.float32, device=self.device),
        )

    def forward(self, **inputs: Any) -> Any:
        """One forward pass without gradients; arguments that this architecture lacks are left out.

        ``past_key_values`` are handed over by the name that it has for them.

        ``inference_mode`` is entered here and not around the loop: a generator that is suspended
        inside it would leave its caller in that mode.
        """
        held = inputs.pop("past_key_values", None)
        given = {name: value for name, value in inputs.items() if name in self.accepts}
        if held is not None:
            given[next(name for name in HELD if name in self.accepts)] = held
        with torch.inference_mode():
            return self.net(**given, use_cache=True)


def held_by(out: Any) -> Any:
    """The keys and values in what a forward pass gave."""
    return out[next(name for name in HELD if name in out)]


def accepted(net: Any) -> frozenset[str]:
    """The arguments that the architecture's forward pass knows, seen through a PEFT wrapper."""
    inner = net.get_base_model() if hasattr(net, "get_base_model") else net
    return frozenset(inspect.signature(type(inner).forward).parameters)
