"""Read the prompts of rows that join a batch: each text once, and what they begin with in common.

Rows of one run mostly share a system prompt, demonstrations and an instruction. Their keys and
values are kept, so that only the rest of each prompt is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, TypeAlias

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers.cache_utils import DynamicCache

from synthkit.models.transformers.weights import Engine, cache_of

WORTH_TOKENS = 32
"""Fewest tokens in common that are read by themselves."""
MOST_BEGINNINGS = 4
"""How many are kept: those of the recipes' steps that take turns."""

Tokens: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Beginning:
    """Tokens that prompts begin with, and their keys and values for each layer of one row."""

    tokens: Tokens
    layers: tuple[tuple[Any, Any], ...]

    def begins(self, text: Tokens) -> bool:
        """Whether a text goes on after it."""
        return len(text) > len(self.tokens) and text[: len(self.tokens)] == self.tokens

    def cache(self, rows: int) -> DynamicCache:
        """A cache of several rows that have read it."""
        cache = DynamicCache()
        for at, (keys, values) in enumerate(self.layers):
            cache.update(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1), at)
        return cache


NOTHING = Beginning((), ())


class PromptReader:
    """Reads prompts of one model.

    Attributes
    ----------
    beginnings : what earlier prompts had in common, the newest last.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.beginnings: list[Beginning] = []
        self._last: Tokens = ()

    def unread(self, text: Tokens) -> Tokens:
        """The tokens of a text that must be read: all that come after a known beginning."""
        return text[len(self._known([text]).tokens) :]

    def read(self, texts: Sequence[Tokens]) -> tuple[Any, Any, list[int]]:
        """(n, vocabulary) logits of the next tokens, the keys and values, and the lengths.

        The keys and values are padded on the left to the longest text.
        """
        places: dict[Tokens, int] = {}
        rows = [places.setdefault(text, len(places)) for text in texts]
        different = list(places)
        self._learn(different)
        logits, cache = self._read(different, self._known(different))
        if len(different) < len(rows):
            chosen = torch.tensor(rows, device=self.engine.device)
            with torch.inference_mode():
                logits = logits[chosen]
                cache.batch_select_indices(chosen)
        return logits, cache, list(map(len, texts))

    def _learn(self, texts: Sequence[Tokens]) -> None:
        """Keep what texts have in common, or a single one with the one before it."""
        compared = texts if len(texts) > 1 else [*texts, self._last]
        self._last = texts[-1]
        known = self._known(texts)
        # the last token of a text is always read, for its logits
        common = min(_common(compared), *(len(text) - 1 for text in texts))
        is_worth = common >= len(known.tokens) + WORTH_TOKENS
        if not is_worth or not self.engine.shares_prompts:
            return
        tokens = texts[0][:common]
        _, cache = self._read([tokens], known)
        layers = tuple((one.keys, one.values) for one in cache.layers)
        self.beginnings = [*self.beginnings[1 - MOST_BEGINNINGS :], Beginning(tokens, layers)]

    def _known(self, texts: Sequence[Tokens]) -> Beginning:
        """The longest known beginning of all texts."""
        fitting = [each for each in self.beginnings if all(map(each.begins, texts))]
        return max(fitting, key=lambda each: len(each.tokens), default=NOTHING)

    def _read(self, texts: Sequence[Tokens], beginning: Beginning) -> tuple[Any, Any]:
        """Logits, keys and values of texts, of which the beginning was read before."""
        device, known = self.engine.device, len(beginning.tokens)
        rest = [torch.tensor(text[known:]) for text in texts]
        ids = pad_sequence(rest, batch_first=True, padding_side="left").to(device)
        width = ids.shape[1]
        pads = width - torch.tensor(list(map(len, rest)), device=device)[:, None]
        columns = torch.arange(width, device=device)
        mask = None
        if bool(pads.any()):
            begun = torch.ones(len(texts), known, dtype=torch.bool, device=device)
            mask = torch.cat([begun, columns >= pads], dim=1).long()
        out = self.engine.forward(
            input_ids=ids,
            attention_mask=mask,
            position_ids=known + (columns - pads).clamp(min=0),
            past_key_values=beginning.cache(len(texts)) if known else None,
            logits_to_keep=1,
        )
        cache = cache_of(out)
        if known and mask is not None:
            with torch.inference_mode():
                _move_pads(cache, pads, known)
        return out.logits[:, -1], cache


def _common(texts: Sequence[Tokens]) -> int:
    """How many tokens all texts begin with."""
    columns = zip(*texts, strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def _move_pads(cache: Any, pads: Any, known: int) -> None:
    """Move each row's padding from behind its first ``known`` columns to the left of them."""
    end = cache.layers[0].keys.shape[2]
    columns = torch.arange(end, device=pads.device)
    beginning = (columns >= pads) & (columns < pads + known)
    sources = torch.where(beginning, columns - pads, columns)
    for layer in cache.layers:
        for name in ("keys", "values"):
            old = getattr(layer, name)
            places = sources[:, None, :, None].expand(-1, old.shape[1], -1, old.shape[3])
            setattr(layer, name, old.gather(2, places))
