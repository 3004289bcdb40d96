"""A training as one thing: named by its content, resumed after a kill, complete or not there."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from synthkit.core.environment import notices, warn
from synthkit.core.errors import Interrupted, ModelError
from synthkit.core.extras import need, versions
from synthkit.core.files import read_json, scratch_folder, sweep, sync_folder
from synthkit.core.formatting import count
from synthkit.core.hashing import digest
from synthkit.models.hub import resolve
from synthkit.models.local import memory
from synthkit.models.local.chat_template import check_present
from synthkit.train.differences import difference
from synthkit.train.examples import Examples
from synthkit.train.progress import Listener, callback, last_checkpoint, line, measured
from synthkit.train.settings import TrainSettings
from synthkit.train.setup import (
    adapter_config,
    common_arguments,
    device_name,
    further,
    loaded,
    spread_checkpoints,
    undisturbed,
)
from synthkit.train.trained import RECORD, TrainedModel

FOLDER = Path(".synthkit/train")
"""Where trained models are kept, in the folder of the notebook's session."""
WHY = "to train a model"
ADAPTER = "adapter_config.json"
LIBRARIES = 900_000_000
"""Bytes of torch, transformers and trl, beside the weights."""
PACKAGES = ("trl", "peft", "transformers", "torch", "accelerate", "bitsandbytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way to train: a trainer of trl and its own settings.

    Parameters
    ----------
    trainer : name of a class of trl, and of its configuration without ``Config``.
    own : settings of the method, which change the result.
    copies : of the weights in memory; two if the method needs a frozen reference.
    parts : rows that are read at once for each example.
    together : whether the rows of a step are read in one pass, since the loss compares them.
    """

    name: str
    trainer: str
    own: Mapping[str, Any]
    copies: int = 1
    parts: int = 1
    together: bool = False

    def micro_batch(self, device: str, settings: TrainSettings) -> int:
        """Rows in one pass: few on a CPU, which gains little from more, and has less memory."""
        most = settings.batch_size if self.together else 2 if device == "cpu" else 8
        sizes = range(min(most, settings.batch_size), 0, -1)
        return next(n for n in sizes if settings.batch_size % n == 0)


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
    start: TrainedModel | None
    examples: Examples
    held_out: Examples | None
    settings: TrainSettings
    folder: Path

    def run(self, listener: Listener | None = None) -> TrainedModel:
        """The trained model, trained now unless that has been done.

        Raises
        ------
        NotEnoughMemory, ChatTemplateMissing, ModelNotFound
            Before weights are loaded.
        Interrupted
            After Ctrl-C; ``model`` of it is that of the last checkpoint.
        """
        source = resolve.find(self.base)
        if not self.settings.raw:
            check_present(self.base, source.identity.template)
        plan = self._plan(source)
        done = self.folder / plan["key"]
        if (done / RECORD).is_file():
            return TrainedModel(done, _record(done))
        _check_packages()
        from filelock import FileLock

        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / f".{plan['key']}.lock"):
            if not (done / RECORD).is_file():
                self._check_memory(source)
                if message := difference(plan, self.folder):
                    print(message, file=notices())
                self._train(plan, source, done, listener)
        return TrainedModel(done, _record(done))

    def _plan(self, source: resolve.ModelSource) -> dict[str, Any]:
        """What the result depends on, and the key that is made of it."""
        identity = source.identity
        plan: dict[str, Any] = {
            "method": self.method.name,
            "base": {"spec": self.base, "name": source.name, "weights": identity.weights,
                     "template": identity.template},
            "settings": self.settings.record | dict(self.method.own),
            "rows": dict(self.examples.rows),
            "held_out": dict(self.held_out.rows) if self.held_out else {},
        }  # fmt: skip
        named = plan | {"base": [identity.weights, identity.template]}
        if self.start:
            plan["base"]["adapter"] = named["adapter"] = self.start.adapter
        return {"key": digest(named)[:16], **plan}

    def _check_memory(self, source: resolve.ModelSource) -> None:
        """Refuse a training that would not fit into memory, by an estimate."""
        device = device_name()
        needed = self.bytes_needed(source, device)
        if device == "cuda":
            free: memory.Memory | None = None
            if total := memory.cuda_bytes():
                free = memory.Memory(total, total, "the GPU")
        else:
            free = memory.of_process()
        advice = (
            "Use quantize='nf4', shorter rows (max_tokens) or a smaller base."
            if self.settings.rank
            else "Train an adapter (leave out rank=None), or use a smaller base."
        )
        memory.preflight(f"training {source.name}", needed, free, advice)

    def bytes_needed(self, source: resolve.ModelSource, device: str) -> int:
        """An estimate: libraries, weights, what is trained (16 bytes each), and activations.

        Activations are those of the longest rows in one pass, recomputed layer by layer.
        """
        settings = self.settings
        parameters = source.identity.size // 2
        width = 4 if device == "cpu" or settings.rank is None else 2
        each = 2 * memory.SHARES["nf4"] if settings.quantize == "nf4" else width
        copies = 1 if settings.rank else self.method.copies
        # an adapter of rank 16 on all layers has 2 to 4 % of the weights of a small model
        trained = parameters * min(settings.rank / 400, 1) if settings.rank else parameters
        trained_bytes = 12 if settings.rank is None else 16  # weights are counted already
        tokens = min(settings.max_tokens, self.examples.longest)
        activations = (
            self.method.micro_batch(device, settings) * self.method.parts * tokens * 400_000
        )
        spare = LIBRARIES if device == "cpu" else memory.SPARE
        return int(spare + parameters * each * copies + trained * trained_bytes + activations)

    def _train(
        self, plan: dict[str, Any], source: resolve.ModelSource, done: Path, listener: Any
    ) -> None:
        work = self.folder / f".{plan['key']}.checkpoints"
        sweep(self.folder)
        checkpoint = last_checkpoint(work)
        for path in work.glob("checkpoint-*"):  # those that a kill left incomplete
            if path != checkpoint and (checkpoint is None or _step(path) > _step(checkpoint)):
                shutil.rmtree(path)
        with ExitStack() as stack:
            if listener is None:
                listener = stack.enter_context(line())
            stack.enter_context(undisturbed())
            trainer, tell = self._trainer(source, work, listener, checkpoint)
            left_out = len(self.examples.cells) - len(trainer.train_dataset)
            if left_out:
                warn(
                    f"{count(left_out, 'example')} of {len(self.examples.cells)} left out: the "
                    f"prompt alone has max_tokens={self.settings.max_tokens} or more."
                )
            facts = {**plan, "left_out": left_out, "device": _machine()}
            facts["versions"] = versions(PACKAGES)
            try:
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            except KeyboardInterrupt as error:
                raise self._interrupted(facts, work) from error
            facts |= _outcome(trainer, tell, work)
            with scratch_folder(self.folder) as made:
                _save(trainer, made, self.base)
                _write(made, facts)
                shutil.rmtree(done, ignore_errors=True)
                made.rename(done)
        sync_folder(self.folder)
        shutil.rmtree(work, ignore_errors=True)

    def _trainer(
        self, source: resolve.ModelSource, work: Path, listener: Listener, checkpoint: Path | None
    ) -> tuple[Any, Any]:
        """The trainer of trl, and the callback that tells the listener."""
        import datasets
        import torch
        import transformers
        import trl
        from transformers.trainer_callback import PrinterCallback

        settings, device = self.settings, device_name()
        torch.manual_seed(settings.seed)
        tokenizer, net = loaded(self.base, source, settings, device)
        if self.start:
            net = further(net, self.start.folder)
        tell = callback(transformers, listener, checkpoint)
        arguments = getattr(trl, f"{self.method.trainer}Config")(
            **common_arguments(settings, work, device, self.method.micro_batch(device, settings)),
            **({"eval_strategy": "steps", "eval_on_start": checkpoint is None}
               if self.held_out else {}),
            **self.method.own,
        )  # fmt: skip
        if settings.checkpoint_every is None:
            spread_checkpoints(arguments, len(self.examples.cells))
        arguments.eval_steps = arguments.save_steps
        held_out = self.held_out
        trainer = getattr(trl, f"{self.method.trainer}Trainer")(
            model=net,
            args=arguments,
            train_dataset=datasets.Dataset.from_list(list(self.examples.cells)),
            eval_dataset=datasets.Dataset.from_list(list(held_out.cells)) if held_out else None,
            processing_class=tokenizer,
            peft_config=None if self.start else adapter_config(settings),
            callbacks=[tell],
        )
        trainer.remove_callback(PrinterCallback)  # it prints a dict at each step
        return trainer, tell

    def _interrupted(self, facts: dict[str, Any], work: Path) -> Interrupted:
        """The interrupt, with the model of the last checkpoint, if there is one."""
        checkpoint = last_checkpoint(work)
        if checkpoint is None:
            return Interrupted("Stopped before the first checkpoint; nothing is kept.")
        state = read_json(checkpoint / "trainer_state.json") or {}
        facts |= {"steps": state.get("global_step"), "log": measured(state.get("log_history", []))}
        facts |= {"key": f"{facts['key']} step {facts['steps']}", "complete": False}
        _write(checkpoint, facts)
        error = Interrupted(
            f"Stopped; the checkpoint of step {facts['steps']} is kept. Run it again to go on."
        )
        error.model = TrainedModel(checkpoint, facts)
        return error


def trained(
    method: Method,
    convert: Callable[..., Examples],
    rows: Any,
    held_out: Any,
    base: str | TrainedModel,
    settings: TrainSettings,
    folder: Path | str,
    listener: Listener | None,
) -> TrainedModel:
    """The model that a method trains on rows, which ``convert`` makes examples of."""
    spec, start = (base, None) if isinstance(base, str) else (base.spec, base)
    if start is not None:
        settings = start.kept(settings)
        start = start if settings.rank else None  # else its folder is a base like any other
    convert = partial(convert, raw=settings.raw)
    training = Training(
        method=method,
        base=spec,
        start=start,
        examples=convert(rows),
        held_out=None if held_out is None else convert(held_out),
        settings=settings,
        folder=Path(folder).expanduser().absolute(),
    )
    return training.run(listener)


def _check_packages() -> None:
    for module in ("torch", "transformers"):
        need(module, extra="train", why=WHY)
    from synthkit.models.transformers.loading import quiet

    with quiet():
        for module in ("peft", "datasets", "trl"):
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
    return {"steps": trainer.state.global_step, "seconds": tell.seconds, "log": log}


def _save(trainer: Any, folder: Path, base: str) -> None:
    # beside the adapter, dpo may have a frozen one as its reference
    chosen = {"selected_adapters": ["default"]} if hasattr(trainer.model, "peft_config") else {}
    trainer.model.save_pretrained(folder, **chosen)
    trainer.processing_class.save_pretrained(folder)
    if adapter := read_json(folder / ADAPTER):
        adapter["base_model_name_or_path"] = base  # and not a path of this machine
        (folder / ADAPTER).write_text(json.dumps(adapter, indent=1))


def _write(folder: Path, record: Mapping[str, Any]) -> None:
    text = json.dumps(record, ensure_ascii=False, indent=1)
    (folder / RECORD).write_text(text, encoding="utf-8")


def _record(folder: Path) -> dict[str, Any]:
    record = read_json(folder / RECORD)
    if record is None:
        raise ModelError(f"{folder / RECORD} cannot be read. Delete that folder to train again.")
    return record


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.partition("-")[2])


def _machine() -> str:
    import torch

    if device_name() == "cuda":
        return str(torch.cuda.get_device_name())
    return f"CPU ({platform.machine()}), {count(torch.get_num_threads(), 'thread')}"
