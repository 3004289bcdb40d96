"""Sequence classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from synthkit.data import row_files
from synthkit.models.hub import resolve
from synthkit.train import examples
from synthkit.train.encoders import check_encoder_memory, files_of, source_of, spec_of
from synthkit.train.examples import Examples
from synthkit.train.progress import Listener
from synthkit.train.settings import TrainSettings
from synthkit.train.trained import Trained
from synthkit.train.trained_classifier import TrainedClassifier
from synthkit.train.training import FOLDER, Training, train
from synthkit.train.transformer_classifier import filler, tokenized

RATE = 2e-4


def classifier(
    rows: Any,
    *,
    base: str | Trained = "minilm",
    held_out: Any = None,
    text: str = "text",
    label: str = "label",
    weights: str | None = None,
    folder: Path | str = FOLDER,
    listener: Listener | None = None,
    **options: Any,
) -> TrainedClassifier:
    """A classifier: a transformer with a head, all of its weights trained on labelled texts.

    By transformers' ``Trainer``. It is better than the light classifier, but slower. A base that is
    a classifier of as many labels keeps its head; otherwise the head is new.

    Cached, resumed and seeded as :func:`sft`, whose parameters and errors it shares.

    Parameters
    ----------
    base : ``"minilm"`` or ``"smollm2"`` of the catalog, ``"hf:<repository or folder>"``, or an
        embedder or a classifier that was trained here.
    held_out : rows whose loss is measured at the start and at each checkpoint, each with weight 1.
    text, label : names of columns; labels are texts, numbers or truth values.
    weights : the column with a weight for each row, 0 or more; by default 1 each. Rows of weight 0
        are left out. The others are scaled to a mean of 1, so that the same learning rate fits
        weighted and unweighted rows.
    options : those of :class:`TrainSettings`, without those of adapters. By default 5 epochs, a
        ``learning_rate`` of 2e-4, which fits MiniLM and hundreds of rows (larger models need less,
        such as 2e-5), a ``batch_size`` of 16 and ``max_tokens=128``.

    Raises
    ------
    TableError
        If a column is missing, a text or a label is missing, or a weight is below 0.
    UsageError
        If there are fewer than two labels, each row has a label of its own, an option is unknown or
        out of its range, or the base is not a transformer.

    Notes
    -----
    The loss of a step is the mean of w_i l_i, with the cross-entropy l_i of row i. It is not
    divided by the sum of the step's weights, since then a single row would count fully.

    References
    ----------
    J. Devlin et al. (2019), BERT, arXiv 1810.04805, section 4.1 and appendix A.3, also for the
    schedule of the learning rate.

    Examples
    --------
    >>> found = classifier(reviews, label="sentiment", epochs=3)  # doctest: +SKIP
    >>> found.predict(["Lovely soup.", "Never again."])  # doctest: +SKIP
    ['positive', 'negative']
    """
    settings = TrainSettings.of_encoder(
        options, epochs=5, learning_rate=RATE, batch_size=16, max_tokens=128
    )
    rows = row_files.opened(rows)
    labels = examples.label_values(rows, label)
    convert = partial(examples.labelled, text=text, label=label, known=labels)
    found = convert(rows, weights=weights)
    examples.check_each_label(found, labels)
    method = ClassifierMethod(labels)
    result: TrainedClassifier = train(
        method, found, convert, held_out, spec_of(base), settings, folder, listener
    )
    return result


@dataclass(frozen=True, slots=True)
class ClassifierMethod:
    """transformers' ``Trainer``; a :class:`~synthkit.train.training.Method`."""

    labels: Sequence[Any]
    name: ClassVar = "classifier"
    packages: ClassVar = ("datasets",)
    together: ClassVar = False
    left_out: ClassVar = ""
    metric: ClassVar = "eval_loss"

    @property
    def own(self) -> Mapping[str, Any]:
        """The labels, in the order of the head."""
        return {"labels": list(self.labels)}

    def find(self, training: Training) -> resolve.ModelSource:
        """The files of the base."""
        return source_of(training.base)

    def check_memory(self, training: Training, source: resolve.ModelSource) -> None:
        """Refuse a training that would not fit into memory, by an estimate."""
        check_encoder_memory(training, source, files_of(source))

    def micro_batch(self, device: str, settings: TrainSettings) -> int:
        """All rows of a step, which are short."""
        return max(1, settings.batch_size // settings.processes)

    def trainer(
        self, training: Training, source: resolve.ModelSource, arguments: dict[str, Any]
    ) -> Any:
        """A trainer with the weights of rows in its loss."""
        import torch
        import transformers

        tokenizer, net = self._loaded(source)

        class WeightedTrainer(transformers.Trainer):  # type: ignore[misc]
            """A trainer whose loss is the mean cross-entropy, each times the weight of its row."""

            def compute_loss(
                self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
            ) -> Any:
                targets, weights = inputs.pop("labels"), inputs.pop("weight")
                outputs = model(**inputs)
                entropies = torch.nn.functional.cross_entropy(
                    outputs.logits, targets, reduction="none"
                )
                loss = (entropies * weights).mean()
                return (loss, outputs) if return_outputs else loss

        def dataset(found: Examples) -> Any:
            return _dataset(found, tokenizer, net, training.settings.max_tokens)

        return WeightedTrainer(
            model=net,
            args=transformers.TrainingArguments(remove_unused_columns=False, **arguments),
            train_dataset=dataset(training.examples),
            eval_dataset=dataset(training.held_out) if training.held_out else None,
            processing_class=tokenizer,
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
        )

    def _loaded(self, source: resolve.ModelSource) -> tuple[Any, Any]:
        """The tokenizer, and the net with a head for the labels."""
        import torch

        from synthkit.models.transformers.loading import pretrained

        names = {at: str(label) for at, label in enumerate(self.labels)}
        tokenizer, net = pretrained(
            "SequenceClassification", files_of(source), source.name, dtype=torch.float32,
            id2label=names, label2id={name: at for at, name in names.items()},
            ignore_mismatched_sizes=True,
        )  # fmt: skip
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.convert_ids_to_tokens(filler(tokenizer))
        if net.config.pad_token_id is None:
            net.config.pad_token_id = tokenizer.pad_token_id
        return tokenizer, net

    def save(self, trainer: Any, training: Training, folder: Path) -> None:
        """Write the weights and the tokenizer."""
        trainer.model.save_pretrained(folder)
        trainer.processing_class.save_pretrained(folder)

    def complete(self, training: Training, checkpoint: Path) -> None:
        """A checkpoint has all that is needed."""

    def result(self, folder: Path, record: dict[str, Any]) -> TrainedClassifier:
        """The classifier."""
        return TrainedClassifier(folder, record)


def _dataset(found: Examples, tokenizer: Any, net: Any, max_tokens: int) -> Any:
    """Tokens, labels and weights; the mean weight is 1."""
    import datasets

    cells = found.cells
    mean = sum(cell["weight"] for cell in cells) / len(cells)
    rows = tokenized(tokenizer, [cell["text"] for cell in cells], max_tokens, net)
    return datasets.Dataset.from_dict(
        {
            "input_ids": rows,
            "label": [cell["label"] for cell in cells],
            "weight": [cell["weight"] / mean for cell in cells],
        }
    )
