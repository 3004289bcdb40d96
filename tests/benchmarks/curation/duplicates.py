"""Planted duplicates: what each filter of them drops."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
import pandas

from synthkit.curate import clusters, exact_duplicates, near_duplicates, semantic_duplicates
from tests.benchmarks.curation.data import distinct_rows
from tests.benchmarks.curation.edits import one_word, paraphrase, recased
from tests.benchmarks.curation.report import Found, Part, chance, precision, recall, table

DATA = ("yelp", "sms_spam", "trec")
ROWS = 1000
EACH = 60
KINDS = ("exact", "one word", "paraphrase-like")

NOTE = """
The table has 1,000 rows with distinct texts, followed by 60 copies of each kind. A copy is found
if it is dropped as a duplicate of its own source. Paraphrase-like rows are made without a model,
by three or more edits: synonyms from a small list, contractions written out, function words
dropped or added, clauses swapped. They are nearer to their sources than paraphrases by people or
models, so recall is too high for this kind.

Copies with one word changed show the effect of the threshold: in sentences a Jaccard threshold of
0.9 finds few more than the exact copies, so the default of `near_duplicates` is now 0.8. At 0.7 it
also drops questions that have only their form in common ("What is a fear of stings ?"). The false
positives at 0.8 are real near-duplicates: chain messages, "Great service and food." beside
"Awesome service and food.". Shared shingles do not find paraphrases. MiniLM at 0.8 finds most of
them, but also takes "The food is good." for a duplicate of "The food was excellent and service was
very good.", so the default stays at 0.9 there. WordLlama is case-sensitive: it misses half or more
of the copies in upper or lower case, and needs `exact_duplicates` before it.
"""


def planted(rows, seed):
    """The rows with edits of some of them after them: ``kind`` and ``source`` say which."""
    rng = np.random.default_rng(seed)
    texts = rows["text"].tolist()
    words = sorted({word for text in texts for word in re.findall(r"[^\W\d_]{3,}", text)})
    made = []
    order = iter(rng.permutation(len(texts)).tolist())
    for kind in KINDS:
        edit = {
            "exact": lambda text: recased(text, rng),
            "one word": lambda text: one_word(text, words, rng),
            "paraphrase-like": lambda text: paraphrase(text, rng),
        }[kind]
        while sum(one["kind"] == kind for one in made) < EACH:
            at = next(order)
            if len(texts[at].split()) >= 4 and (new := edit(texts[at])):
                made.append({"text": new, "kind": kind, "source": at})
    whole = pandas.concat(
        [rows[["text"]].assign(kind="", source=-1), pandas.DataFrame(made)], ignore_index=True
    )
    return whole.assign(id=range(len(whole)))


def filters(embedders):
    made = {"exact": exact_duplicates()}
    for shingle, thresholds in (("words", (0.9, 0.8, 0.7)), ("chars", (0.9, 0.8, 0.7, 0.5))):
        for threshold in thresholds:
            made[f"near, {shingle}, {threshold}"] = near_duplicates(
                threshold=threshold, shingle=shingle
            )
    for name, embed in embedders.items():
        for threshold in (0.9, 0.8):
            made[f"semantic, {name}, {threshold}"] = semantic_duplicates(embed, threshold=threshold)
    return made


def found_by(rule, whole):
    """Rows that go, and of these those that go as a copy of their own source."""
    of = clusters(whole, rule)
    stands = dict(zip(of["id"], of["representative"], strict=True))
    gone = [stands.get(at, at) != at for at in whole["id"]]
    right = [
        gone[at] and stands[at] == stands.get(source, source)
        for at, source in zip(whole["id"], whole["source"], strict=True)
    ]
    return gone, right


def run(seeds, embedders):
    lines = []
    for name in DATA:
        found = defaultdict(lambda: defaultdict(list))
        for seed in range(seeds):
            whole = planted(distinct_rows(name, ROWS, seed), seed)
            for method, rule in filters(embedders).items():
                gone, right = found_by(rule, whole)
                is_copy = whole["source"] >= 0
                both = sum(right)
                found[method][""].append(Found(len(whole), int(is_copy.sum()), sum(gone), both))
                for kind in KINDS:
                    there = (whole["kind"] == kind).to_numpy()
                    taken = np.array(right)[there]
                    found[method][kind].append(
                        Found(len(whole), int(there.sum()), sum(gone), int(taken.sum()))
                    )
        for method, by in found.items():
            recalls = [recall(by[kind]) for kind in KINDS]
            lines.append([name, method, precision(by[""]), *recalls, chance(by[""])])
            print(*lines[-1], flush=True)
    head = ["data", "filter", "precision", *(f"recall, {kind}" for kind in KINDS), "random"]
    return [Part("Planted duplicates", table(head, lines), NOTE)]
