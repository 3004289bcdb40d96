"""Shingles: the words or runs of characters of many texts, as hashes, all texts at once.

A. Z. Broder (1997), On the resemblance and containment of documents, section 2. Texts are laid end
to end in one array of code points, so that numpy splits and hashes millions of them in seconds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthkit.stats.rouge import UNSPACED

Kind = Literal["words", "chars"]
Hashes = NDArray[np.uint64]
Positions = NDArray[np.intp]

BLOCK = 1 << 18
"""Characters that are worked on at once; what is needed for them stays under 20 MB."""

_SEPARATOR = "\0"
_UNSPACED = re.compile(f"[{UNSPACED}]")
_OTHER, _WORD, _ALONE, _BLANK, _PUNCTUATION = range(5)
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_MIX = np.uint64(0xD6E8FEB86659FD93)


class Shape(NamedTuple):
    """What a shingle is: ``size`` words, or ``size`` characters, in a row."""

    kind: Kind
    size: int


class Shingles(NamedTuple):
    """Those of n texts: text i has ``values[starts[i] : starts[i] + counts[i]]``, one or more.

    A shingle that a text has twice is there twice.
    """

    values: Hashes
    starts: Positions
    counts: Positions


class _Codes(NamedTuple):
    """Folded texts end to end with a 0 between them: their code points, and where each text is."""

    points: NDArray[np.uint8] | NDArray[np.uint32]
    starts: Positions
    ends: Positions


def blocks(texts: Sequence[str]) -> Iterator[slice]:
    """Slices of texts with :data:`BLOCK` characters or less, or of one text."""
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    start = done = 0
    while start < len(texts):
        stop = max(int(np.searchsorted(ends, done + BLOCK, "right")), start + 1)
        yield slice(start, stop)
        start, done = stop, int(ends[stop - 1])


def folded(texts: Sequence[str], *, punctuation: bool = True) -> list[str]:
    """The texts in one form: NFKC, case folded, blanks at the ends gone and others one space.

    Parameters
    ----------
    punctuation : whether punctuation (the Unicode categories P) counts; else it is as a blank.

    Examples
    --------
    >>> folded(["  The ﬁrst\\tSTRASSE. ", "the first straße"], punctuation=False)
    ['the first strasse', 'the first strasse']
    """
    made = []
    for part in blocks(texts):
        points = _fold(texts[part], punctuation).points
        code = "latin-1" if points.dtype == np.uint8 else "utf-32-le"
        made += points.tobytes().decode(code, "surrogatepass").split(_SEPARATOR)
    return made


def shingles(texts: Sequence[str], shape: Shape) -> Shingles:
    """The shingles of folded texts, each a hash of 64 bits.

    Words are those of :func:`synthkit.stats.rouge.tokens`. A text that has fewer than ``size`` words
    (characters) is one shingle, the whole of it.
    """
    codes = _fold(texts, True)
    hashed = _Spans(codes.points)
    if shape.kind == "chars":
        counts = codes.ends - codes.starts - shape.size + 1
        values, starts = hashed.runs(shape.size), codes.starts
    else:
        first, last = _words(codes.points)
        values = hashed(first, last)
        starts = np.searchsorted(first, codes.starts)
        counts = np.searchsorted(first, codes.ends) - starts - shape.size + 1
        if shape.size > 1:
            values = _Spans(values).runs(shape.size)
    (short,) = np.nonzero(counts < 1)
    if len(short):
        whole = hashed(codes.starts[short], codes.ends[short])
        starts, counts = starts.copy(), np.maximum(counts, 1)
        starts[short] = len(values) + np.arange(len(short))
        values = np.concatenate([values, whole])
    return Shingles(values, starts, counts)


class _Spans:
    """Hashes spans of a sequence: h(s, e) = sum_i x_i B^(i - s) mod 2^64, then its bits mixed."""

    def __init__(self, items: NDArray[np.unsignedinteger]) -> None:
        self.sums = np.zeros(len(items) + 1, np.uint64)
        np.cumsum(items * _powers(_BASE, len(items)), out=self.sums[1:])

    def runs(self, size: int) -> Hashes:
        """The hash of each span of ``size`` items."""
        count = max(0, len(self.sums) - size)
        return self(slice(0, count), slice(size, size + count))

    def __call__(self, starts: Positions | slice, ends: Positions | slice) -> Hashes:
        made: Hashes = self.sums[ends] - self.sums[starts]
        made *= _powers(_INVERSE, len(self.sums))[starts]
        made ^= made >> np.uint64(32)
        made *= _MIX
        return made


def _powers(base: int, n: int) -> Hashes:
    return _powers_of_two(base, n.bit_length())[:n]


@cache
def _powers_of_two(base: int, bits: int) -> Hashes:
    """1, B, B^2 ... mod 2^64, 2^bits of them."""
    powers = np.full(1 << bits, base, np.uint64)
    powers[0] = 1
    return np.multiply.accumulate(powers)


def _fold(texts: Sequence[str], punctuation: bool) -> _Codes:
    joined = _SEPARATOR.join(texts)
    if joined.count(_SEPARATOR) != len(texts) - 1:
        joined = _SEPARATOR.join(text.replace(_SEPARATOR, " ") for text in texts)
    points: NDArray[np.uint8] | NDArray[np.uint32]
    if joined.isascii():
        plain = joined.encode().translate(_ascii(punctuation))
        points = np.frombuffer(plain, np.uint8)
    else:  # case folding can undo NFKC
        even = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", joined).casefold())
        points = np.frombuffer(even.encode("utf-32-le", "surrogatepass"), np.uint32)
        kinds = _kinds(points)
        blank = (kinds == _BLANK) | ((kinds == _PUNCTUATION) & (not punctuation))
        points = np.where(blank, np.uint32(32), points)
    # of a run of blanks the first stays, if a text goes on before it and after it
    blank, gap = points == 32, points == 0
    follows = np.concatenate([[True], (blank | gap)[:-1]]) & blank
    points = points[~follows] if follows.any() else points
    gap = np.concatenate([points == 0, [True]])
    final = gap[1:] & (points == 32)
    if final.any():
        points = points[~final]
        gap = np.concatenate([points == 0, [True]])
    ends = np.flatnonzero(gap)
    return _Codes(points, np.concatenate([[0], ends[:-1] + 1]), ends)


def _words(points: NDArray[np.uint8] | NDArray[np.uint32]) -> tuple[Positions, Positions]:
    """Where words start, and where they end."""
    kinds = _kinds(points)
    inside = np.zeros(len(kinds) + 2, bool)
    inside[1:-1] = kinds == _WORD
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = edges[::2], edges[1::2]
    alone = np.flatnonzero(kinds == _ALONE) if points.itemsize > 1 else starts[:0]
    if len(alone):
        starts, ends = np.concatenate([starts, alone]), np.concatenate([ends, alone + 1])
        starts.sort()
        ends.sort()
    return starts, ends


def _kinds(points: NDArray[np.uint8] | NDArray[np.uint32]) -> NDArray[np.uint8]:
    """For each code point what it is to a text."""
    if points.itemsize == 1:
        return np.frombuffer(points.tobytes().translate(_table(256).tobytes()), np.uint8)
    return _table(0x110000)[points]


@cache
def _table(n: int) -> NDArray[np.uint8]:
    return np.fromiter(map(_kind, map(chr, range(n))), np.uint8)


@cache
def _ascii(punctuation: bool) -> bytes:
    """What each ASCII character is after folding."""
    gone = (_BLANK,) if punctuation else (_BLANK, _PUNCTUATION)
    return bytes(32 if _kind(chr(n)) in gone else ord(chr(n).lower()) for n in range(128)) + bytes(
        128
    )


def _kind(character: str) -> int:
    if _UNSPACED.match(character):
        return _ALONE
    if character.isalnum():
        return _WORD
    if character.isspace():
        return _BLANK
    return _PUNCTUATION if unicodedata.category(character)[0] == "P" else _OTHER
