"""Flipped labels: what each method detects by its own rule, and how it ranks."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from sklearn.metrics import roc_auc_score

from synthkit.curate import cross_fitted, label_issues, suspicion, weights
from tests.benchmarks.curation.data import distinct_rows, one_rater
from tests.benchmarks.curation.report import Detection, Section, precision, recall, short, table

DATA = {"yelp": 1000, "sms_spam": 1500, "trec": 1500, "vader_amazon": 1500}
RATES = (0.1, 0.2, 0.4)
METHODS = ("confident", "dynamics", "forgetting", "small_loss", "pvi", "influence")
BEST = ("confident", "dynamics", "small_loss", "pvi")
"""The methods that are also run with MiniLM."""
RULES = ("both", "predicted_neq_given")
TRUSTED = 300
"""Rows with correct labels on which some methods are fitted."""

NOTE = """
Labels are replaced by another random label. "300 correct rows" means that the method is fitted on
300 rows with correct labels (`real=`), and scores the others. `weights(method="confidence")` ranks
as small_loss does, by the probability of the label. The suspicion of cartography is that of
dynamics.

- The default is `"confident"`: only its rule works in all cases. With MiniLM and 10% of flips, .35
  to .96 of the rows it detects are wrong (random: .10), and it finds .63 to .84 of the wrong ones.
- `"dynamics"` ranks as well or better (TREC: .71 at k against .59), but the bounds of its own rule,
  those of CLLM, are never met for two labels if many labels are wrong: at 20% it finds a sixth or
  less, at 40% nothing. Use the first rows of `suspects`, or a threshold. `"forgetting"` is similar.
- `"small_loss"` finds most on two labels, and half or more of the rows it detects at 10% are wrong;
  with six labels and WordLlama it finds a fifth. `"pvi"` is regularized too little to find 40% of
  flips: on SMS its AUROC is .63 there, that of confident .97.
- `"influence"` and the weights of SunGen rank better than confident on SMS with at most 20% of
  flips, and influence also on TREC; they are not better than small_loss elsewhere. At 40% SunGen
  has .47 to .48 on Yelp and Amazon (random: .40). Variability alone does not indicate a wrong
  label: it is as random on two labels, and worse on TREC, where correct labels vary and wrong ones
  stay improbable.
- The embedder matters more than the method, and correct rows matter more than both if 40% are
  wrong: 300 of them raise AUROC on Yelp from .86 to .95. At 10 and 20% they add nothing to many
  noisy rows.
