"""What a Ray cluster on this machine costs a run of short texts, beside the plain runner.

    python -m tests.benchmarks.ray_overhead [--requests 10000] [--workers 2] [--rounds 3]
        [--model smollm2]

Without ``--model`` the model is a ``Fake``, so that all time is overhead. Each round runs both in
turn, each in a fresh session; the table has medians of wall seconds, and of the CPU seconds of this
process, which is where a kernel would wait. Ray and its workers are started before, and their time
is a line of its own. Then it is said how many rows of the two are the same. The table is in
``README.md`` beside this file.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import synthkit as sk
from synthkit.core import ray_cluster

Laps = dict[str, list[tuple[float, float]]]
Rows = dict[str, str]
"""Texts by id."""


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall and CPU seconds of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def run(model: Any, requests: int) -> Rows:
    with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
        rows = [{"i": at} for at in range(requests)]
        made = sk.generate("Write fact {{ i }}.", rows=rows, model=model, session=session)
        assert len(made.table) == requests
        return dict(zip(made.table["id"], made.table["text"], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="fake")
    options = parser.parse_args()
    plain = sk.load_model(options.model)
    cpus = 0.5 if options.model == "fake" else 1.0
    over = sk.load_model(f"ray:{options.model}", workers=options.workers, cpus=cpus)
    made: dict[str, Rows] = {}
    laps: Laps = {}
    laps["start Ray"] = [timed(lambda: ray_cluster.join(object_store=100_000_000))]
    laps["first request"] = [timed(lambda: run(over, 1))]
    for _ in range(options.rounds):
        for name, model in (("plain", plain), ("Ray", over)):

            def work(name: str = name, model: Any = model) -> None:
                made[name] = run(model, options.requests)

            laps.setdefault(name, []).append(timed(work))
    print("| what | seconds | CPU seconds of this process |\n|---|---|---|")
    for name, found in laps.items():
        wall, cpu = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"| {name} | {wall:.2f} | {cpu:.2f} |")
    same = len(made["plain"].items() & made["Ray"].items())
    print(f"\nThe same ids and texts: {same} of {options.requests}.")
    ray_cluster.leave()


if __name__ == "__main__":
    main()
