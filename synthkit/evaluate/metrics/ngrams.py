"""Counts of n-grams in many texts, as arrays."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError, check_positive
from synthkit.data.large_texts import LargeTexts, digests
from synthkit.stats.classifier import check_texts
from synthkit.stats.words import Unit, described, splitter

Ints = NDArray[np.int64]
Hashed = NDArray[np.void]
PART_CHARACTERS = 1 << 24
"""Characters of large texts for each part of their n-grams, which is counted in memory."""

_HASHED = np.dtype([("gram", np.uint64), ("text", np.uint32), ("count", np.uint32)])
_MIX = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True, slots=True, eq=False)
class NgramCounts:
    """The number of times each n-gram occurs in each text.

    Parameters
    ----------
    gram, text, count : three arrays of one length, in the order of n-gram, then text.
    """

    gram: Ints
    text: Ints
    count: Ints

    @property
    def totals(self) -> Ints:
        """(V,) how often each n-gram occurs in all texts."""
        return np.bincount(self.gram, self.count).astype(np.int64)

    @property
    def texts(self) -> Ints:
        """(V,) the number of texts with each n-gram."""
        return np.bincount(self.gram).astype(np.int64)

    def parts(self, size: int = 1 << 21) -> Iterator[NgramCounts]:
        """The same counts in parts of about ``size`` entries; no n-gram is in two parts."""
        cuts = np.unique(np.searchsorted(self.gram, self.gram[size::size]))
        for start, end in pairwise([0, *cuts.tolist(), len(self.gram)]):
            gram, text, count = (each[start:end] for each in (self.gram, self.text, self.count))
            yield NgramCounts(gram - gram[:1], text, count)

    def sum_by_text(self, weights: NDArray[np.generic], n: int) -> NDArray[np.float64]:
        """(n,) sums in each of n texts of ``weights``, which has one for each entry."""
        return np.bincount(self.text, weights, minlength=n).astype(np.float64)


def text_list(texts: Iterable[str]) -> Sequence[str]:
    """The texts as a list, unless they are :class:`~synthkit.data.large_texts.LargeTexts`.

    Raises
    ------
    UsageError
        If it is a single text, or an element is not a text.
    """
    if isinstance(texts, str):
        raise UsageError("expected a list of texts; got one text.")
    if isinstance(texts, LargeTexts):
        return texts
    listed = list(texts)
    check_texts(listed)
    return listed


def token_codes(texts: Sequence[str], unit: Unit = "tokens") -> tuple[Ints, Ints]:
    """The tokens of all texts in a row, as numbers; and the (n,) lengths of the texts in tokens."""
    return _coded(texts, unit)[:2]


def _coded(texts: Sequence[str], unit: Unit) -> tuple[Ints, Ints, list[str]]:
    """As :func:`token_codes`, and the token of each number."""
    split = splitter(unit)
    code_of: dict[str, int] = {}
    codes: list[int] = []
    lengths = np.empty(len(texts), np.int64)
    for row, text in enumerate(texts):
        words = split(text)
        lengths[row] = len(words)
        codes += [code_of.setdefault(word, len(code_of)) for word in words]
    return np.array(codes, np.int64), lengths, list(code_of)


def count_ngrams(texts: Sequence[str], n: int, unit: Unit = "tokens") -> NgramCounts:
    """Counts of the n-grams of length ``n``; none crosses the end of a text."""
    check_positive(n=n)
    codes, lengths = token_codes(texts, unit)
    (last,) = deque(_grams(codes, lengths, n), maxlen=1)
    return _counts(*last, len(lengths))


def counted(texts: Sequence[str], n: int, unit: Unit) -> tuple[str, Iterable[NgramCounts]]:
    """What is counted, in words, and the counts of the n-grams of length ``n``.

    The counts are in one part for a list, and in several for large texts; no n-gram is in two
    parts, so that sums over all n-grams are sums over the parts. N-grams of large texts are
    compared by hashes of 64 bits: the expected number that are mistaken for another is 3e-4 for 100
    million distinct n-grams.
    """
    check_positive(n=n)
    if not isinstance(texts, LargeTexts):
        return described(texts, unit), [count_ngrams(texts, n, unit)]
    key = "n-grams", n, unit
    if key not in texts.cache:
        names: set[str] = set()
        parts = texts.map(
            partial(_hashed_ngrams, n=n, unit=unit, parts=1 + texts.characters // PART_CHARACTERS)
        )
        stored = texts.regrouped(_placed(parts, names))
        texts.cache[key] = max(names, key=len, default=""), stored
    what, stored = texts.cache[key]
    return what, map(_dense, stored)


def _placed(
    parts: Iterable[tuple[str, int, list[Hashed]]], names: set[str]
) -> Iterator[list[Hashed]]:
    """The n-grams of all parts of the texts, with the positions of their texts among all."""
    start = 0
    for name, size, arrays in parts:
        names.add(name)
        for array in arrays:
            array["text"] += np.uint32(start)
        start += size
        yield arrays


def _hashed_ngrams(
    texts: Sequence[str], *, n: int, unit: Unit, parts: int
) -> tuple[str, int, list[Hashed]]:
    """What is counted, the number of texts, and their n-grams by hash, in ranges of hashes."""
    codes, lengths, tokens = _coded(texts, unit)
    hashed = digests(tokens)[:, 0]
    text = np.repeat(np.arange(len(lengths), dtype=np.uint32), lengths)
    at = np.arange(len(codes))
    ends = np.cumsum(lengths)[text] if len(codes) else codes
    at = at[at + n <= ends]
    grams = np.zeros(len(at), np.uint64)
    for place in range(n):
        grams = (grams ^ hashed[codes[at + place]]) * _MIX
        grams ^= grams >> np.uint64(32)
    order = np.lexsort((text[at], grams))
    gram, text = grams[order], text[at][order]
    new = np.ones(len(order), bool)
    new[1:] = (gram[1:] != gram[:-1]) | (text[1:] != text[:-1])
    (first,) = np.nonzero(new)
    found = np.empty(len(first), _HASHED)
    found["gram"], found["text"] = gram[first], text[first]
    found["count"] = np.diff(first, append=len(order))
    cuts = np.array([(1 << 64) * part // parts for part in range(1, parts)], np.uint64)
    return described(texts, unit), len(texts), np.split(found, np.searchsorted(found["gram"], cuts))


def _dense(found: Hashed) -> NgramCounts:
    """The counts of n-grams that are given by their hashes, in the order of their texts."""
    found = found[np.argsort(found["gram"], kind="stable")]
    new = np.ones(len(found), bool)
    new[1:] = found["gram"][1:] != found["gram"][:-1]
    columns = (found[name].astype(np.int64) for name in ("text", "count"))
    return NgramCounts(np.cumsum(new) - 1, *columns)


def counts_by_length(codes: Ints, lengths: Ints, most: int) -> Iterator[NgramCounts]:
    """Counts of the n-grams of each length from 1 to ``most``, from :func:`token_codes`."""
    for grams, text in _grams(codes, lengths, most):
        yield _counts(grams, text, len(lengths))


def _grams(codes: Ints, lengths: Ints, most: int) -> Iterator[tuple[Ints, NDArray[np.int32]]]:
    """All n-grams of each length from 1 to ``most``, as numbers, with their texts."""
    text = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    at = np.arange(len(codes))
    left = (np.repeat(np.cumsum(lengths), lengths) - at).astype(np.int32)
    vocabulary = int(codes.max()) + 1 if len(codes) else 1
    grams = codes
    for length in range(1, most + 1):
        if length > 1:
            inside = left[at] >= length
            at = at[inside]
            grams = grams[inside]
            grams *= vocabulary
            grams += codes[at + (length - 1)]
            grams = np.unique(grams, return_inverse=True)[1]
        yield grams, text[at]


def _counts(grams: Ints, text: NDArray[np.int32], rows: int) -> NgramCounts:
    """The number of times each n-gram is in each text."""
    rows = max(1, rows)
    pairs, count = np.unique(grams * rows + text, return_counts=True)
    return NgramCounts(*np.divmod(pairs, rows), count)
