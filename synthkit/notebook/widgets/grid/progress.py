"""The progress of a run: its counts, its rate and the time left."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

from synthkit.core.formatting import money
from synthkit.core.types import Ledger
from synthkit.data.results import run_totals

RunState = Literal["running", "stopping", "done", "interrupted", "stopped", "failed"]

RATE_SECONDS = 1.0
"""Seconds between two readings of the rate: a number that changes faster cannot be read."""
RATE_READINGS = 30


class Pace:
    """Tokens a second and seconds left; cached completions take no time and do not count."""

    def __init__(self, now: float) -> None:
        self._start = (now, 0, 0)
        self._readings = deque([self._start], maxlen=RATE_READINGS)
        self._read = now
        self.completions = self.tokens = 0
        self.rate: float | None = None
        self.left: float | None = None

    def add(self, tokens: int) -> None:
        """Count one generated completion."""
        self.completions += 1
        self.tokens += tokens

    def update(self, now: float, remaining: int) -> None:
        """Read rate and time left, at most once a second; ``None`` before the first completion."""
        if now - self._read < RATE_SECONDS:
            return
        self._read = now
        # one completion of a slow model may take longer than the readings go back
        oldest = self._readings[0]
        then, completions, tokens = oldest if oldest[1] < self.completions else self._start
        self._readings.append((now, self.completions, self.tokens))
        seconds, fresh = now - then, self.completions - completions
        if seconds <= 0 or not fresh:
            self.rate = self.left = None
        else:
            self.rate = (self.tokens - tokens) / seconds
            self.left = remaining * seconds / fresh


@dataclass(slots=True)
class RunProgress:
    """The counts of a run.

    Parameters
    ----------
    total : how many outcomes are expected; if not ``exact``, at least that many.
    model : the model's label.
    ledger : the run's own counts at its end; they take the place of the counts here.
    """

    total: int
    model: str
    pace: Pace
    exact: bool = True
    state: RunState = "running"
    message: str = ""
    seen: int = 0
    rejects: int = 0
    hits: int = 0
    cost: float | None = None
    ledger: Ledger | None = None

    def add(self, *, rejected: bool, hit: bool, tokens: int) -> None:
        """Count one outcome."""
        self.seen += 1
        self.rejects += rejected
        self.hits += hit
        if not hit:
            self.pace.add(tokens)

    def update(self, now: float) -> None:
        """Read the rate and the time left."""
        self.pace.update(now, max(0, self.total - self.seen))

    def wire(self) -> dict[str, Any]:
        """All of it for the front end."""
        total = self.total
        if not self.exact:
            running = self.state in ("running", "stopping")
            total = max(total, self.seen) if running else self.seen
        rows, pending = self.seen - self.rejects, total - self.seen
        ledger = self.ledger or Ledger(
            hits=self.hits, completion_tokens=self.pace.tokens, cost=self.cost
        )
        return {
            "state": self.state,
            "message": self.message,
            "total": total,
            "seen": self.seen,
            "rows": rows,
            "rejects": self.rejects,
            "pending": pending,
            "rate": self.pace.rate,
            "left": self.pace.left,
            "cost": "" if self.cost is None else money(self.cost),
            "totals": run_totals(
                ledger, rows=rows, rejects=self.rejects, pending=pending, model=self.model
            ),
        }
