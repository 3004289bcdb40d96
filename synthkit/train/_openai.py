"""Fine-tuning of hosted models, by the jobs of OpenAI's interface."""

from __future__ import annotations

import inspect
import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from synthkit.core.environment import notice
from synthkit.core.errors import (
    Interrupted,
    ModelError,
    TableError,
    UsageError,
    check_known,
    check_numbers,
    check_positive,
)
from synthkit.core.extras import versions
from synthkit.core.files import read_json, replacing, scratch_folder, sync_folder
from synthkit.core.formatting import count
from synthkit.core.hashing import digest
from synthkit.data import row_files
from synthkit.models.openai import sdk
from synthkit.models.openai.providers import PROVIDERS
from synthkit.models.openai.server import Server, connect
from synthkit.train import examples
from synthkit.train.differences import difference
from synthkit.train.examples import Examples
from synthkit.train.hosted import HostedModel, hosted
from synthkit.train.progress import Listener, Progress, line
from synthkit.train.trained import RECORD
from synthkit.train.training import FOLDER

LEAST = 10
"""Examples below which OpenAI refuses a file."""
FILES = "openai_files.json"
"""The file with what was uploaded: hash of the content and the address -> id of the file."""


def openai(
    rows: Any,
    *,
    base: str | HostedModel,
    held_out: Any = None,
    prompt: str = "prompt",
    completion: str = "completion",
    messages: str = "messages",
    epochs: float | None = None,
    batch_size: int | None = None,
    rate_multiplier: float | None = None,
    seed: int = 0,
    suffix: str | None = None,
    price: float | None = None,
    poll_seconds: float = 10.0,
    folder: Path | str = FOLDER,
    listener: Listener | None = None,
    **server: Any,
) -> HostedModel:
    """A hosted model fine-tuned to answer prompts as the rows do, by a server's fine-tuning jobs.

    The rows are uploaded as chats, once for the same content, and a job is started and waited for.
    If the process is killed, or after Ctrl-C, the same call waits for the same job. The same rows
    in any order, base, and options give the model that was trained before. No key is stored.

    Parameters
    ----------
    rows : a table of any kind, or files, with 10 examples or more; they are sent to the server.
    base : ``"openai:NAME"``, or a provider of :data:`~synthkit.models.openai.providers.PROVIDERS`
        and a name; or a model that was trained by this function.
    held_out : rows whose loss the server measures on the way.
    prompt, completion, messages : names of columns, as for :func:`sft`.
    epochs, batch_size, rate_multiplier : passes over the rows, rows in one step, and the factor of
        the server's learning rate; the server chooses those that are ``None``.
    seed : of the job; servers do not promise the same model for the same seed.
    suffix : a part of the name of the model.
    price : US dollars per million trained tokens, for the cost in the record.
    poll_seconds : between two looks at the job.
    folder : of all trained models; by default in the folder of the notebook's session.
    listener : called with a :class:`~synthkit.train.progress.Progress` after each look.
    server : options of :func:`synthkit.models.openai.server.connect`, such as ``base_url``,
        ``api_key_env`` or ``ask_key``.

    Raises
    ------
    TableError
        If a column is missing, a cell is not a text, or there are fewer than 10 examples.
    UsageError
        If an option is unknown or out of its range, or a key is needed and missing.
    EndpointError
        If the server refuses a file or a job, or cannot be reached.
    ModelError
        If the job fails or is cancelled.
    Interrupted
        After Ctrl-C; the job goes on.

    References
    ----------
    OpenAI, API reference: files, fine-tuning jobs.

    Examples
    --------
    >>> model = openai(rows, base="openai:gpt-4.1-mini-2025-04-14")  # doctest: +SKIP
    >>> model.name, model.record["trained_tokens"]  # doctest: +SKIP
    ('ft:gpt-4.1-mini-2025-04-14:me::AbC', 12800)
    """
    check_numbers(epochs=epochs, rate_multiplier=rate_multiplier, poll_seconds=poll_seconds)
    if epochs is not None and (epochs < 1 or epochs != int(epochs)):
        raise UsageError(f"epochs must be a whole number, 1 or more; got {epochs}.")
    check_positive(batch_size=batch_size)
    for name, value in {"rate_multiplier": rate_multiplier, "poll_seconds": poll_seconds}.items():
        if value is not None and not value > 0:
            raise UsageError(f"{name} must be above 0; got {value}.")
    check_known("option", server, inspect.signature(connect).parameters)
    convert = partial(
        examples.completions, raw=False, prompt=prompt, completion=completion, messages=messages
    )
    found = convert(row_files.opened(rows))
    if len(found.cells) < LEAST:
        raise TableError(
            f"expected {LEAST} examples or more, as OpenAI does; got {len(found.cells)}."
        )
    connected, name = _connected(base, server)
    hyperparameters = {
        "n_epochs": epochs and int(epochs),
        "batch_size": batch_size,
        "learning_rate_multiplier": rate_multiplier,
    }
    job = FineTuningJob(
        server=connected,
        name=name,
        examples=found,
        held_out=None if held_out is None else convert(row_files.opened(held_out)),
        hyperparameters={key: value for key, value in hyperparameters.items() if value is not None},
        seed=seed,
        suffix=suffix,
        key_env=server.get("api_key_env"),
        folder=Path(folder).expanduser().absolute(),
    )
    return job.run(poll_seconds, price, listener)


