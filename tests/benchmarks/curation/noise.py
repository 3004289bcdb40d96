"""Flipped labels: precision and recall of each method's own rule and of its ranking."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from sklearn.metrics import roc_auc_score

from synthkit.curate import cross_fitted, label_issues, suspicion, weights
from tests.benchmarks.curation.data import distinct_rows, one_rater
from tests.benchmarks.curation.report import Counts, Section, precision, recall, short, table

DATA = {"yelp": 1000, "sms_spam": 1500, "trec": 1500, "vader_amazon": 1500}
RATES = (0.1, 0.2, 0.4)
METHODS = ("confident", "dynamics", "forgetting", "small_loss", "pvi", "influence")
BEST = ("confident", "dynamics", "small_loss", "pvi")
"""Methods that are run with MiniLM too."""
RULES = ("both", "predicted_neq_given")
TRUSTED = 300
"""Rows with right labels, for runs that learn only from such rows."""

NOTE = """
A flipped label is replaced by another label drawn at random. "300 right rows" means that the
method learns from 300 rows with right labels (`real=`) and judges the others.
`weights(method="confidence")` ranks rows as small_loss does, by the probability of the label. The
suspicion of cartography is that of dynamics.

- The default is `"confident"`, the only method whose own rule works at every rate. With MiniLM and
  10% of flips its precision is .35 to .96, against .10 at random, and its recall .63 to .84.
- `"dynamics"` ranks as well or better (TREC: .71 at k, against .59). With two labels, however, few
  or no rows reach the bounds of its own rule, those of CLLM, where many labels are wrong: at 20%
  it finds a sixth or less, at 40% nothing. Take the first rows of `suspects`, or set a threshold.
  The same holds for `"forgetting"`.
- `"small_loss"` finds most with two labels, and half or more of the rows that it flags at 10% have
  right labels; with six labels and WordLlama it finds a fifth. `"pvi"` is regularized too weakly
  to find 40% of flips: on SMS its AUROC is .63 there, that of confident .97.
- `"influence"` and the weights of SunGen rank better than confident on SMS with at most 20% of
  flips, and influence also on TREC at these rates. Elsewhere they are no better than small_loss.
  At 40% SunGen is at .47 to .48 on Yelp and Amazon, where random is at .40. Variability alone does
  not indicate a wrong label: it ranks like random with two labels, and worse on TREC, where right
  labels vary and wrong ones stay improbable.
- The embedder matters more than the method. Where 40% of the labels are wrong, rows with right
  labels matter more than either: 300 of them raise AUROC on Yelp from .86 to .95. At 10 and 20%
  they add nothing to many noisy rows.
