"""The wire: requests to an endpoint from an event loop in a thread of its own.

The loop keeps the window full; finished completions cross to the caller's thread through a queue.
"""

from __future__ import annotations

import asyncio
import math
import queue
import random
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synthkit.core.errors import EndpointError
from synthkit.core.types import Completion, Request
from synthkit.models.openai.concurrency import Window
from synthkit.models.openai.responses import UNREADABLE, read, retry_after, server_words
from synthkit.models.openai.transport import Client, Response, Stale, TooLong

if TYPE_CHECKING:
    from synthkit.models.openai.model import Endpoint

MOVED = {301, 302, 303, 307, 308}
FATAL = {401, 402, 403, 404, 405, 407, 422} | MOVED
RETRIED = {408, 409, 425}
FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
PROBE_SECONDS = 0.25
"""How long the first request goes alone. A refusal seldom takes longer, an answer often does."""
PATIENCE_SECONDS = 300.0
"""How long to go on against 429s alone."""
DUBIOUS_FAILURES = 3
"""With more requests than this failing and none answered, it is the server: all sending pauses."""
SAME_WORDS = 8
"""After so many refusals of one wording and nothing else, the rest would meet it too."""
MOST_RAW = 1_000_000

Item = tuple[int, Completion] | BaseException


@dataclass(slots=True)
class Job:
    """A request on its way: how often it was sent, and since when it fails."""

    position: int
    request: Request
    tries: int = 0
    failures: int = 0
    throttled: int = 0
    garbled: int = 0
    failing_since: float = 0.0
    max_tokens: str = ""


