"""Shingles: hashes of the words, or of the runs of characters, of many texts at once.

A. Z. Broder (1997), On the resemblance and containment of documents, section 2. The texts are
joined in one array of code points, so that NumPy splits and hashes millions of them in seconds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthkit.stats import words
from synthkit.stats.classifier import Positions

Unit = Literal["words", "chars"]
Hashes = NDArray[np.uint64]

BLOCK = 1 << 18
"""Characters in work at once; they need less than 20 MB of memory."""

_SEPARATOR = "\0"
_OTHER, _WORD, _ALONE, _BLANK, _PUNCTUATION, _MARK, _STACKER = range(7)
_LAST_LETTER = 0x32400
"""No letter and no punctuation has a higher code point."""
_SELECTORS = slice(0xE0100, 0xE01F0)
"""Variation selectors, the only marks above that."""
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_MIX = np.uint64(0xD6E8FEB86659FD93)


class Shingling(NamedTuple):
    """How texts are split: a shingle is ``size`` words, or ``size`` characters, in a row."""

    unit: Unit
    size: int


class Shingles(NamedTuple):
    """The shingles of n texts: text i has ``values[starts[i] : starts[i] + counts[i]]``.

    Each text has at least one. A shingle that occurs twice in a text is listed twice.
    """

    values: Hashes
    starts: Positions
    counts: Positions


class _Codes(NamedTuple):
    """The code points of folded texts, joined with a 0 between them, and the span of each text."""

    points: NDArray[np.uint8] | NDArray[np.uint32]
    starts: Positions
    ends: Positions


def blocks(texts: Sequence[str]) -> Iterator[slice]:
    """Slices of the texts with at most :data:`BLOCK` characters, or with one text."""
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    start = done = 0
    while start < len(texts):
        stop = max(int(np.searchsorted(ends, done + BLOCK, "right")), start + 1)
        yield slice(start, stop)
        start, done = stop, int(ends[stop - 1])


def folded(texts: Sequence[str], *, punctuation: bool = True) -> list[str]:
    """The texts after NFKC normalization, case folding, and with runs of blanks as one space.

    Blanks at the ends are removed.

    Parameters
    ----------
    punctuation : whether punctuation (Unicode category P) counts; if not, it is treated as blanks.

    Examples
    --------
    >>> folded(["  The ﬁrst\\tSTRASSE. ", "the first straße"], punctuation=False)
    ['the first strasse', 'the first strasse']
    """
    result = []
    for part in blocks(texts):
        points = _fold(texts[part], punctuation).points
        encoding = "latin-1" if points.dtype == np.uint8 else "utf-32-le"
        result += points.tobytes().decode(encoding, "surrogatepass").split(_SEPARATOR)
    return result


def shingles(texts: Sequence[str], shingling: Shingling) -> Shingles:
    """The shingles of the texts after folding, as hashes of 64 bits.

    Words are split by :func:`synthkit.stats.words.tokens`. A text with fewer than ``size`` words or
    characters is one shingle.
    """
    codes = _fold(texts, True)
    hashed = _Spans(codes.points)
    if shingling.unit == "chars":
        counts = codes.ends - codes.starts - shingling.size + 1
        values, starts = hashed.runs(shingling.size), codes.starts
    else:
        first, last = _words(codes.points)
        values = hashed(first, last)
        starts = np.searchsorted(first, codes.starts)
        counts = np.searchsorted(first, codes.ends) - starts - shingling.size + 1
        if shingling.size > 1:
            values = _Spans(values).runs(shingling.size)
    (short,) = np.nonzero(counts < 1)
    if len(short):
        whole = hashed(codes.starts[short], codes.ends[short])
        starts, counts = starts.copy(), np.maximum(counts, 1)
        starts[short] = len(values) + np.arange(len(short))
        values = np.concatenate([values, whole])
    return Shingles(values, starts, counts)


class _Spans:
    """Hashes of spans of a sequence: h(s, e) = sum_i x_i B^(i - s) mod 2^64, with mixed bits."""

    def __init__(self, items: NDArray[np.unsignedinteger]) -> None:
        self.sums = np.zeros(len(items) + 1, np.uint64)
        np.cumsum(items * _powers(_BASE, len(items)), out=self.sums[1:])

    def runs(self, size: int) -> Hashes:
        """The hash of each span of ``size`` items."""
        count = max(0, len(self.sums) - size)
        return self(slice(0, count), slice(size, size + count))

    def __call__(self, starts: Positions | slice, ends: Positions | slice) -> Hashes:
        hashes: Hashes = self.sums[ends] - self.sums[starts]
        hashes *= _powers(_INVERSE, len(self.sums))[starts]
        hashes ^= hashes >> np.uint64(32)
        hashes *= _MIX
        return hashes


def _powers(base: int, n: int) -> Hashes:
    return _powers_of_two(base, n.bit_length())[:n]


@cache
def _powers_of_two(base: int, bits: int) -> Hashes:
    """(2^bits,) the powers 1, B, B^2 ... mod 2^64."""
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
    else:
        normal = words.fold(joined)
        points = np.frombuffer(normal.encode("utf-32-le", "surrogatepass"), np.uint32)
        kinds = _kinds(points)
        blank = (kinds == _BLANK) | ((kinds == _PUNCTUATION) & (not punctuation))
        points = np.where(blank, np.uint32(32), points)
    # the first of a run of blanks is kept, except at the ends of a text
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
    """The positions at which words start and end, as in :func:`synthkit.stats.words.tokens`."""
    kinds = _kinds(points)
    if points.itemsize == 1:
        inside = np.zeros(len(kinds) + 2, bool)
        inside[1:-1] = kinds == _WORD
        edges = np.flatnonzero(inside[1:] != inside[:-1])
        return edges[::2], edges[1::2]
    # a mark belongs to the word of the letter before it
    marks = (kinds == _MARK) | (kinds == _STACKER)
    letter = np.maximum.accumulate(np.where(marks, 0, np.arange(len(kinds))))
    of = np.concatenate([[_OTHER], kinds[letter], [_OTHER]])
    inside = (of == _WORD) | (of == _ALONE)
    stacked = np.concatenate([[False], kinds[:-1] == _STACKER]) & (of[:-2] == _ALONE)
    starts = np.zeros(len(of), bool)
    starts[1:-1] = ((kinds == _ALONE) & ~stacked) | ((kinds == _WORD) & (of[:-2] != _WORD))
    ends = inside[:-1] & (~inside[1:] | starts[1:])
    return np.flatnonzero(starts[1:-1]), np.flatnonzero(ends)


def _kinds(points: NDArray[np.uint8] | NDArray[np.uint32]) -> NDArray[np.uint8]:
    """The kind of each code point: word, blank, punctuation, a word by itself, or other."""
    if points.itemsize == 1:
        return np.frombuffer(points.tobytes().translate(_table(256).tobytes()), np.uint8)
    return _table(0x110000)[points]


@cache
def _table(n: int) -> NDArray[np.uint8]:
    table = np.full(n, _OTHER, np.uint8)
    every = "".join(map(chr, range(min(n, _LAST_LETTER))))
    patterns = words.patterns()
    for kind, pattern in (
        (_BLANK, r"\s+"),
        (_WORD, rf"{patterns.letter}+"),
        (_MARK, rf"{patterns.mark}+"),
        (_ALONE, rf"{patterns.alone}+"),
        (_STACKER, f"[{words.STACKERS}]+"),
    ):
        for match in re.finditer(pattern, every):
            table[match.start() : match.end()] = kind
    table[_SELECTORS] = _MARK
    rest = np.flatnonzero(table[: len(every)] == _OTHER).tolist()
    table[[code for code in rest if unicodedata.category(chr(code))[0] == "P"]] = _PUNCTUATION
    return table


@cache
def _ascii(punctuation: bool) -> bytes:
    """A translation table that folds ASCII characters."""
    blank = (_BLANK,) if punctuation else (_BLANK, _PUNCTUATION)
    table = [32 if _table(128)[n] in blank else ord(chr(n).lower()) for n in range(128)]
    return bytes(table) + bytes(128)
