"""The decode loop: rows join a batch, get one token a step, and leave when they are done."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from synthkit.models.local import memory, sampling
from synthkit.models.local.rows import DecodingRow
from synthkit.models.transformers.kv_cache import KeyValues
from synthkit.models.transformers.prompt_reading import PromptReader, Tokens
from synthkit.models.transformers.weights import Engine

PREFILL_TOKENS = 1024
"""Most prompt tokens in one forward pass, so that steps stay short; not tuned."""
FIRST_ROWS = 4
"""Rows that start alone on a CPU, until one of them has ended: so that first rows appear early."""


class Batch:
    """Rows that decode together.

    Parameters
    ----------
    engine : the loaded model.
    rows : most rows at once; halved when memory runs out.

    Attributes
    ----------
    cells : most columns of keys and values that the rows together may come to need.
    """

    def __init__(self, engine: Engine, *, rows: int) -> None:
        engine.use_threads()
        self.engine = engine
        self.cells = memory.for_keys_and_values(engine.device) // engine.row_bytes
        self.most = rows if engine.mergeable else 1
        self.rows: list[DecodingRow] = []
        self.cache = KeyValues(mergeable=engine.mergeable)
        self.pending: Any = None  # (rows,) the tokens that the next step reads
        self.reader = PromptReader(engine)
        self._starting = engine.device == "cpu"

    def run(self, waiting: list[DecodingRow]) -> Iterator[tuple[DecodingRow, str] | None]:
        """(row, why it ended) pairs as rows end; ``None`` after each step.

        Rows are taken from ``waiting``, to which the caller may add whenever this yields. It ends
        when no row is left.
        """
        while waiting or self.rows:
            joining = self._admit(waiting)
            try:
                ended = self._prefill(joining) if joining else self._step()
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                yield from self._shrink(joining, waiting)
                continue
            yield from ended
            yield None

    def _admit(self, waiting: list[DecodingRow]) -> list[DecodingRow]:
        """The rows that join now: as many as fit, once enough places are free."""
        most = min(self.most, FIRST_ROWS) if self._starting else self.most
        free = most - len(self.rows)
        if not waiting or (self.rows and free < max(1, most // 8)):
            return []
        joining: list[DecodingRow] = []
        reach = max((row.reach for row in self.rows), default=0)
        unread: set[Tokens] = set()
        while waiting and len(joining) < free:
            row = waiting[0]
            reach = max(reach, row.reach)
            unread.add(self.reader.unread(row.read))
            count = len(joining) + 1
            only = not joining and not self.rows
            if not only and (len(self.rows) + count) * reach > self.cells:
                break
            if joining and len(unread) * max(map(len, unread)) > PREFILL_TOKENS:
                break
            joining.append(waiting.pop(0))
        return joining

    def _prefill(self, joining: list[DecodingRow]) -> list[tuple[DecodingRow, str]]:
        """Read the prompts of new rows, and draw each one's first token."""
        now = time.perf_counter()
        for row in joining:
            row.began = row.began or now
        logits, cache, lengths = self.reader.read([row.read for row in joining])
        chosen = self._choose(logits, joining)
        with torch.inference_mode():
            self.cache.join(cache, lengths)
        self.rows += joining
        tokens = [*(self.pending if self.pending is not None else []), *chosen]
        return self._take(tokens, range(len(self.rows) - len(joining), len(self.rows)))

    def _step(self) -> list[tuple[DecodingRow, str]]:
        """One more token for every row."""
        mask, positions = self.cache.inputs(self.engine.device)
        out = self.engine.forward(
            input_ids=torch.tensor(self.pending, device=self.engine.device)[:, None],
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self.cache.cache,
        )
        chosen = self._choose(out.logits[:, -1], self.rows)
        with torch.inference_mode():
            self.cache.advance()
        return self._take(chosen, range(len(self.rows)))

    def _take(self, tokens: list[int], fresh: range) -> list[tuple[DecodingRow, str]]:
        """Append tokens to the rows in ``fresh``; remove and return the rows that have ended."""
        ended = []
        for at in fresh:
            why = self.rows[at].advance(tokens[at], self.engine)
            if why:
                ended.append((at, self.rows[at], why))
        if ended:
            self._starting = False
            with torch.inference_mode():
                self.cache.leave([at for at, _, _ in ended])
            for at, _, _ in reversed(ended):
                self.rows[at], tokens[at] = self.rows[-1], tokens[-1]
                self.rows.pop()
                tokens.pop()
        self.pending = tokens
        return [(row, why) for _, row, why in ended]

    def _choose(self, logits: Any, rows: Sequence[DecodingRow]) -> list[int]:
        """The next token of each row, from (rows, vocabulary) logits."""
        with torch.inference_mode():
            logits = logits.float()
            scored = [at for at, row in enumerate(rows) if row.request.sampling.logprobs]
            before = torch.log_softmax(logits[scored], dim=-1) if scored else None
            logits = self._shaped(logits, rows)
            sampled = [at for at, row in enumerate(rows) if row.knobs.temperature > 0]
            greedy = len(sampled) < len(rows)
            chosen = logits.argmax(dim=-1).tolist() if greedy else [0] * len(rows)
            if sampled:
                part = logits if len(sampled) == len(rows) else logits[sampled]
                drawn = self._draw(part, [rows[at] for at in sampled])
                for at, token in zip(sampled, drawn, strict=True):
                    chosen[at] = token
            if before is not None:
                for line, at in enumerate(scored):
                    rows[at].logprobs.append(float(before[line, chosen[at]]))
        return [int(token) for token in chosen]

    def _shaped(self, logits: Any, rows: Sequence[DecodingRow]) -> Any:
        """Logits after penalties, biases and grammars, where rows have them."""
        for at, row in enumerate(rows):
            penalty = row.knobs.repetition_penalty
            if penalty != 1:
                seen = torch.tensor(sorted({*row.prompt, *row.tokens}), device=logits.device)
                values = logits[at, seen]
                logits[at, seen] = torch.where(values > 0, values / penalty, values * penalty)
            if row.bias is not None:
                ids, values = (torch.from_numpy(part).to(logits.device) for part in row.bias)
                logits[at, ids] += values
            if row.matcher is not None:
                allowed = self.engine.grammars.allowed(row.matcher)
                mask = torch.from_numpy(~allowed).to(logits.device)
                logits[at].masked_fill_(mask, float("-inf"))
        return logits

    def _draw(self, logits: Any, rows: Sequence[DecodingRow]) -> list[int]:
        """Tokens drawn at the rows' temperatures, each with its row's own noise."""
        knobs = [row.knobs for row in rows]
        temperatures = torch.tensor([knob.temperature for knob in knobs], device=logits.device)
        scaled = logits / temperatures[:, None]
        total = torch.logsumexp(scaled, dim=-1, keepdim=True)
        top = torch.topk(scaled, min(sampling.HEAD, scaled.shape[-1]), dim=-1)
        head = top.indices.cpu().numpy()
        seeds = np.array([row.request.row_seed for row in rows], dtype=np.uint64)
        steps = np.array([len(row.tokens) for row in rows], dtype=np.uint64)
        logp = (top.values - total).double().cpu().numpy()
        drawn = sampling.draw(logp, head, seeds, steps, knobs)
        for at in np.flatnonzero(drawn < 0):
            everything = (scaled[at] - total[at]).double().cpu().numpy()
            drawn[at] = sampling.draw_all(
                everything, int(seeds[at]), int(steps[at]), knobs[at], head[at]
            )
        return [int(token) for token in drawn]

    def _shrink(
        self, joining: list[DecodingRow], waiting: list[DecodingRow]
    ) -> Iterator[tuple[DecodingRow, str]]:
        """Drop the batch after memory ran out, and continue with half as many rows at once.

        A row keeps its tokens, and its draws depend only on them: after its prompt and tokens are
        read again, it continues where it was.
        """
        rows = [*joining, *self.rows]
        for row in rows:
            del row.logprobs[len(row.tokens) :]
        self.rows, self.pending = [], None
        self.cache = KeyValues(mergeable=self.engine.mergeable)
        if len(rows) == 1:
            yield rows[0], "memory"
            return
        self.most = max(1, len(rows) // 2)
        waiting[:0] = rows


def out_of_memory(error: BaseException) -> bool:
    """Whether torch or Python ran out of memory; on a CPU torch raises a RuntimeError."""
    words = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        "out of memory" in words or "not enough memory" in words or "can't allocate" in words
    )
