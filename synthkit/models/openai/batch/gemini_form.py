"""Batches as Gemini has them: requests to generate content, sent with the batch itself.

The requests are converted from chat completions, as the server's own chat address does, and the
answers back. Google, Gemini API reference: batches, GenerateContent; guide: Batch API.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from synthkit.models.openai.batch.api import MEGABYTE, NEVER, Api, BatchResult, BatchState
from synthkit.models.openai.batch.generate_content import as_chat, as_content
from synthkit.models.openai.batch.openai_form import LISTED, PAGES, TAG
from synthkit.models.openai.responses import UNREADABLE

WORDS = {
    "PENDING": "validating", "RUNNING": "in_progress", "SUCCEEDED": "completed",
    "FAILED": "failed", "CANCELLED": "cancelled", "EXPIRED": "expired",
}  # fmt: skip
"""The end of a state -> the word of OpenAI for it."""
HTTP = {1: 0, 3: 400, 5: 404, 7: 403, 8: 429, 9: 400, 13: 500, 14: 503, 16: 401}
"""Code of an error of Google's APIs -> status of HTTP; 500 for others."""


@dataclass(frozen=True, slots=True)
class GeminiForm:
    """The form of Gemini: the requests of a batch are sent inline, in at most 20 MB.

    Parameters
    ----------
    model : the model of all requests.
    """

    api: Api
    model: str
    most_requests: int = 50_000
    most_bytes: int = 19 * MEGABYTE

    def line(self, key: str, body: Mapping[str, Any]) -> bytes:
        """A request, converted to one that generates content."""
        return json.dumps({"request": as_content(body), "metadata": {"key": key}}).encode()

    def upload(self, tag: str, lines: bytes) -> str:
        """Nothing is uploaded."""
        return ""

    def create(self, tag: str, file: str, lines: bytes) -> BatchState:
        """Submit a batch, once."""
        requests = [json.loads(line) for line in lines.splitlines()]
        config = {"requests": {"requests": requests}}
        wanted = {"batch": {"display_name": f"{TAG}-{tag}", "input_config": config}}
        name = self.model.removeprefix("models/")
        return _state(self.api.post(f"/models/{name}:batchGenerateContent", wanted, once=True))

    def find(self, tag: str, file: str, known: Iterable[str]) -> BatchState | None:
        """The batch with this tag in its name."""
        after: dict[str, str] = {}
        for _ in range(PAGES):
            page = self.api.get("/batches", pageSize=LISTED, **after)
            for batch in page.get("operations") or ():
                if batch["metadata"].get("displayName") == f"{TAG}-{tag}":
                    return _state(batch)
            if not page.get("nextPageToken"):
                break
            after = {"pageToken": page["nextPageToken"]}
        return None

    def look(self, id: str) -> BatchState:
        """What the server says of a batch."""
        return _state(self.api.get(f"/{id}"))

    def results(self, state: BatchState) -> Iterator[BatchResult | None]:
        """The results of its requests, converted to chats."""
        answer = self.api.get(f"/{state.id}").get("response") or {}
        listed = (answer.get("inlinedResponses") or {}).get("inlinedResponses") or ()
        for each in listed:
            try:
                yield _result(each)
            except UNREADABLE:
                yield None

    def cancel(self, id: str) -> BatchState:
        """Ask the server to end a batch."""
        self.api.post(f"/{id}:cancel", {})
        return self.look(id)

    def remove(self, file: str) -> None:
        """Do nothing: there is no file."""


def _state(batch: Mapping[str, Any]) -> BatchState:
    metadata = batch["metadata"]
    word = WORDS.get(str(metadata.get("state")).rpartition("_")[2], "in_progress")
    counts = metadata.get("batchStats") or {}
    has_results = bool(batch.get("response"))
    refused = word == "failed" and not has_results
    return BatchState(
        id=str(batch["name"]),
        word=word,
        ended=bool(batch.get("done")) or word in NEVER or word in ("completed", "failed"),
        results=("response",) if has_results else (),
        total=int(counts.get("requestCount") or 0),
        done=int(counts.get("successfulRequestCount") or 0),
        failed=int(counts.get("failedRequestCount") or 0),
        problem=str((batch.get("error") or {}).get("message") or "no reason given")
        if refused
        else "",
    )


def _result(answer: Mapping[str, Any]) -> BatchResult:
    key = str(answer["metadata"]["key"])
    if error := answer.get("error"):
        status = HTTP.get(int(error.get("code") or 0), 500)
        return BatchResult(key, status, json.dumps({"error": error}).encode())
    return BatchResult(key, 200, json.dumps(as_chat(answer["response"])).encode())
