"""The results of a batch that has ended: answers, refusals, further tries."""

from __future__ import annotations

from dataclasses import replace

from synthkit.core.types import Completion, Request
from synthkit.models.openai.batch.api import NEVER, BatchResult
from synthkit.models.openai.batch.records import BatchRecord
from synthkit.models.openai.dialect import Dialect
from synthkit.models.openai.model import Endpoint
from synthkit.models.openai.refusals import refusal
from synthkit.models.openai.responses import UNREADABLE, embedded_error, problem_of

HOW = "asked in a batch"
RETRIED = {408, 409, 425, 429}
UNREADABLE_TRIES = 2
MAX_RAW = 1_000_000


class Outcomes:
    """Reads the results of one batch, as the answers of the same server are read.

    Attributes
    ----------
    trial : what the dialect of further tries leaves out, since the server refused it.
    """

    def __init__(self, endpoint: Endpoint, record: BatchRecord) -> None:
        self.endpoint, self.record = endpoint, record
        self.trial = Dialect()

    def completion(
        self, request: Request, result: BatchResult | None, tries: int
    ) -> Completion | None:
        """The completion of a request; ``None`` if it is to be submitted again.

        Parameters
        ----------
        result : ``None`` if the results have none.
        tries : how many batches it has been in.
        """
        if result is not None and result.status == 0:
            return None  # it was not asked
        if result is None:
            if self.record.state and self.record.state.word in NEVER:
                return None
            return self._again(tries, f"{self.record.id} has no result for it", "")
        body = self.endpoint.server.redactor.redact_body(result.body)
        if 200 <= result.status < 300:
            return self._answer(request, body, tries)
        return self._refused(request, result.status, body, tries)

    def _answer(self, request: Request, body: bytes, tries: int) -> Completion | None:
        endpoint, dialect = self.endpoint, self.record.dialect
        try:
            completion = endpoint.read(request, dialect, body, 0.0, tries)
        except UNREADABLE as error:
            if refused := embedded_error(body):
                return self._refused(request, refused[0], refused[1], tries)
            raw = body.decode("utf-8", "replace")
            return self._again(tries, problem_of(error, body), raw, most=UNREADABLE_TRIES)
        endpoint.known.adopt(dialect)
        endpoint.known.good = request
        how = "; ".join(filter(None, (completion.how, HOW)))
        return replace(completion, how=how)

    def _refused(self, request: Request, status: int, body: bytes, tries: int) -> Completion | None:
        text = self.endpoint.server.redact(body.decode("utf-8", "replace"))
        refused = refusal(status, text)
        if trial := self.endpoint.adapted(request, self.record.dialect, refused):
            self.trial |= trial
            return self._again(tries, f"the server refused it ({status}): {refused.message}", text)
        if status in RETRIED or status >= 500:
            return self._again(tries, f"answered {status}: {refused.message}", text)
        return self._failed(f"the server refused it ({status}): {refused.message}", text, tries)

    def _again(self, tries: int, reason: str, raw: str, *, most: int = 0) -> Completion | None:
        """``None`` to submit it again, unless it was tried as often as it may be."""
        if tries < (most or 1 + self.endpoint.server.max_retries):
            return None
        return self._failed(f"{reason}; tried {tries} times", raw, tries)

    def _failed(self, reason: str, raw: str, tries: int) -> Completion:
        server = self.endpoint.server
        return self.endpoint.failed(server.redact(reason), server.redact(raw)[:MAX_RAW], tries)
