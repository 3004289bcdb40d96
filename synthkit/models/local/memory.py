"""Available memory, and whether weights fit into it, before they are loaded.

In a container a process may use only as much memory as its control group allows. If it uses more,
it is killed without a message.
"""

from __future__ import annotations

import functools
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from synthkit.core.errors import NotEnoughMemory

ADVICE = "Close other programs or kernels, or choose a smaller model."
SPARE = 400_000_000
"""Bytes beside the weights, keys and values: libraries, activations, the tokenizer."""
SHARES = {"none": 1.0, "int8": 0.6, "nf4": 0.4}
"""Bytes of weights with what is not quantized of them, relative to those of 16 bits."""
UNLIMITED = 1 << 60
"""Control groups of version 1 mark "no limit" by a number near 2**63."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The bytes that this process may use, how many of them are free, and what sets the limit."""

    limit: int
    free: int
    source: str


def of_process(root: Path = Path("/")) -> Memory | None:
    """The smaller of the control group's limit and the machine's memory; ``None`` if unknown.

    Parameters
    ----------
    root : the folder that has ``proc`` and ``sys``.
    """
    limited = [memory for memory in (_machine(root), *_groups(root)) if memory.limit < UNLIMITED]
    if not limited:
        return None
    limit = min(limited, key=lambda memory: memory.limit)
    free = min(limited, key=lambda memory: memory.free)
    return Memory(limit.limit, max(free.free, 0), limit.source)


def _machine(root: Path) -> Memory:
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        return Memory(UNLIMITED, UNLIMITED, "this machine")
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if ":" in line}
    total = kilobytes["MemTotal"] * 1024
    return Memory(total, kilobytes.get("MemAvailable", 0) * 1024 or total, "this machine")


def _groups(root: Path) -> list[Memory]:
    """The memory of this process's control group and its parents, in version 1 or 2."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    groups = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            base = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        folder = base / path.lstrip("/")
        # inside a container the path is often that of the host, and only the base exists
        groups += [_group(f, *names) for f in (folder, *folder.parents) if f.is_relative_to(base)]
    return [memory for memory in groups if memory is not None]


def _group(folder: Path, limit: str, usage: str, inactive: str) -> Memory | None:
    """The memory of one group; file pages that it can drop at once count as free."""
    try:
        most = (folder / limit).read_text().strip()
        used = int((folder / usage).read_text())
        stat = (folder / "memory.stat").read_text().splitlines()
    except OSError:
        return None
    if most == "max":
        return None
    droppable = next((int(line.split()[1]) for line in stat if line.split()[:1] == [inactive]), 0)
    return Memory(int(most), int(most) - used + droppable, "the control group of this process")


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


def preflight(name: str, needed: int, memory: Memory | None, advice: str) -> None:
    """Check that weights fit into the free memory.

    Raises
    ------
    NotEnoughMemory
        If they do not; the message has the bytes needed and free, the limit, and ``advice``.
    """
    if memory is not None and needed > memory.free:
        raise NotEnoughMemory(
            f"{name} needs about {needed / 1e9:.2f} GB of memory, but {memory.free / 1e9:.2f} GB "
            f"are free of the {memory.limit / 1e9:.2f} GB of {memory.source}. {advice}"
        )
