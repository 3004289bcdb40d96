"""Stand-ins for the batch APIs of OpenAI and others, which count what is submitted and paid."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from tests.server import Asked, Reply, completion

Failure = tuple[int, Mapping[str, Any] | None]
"""The status and the error of a request that fails; 0 if it is not asked."""


@dataclass
class Job:
    """A batch: its lines, and what became of them."""

    id: str
    lines: list[dict[str, Any]]
    body: dict[str, Any]
    status: str = "validating"
    done: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)


class BatchServer:
    """The script of a :class:`tests.server.Server` with the batch API of OpenAI.

    A batch advances at each look at it, and ends at the third. Chats have their ordinary answer.

    Attributes
    ----------
    waits : whether batches stay where they are.
    fails : says of a request (line, how often it was submitted) how it fails, if it does.
    expires : number of a batch -> how many of its requests are done before it expires.
    invalid : number of a batch -> why it is refused as a whole.
    edit : what is served in place of the content of a file of results.
    answer : the answer to the body of a request.
    lost : further batches that are created and not confirmed.
    submitted, paid : how often each request was submitted, and answered.
    """

    def __init__(self) -> None:
        self.waits = False
        self.fails: Callable[[dict[str, Any], int], Failure | None] = lambda line, tries: None
        self.expires: dict[int, int] = {}
        self.invalid: dict[int, str] = {}
        self.edit: Callable[[str, str], str] = lambda name, content: content
        self.lost = 0
        self.answer = answer
        self.files: dict[str, str] = {}
        self.removed: list[str] = []
        self.jobs: dict[str, Job] = {}
        self.submitted: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()

    def __call__(self, asked: Asked) -> Reply | None:
        path, _, query = asked.path.partition("?")
        parts = path.removeprefix("/v1").strip("/").split("/")
        if parts == ["files"]:
            return self._upload(asked)
        if parts[0] == "files" and asked.method == "DELETE":
            self.removed.append(parts[1])
            return Reply(body={"id": parts[1], "deleted": bool(self.files.pop(parts[1], None))})
        if parts[0] == "files":
            return Reply(body=self.edit(parts[1], self.files[parts[1]]).encode())
        return self.batch(asked, parts, query)

    def batch(self, asked: Asked, parts: list[str], query: str) -> Reply | None:
        """The reply to what is asked of batches; ``None`` if something else is."""
        if parts == ["batches"] and asked.method == "POST":
            return self._confirmed(self.create(self.files[asked.json["input_file_id"]], asked.json))
        if parts == ["batches"]:
            return Reply(body=self._page(query))
        if parts[0] != "batches":
            return None
        if parts[1] not in self.jobs:
            return Reply(404, error=f"No batch found with id '{parts[1]}'.")
        job = self.jobs[parts[1]]
        self.cancel(job) if parts[-1] == "cancel" else self.advance(job)
        return Reply(body=self.shown(job))

    def _confirmed(self, job: Job) -> Reply:
        if self.lost:
            self.lost -= 1
            return Reply(how="nothing")
        return Reply(body=self.shown(job))

    def _page(self, query: str) -> dict[str, Any]:
        """A page of the list of batches, the newest first."""
        values = dict(part.split("=") for part in query.split("&") if part)
        jobs = list(self.jobs.values())[::-1]
        ids = [job.id for job in jobs]
        first = ids.index(values["after"]) + 1 if "after" in values else 0
        last = first + min(int(values.get("limit", 20)), 100)
        data = [self.shown(job) for job in jobs[first:last]]
        return {"object": "list", "data": data, "has_more": last < len(jobs)}

    def _upload(self, asked: Asked) -> Reply:
        text = asked.body.decode()
        assert 'name="purpose"\r\n\r\nbatch\r\n' in text
        id = f"file-{len(self.files) + len(self.removed)}"
        self.files[id] = uploaded(text)
        return Reply(body={"id": id, "object": "file", "purpose": "batch"})

    def create(self, content: str, body: dict[str, Any]) -> Job:
        """Submit a batch."""
        lines = [json.loads(line) for line in content.splitlines()]
        job = Job(f"batch_{len(self.jobs)}", lines, body)
        names = [line["custom_id"] for line in job.lines]
        assert len(set(names)) == len(names)
        self.submitted.update(names)
        self.jobs[job.id] = job
        return job

    def advance(self, job: Job) -> None:
        """Go on with a batch."""
        number = list(self.jobs).index(job.id)
        if self.waits or job.status not in ("validating", "in_progress", "cancelling"):
            return
        if job.status == "validating":
            job.status = "failed" if number in self.invalid else "in_progress"
        elif job.status == "cancelling":
            self._work(job, len(job.lines) // 2, "cancelled")
        elif number in self.expires:
            self._work(job, self.expires[number], "expired")
        else:
            self._work(job, len(job.lines), "completed")

    def cancel(self, job: Job) -> None:
        """End a batch early; the first half of its requests is done."""
        if job.status in ("validating", "in_progress"):
            job.status = "cancelling"

    def _work(self, job: Job, most: int, ends: str) -> None:
        for line in job.lines[:most]:
            key = line["custom_id"]
            failure = self.fails(line, self.submitted[key])
            if failure is None:
                self.paid[key] += 1
                job.done[key] = self.answer(line["body"])
            else:
                job.failed[key] = failure
        for line in job.lines[most:]:
            why = {"code": f"batch_{ends}", "message": "This request could not be executed."}
            job.failed[line["custom_id"]] = (0, why)
        job.status = ends
        outputs = [self.output(key, 200, body) for key, body in job.done.items()]
        errors = [self.output(key, status, error) for key, (status, error) in job.failed.items()]
        for name, lines in ((f"{job.id}-output", outputs), (f"{job.id}-errors", errors)):
            if lines:
                self.files[name] = "".join(f"{json.dumps(line)}\n" for line in lines)

    def output(self, key: str, status: int, body: Any) -> dict[str, Any]:
        """A line of results."""
        response = {"status_code": status, "request_id": "r", "body": body}
        if status == 0:
            return {"id": "q", "custom_id": key, "response": None, "error": body}
        if status != 200:
            response["body"] = {"error": body}
        return {"id": "q", "custom_id": key, "response": response, "error": None}

    def shown(self, job: Job) -> dict[str, Any]:
        """A batch as the server shows it."""
        number = list(self.jobs).index(job.id)
        problem = {"code": "invalid", "message": self.invalid.get(number), "line": None}
        return {
            "id": job.id,
            "object": "batch",
            "endpoint": job.body.get("endpoint"),
            "errors": {"data": [problem]} if job.status == "failed" else None,
            "input_file_id": job.body.get("input_file_id"),
            "completion_window": job.body.get("completion_window"),
            "status": job.status,
            "output_file_id": self._file(f"{job.id}-output"),
            "error_file_id": self._file(f"{job.id}-errors"),
            "created_at": 0,
            "request_counts": {
                "total": len(job.lines),
                "completed": len(job.done),
                "failed": len(job.failed),
            },
            "metadata": job.body.get("metadata"),
        }

    def _file(self, name: str) -> str | None:
        return name if name in self.files else None


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """The ordinary answer."""
    return completion(f"Answer to: {body['messages'][-1]['content']}")


def uploaded(text: str) -> str:
    """The file in a form."""
    found = re.search(r'name="file"; filename=[^\r]*\r\n(?:[^\r]+\r\n)*\r\n(.*?)\r\n--', text, re.S)
    assert found
    return found[1]


MISTRAL_WORDS = {"validating": "QUEUED", "in_progress": "RUNNING", "completed": "SUCCESS",
                 "expired": "TIMEOUT_EXCEEDED", "cancelling": "CANCELLATION_REQUESTED",
                 "cancelled": "CANCELLED", "failed": "FAILED"}  # fmt: skip


class MistralServer(BatchServer):
    """The same with the jobs of Mistral."""

    def batch(self, asked: Asked, parts: list[str], query: str) -> Reply | None:
        if parts[:2] != ["batch", "jobs"]:
            return None
        if len(parts) == 2 and asked.method == "POST":
            assert all("model" not in line for line in self.files[asked.json["input_files"][0]])
            return self._confirmed(
                self.create(self.files[asked.json["input_files"][0]], asked.json)
            )
        if len(parts) == 2:
            page, size = (int(part.split("=")[1]) for part in sorted(query.split("&")))
            jobs = [self.shown(job) for job in self.jobs.values()][::-1]
            return Reply(body={"data": jobs[page * size : (page + 1) * size], "total": len(jobs)})
        job = self.jobs[parts[2]]
        self.cancel(job) if parts[-1] == "cancel" else self.advance(job)
        return Reply(body=self.shown(job))

    def shown(self, job: Job) -> dict[str, Any]:
        return {
            "id": job.id,
            "object": "batch",
            "input_files": job.body["input_files"],
            "endpoint": job.body["endpoint"],
            "model": job.body["model"],
            "metadata": job.body["metadata"],
            "output_file": self._file(f"{job.id}-output"),
            "error_file": self._file(f"{job.id}-errors"),
            "errors": [{"message": self.invalid[0], "count": 1}] if job.status == "failed" else [],
            "status": MISTRAL_WORDS[job.status],
            "created_at": 0,
            "total_requests": len(job.lines),
            "completed_requests": len(job.done) + len(job.failed),
            "succeeded_requests": len(job.done),
            "failed_requests": len(job.failed),
        }


class TogetherServer(BatchServer):
    """The same as Together has it."""

    def __call__(self, asked: Asked) -> Reply | None:
        if asked.path == "/v1/files/upload":
            text = asked.body.decode()
            assert 'name="purpose"\r\n\r\nbatch-api\r\n' in text
            assert 'name="file_name"\r\n\r\nsynthkit-' in text
            id = f"file-{len(self.files)}"
            self.files[id] = uploaded(text)
            return Reply(body={"id": id, "purpose": "batch-api", "filename": "x.jsonl"})
        return super().__call__(asked)

    def _page(self, query: str) -> Any:
        return [self.shown(job) for job in self.jobs.values()]

    def _confirmed(self, job: Job) -> Reply:
        reply = super()._confirmed(job)
        return reply if reply.body is None else Reply(201, body={"job": reply.body, "warning": ""})

    def shown(self, job: Job) -> dict[str, Any]:
        shown = super().shown(job)
        for name in ("metadata", "request_counts", "errors"):
            del shown[name]
        return shown | {"status": shown["status"].upper(), "progress": 10}


class AnthropicServer(BatchServer):
    """Message Batches of Anthropic."""

    ADDRESS = ("messages", "batches")

    def __call__(self, asked: Asked) -> Reply | None:
        path = asked.path.partition("?")[0]
        parts = path.removeprefix("/v1").strip("/").split("/")
        if tuple(parts[:2]) != self.ADDRESS:
            return None
        assert asked.headers["anthropic-version"] == "2023-06-01"
        assert asked.headers["x-api-key"].startswith("sk-")
        if len(parts) == 2 and asked.method == "POST":
            lines = "\n".join(json.dumps(line) for line in asked.json["requests"])
            return self._confirmed(self.create(lines, {}))
        if len(parts) == 2:
            jobs = [self.shown(job) for job in list(self.jobs.values())[::-1]]
            last = jobs[-1]["id"] if jobs else None
            return Reply(body={"data": jobs, "has_more": False, "last_id": last})
        job = self.jobs[parts[2]]
        if parts[-1] == "results":
            lines = [self.result(line["custom_id"], job) for line in job.lines]
            text = "".join(f"{json.dumps(line)}\n" for line in lines[::-1])
            return Reply(body=self.edit(job.id, text).encode())
        self.cancel(job) if parts[-1] == "cancel" else self.advance(job)
        return Reply(body=self.shown(job))

    def message(self, params: dict[str, Any]) -> dict[str, Any]:
        """The ordinary answer."""
        text = f"Answer to: {params['messages'][-1]['content']}"
        return {
            "type": "message",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 7, "output_tokens": 4},
        }

    def _work(self, job: Job, most: int, ends: str) -> None:
        for line in job.lines:
            line["body"] = line["params"]
        self.answer = self.message
        super()._work(job, most, ends)

    def result(self, key: str, job: Job) -> dict[str, Any]:
        """A line of the results."""
        if key in job.done:
            return {"custom_id": key, "result": {"type": "succeeded", "message": job.done[key]}}
        status, error = job.failed[key]
        if status == 0:
            kind = "expired" if job.status == "expired" else "canceled"
            return {"custom_id": key, "result": {"type": kind}}
        return {
            "custom_id": key,
            "result": {"type": "errored", "error": {"type": "error", "error": error}},
        }

    def shown(self, job: Job) -> dict[str, Any]:
        ended = job.status in ("completed", "expired", "cancelled")
        never = sum(status == 0 for status, _ in job.failed.values())
        counts = {
            "processing": 0 if ended else len(job.lines),
            "succeeded": len(job.done),
            "errored": len(job.failed) - never,
            "expired": never if job.status == "expired" else 0,
            "canceled": never if job.status == "cancelled" else 0,
        }
        words = {"cancelling": "canceling"}
        return {
            "id": job.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else words.get(job.status, "in_progress"),
            "request_counts": counts,
            "created_at": datetime.now(UTC).isoformat(),
            "results_url": f"https://elsewhere/{job.id}" if ended else None,
        }


class GeminiServer(BatchServer):
    """Batches of Gemini, with their requests inline."""

    words: Mapping[str, str] = MappingProxyType(
        {"validating": "PENDING", "in_progress": "RUNNING", "cancelling": "RUNNING"}
    )

    def __call__(self, asked: Asked) -> Reply | None:
        path = asked.path.partition("?")[0].removeprefix("/v1")
        if path == "/models/m:batchGenerateContent":
            batch = asked.json["batch"]
            requests = batch["input_config"]["requests"]["requests"]
            for each in requests:
                each["custom_id"] = each["metadata"]["key"]
            lines = "\n".join(map(json.dumps, requests))
            return self._confirmed(self.create(lines, {"name": batch["display_name"]}))
        if not path.startswith("/batches"):
            return None
        assert asked.headers["x-goog-api-key"].startswith("sk-")
        if path == "/batches":
            return Reply(body={"operations": [self.shown(job) for job in self.jobs.values()]})
        id, _, verb = path.removeprefix("/batches/").partition(":")
        job = self.jobs[id]
        if verb == "cancel":
            self.cancel(job)
            return Reply(body={})
        self.advance(job)
        return Reply(body=self.shown(job))

    def _work(self, job: Job, most: int, ends: str) -> None:
        for line in job.lines:
            contents = line["request"]["contents"]
            line["body"] = {"messages": [{"content": contents[-1]["parts"][0]["text"]}]}
        super()._work(job, most, ends)

    def inlined(self, line: dict[str, Any], job: Job) -> dict[str, Any]:
        """What became of a request."""
        key = line["custom_id"]
        if key in job.failed:
            status, error = job.failed[key]
            code = {0: 1, 400: 3, 529: 14}[status]
            return {"metadata": line["metadata"], "error": dict(error or {}) | {"code": code}}
        text = job.done[key]["choices"][0]["message"]["content"]
        candidate = {"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}
        usage = {"promptTokenCount": 7, "candidatesTokenCount": 4, "totalTokenCount": 11}
        response = {"candidates": [candidate], "usageMetadata": usage}
        return {"metadata": line["metadata"], "response": response}

    def shown(self, job: Job) -> dict[str, Any]:
        ended = job.status in ("completed", "expired", "cancelled")
        word = {"completed": "SUCCEEDED"}.get(job.status, job.status.upper())
        shown = {
            "name": f"batches/{job.id}",
            "metadata": {
                "displayName": job.body["name"],
                "state": f"BATCH_STATE_{self.words.get(job.status, word)}",
                "batchStats": {"requestCount": str(len(job.lines))},
            },
            "done": ended,
        }
        if ended and job.done:
            results = [self.inlined(line, job) for line in job.lines]
            shown["response"] = {"inlinedResponses": {"inlinedResponses": results}}
        return shown
