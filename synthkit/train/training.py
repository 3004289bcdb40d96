"""A training as one thing: named by its content, resumed after a kill, complete or not there."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from synthkit.core.environment import notice, warn
from synthkit.core.errors import Interrupted, ModelError, UsageError
from synthkit.core.extras import need, versions
from synthkit.core.files import read_json, scratch_folder, sweep, sync_folder
from synthkit.core.formatting import count
from synthkit.core.hashing import digest
from synthkit.data import row_files
from synthkit.models.hub import resolve
from synthkit.models.local.threads import CPUWatch
from synthkit.train import processes
from synthkit.train.differences import difference
from synthkit.train.examples import Examples
from synthkit.train.progress import Listener, Progress, callback, last_checkpoint, line, measured
from synthkit.train.settings import TrainSettings
from synthkit.train.setup import (
    best_kept,
    check_processes,
    common_arguments,
    device_name,
    limit_threads,
    spread_checkpoints,
    undisturbed,
)
from synthkit.train.trained import RECORD, Trained

FOLDER = Path(".synthkit/train")
"""Where trained models are kept, in the folder of the notebook's session."""
WHY = "to train a model"
PACKAGES = ("transformers", "torch", "accelerate", "bitsandbytes")
"""Those that each method uses."""
MODULES = {"scikit-learn": "sklearn"}
"""Package -> what is imported of it, where the names differ."""
FACTS = "facts.json"
"""The file among the checkpoints with what is known before the first step."""


