"""Planted personal data and secrets: what is found, by kind, and what is mistaken for them."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from synthkit.curate import find_pii, find_secrets, no_pii, no_secrets
from tests.benchmarks.curation.data import distinct_rows
from tests.benchmarks.curation.made_up_data import LIKE, PERSONAL, SECRETS
from tests.benchmarks.curation.report import (
    Detection,
    Section,
    chance,
    precision,
    recall,
    share,
    table,
)

EACH = 25
UNSEEN = ("name", "street")
"""Kinds without a fixed format, which are not searched for."""

FILTERS = ("no_pii()", "no_secrets()")
BRITISH = "phone, GB, no prefix"

NOTE = """
Data with a fixed format is found completely, with no error in 1,000 Yelp sentences. One in twelve
parcel numbers is taken for a card, because its check digit happens to be valid. Not found: names
and streets, which are not searched for; "ann at example dot org"; British numbers without +44,
unless `region="GB"` is given; a password in plain words, and a key without a prefix, such as the
secret half of an AWS key. The numbers with +44 that are missed belong to unassigned ranges; one
with +49 included the first digit of the next sentence.
"""


def planted(sources, seed):
    """Yelp texts, some with a planted phrase, and for each the kind and what was planted."""
    rng = np.random.default_rng(seed)
    texts = distinct_rows("yelp", 1000, seed)["text"].tolist()
    order = iter(rng.permutation(len(texts)).tolist())
    kinds, planted_texts = [""] * len(texts), [""] * len(texts)
    for kind, make in sources.items():
        for _ in range(EACH):
            at = next(order)
            kinds[at] = kind
            if callable(make):
                phrase = planted_texts[at] = make(rng)
            else:
                planted_texts[at] = make[0](rng)
                phrase = make[1 + rng.integers(len(make) - 1)].format(planted_texts[at])
            texts[at] = f"{phrase}. {texts[at]}" if rng.random() < 0.3 else f"{texts[at]} {phrase}."
    return texts, kinds, planted_texts


def run(seeds, embedders):
    lines, like = [], defaultdict(list)
    for what, sources, rule, find in (
        (FILTERS[0], PERSONAL, no_pii(), find_pii),
        (FILTERS[1], SECRETS, no_secrets(), find_secrets),
    ):
        found, spans = defaultdict(list), defaultdict(lambda: [0, 0])
        for seed in range(seeds):
            texts, kinds, planted_texts = planted(sources, seed)
            detected = np.array([bool(why) for why in rule.judge([{"text": t} for t in texts])])
            kinds = np.array(kinds)
            found[""].append(Detection.of(kinds != "", detected))
            if what == FILTERS[0]:
                formed = (kinds != "") & ~np.isin(kinds, UNSEEN)
                found["formed"].append(Detection.of(formed, detected))
            for kind in sources:
                of_kind = kinds == kind
                found[kind].append(Detection.of(of_kind, detected & of_kind))
                for at in np.flatnonzero(of_kind):
                    spans[kind][0] += any(planted_texts[at] == one.text for one in find(texts[at]))
                    spans[kind][1] += 1
            if what == FILTERS[0]:
                of_kind = kinds == BRITISH
                rows = [{"text": text} for text, one in zip(texts, of_kind, strict=True) if one]
                of_kind[of_kind] = [bool(why) for why in no_pii(region="GB").judge(rows)]
                found["region"].append(Detection.of(kinds == BRITISH, of_kind))
            texts, kinds, _ = planted(LIKE, seed)
            detected = [bool(why) for why in rule.judge([{"text": t} for t in texts])]
            for kind in LIKE:
                hits = [t for t, k in zip(detected, kinds, strict=True) if k == kind]
                like[what, kind].append((sum(hits), len(hits)))
        lines.append([what, "all", precision(found[""]), recall(found[""]), "", chance(found[""])])
        if found["formed"]:
            one = found["formed"]
            lines.append(
                [what, "all but names and streets", precision(one), recall(one), "", chance(one)]
            )
        detected = chance(found[""]).partition(" / ")[2]
        for kind in sources:
            whole = share(*spans[kind], seeds)
            lines.append([what, kind, "", recall(found[kind]), whole, detected])
        if found["region"]:
            lines.append(['no_pii(region="GB")', BRITISH, "", recall(found["region"]), "", ""])
    counts = [
        [kind, *(share(*map(sum, zip(*like[what, kind], strict=True)), seeds) for what in FILTERS)]
        for kind in LIKE
        if any(hits for what in FILTERS for hits, _ in like[what, kind])
    ]
    never = ", ".join(kind for kind in LIKE if kind not in [line[0] for line in counts])
    head = ["filter", "planted", "precision", "recall", "whole and alone", "random"]
    out = [
        f"{EACH} of each kind in 1,000 Yelp sentences; one table of personal data, one of secrets. "
        '"Whole and alone": the share of planted data that is found exactly, as `redact` needs it.',
        "",
        *table(head, lines),
        f"Text that only resembles it, {EACH} each, and the share that is mistaken for it. Never: "
        f"{never}.",
        "",
        *table(["planted", *FILTERS], counts),
    ]
    return [Section("Planted personal data and secrets", out, NOTE)]
