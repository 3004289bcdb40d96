"""Which worker has which request, and what becomes of those of a worker that died."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Sequence
from typing import Generic, TypeVar

from synthkit.core.types import Completion, Request
from synthkit.models.ray.host import Part

Worker = TypeVar("Worker")


class Dispatch(Generic[Worker]):
    """The requests of one run, each of which one worker has at a time.

    Parameters
    ----------
    requests : the caller may append to them.
    slots : most requests that a worker has at once.
    resends : how often a request is sent again after the worker that had it died. The last time it
        goes alone, so that it can be told from those that were there by chance.
    """

    def __init__(self, requests: Sequence[Request], *, slots: int, resends: int) -> None:
        self.requests, self.slots, self.resends = requests, slots, resends
        self.waiting: deque[int] = deque()
        self.aboard: dict[Worker, set[int]] = {}
        self.deaths: Counter[int] = Counter()
        self.submitted = self.answered = 0

    @property
    def done(self) -> bool:
        """Whether all requests are answered."""
        return self.answered == len(self.requests)

    def parts(self, workers: Collection[Worker]) -> dict[Worker, Part]:
        """The requests to send now: each to the worker with the most free slots."""
        self.waiting.extend(range(self.submitted, len(self.requests)))
        self.submitted = len(self.requests)
        parts: dict[Worker, Part] = {}
        free = {worker: self._free(worker) for worker in workers}
        for position in sorted(self.waiting, key=self._goes_alone, reverse=True):
            worker = max(free, key=lambda worker: free[worker], default=None)
            if worker is None or free[worker] <= 0:
                break
            if self._goes_alone(position):
                del free[worker]  # it gets nothing else until it is empty
                if self.aboard.get(worker):
                    continue
            else:
                free[worker] -= 1
            self.aboard.setdefault(worker, set()).add(position)
            parts.setdefault(worker, []).append((position, self.requests[position]))
        sent = {position for part in parts.values() for position, _ in part}
        self.waiting = deque(position for position in self.waiting if position not in sent)
        return parts

    def take(self, worker: Worker, position: int) -> bool:
        """Note that a worker has answered a request; whether it is its to answer."""
        if position not in self.aboard.get(worker, ()):
            return False
        self.aboard[worker].discard(position)
        self.answered += 1
        return True

    def died(self, worker: Worker, why: str) -> list[tuple[int, Completion]]:
        """Note that a worker died; the requests that are given up for it."""
        given_up = []
        for position in sorted(self.aboard.pop(worker, ()), reverse=True):
            self.deaths[position] += 1
            deaths = self.deaths[position]
            if deaths <= self.resends:
                self.waiting.appendleft(position)
                continue
            self.answered += 1
            reason = f"{deaths} workers died while they had this request, the last one alone: {why}"
            if not self.resends:
                reason = (
                    f"the worker died while it had this request, which is sent only once: {why}"
                )
            given_up.append((position, Completion("", finish="error", error=reason, tries=deaths)))
        return given_up

    def _goes_alone(self, position: int) -> bool:
        return 0 < self.resends == self.deaths[position]

    def _free(self, worker: Worker) -> int:
        aboard = self.aboard.get(worker, set())
        return 0 if any(map(self._goes_alone, aboard)) else self.slots - len(aboard)
