"""Batches as Mistral has them: jobs over files, each for one model.

Mistral, API reference: files, batch jobs; guide: batch inference.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from synthkit.models.openai.batch.api import MEGABYTE, Api, BatchResult, BatchState
from synthkit.models.openai.batch.openai_form import ENDED, LISTED, PAGES, TAG, read_lines

WORDS = {
    "SUCCESS": "completed",
    "TIMEOUT_EXCEEDED": "expired",
    "CANCELLATION_REQUESTED": "cancelling",
}
"""State of a job -> the word of OpenAI for it, where it is another."""


@dataclass(frozen=True, slots=True)
class MistralForm:
    """The form of Mistral.

    Parameters
    ----------
    path : the address that each request is for, below the server's host.
    model : the model of all requests.
    """

    api: Api
    path: str
    model: str
    most_requests: int = 1_000_000
    most_bytes: int = 512 * MEGABYTE

    def line(self, key: str, body: Mapping[str, Any]) -> bytes:
        """A request as a line of the file; the job names the model."""
        own = {name: value for name, value in body.items() if name != "model"}
        return json.dumps({"custom_id": key, "body": own}).encode()

    def upload(self, tag: str, lines: bytes) -> str:
        """Send the file of a batch."""
        name = f"{TAG}-{tag}.jsonl"
        return str(self.api.upload("/files", name, lines, purpose="batch")["id"])

    def create(self, tag: str, file: str, lines: bytes) -> BatchState:
        """Submit a batch, once."""
        wanted = {
            "input_files": [file],
            "model": self.model,
            "endpoint": self.path,
            "timeout_hours": 24,
            "metadata": {TAG: tag},
        }
        return _state(self.api.post("/batch/jobs", wanted, once=True))

    def find(self, tag: str, file: str, known: Iterable[str]) -> BatchState | None:
        """The batch of this tag or file."""
        for number in range(PAGES):
            jobs = self.api.get("/batch/jobs", page=number, page_size=LISTED).get("data") or []
            for job in jobs:
                if file in job["input_files"] or (job.get("metadata") or {}).get(TAG) == tag:
                    return _state(job)
            if len(jobs) < LISTED:
                break
        return None

    def look(self, id: str) -> BatchState:
        """What the server says of a batch."""
        return _state(self.api.get(f"/batch/jobs/{id}"))

    def results(self, state: BatchState) -> Iterator[BatchResult | None]:
        """The results of its requests: the lines of its two files."""
        for file in state.results:
            yield from read_lines(self.api.download(f"/files/{file}/content"))

    def cancel(self, id: str) -> BatchState:
        """Ask the server to end a batch."""
        return _state(self.api.post(f"/batch/jobs/{id}/cancel", {}))

    def remove(self, file: str) -> None:
        """Delete a file that was not submitted."""
        self.api.delete(f"/files/{file}")


def _state(job: Mapping[str, Any]) -> BatchState:
    word = WORDS.get(job["status"], str(job["status"]).lower())
    files = tuple(str(job[name]) for name in ("output_file", "error_file") if job.get(name))
    problems = dict.fromkeys(str(error.get("message")) for error in job.get("errors") or ())
    refused = word == "failed" and not files
    return BatchState(
        id=str(job["id"]),
        word=word,
        ended=word in ENDED,
        results=files,
        total=int(job.get("total_requests") or 0),
        done=int(job.get("succeeded_requests") or 0),
        failed=int(job.get("failed_requests") or 0),
        problem="; ".join(list(problems)[:3]) or "no reason given" if refused else "",
    )
