"""The wire: requests to an endpoint from an event loop in a thread of its own.

The loop keeps the window full; finished completions cross to the caller's thread through a queue.
"""

from __future__ import annotations

import asyncio
import json
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from synthkit.errors import EndpointError
from synthkit.models.http import Client
from synthkit.models.window import Window
from synthkit.types import Completion, Request

if TYPE_CHECKING:
    from synthkit.models.endpoint import Endpoint

FATAL = {301, 302, 307, 308, 401, 403, 404, 405, 422}
RETRIED = {408, 409, 429}
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
PATIENCE_SECONDS = 300.0
"""How long to go on against 429s alone."""

Item = tuple[int, Completion] | BaseException


@dataclass(slots=True)
class Job:
    """A request on its way: how often it was tried, and since when it fails."""

    position: int
    request: Request
    tries: int = 0
    failures: int = 0
    garbled: int = 0
    failing_since: float = 0.0


class Wire:
    """One stream of requests to an endpoint. ``out`` gives completions as they finish."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.out: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self.jobs: deque[Job] = deque()
        self.window = Window(endpoint.concurrency)
        self.in_flight: set[asyncio.Task[None]] = set()
        self.max_tokens = "max_tokens"
        self.last_success = time.monotonic()
        self.refused_first = 0
        self.paused_until = 0.0
        self.loop = asyncio.new_event_loop()
        self.wake = asyncio.Event()
        self.closing = False
        self.thread = threading.Thread(target=self._main, name="synthkit-wire", daemon=True)
        self.thread.start()

    def submit(self, requests: Iterable[tuple[int, Request]]) -> None:
        """Queue requests, from the caller's thread."""
        jobs = [Job(position, request) for position, request in requests]
        self.loop.call_soon_threadsafe(self._add, jobs)

    def close(self) -> None:
        """Abandon what is in flight and end the thread."""
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self._end)
        self.thread.join()

    def _add(self, jobs: Iterable[Job]) -> None:
        self.jobs.extend(jobs)
        self.wake.set()

    def _end(self) -> None:
        self.closing = True
        self.wake.set()

    def _main(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._serve())
        except Exception as error:
            self.out.put(error)
        finally:
            self.loop.close()

    async def _serve(self) -> None:
        endpoint = self.endpoint
        client = Client(endpoint.url, endpoint.headers, endpoint.query)
        while not self.closing:
            self._fill(client)
            self.wake.clear()
            await self.wake.wait()
        for task in self.in_flight:
            task.cancel()
        await asyncio.gather(*self.in_flight, return_exceptions=True)
        client.close()

    def _fill(self, client: Client) -> None:
        """Send what the window has room for."""
        wait = self.paused_until - time.monotonic()
        if wait > 0:
            self.loop.call_later(wait, self.wake.set)
            return
        while self.jobs and len(self.in_flight) < int(self.window.limit):
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
        job.tries += 1
        began = time.monotonic()
        body = endpoint.body(job.request, self.max_tokens)
        try:
            response = await client.post(body, endpoint.timeout)
        except OSError as error:
            words = f"does not answer: {error or f'no answer in {endpoint.timeout:g} s'}"
            self._again(job, began, words)
            return
        status, data = response.status, response.body
        if status == 200:
            self._answered(job, data, time.monotonic() - began, era)
        else:
            text = endpoint.redact(data.decode("utf-8", "replace"))
            wait = response.headers.get("retry-after", "")
            self._refused(job, status, text, wait, began, era)

    def _answered(self, job: Job, data: bytes, seconds: float, era: int) -> None:
        try:
            completion = read(data, seconds, job.tries)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            # The server is there, whatever it says: the window may open.
            self.window.succeeded(era)
            job.garbled += 1
            if job.garbled <= min(1, self.endpoint.max_retries):
                self._later(job, FIRST_WAIT)
            else:
                raw = data[:1_000_000].decode("utf-8", "replace")
                problem = f"the body is no completion: {type(error).__name__}: {error}"
                self._fail(job, problem, raw)
            return
        self.window.succeeded(era)
        self.last_success = time.monotonic()
        self.out.put((job.position, completion))

    def _refused(self, job: Job, status: int, text: str, wait: str, began: float, era: int) -> None:
        words, code = server_words(text)
        if status in FATAL or code == "insufficient_quota":
            raise self.endpoint.refusal(status, words, text)
        if status == 429:
            self._throttled(job, words, text, retry_after(wait), era)
        elif status in RETRIED or status >= 500:
            self._again(job, began, f"answered {status}: {words}", text, retry_after(wait))
        elif "max_completion_tokens" in words and self.max_tokens == "max_tokens":
            self.max_tokens = "max_completion_tokens"
            self._add([job])
        else:
            self.refused_first += not self.window.proven
            if self.refused_first >= 3:
                raise self.endpoint.refusal(status, words, text)
            self._fail(job, f"the server refused it ({status}): {words}", text)

    def _throttled(self, job: Job, words: str, text: str, wait: float | None, era: int) -> None:
        if time.monotonic() - self.last_success > PATIENCE_SECONDS:
            raise self.endpoint.refusal(429, words, text)
        job.failures += 1
        delay = wait if wait is not None else backoff(job.failures)
        if self.window.throttled(era):
            self.paused_until = time.monotonic() + delay
        self._later(job, delay)

    def _again(
        self, job: Job, began: float, words: str, text: str = "", wait: float | None = None
    ) -> None:
        """Try a request that failed once more, or give it up, or give the server up."""
        job.failing_since = job.failing_since or began
        job.failures += 1
        if job.failures <= self.endpoint.max_retries:
            self._later(job, wait if wait is not None else backoff(job.failures))
        elif self.last_success >= job.failing_since:
            self._fail(job, f"{words}; tried {job.tries} times", text)
        else:
            raise EndpointError(
                f"{self.endpoint.base_url} {self.endpoint.redact(words)}; tried {job.tries} times "
                "with no answer to any request in between. What was done is kept; run it again "
                "when the server is back."
            )

    def _later(self, job: Job, delay: float) -> None:
        self.loop.call_later(delay * random.uniform(1.0, 1.25), self._add, [job])

    def _fail(self, job: Job, reason: str, raw: str) -> None:
        reason = self.endpoint.redact(reason)
        self.out.put((job.position, Completion(raw, finish="error", error=reason, tries=job.tries)))


