"""MAUVE and PRDC beside mauve-text and the plain definitions: seconds and peak memory.

    python -m tests.benchmarks.distances [--rows 1000] [--dim 384] [--repeats 3]
        [--oracle PYTHON] [--timeout 300]

mauve-text is GPL, so it is run by the Python of an environment of its own (``--oracle``), which has
``mauve-text`` and its ``faiss-cpu`` installed; without it that case is left out. The plain PRDC
holds the three matrices of distances at once. Each case runs in a process of its own, and its peak
is the resident memory above what its libraries and the vectors take; the cases take turns, and the
table has medians. A case that runs past ``--timeout`` is shown as slower than that.

CPU seconds and peak MB of one round on two busy cores, 2026-11-25, tables of 384 numbers a row:

| case | 1,000 + 1,000 | 10,000 + 10,000 |
|---|---|---|
| MAUVE | 0.85, 43 | 8.39, 363 |
| mauve-text 0.4.0 | 2.78, 20 | 9.62, 94 |
| PRDC | 0.16, 21 | 9.26, 174 |
| plain PRDC | 0.45, 42 | over 130 s of wall time, where PRDC took 44 |
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from statistics import median

DRAW = """
import json, resource, sys, time, warnings
import numpy as np
rows, dim = int(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)
centres = rng.normal(size=(50, dim))
def drawn(shift):
    x = centres[rng.integers(50 - shift, size=rows)] + 2 * rng.normal(size=(rows, dim))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
p, q = drawn(0), drawn(10)
"""
END = """
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
cpu, wall = time.process_time(), time.perf_counter()
value = run()
spent = time.perf_counter() - wall, time.process_time() - cpu
peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000
print("found", json.dumps([*spent, peak, value]))
"""
CASES = {
    "MAUVE": """
from sklearn.cluster import KMeans
from synthkit.evaluate.distribution import mauve
run = lambda: mauve(p, q, draws=0).value
""",
    "MAUVE with interval": """
from sklearn.cluster import KMeans
from synthkit.evaluate.distribution import mauve
run = lambda: mauve(p, q).value
""",
    "mauve-text": """
import mauve
run = lambda: float(mauve.compute_mauve(p_features=p, q_features=q, verbose=False).mauve)
""",
    "PRDC": """
from synthkit.evaluate.embeddings import prdc
run = lambda: [score.value for score in prdc(p, q)]
""",
    "plain PRDC": """
from scipy.spatial.distance import cdist
def run():
    pp, qq, pq = cdist(p, p), cdist(q, q), cdist(p, q)
    near, far = (np.partition(x, 5, axis=1)[:, 5] for x in (pp, qq))
    inside = pq < near[:, None]
    found = inside.any(0).mean(), (pq < far).any(1).mean(), inside.sum(0).mean() / 5
    return [*map(float, found), float((pq.min(1) < near).mean())]
""",
}


def measured(python: str, case: str, given: argparse.Namespace) -> list[float] | None:
    code = DRAW + CASES[case] + END
    asked = [python, "-c", code, str(given.rows), str(given.dim)]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=given.timeout)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        raise RuntimeError(done.stderr)
    said = next(line for line in done.stdout.splitlines() if line.startswith("found "))
    found: list[float] = json.loads(said.removeprefix("found "))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("rows", 1000), ("dim", 384), ("repeats", 3), ("timeout", 300)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--oracle")
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES))
    given = parser.parse_args()
    cases = [case for case in given.only if given.oracle or case != "mauve-text"]
    found: dict[str, list[list[float]]] = {case: [] for case in cases}
    late: set[str] = set()
    for _ in range(given.repeats):
        for case in cases:
            if case in late:
                continue
            python = given.oracle if case == "mauve-text" else sys.executable
            one = measured(python, case, given)
            if one is None:
                late.add(case)
            else:
                found[case].append(one)
    print(f"{given.rows} + {given.rows} rows of {given.dim}\n")
    print("| case | seconds | CPU seconds | peak, MB | value |\n|---|---|---|---|---|")
    for case, runs in found.items():
        if case in late:
            print(f"| {case} | over {given.timeout} | | | |")
            continue
        wall, cpu, peak = (median(run[at] for run in runs) for at in range(3))
        value = json.dumps(runs[0][3], default=float)
        print(f"| {case} | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {value} |")


if __name__ == "__main__":
    main()
