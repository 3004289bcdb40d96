"""Batches as Together has them: those of OpenAI, with other addresses and without a tag.

Together, API reference: files, batches; guide: batch inference.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from synthkit.models.openai.batch.api import MEGABYTE, BatchState
from synthkit.models.openai.batch.openai_form import TAG, OpenAIForm, state_of


@dataclass(frozen=True, slots=True)
class TogetherForm(OpenAIForm):
    """The form of Together. Its batches are found again by their files."""

    most_bytes: int = 100 * MEGABYTE

    def line(self, key: str, body: Mapping[str, Any]) -> bytes:
        """A request as a line of the file."""
        return json.dumps({"custom_id": key, "body": body}).encode()

    def upload(self, tag: str, lines: bytes) -> str:
        """Send the file of a batch."""
        name = f"{TAG}-{tag}.jsonl"
        sent = self.api.upload("/files/upload", name, lines, purpose="batch-api", file_name=name)
        return str(sent["id"])

    def create(self, tag: str, file: str, lines: bytes) -> BatchState:
        """Submit a batch, once."""
        wanted = {"input_file_id": file, "endpoint": self.path, "completion_window": "24h"}
        answer = self.api.post("/batches", wanted, once=True)
        return state_of(answer.get("job", answer))

    def find(self, tag: str, file: str, known: Iterable[str]) -> BatchState | None:
        """The batch of this file."""
        listed = self.api.get("/batches") or []
        found = (batch for batch in listed if batch.get("input_file_id") == file)
        return next(map(state_of, found), None)