def read(data: bytes, seconds: float, tries: int) -> Completion:
    """The completion in the body of an answer.

    Raises
    ------
    ValueError, LookupError, TypeError, AttributeError
        If the body is not JSON, or not a chat or text completion.
    """
    answer = json.loads(data)
    choice = answer["choices"][0]
    message = choice.get("message")
    content = choice["text"] if message is None else message.get("content")
    finish = choice.get("finish_reason") or "stop"
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content)
    if content is None and message is not None and message.get("refusal"):
        content, finish = message["refusal"], "content_filter"
    if content is not None and not isinstance(content, str):
        raise TypeError(f"content is {type(content).__name__}, expected text")
    usage = answer.get("usage") or {}
    return Completion(
        text=well_formed(content or ""),
        finish=finish,
        prompt_tokens=int(usage.get("prompt_tokens") or 0),
        completion_tokens=int(usage.get("completion_tokens") or 0),
        seconds=seconds,
        logprobs=_logprobs(choice.get("logprobs")),
        tries=tries,
    )


def _logprobs(given: Any) -> tuple[tuple[str, float], ...] | None:
    if not given:
        return None
    if "content" in given:
        return tuple((part["token"], float(part["logprob"])) for part in given["content"] or ())
    values = zip(given["tokens"], given["token_logprobs"], strict=True)
    return tuple((token, float(value or 0.0)) for token, value in values)


def well_formed(text: str) -> str:
    """``text`` with lone surrogates, which no file or table can hold, replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def server_words(text: str) -> tuple[str, str]:
    """The message and the code in the body of a refusal, or the beginning of the body itself."""
    try:
        error = json.loads(text)
    except ValueError:
        return " ".join(text.split())[:500] or "no words", ""
    if isinstance(error, dict):
        error = error.get("error", error)
    if isinstance(error, dict):
        words = error.get("message") or error.get("detail") or json.dumps(error)
        return str(words)[:2000], str(error.get("code") or "")
    return str(error)[:2000], ""


def retry_after(header: str) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, at most a minute; ``None`` if it has none."""
    try:
        seconds = float(header)
    except ValueError:
        return None
    return min(seconds, 60.0) if seconds >= 0 else None


def backoff(failures: int) -> float:
    """Seconds before the next try: doubling from half a second, at most half a minute."""
    return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (failures - 1))
