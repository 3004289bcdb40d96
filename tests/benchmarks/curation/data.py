"""Real rows to plant faults in, and an embedder that caches its vectors."""

from __future__ import annotations

from functools import cache

import numpy as np

from synthkit.curate import apply_filters, exact_duplicates
from synthkit.models.embedders import load_embedder
from synthkit.models.hub.sample_data import load_sample


@cache
def _distinct(name):
    rows = load_sample(name, quiet=True)
    if "ratings" in rows:  # for some tweets the source's mean is not that of its ratings
        means = rows["ratings"].map(np.mean)
        rows = rows.assign(label=np.where(means > 0, "positive", "negative"))[means != 0]
    if name == "sms_spam":  # an open quote in the source joined several messages in 8 rows
        rows = rows[~rows["text"].str.contains(r"\n(?:spam|ham)\t")]
    return apply_filters(rows, exact_duplicates(punctuation=False)).kept


def distinct_rows(name, n, seed):
    """At most ``n`` rows of a sample with distinct texts, drawn by seed."""
    rows = _distinct(name)
    return rows.sample(min(n, len(rows)), random_state=seed).reset_index(drop=True)


def one_rater(rows, rng):
    """The label by one rating of each row, drawn at random; empty where the rating is 0."""
    drawn = [float(rng.choice(ratings)) for ratings in rows["ratings"]]
    return [{1.0: "positive", -1.0: "negative"}.get(np.sign(rating), "") for rating in drawn]


class CachedEmbedder:
    """An embedder that computes the vector of each text once."""

    def __init__(self, name):
        self.name, self._embedder, self._vectors = name, load_embedder(name), {}

    def embed(self, texts):
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if new:
            self._vectors.update(zip(new, self._embedder.embed(new), strict=True))
        return np.array([self._vectors[text] for text in texts])
