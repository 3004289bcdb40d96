"""Flipped labels: what each method finds at its own rule, and how it ranks."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from sklearn.metrics import roc_auc_score

from synthkit.curate import cross_fitted, label_issues, suspicion, weights
from tests.benchmarks.curation.data import distinct_rows, one_rater
from tests.benchmarks.curation.report import Found, Part, precision, recall, short, table

DATA = {"yelp": 1000, "sms_spam": 1500, "trec": 1500, "vader_amazon": 1500}
RATES = (0.1, 0.2, 0.4)
METHODS = ("confident", "dynamics", "forgetting", "small_loss", "pvi", "influence")
BEST = ("confident", "dynamics", "small_loss", "pvi")
"""Those that are tried with MiniLM too."""
RULES = ("both", "predicted_neq_given")
TRUSTED = 300
"""Rows with right labels, for the methods that learn from these alone."""

NOTE = """
Labels are turned to another one drawn at random; "300 right rows" means that the method learns
from 300 rows with right labels (`real=`), and judges the others. `weights(method="confidence")`
ranks as small_loss does, by the probability of the label. Cartography's suspicion is that of
dynamics.

- The default is `"confident"`: it alone has a rule that works throughout. With MiniLM and 10% of
  flips .35 to .96 of what it takes is wrong, where random has .10, and it finds .63 to .84.
- `"dynamics"` ranks as well or better (TREC: .71 at k, not .59), but the bounds of its own rule,
  CLLM's, are for two labels never met where many labels are wrong: at 20% it finds a sixth or
  less, at 40% nothing. Take the first of `suspects`, or give a threshold. `"forgetting"` shares
  this.
- `"small_loss"` finds most on two labels, and half or more of what it takes at 10% is right; with
  six labels and WordLlama it finds a fifth. `"pvi"` learns with too little restraint to find 40%
  of flips: on SMS its AUROC is .63 there, that of confident .97.
- `"influence"` and SunGen's weights rank better than confident on SMS with 20% of flips at most,
  and influence on TREC up to there; no better than small_loss elsewhere. At 40% SunGen is at .47
  to .48 on Yelp and Amazon, where random is at .40. Variability alone is no sign of a wrong label:
  as random on two labels, and worse on TREC, where right labels vary and wrong ones stay
  improbable.
- The embedder matters more than the method, and right rows more than either where 40% are wrong:
  300 of them raise AUROC on Yelp from .86 to .95. At 10 and 20% they add nothing to many noisy
  ones.
"""
NATURAL = """
The label of a text is the sign of one of its ratings, drawn at random, and wrong if it is not that
of the mean; texts rated 0 by that person are left out. These mistakes are few, and of texts that
are hard to tell, unlike flips. On tweets the methods rank them well above random (.21 to .46 at k,
not .06); on Amazon six of seven rows that the default takes are right, so that dropping them costs
more than it mends: look at `suspects`, or ask more people, where few labels are wrong.
"""


def flipped(labels, rate, rng):
    """The labels with a share of them, drawn at random, turned to another, and which were."""
    known = sorted(set(labels))
    wrong = np.zeros(len(labels), bool)
    wrong[rng.choice(len(labels), round(rate * len(labels)), replace=False)] = True
    return [
        known[(known.index(label) + rng.integers(1, len(known))) % len(known)] if bad else label
        for label, bad in zip(labels, wrong, strict=True)
    ], wrong


def findings(rows, embed, seed, methods):
    """Method -> what it takes by its own rule, if it has one, and its suspicion of each row."""
    made = {}
    for method in methods:
        found = suspicion(rows, method=method, embed=embed, seed=seed)
        made[method] = found["noisy"].to_numpy(bool), found["suspicion"].to_numpy(float)
        if method == "dynamics" and "forgetting" in methods:
            made["cartography: variability"] = None, found["variability"].to_numpy(float)
    if "forgetting" in methods:
        known = sorted(set(rows["label"]))
        targets = np.array([known.index(label) for label in rows["label"]])
        likely = cross_fitted(rows["text"].tolist(), rows["label"].tolist(), embed=embed, seed=seed)
        for rule in RULES:
            made[f"confident: {rule}"] = label_issues(likely, targets, rule=rule), None
        found = weights(rows, method="sungen", embed=embed, seed=seed)
        made["weights: sungen"] = None, -found["weight"].to_numpy(float)
    return made


def ranked(wrong, doubt, seed):
    """Those of most suspicion, as many as there are wrong labels; ties at random; and AUROC."""
    order = np.lexsort((np.random.default_rng(seed).uniform(size=len(wrong)), -doubt))
    taken = np.zeros(len(wrong), bool)
    taken[order[: wrong.sum()]] = True
    return Found.of(wrong, taken), float(roc_auc_score(wrong, doubt))


def measured(rows, given, wrong, embed, seed, methods, into):
    """Add what each method finds of these wrong labels to ``into``: method -> three lists."""
    noisy = rows.assign(label=given)
    for method, found in findings(noisy, embed, seed, methods).items():
        added(into[method], wrong, *found, seed)
    real, rest = rows[:TRUSTED], noisy[TRUSTED:].reset_index(drop=True)
    for method in ("confident", "dynamics"):
        found = suspicion(rest, method=method, embed=embed, seed=seed, real=real)
        columns = found["noisy"].to_numpy(bool), found["suspicion"].to_numpy(float)
        added(into[f"{method}, {TRUSTED} right rows"], wrong[TRUSTED:], *columns, seed)


def added(into, wrong, taken, doubt, seed):
    by_rule, at_k, areas = into
    if taken is not None:
        by_rule.append(Found.of(wrong, taken))
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
            [name, "random", "", *(c for rate in RATES for c in (short(rate), "as taken"))]
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
        "As a ranking: precision, which is also recall, of the k rows of most suspicion, where k "
        "labels were flipped; and AUROC.",
        "",
        *table(
            [*head, *(f"{what}, {rate:.0%}" for rate in RATES for what in ("at k", "AUROC"))],
            by_rank,
        ),
    ]
    return Part("Flipped labels", lines, NOTE)


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
        lines.append([name, "random", "", short(bad / n), "as taken", short(bad / n), ".50"])
    head = ["data", "method", "embedder", "precision", "recall", "at k", "AUROC"]
    return Part("Labels of one rater", table(head, lines), NATURAL)


def rated(name, seed, most=1500):
    """Rows, and the label that one rater of each gives; without those who rate it 0."""
    rows = distinct_rows(name, most, seed)
    given = one_rater(rows, np.random.default_rng([seed, 1]))
    rows = rows[[bool(label) for label in given]].reset_index(drop=True)
    return rows, [label for label in given if label]
