"""Whether weights fit into the available memory, before they are loaded."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable
from importlib import metadata

from synthkit.core.errors import NotEnoughMemory
from synthkit.core.memory import Memory as Memory
from synthkit.core.memory import of_process as of_process
from synthkit.models.local.loaded import give_back, unload_one

ADVICE = "Close other programs or kernels, or choose a smaller model."
SPARE = 400_000_000
"""Bytes beside the weights, keys and values: libraries, activations, the tokenizer."""
SHARES = {"none": 1.0, "int8": 0.6, "nf4": 0.4}
"""Bytes of weights with what is not quantized of them, relative to those of 16 bits."""


@functools.cache
def cuda_bytes() -> int:
    """Bytes of memory of the first NVIDIA GPU, or 0 if torch is built for CPUs; needs no torch."""
    try:
        built_for_cpu = metadata.version("torch").endswith("+cpu")
    except metadata.PackageNotFoundError:
        built_for_cpu = True
    if built_for_cpu:
        return 0
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits", "-i", "0"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
        return int(done.stdout.split()[0]) << 20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0


def total(device: str) -> int:
    """Bytes of memory that a model on this device may use at most; 0 if unknown."""
    if device.startswith("cuda"):
        return cuda_bytes()
    process = of_process()
    return process.limit if process else 0


def for_keys_and_values(device: str) -> int:
    """Most bytes of keys and values: a quarter of a GPU's memory; an eighth of a CPU's, at most
    512 MB."""
    limit = total(device)
    return limit // 4 if device.startswith("cuda") else min(limit // 8 or 1 << 29, 1 << 29)


def beside_weights(device: str) -> int:
    """Bytes that a model needs at most beside its weights."""
    return SPARE + for_keys_and_values(device)


def preflight(name: str, needed: int, found: Callable[[], Memory | None], advice: str) -> None:
    """Check that weights fit into the free memory; models that are idle are unloaded for them.

    Raises
    ------
    NotEnoughMemory
        If they do not; the message has the bytes needed and free, the limit, and ``advice``.
    """
    memory = found()
    if memory is not None and needed > memory.free:
        give_back()
        memory = found()
    while memory is not None and needed > memory.free and unload_one():
        memory = found()
    if memory is not None and needed > memory.free:
        raise NotEnoughMemory(
            f"{name} needs about {needed / 1e9:.2f} GB of memory, but {memory.free / 1e9:.2f} GB "
            f"are free of the {memory.limit / 1e9:.2f} GB of {memory.source}. {advice}"
        )
