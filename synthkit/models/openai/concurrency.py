"""The number of requests in flight, adapted to the server's responses."""

from __future__ import annotations

import math
from dataclasses import dataclass

BURST = 8
"""Requests that are sent together while the window fills."""
BURST_SECONDS = 0.002
"""Shortest time between two bursts."""
DECREASE = 0.8
"""The share of the requests in flight that the first 429 leaves; 0.7 in CUBIC (RFC 9438)."""


@dataclass(slots=True)
class Window:
    """A congestion window: paced start, additive increase, multiplicative decrease (RFC 5681).

    The first request goes alone, so that a refused key or a wrong address costs one request. Its
    success, or a list of models that comes before it, opens the window to ``ceiling``, which is
    filled in bursts: a server refuses at once what is too much, so the first 429 comes before many
    more are sent. The first 429 of an era shrinks the window to less than what was in flight, and
    starts a new era. From then on growth is slow: a whole window of successes adds one. An era
    with nothing but 429s quarters the window and asks for a pause, since the limit is then a quota
    and not the number of requests at once.
    """

    ceiling: int
    limit: float = 1.0
    threshold: float = math.inf
    """Above this limit, growth is slow."""
    peak: int = 0
    """Most requests that were in flight."""
    era: int = 0
    proven: bool = False
    pauses: int = 0
    """How many eras in a row had nothing but 429s."""
    calm: bool = False
    """Whether the server accepted a request in this era: then a 429 means too many at once."""

    def room(self, in_flight: int) -> int:
        """How many may be in flight now: as many as ever were, and a burst."""
        self.peak = max(self.peak, in_flight)
        return min(int(self.limit), self.peak + BURST)

    def open(self, most: float) -> None:
        """Let ``most`` requests go although none was answered yet."""
        self.calm = True
        self.limit = max(self.limit, min(self.ceiling, most))

    def reopen(self, limit: float) -> None:
        """Begin where an earlier run, which was answered, has ended."""
        self.proven = self.calm = True
        self.limit = min(float(self.ceiling), limit)

    def succeeded(self, era: int) -> None:
        """Note the success of a request that was sent in ``era``."""
        first, self.proven = not self.proven, True
        if era != self.era:
            return  # sent under another window, so it does not prove the present one
        self.calm, self.pauses = True, 0
        fast = min(self.ceiling if first else self.limit + 1.0, self.threshold)
        self.limit = min(self.ceiling, max(fast, self.limit + 1.0 / self.limit))

    def throttled(self, era: int, in_flight: int) -> bool:
        """Note a 429 for a request sent in ``era``; whether all sending should pause."""
        if era != self.era:
            return False
        self.era += 1
        if self.calm:
            self.calm = False
            self.limit = self.threshold = max(1.0, DECREASE * min(self.limit, in_flight))
            return False
        self.pauses += 1
        self.limit = max(1.0, self.limit / 4)
        return True
