"""The scheduler: sends requests to a server from an event loop in a thread of its own.

It keeps the concurrency window full, retries, and passes results to the caller's thread.
"""

from __future__ import annotations

import asyncio
import math
import queue
import random
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from synthkit.core.errors import EndpointError
from synthkit.models.openai.concurrency import BURST_SECONDS, Window
from synthkit.models.openai.health import (
    DUBIOUS_FAILURES,
    LOADING_SECONDS,
    PATIENCE_SECONDS,
    Health,
    Meter,
    SentRequest,
    backoff,
    times,
)
from synthkit.models.openai.model_list import lists_models
from synthkit.models.openai.operation import Operation
from synthkit.models.openai.refusals import Refusal, refusal
from synthkit.models.openai.responses import (
    UNREADABLE,
    embedded_error,
    is_error,
    is_page,
    problem_of,
    retry_after,
)
from synthkit.models.openai.server import Server
from synthkit.models.openai.transport import BodyTooLong, Client, Response, StaleConnection

MOVED = {301, 302, 303, 307, 308}
FATAL = {401, 402, 405, 407} | MOVED
DENIALS = {403, 404, 422}
"""Of one request once the server has answered others, of all of them before."""
RETRIED = {408, 409, 425}
PROBES = ((0.2, 4.0), (1.0, 64.0))
"""(seconds, requests in flight) while there is no answer yet: a refusal rarely takes longer."""
MAX_RAW = 1_000_000
PROBE = -1
"""The position of a request that was answered before and is sent again, to tell a server that now
refuses everything from rows that are at fault."""

Input = TypeVar("Input")
Output = TypeVar("Output")


