"""Methods of trl: a language model, by an adapter or as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from synthkit.core.errors import UsageError
from synthkit.core.files import read_json
from synthkit.models.hub import resolve
from synthkit.models.local import memory
from synthkit.models.local.chat_template import check_present
from synthkit.train.examples import Examples
from synthkit.train.progress import Listener
from synthkit.train.settings import TrainSettings
from synthkit.train.setup import (
    ACTIVATIONS,
    LIBRARIES,
    adapter_config,
    check_memory,
    device_name,
    further,
    loaded,
)
from synthkit.train.tokenizer import reading_as_text
from synthkit.train.trained import TrainedModel
from synthkit.train.training import Training

ADAPTER = "adapter_config.json"
KEPT = 500_000_000
"""Most bytes of activations that are kept between passes; more are computed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrlMethod:
    """A trainer of trl and its own settings; a :class:`~synthkit.train.training.Method`.

    Parameters
    ----------
    trainer_name : name of a class of trl without ``Trainer``, and of its configuration without
        ``Config``.
    own : settings of the method, which change the result.
    copies : of the weights in memory; two if the method needs a frozen reference.
    parts : rows that are read at once for each example.
    together : whether the rows of a step are read in one pass, since the loss compares them.
    """

    name: str
    trainer_name: str
    own: Mapping[str, Any]
    copies: int = 1
    parts: int = 1
    together: bool = False
    packages: ClassVar = ("peft", "datasets", "trl")
    left_out: ClassVar = "the prompt alone has max_tokens or more"

    def find(self, training: Training) -> resolve.ModelSource:
        """The files of the base, which has a chat template unless texts are raw."""
        source = resolve.find(training.base)
        if not training.settings.raw:
            check_present(training.base, source.identity.template)
        return source

    def micro_batch(self, device: str, settings: TrainSettings) -> int:
        """Rows in one pass: few on a CPU, which gains little from more, and has less memory."""
        share = max(1, settings.batch_size // settings.processes)
        most = share if self.together else 2 if device == "cpu" else 8
        return next(n for n in range(min(most, share), 0, -1) if share % n == 0)

    def check_memory(self, training: Training, source: resolve.ModelSource) -> None:
        """Refuse a training that would not fit into memory, by an estimate."""
        advice = (
            "Use quantize='nf4', shorter rows (max_tokens) or a smaller base."
            if training.settings.rank
            else "Train an adapter (leave out rank=None), or use a smaller base."
        )
        check_memory(source, self.bytes_needed(training, source, device_name()), advice)

    def bytes_needed(self, training: Training, source: resolve.ModelSource, device: str) -> int:
        """An estimate: libraries, weights, what is trained (16 bytes each), and activations.

        Activations are those of the longest rows in one pass, recomputed layer by layer.
        """
        settings = training.settings
        parameters = source.identity.size // 2
        width = 4 if device == "cpu" or settings.rank is None else 2
        each = 2 * memory.SHARES["nf4"] if settings.quantize == "nf4" else width
        copies = 1 if settings.rank else self.copies
        # an adapter of rank 16 on all layers has 2 to 4 % of the weights of a small model
        trained = parameters * min(settings.rank / 400, 1) if settings.rank else parameters
        trained_bytes = 12 if settings.rank is None else 16  # weights are counted already
        tokens = min(settings.max_tokens, training.examples.longest)
        activations = self.micro_batch(device, settings) * self.parts * tokens * ACTIVATIONS
        spare = LIBRARIES if device == "cpu" else memory.SPARE
        needed = spare + parameters * each * copies + trained * trained_bytes + activations
        return int(needed * (settings.processes if device == "cpu" else 1))

    def trainer(
        self, training: Training, source: resolve.ModelSource, arguments: dict[str, Any]
    ) -> Any:
        """The trainer of trl."""
        import datasets
        import trl

        settings, start, held_out = training.settings, training.start, training.held_out
        tokenizer, net = loaded(training.base, source, settings, device_name())
        return getattr(trl, f"{self.trainer_name}Trainer")(
            model=further(net, start.folder) if start else net,
            args=getattr(trl, f"{self.trainer_name}Config")(
                max_length=settings.max_tokens,
                gradient_checkpointing=not self._keeps_activations(training, net),
                **arguments,
                **self.own,
            ),
            train_dataset=datasets.Dataset.from_list(list(training.examples.cells)),
            eval_dataset=datasets.Dataset.from_list(list(held_out.cells)) if held_out else None,
            processing_class=reading_as_text(tokenizer, raw=settings.raw),
            peft_config=None if start else adapter_config(settings),
        )

    def _keeps_activations(self, training: Training, net: Any) -> bool:
        """Whether activations are few enough to keep them, which saves a fifth of the time."""
        sizes = net.config.get_text_config()
        width = 10 * sizes.hidden_size + 4 * (getattr(sizes, "intermediate_size", None) or 0)
        tokens = min(training.settings.max_tokens, training.examples.longest // 2)
        rows = self.micro_batch(device_name(), training.settings) * self.parts
        return bool(rows * tokens * sizes.num_hidden_layers * width * 4 <= KEPT)

    def save(self, trainer: Any, training: Training, folder: Path) -> None:
        """Write the adapter or the weights, and the tokenizer."""
        # beside the adapter, dpo may have a frozen one as its reference
        chosen = {"selected_adapters": ["default"]} if hasattr(trainer.model, "peft_config") else {}
        trainer.model.save_pretrained(folder, **chosen)
        trainer.processing_class.save_pretrained(folder)
        if adapter := read_json(folder / ADAPTER):
            adapter["base_model_name_or_path"] = training.base  # and not a path of this machine
            (folder / ADAPTER).write_text(json.dumps(adapter, indent=1))

    def complete(self, training: Training, checkpoint: Path) -> None:
        """A checkpoint has all that is needed."""

    def result(self, folder: Path, record: dict[str, Any]) -> TrainedModel:
        """The trained model."""
        return TrainedModel(folder, record)


def trained(
    method: TrlMethod,
    convert: Callable[..., Examples],
    rows: Any,
    held_out: Any,
    base: str | TrainedModel,
    settings: TrainSettings,
    folder: Path | str,
    listener: Listener | None,
) -> TrainedModel:
    """The model that a method trains on rows, which ``convert`` makes examples of."""
    if not isinstance(base, str | TrainedModel):
        raise UsageError(
            "expected as base the spec of a model on this machine, or one that was trained here; "
            f"got a {type(base).__name__}."
        )
    spec, start = (base, None) if isinstance(base, str) else (base.spec, base)
    if start is not None:
        settings = start.kept(settings)
        start = start if settings.rank else None  # else its folder is a base like any other
    training = Training(
        method=method,
        base=spec,
        start=start,
        examples=convert(rows, raw=settings.raw),
        held_out=None if held_out is None else convert(held_out, raw=settings.raw),
        settings=settings,
        folder=Path(folder).expanduser().absolute(),
    )
    model: TrainedModel = training.run(listener)
    return model
