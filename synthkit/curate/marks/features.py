"""What the learned filter sees of a text: its embedding, and how it looks on the page."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synthkit.core.errors import UsageError
from synthkit.stats.classifier import Embed, Floats, embedded

SURFACE = ("length", "digits", "capitals", "signs", "exclamation", "question")
"""What is seen of a text's surface: log(1 + characters), the shares of digits, capitals and signs
among them, and whether there is an exclamation or a question mark."""
WEIGHT = 0.1
"""How far a standard deviation of the surface moves a text, where embeddings have length 1.

On SMS spam and WordLlama it lifts the area under the ROC curve from 0.85 to 0.90 with 20 marks and
from 0.96 to 0.98 with 50. On Yelp it does no harm, as it does at 0.2 and above.
"""
FARTHEST = 3.0
"""Standard deviations at which the surface is cut, so that one odd row does not lead the others."""

_DIGIT = re.compile(r"\d")
_CAPITAL = re.compile(r"[A-Z]")
_SIGN = re.compile(r"[^\w\s]")


def represent(texts: Sequence[str], *, embed: Embed) -> Floats:
    """(n, d + 6): the embeddings, and the :data:`SURFACE` of the texts in the last six columns.

    Raises
    ------
    UsageError
        If there is no text, one is missing, or the vectors are not (n, d) or not finite.

    Examples
    --------
    >>> represent(["Win £100!"], embed=lambda texts: [[1.0, 0.0] for _ in texts]).round(2).tolist()
    [[1.0, 0.0, 2.3, 0.33, 0.11, 0.22, 1.0, 0.0]]
    """
    return np.hstack([embedded(texts, embed), surfaces(texts)])


def surfaces(texts: Sequence[str]) -> Floats:
    """(n, 6), the :data:`SURFACE` of the texts; an empty text has zeros."""
    return np.array([_surface(text) for text in texts], np.float64).reshape(-1, len(SURFACE))


def _surface(text: str) -> tuple[float, ...]:
    size = max(len(text), 1)
    shares = (len(pattern.findall(text)) / size for pattern in (_DIGIT, _CAPITAL, _SIGN))
    return (math.log1p(len(text)), *shares, "!" in text, "?" in text)


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Mean and standard deviation of a table's surfaces, (6,) each, by which they are measured."""

    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, rows: Floats) -> Scale:
        """That of represented rows."""
        surface = rows[:, -len(SURFACE) :]
        return cls(surface.mean(axis=0), surface.std(axis=0))

    def apply(self, rows: Floats) -> Floats:
        """The rows with their surfaces measured; what is one in all of the table counts nothing."""
        known = self.spread > 1e-9
        far = (rows[:, -len(SURFACE) :] - self.mean) / np.where(known, self.spread, 1)
        near = np.clip(far, -FARTHEST, FARTHEST) * known * WEIGHT
        return np.hstack([rows[:, : -len(SURFACE)], near])


def checked(vectors: Floats, texts: Sequence[str]) -> Floats:
    """Vectors that the caller has kept, if they are what :func:`represent` gave for the texts.

    Raises
    ------
    UsageError
        If they are not.
    """
    kept = np.asarray(vectors, np.float64)
    sound = kept.ndim == 2 and len(kept) == len(texts) and kept.shape[1] > len(SURFACE)
    # the first and the last row tell other vectors, and the vectors of another table
    if sound and len(texts):
        ends = [0, -1]
        seen = surfaces([texts[at] for at in ends])
        sound = bool(np.allclose(kept[ends, -len(SURFACE) :], seen, atol=1e-6))
    if not sound:
        raise UsageError(
            f"vectors must be what represent(texts, embed=...) gives for these {len(texts)} texts; "
            f"got an array of shape {kept.shape}."
        )
    return kept
