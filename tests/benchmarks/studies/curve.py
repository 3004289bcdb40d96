"""Accuracy of a classifier against the number of synthetic rows, real rows, and both."""

from __future__ import annotations

from collections import defaultdict

from synthkit.evaluate.metrics.tstr import learning_curve
from tests.benchmarks.curation.report import Section, table
from tests.benchmarks.studies.rows import USUAL
from tests.benchmarks.studies.seeds import cell, verdict

WAYS = ("plain", "attributed")
SOURCES = ("real", *WAYS, *(f"real + {way}" for way in WAYS))

NOTE = """
"n real + all plain" has n real rows and all 150 plain ones. Expected: accuracy rises with the
number of synthetic rows (ZeroGen, arXiv 2202.07922), real rows give a higher accuracy than as many
synthetic ones, and synthetic rows add to real ones (AttrPrompt).

- More rows: holds on Yelp. On TREC gains of 24 to 28 points are not significant with three seeds,
  because draws of 9 rows for 6 labels differ so much.
- Real above synthetic: holds except for attributed reviews, which are 4 points below with no
  significant difference. 150 synthetic reviews are worth 37 to 75 real ones, 150 questions 18 to
  37.
- Added to few real rows: holds throughout, 27 and 28 points on Yelp and 18 to 21 on TREC with 9
  real rows. Added to 150 there is no significant difference: +1 on Yelp, -1 and -2 on TREC.
"""


def curves(seeds, tools):
    """(source, n) -> accuracies on the test rows, one for each seed."""
    found = defaultdict(list)
    for seed in seeds:
        for way in WAYS:
            points = learning_curve(
                seed.tables[way, USUAL], seed.real, seed.test,
                learner=tools.learner, seeds=1, seed=seed.seed,
            )  # fmt: skip
            for source, n, value in points[["source", "n", "value"]].itertuples(index=False):
                if source != "real" or way == WAYS[0]:  # the real rows are the same for both ways
                    found[source.replace("synthetic", way), n].append(value)
    return found


def claims(found, few, most):
    """The expectations of the papers: a name, a direction, and the two sources that differ."""
    for way in WAYS:
        yield f"{way}: {most} rows - {few} rows", "higher", (way, most), (way, few)
        yield f"{most} {way} rows - as many real", "lower", (way, most), ("real", most)
        for n in (few, most):
            both = f"real + {way}"
            yield f"{n} real + {most} {way} - {n} real", "higher", (both, n), ("real", n)


def study(gathered, tools):
    lines, differences = [], []
    for name, seeds in gathered.items():
        found = curves(seeds, tools)
        sizes = sorted({n for _, n in found})
        lines += [[name, str(n), *(cell(found[source, n]) for source in SOURCES)] for n in sizes]
        for claim, expected, a, b in claims(found, sizes[0], sizes[-1]):
            gaps = [x - y for x, y in zip(found[a], found[b], strict=True)]
            differences.append(
                [name, claim, expected, cell(gaps, signed=True), verdict(gaps, expected)]
            )
    head = ["data", "n", "real", "plain", "attributed", *(f"n real + all {way}" for way in WAYS)]
    found = table(
        ["data", "difference in accuracy", "expected", "difference", "found"], differences
    )
    return Section("Accuracy against the number of rows", [*table(head, lines), *found], NOTE)