def _connected(base: str | HostedModel, options: dict[str, Any]) -> tuple[Server, str]:
    """The server of a base, and the base's name there."""
    if not isinstance(base, str):
        return (connect(**options) if options else base.server), base.name
    scheme, _, name = base.partition(":")
    check_known("server", scheme, ["openai", *PROVIDERS])
    if not name:
        raise UsageError(f"expected a base such as 'openai:gpt-4.1-mini-2025-04-14'; got {base!r}.")
    if scheme != "openai":
        options = {"provider": scheme} | options
    return connect(**options), name


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuningJob:
    """A fine-tuning job, before or after it is started.

    Parameters
    ----------
    name : of the base on the server.
    key_env : the environment variable that has the key, if one was named.
    """

    server: Server
    name: str
    examples: Examples
    held_out: Examples | None
    hyperparameters: dict[str, Any]
    seed: int
    suffix: str | None
    key_env: str | None
    folder: Path

    def run(
        self, poll_seconds: float, price: float | None, listener: Listener | None
    ) -> HostedModel:
        """The trained model, of a job that ended, runs, or is started now."""
        from filelock import FileLock

        plan = self._plan()
        done = self.folder / plan["key"]
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / f".{plan['key']}.lock"):
            if (record := read_json(done / RECORD)) is None:
                if message := difference(plan, self.folder):
                    notice(message)
                with line() as shown, sdk.refusals(self.server):
                    record = plan | self._ended(plan["key"], poll_seconds, listener or shown)
                if price is not None and record["trained_tokens"]:
                    record["cost"] = record["trained_tokens"] * price / 1e6
                with scratch_folder(self.folder) as made:
                    text = json.dumps(record, ensure_ascii=False, indent=1)
                    (made / RECORD).write_text(text, encoding="utf-8")
                    made.rename(done)
                sync_folder(self.folder)
                self._state(plan["key"]).unlink(missing_ok=True)
        return hosted(done, record, self.server)

    def _plan(self) -> dict[str, Any]:
        """What the job depends on, and the key that is made of it."""
        plan: dict[str, Any] = {
            "method": "openai",
            "base": {"spec": f"openai:{self.name}", "name": self.name, "template": "",
                     "weights": f"{self.server.base_url} {self.name}"},
            "settings": {"seed": self.seed, "suffix": self.suffix} | self.hyperparameters,
            "rows": dict(self.examples.rows),
            "held_out": dict(self.held_out.rows) if self.held_out else {},
        }  # fmt: skip
        key = digest(plan)[:16]
        return {"key": key, **plan, "base_url": self.server.base_url, "api_key_env": self.key_env}

    def _state(self, key: str) -> Path:
        return self.folder / f".{key}.job.json"

    def _ended(self, key: str, poll_seconds: float, listener: Listener) -> dict[str, Any]:
        """What is known of the job when it has succeeded."""
        with sdk.client(self.server) as client:
            job = self._started(client, key)
            events = JobEvents(client, job.id, listener)
            try:
                while job.status not in ("succeeded", "failed", "cancelled"):
                    events.tell(job)
                    time.sleep(poll_seconds)
                    job = sdk.patient(partial(client.fine_tuning.jobs.retrieve, job.id), job)
                events.tell(job)
            except KeyboardInterrupt as error:
                raise Interrupted(
                    f"Stopped waiting; the job {job.id} goes on at {self.server.base_url}. Run it "
                    "again to wait for it."
                ) from error
        if job.status != "succeeded" or not job.fine_tuned_model:
            self._state(key).unlink(missing_ok=True)  # the next call starts a new one
            reason = getattr(job.error, "message", None) or "the server gives no reason"
            raise ModelError(
                f"the fine-tuning job {job.id} {job.status}: {self.server.redact(reason)}"
            )
        return {
            "job": job.id,
            "model": job.fine_tuned_model,
            "trained_tokens": job.trained_tokens,
            "hyperparameters": job.hyperparameters.model_dump(),
            "device": self.server.base_url,
            "seconds": (job.finished_at or job.created_at) - job.created_at,
            "steps": events.log[-1]["step"] if events.log else None,
            "log": events.log,
            "versions": versions(["openai"]),
        }

    def _started(self, client: Any, key: str) -> Any:
        """The job of this key, started now if there is none."""
        import openai as library

        state = read_json(self._state(key)) or {}
        if "job" in state:
            try:
                return client.fine_tuning.jobs.retrieve(state["job"])
            except library.NotFoundError:
                state = {}
        files = {"training_file": self._uploaded(client, self.examples)}
        if self.held_out:
            files["validation_file"] = self._uploaded(client, self.held_out)
        job = None
        if state:  # a process was killed while it started the job
            named = (each for each in client.fine_tuning.jobs.list(limit=100))
            job = next((each for each in named if (each.metadata or {}).get("key") == key), None)
        if job is None:
            self._keep(key, {"starting": True})
            options = {"suffix": self.suffix} if self.suffix else {}
            job = client.fine_tuning.jobs.create(
                model=self.name,
                **files,
                method={
                    "type": "supervised",
                    "supervised": {"hyperparameters": self.hyperparameters},
                },
                seed=self.seed,
                metadata={"key": key},
                **options,
            )
        self._keep(key, {"job": job.id})
        return job

    def _keep(self, key: str, state: dict[str, Any]) -> None:
        with replacing(self._state(key)) as file:
            file.write_text(json.dumps(state))

    def _uploaded(self, client: Any, found: Examples) -> str:
        """The id of the file with these examples, uploaded unless that was done."""
        import openai as library

        lines = (
            json.dumps({"messages": example["prompt"] + example["completion"]}, ensure_ascii=False)
            for example in found.cells
        )
        content = "".join(f"{text}\n" for text in lines).encode()
        name = digest([self.server.base_url, content.decode()])[:16]
        known = read_json(self.folder / FILES) or {}
        if name in known:
            try:
                return str(client.files.retrieve(known[name]).id)
            except library.NotFoundError:
                pass
        notice(
            f"Uploading {count(len(found.cells), 'example')} ({len(content):,} bytes) to "
            f"{self.server.base_url}."
        )
        file = client.files.create(file=(f"{name}.jsonl", content), purpose="fine-tune")
        with replacing(self.folder / FILES) as path:
            path.write_text(json.dumps(known | {name: file.id}))
        return str(file.id)


