"""What trainings of encoders have in common: settings, the files of a base, and memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.files import read_json
from synthkit.models.hub import catalog, fingerprint, resolve
from synthkit.models.hub.download import SAFETENSORS
from synthkit.train.setup import check_memory, libraries
from synthkit.train.trained import Trained
from synthkit.train.training import Training

ADVICE = "Use a smaller batch_size, shorter texts (max_tokens) or a smaller base."
BYTES = 16
"""Of each weight: itself, its gradient and two moments."""
UNITS = 200
"""Bytes of activations for each token, layer and hidden unit; measured: 150 to 200 for MiniLM, 94
for SmolLM2, both in float32."""
_LAYERS = ("num_hidden_layers", "n_layers", "num_layers", "n_layer")
_WIDTHS = ("hidden_size", "dim", "d_model", "n_embd")


def spec_of(base: str | Trained) -> str:
    """The spec of a base.

    Raises
    ------
    UsageError
        If it is a model with an adapter, whose weights are in two folders.
    """
    if isinstance(base, str):
        return base
    if not isinstance(base, Trained):
        raise UsageError(f"expected a spec or what was trained here as base; got {base!r:.80}.")
    if base.adapter != "none":
        raise UsageError(
            "the base has an adapter, which this method cannot train further. Train it with "
            "rank=None, or name its base."
        )
    return base.spec


def source_of(spec: str) -> resolve.ModelSource:
    """The files of a transformer: one of the catalog, a folder or a repository.

    Raises
    ------
    ModelNotFound
        If there is no such model.
    UsageError
        If it is not a transformer.
    """
    if spec.startswith("hf:") or spec not in catalog.CATALOG:
        return resolve.find(spec)
    members = {member.name for member in catalog.entry(spec).members}
    if not members & {"config.json", catalog.entry(spec).gguf}:
        raise UsageError(f"{spec} is not a transformer; the catalog has minilm and smollm2.")
    return resolve.ModelSource(name=spec, identity=fingerprint.of_catalog(spec))


def files_of(source: resolve.ModelSource) -> Path:
    """The folder with the weights, fetched if it is not here."""
    return source.files(SAFETENSORS)


def check_encoder_memory(training: Training, source: resolve.ModelSource, folder: Path) -> None:
    """Refuse a training that would not fit into memory, by an estimate.

    It has the libraries, 16 bytes for each weight, and the activations of a step with the longest
    texts, of two characters or more for each token.

    Raises
    ------
    NotEnoughMemory
        If it would not fit.
    """
    config: Mapping[str, Any] = read_json(folder / "config.json") or {}
    layers, width = (
        next((int(config[name]) for name in names if config.get(name)), 1)
        for names in (_LAYERS, _WIDTHS)
    )
    settings, examples = training.settings, training.examples
    parts = sum(isinstance(part, str) for part in examples.cells[0].values())
    tokens = min(settings.max_tokens * parts, examples.longest // 2 + 1)
    activations = settings.batch_size * tokens * layers * width * UNITS
    parameters = source.identity.size // 2
    check_memory(source, int(libraries() + parameters * BYTES + activations), ADVICE)
