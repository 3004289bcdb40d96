"""The tokens of a model: their texts, those that end a completion, biases and grammars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from synthkit.core.answers import MARKER_TOKENS
from synthkit.core.errors import UsageError
from synthkit.models.local.grammar import Grammars

Bias: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float32]]
"""(k,) token ids, and (k,) numbers to add to their logits."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """The tokens of a model.

    Parameters
    ----------
    ends : the tokens that end a completion.
    context : most tokens of a prompt and its completion.
    width : the number of logits.
    how : how the model runs on this machine, for people to read.
    """

    tokenizer: Any
    ends: frozenset[int]
    context: int
    width: int
    how: str = ""

    @cached_property
    def grammars(self) -> Grammars:
        """The grammars of this tokenizer; created at the first schema."""
        return Grammars(self.tokenizer, self.width, sorted(self.ends))

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
        return np.array(list(by_token), np.int64), np.array(list(by_token.values()), np.float32)
