"""Why the learned filter says what it says of a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from synthkit.stats.classifier import Floats

MOST_WORDS = 100
"""Distinct words of a text that are left out in turn."""
MOST_CHARACTERS = 4000
"""Beginning of a text in which its words are looked for, and left out."""

# a sign by itself, as in Chinese, Japanese and emoji; else a run of letters and digits
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+(?:['’]\w+)*|\S")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A marked row that is like a text: cosine -1..1, and whether it was accepted."""

    position: int
    text: str
    cosine: float
    accepted: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """A word, and by how much it moves the log-odds of accept: above 0 towards accept."""

    word: str
    change: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """P(accept) of a text, the marked rows most like it and the words that moved it most."""

    score: float
    neighbours: tuple[Neighbour, ...]
    words: tuple[Moved, ...]

    def __str__(self) -> str:
        words = ", ".join(f"{one.word!r} {one.change:+.2f}" for one in self.words)
        like = "; ".join(
            f"{one.text[:60]!r} {'accepted' if one.accepted else 'rejected'} ({one.cosine:.2f})"
            for one in self.neighbours
        )
        return f"P(accept) {self.score:.2f}; moved by {words or 'no word'}; like {like or 'none'}"


def moved(text: str, logits: Callable[[Sequence[str]], Floats], k: int) -> tuple[Moved, ...]:
    """The ``k`` words that move a text's log-odds most, the strongest first.

    A word's change is the log-odds of the text less those of the text without any of its
    occurrences: occlusion, which is exact for what the filter sees, not a linear estimate of it. A
    text longer than :data:`MOST_CHARACTERS` is explained by its beginning, and of that the first
    :data:`MOST_WORDS` distinct words are tried, so that no text takes long.

    Examples
    --------
    >>> def logits(texts):
    ...     return np.array([2.0 * ("good" in text) - ("bad" in text) for text in texts])
    >>> moved("good, not bad", logits, 2)
    (Moved(word='good', change=2.0), Moved(word='bad', change=-1.0))
    """
    start = text[:MOST_CHARACTERS]
    found = list(_WORD.finditer(start))
    words = list(dict.fromkeys(one.group() for one in found))[:MOST_WORDS]
    if not words or k < 1:
        return ()
    spans = {word: [one.span() for one in found if one.group() == word] for word in words}
    each = logits([start, *(_without(start, spans[word]) for word in words)])
    changes = each[0] - each[1:]
    order = np.argsort(-np.abs(changes), kind="stable")[:k]
    return tuple(Moved(words[at], float(changes[at])) for at in order if changes[at])


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), len(text)]
    return "".join(text[end:start] for end, start in zip(ends, starts, strict=True))


def nearest(
    vector: Floats,
    marked: Floats,
    positions: Sequence[int],
    texts: Sequence[str],
    accepted: Sequence[bool],
    k: int,
    *,
    but: int | None = None,
) -> tuple[Neighbour, ...]:
    """The ``k`` marked rows whose embeddings have the largest cosine with a text's.

    Parameters
    ----------
    vector, marked : (d,) and (m, d) embeddings, of any length.
    but : a position that is left out: the row itself.
    """
    lengths = np.linalg.norm(marked, axis=1) * np.linalg.norm(vector)
    cosines = np.divide(marked @ vector, lengths, out=np.zeros(len(marked)), where=lengths > 0)
    order = [at for at in np.argsort(-cosines, kind="stable") if positions[at] != but]
    return tuple(
        Neighbour(positions[at], texts[at], float(cosines[at]), accepted[at])
        for at in order[: max(k, 0)]
    )
