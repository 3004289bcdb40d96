"""The real rows in which faults are planted."""

from __future__ import annotations

from functools import cache

import numpy as np

from synthkit.curate import apply_filters, exact_duplicates
from synthkit.models.embedders import load_embedder
from synthkit.models.hub.sample_data import load_sample


@cache
def _all_rows(name):
    rows = load_sample(name, quiet=True)
    if "ratings" in rows:  # for some tweets the mean in the source differs from that of its ratings
        means = rows["ratings"].map(np.mean)
        rows = rows.assign(label=np.where(means > 0, "positive", "negative"))[means != 0]
    if name == "sms_spam":  # 8 rows have several messages, because of open quotes in the source
        rows = rows[~rows["text"].str.contains(r"\n(?:spam|ham)\t")]
    return apply_filters(rows, exact_duplicates(punctuation=False)).kept


def distinct_rows(name, most, seed):
    """Up to ``most`` random rows of a sample, with distinct texts."""
    rows = _all_rows(name)
    return rows.sample(min(most, len(rows)), random_state=seed).reset_index(drop=True)


def one_rater(rows, rng):
    """The label of each row by one random rating; empty if that is 0."""
    drawn = [float(rng.choice(ratings)) for ratings in rows["ratings"]]
    return [{1.0: "positive", -1.0: "negative"}.get(np.sign(rating), "") for rating in drawn]


class CachedEmbedder:
    """An embedder that embeds each text once."""

    def __init__(self, name):
        self.name, self._embedder, self._vectors = name, load_embedder(name), {}

    def embed(self, texts):
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if new:
            self._vectors.update(zip(new, self._embedder.embed(new), strict=True))
        return np.array([self._vectors[text] for text in texts])
