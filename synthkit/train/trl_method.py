"""Methods of trl: a language model, by an adapter or as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from synthkit.core.errors import UsageError
from synthkit.core.files import read_json
from synthkit.data import row_files
from synthkit.models.hub import resolve
from synthkit.models.local import memory
from synthkit.models.local.template_options import check_present
from synthkit.train.examples import Examples
from synthkit.train.progress import Listener
from synthkit.train.reward_model import RewardModel
from synthkit.train.settings import TrainSettings
from synthkit.train.setup import (
    ACTIVATIONS,
    REWARD,
    adapter_config,
    check_memory,
    device_name,
    further,
    libraries,
    loaded,
)
from synthkit.train.tokenizer import reading_as_text
from synthkit.train.trained import Trained, TrainedModel
from synthkit.train.training import Training, train

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
    head : of the network, as transformers names it.
    metric : the measure of held-out rows by which the best checkpoint is chosen.
    """

    name: str
    trainer_name: str
    own: Mapping[str, Any]
    copies: int = 1
    parts: int = 1
    together: bool = False
    head: str = "CausalLM"
    metric: str = "eval_loss"
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

        Libraries are those that this process has not imported yet. Activations are those of the
        longest rows in one pass, recomputed layer by layer, with a token for two characters.
        """
        settings = training.settings
        parameters = source.identity.size // 2
        width = 4 if device == "cpu" or settings.rank is None else 2
        each = 2 * memory.SHARES["nf4"] if settings.quantize == "nf4" else width
        copies = 1 if settings.rank else self.copies
        # an adapter of rank 16 on all layers has 2 to 4 % of the weights of a small model
        trained = parameters * min(settings.rank / 400, 1) if settings.rank else parameters
        trained_bytes = 12 if settings.rank is None else 16  # weights are counted already
        tokens = min(settings.max_tokens, self.longest(training) // 2)
        activations = self.micro_batch(device, settings) * self.parts * tokens * ACTIVATIONS
        spare = libraries(settings.processes) if device == "cpu" else memory.SPARE
        needed = spare + parameters * each * copies + trained * trained_bytes + activations
        return int(needed * (settings.processes if device == "cpu" else 1))

    def trainer(
        self, training: Training, source: resolve.ModelSource, arguments: dict[str, Any]
    ) -> Any:
        """The trainer of trl."""
        import trl

        settings, start, held_out = training.settings, training.start, training.held_out
        tokenizer, net = loaded(training.base, source, settings, device_name(), self.head)
        tokenizer = reading_as_text(tokenizer, raw=settings.raw)
        trainer = getattr(trl, f"{self.trainer_name}Trainer")(
            model=further(net, start.folder, self.head) if start else net,
            args=getattr(trl, f"{self.trainer_name}Config")(
                **{"gradient_checkpointing": not self._keeps_activations(training, net)}
                | arguments
                | self.arguments(settings)
            ),
            train_dataset=self.dataset(training.examples, settings, tokenizer),
            eval_dataset=self.dataset(held_out, settings, tokenizer) if held_out else None,
            processing_class=tokenizer,
            peft_config=None if start else adapter_config(settings, self.head),
            **self.given(settings),
        )
        self.prepare(trainer)
        return trainer

    def arguments(self, settings: TrainSettings) -> dict[str, Any]:
        """The arguments of this trainer, beside those that all have in common."""
        return {"max_length": settings.max_tokens, **self.own}

    def dataset(self, examples: Examples, settings: TrainSettings, tokenizer: Any) -> Any:
        """Examples as trl takes them."""
        import datasets

        return datasets.Dataset.from_list(list(examples.cells))

    def given(self, settings: TrainSettings) -> dict[str, Any]:
        """What else the trainer is given."""
        return {}

    def prepare(self, trainer: Any) -> None:
        """Change what trl chose; evaluate in batches of one size, over which it averages."""
        if trainer.eval_dataset is not None and not self.together:
            n, most = len(trainer.eval_dataset), trainer.args.per_device_eval_batch_size
            share = trainer.args.world_size
            size = next(size for size in range(most, 0, -1) if n % (size * share) == 0 or size == 1)
            trainer.args.per_device_eval_batch_size = size
        if self.head == REWARD:
            # beside weights of 4 bits, trl 1.16 keeps the head in bfloat16, whatever it reads
            dtype = trainer.model.get_input_embeddings().weight.dtype
            for name, weight in trainer.model.named_parameters():
                if "modules_to_save" in name:
                    weight.data = weight.data.to(dtype)

    def longest(self, training: Training) -> int:
        """The characters of the longest example."""
        return training.examples.longest

    def _keeps_activations(self, training: Training, net: Any) -> bool:
        """Whether activations are few enough to keep them, which saves a fifth of the time."""
        sizes = net.config.get_text_config()
        width = 10 * sizes.hidden_size + 4 * (getattr(sizes, "intermediate_size", None) or 0)
        tokens = min(training.settings.max_tokens, self.longest(training) // 2)
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

    def result(self, folder: Path, record: dict[str, Any]) -> Any:
        """The trained model, or reward model."""
        return RewardModel(folder, record) if self.head == REWARD else TrainedModel(folder, record)


def trained(
    method: TrlMethod,
    convert: Callable[..., Examples],
    rows: Any,
    held_out: Any,
    base: str | Trained,
    settings: TrainSettings,
    folder: Path | str,
    listener: Listener | None,
) -> Any:
    """What a method trains on rows, which ``convert`` makes examples of."""
    if not isinstance(base, str | TrainedModel | RewardModel):
        raise UsageError(
            "expected as base the spec of a model on this machine, or one that was trained here; "
            f"got a {type(base).__name__}."
        )
    spec, start = (base, None) if isinstance(base, str) else (base.spec, base)
    if isinstance(start, RewardModel) and method.head != REWARD:
        raise UsageError(
            f"{start.name} is a reward model, which writes no text, so {method.name} cannot start "
            "from it. Use the model that it was made of, or give it to grpo as a reward."
        )
    if start is not None:
        settings = start.kept(settings)
        start = start if start.adapted else None  # else its folder is a base like any other
    convert = partial(convert, raw=settings.raw)
    found = convert(row_files.opened(rows))
    return train(method, found, convert, held_out, spec, settings, folder, listener, start)
