"""Classifiers of texts that transformers loads: of a Hub repository, or trained here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.files import read_json
from synthkit.models.hub import fingerprint, resolve
from synthkit.models.hub.download import SAFETENSORS
from synthkit.stats.classifier import Floats, check_texts

BATCH = 64
WHY = "to classify texts"


class TransformerClassifier:
    """A transformer with a head for k labels. Its weights are loaded when it is first used.

    Parameters
    ----------
    folder : of its weights, as transformers loads it.
    labels : see :attr:`labels`.
    max_tokens : longer texts are cut.
    """

    def __init__(self, name: str, folder: Path, labels: Sequence[Any], max_tokens: int) -> None:
        self.name, self.folder, self.max_tokens = name, folder, max_tokens
        self.labels = tuple(labels)
        """Its k labels, in the order of the head."""
        weights = fingerprint.of_folder(folder).weights
        self.fingerprint = f"classify weights={weights} max_tokens={max_tokens}"
        """Text that is equal for two classifiers only if they give equal probabilities."""

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """The tokenizer and the net, in evaluation mode."""
        torch = need("torch", extra="local", why=WHY)
        need("transformers", extra="local", why=WHY)
        from synthkit.models.transformers.loading import pretrained, quiet

        with quiet():
            tokenizer, net = pretrained(
                "SequenceClassification", self.folder, self.name, dtype=torch.float32
            )
        if net.config.pad_token_id is None:
            net.config.pad_token_id = filler(tokenizer)
        return tokenizer, net.eval().to("cuda" if torch.cuda.is_available() else "cpu")

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """(n, k) probabilities of the labels, in the order of ``labels``.

        Raises
        ------
        UsageError
            If a text is missing.
        """
        check_texts(texts)
        found = np.empty((len(texts), len(self.labels)))
        if not len(texts):
            return found
        import torch

        tokenizer, net = self._loaded
        rows = tokenized(tokenizer, texts, self.max_tokens, net)
        # texts of similar length share a batch, so that little time goes to padding
        order = np.argsort([len(row) for row in rows], kind="stable")
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            with torch.inference_mode():
                logits = net(**_batch(rows, some, net)).logits
            found[some] = torch.softmax(logits.double(), -1).cpu().numpy()
        return found

    def predict(self, texts: Sequence[str]) -> list[Any]:
        """The most probable label of each text."""
        return [self.labels[at] for at in self.probabilities(texts).argmax(axis=1)]


def pretrained_classifier(spec: str) -> TransformerClassifier:
    """A text classifier of transformers with the labels of its files.

    Parameters
    ----------
    spec : ``"hf:<repository or folder>"``.

    Raises
    ------
    UsageError
        If the model has no head for the labels of texts.
    """
    if not spec.startswith("hf:"):
        raise UsageError(f"expected 'hf:<repository or folder>' of a classifier; got {spec!r}.")
    source = resolve.find(spec)
    folder = source.files(SAFETENSORS)
    config = read_json(folder / "config.json") or {}
    architecture = ", ".join(map(str, config.get("architectures") or ())) or "unknown"
    if not architecture.endswith("ForSequenceClassification"):
        raise UsageError(f"{spec} is no text classifier: its architecture is {architecture}.")
    # transformers writes no names if there are two labels without any
    names = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
    labels = [names[at] for at in sorted(names, key=int)]
    # RoBERTa uses positions from 2
    longest = int(config.get("max_position_embeddings") or 512) - 2
    return TransformerClassifier(source.name, folder, labels, longest)


def tokenized(tokenizer: Any, texts: Sequence[str], max_tokens: int, net: Any) -> list[list[int]]:
    """The tokens of each text, cut at a number and at the limit of the net; at least one."""
    limits = (getattr(net.config, "max_position_embeddings", None), tokenizer.model_max_length)
    longest = min(max_tokens, *(limit for limit in limits if limit))
    # a text that writes "[SEP]" or "<pad>" has no control token
    options = {"truncation": True, "max_length": longest, "split_special_tokens": True}
    coded = tokenizer(list(texts), **options)["input_ids"]
    return [row or [filler(tokenizer)] for row in coded]


def filler(tokenizer: Any) -> int:
    """A token without meaning: for padding, or as the only token of an empty text."""
    tokens = (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id)
    return next((token for token in tokens if token is not None), 0)


def _batch(rows: Sequence[Sequence[int]], some: NDArray[np.intp], net: Any) -> dict[str, Any]:
    """Rows as tensors, padded on the right, on the net's device."""
    import torch

    tokens = [torch.tensor(rows[at]) for at in some]
    pad = torch.nn.utils.rnn.pad_sequence
    ids = pad(tokens, batch_first=True, padding_value=net.config.pad_token_id)
    mask = pad([torch.ones_like(row) for row in tokens], batch_first=True)
    return {"input_ids": ids.to(net.device), "attention_mask": mask.to(net.device)}
