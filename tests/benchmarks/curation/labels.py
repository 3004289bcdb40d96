"""Wrong labels of people: how many a vote, Dawid-Skene and an auxiliary labeller correct.

The raters of VADER's texts are anonymous numbers, so labellers are simulated: for each text a
labeller gives the sign of one rating, drawn without replacement; a rating of 0 is no judgement. All
labellers are alike, except those that answer at random.
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
PANELS = ((3, 0), (5, 0), (9, 0), (3, 1), (5, 2), (9, 4))
"""Number of labellers, and how many of them answer at random."""

NOTE = """
The truth is the sign of the mean of all 20 to 99 ratings, including those of the labellers here.
The raters of these sets are numbers without names, so labellers are simulated: for each text a
labeller gives the sign of one rating, drawn independently; a rating of 0 is no judgement. The
label before is that of one labeller drawn at random, and the flagged rows are those that the
method relabels.
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


def panel(rows, labellers, random_ones, seed):
    """The rows with one column for each labeller, those that answer at random first."""
    rng = np.random.default_rng([seed, labellers, random_ones])
    answers = [
        [
            SIGNS.get(int(np.sign(rating)))
            for rating in rng.choice(ratings, labellers, replace=False)
        ]
        for ratings in rows["ratings"]
    ]
    for row in answers:
        row[:random_ones] = rng.choice(KNOWN, random_ones).tolist()
    names = [f"labeller{n}" for n in range(labellers)]
    table = rows.assign(**{name: [row[n] for row in answers] for n, name in enumerate(names)})
    # the label without the other labellers: the judgement of one, drawn at random
    single = [next((row[n] for n in rng.permutation(labellers) if row[n]), None) for row in answers]
    table = table.assign(truth=rows["label"], label=single)
    return table[table["label"].notna()].reset_index(drop=True), names


def judged(table, before, truth):
    """Counts of wrong and of changed labels, and the number of right labels before and after."""
    before, truth, after = (
        np.asarray(labels, object) for labels in (before, truth, table["label"])
    )
    wrong = before != truth
    counts = Counts.of(wrong, after != before)
    return counts, int((before == truth).sum()), int((after == truth).sum())


def line(found, seeds):
    """Accuracy before and after, precision and recall of the changes, and random."""
    counts, before, after = zip(*found, strict=True)
    rows = sum(count.rows for count in counts)
    accuracy = [share(sum(right), rows, seeds) for right in (before, after)]
    return [*accuracy, precision(counts), recall(counts), chance(counts)]


def run(seeds, embedders):
    return [people(seeds), auxiliary(seeds, embedders)]


def people(seeds):
    lines = []
    for name in ("vader_tweets", "vader_amazon"):
        for labellers, random_ones in PANELS:
            results, identified = defaultdict(list), [0, 0]
            for seed in range(seeds):
                rated_rows, names = panel(
                    distinct_rows(name, 5000, seed), labellers, random_ones, seed
                )
                consensus = dawid_skene(judgements(rated_rows, names))
                relabelled = {
                    "vote": vote(rated_rows, names),
                    "dawid_skene": relabel(rated_rows, consensus, threshold=0),
                }
                for method, after in relabelled.items():
                    results[method].append(judged(after, rated_rows["label"], rated_rows["truth"]))
                worst = sorted(names, key=consensus.accuracy.__getitem__)[:random_ones]
                identified[0] += len(set(worst) & set(names[:random_ones]))
                identified[1] += random_ones
            for method, result in results.items():
                ratio = (
                    f"{identified[0]} of {identified[1]}"
                    if random_ones and method == "dawid_skene"
                    else ""
                )
                lines.append(
                    [
                        name,
                        f"{labellers}, {random_ones} random",
                        method,
                        *line(result, seeds),
                        ratio,
                    ]
                )
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
    """(n, 2) probabilities, by VADER's compound score c in -1..1: (1 - c) / 2 and (1 + c) / 2."""
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
        results = defaultdict(list)
        for seed in range(seeds):
            if fault == "one rater":
                rows, labels_given = rated(name, seed)
            else:
                rows = distinct_rows(name, 1500, seed)
                labels_given, _ = flipped(
                    rows["label"].tolist(), 0.2, np.random.default_rng([seed, 20])
                )
            real, noisy = rows[:TRUSTED], rows.assign(label=labels_given)[TRUSTED:]
            models = {"VADER": tool}
            texts, labels = noisy["text"].tolist(), noisy["label"].tolist()
            embed = embedders["minilm"]
            models["classifier of the other folds"] = cross_fitted(
                texts, labels, embed=embed, seed=seed
            )
            models[f"classifier of {TRUSTED} right rows"] = fit(
                real["text"].tolist(), real["label"].tolist(), embed=embed
            )
            for model, probabilities in models.items():
                for threshold in (0.9, 0.7, 0.5):
                    relabelled = relabel(noisy, probabilities, labels=KNOWN, threshold=threshold)
                    result = judged(relabelled, noisy["label"], rows["label"][TRUSTED:])
                    results[model, threshold].append(result)
        for (model, threshold), result in results.items():
            lines.append([name, fault, model, f"{threshold}", *line(result, seeds)])
            print(*lines[-1], flush=True)
    head = ["data", "wrong labels", "model", "threshold", "right before", "right after"]
    return Section(
        "An auxiliary labeller", table([*head, "precision", "recall", "random"], lines), AUXILIARY
    )
