"""Which process left a file or holds a lease, and whether it still runs.

A tag names a process. An owner is a tag, ``/``, and the name of one piece of its work, such as a
run, which may end before the process does.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from pathlib import Path

_MACHINE_ID = Path("/etc/machine-id")
"""Tells apart machines of one name, as those of a classroom may be."""
_under_way: set[str] = set()
"""The owners of this process whose work has not ended."""


@functools.cache
def _machine() -> str:
    try:
        number = _MACHINE_ID.read_bytes()
    except OSError:
        number = b""
    return hashlib.blake2b(platform.node().encode() + number, digest_size=4).hexdigest()


def process_tag() -> str:
    """A name for this process, in letters, digits and ``-``: machine, process id, time of start."""
    pid = os.getpid()
    return f"{_machine()}-{pid}-{_started(pid)}"


def begin_work(name: str) -> str:
    """The owner for a piece of work of this process, until :func:`end_work`."""
    owner = f"{process_tag()}/{name}"
    _under_way.add(owner)
    return owner


def end_work(owner: str) -> None:
    """Note that the work of an owner has ended, whatever it still holds."""
    _under_way.discard(owner)


def is_of_this_machine(tag: str) -> bool:
    """Whether the process of a tag runs, or ran, on this machine."""
    return tag.partition("-")[0] == _machine()


def has_ended(owner: str) -> bool:
    """Whether a process is known to have ended, or the work of an owner.

    ``False`` for a process of another machine, since nothing is known about it.

    >>> run = begin_work("a run")
    >>> has_ended(process_tag()), has_ended(run)
    (False, False)
    >>> end_work(run)
    >>> has_ended(run)
    True
    """
    tag, _, work = owner.partition("/")
    if work and tag == process_tag():
        return owner not in _under_way
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