class Wire:
    """One stream of requests to an endpoint. ``out`` gives completions as they finish."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.out: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self.jobs: deque[Job] = deque()
        self.window = Window(endpoint.concurrency)
        self.in_flight: set[asyncio.Task[None]] = set()
        self.sent = 0
        self.max_tokens = "max_tokens"
        self.last_answer = -math.inf
        self.throttled_since = math.inf
        self.failing: set[int] = set()
        self.strikes = 0
        self.trouble = ""
        # given up, but for the question whether the fault is theirs or the server's
        self.parked: list[tuple[Job, str, str]] = []
        self.unresolved = 0
        self.refusals: Counter[str] = Counter()
        self.paused_until = 0.0
        self.loop = asyncio.new_event_loop()
        self.wake = asyncio.Event()
        self.closing = False
        self.thread = threading.Thread(target=self._main, name="synthkit-wire", daemon=True)
        self.thread.start()

    def submit(self, requests: Iterable[tuple[int, Request]]) -> None:
        """Queue requests, from the caller's thread."""
        jobs = [Job(position, request) for position, request in requests]
        self.loop.call_soon_threadsafe(self._submitted, jobs)

    def close(self) -> None:
        """Abandon what is in flight and end the thread."""
        self.loop.call_soon_threadsafe(self._end)
        self.thread.join()
        self.loop.close()

    def _submitted(self, jobs: Sequence[Job]) -> None:
        self.unresolved += len(jobs)
        self._add(jobs)

    def _add(self, jobs: Iterable[Job]) -> None:
        self.jobs.extend(jobs)
        self.wake.set()

    def _end(self) -> None:
        self.closing = True
        self.wake.set()

    def _main(self) -> None:
        try:
            self.loop.run_until_complete(self._serve())
        except BaseException as error:  # the caller's thread waits for it, and raises it
            self.out.put(error)

    async def _serve(self) -> None:
        endpoint = self.endpoint
        client = Client(endpoint.url, endpoint.headers, endpoint.query)
        self.loop.call_later(PROBE_SECONDS, self._open)
        try:
            while not self.closing:
                self._fill(client)
                self.wake.clear()
                await self.wake.wait()
        finally:
            # not those in flight alone: a connection in the making has tasks of its own
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            client.close()

    def _open(self) -> None:
        """Stop waiting for the first answer, if nothing speaks against it."""
        if self.in_flight and not (self.window.proven or self.window.era or self.failing):
            self.window.open()
            self.wake.set()

    def _fill(self, client: Client) -> None:
        """Send what the window has room for."""
        if self._hopeless():
            if self.in_flight:
                return  # what is on its way may still be answered
            raise EndpointError(
                f"{self.endpoint.base_url} {self.endpoint.redact(self.trouble)} with no answer to "
                "any request in between. What was done is kept; run it again when the server is "
                "back."
            )
        if time.monotonic() < self.paused_until:
            return
        most = self.endpoint.budget.max_requests
        while self.jobs and len(self.in_flight) < int(self.window.limit):
            if most is not None and self.sent >= most:
                if self.in_flight:
                    return
                raise EndpointError(f"the budget is used up (max_requests={most})")
            self.sent += 1
            task = self.loop.create_task(self._send(client, self.jobs.popleft()))
            self.in_flight.add(task)
            task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self.in_flight.discard(task)
        self.wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self.out.put(error)
            self._end()

    async def _send(self, client: Client, job: Job) -> None:
        endpoint, era = self.endpoint, self.window.era
        began = time.monotonic()
        job.max_tokens = self.max_tokens
        body = endpoint.body(job.request, job.max_tokens)
        job.tries += 1
        try:
            try:
                response = await client.post(body, endpoint.timeout)
            except Stale:
                most = endpoint.budget.max_requests
                if most is not None and self.sent >= most:
                    raise
                self.sent += 1
                job.tries += 1
                response = await client.post(body, endpoint.timeout, fresh=True)
        except TooLong as error:
            self._garbled(job, str(error), b"", era)
        except ssl.SSLCertVerificationError as error:
            raise EndpointError(
                f"{endpoint.base_url} has a certificate that is not trusted: {error}. For a "
                "certificate of your own, name its file in SSL_CERT_FILE."
            ) from None
        except OSError as error:
            words = str(error) or f"no answer in {endpoint.timeout:g} s"
            self._again(job, began, f"does not answer: {words}")
        else:
            if 200 <= response.status < 300:
                self._answered(job, response.body, time.monotonic() - began, era)
            else:
                self._refused(job, response, began, era)

    def _heard(self) -> None:
        """The server is there, whatever it says."""
        self.last_answer = time.monotonic()
        self.failing.clear()
        self.strikes = 0
        while self.parked:
            self._fail(*self.parked.pop())

    def _served(self, era: int) -> None:
        """It even took a request."""
        self._heard()
        self.throttled_since = math.inf
        self.window.succeeded(era)

    def _answered(self, job: Job, data: bytes, seconds: float, era: int) -> None:
        try:
            completion = read(data, seconds, job.tries)
        except UNREADABLE as error:
            problem = (
                str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
            )
            self._garbled(job, f"the body is no completion: {problem}", data, era)
            return
        self._served(era)
        self._resolve(job, completion)

    def _garbled(self, job: Job, problem: str, data: bytes, era: int) -> None:
        """An answer that cannot be read: ask once more, then give the request up."""
        self._served(era)
        job.garbled += 1
        if job.garbled <= min(1, self.endpoint.max_retries):
            self._later(job, FIRST_WAIT)
        else:
            self._fail(job, problem, data.decode("utf-8", "replace"))

    def _refused(self, job: Job, response: Response, began: float, era: int) -> None:
        status, endpoint = response.status, self.endpoint
        text = endpoint.redact(response.body.decode("utf-8", "replace"))
        words, code = server_words(text)
        wait = retry_after(response.headers)
        if status in MOVED and "location" in response.headers:
            words = f"moved to {response.headers['location']}"
        if status in FATAL or code == "insufficient_quota":
            raise endpoint.refusal(status, words, text)
        if status in RETRIED or status >= 500:
            self._again(job, began, f"answered {status}: {words}", text, wait)
            return
        self._heard()
        if status == 429:
            self._throttled(job, words, text, wait, era)
        elif "max_completion_tokens" in words and job.max_tokens == "max_tokens":
            self.max_tokens = "max_completion_tokens"
            self._first(job)
        else:
            self.refusals[words] += 1
            if not self.window.proven and self.refusals[words] >= SAME_WORDS:
                raise endpoint.refusal(status, words, text)
            self._fail(job, f"the server refused it ({status}): {words}", text)

    def _throttled(self, job: Job, words: str, text: str, wait: float | None, era: int) -> None:
        now = time.monotonic()
        self.throttled_since = min(self.throttled_since, now)
        # A slow answer may still be on its way; with nothing else in flight, there is none.
        if now - self.throttled_since > PATIENCE_SECONDS and len(self.in_flight) == 1:
            raise self.endpoint.refusal(429, words, text)
        job.throttled += 1
        if self.window.throttled(era):
            self._pause(max(wait or 0.0, backoff(self.window.pauses)))
            self._first(job)
        else:
            self._later(job, wait or backoff(job.throttled))

    def _again(
        self, job: Job, began: float, words: str, text: str = "", wait: float | None = None
    ) -> None:
        """Try a request that failed once more, or give it up, or give the server up."""
        job.failing_since = job.failing_since or time.monotonic()
        job.failures += 1
        self.failing.add(job.position)
        self.trouble = f"{words}; tried {job.tries} times"
        most = self.endpoint.max_retries
        if job.failures > most and self.last_answer >= job.failing_since:
            self._fail(job, self.trouble, text)
            return
        dubious = not self.window.proven or len(self.failing) > DUBIOUS_FAILURES
        if dubious and began >= self.paused_until:
            self.strikes += 1
            self._pause(wait or backoff(self.strikes))
        if job.failures > most:
            self.parked.append((job, self.trouble, text))
        elif dubious:
            self._add([job])  # behind the others, in case it is the only one to fail
        else:
            self._later(job, wait or backoff(job.failures))

    def _hopeless(self) -> bool:
        """Whether the server seems to be gone: all is failing, and no other answer is awaited."""
        many = self.strikes > self.endpoint.max_retries
        return many or 0 < len(self.parked) == self.unresolved

    def _first(self, job: Job) -> None:
        """Queue a request before those that were never sent."""
        self.jobs.appendleft(job)
        self.wake.set()

    def _later(self, job: Job, delay: float) -> None:
        self.loop.call_later(delay * random.uniform(1.0, 1.25), self._first, job)

    def _pause(self, delay: float) -> None:
        """Send nothing at all for a while."""
        delay *= random.uniform(1.0, 1.25)
        self.paused_until = max(self.paused_until, time.monotonic() + delay)
        self.loop.call_later(delay, self.wake.set)

    def _fail(self, job: Job, reason: str, raw: str) -> None:
        raw, reason = self.endpoint.redact(raw[:MOST_RAW]), self.endpoint.redact(reason)
        self._resolve(job, Completion(raw, finish="error", error=reason, tries=job.tries))

    def _resolve(self, job: Job, completion: Completion) -> None:
        self.unresolved -= 1
        self.out.put((job.position, completion))


def backoff(failures: int) -> float:
    """Seconds before the next try: doubling from half a second, at most eight."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 20))
