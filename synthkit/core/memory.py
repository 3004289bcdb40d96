"""The memory that this process may use.

In a container a process may use only as much memory as its control group allows. If it uses more,
it is killed without a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
