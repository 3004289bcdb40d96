"""Answers that waited in a file of a killed run are found, whatever became of its machine."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from synthkit.core.types import Completion, Message, Request
from synthkit.store import completions, spill
from synthkit.store.store import Store

REQUEST = Request((Message("user", "Hi."),))
KEY, ANSWER = REQUEST.key("m"), Completion("Hello.")


def left(folder: Path, tag: str, *, hours: float = 0.0) -> Path:
    """A file that a process has left so many hours ago."""
    written = spill.Spill(folder)
    written.add([(KEY, REQUEST.payload("m"), ANSWER)])
    written.leave()
    path = written.path.rename(folder / f"waiting.{tag}.0.jsonl")
    os.utime(path, (time.time() - 3600 * hours,) * 2)
    return path


def test_a_file_of_a_machine_that_is_gone_is_taken_after_hours(tmp_path: Path) -> None:
    path = left(tmp_path, "00000000-12-34", hours=1)
    with closing(Store(tmp_path / "store.sqlite")) as store:
        assert store.completions.get([KEY]) == {}  # its run may wait for the store
    left(tmp_path, "00000000-12-34", hours=5)
    with closing(Store(tmp_path / "store.sqlite")) as store:
        assert store.completions.get([KEY]) == {KEY: ANSWER}
    assert not path.exists()


def test_bytes_that_are_no_text_are_left_out(tmp_path: Path) -> None:
    path = left(tmp_path, "00000000-12-34")
    path.write_bytes(b"\xff\xfe\0\n" + path.read_bytes() + b"\xc3")
    os.utime(path, (0, 0))
    with closing(Store(tmp_path / "store.sqlite")) as store:
        assert store.completions.get([KEY]) == {KEY: ANSWER}


def test_a_file_that_another_kernel_takes_first_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completions, "left_behind", lambda folder: [folder / "waiting.a.0.jsonl"])
    with closing(Store(tmp_path / "store.sqlite")) as store:
        assert store.completions.count() == 0
