"""A process, measured with all the processes that it starts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOK_SECONDS, SAMPLE_SECONDS = 0.01, 0.2


@dataclass(frozen=True)
class Ended:
    """A process that has ended.

    Parameters
    ----------
    outcome : ``ended``, ``failed`` (by its status), ``killed`` or ``hangs`` (past the limit).
    seconds : from its start until it was gone.
    cpu : CPU-seconds of it and of its children that ended before it.
    peak_mb : peak memory: that of the largest process, or of all together where they were more
        when sampled, shared pages counted once.
    """

    outcome: str
    seconds: float
    cpu: float
    peak_mb: float
    output: str
    errors: str


def measure(
    command: Sequence[str],
    folder: Path,
    *,
    variables: Mapping[str, str],
    limit: float,
    kill_if: Callable[[], bool] | None = None,
) -> Ended:
    """Run a command until it ends, or kill it with its children.

    Parameters
    ----------
    folder : where its output is written, and where it works.
    limit : seconds after which it hangs.
    kill_if : asked every 10 ms; once it is true, all processes get SIGKILL.
    """
    out, err = folder / "stdout.txt", folder / "stderr.txt"
    began, outcome, most, sampled = time.perf_counter(), "ended", 0.0, 0.0
    with out.open("w") as stdout, err.open("w") as stderr:
        process = subprocess.Popen(
            command, stdout=stdout, stderr=stderr, env=variables, cwd=folder, start_new_session=True
        )
        try:
            while (waited := os.wait4(process.pid, os.WNOHANG))[0] == 0:
                seconds = time.perf_counter() - began
                if outcome == "ended" and (seconds > limit or (kill_if and kill_if())):
                    outcome = "hangs" if seconds > limit else "killed"
                    _kill(process.pid)
                if seconds - sampled > SAMPLE_SECONDS:
                    most, sampled = max(most, together_mb(process.pid)), seconds
                time.sleep(LOOK_SECONDS)
        finally:
            _kill(process.pid)  # also those that outlive it
    _, status, usage = waited
    process.returncode = os.waitstatus_to_exitcode(status)
    if outcome == "ended" and process.returncode:
        outcome = "failed"
    return Ended(
        outcome,
        seconds=time.perf_counter() - began,
        cpu=usage.ru_utime + usage.ru_stime,
        peak_mb=max(most, usage.ru_maxrss / 1024),
        output=out.read_text(errors="replace"),
        errors=err.read_text(errors="replace"),
    )


def _kill(pid: int) -> None:
    """SIGKILL to a process and all others of its session's first group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def together_mb(pid: int) -> float:
    """Memory of a process and its children; 0 if it has none, since the kernel keeps its peak."""
    try:
        process = psutil.Process(pid)
        children = process.children(recursive=True)
        if not children:
            return 0.0
        return sum(each.memory_full_info().pss for each in (process, *children)) / 2**20
    except psutil.Error:
        return 0.0
