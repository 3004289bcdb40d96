"""How many threads an engine uses: never more than this process may, and none that are slower.

Threads wait for each other at every operation. On a machine that other programs use as well, that
costs more than further threads bring.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

TRIAL_SECONDS = 0.3
"""How long the numbers of threads are tried in turn."""
LONG_STEP = 0.15
"""Seconds from which on a step is so large that threads are worth it, and nothing is tried."""
WATCH_SECONDS = 0.3
"""How long the CPUs are watched at least."""
WORTH = 0.9
"""The share of one thread's time that more threads must stay below."""


def wait_passively() -> None:
    """Have OpenMP's threads sleep while they wait; for torch this works before its import."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def quota(root: Path = Path("/")) -> int:
    """The CPUs that this process may use, by its affinity and its control group; at least 1.

    Parameters
    ----------
    root : the folder that has ``sys``.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, min(cpus, int(_group_quota(root / "sys/fs/cgroup"))))


def _group_quota(base: Path) -> float:
    """The CPUs of the control group, in version 2 or 1; a large number without a limit."""
    unlimited = float(1 << 20)
    try:
        allowed, period = (base / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            allowed = (base / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (base / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return unlimited
    if not (allowed.isdecimal() and period.isdecimal() and int(period)):
        return unlimited  # "max", or -1
    return int(allowed) / int(period)


class CPUWatch:
    """Watches how much of the CPUs other programs leave, from its creation on.

    Parameters
    ----------
    root : the folder that has ``proc`` and ``sys``.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root
        self.began = time.perf_counter(), self._left()

    def free(self) -> int:
        """The CPUs to use: those that are idle or this process's own, at most the quota.

        The quota if the system does not say which CPUs are idle.
        """
        most = quota(self.root)
        time.sleep(max(0.0, WATCH_SECONDS - (time.perf_counter() - self.began[0])))
        seconds, left = time.perf_counter() - self.began[0], self._left()
        if left is None or self.began[1] is None:
            return most
        return max(1, min(most, round((left - self.began[1]) / seconds)))

    def _left(self) -> float | None:
        """CPU-seconds so far in which this process ran or a CPU that it may use was idle."""
        affinity = getattr(os, "sched_getaffinity", None)
        try:
            lines = (self.root / "proc/stat").read_text().splitlines()
        except OSError:
            return None
        cpus = {f"cpu{number}" for number in affinity(0)} if affinity is not None else set()
        fields = [line.split() for line in lines]
        idle = sum(int(each[4]) + int(each[5]) for each in fields if each[:1] and each[0] in cpus)
        return idle / os.sysconf("SC_CLK_TCK") + time.process_time()


def fastest(step: Callable[[], object], use: Callable[[int], None], most: int) -> int:
    """The number of threads to use: ``most``, or 1 if more bring less than a tenth.

    Parameters
    ----------
    step : does what is repeated most.
    use : sets the number of threads.
    """
    if most > 1:
        use(most)
        step()
        began = time.perf_counter()
        step()
        if time.perf_counter() - began < LONG_STEP:
            seconds = _tried(step, use, (1, most))
            most = most if seconds[most] < WORTH * seconds[1] else 1
    use(most)
    return most


def _tried(
    step: Callable[[], object], use: Callable[[int], None], numbers: tuple[int, ...]
) -> dict[int, float]:
    """The median seconds of a step with each number of threads, in turns."""
    seconds: dict[int, list[float]] = {number: [] for number in numbers}
    end = time.perf_counter() + TRIAL_SECONDS
    while len(seconds[numbers[-1]]) < 2 or time.perf_counter() < end:
        for number in numbers:
            use(number)
            step()  # the first after a change starts or stops threads
            began = time.perf_counter()
            step()
            seconds[number].append(time.perf_counter() - began)
    return {number: statistics.median(taken) for number, taken in seconds.items()}
