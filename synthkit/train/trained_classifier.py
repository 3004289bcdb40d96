"""The classifiers that trainings give: a transformer with a head, and a head on an embedder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthkit.core.errors import ModelError
from synthkit.core.files import read_json
from synthkit.core.hashing import canonical
from synthkit.stats.classifier import Floats, embedded, softmax
from synthkit.train.trained import Trained
from synthkit.train.trained_embedder import TrainedEmbedder
from synthkit.train.transformer_classifier import TransformerClassifier

HEAD = "head.json"
"""The file of a few-shot classifier with its coefficients."""


class TrainedClassifier(Trained, TransformerClassifier):
    """A classifier of texts that was trained here, or loaded by :func:`load_trained`.

    Parameters
    ----------
    folder : of its weights, as transformers loads it.
    record : see :attr:`Trained.record`.
    """

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        Trained.__init__(self, folder, record)
        settings = record["settings"]
        TransformerClassifier.__init__(
            self, self.label, folder, settings["labels"], settings["max_tokens"]
        )


class FewShotClassifier(Trained):
    """Logistic regression on an embedder that was trained for it; used as any classifier.

    Parameters
    ----------
    folder : of the embedder and the coefficients.
    record : see :attr:`Trained.record`.

    Raises
    ------
    ModelError
        If the coefficients cannot be read.
    """

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        head = read_json(folder / HEAD)
        if head is None:
            raise ModelError(f"{folder / HEAD} cannot be read. Delete that folder to train again.")
        super().__init__(folder, record)
        self.embedder = TrainedEmbedder(folder, record)
        """The embedder, which can be used by itself."""
        self.labels: tuple[Any, ...] = tuple(record["settings"]["labels"])
        """Its k labels, sorted."""
        self.coefficients: Floats = np.array(head["coefficients"])
        """(k, d); they and the intercepts add up to 0 over the labels."""
        self.intercepts: Floats = np.array(head["intercepts"])
        self.name = self.label

    @property
    def fingerprint(self) -> str:
        """Text that is equal for two classifiers only if they give equal probabilities."""
        head = [self.coefficients.tolist(), self.intercepts.tolist()]
        return canonical({"embedder": self.embedder.fingerprint, "head": head}).decode()

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """(n, k) probabilities of the labels, in the order of ``labels``.

        Raises
        ------
        UsageError
            If a text is missing.
        """
        if not len(texts):
            return np.empty((0, len(self.labels)))
        vectors = embedded(texts, self.embedder.embed, width=self.embedder.dim)
        return softmax(vectors @ self.coefficients.T + self.intercepts)

    def predict(self, texts: Sequence[str]) -> list[Any]:
        """The most probable label of each text."""
        return [self.labels[at] for at in self.probabilities(texts).argmax(axis=1)]
