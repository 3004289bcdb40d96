"""A row that is being decoded: its prompt, its tokens so far, and the completion it becomes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from synthkit.core.answers import opened
from synthkit.core.types import Completion, Request
from synthkit.models.local.sampling import Knobs
from synthkit.models.local.vocabulary import Bias, Vocabulary


@dataclass(slots=True, eq=False)
class DecodingRow:
    """A request that is being decoded: its prompt, and its tokens so far.

    Parameters
    ----------
    most : most tokens to write.
    ends : the tokens that end it.
    matcher : of its grammar, if the request has a schema.
    """

    position: int
    request: Request
    prompt: list[int]
    knobs: Knobs
    most: int
    ends: frozenset[int]
    matcher: Any = None
    bias: Bias | None = None
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    began: float = 0.0

    @property
    def read(self) -> tuple[int, ...]:
        """What is read before the next token is drawn: the prompt and the tokens so far."""
        return (*self.prompt, *self.tokens)

    @property
    def reach(self) -> int:
        """Columns that the row needs if it writes ``most`` tokens."""
        return len(self.prompt) + self.most

    def advance(self, token: int, vocabulary: Vocabulary) -> str:
        """Append a token; the reason why the row has ended, or ``""``."""
        self.tokens.append(token)
        if token in self.ends and not (self.knobs.ignore_eos and self.matcher is None):
            return "stop"
        if self.matcher is not None:
            self.matcher.consume_token(token)
            if self.matcher.is_stopped():
                return "stop"
        if self.request.sampling.stop and self._stopped(vocabulary):
            return "stop"
        return "length" if len(self.tokens) >= self.most else ""

    def _stopped(self, vocabulary: Vocabulary) -> bool:
        """Whether the end of the text has a stop text; decodes only as many tokens as needed."""
        stops = self.request.sampling.stop
        tail = max(len(stop.encode()) for stop in stops) + 4
        text = vocabulary.tokenizer.decode(self.tokens[-tail:])
        return any(stop in text for stop in stops)


def completion(row: DecodingRow, why: str, vocabulary: Vocabulary) -> Completion:
    """The completion of a row that has ended."""
    written = row.tokens[:-1] if row.tokens and row.tokens[-1] in row.ends else row.tokens
    text = vocabulary.decode(written)
    cut = min((at for at in map(text.find, row.request.sampling.stop) if at >= 0), default=None)
    pairs = None
    if row.request.sampling.logprobs:
        pairs = tuple(zip(map(vocabulary.text, written), row.logprobs, strict=False))
    error = ""
    if why == "memory":
        error = (
            "memory ran out with this row alone: shorten the prompt, lower max_tokens, or load the "
            'model with quantize="nf4"'
        )
    return Completion(
        text=opened(vocabulary.decode(row.prompt[-8:])) + (text if cut is None else text[:cut]),
        finish="error" if error else why,
        prompt_tokens=len(row.prompt),
        completion_tokens=len(row.tokens),
        seconds=time.perf_counter() - row.began,
        logprobs=pairs,
        error=error,
        how=vocabulary.how,
    )
