"""What :mod:`synthkit.models.local_model` takes of this package."""

from __future__ import annotations

from pathlib import Path

from synthkit.models.local import memory
from synthkit.models.local.settings import LocalSettings
from synthkit.models.transformers import loading, precision
from synthkit.models.transformers.batching import Batch as Batch
from synthkit.models.transformers.weights import Engine


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
    share = memory.SHARES[settings.quantize]
    advice = memory.ADVICE
    if settings.quantize == "none":
        advice = f'Load it with quantize="nf4", about a third of the weights. {advice}'
    needed = int(precision.size(settings) * share) + memory.beside_weights("cpu")
    memory.preflight(settings.source.name, needed, memory.of_process, advice)
