"""Text embeddings from the catalog: ``wordllama`` needs no torch, ``minilm`` is better."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.models.hub import catalog

WHY = "to embed texts"
BATCH = 64


class Embedder(Protocol):
    """Anything that turns texts into vectors whose scalar product is their likeness, -1..1."""

    name: str
    fingerprint: str
    dim: int

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, dim) float32, rows L2-normalised; a text without tokens gives a row of zeros."""
        ...


def load_embedder(name: str) -> Embedder:
    """An embedder of the catalog; its files are fetched now, its weights loaded when first used.

    Raises
    ------
    ModelNotFound
        If the catalog has no such model, or it cannot be fetched.
    UsageError
        If it is not an embedder.

    Examples
    --------
    >>> vectors = load_embedder("wordllama").embed(["a cat", "a kitten"])
    >>> vectors.shape
    (2, 256)
    """
    entry = catalog.entry(name)
    if entry.kind != "embedder":
        known = [known.name for known in catalog.CATALOG.values() if known.kind == "embedder"]
        raise UsageError(f"{name} is not an embedder; the catalog's are {', '.join(known)}.")
    folder = catalog.fetch(name)
    kind = StaticEmbedder if name == "wordllama" else SentenceEmbedder
    return kind(name, folder, f"embed weights={catalog.weights(name)}")


class StaticEmbedder:
    """The mean of the tokens' vectors, read from a table, without torch.

    It gives what ``wordllama.WordLlama.load().embed(texts, norm=True)`` gives.
    """

    dim = 256

    def __init__(self, name: str, folder: Path, fingerprint: str) -> None:
        self.name, self.folder, self.fingerprint = name, folder, fingerprint
        self._loaded: tuple[Any, NDArray[np.float32]] | None = None

    def _load(self) -> tuple[Any, NDArray[np.float32]]:
        if self._loaded is None:
            tokenizers = need("tokenizers", extra="local", why=WHY)
            safetensors = need("safetensors.numpy", extra="local", why=WHY)
            weights, tokens = (self.folder / m.name for m in catalog.CATALOG[self.name].members)
            tokenizer = tokenizers.Tokenizer.from_file(str(tokens))
            tokenizer.no_padding()
            tokenizer.no_truncation()
            table = safetensors.load_file(str(weights))["embedding.weight"].astype(np.float32)
            self._loaded = tokenizer, table
        return self._loaded

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, 256) float32, rows L2-normalised; a text without tokens gives a row of zeros."""
        tokenizer, table = self._load()
        out = np.zeros((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), BATCH):
            part = list(texts[start : start + BATCH])
            for at, coded in enumerate(tokenizer.encode_batch(part, add_special_tokens=False)):
                if coded.ids:
                    out[start + at] = table[np.minimum(coded.ids, len(table) - 1)].mean(axis=0)
        return _normalised(out)


class SentenceEmbedder:
    """A transformer's token states, averaged: all-MiniLM-L6-v2 as its model card defines it.

    Texts are cut at 256 tokens, as the model was trained.
    """

    dim = 384
    longest = 256

    def __init__(self, name: str, folder: Path, fingerprint: str) -> None:
        self.name, self.folder, self.fingerprint = name, folder, fingerprint
        self._loaded: tuple[Any, Any] | None = None

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            torch = need("torch", extra="local", why=WHY)
            transformers = need("transformers", extra="local", why=WHY)
            from synthkit.models.transformers.loading import quiet

            with quiet():
                tokenizer = transformers.AutoTokenizer.from_pretrained(self.folder)
                net = transformers.AutoModel.from_pretrained(self.folder, dtype=torch.float32)
            self._loaded = tokenizer, net.eval()
        return self._loaded

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, 384) float32, rows L2-normalised; an empty text has a vector as well."""
        out = np.zeros((len(texts), self.dim), np.float32)
        if not len(texts):
            return out
        import torch

        tokenizer, net = self._load()
        # texts of like length share a batch, so that little is spent on padding
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            coded = tokenizer(
                [texts[row] for row in rows],
                padding=True,
                truncation=True,
                max_length=self.longest,
                return_tensors="pt",
            )
            with torch.inference_mode():
                states = net(**coded).last_hidden_state  # (rows, tokens, dim)
            mask = coded["attention_mask"][:, :, None].float()
            out[rows] = ((states * mask).sum(1) / mask.sum(1)).numpy()
        return _normalised(out)


def _normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return unit
