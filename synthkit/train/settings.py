"""The settings of a training, and what they need: memory, a base, rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from synthkit.core.errors import UsageError, check_known, check_numbers, check_positive

Quantization = Literal["none", "nf4"]
ADAPTER_OPTIONS = ("rank", "alpha", "dropout", "targets", "quantize", "raw")
"""Those of language models only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """How a model is trained; each method of :mod:`synthkit.train` takes these as its options.

    Parameters
    ----------
    rank : of the LoRA matrices that are trained beside the frozen weights; ``None`` trains all
        weights.
    alpha : the adapter's scale times its rank; by default twice the rank.
    dropout : share of the adapter's inputs that are set to 0 while training.
    targets : the layers that get an adapter: ``"all-linear"``, or names separated by commas, such
        as ``"q_proj,v_proj"``.
    quantize : ``"nf4"`` keeps the frozen weights in 4 bits (QLoRA, arXiv 2305.14314).
    epochs : passes over the rows.
    steps : most steps; by default as many as the epochs have.
    learning_rate : the highest of AdamW, reached after a tenth of the steps; then it falls linearly
        to 0. The first step has the rate 0, as in transformers. The default depends on the method,
        and is a tenth if all weights are trained.
    batch_size : rows in one step.
    max_tokens : longer rows are cut, and rows whose answer is cut away entirely are left out.
    checkpoint_every : steps between checkpoints; by default a quarter of the steps.
    patience : stop early, after so many checkpoints in a row at which the held-out rows were not
        better than before, and keep the best checkpoint. Needs ``held_out``.
    seed : of the adapter, the order of rows and dropout.
    raw : train on texts without a chat template, for base models that have none.
    processes : that train together, each with a GPU, or with some of the CPUs and a copy of the
        weights. They share the rows of a step: apart from rounding, any number of them gives the
        same result.

    Raises
    ------
    UsageError
        If a value is out of its range.
    """

    rank: int | None = 16
    alpha: float | None = None
    dropout: float = 0.0
    targets: str = "all-linear"
    quantize: Quantization = "none"
    epochs: float = 1.0
    steps: int | None = None
    learning_rate: float | None = None
    batch_size: int = 8
    max_tokens: int = 1024
    checkpoint_every: int | None = None
    patience: int | None = None
    seed: int = 0
    raw: bool = False
    processes: int = 1

    def __post_init__(self) -> None:
        check_known("quantize", self.quantize, ("none", "nf4"))
        check_positive(
            rank=self.rank,
            steps=self.steps,
            batch_size=self.batch_size,
            max_tokens=self.max_tokens,
            checkpoint_every=self.checkpoint_every,
            processes=self.processes,
            patience=self.patience,
        )
        rate = self.learning_rate
        check_numbers(
            epochs=self.epochs, learning_rate=rate, dropout=self.dropout, alpha=self.alpha,
            seed=self.seed,
        )  # fmt: skip
        if self.epochs <= 0 or (rate is not None and not rate > 0) or not 0 <= self.dropout < 1:
            raise UsageError(
                "expected epochs and a learning_rate above 0, and a dropout of 0 or more and below "
                f"1; got {self.epochs}, {rate} and {self.dropout}."
            )
        if self.quantize != "none" and self.rank is None:
            raise UsageError(
                "weights of 4 bits stay frozen, so quantize='nf4' needs an adapter; leave out "
                "rank=None, or train all weights with quantize='none'."
            )

    @classmethod
    def of(cls, options: dict[str, Any], *, rate: float) -> TrainSettings:
        """The settings of these options, with a learning rate of the method.

        Raises
        ------
        UsageError
            If there is no such option.
        """
        check_known("option", options, [field.name for field in fields(cls)])
        settings = cls(**options)
        values = asdict(settings)
        values["alpha"] = settings.alpha or 2.0 * (settings.rank or 0)
        values["learning_rate"] = settings.learning_rate or rate / (1 if settings.rank else 10)
        return cls(**values)

    @classmethod
    def of_encoder(cls, options: dict[str, Any], **defaults: Any) -> TrainSettings:
        """The settings of a method that trains all weights of an encoder, with its defaults.

        Raises
        ------
        UsageError
            If there is no such option; those of an adapter are not there.
        """
        known = [field.name for field in fields(cls) if field.name not in ADAPTER_OPTIONS]
        check_known("option", options, known)
        chosen = {name: value for name, value in options.items() if value is not None}
        return cls(**{"rank": None, **defaults, **chosen})

    @property
    def record(self) -> dict[str, Any]:
        """The settings that change the result, as plain values.

        How often checkpoints are written does not change it, unless one of them may be the last,
        nor do processes if the rows of a step are shared equally.
        """
        values = asdict(self)
        del values["processes"]
        if self.patience is None:
            del values["checkpoint_every"], values["patience"]
        if self.rank is None:
            for name in ("alpha", "dropout", "targets"):
                del values[name]
        return values
