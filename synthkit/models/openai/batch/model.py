"""A model that is asked by a batch API: a run submits its requests, and a later run has answers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from synthkit.core.answers import Markers
from synthkit.core.models import Activity, Budget, Price
from synthkit.core.types import Completion, Request
from synthkit.models.openai.batch.desk import Desk
from synthkit.models.openai.batch.forms import form_for
from synthkit.models.openai.model import Endpoint
from synthkit.models.openai.prices import batch_price
from synthkit.models.ticking import TICK_SECONDS, ticking
from synthkit.store.store import Store

FIRST_SECONDS, MOST_SECONDS = 2.0, 60.0
"""How long a run waits between two looks at its batches, at first and at most."""
MOST_WAITING = 1_000_000
"""Most requests that one run submits."""
QUIET_TICKS = 2
"""Ticks without a further request after which a run has none that depends on what it has."""
AMONG_SECONDS = 0.5
"""The same where the answers of other models lead to requests of this one."""


class BatchModel:
    """An endpoint whose requests are submitted to its server's batch API, at the batch price.

    The completions have the same keys as if the endpoint was asked itself. What is submitted is in
    the store before it is, so that no request is submitted twice, by this kernel or another.

    ``generate(..., batch=True)`` makes one of the model that it is given.

    Parameters
    ----------
    wait : wait until all is answered, rather than leave what is not for a later run.
    among : whether the run has other models, whose answers may lead to further requests.

    Raises
    ------
    UsageError
        If the server has no batch API.
    """

    def __init__(
        self, endpoint: Endpoint, store: Store, *, wait: bool = False, among: bool = False
    ) -> None:
        form_for(endpoint)  # refuses a server that has none
        self.endpoint, self.store, self.wait, self.among = endpoint, store, wait, among
        self._doing = ""

    @property
    def name(self) -> str:
        """The name of the model on its server."""
        return self.endpoint.name

    @property
    def fingerprint(self) -> str:
        """That of the endpoint: a batch changes no answer."""
        return self.endpoint.fingerprint

    @property
    def price(self) -> Price | None:
        """The price of a batch; ``None`` if that of the endpoint is not known."""
        endpoint = self.endpoint
        return batch_price(endpoint.server.origin, endpoint.name, endpoint.price)

    @property
    def budget(self) -> Budget:
        """The budget of each run of the endpoint."""
        return self.endpoint.budget

    @property
    def reasoning_markers(self) -> Markers:
        """Where reasoning starts and ends in its texts."""
        return self.endpoint.reasoning_markers

    @property
    def concurrency(self) -> int:
        """Most requests that one run submits."""
        return MOST_WAITING

    @property
    def activity(self) -> Activity:
        """What is uploaded, asked or waited for."""
        return Activity(self._doing)

    def _say(self, doing: str) -> None:
        self._doing = doing

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """(position, completion) pairs of what is answered by now; the rest is submitted.

        A request without an answer gives a completion with ``finish="later"``, whose ``error`` says
        what it waits for, unless the model waits for all.

        Raises
        ------
        UsageError
            If no server can do a request; nothing is submitted then.
        EndpointError
            If the server refuses a file or a batch, or cannot be reached.
        """
        desk = Desk(self.endpoint, self.store, form_for(self.endpoint), self._say)
        taken, seconds = 0, FIRST_SECONDS
        try:
            while desk.asked or taken < len(requests):
                taken = desk.take(requests, taken)
                yield from desk.collect()
                yield from self._follow_ups(requests, taken)
                if taken < len(requests):
                    continue
                if desk.problem:
                    raise desk.refusal()
                if desk.unsubmitted and not desk.unreachable:
                    yield from ticking(desk.submit)
                if not self.wait:
                    yield from desk.later()
                elif desk.asked:
                    self._say(desk.words())
                    yield from _ticks(seconds)
                    seconds = min(1.5 * seconds, MOST_SECONDS)
            desk.end()
        finally:
            self._say("")

    def _follow_ups(self, requests: Sequence[Request], taken: int) -> Iterator[None]:
        """Ticks in which the caller may append requests that depend on what was answered."""
        until = time.monotonic() + (AMONG_SECONDS if self.among else 0.0)
        ticks = 0
        while len(requests) == taken and (ticks < QUIET_TICKS or time.monotonic() < until):
            if ticks >= QUIET_TICKS:
                time.sleep(TICK_SECONDS)
            ticks += 1
            yield None


def _ticks(seconds: float) -> Iterator[None]:
    """Ticks for so long."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        yield None
        time.sleep(min(left, TICK_SECONDS))
