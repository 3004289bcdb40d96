"""Selection from 20,000 rows of 256 numbers: time and peak memory of each method.

    python -m tests.benchmarks.selection [--rows 20000] [--dim 256] [--keep 100] [--repeats 1]

The vectors are drawn around 200 centres, which is hard for lazy greedy: until each centre has a
row, all gains are nearly equal. "matrix" selects three rows with the full similarity matrix. Each
case runs in its own process, so that its peak (resident memory above that of the libraries and the
vectors) is measured alone; the cases are interleaved, and the table has medians. On a busy machine
read the CPU seconds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import psutil

from synthkit.curate.selection.diverse import _too_similar, farthest_first, most_covering


def drawn(rows: int, dim: int) -> Any:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, dim), np.float32)
    vectors = rng.standard_normal((rows, dim), np.float32)
    vectors += centres[rng.integers(200, size=rows)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def matrix(vectors: Any, keep: int) -> list[int]:
    similarity = (vectors @ vectors.T).clip(0)
    covered = np.zeros(len(vectors), np.float32)
    chosen: list[int] = []
    for _ in range(3):
        gains = np.maximum(similarity, covered).sum(axis=1)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        covered = np.maximum(covered, similarity[chosen[-1]])
    return chosen


def deita(vectors: Any, keep: int) -> Any:
    ids = [str(n) for n in range(len(vectors))]
    return _too_similar(vectors, np.arange(len(vectors)), len(vectors), 0.6, ids)


CASES: dict[str, Callable[[Any, int], Any]] = {
    "facility location": most_covering,
    "k-center": lambda vectors, keep: farthest_first(vectors, keep, 0),
    "DEITA, no budget": deita,
    "matrix, 3 picks": matrix,
}


def measured(case: str, rows: int, dim: int, keep: int, queue: Any) -> None:
    vectors = drawn(rows, dim)
    before = psutil.Process().memory_info().rss
    cpu, wall = time.process_time(), time.perf_counter()
    CASES[case](vectors, keep)
    spent = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    queue.put((*spent, (peak - before) / 1e6))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("rows", 20_000), ("dim", 256), ("keep", 100), ("repeats", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    results: dict[str, list[tuple[float, float, float]]] = {case: [] for case in CASES}
    for _ in range(options.repeats):
        for case in CASES:
            queue = context.Queue()
            args = (case, options.rows, options.dim, options.keep, queue)
            process = context.Process(target=measured, args=args)
            process.start()
            results[case].append(queue.get())
            process.join()
    print(f"{options.rows} x {options.dim}, {options.keep} kept; medians of {options.repeats}")
    for case, runs in results.items():
        wall, cpu, peak = (median(part) for part in zip(*runs, strict=True))
        print(f"{case:20} {wall:8.1f} s {cpu:8.1f} CPU-s {peak:8.0f} MB")


if __name__ == "__main__":
    main()
