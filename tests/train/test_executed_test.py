"""Code of a completion runs in a process of its own, within its limits."""

from __future__ import annotations

import time
from typing import Any

import pytest

from synthkit.core.errors import UsageError
from synthkit.train import passes_test

TEST = "assert add(1, 2) == 3"


@pytest.mark.parametrize(
    ("code", "passed", "reason"),
    [
        ("def add(a, b): return a + b", True, ""),
        ("Here it is:\n```python\ndef add(a, b):\n    return a + b\n```\nDone.", True, ""),
        ("def add(a, b): return a - b", False, "AssertionError"),
        ("def add(a, b) return", False, "SyntaxError: expected ':'"),
        ("", False, "NameError: name 'add' is not defined"),
        ("import os; os._exit(3)", False, "it ended early, with status 3"),
        ("import sys; sys.exit(0)", False, "it ended early, with status 0"),
        ("import os; os._exit(0)", False, "it ended early, with status 0"),
        ("x = bytearray(3_000_000_000)", False, "MemoryError"),
        ("import os; assert 'SECRET' not in os.environ\ndef add(a, b): return 3", True, ""),
        ("raise ValueError('é\\ud800')", False, "ValueError: é"),
    ],
)
def test_code_passes_if_its_process_ends_without_an_error(
    code: str, passed: bool, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "1")
    found = passes_test()({"completion": code, "test": TEST})
    assert found[0] is passed
    assert found[1].startswith(reason)


def test_code_that_does_not_end_is_killed_with_what_it_started() -> None:
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'input()'], stdin=None)\n"
    began = time.monotonic()
    row: dict[str, Any] = {"answer": code + "while True: pass", "check": ""}
    check = passes_test(completion="answer", test="check", seconds=1)
    assert check(row) == (False, "it did not end in 1 s")
    assert time.monotonic() - began < 20


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(UsageError, match="above 0"):
        passes_test(seconds=0)
    with pytest.raises(UsageError, match="column 'test' not found"):
        passes_test()({"completion": ""})
