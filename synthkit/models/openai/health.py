"""What the responses so far say about a server: alive, overloaded, refusing everything, or gone."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from synthkit.core.models import Activity
from synthkit.models.openai.dialect import Dialect

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
PATIENCE_SECONDS = 300.0
"""How long to continue while the server answers nothing but 429."""
DUBIOUS_FAILURES = 3
"""If more requests than this fail while none succeeds, all sending pauses."""
SAME_MESSAGE = 8
"""After this many refusals with one message, and no success, the run ends."""
DENIED = 3
"""So many requests are tried that a server denies (403, 404, 422) before it has answered any."""
STRANGE = 3
"""So many requests are tried that get a response of another protocol before one of this one."""
REFUSED_IN_A_ROW = 8
"""After this many refusals in a row, a request that was answered before is sent once more."""
LOADING_SECONDS = 600.0
"""How long to wait for a server that says that it is loading its model."""
MAX_WORDS = 200
"""Of a server, in the text that says what a run waits for."""

Input = TypeVar("Input")
GivenUp = tuple["SentRequest[Input]", str, str]
"""A request that is not sent again, the reason, and the server's text."""


@dataclass(slots=True)
class Meter:
    """What a run sends: the requests so far, with every further try, and those in flight."""

    sent: int = 0
    in_flight: int = 0
    paused_until: float = 0.0
    pause: str = ""
    """Why nothing is sent until then."""

    @property
    def activity(self) -> Activity:
        """The requests in flight, and what a pause waits for."""
        text = self.pause if time.monotonic() < self.paused_until else ""
        return Activity(text, self.in_flight)

    def wait(self, seconds: float, server: str, why: str) -> None:
        """Note a pause, and what the server does that is waited for."""
        self.paused_until = max(self.paused_until, time.monotonic() + seconds)
        self.pause = f"waiting: {server} {' '.join(why.split())[:MAX_WORDS]}"


@dataclass(slots=True)
class SentRequest(Generic[Input]):
    """A request to the server, with its tries and failures."""

    position: int
    request: Input
    tries: int = 0
    sent: int = 0
    """How many of the tries had a connection, so that the server may have got the request."""
    failures: int = 0
    throttled: int = 0
    loading: int = 0
    unreadable: int = 0
    failing_since: float = 0.0
    throttled_since: float = 0.0
    began: float = 0.0
    """When it was sent last."""
    era: int = 0
    """Of the concurrency window when it was sent last."""
    dialect: Dialect = field(default_factory=Dialect)
    """How it was sent last."""
    trial: Dialect | None = None
    """What it is sent with besides, until the server has accepted that."""


@dataclass(slots=True)
class Doubts(Generic[Input]):
    """Refusals that may be of some requests or of all, until an answer shows that it is of some."""

    denied: list[GivenUp[Input]] = field(default_factory=list)
    """Denied before any request was answered."""
    strange: list[GivenUp[Input]] = field(default_factory=list)
    """Answered in another protocol before any was answered in this one."""
    wary: bool = False
    """Whether a response of another protocol came, and no answer since."""
    messages: Counter[str] = field(default_factory=Counter)
    in_a_row: int = 0
    """Refusals since the last answer."""
    most_in_a_row: int = REFUSED_IN_A_ROW

    def __bool__(self) -> bool:
        """Whether it is open if the server can be used at all: requests go one at a time."""
        return self.wary or bool(self.denied)

    def __len__(self) -> int:
        """How many requests wait for what becomes of others."""
        return len(self.denied) + len(self.strange)

    def deny(self, given_up: GivenUp[Input], left: int) -> bool:
        """Note a denial; whether so many were denied, or none is ``left``, that all would be."""
        self.denied.append(given_up)
        return len(self.denied) >= DENIED or len(self) == left

    def estrange(self, given_up: GivenUp[Input], left: int) -> bool:
        """Note a response of another protocol; whether all others would be the same."""
        self.strange.append(given_up)
        return len(self.strange) >= STRANGE or len(self) == left

    def answered(self) -> list[GivenUp[Input]]:
        """Note an answer; the requests that are at fault themselves, as is now known."""
        at_fault = [*self.denied, *self.strange]
        self.denied.clear()
        self.strange.clear()
        self.wary, self.in_a_row = False, 0
        return at_fault

    def refuses_all(self, message: str) -> bool:
        """Note a refusal; whether so many had this message that the others would have it too."""
        self.messages[message] += 1
        return self.messages[message] >= SAME_MESSAGE

    def too_many_in_a_row(self, *, all_alike: bool) -> bool:
        """Note a refusal; whether so many came in a row that no request may be accepted now."""
        self.in_a_row += 1
        if self.in_a_row < (2 if all_alike else self.most_in_a_row):
            return False
        self.in_a_row = 0
        self.most_in_a_row *= 2
        return True