class Method(Protocol):
    """A way to train: the base that it takes, its trainer, and what it makes."""

    @property
    def name(self) -> str:
        """What the record calls it."""

    @property
    def own(self) -> Mapping[str, Any]:
        """Settings of the method, which change the result."""

    @property
    def packages(self) -> Sequence[str]:
        """The packages that it needs beside transformers."""

    @property
    def together(self) -> bool:
        """Whether the loss compares the rows of a pass, so that it depends on their number."""

    @property
    def left_out(self) -> str:
        """Why its trainer may leave examples out."""

    @property
    def metric(self) -> str:
        """The measure of held-out rows by which the best checkpoint is chosen."""

    def find(self, training: Training) -> resolve.ModelSource:
        """The files of the base; an error if it cannot be trained so. Nothing is loaded."""

    def check_memory(self, training: Training, source: resolve.ModelSource) -> None:
        """Raise :class:`NotEnoughMemory` for a training that would not fit, by an estimate."""

    def micro_batch(self, device: str, settings: TrainSettings) -> int:
        """Rows in one pass; a step is one pass or more."""

    def trainer(
        self, training: Training, source: resolve.ModelSource, arguments: dict[str, Any]
    ) -> Any:
        """A trainer like that of transformers, with these arguments."""

    def save(self, trainer: Any, training: Training, folder: Path) -> None:
        """Write the result into a folder."""

    def complete(self, training: Training, checkpoint: Path) -> None:
        """Add to the folder of a checkpoint what a result has besides."""

    def result(self, folder: Path, record: dict[str, Any]) -> Any:
        """What was trained, from its folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training, before anything is loaded.

    Parameters
    ----------
    start : a trained adapter of the base, which is trained further; ``None`` for a new one.
    folder : of all trainings; each has a folder in it, named by its content.
    """

    method: Method
    base: str
    start: Trained | None
    examples: Examples
    held_out: Examples | None
    settings: TrainSettings
    folder: Path

    def run(self, listener: Listener | None = None) -> Any:
        """The result of the method, trained now unless that has been done.

        Raises
        ------
        NotEnoughMemory, ChatTemplateMissing, ModelNotFound
            Before weights are loaded.
        Interrupted
            After Ctrl-C; ``model`` of it is that of the last checkpoint.
        """
        if self.settings.patience and not self.held_out:
            raise UsageError("patience needs held_out=, the rows that say when to stop.")
        source = self.method.find(self)
        plan = self._plan(source)
        done = self.folder / plan["key"]
        if (done / RECORD).is_file():
            return self.method.result(done, _record(done))
        work = self.folder / f".{plan['key']}.checkpoints"
        with ExitStack() as stack:
            listener = listener or stack.enter_context(line())
            listener(Progress(0, 0, (), None))
            try:
                self._train_once(plan, source, work, listener)
            except KeyboardInterrupt as error:
                raise self._interrupted(work) from error
        return self.method.result(done, _record(done))

    def _train_once(
        self, plan: dict[str, Any], source: resolve.ModelSource, work: Path, listener: Listener
    ) -> None:
        """Train unless another process does the same now, which is waited for."""
        _check_packages(self.method.packages)
        check_processes(self.settings, self.method.micro_batch(device_name(), self.settings))
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / f".{plan['key']}.lock"):
            if not (self.folder / plan["key"] / RECORD).is_file():
                self.method.check_memory(self, source)
                self._train(plan, work, listener)

    def _plan(self, source: resolve.ModelSource) -> dict[str, Any]:
        """What the result depends on, and the key that is made of it."""
        identity = source.identity
        plan: dict[str, Any] = {
            "method": self.method.name,
            "base": {"spec": self.base, "name": source.name, "weights": identity.weights,
                     "template": identity.template},
            "settings": self.settings.record | dict(self.method.own) | self._processes,
            "rows": dict(self.examples.rows),
            "held_out": dict(self.held_out.rows) if self.held_out else {},
        }  # fmt: skip
        named = plan | {"base": [identity.weights, identity.template]}
        if self.start:
            plan["base"]["adapter"] = named["adapter"] = self.start.adapter
        return {"key": digest(named)[:16], **plan}

    @property
    def _processes(self) -> dict[str, int]:
        """The number of processes, if the result depends on it.

        Several processes fill up the last step of an epoch with rows of the first.
        """
        settings = self.settings
        uneven = len(self.examples.cells) % settings.batch_size
        if settings.processes > 1 and (self.method.together or settings.dropout or uneven):
            return {"processes": settings.processes}
        return {}

    def _train(self, plan: dict[str, Any], work: Path, listener: Listener) -> None:
        sweep(self.folder)
        work.mkdir(exist_ok=True)
        checkpoint = last_checkpoint(work)
        for path in work.glob("checkpoint-*"):  # those that a kill left incomplete
            if path != checkpoint and (checkpoint is None or _step(path) > _step(checkpoint)):
                shutil.rmtree(path)
        if checkpoint:
            notice(f"Going on from the checkpoint of step {_step(checkpoint)}.")
        elif message := difference(plan, self.folder):
            notice(message)
        if self.settings.processes > 1:
            processes.launch(self, work, listener)
        else:
            self.fit(work, listener, warn)
        sync_folder(self.folder)
        shutil.rmtree(work, ignore_errors=True)

    def fit(self, work: Path, listener: Listener, say: Callable[[str], None]) -> None:
        """Train in this process, which may be one of several, and write the result.

        Parameters
        ----------
        work : the folder of checkpoints.
        say : called with a warning.
        """
        source = self.method.find(self)
        plan = self._plan(source)
        done = self.folder / plan["key"]
        checkpoint = last_checkpoint(work)
        watch = CPUWatch()
        with undisturbed():
            trainer, tell = self._trainer(source, work, listener, checkpoint)
            limit_threads(watch.free())
            left_out = len(self.examples.cells) - len(trainer.train_dataset)
            facts = {**plan, "left_out": left_out, "device": _machine(self.settings.processes)}
            facts["examples_held_out"] = len(trainer.eval_dataset or ())
            facts["versions"] = versions((*PACKAGES, *self.method.packages))
            if trainer.is_world_process_zero():
                _write(work / FACTS, facts)
                if left_out:
                    say(
                        f"{count(left_out, 'example')} of {len(self.examples.cells)} left out: "
                        f"{self.method.left_out}."
                    )
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            if not trainer.is_world_process_zero():
                return
            facts |= _outcome(trainer, tell, work)
            with scratch_folder(self.folder) as made:
                self.method.save(trainer, self, made)
                _write(made / RECORD, facts)
                shutil.rmtree(done, ignore_errors=True)
                made.rename(done)

    def _trainer(
        self, source: resolve.ModelSource, work: Path, listener: Listener, checkpoint: Path | None
    ) -> tuple[Any, Any]:
        """The trainer, and the callback that tells the listener."""
        import torch
        import transformers
        from transformers.trainer_callback import PrinterCallback

        settings, device = self.settings, device_name()
        torch.manual_seed(settings.seed)
        tell = callback(transformers, listener, checkpoint)
        micro = self.method.micro_batch(device, settings)
        arguments = common_arguments(settings, work, device, micro)
        if self.held_out:
            arguments |= {"eval_strategy": "steps", "eval_on_start": checkpoint is None}
        if settings.patience:
            arguments |= best_kept(self.method.metric)
        trainer = self.method.trainer(self, source, arguments)
        if settings.checkpoint_every is None:
            repeated = getattr(trainer.args, "num_generations", 1)  # of each prompt, by grpo
            spread_checkpoints(trainer.args, len(trainer.train_dataset) * repeated)
        trainer.args.eval_steps = trainer.args.save_steps
        trainer.add_callback(tell)
        if settings.patience:
            trainer.add_callback(transformers.EarlyStoppingCallback(settings.patience))
        trainer.remove_callback(PrinterCallback)  # it prints a dict at each step
        return trainer, tell

    def _interrupted(self, work: Path) -> Interrupted:
        """The interrupt, with the model of the last checkpoint, if there is one."""
        checkpoint, facts = last_checkpoint(work), read_json(work / FACTS)
        if checkpoint is None or facts is None:
            return Interrupted("Stopped before the first checkpoint; nothing is kept.")
        state = read_json(checkpoint / "trainer_state.json") or {}
        facts |= {"steps": state.get("global_step"), "log": measured(state.get("log_history", []))}
        facts |= {"key": f"{facts['key']} step {facts['steps']}", "complete": False}
        self.method.complete(self, checkpoint)
        _write(checkpoint / RECORD, facts)
        error = Interrupted(
            f"Stopped; the checkpoint of step {facts['steps']} is kept. Run it again to go on."
        )
        error.model = self.method.result(checkpoint, facts)
        return error


