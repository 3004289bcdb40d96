"""Planted test rows: how well filters find a test set in other rows of the same source."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
import pandas

from synthkit.curate import (
    clusters,
    exact_duplicates,
    near_duplicates,
    no_contamination,
    semantic_duplicates,
)
from synthkit.stats.words import tokens
from tests.benchmarks.curation.data import distinct_rows
from tests.benchmarks.curation.edits import one_word, paraphrase, recased
from tests.benchmarks.curation.report import Counts, Section, chance, precision, recall, table

DATA = ("yelp", "sms_spam", "trec")
TEST, REST, EACH = 350, 600, 50
LONG = 8
"""Least number of words for a test text to be found within a longer text."""
KINDS = ("exact", "one word", "paraphrase-like", "within, 8+ words", "within, 4-7 words")

NOTE = """
The table has 600 other rows of the source and up to 50 copies of each kind of the 350 test rows.
"Within" is a test text between two Yelp sentences. `no_contamination` finds all exact copies, in
other letter case too, and all copies within a longer text from 8 words on. It finds seven to eight
in ten of the copies with one word changed. It has hardly any false positives: those among SMS are
chain messages that differ from a test text only in a number. The default share is therefore 0.7:
0.5 finds nine in ten or more, but in TREC a fifth of the rows that it flags are other questions. A
match of 13 consecutive words alone, as for GPT-3, misses most sentences with one word changed, and
half of those within a longer text. Short test texts within longer rows are not found, by design,
and few paraphrases are: MiniLM at 0.8 finds these, but misses test texts within other text, so use
both.
"""


def planted(name, seed):
    """A test table, and a table of other rows followed by edited copies of test rows."""
    rows = distinct_rows(name, TEST + REST + 100, seed)["text"].tolist()
    rng = np.random.default_rng(seed)
    test, rest = rows[:TEST], rows[TEST : TEST + REST]
    around = distinct_rows("yelp", 1000, seed)["text"].tolist()[-100:]
    words = sorted({word for text in test for word in re.findall(r"[^\W\d_]{3,}", text)})

    def within(text):
        before, after = (around[at].strip() for at in rng.integers(len(around), size=2))
        return f"{before} {text} {after}"

    def edited(kind, text):
        n = len(tokens(text))
        if kind.startswith("within"):
            return within(text) if (n >= LONG) == ("8+" in kind) and n >= 4 else None
        if n < 4:
            return None
        if kind == "exact":
            return recased(text, rng)
        return one_word(text, words, rng) if kind == "one word" else paraphrase(text, rng)

    copies = []
    for kind in KINDS:
        texts = (edited(kind, test[at]) for at in rng.permutation(len(test)))
        found = [text for text in texts if text][:EACH]
        copies += [{"text": text, "kind": kind} for text in found]
    if name == "yelp":  # the surrounding sentences are Yelp's too, and may be test texts
        tests = set(test)
        copies = [row for row in copies if not any(a in row["text"] and a in tests for a in around)]
    whole = pandas.DataFrame([*({"text": text, "kind": ""} for text in rest), *copies])
    whole["id"] = [f"row-{n}" for n in range(len(whole))]
    return pandas.DataFrame({"id": [f"test-{n}" for n in range(TEST)], "text": test}), whole


def methods(test, embedders):
    """Name -> a function that maps a table to one boolean per row: whether it is flagged."""

    def filtered(rule):
        return lambda whole: [bool(why) for why in rule.judge(whole)]

    def duplicates_of_test(rule):
        def judge(whole):
            grouped = clusters(pandas.concat([test, whole[["id", "text"]]]), rule)
            kept_id = dict(zip(grouped["id"], grouped["representative"], strict=True))
            return [str(kept_id.get(at, at)).startswith("test") for at in whole["id"]]

        return judge

    judges = {
        "no_contamination()": filtered(no_contamination(test)),
        "no_contamination(share=0.5)": filtered(no_contamination(test, share=0.5)),
        "no_contamination(n=13, share=1)": filtered(no_contamination(test, n=13, share=1)),
        "exact_duplicates()": duplicates_of_test(exact_duplicates()),
    }
    for shingle, threshold in (("words", 0.7), ("chars", 0.5)):
        rule = near_duplicates(threshold=threshold, shingle=shingle)
        judges[f"near_duplicates, {shingle}, {threshold}"] = duplicates_of_test(rule)
    for name, embed in embedders.items():
        rule = semantic_duplicates(embed, threshold=0.8)
        judges[f"semantic_duplicates, {name}, 0.8"] = duplicates_of_test(rule)
    return judges


def run(seeds, embedders):
    lines = []
    for name in DATA:
        found = defaultdict(lambda: defaultdict(list))
        for seed in range(seeds):
            test, whole = planted(name, seed)
            fault = (whole["kind"] != "").to_numpy()
            for method, judge in methods(test, embedders).items():
                flagged = np.array(judge(whole))
                found[method][""].append(Counts.of(fault, flagged))
                for kind in KINDS:
                    of_kind = (whole["kind"] == kind).to_numpy()
                    found[method][kind].append(Counts.of(of_kind, flagged & of_kind))
        for method, counts in found.items():
            recalls = [recall(counts[kind]) for kind in KINDS]
            lines.append([name, method, precision(counts[""]), *recalls, chance(counts[""])])
            print(*lines[-1], flush=True)
    head = ["data", "method", "precision", *(f"recall, {kind}" for kind in KINDS), "random"]
    return [Section("Planted test rows", table(head, lines), NOTE)]
