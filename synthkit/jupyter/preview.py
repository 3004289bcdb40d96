"""The live preview of a run: rows as they arrive, rate, what is left, and a way to stop.

The rows stay here. The browser gets the first of them in a trait, so that a view opened while the
kernel is busy has something to show, each batch of new ones as it arrives, and pages it asks for.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import traitlets

from synthkit.errors import UsageError
from synthkit.jupyter.display import tally
from synthkit.jupyter.widget import Widget, clipped, source
from synthkit.types import Ledger

State = Literal["running", "stopping", "done", "interrupted", "stopped", "failed"]

PERIOD = 0.1
"""Seconds between two messages to the browser, at least."""
RATE_PERIOD = 1.0
"""Seconds between two readings of the rate: a number that changes faster cannot be read."""
RATE_READINGS = 30
CELL_LENGTH = 300
FULL_LENGTH = 100_000
BATCH = 50
PAGE = 200
FIRST_ROWS = 20
FIRST_BYTES = 12_000


class _Outcome(NamedTuple):
    """One request's end: a row, or the raw text and the reason of a reject."""

    position: int
    row: Mapping[str, Any] | None
    reject: tuple[str, str] | None
    tokens: int


class _Pace:
    """How fast fresh answers come; what the session held costs no time and does not count."""

    def __init__(self, now: float) -> None:
        self._start = (now, 0, 0)
        self._readings = deque([self._start], maxlen=RATE_READINGS)
        self.answers = 0
        self.tokens = 0

    def read(self, now: float, remaining: int) -> tuple[float | None, float | None]:
        """Tokens a second, and seconds left; ``None`` while nothing fresh has come."""
        # a slow model may need longer for one answer than the readings go back
        past = self._readings[0] if self._readings[0][1] < self.answers else self._start
        then, answers, tokens = past
        self._readings.append((now, self.answers, self.tokens))
        seconds, fresh = now - then, self.answers - answers
        if seconds <= 0 or not fresh:
            return None, None
        return (self.tokens - tokens) / seconds, remaining * seconds / fresh