class Scheduler(Generic[Input, Output]):
    """One stream of requests to a server. ``out`` receives answers as they finish."""

    def __init__(
        self,
        server: Server,
        operation: Operation[Input, Output],
        max_requests: int | None,
        meter: Meter,
    ) -> None:
        self.server, self.operation = server, operation
        self.meter = meter
        self.most = math.inf if max_requests is None else max_requests
        self.sent = 0
        self.window = Window(server.concurrency)
        if operation.known.good is not None:
            self.window.reopen(operation.known.width)
        self.health: Health[Input] = Health(server.max_retries)
        self.jobs: deque[SentRequest[Input]] = deque()
        self.in_flight: set[asyncio.Task[None]] = set()
        self.out: queue.SimpleQueue[tuple[int, Output] | BaseException] = queue.SimpleQueue()
        self.loop = asyncio.new_event_loop()
        self.wake = asyncio.Event()
        self.closing = False
        self.thread = threading.Thread(target=self._main, name="synthkit-endpoint", daemon=True)
        self.thread.start()

    def submit(self, requests: Iterable[tuple[int, Input]]) -> None:
        """Queue (position, request) pairs, from the caller's thread."""
        jobs = [SentRequest(position, request) for position, request in requests]
        self.loop.call_soon_threadsafe(self._submitted, jobs)

    def close(self) -> None:
        """Cancel what is in flight and end the thread."""
        self.loop.call_soon_threadsafe(self._end)
        self.thread.join()
        self.loop.close()
        self.operation.known.width = self.window.limit

    def _submitted(self, jobs: Sequence[SentRequest[Input]]) -> None:
        self.health.unresolved += len(jobs)
        self.jobs.extend(jobs)
        self.wake.set()

    def _end(self) -> None:
        self.closing = True
        self.wake.set()

    def _main(self) -> None:
        try:
            self.loop.run_until_complete(self._serve())
        except BaseException as error:  # raised in the caller's thread
            self.out.put(error)

    async def _serve(self) -> None:
        url = self.server.target(self.operation.url)
        client = Client(url, self.server.headers, self.server.query)
        for seconds, most in PROBES:
            self.loop.call_later(seconds, self._open, most)
        listing: asyncio.Task[None] | None = None
        try:
            while not self.closing:
                self._fill(client)
                if self.jobs and self.operation.known.good is None and listing is None:
                    listing = self.loop.create_task(self._list_models())
                self.wake.clear()
                await self.wake.wait()
        finally:
            # all tasks, since a connection being opened has tasks of its own
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            client.close()

    async def _list_models(self) -> None:
        """Let all requests go once the server has given its list of models."""
        if await lists_models(self.server):
            self._open(math.inf)

    def _open(self, most: float) -> None:
        """Stop waiting for the first answer, unless something has failed already."""
        if self.in_flight and not (self.window.proven or self.window.era or self.health.dubious):
            self.window.open(most)
            self.wake.set()

    def _fill(self, client: Client) -> None:
        """Send as many requests as the window has room for."""
        if self.health.hopeless:
            if self.in_flight:
                return  # these may still be answered
            trouble = self.server.redact(self.health.trouble)
            raise EndpointError(
                f"{self.server.base_url} {trouble}; tried {times(self.health.failures)} with no "
                "answer to any request in between. Finished rows are kept; run it again when the "
                "server is back."
            )
        if time.monotonic() < self.meter.paused_until:
            return
        paced = self.window.room(len(self.in_flight))
        room = 1 if self.health.doubts else paced
        while self.jobs and len(self.in_flight) < room:
            if self.sent >= self.most:
                if self.in_flight:
                    return
                raise EndpointError(f"the budget is used up (max_requests={self.most})")
            self.sent += 1
            task = self.loop.create_task(self._send(client, self.jobs.popleft()))
            self.in_flight.add(task)
            self.meter.in_flight = len(self.in_flight)
            task.add_done_callback(self._landed)
        if self.jobs and room == paced < int(self.window.limit):
            self.loop.call_later(BURST_SECONDS, self.wake.set)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self.in_flight.discard(task)
        self.meter.in_flight = len(self.in_flight)
        self.wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self.out.put(error)
            self._end()

    async def _send(self, client: Client, job: SentRequest[Input]) -> None:
        server = self.server
        job.began, job.era = time.monotonic(), self.window.era
        known = self.operation.known.dialect
        job.dialect = known if job.trial is None else known | job.trial
        body = self.operation.body(job.request, job.dialect)
        job.tries += 1

        def sending() -> None:
            job.sent += 1
            self.meter.sent += 1

        try:
            try:
                response = await client.post(body, server.timeout, sending=sending)
            except StaleConnection:
                if self.sent >= self.most:
                    raise
                self.sent += 1
                job.tries += 1
                response = await client.post(body, server.timeout, fresh=True, sending=sending)
        except BodyTooLong as error:
            self._unreadable(job, str(error), b"")
        except ssl.SSLCertVerificationError as error:
            raise EndpointError(
                f"{server.base_url} has a certificate that is not trusted: {error}. For a "
                "certificate of your own, name its file in SSL_CERT_FILE."
            ) from None
        except OSError as error:
            words = str(error) or f"no answer in {server.timeout:g} s"
            self._again(job, f"does not answer: {words}")
        else:
            if 200 <= response.status < 300:
                self._answered(job, response)
            else:
                self._refused(job, response)
        self._say()

    def _alive(self) -> None:
        """Note that the server answers, so the parked requests are at fault themselves."""
        self.health.answered()
        while self.health.parked:
            self._fail(*self.health.parked.pop())

    def _accepted(self, job: SentRequest[Input]) -> None:
        """Note that the server accepted a request."""
        self._alive()
        self.health.accepted()
        self.window.succeeded(job.era)

    def _answered(self, job: SentRequest[Input], response: Response) -> None:
        """Resolve a request by a response that is none of an error."""
        known, seconds = self.operation.known, time.monotonic() - job.began
        body = self.server.redactor.redact_body(response.body)
        try:
            answer = self.operation.read(job.request, job.dialect, body, seconds, job.sent)
        except UNREADABLE as error:
            if refused := embedded_error(body):
                self._refused(job, replace(response, status=refused[0], body=refused[1]))
                return
            self._unreadable(job, problem_of(error, body), body)
            return
        self._accepted(job)
        known.adopt(job.dialect)
        known.good = job.request
        for at_fault in self.health.doubts.answered():
            self._fail(*at_fault)
        self._resolve(job, answer)

    def _unreadable(self, job: SentRequest[Input], problem: str, data: bytes) -> None:
        """Send a request once more after a response that cannot be read, then give it up.

        Raises
        ------
        EndpointError
            If it seems that nothing at this address speaks the protocol.
        """
        text = data.decode("utf-8", "replace")
        foreign = self.operation.member not in text or is_error(data)
        strange = self.operation.known.good is None and foreign
        if strange and is_page(text):
            raise self.server.misplaced(self.operation.url, text)
        self.health.doubts.wary |= strange
        if not strange:
            self._accepted(job)
        job.unreadable += 1
        if job.unreadable <= min(1, self.server.max_retries):
            if strange:
                self._pause(backoff(job.unreadable), "sent a response of another protocol")
                self._first(job)
            else:
                self._later(job, backoff(job.unreadable))
        elif not strange:
            self._fail(job, problem, text)
        elif text.lstrip()[:1] == "{" or self.health.is_strange((job, problem, text)):
            raise self.server.misplaced(self.operation.url, text or problem)

    def _refused(self, job: SentRequest[Input], response: Response) -> None:
        status = response.status
        text = self.server.redact(response.body.decode("utf-8", "replace"))
        refused = refusal(status, text)
        wait = retry_after(response.headers)
        if status in MOVED and "location" in response.headers:
            refused = replace(refused, message=f"moved to {response.headers['location']}")
        if status in FATAL or refused.code == "insufficient_quota":
            raise self.server.refusal(self.operation.url, status, refused.message, text)
        if status == 429:
            if (long := retry_after(response.headers, most=math.inf) or 0.0) > PATIENCE_SECONDS:
                message = f"{refused.message} (it asks to wait {long:.0f} s)"
                raise self.server.refusal(self.operation.url, status, message, text)
            self._alive()
            self._throttled(job, refused.message, text, wait)
        elif trial := self.operation.adapted(job.request, job.dialect, refused):
            self._alive()
            job.trial = trial
            self._first(job)
        elif refused.of_loading and self.health.asks_to_wait():
            self._wait_for_model(job, refused.message, wait)
        elif status in RETRIED or status >= 500:
            self._again(job, f"answered {status}: {refused.message}", text, wait)
        else:
            self._alive()
            self._rejected(job, refused, text)

    def _rejected(self, job: SentRequest[Input], refused: Refusal, text: str) -> None:
        """Give up a refused request, unless the server refuses all of them.

        Raises
        ------
        EndpointError
            If it does.
        """
        health, status, message = self.health, refused.status, refused.message
        reason = f"the server refused it ({status}): {message}"
        error = self.server.refusal(self.operation.url, status, message, text)
        if job.position == PROBE:
            raise error
        if refused.of_content:
            self._fail(job, reason, text)
        elif self.operation.known.good is not None:
            self._fail(job, reason, text)
            if health.doubts.too_many_in_a_row(all_alike=refused.of_access):
                self._first(SentRequest(PROBE, self.operation.known.good))
        elif status in DENIALS:
            if refused.of_access or health.is_denied((job, reason, text)):
                raise error
        elif health.doubts.refuses_all(message):
            raise error
        else:
            self._fail(job, reason, text)

    def _wait_for_model(self, job: SentRequest[Input], message: str, wait: float | None) -> None:
        """Send the request again when the server may have loaded its model."""
        self.operation.known.say(
            "loading",
            f"{self.server.base_url} is loading its model ({message}); waiting for it, at most "
            f"{LOADING_SECONDS:g} s.",
        )
        job.loading += 1
        self._pause(wait or backoff(job.loading), f"is loading its model: {message}")
        self._first(job)

    def _say(self) -> None:
        """Give the warnings of the operation in the caller's thread."""
        notices = self.operation.known.notices
        while notices:
            self.out.put(RuntimeWarning(self.server.redact(notices.pop(0))))

    def _throttled(
        self, job: SentRequest[Input], message: str, text: str, wait: float | None
    ) -> None:
        # with other requests in flight, a slow answer may still arrive
        if self.health.out_of_patience() and len(self.in_flight) == 1:
            raise self.server.refusal(self.operation.url, 429, message, text)
        job.throttled += 1
        if self.health.throttles_only(job):
            tried = f"tried {times(job.tries)}"
            self._fail(job, f"answered 429 to this request alone: {message}; {tried}", text)
            return
        if self.window.throttled(job.era, len(self.in_flight)):
            delay = max(wait or 0.0, backoff(self.window.pauses))
            self._pause(delay, f"limits the rate (429): {message}")
            self._first(job)
        else:
            self._later(job, wait or backoff(job.throttled))

    def _again(
        self, job: SentRequest[Input], words: str, text: str = "", wait: float | None = None
    ) -> None:
        """Retry a failed request, or give it up, or count it against the server."""
        health = self.health
        if job.position == PROBE:
            return  # it says nothing then
        reason = health.failed(job, words)
        if health.at_fault(job):
            self._fail(job, reason, text)
            return
        dubious = not self.window.proven or len(health.failing) > DUBIOUS_FAILURES
        if dubious and job.began >= self.meter.paused_until:
            health.strikes += 1
            self._pause(wait or backoff(health.strikes), words)
        if health.out_of_retries(job):
            health.parked.append((job, reason, text))
        elif dubious:
            self.jobs.append(job)  # at the end, in case this request is the only one that fails
        else:
            self._later(job, wait or backoff(job.failures))

    def _first(self, job: SentRequest[Input]) -> None:
        """Queue a request before those that were never sent."""
        self.jobs.appendleft(job)
        self.wake.set()

    def _later(self, job: SentRequest[Input], delay: float) -> None:
        self.loop.call_later(delay * random.uniform(1.0, 1.25), self._first, job)

    def _pause(self, delay: float, why: str) -> None:
        """Send nothing for a while; ``why`` is what the server does."""
        delay *= random.uniform(1.0, 1.25)
        self.meter.wait(delay, self.server.base_url, self.server.redact(why))
        self.loop.call_later(delay, self.wake.set)

    def _fail(self, job: SentRequest[Input], reason: str, raw: str) -> None:
        raw, reason = self.server.redact(raw)[:MAX_RAW], self.server.redact(reason)
        self._resolve(job, self.operation.failed(reason, raw, job.sent))

    def _resolve(self, job: SentRequest[Input], answer: Output) -> None:
        if job.position == PROBE:
            return
        self.health.unresolved -= 1
        self.out.put((job.position, answer))