"""
NATURAL = """
The label of a text is the sign of one of its ratings, drawn at random. It is wrong if it differs
from the sign of the mean; texts rated 0 by that person are left out. Unlike flips, these mistakes
are few, and on texts that are hard to judge. On tweets the methods rank them well above random (.21
to .46 at k against .06). On Amazon six of seven rows that the default detects are correct, so
dropping them costs more than it gains: look at `suspects`, or ask more people, if few labels are
wrong.
"""


def flipped(labels, rate, rng):
    """The labels with a random share replaced by another, and which were replaced."""
    known = sorted(set(labels))
    wrong = np.zeros(len(labels), bool)
    wrong[rng.choice(len(labels), round(rate * len(labels)), replace=False)] = True
    return [
        known[(known.index(label) + rng.integers(1, len(known))) % len(known)] if bad else label
        for label, bad in zip(labels, wrong, strict=True)
    ], wrong


def findings(rows, embed, seed, methods):
    """Method -> the rows it detects by its own rule, if it has one, and its suspicion of all."""
    by_method = {}
    for method in methods:
        found = suspicion(rows, method=method, embed=embed, seed=seed)
        by_method[method] = found["noisy"].to_numpy(bool), found["suspicion"].to_numpy(float)
        if method == "dynamics" and "forgetting" in methods:
            by_method["cartography: variability"] = None, found["variability"].to_numpy(float)
    if "forgetting" in methods:
        known = sorted(set(rows["label"]))
        targets = np.array([known.index(label) for label in rows["label"]])
        probabilities = cross_fitted(
            rows["text"].tolist(), rows["label"].tolist(), embed=embed, seed=seed
        )
        for rule in RULES:
            by_method[f"confident: {rule}"] = label_issues(probabilities, targets, rule=rule), None
        found = weights(rows, method="sungen", embed=embed, seed=seed)
        by_method["weights: sungen"] = None, -found["weight"].to_numpy(float)
    return by_method


def ranked(wrong, doubt, seed):
    """The rows with the highest suspicion, as many as there are wrong labels; and AUROC."""
    order = np.lexsort((np.random.default_rng(seed).uniform(size=len(wrong)), -doubt))
    detected = np.zeros(len(wrong), bool)
    detected[order[: wrong.sum()]] = True
    return Detection.of(wrong, detected), float(roc_auc_score(wrong, doubt))


def measured(rows, given, wrong, embed, seed, methods, into):
    """Add the detections of each method to ``into``: method -> three lists."""
    noisy = rows.assign(label=given)
    for method, found in findings(noisy, embed, seed, methods).items():
        added(into[method], wrong, *found, seed)
    real, rest = rows[:TRUSTED], noisy[TRUSTED:].reset_index(drop=True)
    for method in ("confident", "dynamics"):
        found = suspicion(rest, method=method, embed=embed, seed=seed, real=real)
        columns = found["noisy"].to_numpy(bool), found["suspicion"].to_numpy(float)
        added(into[f"{method}, {TRUSTED} correct rows"], wrong[TRUSTED:], *columns, seed)


def added(into, wrong, detected, doubt, seed):
    by_rule, at_k, areas = into
    if detected is not None:
        by_rule.append(Detection.of(wrong, detected))
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


def asked(embedder):
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
                    given, wrong = flipped(rows["label"].tolist(), rate, rng)
                    measured(rows, given, wrong, embed, seed, asked(embedder), found[rate])
            for method in found[RATES[0]]:
                parts = [cells(found[rate][method]) for rate in RATES]
                line = [name, method, embedder]
                if parts[0][0][0]:
                    by_rule.append([*line, *(cell for rule, _ in parts for cell in rule)])
                if parts[0][1][0]:
                    by_rank.append([*line, *(cell for _, rank in parts for cell in rank)])
            print(name, embedder, flush=True)
        by_rule.append(
            [name, "random", "", *(c for rate in RATES for c in (short(rate), "as detected"))]
        )
        by_rank.append([name, "random", "", *(c for rate in RATES for c in (short(rate), ".50"))])
    head = ["data", "method", "embedder"]
    lines = [
        "At each method's own rule.",
        "",
        *table(
            [*head, *(f"{what}, {rate:.0%}" for rate in RATES for what in ("precision", "recall"))],
            by_rule,
        ),
        "As a ranking: precision, which is also recall, of the k rows with the highest suspicion, "
        "if k labels were flipped; and AUROC.",
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
                rows, given = rated(name, seed)
                wrong = np.array(given) != rows["label"].to_numpy()
                bad, n = bad + wrong.sum(), n + len(wrong)
                measured(rows, given, wrong, embed, seed, asked(embedder), found)
            for method, one in found.items():
                rule, rank = cells(one)
                lines.append([name, method, embedder, *rule, *rank])
            print(name, embedder, flush=True)
        lines.append([name, "random", "", short(bad / n), "as detected", short(bad / n), ".50"])
    head = ["data", "method", "embedder", "precision", "recall", "at k", "AUROC"]
    return Section("Labels of one rater", table(head, lines), NATURAL)


def rated(name, seed, most=1500):
    """Rows, and the label of each by one rater; without those rated 0."""
    rows = distinct_rows(name, most, seed)
    given = one_rater(rows, np.random.default_rng([seed, 1]))
    rows = rows[[bool(label) for label in given]].reset_index(drop=True)
    return rows, [label for label in given if label]
