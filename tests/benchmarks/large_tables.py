"""Tables in Parquet files that exceed memory: seconds and peak memory of each step.

    python -m tests.benchmarks.large_tables [--rows 1000000 10000000] [--steps filter dedupe ...]
        [--cluster local] [--folder FOLDER]

Texts have 20 words of a seeded word model (Zipf, 50,000 words); one in five is a copy of an earlier
row, half of these with one word changed. Files have 500,000 rows. Each step runs in a process of
its own. "Peak" is the largest sum of the resident memory of the process and its children, and
"scratch" the most that it had on disk, both in MB. With ``--memory`` the step is done on an Arrow
table in memory instead.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow
import pyarrow.parquet as parquet

WORDS, VOCABULARY, FILE_ROWS = 20, 50_000, 500_000
COPIES, CHANGED = 0.2, 0.5
SCORES = ("vocabulary", "distinct-1", "distinct-2", "n-gram entropy")


def generate(folder: Path, rows: int, seed: int = 7) -> None:
    """Write Parquet files with ids, texts and labels."""
    draw = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    vocabulary = np.array(
        ["".join(draw.choice(letters, size)) for size in draw.integers(2, 11, VOCABULARY)], object
    )
    weights = 1 / np.arange(1, VOCABULARY + 1)
    cuts = np.cumsum(weights / weights.sum())
    folder.mkdir(parents=True, exist_ok=True)
    first = np.empty((0, WORDS), np.int32)
    for number, start in enumerate(range(0, rows, FILE_ROWS)):
        n = min(FILE_ROWS, rows - start)
        words = np.searchsorted(cuts, draw.random((n, WORDS))).clip(0, VOCABULARY - 1)
        first = words[:] if not number else first
        copied = np.flatnonzero(draw.random(n) < COPIES)
        words[copied] = first[draw.integers(0, len(first), len(copied))]
        changed = copied[draw.random(len(copied)) < CHANGED]
        at = draw.integers(0, WORDS, len(changed))
        words[changed, at] = draw.integers(0, VOCABULARY, len(changed))
        table = pyarrow.table(
            {
                "id": [f"row-{start + at}" for at in range(n)],
                "text": [" ".join(row) for row in vocabulary[words]],
                "label": draw.choice(np.array(["good", "bad", "mixed"], object), n),
            }
        )
        parquet.write_table(table, folder / f"{number:04}.parquet", row_group_size=50_000)


def step(name: str, source: Path, scratch: Path, cluster: str, in_memory: bool) -> Any:
    """Do one step; returns what it found."""
    from synthkit import curate, evaluate
    from synthkit.parquet import apply_filters, open_table, report

    filters = {
        "filter": [curate.length(least=20), curate.rows_where("label != bad")],
        "sample": [curate.random_sample(10_000)],
        "balance": [curate.balanced("label", n=30_000)],
        "exact": [curate.exact_duplicates()],
        "dedupe": [curate.near_duplicates(threshold=0.8)],
    }
    if name == "count":
        return len(open_table(source))
    if name == "scores":
        options: dict[str, Any] = {"column": "text", "metrics": SCORES}
        if in_memory:
            found = evaluate.report(open_table(source).load(), **options)
        else:
            found = report(source, scratch=scratch, cluster=cluster, **options)
        return {score.name: score.value for score in found}
    if in_memory:
        curation = curate.apply_filters(open_table(source).load(), *filters[name])
    else:
        to = scratch / f"result-{name}"
        curation = apply_filters(source, *filters[name], to=to, cluster=cluster)
    return [len(curation.kept), len(curation.dropped)]


def measured(command: list[str], scratch: Path) -> tuple[dict[str, Any], float, float]:
    """What a process printed last, the peak memory of its tree, and of its files, in MB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    tree = psutil.Process(process.pid)
    peak = disk = 0
    while process.poll() is None:
        try:
            members = [tree, *tree.children(recursive=True)]
            peak = max(peak, sum(member.memory_info().rss for member in members))
            disk = max(disk, sum(f.stat().st_size for f in scratch.rglob("*") if f.is_file()))
        except (psutil.NoSuchProcess, FileNotFoundError):
            pass
        time.sleep(0.2)
    assert process.stdout is not None
    lines = process.stdout.read().splitlines()
    if process.returncode or not lines:
        raise SystemExit(f"{' '.join(command)} failed")
    return json.loads(lines[-1]), peak / 1e6, disk / 1e6


def run_step(options: argparse.Namespace) -> None:
    """Run one step in this process, and print its seconds and its result."""
    started, cpu = time.perf_counter(), time.process_time()
    found = step(
        options.step, Path(options.source), Path(options.folder), options.cluster, options.memory
    )
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "cpu": time.process_time() - cpu, "found": found}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument(
        "--steps", nargs="+", default=["count", "filter", "sample", "balance", "scores", "dedupe"]
    )
    parser.add_argument("--cluster", default="")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--folder", default=tempfile.gettempdir())
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--source", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        return run_step(options)
    print(f"{'rows':>12} {'step':8} {'seconds':>9} {'CPU-s':>9} {'peak MB':>9} {'scratch MB':>10}")
    for rows in options.rows:
        source = Path(options.folder) / f"rows-{rows}"
        if not source.exists():
            unfinished = source.with_suffix(".unfinished")
            generate(unfinished, rows)
            unfinished.rename(source)
        for name in options.steps:
            with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
                command = [sys.executable, "-m", "tests.benchmarks.large_tables", "--step", name]
                command += ["--source", str(source), "--folder", scratch]
                command += ["--cluster", options.cluster] if options.cluster else []
                command += ["--memory"] if options.memory else []
                result, peak, disk = measured(command, Path(scratch))
            print(
                f"{rows:12,} {name:8} {result['seconds']:9.1f} {result['cpu']:9.1f} {peak:9,.0f} "
                f"{disk:10,.0f}  {result['found']}",
                flush=True,
            )
    return None


if __name__ == "__main__":
    main()
