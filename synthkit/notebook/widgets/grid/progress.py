"""The progress of a run: its counts, what it is doing, its rate and the time left."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from synthkit.core.formatting import money
from synthkit.core.models import Activity, Ledger
from synthkit.data.results import run_totals

RunState = Literal["running", "stopping", "done", "interrupted", "stopped", "failed"]

RATE_SECONDS = 1.0
"""Seconds between two readings of the rate: a number that changes faster cannot be read."""
RATE_READINGS = 30
LEFT_SECONDS = 5.0
LEFT_ROWS = 3
"""A time left is shown after so many seconds of work and so many rows of this run, and not before
as many rows have ended as are under way: the first to end say nothing of the others."""


class Pace:
    """Tokens a second and seconds left.

    Cached completions take no time and do not count, nor does time that the run waits.

    Attributes
    ----------
    seconds : since the run began.
    worked : those in which completions were under way.
    rows : rows and rejects that this run generated.
    """

    def __init__(self, now: float) -> None:
        self._began = self._read = now
        self._readings = deque([(0.0, 0)], maxlen=RATE_READINGS)
        self.seconds = self.worked = 0.0
        self.rows = 0
        self.rate: float | None = None
        self.left: float | None = None

    def update(self, now: float, tokens: int, remaining: int, activity: Activity) -> None:
        """Read rate and time left, at most once a second.

        Parameters
        ----------
        tokens : that this run generated, also of completions under way.
        remaining : how many rows are missing.
        """
        if now - self._read < RATE_SECONDS:
            return
        passed, self._read, self.seconds = now - self._read, now, now - self._began
        self.rate = self.left = None
        if activity.text:
            return
        self.worked += passed
        # one completion of a slow model may take longer than the readings go back
        then, before = self._readings[0] if self._readings[0][1] < tokens else (0.0, 0)
        self._readings.append((self.worked, tokens))
        if tokens > before:
            self.rate = (tokens - before) / (self.worked - then)
        if self.worked >= LEFT_SECONDS and self.rows >= max(LEFT_ROWS, activity.rows):
            half_done = min(activity.rows, remaining) / 2
            # all so far, at the present rate where tokens are known
            seconds = tokens / self.rate if self.rate else self.worked
            self.left = (remaining - half_done) / (self.rows + half_done) * seconds


@dataclass(slots=True)
class RunProgress:
    """The counts of a run.

    Parameters
    ----------
    total : how many outcomes are expected; if not ``exact``, at least that many.
    model : the model's label.
    now : the run's own counts so far, from which cost and rate are read.
    ledger : the run's own counts at its end; they take the place of the counts here.
    """

    total: int
    model: str
    pace: Pace
    exact: bool = True
    state: RunState = "running"
    message: str = ""
    activity: Activity = field(default_factory=lambda: Activity("starting"))
    seen: int = 0
    rejects: int = 0
    hits: int = 0
    tokens: int = 0
    now: Ledger = field(default_factory=Ledger)
    ledger: Ledger | None = None

    def add(self, *, rejected: bool, hit: bool, tokens: int) -> None:
        """Count one outcome."""
        self.seen += 1
        self.rejects += rejected
        self.hits += hit
        if not hit:
            self.tokens += tokens
            self.pace.rows += 1

    def update(self, now: float) -> None:
        """Read the rate and the time left."""
        tokens = self.now.completion_tokens + self.activity.tokens
        self.pace.update(now, tokens, max(0, self.total - self.seen), self.activity)

    def wire(self) -> dict[str, Any]:
        """All of it for the front end."""
        total = self.total
        running = self.state in ("running", "stopping")
        if not self.exact:
            total = max(total, self.seen) if running else self.seen
        rows, pending = self.seen - self.rejects, total - self.seen
        cost = self.now.cost
        ledger = self.ledger or Ledger(
            requests=self.pace.rows, hits=self.hits, completion_tokens=self.tokens, cost=cost
        )
        return {
            "state": self.state,
            "message": self.message,
            "doing": (self.activity.text or "; ".join(self.activity.nodes)) if running else "",
            "under_way": self.activity.rows if running else 0,
            "seconds": self.pace.seconds,
            "total": total,
            "seen": self.seen,
            "rows": rows,
            "rejects": self.rejects,
            "pending": pending,
            "rate": self.pace.rate,
            "left": self.pace.left,
            "cost": "" if cost is None else money(cost),
            "totals": run_totals(
                ledger, rows=rows, rejects=self.rejects, pending=pending, model=self.model
            ),
        }
