"""Planted duplicates: which of them each filter drops."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
import pandas

from synthkit.curate import clusters, exact_duplicates, near_duplicates, semantic_duplicates
from tests.benchmarks.curation.data import distinct_rows
from tests.benchmarks.curation.edits import one_word, paraphrase, recased
from tests.benchmarks.curation.report import Detection, Section, chance, precision, recall, table

DATA = ("yelp", "sms_spam", "trec")
ROWS = 1000
EACH = 60
KINDS = ("exact", "one word", "paraphrase-like")

NOTE = """
1,000 rows of distinct texts, followed by 60 copies of each kind. A copy is found if it is dropped
as a duplicate of its own source. Paraphrase-like rows are made without a model: at least three
edits from a small list of synonyms, contractions written out, function words dropped or added,
clauses swapped. They are closer to their sources than paraphrases by people or models, so their
recall is too high.

Copies with one word changed show the difference between thresholds: on sentences a Jaccard
similarity of 0.9 finds few more than the exact copies, so 0.8 is the default of `near_duplicates`.
0.7 also drops questions that share only their form ("What is a fear of stings ?"). The errors at
0.8 are real near-duplicates: chain messages, "Great service and food." beside "Awesome service and
food.". Shared shingles do not find paraphrases. MiniLM at 0.8 finds most of them, but also takes
"The food is good." for "The food was excellent and service was very good.", so 0.9 stays the
default there. WordLlama depends on case: it misses half or more of the copies in capitals or
lower case, and needs `exact_duplicates` before it.
"""


def planted(rows, seed):
    """The rows, followed by edited copies of some of them, with ``kind`` and ``source``."""
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
        while sum(one["kind"] == kind for one in copies) < EACH:
            at = next(order)
            if len(texts[at].split()) >= 4 and (new := edit(texts[at])):
                copies.append({"text": new, "kind": kind, "source": at})
    table_with_copies = pandas.concat(
        [rows[["text"]].assign(kind="", source=-1), pandas.DataFrame(copies)], ignore_index=True
    )
    return table_with_copies.assign(id=range(len(table_with_copies)))


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


def dropped_by(rule, table_with_copies):
    """The dropped rows, and those of them that are dropped as a copy of their own source."""
    of = clusters(table_with_copies, rule)
    representative = dict(zip(of["id"], of["representative"], strict=True))
    dropped = [representative.get(at, at) != at for at in table_with_copies["id"]]
    right = [
        dropped[at] and representative[at] == representative.get(source, source)
        for at, source in zip(table_with_copies["id"], table_with_copies["source"], strict=True)
    ]
    return dropped, right


def run(seeds, embedders):
    lines = []
    for name in DATA:
        found = defaultdict(lambda: defaultdict(list))
        for seed in range(seeds):
            table_with_copies = planted(distinct_rows(name, ROWS, seed), seed)
            for method, rule in filters(embedders).items():
                dropped, right = dropped_by(rule, table_with_copies)
                is_copy = table_with_copies["source"] >= 0
                both = sum(right)
                found[method][""].append(
                    Detection(len(table_with_copies), int(is_copy.sum()), sum(dropped), both)
                )
                for kind in KINDS:
                    of_kind = (table_with_copies["kind"] == kind).to_numpy()
                    found_copies = np.array(right)[of_kind]
                    found[method][kind].append(
                        Detection(
                            len(table_with_copies),
                            int(of_kind.sum()),
                            sum(dropped),
                            int(found_copies.sum()),
                        )
                    )
        for method, by in found.items():
            recalls = [recall(by[kind]) for kind in KINDS]
            lines.append([name, method, precision(by[""]), *recalls, chance(by[""])])
            print(*lines[-1], flush=True)
    head = ["data", "filter", "precision", *(f"recall, {kind}" for kind in KINDS), "random"]
    return [Section("Planted duplicates", table(head, lines), NOTE)]
