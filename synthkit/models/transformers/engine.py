"""What :mod:`synthkit.models.local_model` takes of this package."""

from __future__ import annotations

from pathlib import Path

from synthkit.models.local import memory
from synthkit.models.local.settings import LocalSettings
from synthkit.models.transformers import loading, precision
from synthkit.models.transformers.batching import Batch as Batch
from synthkit.models.transformers.weights import Engine

SPARE = 400_000_000
"""Bytes beside the weights: activations, keys and values, the tokenizer."""


def load(folder: Path, settings: LocalSettings) -> Engine:
    """The weights in a folder, as this machine runs them fastest where the settings leave it open.

    Raises
    ------
    NotEnoughMemory
        If they would not fit; nothing is loaded then.
    ModelError
        If transformers cannot load them.
    """
    settings = precision.settled(settings)
    if settings.device == "cpu":
        _preflight(settings)
    return loading.engine(folder, settings)


def _preflight(settings: LocalSettings) -> None:
    """Check that the weights fit as they are quantized, before memory is used."""
    # the quantizer works layer by layer, and leaves embeddings and norms as they are
    share = {"none": 1.0, "int8": 0.6, "nf4": 0.4}[settings.quantize]
    advice = memory.ADVICE
    if settings.quantize == "none":
        advice = f'Load it with quantize="nf4", about a third of the weights. {advice}'
    needed = int(precision.size(settings) * share) + SPARE
    memory.preflight(settings.source.name, needed, memory.of_process(), advice)
