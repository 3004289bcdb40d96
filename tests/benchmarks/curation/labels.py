"""Wrong labels of people, corrected by votes, Dawid-Skene and an auxiliary labeller.

The raters of VADER's texts are anonymous, and different for each text. So a labeller here is a
seat: seat j of k has, for each text, the sign of one of its ratings, drawn without replacement; a
rating of 0 is no judgement. All seats are alike, except for those that answer at random.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from synthkit.curate import cross_fitted, dawid_skene, judgements, relabel, vote
from synthkit.stats.classifier import fit
from tests.benchmarks.curation.data import distinct_rows
from tests.benchmarks.curation.noise import TRUSTED, flipped, rated
from tests.benchmarks.curation.report import (
    Detection,
    Section,
    chance,
    precision,
    recall,
    share,
    table,
)

SIGNS = {1: "positive", -1: "negative"}
KNOWN = ("negative", "positive")
SEATS = ((3, 0), (5, 0), (9, 0), (3, 1), (5, 2), (9, 4))
"""The number of seats, and the number of these that answer at random."""

NOTE = """
The truth is the sign of the mean of all 20 to 99 ratings, which include those of the seats. A
labeller is a seat: for each text the sign of one rating, drawn anew, because the raters of these
sets are anonymous numbers; a rating of 0 is no judgement. The initial label is that of one random
seat, and detected are the rows that the method relabels. Random is as many random labels flipped.

If all seats are alike, Dawid-Skene has nothing to learn: it corrects more labels than a vote, also
spoils more, and ends with the same accuracy. If some seats answer at random, it identifies each of
them, and leaves half of the errors of a vote. So use a vote if labellers are alike or few rows are
judged, otherwise `dawid_skene`. A vote of three seats, one of them random, is still ten points
better than a single seat.
"""
AUXILIARY = """
1,200 rows of a table of 1,500 (700 of Yelp); the other 300 have the correct labels, and one of the
classifiers is fitted on them. Vectors are MiniLM's. VADER is the tool of that name, with
(1 + compound) / 2 as a probability; its authors collected the ratings of the tweets and snippets.

At the default of 0.9 hardly a label changes, and none with a classifier that was fitted on wrong
labels, because it is never that confident. It is the default because it spoils next to nothing: if
one label in twenty is wrong, lower thresholds spoil more labels than they correct, except with
VADER on tweets. If one in five is wrong, 0.7 is better, with a model that was not fitted on these
labels: accuracy rises from .80 to .90 on Yelp with 300 correct rows, and from .80 to .84 on Amazon.
On Amazon 0.5 makes labels worse.
"""


def seated(rows, seats, coins, seed):
    """The rows with a column for each seat, those that answer by a coin first."""
    rng = np.random.default_rng([seed, seats, coins])
    said = [
        [SIGNS.get(int(np.sign(one))) for one in rng.choice(ratings, seats, replace=False)]
        for ratings in rows["ratings"]
    ]
    for row in said:
        row[:coins] = rng.choice(KNOWN, coins).tolist()
    names = [f"seat{n}" for n in range(seats)]
    made = rows.assign(**{name: [row[n] for row in said] for n, name in enumerate(names)})
    # what one has without the others: the judgement of one seat, drawn at random
    one = [next((row[n] for n in rng.permutation(seats) if row[n]), None) for row in said]
    made = made.assign(truth=rows["label"], label=one)
    return made[made["label"].notna()].reset_index(drop=True), names


def judged(made, before, truth):
    """What was changed among the rows whose label was wrong, and how many are accuracy after."""
    before, truth, after = (np.asarray(one, object) for one in (before, truth, made["label"]))
    wrong = before != truth
    detections = Detection.of(wrong, after != before)
    return detections, int((before == truth).sum()), int((after == truth).sum())


def line(detections, seeds):
    """Accuracy before and after, precision and recall of what was changed, and random."""
    counts, before, after = zip(*detections, strict=True)
    rows = sum(one.rows for one in counts)
    accuracy = [share(sum(one), rows, seeds) for one in (before, after)]
    return [*accuracy, precision(counts), recall(counts), chance(counts)]


def run(seeds, embedders):
    return [people(seeds), auxiliary(seeds, embedders)]


def people(seeds):
    lines = []
    for name in ("vader_tweets", "vader_amazon"):
        for seats, coins in SEATS:
            detections, seen = defaultdict(list), [0, 0]
            for seed in range(seeds):
                made, names = seated(distinct_rows(name, 5000, seed), seats, coins, seed)
                consensus = dawid_skene(judgements(made, names))
                by = {
                    "vote": vote(made, names),
                    "dawid_skene": relabel(made, consensus, threshold=0),
                }
                for method, after in by.items():
                    detections[method].append(judged(after, made["label"], made["truth"]))
                worst = sorted(names, key=consensus.accuracy.__getitem__)[:coins]
                seen[0] += len(set(worst) & set(names[:coins]))
                seen[1] += coins
            for method, one in detections.items():
                told = f"{seen[0]} of {seen[1]}" if coins and method == "dawid_skene" else ""
                lines.append([name, f"{seats}, {coins} random", method, *line(one, seeds), told])
                print(*lines[-1], flush=True)
    head = [
        "data",
        "seats",
        "method",
        "accuracy of one seat",
        "accuracy after",
        "precision",
        "recall",
    ]
    return Section("Several raters", table([*head, "random", "random seats found"], lines), NOTE)


def tool(texts):
    """(n, 2), by VADER's compound score c in -1..1: (1 - c) / 2 and (1 + c) / 2."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    score = SentimentIntensityAnalyzer().polarity_scores
    plus = np.array([(1 + score(text)["compound"]) / 2 for text in texts])
    return np.column_stack([1 - plus, plus])


def auxiliary(seeds, embedders):
    lines = []
    for name, fault in (
        ("vader_tweets", "one rater"),
        ("vader_amazon", "one rater"),
        ("vader_amazon", "20% flipped"),
        ("yelp", "20% flipped"),
    ):
        detections = defaultdict(list)
        for seed in range(seeds):
            if fault == "one rater":
                rows, given = rated(name, seed)
            else:
                rows = distinct_rows(name, 1500, seed)
                given, _ = flipped(rows["label"].tolist(), 0.2, np.random.default_rng([seed, 20]))
            real, noisy = rows[:TRUSTED], rows.assign(label=given)[TRUSTED:]
            models = {"VADER": tool}
            texts, labels = noisy["text"].tolist(), noisy["label"].tolist()
            embed = embedders["minilm"]
            models["classifier of the other folds"] = cross_fitted(
                texts, labels, embed=embed, seed=seed
            )
            models[f"classifier of {TRUSTED} correct rows"] = fit(
                real["text"].tolist(), real["label"].tolist(), embed=embed
            )
            for model, by in models.items():
                for threshold in (0.9, 0.7, 0.5):
                    made = relabel(noisy, by, labels=KNOWN, threshold=threshold)
                    one = judged(made, noisy["label"], rows["label"][TRUSTED:])
                    detections[model, threshold].append(one)
        for (model, threshold), one in detections.items():
            lines.append([name, fault, model, f"{threshold}", *line(one, seeds)])
            print(*lines[-1], flush=True)
    head = ["data", "wrong labels", "model", "threshold", "accuracy before", "accuracy after"]
    return Section(
        "An auxiliary labeller", table([*head, "precision", "recall", "random"], lines), AUXILIARY
    )
