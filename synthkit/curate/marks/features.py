"""Features of texts for the learned filter: embeddings, other columns, and the surface."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from synthkit.core.errors import UsageError
from synthkit.stats.classifier import Embed, Floats, embedded
from synthkit.stats.words import patterns

SURFACE = ("length", "digits", "capitals", "signs", "exclamation", "question")
"""The features of the surface: log(1 + characters), the shares of digits, capitals and other signs,
and whether there is an exclamation mark or a question mark."""
WEIGHT = 0.1
"""The weight of one standard deviation of a surface feature; embeddings have length 1.

On SMS spam with WordLlama it raises the area under the ROC curve from 0.85 to 0.90 with 20 marks,
and from 0.96 to 0.98 with 50. On Yelp it makes no difference; 0.2 and above make it worse.
"""
FARTHEST = 3.0
"""Surface features are clipped at this many standard deviations, to limit outliers."""

LABEL_LENGTH = 40
"""Most characters of a cell that is taken as a label; longer ones are embedded."""

_DIGIT = re.compile(r"\d")
_CAPITAL = re.compile(r"[A-Z]")
_SIGN = re.compile(r"[^\w\s]")


def represent(
    texts: Sequence[str], *, embed: Embed, columns: Mapping[str, Sequence[str]] | None = None
) -> Floats:
    """(n, d + 2 d c + 6) the embeddings, c other columns, and the :data:`SURFACE` features.

    Each other column adds the vectors of its cells, and their products with the embeddings, so that
    a linear model can learn from the text within each label ("wrong label"). A cell of up to
    :data:`LABEL_LENGTH` characters has a vector of signs drawn by its hash, so that two labels are
    nearly orthogonal; a longer one has its embedding. Marking 150 of 1,000 SMS of which 35 % have a
    wrong label gives an area under the ROC curve of 0.93, 0.50 without the column, and 0.51 where
    the label stands before the text.

    Raises
    ------
    UsageError
        If there is no text, one is missing, the vectors are not (n, d) or not finite, or a column
        has another length.

    Examples
    --------
    >>> represent(["Win £100!"], embed=lambda texts: [[1.0, 0.0] for _ in texts]).round(2).tolist()
    [[1.0, 0.0, 2.3, 0.33, 0.11, 0.22, 1.0, 0.0]]
    """
    vectors = embedded(texts, embed)
    blocks = [vectors]
    for name, cells in (columns or {}).items():
        if len(cells) != len(texts):
            raise UsageError(f"expected {len(texts)} cells of {name!r}; got {len(cells)}.")
        beside = _beside(cells, embed, vectors.shape[1])
        blocks += [beside, vectors * beside * math.sqrt(vectors.shape[1])]
    return np.hstack([*blocks, surfaces(texts)])


def _beside(cells: Sequence[str], embed: Embed, width: int) -> Floats:
    """(n, width) a vector of length 1 for each cell of a column beside the texts."""
    distinct = list(dict.fromkeys(cells))
    long = [cell for cell in distinct if len(cell) > LABEL_LENGTH]
    vectors = {cell: _signs(cell, width) for cell in distinct if len(cell) <= LABEL_LENGTH}
    if long:
        rows = embedded(long, embed, width=width)
        lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        vectors |= dict(zip(long, rows / lengths, strict=True))
    return np.array([vectors[cell] for cell in cells]).reshape(-1, width)


def _signs(cell: str, width: int) -> Floats:
    digest = hashlib.blake2b(cell.strip().casefold().encode("utf-8", "replace"), digest_size=8)
    drawn = np.random.default_rng(int.from_bytes(digest.digest(), "big"))
    return drawn.choice([-1.0, 1.0], width) / math.sqrt(width)


def surfaces(texts: Sequence[str]) -> Floats:
    """(n, 6) the :data:`SURFACE` features of the texts; those of an empty text are 0."""
    return np.array([_surface(text) for text in texts], np.float64).reshape(-1, len(SURFACE))


def _surface(text: str) -> tuple[float, ...]:
    size = max(len(text), 1)
    signs = len(_SIGN.findall(text))
    if text.isascii():
        capitals = len(_CAPITAL.findall(text))
    else:
        capitals = sum(map(str.isupper, text))
        signs -= sum(map(len, patterns().marks.findall(text)))
    shares = (count / size for count in (len(_DIGIT.findall(text)), capitals, signs))
    return (math.log1p(len(text)), *shares, "!" in text, "?" in text)


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Mean and standard deviation of the surface features of a table, (6,) each."""

    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, rows: Floats) -> Scale:
        """The scale of rows that :func:`represent` returned."""
        surface = rows[:, -len(SURFACE) :]
        return cls(surface.mean(axis=0), surface.std(axis=0))

    def apply(self, rows: Floats) -> Floats:
        """The rows with standardized surface features; features that are constant become 0."""
        varies = self.spread > 1e-9
        standard = (rows[:, -len(SURFACE) :] - self.mean) / np.where(varies, self.spread, 1)
        clipped = np.clip(standard, -FARTHEST, FARTHEST) * varies * WEIGHT
        return np.hstack([rows[:, : -len(SURFACE)], clipped])


def checked_features(vectors: Floats, texts: Sequence[str]) -> Floats:
    """The vectors, if they are the result of :func:`represent` for the texts.

    Raises
    ------
    UsageError
        If the shape, or the surface of the first or the last text, is different.
    """
    rows = np.asarray(vectors, np.float64)
    valid = rows.ndim == 2 and len(rows) == len(texts) and rows.shape[1] > len(SURFACE)
    if valid and len(texts):
        ends = [0, -1]
        expected = surfaces([texts[at] for at in ends])
        valid = bool(np.allclose(rows[ends, -len(SURFACE) :], expected, atol=1e-6))
    if not valid:
        raise UsageError(
            "vectors must be the result of represent(texts, embed=...) for these "
            f"{len(texts)} texts; got an array of shape {rows.shape}."
        )
    return rows
