"""The trainer of sentence-transformers, for embedders and what is fitted on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.formatting import count
from synthkit.models.embedders import load_embedder
from synthkit.models.hub import fingerprint, resolve
from synthkit.models.transformers.embedder import Encoding, SentenceEmbedder
from synthkit.train.encoders import check_encoder_memory
from synthkit.train.examples import Examples
from synthkit.train.settings import TrainSettings
from synthkit.train.setup import device_name
from synthkit.train.training import Training

RANKING = "MultipleNegativesRankingLoss"
SIMILARITY = "CosineSimilarityLoss"
_POOLINGS = {"last": "lasttoken"}
"""Our name of a pooling -> that of sentence-transformers, where they differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderMethod:
    """A loss of sentence-transformers; a :class:`~synthkit.train.training.Method`.

    Parameters
    ----------
    loss : the name of its class.
    open : folder and record -> the result.
    own : further settings, which change the result.
    hard_negatives : mined for each pair, before training.
    margin : see :func:`synthkit.train.embedder`.
    head : fits what belongs to the result besides; gets its folder.
    """

    name: str
    loss: str
    open: Callable[[Path, dict[str, Any]], Any]
    hard_negatives: int = 0
    margin: float = 0.0
    head: Callable[[Path], None] | None = None
    further: Mapping[str, Any] = field(default_factory=dict)
    packages = ("datasets", "sentence-transformers", "scikit-learn")
    together = True
    metric = "eval_loss"
    left_out = "too few texts differ from the positive by the margin, or the pair is there twice"

    @property
    def own(self) -> Mapping[str, Any]:
        """The loss and what it needs."""
        mined = {"hard_negatives": self.hard_negatives, "margin": self.margin}
        return {"loss": self.loss, **(mined if self.hard_negatives else {}), **self.further}

    def find(self, training: Training) -> resolve.ModelSource:
        """The files of the base, which is known by its weights and how it embeds."""
        base = base_of(training.base)
        size = fingerprint.of_folder(base.folder).size
        identity = fingerprint.Identity(weights=base.fingerprint, template="none", size=size)
        return resolve.ModelSource(name=base.name, folder=base.folder, identity=identity)

    def check_memory(self, training: Training, source: resolve.ModelSource) -> None:
        """Refuse a training that would not fit into memory, by an estimate."""
        check_encoder_memory(training, source, base_of(training.base).folder)

    def micro_batch(self, device: str, settings: TrainSettings) -> int:
        """All rows of a step, since the loss compares them."""
        return max(1, settings.batch_size // settings.processes)

    def trainer(
        self, training: Training, source: resolve.ModelSource, arguments: dict[str, Any]
    ) -> Any:
        """The trainer of sentence-transformers."""
        import sentence_transformers as st
        from sentence_transformers.sentence_transformer import losses

        base = base_of(training.base)
        model = sentence_transformer(base, training.settings.max_tokens)
        ranking = self.loss == RANKING

        class CardlessTrainer(st.SentenceTransformerTrainer):
            """A trainer that writes no model card, for which it would embed examples."""

            def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
                """Add none."""

        return CardlessTrainer(
            model=model,
            args=st.SentenceTransformerTrainingArguments(
                # another row of the step with the same text would be a false negative
                batch_sampler="no_duplicates" if ranking else "batch_sampler",
                prompts=base.encoding.prompt or None,
                **arguments,
            ),
            train_dataset=self._rows(training.examples, model, base.encoding),
            eval_dataset=_dataset(training.held_out) if training.held_out else None,
            loss=getattr(losses, self.loss)(model),
        )

    def _rows(self, found: Examples, model: Any, encoding: Encoding) -> Any:
        """The examples, with hard negatives if they are asked for."""
        rows = _dataset(found)
        if not self.hard_negatives:
            return rows
        from sentence_transformers.util import mine_hard_negatives

        mined = mine_hard_negatives(
            rows,
            model,
            num_negatives=self.hard_negatives,
            relative_margin=self.margin,
            output_format="n-tuple",
            query_prompt=encoding.prompt,
            corpus_prompt=encoding.prompt,
            verbose=False,
        )
        if len(mined) < 2:
            raise UsageError(
                f"no pair has {count(self.hard_negatives, 'text')} or more that the base finds "
                f"less similar to the anchor than the positive by margin={self.margin}, or only "
                "one has. Use more pairs, fewer hard_negatives or a smaller margin."
            )
        return mined

    def save(self, trainer: Any, training: Training, folder: Path) -> None:
        """Write the embedder as sentence-transformers does, and the head."""
        trainer.model.save_pretrained(str(folder), create_model_card=False)
        self.complete(training, folder)

    def complete(self, training: Training, checkpoint: Path) -> None:
        """Fit and write the head."""
        if self.head is not None:
            self.head(checkpoint)

    def result(self, folder: Path, record: dict[str, Any]) -> Any:
        """The embedder, or what is fitted on it."""
        return self.open(folder, record)


def base_of(spec: str) -> SentenceEmbedder:
    """The embedder that a spec names.

    Raises
    ------
    ModelNotFound
        If there is no such embedder.
    UsageError
        If it has no weights that can be trained here.
    """
    found = load_embedder(spec)
    if not isinstance(found, SentenceEmbedder):
        raise UsageError(
            f"{spec} has no weights that can be trained here; use 'minilm', or 'hf:<repository or "
            "folder>' of a sentence encoder."
        )
    return found


def sentence_transformer(base: SentenceEmbedder, max_tokens: int) -> Any:
    """The base as a model of sentence-transformers, which gives the same vectors."""
    import sentence_transformers as st
    import torch
    from sentence_transformers.sentence_transformer import modules

    encoding = base.encoding
    net = modules.Transformer(
        str(base.folder),
        model_kwargs={"dtype": torch.float32, "use_safetensors": True},
        do_lower_case=encoding.lower_case,
    )
    tokenizer = net.tokenizer
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    limits = [max_tokens, encoding.max_tokens, tokenizer.model_max_length]
    limits.append(getattr(net.auto_model.config, "max_position_embeddings", None))
    net.max_seq_length = min(limit for limit in limits if limit and limit > 0)
    pooling = modules.Pooling(base.dim, _POOLINGS.get(encoding.pooling, encoding.pooling))
    return st.SentenceTransformer(
        modules=[net, pooling, modules.Normalize()],
        device=device_name(),
        prompts={"text": encoding.prompt} if encoding.prompt else None,
        default_prompt_name="text" if encoding.prompt else None,
    )


def _dataset(found: Examples) -> Any:
    import datasets

    return datasets.Dataset.from_list(list(found.cells))
