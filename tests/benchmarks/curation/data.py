"""The rows that faults are planted in."""

from __future__ import annotations

from functools import cache

import numpy as np

from synthkit.curate import apply_filters, exact_duplicates
from synthkit.models.embedders import load_embedder
from synthkit.models.hub.sample_data import load_sample


@cache
def _whole(name):
    rows = load_sample(name, quiet=True)
    if "ratings" in rows:  # of some tweets the source's mean is not that of the ratings it lists
        means = rows["ratings"].map(np.mean)
        rows = rows.assign(label=np.where(means > 0, "positive", "negative"))[means != 0]
    if name == "sms_spam":  # of the source's lines, open quotes hold several messages in 8 rows
        rows = rows[~rows["text"].str.contains(r"\n(?:spam|ham)\t")]
    return apply_filters(rows, exact_duplicates(punctuation=False)).kept


def distinct_rows(name, most, seed):
    """Up to ``most`` rows of a sample, drawn by seed, no two of one text."""
    rows = _whole(name)
    return rows.sample(min(most, len(rows)), random_state=seed).reset_index(drop=True)


def one_rater(rows, rng):
    """For each row the sign of one rating, drawn at random; nothing where that is 0."""
    said = [float(rng.choice(ratings)) for ratings in rows["ratings"]]
    return [{1.0: "positive", -1.0: "negative"}.get(np.sign(one), "") for one in said]


class Remembered:
    """An embedder that embeds each text once."""

    def __init__(self, name):
        self.name, self._embedder, self._held = name, load_embedder(name), {}

    def embed(self, texts):
        new = [text for text in dict.fromkeys(texts) if text not in self._held]
        if new:
            self._held.update(zip(new, self._embedder.embed(new), strict=True))
        return np.array([self._held[text] for text in texts])
