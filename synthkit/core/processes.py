"""Which process left a file or holds a lease, and whether it still runs."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from pathlib import Path


@functools.cache
def _machine() -> str:
    return hashlib.blake2b(platform.node().encode(), digest_size=4).hexdigest()


def process_tag() -> str:
    """A name for this process, in letters, digits and ``-``: machine, process id, time of start."""
    pid = os.getpid()
    return f"{_machine()}-{pid}-{_started(pid)}"


def is_of_this_machine(tag: str) -> bool:
    """Whether the process of a tag runs, or ran, on this machine."""
    return tag.partition("-")[0] == _machine()


def has_ended(tag: str) -> bool:
    """Whether the process of a tag is known to have ended.

    ``False`` for a process of another machine, since nothing is known about it.

    >>> has_ended(process_tag())
    False
    """
    number, _, started = tag.partition("-")[2].partition("-")
    if not is_of_this_machine(tag) or not number.isdigit():
        return False
    pid = int(number)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it exists, but belongs to another user
        pass
    return _started(pid) != started


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot; ``0`` where that cannot be read.

    ``ended`` for one that has ended, and whose parent does not know yet.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "0"
    state, *fields = stat.rpartition(")")[2].split()
    return "ended" if state in "ZX" else fields[18]
