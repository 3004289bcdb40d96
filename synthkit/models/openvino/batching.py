"""The decode loop: rows join a batch, read their prompts in parts, and leave when they are done."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthkit.models.local import sampling
from synthkit.models.local.rows import DecodingRow
from synthkit.models.openvino import blocks
from synthkit.models.openvino.weights import Engine, Part

STEP_TOKENS = 256
"""Most tokens of a step, so that an interrupt is heard and finished rows appear soon."""


@dataclass(slots=True, eq=False)
class PlacedRow:
    """A row of the batch, with its blocks of keys and values.

    Parameters
    ----------
    done : how many of its tokens are read.
    keys : of the blocks that later texts can begin with.
    """

    row: DecodingRow
    blocks: list[int]
    done: int
    keys: list[bytes]

    @property
    def left(self) -> int:
        """How many tokens are to be read before the next one is drawn."""
        return len(self.row.prompt) + len(self.row.tokens) - self.done

    def part(self, most: int) -> Part:
        """The next tokens to read."""
        tokens = (self.row.tokens if self.row.tokens else self.row.prompt)[-self.left :]
        return Part(tokens[:most], self.done, self.blocks, whole=self.left <= most)


class Batch:
    """Rows that decode together.

    Parameters
    ----------
    rows : most rows at once.
    """

    def __init__(self, engine: Engine, *, rows: int) -> None:
        self.engine, self.most = engine, rows
        self.placed: list[PlacedRow] = []

    @property
    def rows(self) -> list[DecodingRow]:
        """The rows of the batch."""
        return [placed.row for placed in self.placed]

    def run(self, waiting: list[DecodingRow]) -> Iterator[tuple[DecodingRow, str] | None]:
        """(row, why it ended) pairs as rows end; ``None`` after each step.

        Rows are taken from ``waiting``, to which the caller may add whenever this yields. It ends
        when no row is left.
        """
        try:
            while waiting or self.placed:
                self._admit(waiting)
                if self.placed:
                    yield from self._step()
                elif not self.engine.blocks.fits(waiting[0].reach):
                    yield waiting.pop(0), "memory"
                yield None
        finally:
            for placed in self.placed:
                self.engine.blocks.release(placed.blocks)
            self.placed = []

    def _admit(self, waiting: list[DecodingRow]) -> None:
        """Take rows while there is room; one whose beginning is just being read waits for it."""
        reading = {
            key for placed in self.placed for key in placed.keys[placed.done // blocks.TOKENS :]
        }
        while waiting and len(self.placed) < self.most:
            row = waiting[0]
            keys = blocks.keys(row.prompt)
            found = self.engine.blocks.reserve(keys, -(-row.reach // blocks.TOKENS))
            if found is None:
                return
            taken, held = found
            if not reading.isdisjoint(keys[held : held + 1]):
                self.engine.blocks.release(taken)
                return
            row.began = row.began or time.perf_counter()
            reading.update(keys[held:])
            self.placed.append(PlacedRow(row, taken, held * blocks.TOKENS, keys))
            waiting.pop(0)

    def _step(self) -> list[tuple[DecodingRow, str]]:
        """Read the next part of each row, and draw a token for those that are read to their end."""
        room = STEP_TOKENS
        parts: list[tuple[PlacedRow, Part]] = []
        for placed in sorted(self.placed, key=lambda placed: not placed.row.tokens):
            if room > 0:
                part = placed.part(room)
                room -= len(part.tokens)
                parts.append((placed, part))
        logits = self.engine.forward([part for _, part in parts])
        for placed, part in parts:
            first = placed.done // blocks.TOKENS
            placed.done += len(part.tokens)
            last = placed.done // blocks.TOKENS
            for key, block in zip(placed.keys[first:last], placed.blocks[first:last], strict=False):
                self.engine.blocks.keep(block, key)
        ready = [placed for placed, part in parts if part.whole]
        if not ready:
            return []
        ended = []
        chosen = choose(logits, [placed.row for placed in ready], self.engine)
        for placed, token in zip(ready, chosen, strict=True):
            why = placed.row.advance(token, self.engine)
            if why:
                ended.append((placed.row, why))
                self.placed.remove(placed)
                self.engine.blocks.release(placed.blocks)
        return ended


def choose(logits: NDArray[np.float32], rows: Sequence[DecodingRow], engine: Engine) -> list[int]:
    """The next token of each row, from (rows, vocabulary) logits, which are changed."""
    scored = [at for at, row in enumerate(rows) if row.request.sampling.logprobs]
    before = {at: logits[at] - _total(logits[at]) for at in scored}
    for at, row in enumerate(rows):
        _shape(logits[at], row, engine)
    chosen = logits.argmax(axis=1)
    sampled = [at for at, row in enumerate(rows) if row.knobs.temperature > 0]
    if sampled:
        part = logits if len(sampled) == len(rows) else logits[sampled]
        chosen[sampled] = _draw(part, [rows[at] for at in sampled])
    for at, logprobs in before.items():
        rows[at].logprobs.append(float(logprobs[chosen[at]]))
    return [int(token) for token in chosen]


def _shape(logits: NDArray[np.float32], row: DecodingRow, engine: Engine) -> None:
    """Apply a row's penalty, bias and grammar to its (vocabulary,) logits."""
    penalty = row.knobs.repetition_penalty
    if penalty != 1:
        seen = sorted({*row.prompt, *row.tokens})
        values = logits[seen]
        logits[seen] = np.where(values > 0, values / penalty, values * penalty)
    if row.bias is not None:
        ids, values = row.bias
        logits[ids] += values
    if row.matcher is not None:
        logits[~engine.grammars.allowed(row.matcher)] = -np.inf


def _draw(logits: NDArray[np.float32], rows: Sequence[DecodingRow]) -> NDArray[np.int64]:
    """Tokens drawn at the rows' temperatures, each with its row's own noise."""
    knobs = [row.knobs for row in rows]
    scaled = logits / np.array([knob.temperature for knob in knobs], np.float32)[:, None]
    total = np.array([_total(line) for line in scaled])[:, None]
    head = np.argpartition(scaled, -min(sampling.HEAD, scaled.shape[1]))[:, -sampling.HEAD :]
    values = np.take_along_axis(scaled, head, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    head = np.take_along_axis(head, order, axis=1)
    logp = np.take_along_axis(values, order, axis=1).astype(np.float64) - total
    seeds = np.array([row.request.row_seed for row in rows], np.uint64)
    steps = np.array([len(row.tokens) for row in rows], np.uint64)
    drawn = sampling.draw(logp, head, seeds, steps, knobs)
    for at in np.flatnonzero(drawn < 0):
        everything = scaled[at].astype(np.float64) - total[at]
        drawn[at] = sampling.draw_all(
            everything, int(seeds[at]), int(steps[at]), knobs[at], head[at]
        )
    return drawn


def _total(logits: NDArray[np.float32]) -> float:
    """The log of the sum of exponentials."""
    most = logits.max()
    return float(most) + float(np.log(np.exp(logits - most).sum(dtype=np.float64)))
