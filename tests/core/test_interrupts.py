"""An interrupt that comes at a bad moment."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from synthkit.core.extras import need
from synthkit.core.interrupts import interrupts_held


def test_an_import_is_not_stopped_halfway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_to_import.py").write_text(
        f"import os\nos.kill({os.getpid()}, {int(signal.SIGINT)})\nwhole = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        need("slow_to_import", extra="local", why="to test")
    assert sys.modules.pop("slow_to_import").whole


def test_handlers_stay_as_they_were() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts_held():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    ended: list[bool] = []

    def elsewhere() -> None:
        with interrupts_held():
            ended.append(True)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert ended == [True]
