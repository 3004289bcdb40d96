"""Explanations of the learned filter: the words that matter, and the most similar marked rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from synthkit.stats.classifier import Floats
from synthkit.stats.words import patterns

MOST_WORDS = 100
"""The number of distinct words of a text whose effect is computed."""
MOST_CHARACTERS = 4000
"""The number of characters at the beginning of a text that are searched for words."""


class MarkedRow(NamedTuple):
    """A marked row of a table: its position, its text, and whether it was accepted."""

    position: int
    text: str
    accepted: bool


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A marked row that is similar to a text: their cosine, -1..1, and whether it was accepted."""

    position: int
    text: str
    cosine: float
    accepted: bool


@dataclass(frozen=True, slots=True)
class WordEffect:
    """A word and its effect on the log-odds of accept; above 0 it favours accepting."""

    word: str
    change: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """P(accept) of a text, the most similar marked rows, and the words with the largest effect."""

    score: float
    neighbours: tuple[Neighbour, ...]
    words: tuple[WordEffect, ...]

    def __str__(self) -> str:
        words = ", ".join(f"{effect.word!r} {effect.change:+.2f}" for effect in self.words)
        similar = "; ".join(
            f"{row.text[:60]!r} {'accepted' if row.accepted else 'rejected'} ({row.cosine:.2f})"
            for row in self.neighbours
        )
        return (
            f"P(accept) {self.score:.2f}; words: {words or 'none'}; similar to {similar or 'none'}"
        )


def word_effects(
    text: str, logits: Callable[[Sequence[str]], Floats], k: int
) -> tuple[WordEffect, ...]:
    """The ``k`` words with the largest effect on a text's log-odds, the largest first.

    The effect of a word is the log-odds of the text minus those of the text without any occurrence
    of the word (occlusion). Unlike a linear approximation it is exact. To bound the time, only the
    first :data:`MOST_CHARACTERS` characters are searched, and the first :data:`MOST_WORDS` distinct
    words are tried.

    Examples
    --------
    >>> def logits(texts):
    ...     return np.array([2.0 * ("good" in text) - ("bad" in text) for text in texts])
    >>> word_effects("good, not bad", logits, 2)
    (WordEffect(word='good', change=2.0), WordEffect(word='bad', change=-1.0))
    """
    start = text[:MOST_CHARACTERS]
    matches = list(patterns().word.finditer(start))
    words = list(dict.fromkeys(match.group() for match in matches))[:MOST_WORDS]
    if not words or k < 1:
        return ()
    spans = {word: [match.span() for match in matches if match.group() == word] for word in words}
    values = logits([start, *(_without(start, spans[word]) for word in words)])
    changes = values[0] - values[1:]
    order = np.argsort(-np.abs(changes), kind="stable")[:k]
    return tuple(WordEffect(words[at], float(changes[at])) for at in order if changes[at])


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), len(text)]
    return "".join(text[end:start] for end, start in zip(ends, starts, strict=True))


def nearest(
    vector: Floats, marked: Floats, rows: Sequence[MarkedRow], k: int, *, without: int | None = None
) -> tuple[Neighbour, ...]:
    """The ``k`` marked rows whose embeddings have the highest cosine with that of a text.

    Parameters
    ----------
    vector, marked : (d,) and (m, d) embeddings, of any length.
    rows : the m marked rows.
    without : a position that is left out: the row itself.
    """
    lengths = np.linalg.norm(marked, axis=1) * np.linalg.norm(vector)
    cosines = np.divide(marked @ vector, lengths, out=np.zeros(len(marked)), where=lengths > 0)
    order = [at for at in np.argsort(-cosines, kind="stable") if rows[at].position != without]
    chosen = [(rows[at], float(cosines[at])) for at in order[: max(k, 0)]]
    return tuple(Neighbour(row.position, row.text, cosine, row.accepted) for row, cosine in chosen)
