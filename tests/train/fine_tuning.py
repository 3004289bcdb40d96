"""A stand-in for fine-tuning at OpenAI: files, jobs that advance at each look, their events."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.server import Asked, Reply

STATUSES = ("validating_files", "queued", "running", "succeeded")


class FineTuning:
    """The script of a :class:`tests.server.Server`; chats have their ordinary answer.

    Parameters
    ----------
    ends : the last status of each job.
    waits : whether jobs stay queued.

    Attributes
    ----------
    files : id -> the rows of an uploaded file; jobs : id -> job.
    """

    def __init__(self, ends: str = "succeeded", *, waits: bool = False) -> None:
        self.ends, self.waits = ends, waits
        self.files: dict[str, list[Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.lost = 0
        """Further requests that get no answer after they were read."""

    def __call__(self, asked: Asked) -> Reply | None:
        path = asked.path.partition("?")[0].removeprefix("/v1")
        parts = path.strip("/").split("/")
        if path == "/files":
            return self._upload(asked)
        if parts[0] == "files":
            return self._found("file", self.files, parts[1])
        if path == "/fine_tuning/jobs" and asked.method == "POST":
            reply = self._create(asked)
            if self.lost:
                self.lost -= 1
                return Reply(how="nothing")
            return reply
        if path == "/fine_tuning/jobs":
            return Reply(
                body={"object": "list", "data": list(self.jobs.values()), "has_more": False}
            )
        if parts[-1] == "events":
            return Reply(body=self._events(self.jobs[parts[2]]))
        if parts[0] == "fine_tuning":
            if parts[2] in self.jobs:
                self._advance(self.jobs[parts[2]])
            return self._found("fine_tuning.job", self.jobs, parts[2])
        return None

    def _found(self, kind: str, known: dict[str, Any], id: str) -> Reply:
        if id not in known:
            return Reply(404, error=f"no such {kind}: {id}")
        return Reply(body=known[id] if kind == "fine_tuning.job" else self._file(id))

    def _file(self, id: str) -> dict[str, Any]:
        return {"id": id, "object": "file", "bytes": 1, "created_at": 0, "filename": "rows.jsonl",
                "purpose": "fine-tune", "status": "processed"}  # fmt: skip

    def _upload(self, asked: Asked) -> Reply:
        body = asked.body.decode()
        assert 'name="purpose"\r\n\r\nfine-tune' in body
        rows = [json.loads(line) for line in re.findall(r'^\{"messages".*$', body, re.MULTILINE)]
        id = f"file-{len(self.files)}"
        self.files[id] = rows
        return Reply(body=self._file(id))

    def _create(self, asked: Asked) -> Reply:
        wanted = asked.json
        if wanted["model"] == "no-such-model":
            return Reply(400, error="The model no-such-model cannot be fine-tuned.")
        id = f"ftjob-{len(self.jobs)}"
        chosen = wanted["method"]["supervised"]["hyperparameters"]
        self.jobs[id] = {
            "id": id, "object": "fine_tuning.job", "created_at": 1000, "finished_at": None,
            "model": wanted["model"], "status": "validating_files", "organization_id": "org",
            "error": None, "fine_tuned_model": None, "result_files": [], "seed": wanted["seed"],
            "hyperparameters": {"n_epochs": "auto"} | chosen, "trained_tokens": None,
            "training_file": wanted["training_file"], "metadata": wanted["metadata"],
            "validation_file": wanted.get("validation_file"),
        }  # fmt: skip
        return Reply(body=self.jobs[id])

    def _advance(self, job: dict[str, Any]) -> None:
        if self.waits or job["status"] not in STATUSES[:3]:
            return
        job["status"] = STATUSES[STATUSES.index(job["status"]) + 1]
        if job["status"] == "succeeded":
            job |= {"status": self.ends, "finished_at": 1060}
            if self.ends == "succeeded":
                tokens = sum(len(json.dumps(row).split()) for row in self.files["file-0"])
                job |= {"fine_tuned_model": f"ft:{job['model']}:me", "trained_tokens": tokens}
            elif self.ends == "failed":
                job["error"] = {"code": "bad", "message": "the file is unsafe", "param": None}

    def _events(self, job: dict[str, Any]) -> dict[str, Any]:
        """The newest first: one a step, once the job runs."""
        steps = {"running": 1, "succeeded": 3}.get(job["status"], 0)
        data = [
            {"id": f"event-{step}", "object": "fine_tuning.job.event", "created_at": 0,
             "level": "info", "message": f"Step {step}", "type": "metrics",
             "data": {"step": step, "total_steps": 3, "train_loss": 2.0 / step,
                      "valid_loss": 3.0 / step if job["validation_file"] else None}}
            for step in range(steps, 0, -1)
        ]  # fmt: skip
        return {"object": "list", "data": data, "has_more": False}