@dataclass(slots=True)
class Health(Generic[Input]):
    """What is known of a server, from its responses to one stream of requests."""

    max_retries: int
    unresolved: int = 0
    """How many requests have no result yet."""
    last_answer: float = -math.inf
    last_accepted: float = -math.inf
    throttled_since: float = math.inf
    """Since when it has answered nothing but 429."""
    strikes: int = 0
    """How many pauses in a row ended with another failure."""
    trouble: str = ""
    """The latest failure."""
    failures: int = 0
    """How many tries have failed since the last answer."""
    failing: set[int] = field(default_factory=set)
    """Positions of the requests that failed since the last answer."""
    doubts: Doubts[Input] = field(default_factory=Doubts)
    parked: list[GivenUp[Input]] = field(default_factory=list)
    """Out of retries; whether the request or the server is at fault is not known yet."""
    loading_since: float = math.inf
    """Since when the server has said that it is loading its model."""

    def answered(self) -> None:
        """Note any answer but a failure: the server is alive."""
        self.last_answer = time.monotonic()
        self.failing.clear()
        self.failures = self.strikes = 0
        self.loading_since = math.inf

    def accepted(self) -> None:
        """Note that the server accepted a request."""
        self.throttled_since, self.last_accepted = math.inf, time.monotonic()

    @property
    def dubious(self) -> bool:
        """Whether requests fail, or may all be refused."""
        return bool(self.failing or self.doubts)

    def is_denied(self, given_up: GivenUp[Input]) -> bool:
        """Note a denial; whether the others would be denied too."""
        return self.doubts.deny(given_up, self.unresolved - len(self.parked))

    def is_strange(self, given_up: GivenUp[Input]) -> bool:
        """Note a response of another protocol; whether the others would be the same."""
        return self.doubts.estrange(given_up, self.unresolved - len(self.parked))

    def asks_to_wait(self) -> bool:
        """Note that the server is loading; whether it is waited for."""
        now = time.monotonic()
        self.loading_since = min(self.loading_since, now)
        return now - self.loading_since <= LOADING_SECONDS

    def throttles_only(self, job: SentRequest[Input]) -> bool:
        """Note a 429 of a request; whether it got nothing else for too long, unlike others."""
        now = time.monotonic()
        job.throttled_since = job.throttled_since or now
        patient = now - job.throttled_since <= PATIENCE_SECONDS
        return not patient and self.last_accepted > job.throttled_since

    def out_of_patience(self) -> bool:
        """Note a 429; whether there has been nothing else for too long."""
        now = time.monotonic()
        self.throttled_since = min(self.throttled_since, now)
        return now - self.throttled_since > PATIENCE_SECONDS

    def failed(self, job: SentRequest[Input], words: str) -> str:
        """Note a failure of the request or of the server; the reason to give it up."""
        job.failing_since = job.failing_since or time.monotonic()
        job.failures += 1
        self.failing.add(job.position)
        self.failures += 1
        self.trouble = words
        return f"{words}; tried {times(job.tries)}"

    def at_fault(self, job: SentRequest[Input]) -> bool:
        """Whether a request out of retries is at fault: the server answered others meanwhile."""
        return self.out_of_retries(job) and self.last_answer >= job.failing_since

    def out_of_retries(self, job: SentRequest[Input]) -> bool:
        """Whether a request may not be sent again."""
        return job.failures > self.max_retries

    @property
    def hopeless(self) -> bool:
        """Whether the server seems to be gone: all requests fail and no answer is expected."""
        return self.strikes > self.max_retries or (
            bool(self.parked) and len(self.parked) + len(self.doubts) == self.unresolved
        )


def times(n: int) -> str:
    """A number of tries in words.

    >>> times(1), times(4)
    ('once', '4 times')
    """
    return "once" if n == 1 else f"{n} times"


def backoff(failures: int) -> float:
    """Seconds to wait before the next try: doubles from half a second, at most eight.

    >>> [backoff(failures) for failures in (1, 2, 9)]
    [0.5, 1.0, 8.0]
    """
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 20))