"""
NATURAL = """
The label of a text is the sign of one of its ratings, drawn at random. It is wrong if it differs
from the sign of the mean rating. Texts that this person rated 0 are left out. Unlike flips, these
mistakes are few and concern texts that are hard to label. On tweets the methods rank them well
above random (.21 to .46 at k, against .06). On Amazon six of seven rows that the default flags
have right labels, so dropping them costs more than it gains. Where few labels are wrong, inspect
`suspects`, or ask more people.
"""


def flipped(labels, rate, rng):
    """The labels, a share of them replaced by other labels at random, and which were replaced."""
    known = sorted(set(labels))
    wrong = np.zeros(len(labels), bool)
    wrong[rng.choice(len(labels), round(rate * len(labels)), replace=False)] = True
    return [
        known[(known.index(label) + rng.integers(1, len(known))) % len(known)] if bad else label
        for label, bad in zip(labels, wrong, strict=True)
    ], wrong


def findings(rows, embed, seed, methods):
    """Method -> rows flagged by its own rule, if it has one, and its suspicion of each row."""
    results = {}
    for method in methods:
        found = suspicion(rows, method=method, embed=embed, seed=seed)
        results[method] = found["noisy"].to_numpy(bool), found["suspicion"].to_numpy(float)
        if method == "dynamics" and "forgetting" in methods:
            results["cartography: variability"] = None, found["variability"].to_numpy(float)
    if "forgetting" in methods:
        known = sorted(set(rows["label"]))
        targets = np.array([known.index(label) for label in rows["label"]])
        likely = cross_fitted(rows["text"].tolist(), rows["label"].tolist(), embed=embed, seed=seed)
        for rule in RULES:
            results[f"confident: {rule}"] = label_issues(likely, targets, rule=rule), None
        found = weights(rows, method="sungen", embed=embed, seed=seed)
        results["weights: sungen"] = None, -found["weight"].to_numpy(float)
    return results


def ranked(wrong, doubt, seed):
    """Counts for the most suspicious rows, as many as there are wrong labels, and AUROC.

    Ties are broken at random.
    """
    order = np.lexsort((np.random.default_rng(seed).uniform(size=len(wrong)), -doubt))
    flagged = np.zeros(len(wrong), bool)
    flagged[order[: wrong.sum()]] = True
    return Counts.of(wrong, flagged), float(roc_auc_score(wrong, doubt))


def measured(rows, labels, wrong, embed, seed, methods, into):
    """Add the results of each method on these wrong labels to ``into``: method -> three lists."""
    noisy = rows.assign(label=labels)
    for method, found in findings(noisy, embed, seed, methods).items():
        add_result(into[method], wrong, *found, seed)
    real, rest = rows[:TRUSTED], noisy[TRUSTED:].reset_index(drop=True)
    for method in ("confident", "dynamics"):
        found = suspicion(rest, method=method, embed=embed, seed=seed, real=real)
        columns = found["noisy"].to_numpy(bool), found["suspicion"].to_numpy(float)
        add_result(into[f"{method}, {TRUSTED} right rows"], wrong[TRUSTED:], *columns, seed)


def add_result(into, wrong, flagged, doubt, seed):
    """Add the counts by rule, the counts at k and the AUROC of one method to three lists."""
    by_rule, at_k, areas = into
    if flagged is not None:
        by_rule.append(Counts.of(wrong, flagged))
    if doubt is not None:
        found, area = ranked(wrong, doubt, seed)
        at_k.append(found)
        areas.append(area)


def cells(found):
    by_rule, at_k, areas = found
    rule = [precision(by_rule), recall(by_rule)] if by_rule else ["", ""]
    rank = [precision(at_k), short(float(np.mean(areas)))] if at_k else ["", ""]
    return rule, rank


def run(seeds, embedders):
    return [flips(seeds, embedders), natural(seeds, embedders)]


def methods_for(embedder):
    return METHODS if embedder == "wordllama" else BEST


def flips(seeds, embedders):
    by_rule, by_rank = [], []
    for name, most in DATA.items():
        for embedder, embed in embedders.items():
            found = {rate: defaultdict(lambda: ([], [], [])) for rate in RATES}
            for seed in range(seeds):
                rows = distinct_rows(name, most, seed)
                for rate in RATES:
                    rng = np.random.default_rng([seed, round(100 * rate)])
                    labels, wrong = flipped(rows["label"].tolist(), rate, rng)
                    measured(rows, labels, wrong, embed, seed, methods_for(embedder), found[rate])
            for method in found[RATES[0]]:
                parts = [cells(found[rate][method]) for rate in RATES]
                line = [name, method, embedder]
                if parts[0][0][0]:
                    by_rule.append([*line, *(cell for rule, _ in parts for cell in rule)])
                if parts[0][1][0]:
                    by_rank.append([*line, *(cell for _, rank in parts for cell in rank)])
            print(name, embedder, flush=True)
        by_rule.append(
            [name, "random", "", *(c for rate in RATES for c in (short(rate), "as flagged"))]
        )
        by_rank.append([name, "random", "", *(c for rate in RATES for c in (short(rate), ".50"))])
    head = ["data", "method", "embedder"]
    lines = [
        "Rows flagged by each method's own rule.",
        "",
        *table(
            [*head, *(f"{what}, {rate:.0%}" for rate in RATES for what in ("precision", "recall"))],
            by_rule,
        ),
        "As a ranking: precision, equal to recall, of the k most suspicious rows, where k is the "
        "number of flipped labels; and AUROC.",
        "",
        *table(
            [*head, *(f"{what}, {rate:.0%}" for rate in RATES for what in ("at k", "AUROC"))],
            by_rank,
        ),
    ]
    return Section("Flipped labels", lines, NOTE)


def natural(seeds, embedders):
    lines = []
    for name in ("vader_tweets", "vader_amazon"):
        bad, n = 0, 0
        for embedder, embed in embedders.items():
            found = defaultdict(lambda: ([], [], []))
            for seed in range(seeds):
                rows, labels = rated(name, seed)
                wrong = np.array(labels) != rows["label"].to_numpy()
                bad, n = bad + wrong.sum(), n + len(wrong)
                measured(rows, labels, wrong, embed, seed, methods_for(embedder), found)
            for method, results in found.items():
                rule, rank = cells(results)
                lines.append([name, method, embedder, *rule, *rank])
            print(name, embedder, flush=True)
        lines.append([name, "random", "", short(bad / n), "as flagged", short(bad / n), ".50"])
    head = ["data", "method", "embedder", "precision", "recall", "at k", "AUROC"]
    return Section("Labels of one rater", table(head, lines), NATURAL)


def rated(name, seed, most=1500):
    """Rows, and the label of each by one of its raters; without rows that the rater rated 0."""
    rows = distinct_rows(name, most, seed)
    labels = one_rater(rows, np.random.default_rng([seed, 1]))
    rows = rows[[bool(label) for label in labels]].reset_index(drop=True)
    return rows, [label for label in labels if label]
