"""The embedder that a training gives, and its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synthkit.models.transformers.embedder import SentenceEmbedder, load_encoder
from synthkit.train.trained import Trained


class TrainedEmbedder(Trained, SentenceEmbedder):
    """An embedder that was trained here, or loaded by :func:`load_trained`; used as any other.

    Parameters
    ----------
    folder : of its weights, as sentence-transformers loads it.
    record : see :attr:`Trained.record`.
    """

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        Trained.__init__(self, folder, record)
        plain = load_encoder(str(folder))
        SentenceEmbedder.__init__(
            self, self.label, plain.folder, plain.fingerprint, plain.dim, plain.encoding
        )
