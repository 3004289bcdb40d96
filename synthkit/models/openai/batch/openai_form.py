"""Batches as OpenAI has them: a file, a batch of it, and files with answers and errors.

Groq, Azure and most others copy it. OpenAI, API reference: files, batches; guide: Batch API.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from synthkit.models.openai.batch.api import MEGABYTE, Api, BatchResult, BatchState
from synthkit.models.openai.responses import UNREADABLE

TAG = "synthkit"
"""The member of a batch's metadata that has its tag."""
LISTED = 100
"""Batches on a page of their list."""
PAGES = 20
"""Pages of the list that are read to find a batch again."""
ENDED = {"completed", "failed", "expired", "cancelled"}


@dataclass(frozen=True, slots=True)
class OpenAIForm:
    """The form of OpenAI.

    Parameters
    ----------
    path : the address that each request is for, below the server's host.
    """

    api: Api
    path: str
    most_requests: int = 50_000
    most_bytes: int = 200 * MEGABYTE

    def line(self, key: str, body: Mapping[str, Any]) -> bytes:
        """A request as a line of the file."""
        line = {"custom_id": key, "method": "POST", "url": self.path, "body": body}
        return json.dumps(line).encode()

    def upload(self, tag: str, lines: bytes) -> str:
        """Send the file of a batch."""
        name = f"{TAG}-{tag}.jsonl"
        return str(self.api.upload("/files", name, lines, purpose="batch")["id"])

    def create(self, tag: str, file: str, lines: bytes) -> BatchState:
        """Submit a batch, once."""
        wanted = {
            "input_file_id": file,
            "endpoint": self.path,
            "completion_window": "24h",
            "metadata": {TAG: tag},
        }
        return state_of(self.api.post("/batches", wanted, once=True))

    def find(self, tag: str, file: str, known: Iterable[str]) -> BatchState | None:
        """The batch of this tag or file."""
        after: dict[str, str] = {}
        for _ in range(PAGES):
            page = self.api.get("/batches", limit=LISTED, **after)
            for batch in page["data"]:
                if file == batch.get("input_file_id") or _tag(batch) == tag:
                    return state_of(batch)
            if not page.get("has_more") or not page["data"]:
                break
            after = {"after": page["data"][-1]["id"]}
        return None

    def look(self, id: str) -> BatchState:
        """What the server says of a batch."""
        return state_of(self.api.get(f"/batches/{id}"))

    def results(self, state: BatchState) -> Iterator[BatchResult | None]:
        """The results of its requests: the lines of its two files."""
        for file in state.results:
            yield from read_lines(self.api.download(f"/files/{file}/content"))

    def cancel(self, id: str) -> BatchState:
        """Ask the server to end a batch."""
        return state_of(self.api.post(f"/batches/{id}/cancel", {}))

    def remove(self, file: str) -> None:
        """Delete a file that was not submitted."""
        self.api.delete(f"/files/{file}")


def _tag(batch: Mapping[str, Any]) -> Any:
    metadata = batch.get("metadata")
    return metadata.get(TAG) if isinstance(metadata, Mapping) else None


def state_of(batch: Mapping[str, Any]) -> BatchState:
    """The state of a batch of OpenAI."""
    word = str(batch["status"]).lower()
    counts = batch.get("request_counts") or {}
    files = (batch.get("output_file_id"), batch.get("error_file_id"))
    found = batch.get("errors") or {}
    errors = (found.get("data") or ()) if isinstance(found, Mapping) else ()
    problems = dict.fromkeys(str(error.get("message") or error.get("code")) for error in errors)
    refused = word == "failed" and not any(files)
    return BatchState(
        id=str(batch["id"]),
        word=word,
        ended=word in ENDED,
        results=tuple(str(file) for file in files if file),
        total=int(counts.get("total") or 0),
        done=int(counts.get("completed") or 0),
        failed=int(counts.get("failed") or 0),
        problem="; ".join(list(problems)[:3]) or "no reason given" if refused else "",
    )


def read_lines(content: bytes) -> Iterator[BatchResult | None]:
    """The results in a file; ``None`` for a line that cannot be read.

    >>> list(read_lines(b'{"custom_id": "k", "response": {"status_code": 200, "body": {}}}'))
    [BatchResult(key='k', status=200, body=b'{}')]
    """
    for line in content.split(b"\n"):
        if line.strip():
            try:
                yield _result(json.loads(line))
            except UNREADABLE:
                yield None


def _result(line: Mapping[str, Any]) -> BatchResult:
    """The result in a line: a response, or the error in place of one."""
    key, response, error = str(line["custom_id"]), line.get("response"), line.get("error")
    if response:
        body = response.get("body")
        status = int(response.get("status_code") or 200)
        return BatchResult(key, status, json.dumps(body if body is not None else error).encode())
    code = str(error.get("code") or "") if isinstance(error, Mapping) else ""
    never = code in {"batch_expired", "batch_cancelled"}
    return BatchResult(key, 0 if never else 500, json.dumps({"error": error}).encode())
