"""A run that is killed at any moment wastes no more than was in flight, and loses nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_kills_at_random_moments_waste_what_is_in_flight_and_lose_nothing() -> None:
    script = ROOT / "tests" / "benchmarks" / "killed_runs.py"
    command = [sys.executable, str(script), "--trials", "3", "--concurrency", "8"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "rows shown and lost: 0" in done.stdout
