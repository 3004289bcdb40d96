"""Read a prompt once for all the texts that are scored after it, such as a question's answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch.nn.utils.rnn import pad_sequence

from synthkit.models.transformers.weights import Engine, cache_of


class Scorable(Protocol):
    """A text to score: the tokens before it and its own."""

    prompt: list[int]
    tokens: list[int]


Text = TypeVar("Text", bound=Scorable)


def alike(texts: Sequence[Text]) -> list[list[Text]]:
    """The texts by their prompts, the longest prompt first."""
    groups: dict[tuple[int, ...], list[Text]] = {}
    for text in texts:
        groups.setdefault(tuple(text.prompt), []).append(text)
    return sorted(groups.values(), key=lambda group: -len(group[0].prompt))


def passes(groups: Sequence[list[Text]], tokens: int, scored: int) -> Iterator[list[list[Text]]]:
    """Groups that are read together; a group that is too large is divided.

    Parameters
    ----------
    tokens, scored : most columns of keys and values, and most tokens that are scored, of a pass.
    """
    part: list[list[Text]] = []
    rows = width = longest = 0
    for group in groups:
        left = list(group)
        while left:
            width = max(width, len(left[0].prompt))
            taken: list[Text] = []
            for text in left:
                length = max(longest, len(text.tokens))
                count = rows + 1
                if rows and (count * (width + length) > tokens or count * length > scored):
                    break
                taken.append(text)
                rows, longest = count, length
            if taken:
                part.append(taken)
                left = left[len(taken) :]
            if left:
                yield part
                part, rows, width, longest = [], 0, 0, 0
    if part:
        yield part


def logits(engine: Engine, groups: Sequence[Sequence[Scorable]]) -> list[Any]:
    """For each text of the groups, the (n, vocabulary) logits that predict its n tokens."""
    prompts = [torch.tensor(group[0].prompt) for group in groups]
    ids = pad_sequence(prompts, batch_first=True, padding_side="left").to(engine.device)
    width = ids.shape[1]
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=engine.device)
    positions = torch.arange(width, device=engine.device) - width + lengths[:, None]
    mask = (positions >= 0).long()
    padded = bool((lengths < width).any())
    out = engine.forward(
        input_ids=ids,
        attention_mask=mask if padded else None,
        position_ids=positions.clamp(min=0),
        logits_to_keep=1,
    )
    counts = torch.tensor([len(group) for group in groups], device=engine.device)
    rows = torch.repeat_interleave(torch.arange(len(groups), device=engine.device), counts)
    with torch.inference_mode():
        first = out.logits[:, -1:][rows]
    texts = [text for group in groups for text in group]
    begun = [torch.tensor(text.tokens[:-1], dtype=torch.long) for text in texts]
    following = pad_sequence(begun, batch_first=True).to(engine.device)
    count = following.shape[1]
    if not count:
        return list(first)
    cache = cache_of(out)
    with torch.inference_mode():
        cache.batch_select_indices(rows)
    columns = torch.arange(count, device=engine.device)
    ahead = torch.ones(len(texts), count, dtype=torch.long, device=engine.device)
    rest = engine.forward(
        input_ids=following,
        attention_mask=torch.cat([mask[rows], ahead], dim=1) if padded else None,
        position_ids=lengths[rows][:, None] + columns,
        past_key_values=cache,
        logits_to_keep=count,
    ).logits[:, -count:]
    with torch.inference_mode():
        return [
            torch.cat([first[at], rest[at, : len(text.tokens) - 1]])
            for at, text in enumerate(texts)
        ]
