"""Differences that are none: how often two tables of one source are called different.

    python -m tests.benchmarks.null_differences [--tables 500] [--seed 0] [--only WAY ...]

Each table has rows of one source: texts, labels, a source, a judge's scores and marks. It is
evaluated with every metric, and compared with a table that differs from it by chance alone:

- ``few left out``: itself without 5 % of its rows, drawn at random;
- ``half left out``: itself without half of them;
- ``resampled``: as many rows drawn from it with replacement;
- ``halves``: its two halves, which share no row;
- ``overlapping``: two samples of two thirds of it, which share about half of their rows.

The share of comparisons that are significant is given for each metric, uncorrected and as reported
(corrected by Holm for all metrics of the report), and of reports with any significant metric. Then
a difference is planted and the share of tables in which it is found is the power: a filter that
drops faulty rows, a table of fewer words, and one of rows that pass a check less often.
``tests/evaluate/test_null_differences.py`` runs a part of it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import synthkit as sk
from synthkit.evaluate.checks import length, regex
from synthkit.sessions.evaluations import find

Rng = np.random.Generator
Rows = list[dict[str, Any]]
LEVEL = 0.05
WORDS = [a + b for a in ("ba", "ko", "ri", "su", "te", "mo", "la", "vi") for b in
         ("ron", "lit", "mas", "dek", "pul", "gan", "sor", "fim", "nab", "hec")]  # fmt: skip


def table(rng: Rng, n: int, *, words: int = 80, passing: float = 0.85, name: str = "r") -> Rows:
    """Rows of one source; fewer ``words`` are less diverse, ``passing`` is the share of checks."""
    shares = 1 / np.arange(1, words + 1)
    rows = []
    for at in range(n):
        label = "ab"[rng.integers(2)]
        drawn = rng.choice(WORDS[:words], rng.integers(5, 12), p=shares / shares.sum())
        text = " ".join([*drawn, "good" if (label == "a") == (rng.random() < 0.8) else "bad"])
        if rng.random() > passing:
            text += " 0"
        rows.append({
            "id": f"{name}{at}", "text": text, "label": label,
            "source": text if rng.random() < 0.8 else "another text",
            "faithful": int(rng.integers(2, 6)), "faithful_reason": "",
        })  # fmt: skip
    return rows


def embed(texts: Sequence[str]) -> np.ndarray:
    """(n, 24) counts of words, by a hash; each text has a coordinate other than 0."""
    vectors = np.zeros((len(texts), 24))
    for vector, text in zip(vectors, texts, strict=True):
        for word in text.split():
            vector[sum(map(ord, word)) * 7 % 24] += 1
    return vectors + 0.05


def subset(rows: Rows, rng: Rng, share: float) -> tuple[Rows, Rows]:
    kept = np.sort(rng.permutation(len(rows))[: round(share * len(rows))])
    return rows, [rows[at] for at in kept]


def resampled(rows: Rows, rng: Rng) -> tuple[Rows, Rows]:
    drawn = rng.integers(len(rows), size=len(rows))
    return rows, [rows[at] | {"id": f"drawn{n}"} for n, at in enumerate(drawn)]


def halves(rows: Rows, rng: Rng) -> tuple[Rows, Rows]:
    order = rng.permutation(len(rows))
    half = len(rows) // 2
    return [rows[at] for at in order[:half]], [rows[at] for at in order[half : 2 * half]]


def overlapping(rows: Rows, rng: Rng) -> tuple[Rows, Rows]:
    size = 2 * len(rows) // 3
    return tuple([rows[at] for at in rng.permutation(len(rows))[:size]] for _ in range(2))  # type: ignore[return-value]


WAYS: Mapping[str, Callable[[Rows, Rng], tuple[Rows, Rows]]] = {
    "few left out": lambda rows, rng: subset(rows, rng, 0.95),
    "half left out": lambda rows, rng: subset(rows, rng, 0.5),
    "resampled": resampled,
    "halves": halves,
    "overlapping": overlapping,
}


def filtered(rng: Rng, n: int) -> tuple[Rows, Rows]:
    """A table, and it without two thirds of the rows with a digit."""
    rows = table(rng, n)
    return rows, [row for row in rows if "0" not in row["text"] or rng.random() < 1 / 3]


PLANTED: Mapping[str, tuple[str, Callable[[Rng, int], tuple[Rows, Rows]]]] = {
    "a filter drops two thirds of the faults": ("regex text ^[^0-9]*$", filtered),
    "half of the words": (
        "vocabulary", lambda rng, n: (table(rng, n), table(rng, n, words=40, name="s")),
    ),
    "half of the words, by distinct-2": (
        "distinct-2", lambda rng, n: (table(rng, n), table(rng, n, words=40, name="s")),
    ),
    "a check passed by .65, not .85": (
        "regex text ^[^0-9]*$",
        lambda rng, n: (table(rng, n), table(rng, n, passing=0.65, name="s")),
    ),
}  # fmt: skip


class Study:
    """Evaluates pairs of tables in a session and counts their verdicts."""

    def __init__(self, seed: int, real: int, metrics: Sequence[str] | None) -> None:
        self.rng = np.random.default_rng(seed)
        self.real = table(self.rng, real, name="real")
        self.metrics = metrics

    def verdicts(self, first: Rows, second: Rows) -> tuple[dict[str, bool], dict[str, str]]:
        """Whether each metric that is tested differs without correction, and all verdicts."""
        with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
            for name, rows in (("a", first), ("b", second)):
                good = [row["id"] for row in rows if "good" in row["text"]]
                session.mark(good, "accept", by="ana")
                session.mark(
                    [row["id"] for row in rows if row["id"] not in good], "reject", by="ana"
                )
                session.evaluate(
                    rows, name=name, column="text", label="label", source="source", embed=embed,
                    against=self.real, metrics=self.metrics,
                    checks=[length("text", 7, 11), regex("text", "^[^0-9]*$")],
                )  # fmt: skip
            a, b = find(session.store, "a"), find(session.store, "b")
            reported = session.compare_scores("a", "b")
        verdicts = dict(zip(reported["metric"], reported["verdict"], strict=True))
        alone = a.report.differences(b.report, correct=False)
        plain = {name: gap.significant for name, gap in alone.items() if not isinstance(gap, str)}
        return plain, verdicts


def is_significant(verdict: str) -> bool:
    return verdict.split(";")[0] in ("better", "worse", "differs")


def null_rates(
    way: str, tables: int, *, n: int = 80, seed: int = 0, real: int = 120,
    metrics: Sequence[str] | None = None,
) -> tuple[dict[str, tuple[int, int, int]], int]:  # fmt: skip
    """Metric -> (tested, significant alone, significant as reported); and reports with any."""
    study = Study(seed, real, metrics)
    tested: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    as_reported: Counter[str] = Counter()
    reports = 0
    for _ in range(tables):
        plain, verdicts = study.verdicts(*WAYS[way](table(study.rng, n), study.rng))
        tested.update(list(plain))
        alone.update(name for name, significant in plain.items() if significant)
        found = [name for name, verdict in verdicts.items() if is_significant(verdict)]
        as_reported.update(found)
        reports += bool(found)
    return {name: (tested[name], alone[name], as_reported[name]) for name in tested}, reports


def power(
    what: str, tables: int, *, n: int = 80, seed: int = 0, metrics: Sequence[str] | None = None
) -> tuple[float, float]:
    """How often a planted difference is found: alone, and as reported."""
    metric, draw = PLANTED[what]
    study = Study(seed, 120, metrics)
    outcomes = [study.verdicts(*draw(study.rng, n)) for _ in range(tables)]
    return (
        float(np.mean([plain.get(metric, False) for plain, _ in outcomes])),
        float(np.mean([is_significant(verdicts[metric]) for _, verdicts in outcomes])),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=500)
    parser.add_argument("--rows", type=int, default=80)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=WAYS, help="ways to compare (default: all)")
    parser.add_argument("--power", action="store_true", help="only the power")
    options = parser.parse_args()
    for way in () if options.power else options.only or WAYS:
        rates, reports = null_rates(way, options.tables, n=options.rows, seed=options.seed)
        print(f"{way}: {reports / options.tables:.3f} of {options.tables} reports", flush=True)
        for name, (tested, alone, reported) in sorted(rates.items()):
            print(f"  {name:36} {alone / tested:.3f} {reported / tested:.3f}  of {tested}")
    for what in () if options.only else PLANTED:
        rates = power(what, min(100, options.tables), n=options.rows, seed=options.seed)
        print(f"power, {what}: {rates[0]:.2f} alone, {rates[1]:.2f} as reported", flush=True)


if __name__ == "__main__":
    main()
