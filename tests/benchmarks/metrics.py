"""Self-BLEU, Vendi, MAUVE and PRDC, against their references: CPU seconds and peak memory.

    python -m tests.benchmarks.metrics [--rows 1000 10000] [--repeats 3] [--only PREFIX ...]

Texts have 20 words drawn from a Zipf distribution over 5,000. Vectors of 256 dimensions are drawn
around 50 centres, and two tables of 384 dimensions around 50 and 40 of the same centres. Each case
runs on one thread in a separate process, after a run on 60 rows that imports its libraries. Its
peak is the resident memory above that of the libraries and the data. The cases alternate; the
table has medians. nltk scores ``--sample`` texts against all others, and its seconds are scaled up
to all texts: 10,000 texts would take hours. The plain definition of PRDC keeps three distance
matrices in memory.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from synthkit.evaluate.metrics.embedding_diversity import vendi
from synthkit.evaluate.metrics.embedding_fidelity import prdc
from synthkit.evaluate.metrics.mauve import mauve
from synthkit.evaluate.metrics.self_bleu import self_bleu
from synthkit.stats.words import tokens


def texts(rows: int) -> list[str]:
    shares = 1 / np.arange(1, 5001)
    drawn = np.random.default_rng(0).choice(5000, (rows, 20), p=shares / shares.sum())
    return [" ".join(map(str, line)) for line in drawn]


def vectors(rows: int, dim: int = 256) -> Any:
    rng = np.random.default_rng(0)
    return rng.standard_normal((50, dim))[rng.integers(50, size=rows)] + rng.standard_normal(
        (rows, dim)
    )


def wide(rows: int) -> Any:
    """Vectors with one dimension more than rows, at most 2,000 rows: the cost is cubic in both."""
    return vectors(min(rows, 2000), min(rows, 2000) + 1)


def tables(rows: int) -> Any:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(50, 384))

    def drawn(kinds: int) -> Any:
        x = centres[rng.integers(kinds, size=rows)] + 2 * rng.normal(size=(rows, 384))
        return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)

    return drawn(50), drawn(40)


def by_nltk(data: list[str], sample: int) -> float:
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    tokenized = [tokens(text) for text in data]
    smooth = SmoothingFunction().method1
    for i in range(min(sample, len(tokenized))):
        sentence_bleu(tokenized[:i] + tokenized[i + 1 :], tokenized[i], smoothing_function=smooth)
    return len(tokenized) / min(sample, len(tokenized))


def by_vendi_score(data: Any) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated imports from scipy
        from vendi_score.vendi import score_dual, score_X

    return float(score_dual(data) if len(data) > len(data[0]) else score_X(data))


def by_mauve_text(data: Any) -> float:
    from mauve.compute_mauve import compute_mauve

    p, q = data
    return float(compute_mauve(p_features=p, q_features=q, verbose=False).mauve)


def by_prdc(data: Any) -> dict[str, float]:
    from prdc import compute_prdc

    return dict(compute_prdc(*data, 5))


def plain_prdc(data: Any) -> list[float]:
    from scipy.spatial.distance import cdist

    real, synthetic = data
    around_real, around_synthetic = (
        np.partition(cdist(x, x), 5, axis=1)[:, 5] for x in (real, synthetic)
    )
    far = cdist(real, synthetic)
    inside = far < around_real[:, None]
    return [
        inside.any(axis=0).mean(),
        (far < around_synthetic).any(axis=1).mean(),
        inside.sum(axis=0).mean() / 5,
        (far.min(axis=1) < around_real).mean(),
    ]


CASES: dict[str, tuple[Callable[[int], Any], Callable[..., Any]]] = {
    "self-BLEU, with interval": (texts, self_bleu),
    "self-BLEU, nltk": (texts, by_nltk),
    "Vendi": (vectors, lambda data: vendi(data, interval=False)),
    "Vendi, with interval": (vectors, vendi),
    "Vendi, vendi-score dual": (vectors, by_vendi_score),
    "Vendi, n < d": (wide, vendi),
    "Vendi, n < d, vendi-score": (wide, by_vendi_score),
    "MAUVE": (tables, lambda data: mauve(*data, draws=0)),
    "MAUVE, with interval": (tables, lambda data: mauve(*data)),
    "MAUVE, mauve-text": (tables, by_mauve_text),
    "PRDC": (tables, lambda data: prdc(*data, draws=0)),
    "PRDC, with interval": (tables, lambda data: prdc(*data)),
    "PRDC, prdc": (tables, by_prdc),
    "PRDC, plain definition": (tables, plain_prdc),
}
OURS = {"self-BLEU, with interval", "Vendi", "Vendi, n < d", "MAUVE", "PRDC"}
"""Cases whose seconds are the unit of the ratios after them."""


def resident(kind: str) -> int:
    """Resident memory in bytes: current (VmRSS) or peak (VmHWM)."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{kind}:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]


def measured(case: str, rows: int, sample: int, queue: Any) -> None:
    draw, metric = CASES[case]
    few = draw(60)  # a first run, so that imports are not measured
    with contextlib.redirect_stdout(io.StringIO()):
        metric(few, 1) if metric is by_nltk else metric(few)
    data = draw(rows)
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak to the current value
    before, start = resident("VmRSS"), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        found = metric(data, sample) if metric is by_nltk else metric(data)
    seconds = (time.process_time() - start) * (found if metric is by_nltk else 1)
    queue.put((seconds, (resident("VmHWM") - before) / 1e6))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sample", type=int, default=5, help="number of texts that nltk scores")
    parser.add_argument("--only", nargs="*", default=[""], help="prefixes of the names of cases")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    print("| rows | case | CPU seconds | times ours | peak, MB |\n|---|---|---|---|---|")
    for rows in options.rows:
        cases = [case for case in CASES if case.startswith(tuple(options.only))]
        found: dict[str, list[tuple[float, float]]] = {case: [] for case in cases}
        for _ in range(options.repeats):
            for case, runs in found.items():
                queue = context.Queue()
                process = context.Process(target=measured, args=(case, rows, options.sample, queue))
                process.start()
                runs.append(queue.get())
                process.join()
        unit = 1.0
        for case, runs in found.items():
            seconds, peak = (median(part) for part in zip(*runs, strict=True))
            unit = seconds if case in OURS else unit
            print(f"| {rows:,} | {case} | {seconds:.3f} | {seconds / unit:.1f} | {peak:.0f} |")


if __name__ == "__main__":
    main()
