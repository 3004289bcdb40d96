"""Planted duplicates: precision and recall of each duplicate filter."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
import pandas

from synthkit.curate import clusters, exact_duplicates, near_duplicates, semantic_duplicates
from tests.benchmarks.curation.data import distinct_rows
from tests.benchmarks.curation.edits import one_word, paraphrase, recased
from tests.benchmarks.curation.report import Counts, Section, chance, precision, recall, table

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
    """The rows, followed by edited copies; ``kind`` names the edit, ``source`` the original row."""
    rng = np.random.default_rng(seed)
    texts = rows["text"].tolist()
    words = sorted({word for text in texts for word in re.findall(r"[^\W\d_]{3,}", text)})
    copies = []
    order = iter(rng.permutation(len(texts)).tolist())
    for kind in KINDS:
        edit = {
            "exact": lambda text: recased(text, rng),
            "one word": lambda text: one_word(text, words, rng),
            "paraphrase-like": lambda text: paraphrase(text, rng),
        }[kind]
        while sum(copy["kind"] == kind for copy in copies) < EACH:
            at = next(order)
            if len(texts[at].split()) >= 4 and (new := edit(texts[at])):
                copies.append({"text": new, "kind": kind, "source": at})
    whole = pandas.concat(
        [rows[["text"]].assign(kind="", source=-1), pandas.DataFrame(copies)], ignore_index=True
    )
    return whole.assign(id=range(len(whole)))


def filters(embedders):
    rules = {"exact": exact_duplicates()}
    for shingle, thresholds in (("words", (0.9, 0.8, 0.7)), ("chars", (0.9, 0.8, 0.7, 0.5))):
        for threshold in thresholds:
            rules[f"near, {shingle}, {threshold}"] = near_duplicates(
                threshold=threshold, shingle=shingle
            )
    for name, embed in embedders.items():
        for threshold in (0.9, 0.8):
            rules[f"semantic, {name}, {threshold}"] = semantic_duplicates(
                embed, threshold=threshold
            )
    return rules


def found_by(rule, whole):
    """For each row, whether it is dropped, and whether as a duplicate of its own source."""
    grouped = clusters(whole, rule)
    kept_id = dict(zip(grouped["id"], grouped["representative"], strict=True))
    dropped = [kept_id.get(at, at) != at for at in whole["id"]]
    right = [
        dropped[at] and kept_id[at] == kept_id.get(source, source)
        for at, source in zip(whole["id"], whole["source"], strict=True)
    ]
    return dropped, right


def run(seeds, embedders):
    lines = []
    for name in DATA:
        found = defaultdict(lambda: defaultdict(list))
        for seed in range(seeds):
            whole = planted(distinct_rows(name, ROWS, seed), seed)
            for method, rule in filters(embedders).items():
                dropped, right = found_by(rule, whole)
                is_copy = whole["source"] >= 0
                hits = sum(right)
                found[method][""].append(Counts(len(whole), int(is_copy.sum()), sum(dropped), hits))
                for kind in KINDS:
                    of_kind = (whole["kind"] == kind).to_numpy()
                    flagged = np.array(right)[of_kind]
                    found[method][kind].append(
                        Counts(len(whole), int(of_kind.sum()), sum(dropped), int(flagged.sum()))
                    )
        for method, counts in found.items():
            recalls = [recall(counts[kind]) for kind in KINDS]
            lines.append([name, method, precision(counts[""]), *recalls, chance(counts[""])])
            print(*lines[-1], flush=True)
    head = ["data", "filter", "precision", *(f"recall, {kind}" for kind in KINDS), "random"]
    return [Section("Planted duplicates", table(head, lines), NOTE)]
