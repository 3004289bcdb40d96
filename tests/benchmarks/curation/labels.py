"""Wrong labels of people: what votes, Dawid-Skene and an auxiliary labeller put right.

The raters of VADER's texts are anonymous numbers, each text with its own. So a labeller here is a
seat: seat j of k has, for each text, the sign of one of its ratings, drawn without replacement; a
rating of 0 is no judgement. All seats are alike then, but for those that answer by a coin.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from synthkit.curate import cross_fitted, dawid_skene, judgements, relabel, vote
from synthkit.stats.classifier import fit
from tests.benchmarks.curation.data import distinct_rows
from tests.benchmarks.curation.noise import TRUSTED, flipped, rated
from tests.benchmarks.curation.report import (
    Counts,
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
"""How many seats there are, and how many of them answer by a coin."""

NOTE = """
The truth is the sign of the mean of all 20 to 99 ratings, including those of the labellers here.
The raters of these sets are numbers without names, so labellers are simulated: for each text a
labeller gives the sign of one rating, drawn anew; a rating of 0 is no judgement. The label before
is that of one labeller drawn at random, and the flagged rows are those that the method relabels.
"Random" changes as many labels at random.

Among labellers that are alike, Dawid-Skene has nothing to learn: it corrects more labels than a
vote and spoils more, and the result is equally accurate. If some labellers answer at random, it
identifies each of them and leaves half of the mistakes of a vote. So use `vote` where labellers
are alike or few rows are judged, else `dawid_skene`. A vote of three, one of them random, is still
ten points better than a single labeller.
"""
AUXILIARY = """
The method relabels 1,200 rows of a table of 1,500 (for Yelp, 700 rows). The other 300 rows have
right labels, and one of the classifiers is trained on them. Vectors are MiniLM's. VADER is the
tool of that name, with (1 + compound) / 2 as a probability; its authors also had the tweets and
snippets rated.

At the default threshold of 0.9 hardly any label changes, and classifiers trained on wrong labels
change none: they are never that confident. It is the default because it spoils next to nothing.
Where one label in twenty is wrong, lower thresholds spoil more labels than they correct, except
for VADER on tweets. Where one in five is wrong, 0.7 is better, with a model that did not learn
from these labels: accuracy rises from .80 to .90 on Yelp with 300 right rows, and from .80 to .84
on Amazon. On Amazon 0.5 makes the labels worse.
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
    """What was changed among the rows whose label was wrong, and how many are right after."""
    before, truth, after = (np.asarray(one, object) for one in (before, truth, made["label"]))
    wrong = before != truth
    found = Counts.of(wrong, after != before)
    return found, int((before == truth).sum()), int((after == truth).sum())


def line(found, seeds):
    """Accuracy before and after, precision and recall of what was changed, and random."""
    counts, before, after = zip(*found, strict=True)
    rows = sum(one.rows for one in counts)
    accuracy = [share(sum(one), rows, seeds) for one in (before, after)]
    return [*accuracy, precision(counts), recall(counts), chance(counts)]


def run(seeds, embedders):
    return [people(seeds), auxiliary(seeds, embedders)]


def people(seeds):
    lines = []
    for name in ("vader_tweets", "vader_amazon"):
        for seats, coins in SEATS:
            found, seen = defaultdict(list), [0, 0]
            for seed in range(seeds):
                made, names = seated(distinct_rows(name, 5000, seed), seats, coins, seed)
                consensus = dawid_skene(judgements(made, names))
                by = {
                    "vote": vote(made, names),
                    "dawid_skene": relabel(made, consensus, threshold=0),
                }
                for method, after in by.items():
                    found[method].append(judged(after, made["label"], made["truth"]))
                worst = sorted(names, key=consensus.accuracy.__getitem__)[:coins]
                seen[0] += len(set(worst) & set(names[:coins]))
                seen[1] += coins
            for method, one in found.items():
                told = f"{seen[0]} of {seen[1]}" if coins and method == "dawid_skene" else ""
                lines.append([name, f"{seats}, {coins} random", method, *line(one, seeds), told])
                print(*lines[-1], flush=True)
    head = [
        "data",
        "labellers",
        "method",
        "one labeller right",
        "right after",
        "precision",
        "recall",
    ]
    return Section("Several raters", table([*head, "random", "random ones found"], lines), NOTE)


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
        found = defaultdict(list)
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
            models[f"classifier of {TRUSTED} right rows"] = fit(
                real["text"].tolist(), real["label"].tolist(), embed=embed
            )
            for model, by in models.items():
                for threshold in (0.9, 0.7, 0.5):
                    made = relabel(noisy, by, labels=KNOWN, threshold=threshold)
                    one = judged(made, noisy["label"], rows["label"][TRUSTED:])
                    found[model, threshold].append(one)
        for (model, threshold), one in found.items():
            lines.append([name, fault, model, f"{threshold}", *line(one, seeds)])
            print(*lines[-1], flush=True)
    head = ["data", "wrong labels", "model", "threshold", "right before", "right after"]
    return Section(
        "An auxiliary labeller", table([*head, "precision", "recall", "random"], lines), AUXILIARY
    )
