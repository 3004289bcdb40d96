"""Scoring: how probable the tokens of given texts are, in passes that write nothing.

A text is one row of a pass, padded on its right: tokens see only what is to their left, so what
stands beside a row, or behind it, does not change its scores.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Request
from synthkit.models.transformers import chat_template
from synthkit.models.transformers.batching import out_of_memory
from synthkit.models.transformers.weights import Engine, held_by

if TYPE_CHECKING:
    from synthkit.models.transformers.model import Local

LOGITS = {"cpu": 1 << 26, "cuda": 1 << 28}
"""Most logits that a pass gives; at two to four bytes each they are what takes the memory."""
PASS_TOKENS = {"cpu": 2048, "cuda": 16384}
"""Most tokens in a pass, however few logits a token has."""
LEAST_TOKENS = 64
"""A pass of so few tokens for which memory does not do is given up."""


@dataclass(slots=True, eq=False)
class Text:
    """A text to be scored: the tokens before it, its own, and what is known of them so far."""

    position: int
    text: str
    prompt: list[int]
    tokens: list[int]
    left: int = 0
    logprobs: dict[int, float] = field(default_factory=dict)
    began: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Tokens that are read together; those from ``start`` on are scored.

    ``offset`` is the place of the part's first token among the prompt's and the text's.
    """

    text: Text
    tokens: list[int]
    start: int
    offset: int


def parts(text: Text, context: int) -> list[Part]:
    """The text in one part; without a prompt and beyond the context, in several.

    Each of those but the first begins half a context before the tokens that it scores, so that
    every token is scored in sight of half a context, or of all that there is.
    """
    tokens = text.prompt + text.tokens
    first = max(1, len(text.prompt))
    if len(tokens) <= context:
        return [Part(text, tokens, first, 0)] if len(tokens) > first else []
    step = context - context // 2
    made = [Part(text, tokens[:context], first, 0)]
    for end in range(context, len(tokens), step):
        stop = min(end + step, len(tokens))
        begin = stop - context
        made.append(Part(text, tokens[begin:stop], end - begin, begin))
    return made


def take(model: Local, engine: Engine, request: Request, position: int) -> Text | Completion:
    """The text that a request gives to be scored, or the completion that says why it cannot be."""
    n, why = 0, ""
    try:
        prompt, tokens = chat_template.scored(request, engine.tokenizer, raw=model.settings.raw)
        n = len(prompt) + len(tokens)
        if not tokens:
            why = "there is no text to score"
        elif request.messages and n > engine.context:
            why = (
                f"the prompt has {len(prompt)} tokens and the text {len(tokens)}, but {model.name} "
                f"reads at most {engine.context}; shorten one of them"
            )
    except UsageError as error:
        why = f"{model.name}: {error}"
    if why:
        return Completion(text="", finish="error", prompt_tokens=n, error=why)
    return Text(position=position, text=request.answer or "", prompt=prompt, tokens=tokens)


class Scorer:
    """Reads texts in passes of like lengths.

    Parameters
    ----------
    engine : the loaded model.

    Attributes
    ----------
    tokens, scored : most tokens in a pass, and most of them that are scored; halved when memory
        runs out.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        kind = "cuda" if engine.device.startswith("cuda") else "cpu"
        self.tokens = PASS_TOKENS[kind]
        self.scored = max(LEAST_TOKENS, min(self.tokens, LOGITS[kind] // engine.width))

    def run(self, texts: Sequence[Text]) -> Iterator[Text | None]:
        """Each text once its tokens are scored; ``None`` after each pass."""
        waiting: list[Part] = []
        for text in texts:
            made = parts(text, self.engine.context)
            text.left = len(made)
            waiting += made
            if not made:
                yield text
        # the longest first: what does not fit into memory shows at once
        waiting.sort(key=lambda part: -len(part.tokens))
        while waiting:
            batch = self._fitting(waiting)
            now = time.perf_counter()
            try:
                found = self._read(batch)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if self.scored > LEAST_TOKENS:
                    self.scored = max(LEAST_TOKENS, self.scored // 2)
                    self.tokens = max(self.scored, self.tokens // 2)
                    continue
                found = [[] for _ in batch]
                for part in batch:
                    part.text.error = (
                        f"memory ran out in a pass of {LEAST_TOKENS} tokens: shorten the text, or "
                        'load the model with quantize="nf4"'
                    )
            del waiting[: len(batch)]
            for part, values in zip(batch, found, strict=True):
                text = part.text
                text.began = text.began or now
                text.logprobs |= dict(enumerate(values, part.offset + part.start))
                text.left -= 1
                if not text.left:
                    yield text
            yield None

    def _fitting(self, waiting: Sequence[Part]) -> list[Part]:
        """The next parts that fit into a pass; a long one may fill several by itself."""
        rows, width, first = 0, len(waiting[0].tokens), len(waiting[0].tokens)
        for part in waiting:
            first = min(first, part.start)
            if not self._fits(rows + 1, width, first):
                break
            rows += 1
        return list(waiting[: max(1, rows)])

    def _fits(self, rows: int, width: int, first: int) -> bool:
        return rows * width <= self.tokens and rows * (width - first) <= self.scored

    def _read(self, batch: Sequence[Part]) -> list[list[float]]:
        """The log-probabilities of the tokens of each part from its start on."""
        width = len(batch[0].tokens)
        ids = torch.zeros(len(batch), width, dtype=torch.long)
        for at, part in enumerate(batch):
            ids[at, : len(part.tokens)] = torch.tensor(part.tokens)
        ids = ids.to(self.engine.device)
        first = min(part.start for part in batch)
        found: list[list[float]] = [[] for _ in batch]
        cache: Any = None
        # in pieces with a cache, a long text takes no more logits at once than many short ones do
        whole = self._fits(len(batch), width, first) or not self.engine.mergeable
        step = width if whole else self.scored
        for begin in range(0, width - 1, step):
            stop = min(begin + step, width - 1)
            keep = stop - max(begin, first - 1)
            out = self.engine.forward(
                input_ids=ids[:, begin:stop], past_key_values=cache, logits_to_keep=max(1, keep)
            )
            cache = held_by(out) if stop < width - 1 else None
            if keep <= 0:
                continue
            begins = stop - keep + 1
            values = self._of(out.logits[:, -keep:], ids[:, begins : stop + 1])
            for at, part in enumerate(batch):
                low = max(part.start - begins, 0)
                found[at] += values[at][low : max(0, len(part.tokens) - begins)]
        return found

    def _of(self, logits: Any, targets: Any) -> list[list[float]]:
        """(rows, n) natural log-probabilities of the targets, by (rows, n, vocabulary) logits."""
        with torch.inference_mode():
            rows = [
                # row by row: a whole pass in float32 would take twice its logits again
                torch.gather(line.float(), -1, target[:, None])[:, 0]
                - torch.logsumexp(line.float(), dim=-1)
                for line, target in zip(logits, targets, strict=True)
            ]
            found: list[list[float]] = torch.stack(rows).cpu().tolist()
        return found


def completion(text: Text, engine: Engine) -> Completion:
    """What scoring a text answers: the text, with its tokens' log-probabilities."""
    first = len(text.prompt)
    pairs = tuple(
        (engine.text(token), text.logprobs[at])
        for at, token in enumerate(text.tokens, first)
        if at in text.logprobs
    )
    return Completion(
        text=text.text,
        finish="error" if text.error else "stop",
        prompt_tokens=first + len(text.tokens),
        seconds=time.perf_counter() - (text.began or time.perf_counter()),
        logprobs=None if text.error else pairs,
        error=text.error,
    )