class JobEvents:
    """What a job's events say of its steps; tells the listener."""

    def __init__(self, client: Any, job: str, listener: Listener) -> None:
        self.client, self.job, self.listener = client, job, listener
        self.log: list[dict[str, Any]] = []
        self._steps = 0
        self._seen: set[str] = set()

    def tell(self, job: Any) -> None:
        """Read new events, and tell the listener of them."""
        events: Any = partial(self.client.fine_tuning.jobs.list_events, self.job, limit=100)
        entries = []
        for event in sdk.patient(events, ()):  # the newest first
            if event.id in self._seen:
                break
            self._seen.add(event.id)
            data = event.data if isinstance(event.data, dict) else {}
            self._steps = max(self._steps, int(data.get("total_steps") or 0))
            losses = {"loss": data.get("train_loss"), "eval_loss": data.get("valid_loss")}
            measured = {name: value for name, value in losses.items() if value is not None}
            if "step" in data and measured:
                entries.append({"step": int(data["step"]), **measured})
        self.log += entries[::-1]
        step = self.log[-1]["step"] if self.log else 0
        left = None
        if job.estimated_finish and job.status == "running":
            left = max(0.0, job.estimated_finish - time.time())
        self.listener(Progress(step, max(self._steps, step), list(self.log), left))
