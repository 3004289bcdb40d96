"""Files that killed processes left: which are removed, and which a process may still need."""

from __future__ import annotations

import os
import time
from pathlib import Path

from synthkit.core.files import DAY_SECONDS, scratch_folder, sweep

OLD = time.time() - 2 * DAY_SECONDS


def test_the_folder_of_a_process_that_works_for_days_stays(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        os.utime(folder, (OLD, OLD))
        assert sweep(tmp_path) == []
        assert folder.is_dir()


def test_a_folder_of_another_machine_goes_a_day_after_its_last_change(tmp_path: Path) -> None:
    folder = tmp_path / ".work.00000000-1-1.abc.scratch"
    (folder / "inner").mkdir(parents=True)
    os.utime(folder, (OLD, OLD))
    assert sweep(tmp_path) == []
    os.utime(folder / "inner", (OLD, OLD))
    assert sweep(tmp_path) == [folder]
    assert list(tmp_path.iterdir()) == []
