"""Group relative policy optimization."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from synthkit.core.environment import warn
from synthkit.core.errors import UsageError, check_numbers, check_positive
from synthkit.core.models import Model
from synthkit.models.hub import resolve
from synthkit.train import examples
from synthkit.train.examples import Examples
from synthkit.train.progress import Listener
from synthkit.train.rewards import Reward, rewards_of
from synthkit.train.settings import TrainSettings
from synthkit.train.setup import device_name
from synthkit.train.trained import Trained, TrainedModel
from synthkit.train.training import FOLDER, Training
from synthkit.train.trl_method import TrlMethod, trained

CACHED = 60_000
"""Bytes of keys and values for each token of a small model."""


def grpo(
    rows: Any,
    *,
    rewards: Any,
    base: str | Trained = "smollm2",
    weights: Sequence[float] | None = None,
    judge: Model | None = None,
    generations: int = 8,
    completion_tokens: int = 256,
    temperature: float = 1.0,
    beta: float = 0.0,
    held_out: Any = None,
    prompt: str = "prompt",
    completion: str = "completion",
    folder: Path | str = FOLDER,
    listener: Listener | None = None,
    **options: Any,
) -> TrainedModel:
    """A model trained to write completions with a high reward, by trl's ``GRPOTrainer``.

    In each step the model writes several completions of ``batch_size`` prompts. The advantage of a
    completion is ``(r - mean) / (std + 1e-4)`` over the completions of its prompt, with the
    weighted sum r of its rewards. The loss is that of DAPO, which weighs all tokens equally.

    The log has ``reward`` (the mean), that of held-out prompts as ``eval_reward``, and for each
    reward ``rewards/NAME/mean`` and ``rewards/NAME/missing``, the share of completions for which it
    gave no number. That is counted and said at the end, and stops nothing: a completion without any
    reward has the advantage 0.

    Cached, resumed and seeded as :func:`sft`, whose parameters and errors it shares. A function is
    named by its code (see :func:`synthkit.core.code_identity.code_digest`).

    Parameters
    ----------
    rewards : one or several of these. Checks: lines such as ``"length completion 5-30 words"``,
        ``"regex completion ^[A-Z]"`` and ``"judge Is it polite?"``, and those of
        :mod:`synthkit.evaluate.checks`; 1 if passed, 0 if failed. Filters of
        :mod:`synthkit.curate`, which see all completions of a step; 1 if kept. A model trained by
        :func:`reward`. :func:`passes_test`, which runs code. A recipe that scores rows, such as
        ``functools.partial(recipes.judge, column="completion")``; its first column. Functions of a
        row that return a number, or what a check returns.
    weights : of the rewards; by default 1.
    judge : the model that answers judges and recipes.
    generations : completions of each prompt in a step, 2 or more.
    completion_tokens : most tokens of a completion. Prompts that leave less room within
        ``max_tokens`` are left out.
    temperature : of the sampling.
    beta : weight of the divergence from the base; above 0 needs a second forward pass.
    prompt : name of the column, with texts or lists of turns.
    completion : the name under which rewards find the text of the completion, beside all columns of
        its row. A column of this name is hidden from them.
    options : those of :class:`TrainSettings`. ``batch_size`` counts prompts. The learning rate is
        1e-5 by default, and 1e-6 if all weights are trained.

    Raises
    ------
    TableError
        If the column is missing, or a cell is not a text.
    UsageError
        If a reward cannot be one, a judge is missing, an option is out of its range, or there are
        fewer prompts than one step takes.

    References
    ----------
    Z. Shao et al. (2024), DeepSeekMath, arXiv 2402.03300, equation 3 and section 4.1.2; for the
    loss Q. Yu et al. (2025), DAPO, arXiv 2503.14476, equation 8.

    Examples
    --------
    >>> model = grpo(
    ...     prompts, rewards=["length completion 5-30 words", scorer], weights=[1, 0.5]
    ... )  # doctest: +SKIP
    >>> [round(entry["reward"], 2) for entry in model.log[:2]]  # doctest: +SKIP
    [0.31, 0.44]
    """
    found = rewards_of(rewards, judge)
    factors = [1.0] * len(found) if weights is None else [float(weight) for weight in weights]
    check_positive(completion_tokens=completion_tokens)
    check_numbers(generations=generations, temperature=temperature, beta=beta)
    if generations < 2 or not temperature > 0 or not beta >= 0 or len(factors) != len(found):
        raise UsageError(
            "expected generations of 2 or more, a temperature above 0, a beta of 0 or more, and "
            f"one weight for each reward; got {generations}, {temperature}, {beta}, and "
            f"{len(factors)} weights of {len(found)} rewards."
        )
    settings = TrainSettings.of(options, rate=1e-5)
    if settings.processes > 1:
        raise UsageError(
            "grpo trains in one process, in which its rewards are; leave processes at 1."
        )
    originals: dict[str, Any] = {}
    method = GroupMethod(
        name="grpo",
        trainer_name="GRPO",
        own={
            "num_generations": generations,
            "max_completion_length": completion_tokens,
            "temperature": float(temperature),
            "beta": float(beta),
            "reward_weights": factors,
            "loss_type": "dapo",
            "scale_rewards": "group",
            "rewards": {reward.name: reward.identity[:16] for reward in found},
            "prompt": prompt,
            "completion": completion,
        },
        copies=2 if beta else 1,
        metric="eval_reward",
        functions=[_function(reward, originals, completion) for reward in found],
    )
    convert = partial(examples.prompts, prompt=prompt, originals=originals)
    model: TrainedModel = trained(method, convert, rows, held_out, base, settings, folder, listener)
    if complaints := [reward.complaint for reward in found if reward.complaint]:
        warn(f"{'; '.join(complaints)}.")
    return model


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMethod(TrlMethod):
    """GRPO, whose steps have several completions of each prompt.

    Parameters
    ----------
    functions : the rewards, as trl calls them.
    """

    functions: Sequence[Callable[..., Any]] = field(default_factory=list)
    left_out = "the prompt and completion_tokens have more than max_tokens"

    def micro_batch(self, device: str, settings: TrainSettings) -> int:
        """Completions in one pass."""
        rows = settings.batch_size * int(self.own["num_generations"])
        most = 2 if device == "cpu" else 8
        return next(size for size in range(most, 0, -1) if rows % size == 0)

    def bytes_needed(self, training: Training, source: resolve.ModelSource, device: str) -> int:
        """That of a training on rows, and the keys and values of all completions of a step."""
        rows = training.settings.batch_size * int(self.own["num_generations"])
        cached = rows * min(training.settings.max_tokens, self.longest(training)) * CACHED
        return TrlMethod.bytes_needed(self, training, source, device) + cached

    def longest(self, training: Training) -> int:
        """The characters of the longest prompt, and two for each token of a completion."""
        return training.examples.longest + 2 * int(self.own["max_completion_length"])

    def arguments(self, settings: TrainSettings) -> dict[str, Any]:
        """The arguments of trl, whose rows are completions."""
        names = ("rewards", "prompt", "completion")
        own = {name: value for name, value in self.own.items() if name not in names}
        each = own["num_generations"]
        passes = settings.batch_size * each // self.micro_batch(device_name(), settings)
        return {
            **own,
            "gradient_accumulation_steps": passes,
            "per_device_eval_batch_size": each,
        }

    def dataset(self, examples: Examples, settings: TrainSettings, tokenizer: Any) -> Any:
        """The prompts that leave room for a completion."""
        room = settings.max_tokens - self.own["max_completion_length"]
        fit = [cell for cell in examples.cells if _length(cell["prompt"], tokenizer) <= room]
        if not fit:
            raise UsageError(
                f"no prompt leaves room for completion_tokens={self.own['max_completion_length']} "
                f"within max_tokens={settings.max_tokens}. Raise max_tokens, or lower "
                "completion_tokens."
            )
        return TrlMethod.dataset(self, replace(examples, cells=fit), settings, tokenizer)

    def given(self, settings: TrainSettings) -> dict[str, Any]:
        """The rewards."""
        logging.getLogger("trl.trainer.grpo_trainer").addFilter(_uncounted)
        return {"reward_funcs": list(self.functions)}

    def prepare(self, trainer: Any) -> None:
        """Draw another order of prompts in each epoch, by its number.

        That of trl 1.16 depends on the epochs before it, which a resumed training does not repeat.
        """
        n, needed = len(trainer.train_dataset), trainer.args.generation_batch_size
        if n * trainer.num_generations < needed:
            raise UsageError(
                f"a step takes batch_size={needed // trainer.num_generations} prompts; there are "
                f"{n}. Lower batch_size."
            )
        build = trainer._get_train_sampler

        def sampler(dataset: Any = None) -> Any:
            prompts = build(dataset)

            def set_epoch(epoch: int) -> None:
                prompts.generator.manual_seed(trainer.args.seed + epoch)

            prompts.set_epoch = set_epoch
            return prompts

        trainer._get_train_sampler = sampler


def _uncounted(record: logging.LogRecord) -> bool:
    """False for trl's message that a completion has no reward, since these are counted."""
    return "reward functions returned None" not in record.getMessage()


def _length(prompt: Any, tokenizer: Any) -> int:
    """The tokens of a prompt."""
    if isinstance(prompt, str):
        return len(tokenizer(text=[prompt])["input_ids"][0])
    options = {"add_generation_prompt": True, "tokenize": True, "return_dict": True}
    return len(tokenizer.apply_chat_template(conversation=[prompt], **options)["input_ids"][0])


def _function(reward: Reward, originals: Mapping[str, Any], completion: str) -> Any:
    """A reward as trl calls it: columns of lists, of which ``row`` has the keys of the rows."""

    def function(
        completions: Sequence[Any], row: Sequence[str], log_metric: Any, **_: Any
    ) -> list[float | None]:
        texts = [text if isinstance(text, str) else text[-1]["content"] for text in completions]
        rows = [
            {**originals[key], "output": text, completion: text}
            for key, text in zip(row, texts, strict=True)
        ]
        numbers = reward.numbers(rows)
        log_metric(f"rewards/{reward.name}/missing", numbers.count(None) / len(numbers))
        return numbers

    function.__name__ = reward.name
    return function
