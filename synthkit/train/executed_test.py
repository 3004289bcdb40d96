"""A check that runs the code in a completion, with the test of its row."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError, check_known

_FENCED = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_PROGRAM = """
def main():
    import resource, sys
    word, path, megabytes = sys.stdin.read(), sys.argv[1], int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (megabytes * 1_000_000,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000,) * 2)
    code = compile(open(path, encoding="utf-8").read(), "completion", "exec")
    exec(code, {"__name__": "__main__"})
    open(path, "w").write(word)

main()
"""
"""The program of the child process. Code that ends the process before its end has not passed."""


def passes_test(
    *,
    completion: str = "completion",
    test: str = "test",
    seconds: float = 5.0,
    megabytes: int = 1024,
) -> Callable[[Mapping[str, Any]], tuple[bool, str]]:
    """A check that Python code passes a test: both run, in this order, in a process of their own.

    The code is that of the first fenced block of the completion, or the whole text. It passes if
    both ran to their end without an error. The reason otherwise is the last line of its errors.

    The code is a model's, and runs with the rights of this process: in an empty folder, without its
    environment variables, but with its files and its network. Use a machine or a container without
    anything that must not be read or lost.

    Parameters
    ----------
    completion, test : names of columns, with the code and with statements such as
        ``assert add(1, 2) == 3``.
    seconds : the process is killed after that time.
    megabytes : of memory that it may have (Linux and macOS).

    Raises
    ------
    UsageError
        If a limit is not above 0; when applied, if a column is missing.

    Examples
    --------
    >>> check = passes_test()
    >>> row = {"completion": "def add(a, b): return a - b", "test": "assert add(1, 2) == 3"}
    >>> check(row)
    (False, 'AssertionError')
    """
    if not min(seconds, megabytes) > 0:
        raise UsageError(f"seconds and megabytes must be above 0; got {seconds} and {megabytes}.")

    def check(row: Mapping[str, Any]) -> tuple[bool, str]:
        check_known("column", [completion, test], row)
        text = str(row[completion] or "")
        fenced = _FENCED.search(text)
        return _run(f"{fenced[1] if fenced else text}\n\n{row[test]}\n", seconds, megabytes)

    check.__name__ = f"passes {test}"
    return check


def _run(code: str, seconds: float, megabytes: int) -> tuple[bool, str]:
    word = secrets.token_hex(16).encode()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "completion.py"
        file.write_text(code, encoding="utf-8", errors="replace")
        child = subprocess.Popen(
            [sys.executable, "-I", "-B", "-c", _PROGRAM, str(file), str(megabytes)],
            cwd=folder,
            env={"PATH": os.defpath},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _, errors = child.communicate(word, timeout=seconds)
        except subprocess.TimeoutExpired:
            return False, f"it did not end in {seconds:g} s"
        finally:
            _end(child)
        if child.returncode == 0 and file.read_bytes() == word:
            return True, ""
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    early = f"it ended early, with status {child.returncode}"
    return False, lines[-1][:200] if lines and child.returncode else early


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and what it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    for stream in (child.stdin, child.stderr):
        if stream is not None:
            stream.close()
    child.wait()