def train(
    method: Method,
    examples: Examples,
    convert: Callable[[Any], Examples],
    held_out: Any,
    base: str,
    settings: TrainSettings,
    folder: Path | str,
    listener: Listener | None,
    start: Trained | None = None,
) -> Any:
    """What a method trains on examples; ``convert`` makes examples of the held-out rows."""
    training = Training(
        method=method,
        base=base,
        start=start,
        examples=examples,
        held_out=None if held_out is None else convert(row_files.opened(held_out)),
        settings=settings,
        folder=Path(folder).expanduser().absolute(),
    )
    return training.run(listener)


def _check_packages(packages: Sequence[str]) -> None:
    for module in ("torch", "transformers"):
        need(module, extra="train", why=WHY)
    from synthkit.models.transformers.loading import quiet

    with quiet():
        for package in packages:
            module = MODULES.get(package, package.replace("-", "_"))
            need(module, extra="train", why=WHY)


def _outcome(trainer: Any, tell: Any, work: Path) -> dict[str, Any]:
    log = measured(trainer.state.log_history)
    losses = [entry["loss"] for entry in log if "loss" in entry]
    if not all(loss == loss and abs(loss) < float("inf") for loss in losses):
        shutil.rmtree(work, ignore_errors=True)
        raise ModelError(
            "the loss is not finite, so the model is not kept. Use a lower learning_rate than "
            f"{trainer.args.learning_rate:g}."
        )
    best = (
        {"best_step": trainer.state.best_global_step} if trainer.args.load_best_model_at_end else {}
    )
    return {"steps": trainer.state.global_step, **best, "seconds": tell.seconds, "log": log}


def _write(path: Path, record: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")


def _record(folder: Path) -> dict[str, Any]:
    record = read_json(folder / RECORD)
    if record is None:
        raise ModelError(f"{folder / RECORD} cannot be read. Delete that folder to train again.")
    return record


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.partition("-")[2])


def _machine(processes: int) -> str:
    import torch

    several = f", {processes} processes" if processes > 1 else ""
    if device_name() == "cuda":
        return f"{torch.cuda.get_device_name()}{several}"
    return f"CPU ({platform.machine()}), {count(torch.get_num_threads(), 'thread')}{several}"
