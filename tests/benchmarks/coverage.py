"""Coverage: how often intervals contain the true value, at levels of 90 and 95 %.

    python -m tests.benchmarks.coverage [--trials 2000] [--only METRIC ...]

Each trial draws a table from one source and computes the interval of a metric. The true value is
that of the source where it is known, else the mean of the metric over all trials: then the interval
is for the expected value at this number of rows, because such metrics depend on it. The coverage of
Wilson is exact, by sums of binomials, averaged over shares from 0 to 1. The standard error of 2,000
trials is 0.5 points at 95 % and 0.7 at 90 %. ``tests/evaluate/test_coverage.py`` runs a part of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import stats
from scipy.spatial.distance import jensenshannon

from synthkit.core.types import Score
from synthkit.evaluate import (
    Battle,
    aps,
    chamfer,
    cohen,
    compare,
    compression_ratio,
    distinct_n,
    fleiss,
    grounded,
    krippendorff,
    label_divergence,
    length_controlled,
    mauve,
    mtld,
    ngram_entropy,
    prdc,
    ratings,
    remote_clique,
    self_bleu,
    two_sample,
    vendi,
    vocabulary,
)
from synthkit.evaluate.scores import mean as score_mean
from synthkit.stats.bootstrap import bootstrap, paired_bootstrap
from synthkit.stats.intervals import wilson
from synthkit.stats.jackknife import jackknife

LEVELS = (0.9, 0.95)
Rng = np.random.Generator
Estimate = tuple[float, float, float]
"""Value, low end and high end of an interval."""


@dataclass(frozen=True, slots=True)
class Case:
    """A metric, the method of its interval, and a source of tables of n rows.

    ``draw`` returns a table, ``interval`` takes it and a level. If ``true`` is ``None``, the mean
    of the values is used. A ``slow`` case gets a quarter of the trials."""

    metric: str
    method: str
    n: int
    draw: Callable[[Rng], Any]
    interval: Callable[[Any, float], Estimate]
    true: float | None = None
    slow: bool = False


def share(
    values: Sequence[float], ends: Sequence[tuple[float, float]], true: float | None
) -> float:
    """The share of intervals that contain the true value."""
    middle = float(np.mean(values)) if true is None else true
    return float(np.mean([low - 1e-12 <= middle <= high + 1e-12 for low, high in ends]))


def coverage(
    case: Case, trials: int, levels: Sequence[float] = LEVELS, seed: int = 0
) -> list[float]:
    """The share of trials whose interval contains the true value, at each level."""
    rng = np.random.default_rng(seed)
    values: list[float] = []
    ends: dict[float, list[tuple[float, float]]] = {level: [] for level in levels}
    for _ in range(trials):
        table = case.draw(rng)
        for level in levels:
            value, low, high = case.interval(table, level)
            ends[level].append((low, high))
        values.append(value)
    return [share(values, ends[level], case.true) for level in levels]


def wilson_coverage(n: int, share: float, level: float) -> float:
    """The exact probability that the Wilson interval of n rows contains the share."""
    ends = np.array([wilson(k, n, level) for k in range(n + 1)])
    inside = (ends[:, 0] <= share) & (share <= ends[:, 1])
    return float(stats.binom.pmf(np.flatnonzero(inside), n, share).sum())


def of(metric: Callable[..., Any], **options: Any) -> Callable[[Any, float], Estimate]:
    """The interval of a metric that returns a score."""

    def interval(table: Any, level: float) -> Estimate:
        found: Score = metric(table, level=level, **options)
        return found.value, found.low, found.high  # type: ignore[return-value]

    return interval


def texts(rng: Rng) -> list[str]:
    shares = 1 / np.arange(1, 200)
    drawn = rng.choice(199, (60, 10), p=shares / shares.sum())
    return [" ".join(map(str, line)) for line in drawn]


def vectors(rng: Rng) -> Any:
    return rng.normal(0.5, 1, size=(150, 4))


def tables(rng: Rng) -> tuple[Any, Any]:
    return rng.normal(size=(100, 3)), rng.normal(0.5, 1, size=(100, 3))


def alike(rng: Rng) -> tuple[Any, Any]:
    return rng.normal(size=(100, 3)), rng.normal(size=(100, 3))


def two(metric: Callable[..., Any], at: int | None = None) -> Callable[[Any, float], Estimate]:
    """The interval of a metric of two tables; ``at`` is its position if there are several."""

    def interval(sides: Any, level: float) -> Estimate:
        found = metric(*sides, level=level)
        score = found if at is None else found[at]
        return score.value, score.low, score.high

    return interval


def mean(method: Any) -> Callable[[Any, float], Estimate]:
    """The bootstrap interval of the mean of a table of numbers."""

    def interval(x: Any, level: float) -> Estimate:
        ends = bootstrap(
            lambda rows: x[rows].mean(axis=-1), len(x), method=method, vectorised=True,
            resamples=400, level=level,
        )  # fmt: skip
        return float(x.mean()), *ends

    return interval


def left_out(x: Any, level: float) -> Estimate:
    low, high = jackknife(x.mean(), (x.sum() - x) / (len(x) - 1), level)
    return float(x.mean()), low, high  # type: ignore[return-value]


def hard(rng: Rng) -> tuple[Any, Any]:
    """Scores of two systems on the same rows, some hard for both."""
    rows = rng.normal(size=60)
    return rows + rng.normal(0.3, 0.5, size=60), rows + rng.normal(0.1, 0.5, size=60)


def passed(rng: Rng) -> tuple[Any, Any]:
    """Passes of two systems on the same rows, half of them hard for both: shares .69 and .60."""
    rows = rng.random(100) < 0.5
    return tuple(  # type: ignore[return-value]
        (rng.random(100) < np.where(rows, easy, 0.5)).astype(float) for easy in (0.88, 0.7)
    )


def paired(sides: Any, level: float) -> Estimate:
    x, y = sides
    found = paired_bootstrap(
        lambda rows: x[rows].mean(axis=-1), lambda rows: y[rows].mean(axis=-1), len(x),
        vectorised=True, resamples=400, level=level,
    )  # fmt: skip
    return found.value, found.low, found.high


def scored(parts: Any) -> Score:
    return Score(name="", value=float(np.mean(parts)), n=len(parts), parts=parts)


def compared(sides: Any, level: float) -> Estimate:
    pairs = [(row, row) for row in range(len(sides[0]))]
    found = compare(*map(scored, sides), pairs, resamples=400, level=level)
    return found.value, found.low, found.high


def unpaired(sides: Any, level: float) -> Estimate:
    found = compare(*map(scored, sides), resamples=400, level=level)
    return found.value, found.low, found.high


def diverse(sides: Any, level: float) -> Estimate:
    """The difference of two tables in distinct-2, by their pseudo-values."""
    found = compare(*(distinct_n(side) for side in sides), resamples=400, level=level)
    return found.value, found.low, found.high


def pairs(rng: Rng) -> list[tuple[str, str]]:
    """Labels of two raters, equal on 60 % of rows and else random, of three labels: kappa .6."""
    first = rng.integers(3, size=60)
    other = np.where(rng.random(60) < 0.6, first, rng.integers(3, size=60))
    return [(str(a), str(b)) for a, b in zip(first, other, strict=True)]


def rated(rng: Rng) -> Any:
    """Labels of four raters for 50 rows: the true label with probability .7, else a random one."""
    own = rng.integers(3, size=(50, 1))
    return np.where(rng.random((50, 4)) < 0.7, own, rng.integers(3, size=(50, 4)))


def counted(table: Any, level: float) -> Estimate:
    counts = np.stack([(table == label).sum(axis=1) for label in range(3)], axis=1)
    return of(fleiss, resamples=300)(counts, level)


def alpha(table: Any, level: float) -> Estimate:
    return of(krippendorff, measure="interval", resamples=300)(table.tolist(), level)


def battles(rng: Rng) -> list[Battle]:
    """Battles of systems of strength 0, .5 and 1: first and last rating are 217 apart."""
    found = []
    for i, j in rng.permuted(np.tile(np.arange(3), (150, 1)), axis=1)[:, :2]:
        first = rng.random() < 1 / (1 + np.exp((j - i) / 2))
        found.append(Battle(str(i), str(j), "first" if first else "second"))
    return found


def best(fought: Any, level: float) -> Estimate:
    found = ratings(fought, resamples=300, level=level)["2"]
    return found.value, found.low, found.high  # type: ignore[return-value]


def lengths(rng: Rng) -> tuple[Any, Any, Any]:
    ours, theirs = rng.integers(50, 300, 150), rng.integers(50, 200, 150)
    apart = ours - theirs
    chance = 1 / (1 + np.exp(0.4 - 1.5 * np.tanh(apart / 84.16)))
    won = rng.random(150) < chance
    return ["first" if first else "second" for first in won], ours, theirs


def even(table: Any, level: float) -> Estimate:
    return of(lambda sides, level: length_controlled(*sides, resamples=300, level=level))(
        table, level
    )


def spans(rng: Rng) -> tuple[Any, Any]:
    """Rows of one to five spans; the spans of a row share their probability of a hit."""
    often = rng.beta(4, 1, size=80)
    return [["ab"[int(rng.random() > p)] for _ in range(rng.integers(1, 6))] for p in often], [
        "a"
    ] * 80


def found_in(table: Any, level: float) -> Estimate:
    score = grounded(*table, resamples=400, level=level).score
    return score.value, score.low, score.high  # type: ignore[return-value]


def sides(rng: Rng) -> tuple[Any, Any]:
    shares = (0.5, 0.3, 0.2), (0.2, 0.3, 0.5)
    return tuple(rng.choice(3, size=150, p=one).tolist() for one in shares)  # type: ignore[return-value]


def tenths(rng: Rng) -> tuple[Any, Any]:
    """Labels of two tables of one source, ten of equal shares."""
    return rng.integers(10, size=150).tolist(), rng.integers(10, size=150).tolist()


def gamma(n: int) -> Callable[[Rng], Any]:
    return lambda rng: rng.gamma(4.0, size=n)


def of_labels(at: int) -> Callable[[Any, float], Estimate]:
    return two(lambda x, y, level: label_divergence(y, x, level=level, draws=200), at)


def clustered(table: Any, level: float) -> Estimate:
    return two(lambda x, y, level: mauve(y, x, level=level, draws=100, restarts=1))(table, level)


BT = 1000 + 400 * 0.5 / np.log(10)
JS = float(jensenshannon((0.5, 0.3, 0.2), (0.2, 0.3, 0.5), base=2) ** 2)
CASES = [
    Case("mean", "percentile bootstrap", 30, gamma(30), mean("percentile"), 4),
    Case("mean", "percentile bootstrap", 100, gamma(100), mean("percentile"), 4),
    Case("mean", "BCa bootstrap", 30, gamma(30), mean("bca"), 4),
    Case("mean", "BCa bootstrap", 100, gamma(100), mean("bca"), 4),
    Case("mean", "Student", 3, gamma(3), of(partial(score_mean, "", unit="")), 4),
    Case("mean", "Student", 9, gamma(9), of(partial(score_mean, "", unit="")), 4),
    Case("mean", "jackknife", 5, lambda rng: rng.normal(size=5), left_out, 0),
    Case("mean", "jackknife", 100, gamma(100), left_out, 4),
    Case("difference of means", "paired bootstrap", 60, hard, paired, 0.2),
    Case("difference of shares", "sign-flip permutations", 100, passed, compared, 0.09),
    Case("difference of shares", "permutations", 100, passed, unpaired, 0.09),
    Case("difference of distinct-2", "permutations of parts", 60,
         lambda rng: (texts(rng), texts(rng)), diverse, 0),
    Case("vocabulary", "jackknife", 60, texts, of(vocabulary)),
    Case("distinct-2", "jackknife", 60, texts, of(distinct_n)),
    Case("bigram entropy", "jackknife", 60, texts, of(ngram_entropy)),
    Case("compression ratio", "jackknife of 20 parts", 60, texts, of(compression_ratio)),
    Case("MTLD", "Student, of stretches", 60, texts, of(mtld)),
    Case("self-BLEU-4", "jackknife", 60, texts, of(self_bleu)),
    Case("APS", "jackknife", 150, vectors, of(aps)),
    Case("remote-clique", "jackknife", 150, vectors, of(remote_clique)),
    Case("Chamfer", "jackknife", 150, vectors, of(chamfer)),
    Case("Vendi", "infinitesimal jackknife", 150, vectors, of(vendi)),
    Case("MAUVE", "normal bootstrap in the same clusters", 100, tables, clustered, slow=True),
    *(
        Case(name, "20 samples of half of the rows", 100, tables, two(prdc, at), slow=True)
        for at, name in enumerate(("precision", "recall", "density", "coverage"))
    ),
    Case("two-sample accuracy", "Wilson", 100, tables, two(two_sample), slow=True),
    Case("two-sample accuracy of one source", "Wilson", 100, alike, two(two_sample), 0.5,
         slow=True),
    Case("Jensen-Shannon divergence", "bootstrap less bias", 150, sides, of_labels(0), JS),
    Case("total variation", "bootstrap less bias", 150, sides, of_labels(1), 0.3),
    Case("total variation of one source", "bootstrap less bias", 150, tenths, of_labels(1), 0),
    Case("grounded spans", "BCa bootstrap over rows", 80, spans, found_in, 0.8),
    Case("Cohen's kappa", "percentile bootstrap", 60, pairs, of(cohen, resamples=300), 0.6),
    Case("Fleiss' kappa", "percentile bootstrap", 50, rated, counted, 0.49, slow=True),
    Case("Krippendorff's alpha", "percentile bootstrap", 50, rated, alpha, 0.49, slow=True),
    Case("Bradley-Terry rating", "percentile bootstrap", 150, battles, best, BT, slow=True),
    Case("length-controlled win rate", "percentile bootstrap", 150, lengths, even,
         1 / (1 + np.exp(0.4)), slow=True),
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--only", nargs="*", help="names of metrics, such as MTLD (default: all)")
    options = parser.parse_args()
    print("| metric | interval | rows | 90 % | 95 % |\n|---|---|---|---|---|")
    shares = np.linspace(0.005, 0.995, 100)
    for n in (10, 30, 100, 300):
        coverages = [[wilson_coverage(n, value, level) for value in shares] for level in LEVELS]
        cells = [f"{np.mean(row):.3f} (from {min(row):.3f})" for row in coverages]
        print(f"| share | Wilson, exact | {n} | {' | '.join(cells)} |")
    for case in CASES:
        if options.only and case.metric not in options.only:
            continue
        trials = options.trials // 4 if case.slow else options.trials
        cells = [f"{value:.3f}" for value in coverage(case, trials)]
        row = (case.metric, case.method, str(case.n), *cells)
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
