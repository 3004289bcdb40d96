"""Static embeddings: the mean of token vectors from a table, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.core.extras import need
from synthkit.models.embedders import embedder, normalized
from synthkit.models.hub import catalog

WHY = "to embed texts"
BATCH = 64


class StaticEmbedder:
    """The mean of the tokens' vectors, read from a table.

    It gives what ``wordllama.WordLlama.load().embed(texts, norm=True)`` gives.
    """

    dim = 256

    def __init__(self, name: str, folder: Path, fingerprint: str) -> None:
        self.name, self.folder, self.fingerprint = name, folder, fingerprint

    @cached_property
    def _loaded(self) -> tuple[Any, NDArray[np.float32]]:
        """The tokenizer and the table of token vectors."""
        tokenizers = need("tokenizers", extra="local", why=WHY)
        safetensors = need("safetensors.numpy", extra="local", why=WHY)
        weights, tokens = (self.folder / m.name for m in catalog.CATALOG[self.name].members)
        tokenizer = tokenizers.Tokenizer.from_file(str(tokens))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer, safetensors.load_file(str(weights))["embedding.weight"].astype(np.float32)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, 256) float32, rows L2-normalised; a text without tokens gives a row of zeros."""
        tokenizer, table = self._loaded
        out = np.zeros((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), BATCH):
            # half of a surrogate pair is no character that a tokenizer could read
            part = [
                text.encode("utf-8", "replace").decode() for text in texts[start : start + BATCH]
            ]
            for at, coded in enumerate(tokenizer.encode_batch(part, add_special_tokens=False)):
                if coded.ids:
                    out[start + at] = table[np.minimum(coded.ids, len(table) - 1)].mean(axis=0)
        return normalized(out)


@embedder("wordllama")
def wordllama(_: str = "") -> StaticEmbedder:
    """WordLlama l2_supercat of the catalog: 256 dimensions, fast, no torch."""
    folder = catalog.fetch("wordllama")
    return StaticEmbedder("wordllama", folder, f"embed weights={catalog.weights('wordllama')}")
