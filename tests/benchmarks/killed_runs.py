"""What kill -9 costs a run with a server, when a commit takes 20 ms.

    python tests/benchmarks/killed_runs.py [--trials 200] [--seed 0] [--concurrency 16]

Each trial kills a run of 300 prompts at a random moment, and runs it again. Requests that the
server got beyond the 300 are wasted; they must not be more than were in flight. Every row that the
killed run has shown must be in the store. A process forks each run, so that the kill hits the run
and not the imports.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import synthkit as sk
from synthkit.generation.job import plan
from synthkit.generation.rows import RowEvent
from synthkit.store import database
from tests.server import spawn

PROMPTS, COMMIT_SECONDS, LATENCY_MS = 300, 0.02, 20


class Shown:
    """Writes the id of each row to a file as it is made."""

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def row_made(self, event: RowEvent) -> None:
        os.write(self.file, f"{event.id}\n".encode())

    def branch_ended(self, position: int, result: Any, answers: Any) -> None:
        pass

    def tick(self, ledger: Any, activity: Any) -> None:
        pass


def slow_commits() -> None:
    """Let each transaction take 20 ms to commit."""
    commit = database.wait_for_lock

    def slow(action: Callable[[], Any], seconds: float) -> Any:
        time.sleep(COMMIT_SECONDS)
        return commit(action, seconds)

    patch.object(database, "wait_for_lock", slow).start()


def run(folder: Path, base_url: str, concurrency: int, shown: Path) -> tuple[int, int]:
    """Run the prompts; returns the number of rows, and of cached ones."""
    model = sk.load_model("openai:m", base_url=base_url, concurrency=concurrency)
    rows = [{"i": i} for i in range(PROMPTS)]
    with sk.Session(folder) as session:
        job = plan("Write fact number {{ i }}.", model=model, session=session, rows=rows)
        done = job.run(listener=Shown(shown))
    return len(done.table), done.ledger.hits


def killed(act: Callable[[], object], after: float) -> None:
    """Do something in a process of its own, and kill it after some seconds."""
    pid = os.fork()
    if pid == 0:
        try:
            slow_commits()
            act()
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def trial(server: Any, after: float, concurrency: int) -> tuple[int, int, int]:
    """Kill a run and run it again; returns the requests wasted, the rows lost and those cached."""
    with tempfile.TemporaryDirectory() as name:
        folder, shown = Path(name) / "s", Path(name) / "shown"
        server.reset()
        killed(lambda: run(folder, server.base_url, concurrency, shown), after)
        time.sleep(0.05)  # the server may still be reading what was sent
        seen = set(shown.read_text().split()) if shown.exists() else set()
        with sk.Session(folder) as session:
            lost = sum(not session.store.completions.for_row(id) for id in seen)
        rows, cached = run(folder, server.base_url, concurrency, Path(name) / "again")
        assert rows == PROMPTS, f"{rows} of {PROMPTS} rows"
        return server.stats()["requests"] - PROMPTS, lost, cached


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--concurrency", type=int, default=16)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with spawn("--latency-ms", str(LATENCY_MS)) as server:
        trials = [
            trial(server, draw.uniform(0.02, 1.5), options.concurrency)
            for _ in range(options.trials)
        ]
    wasted, lost, cached = (sorted(figures) for figures in zip(*trials, strict=True))
    print(f"{options.trials} kills, {options.concurrency} in flight, 20 ms a commit")
    print(f"wasted requests: median {wasted[len(wasted) // 2]}, most {wasted[-1]}")
    print(f"rows shown and lost: {sum(lost)}")
    print(f"cached after the kill: least {cached[0]}, median {cached[len(cached) // 2]}")
    assert wasted[-1] <= options.concurrency
    assert sum(lost) == 0


if __name__ == "__main__":
    main()
