"""How many requests may be in flight at once, as the server's answers teach it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Window:
    """A congestion window: additive increase, multiplicative decrease (Chiu and Jain, 1989).

    One request goes first, so that a refused key or a wrong address costs one request. Its success
    opens the window to ``opening``; from there it grows by one with each success, up to
    ``ceiling``. The first 429 of an era halves it, ends the era, and makes further growth slow: by
    one for each window of successes.
    """

    ceiling: int
    opening: int = 64
    limit: float = 1.0
    era: int = 0
    proven: bool = False
    calm: bool = True
    """Whether something succeeded in this era: then a 429 is a matter of how many at once."""

    def succeeded(self, era: int) -> None:
        """A request that was sent in ``era`` was answered."""
        self.calm = self.calm or era == self.era
        if not self.proven:
            self.proven = True
            self.limit = float(min(self.ceiling, self.opening))
        else:
            step = 1.0 if self.era == 0 else 1.0 / self.limit
            self.limit = min(float(self.ceiling), self.limit + step)

    def throttled(self, era: int) -> bool:
        """A request sent in ``era`` met a 429; whether sending should pause altogether.

        That is so when nothing succeeded since the window was last halved: then it is not a matter
        of how many at once, but of a quota.
        """
        if era != self.era:
            return False
        pause = not self.calm
        self.limit = max(1.0, self.limit / 2)
        self.era += 1
        self.calm = False
        return pause
