"""The live preview of a run: rows as they arrive, rate, time left, and a Stop button."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import traitlets

from synthkit.core.errors import UsageError
from synthkit.core.models import Activity, Ledger
from synthkit.notebook.output.provenance import ProvenancePart
from synthkit.notebook.widgets.grid.progress import Pace, RunProgress
from synthkit.notebook.widgets.grid.rows import RowLog, ViewRow
from synthkit.notebook.widgets.grid.widget import FIRST_ROWS, RowsView

PERIOD = 0.1
"""Least seconds between two messages to the front end."""
BATCH = 50


def _no_trail(_: int) -> Sequence[ProvenancePart]:
    return [ProvenancePart("fact", "prompt", "this preview was opened without provenance")]


class Preview(RowsView):
    """A widget that shows a run in progress, and its rows afterwards.

    All methods may be called from any thread.

    Parameters
    ----------
    name : the variable that the table will be bound to.
    total : how many outcomes are expected.
    columns : the columns to show, in order.
    model : the model's label.
    stop : called when the Stop button is pressed. Without it there is no button, and a hint says to
        interrupt the kernel: while a cell blocks the kernel, a click would arrive too late.
    id_of : the id of the row at a position.
    trail : the provenance of the row at a position.
    exact : whether ``total`` is certain; if not, it grows with the outcomes.
    clock : returns seconds that never go back.
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
        trail: Callable[[int], Sequence[ProvenancePart]] = _no_trail,
        exact: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stop, self._clock = stop, clock
        self._log = RowLog(list(columns), id_of)
        self._run = RunProgress(total, model, Pace(clock()), exact)
        self._flushed = -math.inf
        super().__init__(
            name,
            self._log,
            lambda row: trail(row.position),
            about={"total": total, "stop": stop is not None, "tokens": True},
            progress=self._run.wire(),
        )

    def __repr__(self) -> str:
        return f"Preview({self.name!r}, total={self._run.total})"

    def add(
        self,
        position: int,
        row: Mapping[str, Any] | None,
        reject: tuple[str, str] | None,
        tokens: int,
        hit: bool,
    ) -> None:
        """Add one outcome; it is shown with the next batch.

        Parameters
        ----------
        position : its place among the requests, from 0.
        row : the parsed cells, or ``None``.
        reject : the raw text and the reason, if it could not be parsed.
        tokens : the number of tokens.
        hit : whether the completion was cached.
        """
        if (row is None) == (reject is None):
            raise UsageError("an outcome is a row or a reject: give exactly one of them.")
        with self.window.lock:
            self._log.append(ViewRow(position, row, reject, tokens))
            self._run.add(rejected=reject is not None, hit=hit, tokens=tokens)
            self._flush_if_due()

    def tick(self, ledger: Ledger, activity: Activity) -> None:
        """Note the run's counts and what its models do; a new text is sent at once."""
        with self.window.lock:
            changed = activity.text != self._run.activity.text
            self._run.now, self._run.activity = ledger, activity
            if changed:
                self.flush()
            else:
                self._flush_if_due()

    def _flush_if_due(self) -> None:
        """Send what is new if the last message is old enough."""
        if self._clock() - self._flushed >= PERIOD:
            self.flush()

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
        message : why, and what to do.
        ledger : the run's own counts for the last line; the preview's if not given.
        """
        with self.window.lock:
            self._run.state, self._run.message, self._run.ledger = state, message, ledger
            self._stop = None
            self.flush()

    def flush(self) -> None:
        """Send what is new now."""
        with self.window.lock:
            self._flushed = self._clock()
            self._run.update(self._flushed)
            before = len(self.window)
            self.window.grow()
            size = len(self.window)
            with self.hold_sync():
                if before < min(size, FIRST_ROWS) and len(self.first) < FIRST_ROWS:
                    self.first = self._first()
                self.view, self.progress = self.window.state(), self._run.wire()
            # of a burst of cached rows only the end is sent; the front end asks for other pages
            start = max(before, size - BATCH)
            if start < size:
                self.send(self._rows(start, BATCH))

    def _reply(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        if content.get("type") != "stop":
            return super()._reply(content)
        with self.window.lock:
            stop, self._stop = self._stop, None
            if stop is None:
                return None
            self._run.state = "stopping"
            self.progress = self._run.wire()
        try:
            stop()
        except BaseException:
            with self.window.lock:
                self._stop, self._run.state = stop, "running"
                self.progress = self._run.wire()
            raise
        return None
