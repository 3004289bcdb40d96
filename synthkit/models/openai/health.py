"""What the responses so far say about a server: alive, overloaded, refusing everything, or gone."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Generic, TypeVar

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
PATIENCE_SECONDS = 300.0
"""How long to continue while the server answers nothing but 429."""
DUBIOUS_FAILURES = 3
"""If more requests than this fail while none succeeds, all sending pauses."""
SAME_MESSAGE = 8
"""After this many refusals with one message, and no success, the run ends."""

Input = TypeVar("Input")


@dataclass(slots=True)
class SentRequest(Generic[Input]):
    """A request to the server, with its tries and failures."""

    position: int
    request: Input
    tries: int = 0
    failures: int = 0
    throttled: int = 0
    unreadable: int = 0
    failing_since: float = 0.0
    form: str = ""


@dataclass(slots=True)
class Health(Generic[Input]):
    """What is known of a server, from its responses to one stream of requests."""

    max_retries: int
    unresolved: int = 0
    """How many requests have no result yet."""
    last_answer: float = -math.inf
    throttled_since: float = math.inf
    """Since when it has answered nothing but 429."""
    paused_until: float = 0.0
    strikes: int = 0
    """How many pauses in a row ended with another failure."""
    trouble: str = ""
    """The latest failure."""
    failing: set[int] = field(default_factory=set)
    """Positions of the requests that failed since the last answer."""
    parked: list[tuple[SentRequest[Input], str, str]] = field(default_factory=list)
    """Out of retries; whether the request or the server is at fault is not known yet."""
    refusals: Counter[str] = field(default_factory=Counter)

    def answered(self) -> None:
        """Note any answer but a failure: the server is alive."""
        self.last_answer = time.monotonic()
        self.failing.clear()
        self.strikes = 0

    def out_of_patience(self) -> bool:
        """Note a 429; whether there has been nothing else for too long."""
        now = time.monotonic()
        self.throttled_since = min(self.throttled_since, now)
        return now - self.throttled_since > PATIENCE_SECONDS

    def refuses_all(self, message: str) -> bool:
        """Note a refusal; whether so many had this message that the others would have it too."""
        self.refusals[message] += 1
        return self.refusals[message] >= SAME_MESSAGE

    def failed(self, job: SentRequest[Input], words: str) -> None:
        """Note a failure of the request or of the server."""
        job.failing_since = job.failing_since or time.monotonic()
        job.failures += 1
        self.failing.add(job.position)
        self.trouble = f"{words}; tried {job.tries} times"

    def at_fault(self, job: SentRequest[Input]) -> bool:
        """Whether a request out of retries is at fault: the server answered others meanwhile."""
        return self.out_of_retries(job) and self.last_answer >= job.failing_since

    def out_of_retries(self, job: SentRequest[Input]) -> bool:
        """Whether a request may not be sent again."""
        return job.failures > self.max_retries

    @property
    def hopeless(self) -> bool:
        """Whether the server seems to be gone: all requests fail and no answer is expected."""
        return self.strikes > self.max_retries or 0 < len(self.parked) == self.unresolved


def backoff(failures: int) -> float:
    """Seconds to wait before the next try: doubles from half a second, at most eight.

    >>> [backoff(failures) for failures in (1, 2, 9)]
    [0.5, 1.0, 8.0]
    """
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 20))
