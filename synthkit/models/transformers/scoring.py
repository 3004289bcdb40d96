"""Scoring: the log-probabilities of the tokens of given texts, without generation.

A text is one row of a forward pass, padded on its right. Tokens see only what is to their left, so
padding and other rows do not change the scores. A prompt before several texts is read once.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Request
from synthkit.models.local.chat_template import ChatTemplate
from synthkit.models.local.intake import check_readable
from synthkit.models.transformers import shared_prompts
from synthkit.models.transformers.batching import out_of_memory
from synthkit.models.transformers.weights import Engine, cache_of

LOGITS = {"cpu": 1 << 26, "cuda": 1 << 28}
"""Most logits of a pass; at two to four bytes each, they take most of the memory."""
PASS_TOKENS = {"cpu": 2048, "cuda": 16384}
"""Most tokens of a pass, whatever the vocabulary."""
LEAST_TOKENS = 64
"""If memory runs out in a pass of this many tokens, its texts fail."""


@dataclass(slots=True, eq=False)
class ScoredText:
    """A text to score: the tokens before it, its own tokens, and their scores so far.

    Parameters
    ----------
    left : how many of its parts are not scored yet.
    logprobs : index among the prompt's and the text's tokens -> log-probability.
    """

    position: int
    text: str
    prompt: list[int]
    tokens: list[int]
    left: int = 0
    logprobs: dict[int, float] = field(default_factory=dict)
    began: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class TextPart:
    """Tokens that are read together; those from ``start`` on are scored.

    ``offset`` is the index of the part's first token among the prompt's and the text's.
    """

    text: ScoredText
    tokens: list[int]
    start: int
    offset: int


def parts(text: ScoredText, context: int) -> list[TextPart]:
    """The text in one part, or in several if it is longer than the context.

    Each part but the first begins half a context before the tokens that it scores, so that every
    token sees at least half a context, or the whole text before it.
    """
    tokens = text.prompt + text.tokens
    first = max(1, len(text.prompt))
    if len(tokens) <= context:
        return [TextPart(text, tokens, first, 0)] if len(tokens) > first else []
    step = context - context // 2
    several = [TextPart(text, tokens[:context], first, 0)]
    for end in range(context, len(tokens), step):
        stop = min(end + step, len(tokens))
        begin = stop - context
        several.append(TextPart(text, tokens[begin:stop], end - begin, begin))
    return several


def prepare(
    request: Request, position: int, engine: Engine, *, name: str, chat: ChatTemplate
) -> ScoredText | Completion:
    """The text that a request asks to score, or a completion that says why it cannot be scored.

    ``name`` is the model's, for messages; ``chat`` renders prompts.
    """
    n, why = 0, ""
    try:
        check_readable(request)
        prompt, tokens = chat.scored(request)
        n = len(prompt) + len(tokens)
        if not tokens:
            why = "there is no text to score"
        elif request.messages and n > engine.context:
            why = (
                f"the prompt has {len(prompt)} tokens and the text {len(tokens)}, but {name} "
                f"reads at most {engine.context}; shorten one of them"
            )
    except UsageError as error:
        why = f"{name}: {error}"
    if why:
        return Completion(text="", finish="error", prompt_tokens=n, error=why)
    return ScoredText(position=position, text=request.answer or "", prompt=prompt, tokens=tokens)


class Scorer:
    """Scores texts in passes of similar lengths.

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

    def run(self, texts: Sequence[ScoredText]) -> Iterator[ScoredText | None]:
        """Each text as soon as it is scored; ``None`` after each pass."""
        self.engine.use_threads()
        together = yield from self._shared(texts)
        waiting: list[TextPart] = []
        for text in texts:
            if id(text) in together:
                continue
            text_parts = parts(text, self.engine.context)
            text.left = len(text_parts)
            waiting += text_parts
            if not text_parts:
                yield text
        # the longest first, so that a lack of memory shows at once
        waiting.sort(key=lambda part: -len(part.tokens))
        while waiting:
            batch = self._fitting(waiting)
            now = time.perf_counter()
            try:
                scores = self._read(batch)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if self.scored > LEAST_TOKENS:
                    self.scored = max(LEAST_TOKENS, self.scored // 2)
                    self.tokens = max(self.scored, self.tokens // 2)
                    continue
                scores = [[] for _ in batch]
                for part in batch:
                    part.text.error = (
                        f"memory ran out in a pass of {LEAST_TOKENS} tokens: shorten the text, or "
                        'load the model with quantize="nf4"'
                    )
            del waiting[: len(batch)]
            for part, values in zip(batch, scores, strict=True):
                text = part.text
                text.began = text.began or now
                text.logprobs |= dict(enumerate(values, part.offset + part.start))
                text.left -= 1
                if not text.left:
                    yield text
            yield None

    def _shared(self, texts: Sequence[ScoredText]) -> Generator[ScoredText | None, None, set[int]]:
        """Score the texts that follow the same prompt as another; returns their ``id()``."""
        fitting = [
            text
            for text in texts
            if text.prompt and len(text.prompt) + len(text.tokens) <= self.engine.context
        ]
        groups = [group for group in shared_prompts.alike(fitting) if len(group) > 1]
        if not groups or not self.engine.shares_prompts:
            return set()
        done: set[int] = set()
        for part in shared_prompts.passes(groups, self.tokens, self.scored):
            now = time.perf_counter()
            several = [text for group in part for text in group]
            try:
                rows = shared_prompts.logits(self.engine, part)
                values = [
                    self._of(row[None], torch.tensor([text.tokens], device=row.device))[0]
                    for row, text in zip(rows, several, strict=True)
                ]
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                return done  # the others are read one by one, in smaller passes if needed
            for text, scores in zip(several, values, strict=True):
                text.began = now
                text.logprobs = dict(enumerate(scores, len(text.prompt)))
                done.add(id(text))
                yield text
            yield None
        return done

    def _fitting(self, waiting: Sequence[TextPart]) -> list[TextPart]:
        """The next parts that fit into a pass; a long one may need several by itself."""
        rows, width, first = 0, len(waiting[0].tokens), len(waiting[0].tokens)
        for part in waiting:
            first = min(first, part.start)
            if not self._fits(rows + 1, width, first):
                break
            rows += 1
        return list(waiting[: max(1, rows)])

    def _fits(self, rows: int, width: int, first: int) -> bool:
        return rows * width <= self.tokens and rows * (width - first) <= self.scored

    def _read(self, batch: Sequence[TextPart]) -> list[list[float]]:
        """The log-probabilities of each part's tokens from its start on."""
        width = len(batch[0].tokens)
        tokens = [torch.tensor(part.tokens) for part in batch]
        ids = pad_sequence(tokens, batch_first=True).to(self.engine.device)
        first = min(part.start for part in batch)
        scores: list[list[float]] = [[] for _ in batch]
        cache: Any = None
        # read in pieces with a cache, a long text needs no more logits at once than short ones
        whole = self._fits(len(batch), width, first) or not self.engine.mergeable
        step = width if whole else self.scored
        for begin in range(0, width - 1, step):
            stop = min(begin + step, width - 1)
            keep = stop - max(begin, first - 1)
            out = self.engine.forward(
                input_ids=ids[:, begin:stop], past_key_values=cache, logits_to_keep=max(1, keep)
            )
            cache = cache_of(out) if stop < width - 1 else None
            if keep <= 0:
                continue
            begins = stop - keep + 1
            values = self._of(out.logits[:, -keep:], ids[:, begins : stop + 1])
            for at, part in enumerate(batch):
                low = max(part.start - begins, 0)
                scores[at] += values[at][low : max(0, len(part.tokens) - begins)]
        return scores

    def _of(self, logits: Any, targets: Any) -> list[list[float]]:
        """(rows, n) natural log-probabilities of targets, from (rows, n, vocabulary) logits."""
        with torch.inference_mode():
            rows = [
                # row by row, since a whole pass in float32 would need its logits twice more
                torch.gather(line.float(), -1, target[:, None])[:, 0]
                - torch.logsumexp(line.float(), dim=-1)
                for line, target in zip(logits, targets, strict=True)
            ]
            return list(torch.stack(rows).cpu().tolist())


def completion(text: ScoredText, engine: Engine) -> Completion:
    """The completion of a scored text: the text and its tokens' log-probabilities."""
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
        how=engine.how,
    )