class Preview(Widget):
    """A widget that shows a run while it goes on, and its rows afterwards.

    All methods may be called from any thread.

    Parameters
    ----------
    name : the variable that the table will be bound to.
    total : how many outcomes are expected.
    columns : the columns to show, in order.
    model : the model's label.
    stop : called when the Stop button is pressed. ``None`` where the cell blocks the kernel: a
        click would only arrive after it, so no button is drawn, and the hint says to interrupt.
    clock : seconds that never go back.
    """

    _esm = source("preview.js")

    progress = traitlets.Dict().tag(sync=True)
    first = traitlets.List().tag(sync=True)

    def __init__(
        self,
        name: str,
        total: int,
        columns: Sequence[str],
        model: str,
        stop: Callable[[], None] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._total, self._columns, self._model = name, total, list(columns), model
        self._stop = stop
        self._clock = clock
        self._lock = threading.RLock()
        self._log: list[_Outcome] = []
        self._state: State = "running"
        self._message = ""
        self._rejects = self._hits = self._pushed = 0
        self._ledger: Ledger | None = None
        now = clock()
        self._flushed, self._read = -math.inf, now
        self._pace = _Pace(now)
        self._rate: tuple[float | None, float | None] = (None, None)
        super().__init__(
            about={
                "name": name,
                "total": total,
                "columns": self._columns,
                "stop": stop is not None,
            },
            progress=self._progress(),
        )

    def __repr__(self) -> str:
        return f"Preview({self._name!r}, total={self._total})"

    def add(
        self,
        position: int,
        row: Mapping[str, Any] | None,
        reject: tuple[str, str] | None,
        tokens: int,
        hit: bool,
    ) -> None:
        """Take one outcome; it is shown with the next batch.

        Parameters
        ----------
        position : its place among the requests, from 0.
        row : the decoded row, or ``None``.
        reject : the raw text and the reason, if it did not decode.
        tokens : how many it took.
        hit : whether the session held the answer already.
        """
        if (row is None) == (reject is None):
            raise UsageError("an outcome is a row or a reject: give one of them, not both.")
        with self._lock:
            self._log.append(_Outcome(position, row, reject, tokens))
            self._rejects += reject is not None
            self._hits += hit
            if not hit:
                self._pace.answers += 1
                self._pace.tokens += tokens
        self.tick()

    def tick(self) -> None:
        """Send what is new, if the last message is long enough ago."""
        with self._lock:
            if self._clock() - self._flushed >= PERIOD:
                self._flush()

    def finish(
        self,
        state: Literal["done", "interrupted", "failed", "stopped"],
        message: str = "",
        *,
        ledger: Ledger | None = None,
    ) -> None:
        """Show the end of the run.

        Parameters
        ----------
        state : how it ended.
        message : why, and what to do; shown as text.
        ledger : the run's own counts for the last line; without it, the preview's.
        """
        with self._lock:
            self._state, self._message, self._ledger = state, message, ledger
            self._stop = None
            self._flush()

    def _flush(self) -> None:
        now = self._clock()
        self._flushed = now
        if now - self._read >= RATE_PERIOD:
            self._read = now
            self._rate = self._pace.read(now, self._total - len(self._log))
        if len(self.first) < FIRST_ROWS and self._pushed < FIRST_ROWS:
            self.first = self._fitting(self._page(0, FIRST_ROWS))
        # of a burst from the session only the end is sent; the browser asks for what it scrolls to
        start = max(self._pushed, len(self._log) - BATCH)
        if start < len(self._log):
            self.send({"type": "rows", "start": start, "rows": self._page(start, BATCH)})
        self._pushed = len(self._log)
        self.progress = self._progress()

    def _progress(self) -> dict[str, Any]:
        seen = len(self._log)
        rows, pending = seen - self._rejects, max(0, self._total - seen)
        ledger = self._ledger or Ledger(hits=self._hits, completion_tokens=self._pace.tokens)
        rate, left = self._rate
        return {
            "state": self._state,
            "message": self._message,
            "seen": seen,
            "rows": rows,
            "rejects": self._rejects,
            "pending": pending,
            "rate": rate,
            "left": left,
            "totals": tally(
                ledger, rows=rows, rejects=self._rejects, pending=pending, model=self._model
            ),
        }

    @staticmethod
    def _fitting(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """As many of the rows as a trait may hold: it is saved with the notebook."""
        room = FIRST_BYTES
        for n, row in enumerate(rows):
            room -= len(json.dumps(row, ensure_ascii=False).encode())
            if room < 0:
                return rows[:n]
        return rows

    def _page(self, start: int, rows: int) -> list[dict[str, Any]]:
        return [self._wire(outcome, CELL_LENGTH) for outcome in self._log[start : start + rows]]

    def _wire(self, outcome: _Outcome, length: int) -> dict[str, Any]:
        """An outcome as the browser takes it: cells as text, number, or clipped text and length."""
        wire: dict[str, Any] = {"at": outcome.position + 1, "tokens": outcome.tokens}
        if outcome.reject:
            raw, reason = outcome.reject
            return {**wire, "reason": clipped(reason, length), "raw": clipped(raw, length)}
        row = outcome.row or {}
        return {**wire, "cells": [clipped(row.get(name), length) for name in self._columns]}

    def _reply(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        match content:
            case {"type": "page", "start": int(start)} if start >= 0:
                with self._lock:
                    return {"type": "rows", "start": start, "rows": self._page(start, PAGE)}
            case {"type": "row", "index": int(index)} if 0 <= index < len(self._log):
                full = self._wire(self._log[index], FULL_LENGTH)
                return {"type": "row", "index": index, "row": full}
            case {"type": "stop"}:
                self._press()
                return None
        raise UsageError(f"the preview got a message that it does not know: {content!r}.")

    def _press(self) -> None:
        with self._lock:
            stop, self._stop = self._stop, None
            if stop is None:
                return
            self._state = "stopping"
            self.progress = self._progress()
        try:
            stop()
        except BaseException:
            with self._lock:
                self._stop = stop
                self._state = "running"
                self.progress = self._progress()
            raise
