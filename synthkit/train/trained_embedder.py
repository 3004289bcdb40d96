"""The embedder that a training gives, and its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synthkit.models.transformers.embedder import SentenceEmbedder, load_encoder


class TrainedEmbedder(SentenceEmbedder):
    """An embedder that was trained here, or loaded by :func:`load_trained`; used as any other.

    Parameters
    ----------
    folder : of its weights, as sentence-transformers loads it.
    record : see :attr:`TrainedModel.record`.
    """

    adapter = "none"
    """It is trained further as a whole."""

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        plain = load_encoder(str(folder))
        name = f"{record['base']['name']} {record['method']} {record['key'][:8]}"
        super().__init__(name, plain.folder, plain.fingerprint, plain.dim, plain.encoding)
        self.record = record

    @property
    def spec(self) -> str:
        """What further training starts from, and ``load_embedder`` loads."""
        return f"hf:{self.folder}"

    @property
    def log(self) -> list[dict[str, Any]]:
        """What was measured at each step."""
        return list(self.record["log"])
