"""The live preview of a run: rows as they arrive, rate, what is left, and a way to stop."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import traitlets

from synthkit.core.errors import UsageError
from synthkit.core.formatting import money
from synthkit.core.types import Ledger
from synthkit.data.results import run_totals
from synthkit.notebook.output.provenance import Part
from synthkit.notebook.widgets.grid.rows import Log, Row
from synthkit.notebook.widgets.grid.widget import FIRST_ROWS, RowsView

State = Literal["running", "stopping", "done", "interrupted", "stopped", "failed"]

PERIOD = 0.1
"""Seconds between two messages to the browser, at least."""
RATE_PERIOD = 1.0
"""Seconds between two readings of the rate: a number that changes faster cannot be read."""
RATE_READINGS = 30
BATCH = 50


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


def _unknown(_: int) -> Sequence[Part]:
    return [Part("fact", "prompt", "this preview was made without a plan")]


class Preview(RowsView):
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
    id_of : the id of the row at a position.
    trail : where the row at a position comes from.
    exact : whether ``total`` is certain; if not, it grows with what comes, and ends as that.
    clock : seconds that never go back.
    """

    progress = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        name: str,
        total: int,
        columns: Sequence[str],
        model: str,
        stop: Callable[[], None] | None = None,
        *,
        id_of: Callable[[int], str] = str,
        trail: Callable[[int], Sequence[Part]] = _unknown,
        exact: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._model, self._stop, self._clock = total, model, stop, clock
        self._exact = exact
        self._log = Log(list(columns), id_of)
        self._state: State = "running"
        self._message = ""
        self._rejects = self._hits = 0
        self._cost: float | None = None
        self._ledger: Ledger | None = None
        now = clock()
        self._flushed, self._read = -math.inf, now
        self._pace = _Pace(now)
        self._rate: tuple[float | None, float | None] = (None, None)
        super().__init__(
            name,
            self._log,
            lambda row: trail(row.position),
            about={"total": total, "stop": stop is not None, "tokens": True},
            progress=self._progress(),
        )

    def __repr__(self) -> str:
        return f"Preview({self.name!r}, total={self._total})"

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
            self._log.append(Row(position, row, reject, tokens))
            self._rejects += reject is not None
            self._hits += hit
            if not hit:
                self._pace.answers += 1
                self._pace.tokens += tokens
        self.tick(self._cost)

    def tick(self, cost: float | None = None) -> None:
        """Send what is new, if the last message is long enough ago; ``cost`` so far in dollars."""
        with self._lock:
            self._cost = cost
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
            self._rate = self._pace.read(now, max(0, self._total - len(self._log)))
        before = len(self._places)
        self._grow()
        size = len(self._places)
        with self.hold_sync():
            if before < size and len(self.first) < FIRST_ROWS and before < FIRST_ROWS:
                self.first = self._first()
            self.view, self.progress = self._view(), self._progress()
        # of a burst from the session only the end is sent; the browser asks for what it scrolls to
        start = max(before, size - BATCH)
        if start < size:
            rows = self._page(start, BATCH)
            self.send({"type": "rows", "query": self._number, "start": start, "rows": rows})

    def _progress(self) -> dict[str, Any]:
        seen = len(self._log)
        total = self._total
        if not self._exact:
            total = max(total, seen) if self._state in ("running", "stopping") else seen
        rows, pending = seen - self._rejects, total - seen
        ledger = self._ledger or Ledger(
            hits=self._hits, completion_tokens=self._pace.tokens, cost=self._cost
        )
        rate, left = self._rate
        return {
            "state": self._state,
            "message": self._message,
            "total": total,
            "seen": seen,
            "rows": rows,
            "rejects": self._rejects,
            "pending": pending,
            "rate": rate,
            "left": left,
            "cost": "" if self._cost is None else money(self._cost),
            "totals": run_totals(
                ledger, rows=rows, rejects=self._rejects, pending=pending, model=self._model
            ),
        }

    def _reply(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        if content.get("type") == "stop":
            self._press()
            return None
        return super()._reply(content)

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
