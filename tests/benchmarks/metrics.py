"""Self-BLEU and Vendi beside nltk and vendi-score: seconds, their ratio, and peak memory.

    python -m tests.benchmarks.metrics [--rows 1000 10000] [--dim 256] [--repeats 3]

Texts are 20 words drawn from a Zipf distribution over 5,000; vectors are drawn around 50 centres.
Each case runs in a process of its own, so that its peak (resident memory above what the libraries
and the data take) is its own; the cases take turns, and the table has medians. nltk scores a sample
of ``--sample`` texts against all others, and its seconds are scaled up to all of them: at 10,000
texts the whole would take hours. Our self-BLEU gives its interval too.

2 shared and busy cores, 2026-11-25, medians of 3 at 1,000 and one run at 10,000. Self-BLEU: 0.016 s
and 3 MB at 1,000, nltk 68 s (4,000 times as long); 0.32 s and 32 MB at 10,000, nltk 6,700 s, from
one text. Vendi at 10,000 x 256: 0.45 s and 25 MB, vendi-score 0.62 s and 25 MB; with the interval,
which vendi-score does not have, 1.30 s and 87 MB. At 2,000 x 2,001: 2.9 s and 105 MB, vendi-score
5.1 s and 137 MB.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import psutil
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from synthkit.evaluate.bleu import self_bleu
from synthkit.evaluate.spread import vendi
from synthkit.rouge import tokens

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from vendi_score.vendi import score_dual, score_X


def texts(rows: int) -> list[str]:
    shares = 1 / np.arange(1, 5001)
    drawn = np.random.default_rng(0).choice(5000, (rows, 20), p=shares / shares.sum())
    return [" ".join(map(str, line)) for line in drawn]


def vectors(rows: int, dim: int) -> Any:
    rng = np.random.default_rng(0)
    return rng.standard_normal((50, dim))[rng.integers(50, size=rows)] + rng.standard_normal(
        (rows, dim)
    )


def by_nltk(given: list[str], sample: int) -> float:
    said = [tokens(text) for text in given]
    smooth = SmoothingFunction().method1
    for i in range(min(sample, len(said))):
        sentence_bleu(said[:i] + said[i + 1 :], said[i], smoothing_function=smooth)
    return len(said) / min(sample, len(said))


def vendi_alone(given: Any) -> float:
    return vendi(given, interval=False).value


def vendi_score(given: Any) -> float:
    return float(score_dual(given))


CASES: dict[str, tuple[str, Callable[..., Any]]] = {
    "self-BLEU": ("texts", self_bleu),
    "self-BLEU, nltk": ("texts", by_nltk),
    "Vendi": ("vectors", vendi_alone),
    "Vendi, with interval": ("vectors", vendi),
    "Vendi, vendi-score dual": ("vectors", vendi_score),
    "Vendi, n < d": ("wide", vendi),
    "Vendi, n < d, vendi-score": ("wide", score_X),
}


def measured(case: str, rows: int, dim: int, sample: int, queue: Any) -> None:
    kind, metric = CASES[case]
    # as wide as rows are many, and no more than 2,000 of them: cubic in both
    wide = min(rows, 2000)
    given: Any = texts(rows) if kind == "texts" else vectors(rows, dim)
    if kind == "wide":
        given = vectors(wide, wide + 1)
    before = psutil.Process().memory_info().rss
    start = time.perf_counter()
    found = metric(given, sample) if metric is by_nltk else metric(given)
    seconds = (time.perf_counter() - start) * (found if metric is by_nltk else 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    queue.put((seconds, max(0, peak - before) / 1e6))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 10_000])
    for name, default in (("dim", 256), ("repeats", 3), ("sample", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    for rows in given.rows:
        found: dict[str, list[tuple[float, float]]] = {case: [] for case in CASES}
        for _ in range(given.repeats):
            for case, runs in found.items():
                queue = context.Queue()
                args = (case, rows, given.dim, given.sample, queue)
                process = context.Process(target=measured, args=args)
                process.start()
                runs.append(queue.get())
                process.join()
        print(f"{rows} rows, {given.dim} numbers; medians of {given.repeats}")
        own = 1.0
        for case, runs in found.items():
            seconds, peak = (median(part) for part in zip(*runs, strict=True))
            own = own if "," in case and not case.endswith("n < d") else seconds
            print(f"{case:28} {seconds:10.3f} s {seconds / own:9.1f} x {peak:7.0f} MB")


if __name__ == "__main__":
    main()
