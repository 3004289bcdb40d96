"""What :mod:`synthkit.models.local_model` takes of this package."""

from __future__ import annotations

from pathlib import Path

from synthkit.models.local import memory
from synthkit.models.local.settings import LocalSettings
from synthkit.models.openvino import weights
from synthkit.models.openvino.batching import Batch as Batch


def load(folder: Path, settings: LocalSettings) -> weights.Engine:
    """The model in a folder, compiled for the CPU.

    Raises
    ------
    NotEnoughMemory
        If it would not fit; nothing is loaded then.
    ModelError
        If OpenVINO cannot read it.
    """
    cache = memory.for_keys_and_values("cpu")
    # compiling repacks the weights, and lets go of the stored ones at its end
    needed = 2 * (folder / "openvino_model.bin").stat().st_size + memory.beside_weights("cpu")
    memory.preflight(settings.source.name, needed, memory.of_process, memory.ADVICE)
    return weights.load(folder, threads=settings.threads, most_bytes=cache, rows=settings.max_batch)
