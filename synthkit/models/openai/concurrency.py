"""How many requests may be in flight at once, as the server's answers teach it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Window:
    """A congestion window: slow start, additive increase, multiplicative decrease (RFC 5681).

    One request goes first, so that a refused key or a wrong address costs one request. Its success
    opens the window to ``opening``; from there it grows by one with each success, up to
    ``ceiling``. The first 429 of an era halves it, ends the era, and makes further growth slow: by
    one for each window of successes. An era that brings nothing but 429s quarters it, and asks for
    a pause: then it is not a matter of how many at once, but of a quota.
    """

    ceiling: int
    opening: int = 64
    limit: float = 1.0
    threshold: float = math.inf
    """Above it, growth is slow."""
    era: int = 0
    proven: bool = False
    pauses: int = 0
    """How many eras in a row brought nothing but 429s."""
    calm: bool = False
    """Whether the server took something in this era: then a 429 is a matter of how many."""

    def open(self) -> None:
        """Let a first wave go: the first answer came, or takes so long that it is no refusal."""
        self.calm = True
        self.limit = max(self.limit, float(min(self.ceiling, self.opening)))

    def succeeded(self, era: int) -> None:
        """A request that was sent in ``era`` was answered."""
        first, self.proven = not self.proven, True
        if era != self.era:
            return  # it was sent when more were in flight: it says nothing of how many may be now
        self.calm, self.pauses = True, 0
        if first:
            self.open()
        else:
            step = 1.0 if self.limit < self.threshold else 1.0 / self.limit
            self.limit = min(float(self.ceiling), self.limit + step)

    def throttled(self, era: int) -> bool:
        """A request sent in ``era`` met a 429; whether sending should pause altogether."""
        if era != self.era:
            return False
        self.era += 1
        if self.calm:
            self.calm = False
            self.limit = self.threshold = max(1.0, self.limit / 2)
            return False
        self.pauses += 1
        self.limit = max(1.0, self.limit / 4)
        return True
