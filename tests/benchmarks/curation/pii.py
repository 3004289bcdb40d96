"""Planted personal data and secrets: recall by kind, and false positives on look-alikes."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from synthkit.curate import find_pii, find_secrets, no_pii, no_secrets
from tests.benchmarks.curation.data import distinct_rows
from tests.benchmarks.curation.private import LIKE, PERSONAL, SECRETS
from tests.benchmarks.curation.report import (
    Counts,
    Section,
    chance,
    precision,
    recall,
    share,
    table,
)

EACH = 25
UNSEEN = ("name", "street")
"""Kinds without a fixed form, which the filters do not look for."""

FILTERS = ("no_pii()", "no_secrets()")
BRITISH = "phone, GB, no prefix"

NOTE = """
Data with a fixed form are found, with their exact span, and nothing in 1,000 Yelp sentences is
flagged by mistake. One parcel number in twelve is flagged, because its check digit happens to be
that of a card. Not found are names and streets, which the filter does not look for; "ann at
example dot org"; British numbers without +44, unless `region="GB"` is set; a password given in
words; and a key without any prefix, such as the secret half of an AWS key. The numbers with +44
that are missed are in ranges that are not allocated. The span of one number with +49 includes the
first digit of the next sentence.
"""


def planted(sources, seed):
    """Yelp texts, some with a planted phrase; the kind and the planted value of each text."""
    rng = np.random.default_rng(seed)
    texts = distinct_rows("yelp", 1000, seed)["text"].tolist()
    order = iter(rng.permutation(len(texts)).tolist())
    kinds, values = [""] * len(texts), [""] * len(texts)
    for kind, make in sources.items():
        for _ in range(EACH):
            at = next(order)
            kinds[at] = kind
            if callable(make):
                phrase = values[at] = make(rng)
            else:
                values[at] = make[0](rng)
                phrase = make[1 + rng.integers(len(make) - 1)].format(values[at])
            texts[at] = f"{phrase}. {texts[at]}" if rng.random() < 0.3 else f"{texts[at]} {phrase}."
    return texts, kinds, values


def run(seeds, embedders):
    lines, like = [], defaultdict(list)
    for what, sources, rule, find in (
        (FILTERS[0], PERSONAL, no_pii(), find_pii),
        (FILTERS[1], SECRETS, no_secrets(), find_secrets),
    ):
        found, spans = defaultdict(list), defaultdict(lambda: [0, 0])
        for seed in range(seeds):
            texts, kinds, values = planted(sources, seed)
            flagged = np.array([bool(why) for why in rule.judge([{"text": t} for t in texts])])
            kinds = np.array(kinds)
            found[""].append(Counts.of(kinds != "", flagged))
            if what == FILTERS[0]:
                formed = (kinds != "") & ~np.isin(kinds, UNSEEN)
                found["formed"].append(Counts.of(formed, flagged))
            for kind in sources:
                of_kind = kinds == kind
                found[kind].append(Counts.of(of_kind, flagged & of_kind))
                for at in np.flatnonzero(of_kind):
                    spans[kind][0] += any(values[at] == span.text for span in find(texts[at]))
                    spans[kind][1] += 1
            if what == FILTERS[0]:
                of_kind = kinds == BRITISH
                rows = [
                    {"text": text}
                    for text, planted_here in zip(texts, of_kind, strict=True)
                    if planted_here
                ]
                of_kind[of_kind] = [bool(why) for why in no_pii(region="GB").judge(rows)]
                found["region"].append(Counts.of(kinds == BRITISH, of_kind))
            texts, kinds, _ = planted(LIKE, seed)
            flagged = [bool(why) for why in rule.judge([{"text": t} for t in texts])]
            for kind in LIKE:
                hits = [t for t, k in zip(flagged, kinds, strict=True) if k == kind]
                like[what, kind].append((sum(hits), len(hits)))
        lines.append([what, "all", precision(found[""]), recall(found[""]), "", chance(found[""])])
        if found["formed"]:
            counts = found["formed"]
            lines.append(
                [
                    what,
                    "all but names and streets",
                    precision(counts),
                    recall(counts),
                    "",
                    chance(counts),
                ]
            )
        flagged = chance(found[""]).partition(" / ")[2]
        for kind in sources:
            whole = share(*spans[kind], seeds)
            lines.append([what, kind, "", recall(found[kind]), whole, flagged])
        if found["region"]:
            lines.append(['no_pii(region="GB")', BRITISH, "", recall(found["region"]), "", ""])
    false_positives = [
        [kind, *(share(*map(sum, zip(*like[what, kind], strict=True)), seeds) for what in FILTERS)]
        for kind in LIKE
        if any(hits for what in FILTERS for hits, _ in like[what, kind])
    ]
    never = ", ".join(kind for kind in LIKE if kind not in [line[0] for line in false_positives])
    head = ["filter", "planted", "precision", "recall", "exact span", "random"]
    out = [
        f"{EACH} phrases of each kind are planted in 1,000 Yelp sentences: one table of personal "
        'data, one of secrets. "Exact span" is the share of planted phrases that are found with '
        "exactly their own characters, as `redact` needs them.",
        "",
        *table(head, lines),
        f"Look-alikes, {EACH} of each kind, and the share that is flagged. Never flagged: {never}.",
        "",
        *table(["planted", *FILTERS], false_positives),
    ]
    return [Section("Planted personal data and secrets", out, NOTE)]
