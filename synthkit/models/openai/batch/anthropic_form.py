"""Batches as Anthropic has them: Message Batches, whose requests are Messages and no chats.

The requests are converted from chat completions, as the server's own chat address does, and the
answers back. Anthropic, API reference: Message Batches, Messages, OpenAI SDK compatibility.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from synthkit.core.errors import EndpointError
from synthkit.models.openai.batch.api import MEGABYTE, Api, BatchResult, BatchState
from synthkit.models.openai.batch.messages_api import as_chat, as_messages
from synthkit.models.openai.batch.openai_form import LISTED, PAGES
from synthkit.models.openai.responses import UNREADABLE

ADDRESS = "/messages/batches"
SKEW_SECONDS = 600.0
"""How far the clocks of this machine and the server may differ."""
STATUSES = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402,
    "permission_error": 403, "not_found_error": 404, "request_too_large": 413,
    "rate_limit_error": 429, "timeout_error": 504, "overloaded_error": 529,
}  # fmt: skip
"""Kind of an error -> its status; 500 for others."""


@dataclass(frozen=True, slots=True)
class AnthropicForm:
    """The form of Anthropic.

    There is no file, and a batch has no tag: one whose submission was not confirmed is known by the
    number of its requests and, once it has ended, by their ids.
    """

    api: Api
    most_requests: int = 100_000
    most_bytes: int = 256 * MEGABYTE

    def line(self, key: str, body: Mapping[str, Any]) -> bytes:
        """A request, converted to Messages."""
        return json.dumps({"custom_id": key, "params": as_messages(body)}).encode()

    def upload(self, tag: str, lines: bytes) -> str:
        """Nothing is uploaded: the number of requests, the first one's key and the time."""
        each = lines.splitlines()
        return f"{len(each)}:{json.loads(each[0])['custom_id']}:{time.time():.0f}"

    def create(self, tag: str, file: str, lines: bytes) -> BatchState:
        """Submit a batch, once."""
        wanted = {"requests": [json.loads(line) for line in lines.splitlines()]}
        return _state(self.api.post(ADDRESS, wanted, once=True))

    def find(self, tag: str, file: str, known: Iterable[str]) -> BatchState | None:
        """The batch that has the first request or, as long as none has ended, may have it.

        One that runs is known by the number of its requests, and was created since.

        Raises
        ------
        EndpointError
            If several that run may be the one.
        """
        number, key, since = file.split(":")
        others = set(known)
        running = []
        for batch in self._listed(float(since) - SKEW_SECONDS):
            state = _state(batch)
            if state.id in others or state.total != int(number):
                continue
            if not state.ended:
                running.append(state)
            elif any(r and r.key == key for r in self.results(state)):
                return state
        if len(running) > 1:
            raise EndpointError(
                f"{self.api.server.base_url} runs {len(running)} batches of {number} requests. "
                "Which of them is this one is known once it has ended."
            )
        return running[0] if running else None

    def _listed(self, since: float) -> Iterator[Mapping[str, Any]]:
        """The batches that were created since a time, the newest first."""
        after: dict[str, str] = {}
        for _ in range(PAGES):
            page = self.api.get(ADDRESS, limit=LISTED, **after)
            for batch in page["data"]:
                if datetime.fromisoformat(batch["created_at"]).timestamp() < since:
                    return
                yield batch
            if not page.get("has_more"):
                return
            after = {"after_id": page["last_id"]}

    def look(self, id: str) -> BatchState:
        """What the server says of a batch."""
        return _state(self.api.get(f"{ADDRESS}/{id}"))

    def results(self, state: BatchState) -> Iterator[BatchResult | None]:
        """The results of its requests, converted to chats."""
        for line in self.api.download(f"{ADDRESS}/{state.id}/results").split(b"\n"):
            if line.strip():
                try:
                    yield _result(json.loads(line))
                except UNREADABLE:
                    yield None

    def cancel(self, id: str) -> BatchState:
        """Ask the server to end a batch."""
        return _state(self.api.post(f"{ADDRESS}/{id}/cancel", {}))

    def remove(self, file: str) -> None:
        """Do nothing: there is no file."""


def _state(batch: Mapping[str, Any]) -> BatchState:
    counts = {name: int(n or 0) for name, n in (batch.get("request_counts") or {}).items()}
    ended = batch["processing_status"] == "ended"
    word = "cancelling" if batch["processing_status"] == "canceling" else "in_progress"
    if ended:
        word = "completed"
        word = "expired" if counts.get("expired") else word
        word = "cancelled" if counts.get("canceled") else word
    return BatchState(
        id=str(batch["id"]),
        word=word,
        ended=ended,
        results=("results",) if ended else (),
        total=sum(counts.values()),
        done=counts.get("succeeded", 0),
        failed=counts.get("errored", 0),
    )


def _result(line: Mapping[str, Any]) -> BatchResult:
    key, result = str(line["custom_id"]), line["result"]
    if result["type"] == "succeeded":
        return BatchResult(key, 200, json.dumps(as_chat(result["message"])).encode())
    if result["type"] in ("canceled", "expired"):
        return BatchResult(key, 0, b"{}")
    error = result["error"].get("error", result["error"])
    status = STATUSES.get(error.get("type"), 500)
    return BatchResult(key, status, json.dumps({"error": error}).encode())
