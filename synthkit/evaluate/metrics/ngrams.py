"""Counts of n-grams in many texts, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError, check_positive
from synthkit.stats.classifier import check_texts
from synthkit.stats.words import Unit, splitter

Ints = NDArray[np.int64]


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

    def sum_by_text(self, weights: NDArray[np.generic], n: int) -> NDArray[np.float64]:
        """(n,) sums in each of n texts of ``weights``, which has one for each entry."""
        return np.bincount(self.text, weights, minlength=n).astype(np.float64)


def text_list(texts: Iterable[str]) -> list[str]:
    """The texts as a list.

    Raises
    ------
    UsageError
        If it is a single text, or an element is not a text.
    """
    if isinstance(texts, str):
        raise UsageError("expected a list of texts; got one text.")
    listed = list(texts)
    check_texts(listed)
    return listed


def token_codes(texts: Sequence[str], unit: Unit = "tokens") -> tuple[Ints, Ints]:
    """The tokens of all texts in a row, as numbers; and the (n,) lengths of the texts in tokens."""
    split = splitter(unit)
    code_of: dict[str, int] = {}
    codes: list[int] = []
    lengths = np.empty(len(texts), np.int64)
    for row, text in enumerate(texts):
        words = split(text)
        lengths[row] = len(words)
        codes += [code_of.setdefault(word, len(code_of)) for word in words]
    return np.array(codes, np.int64), lengths


def count_ngrams(texts: Sequence[str], n: int, unit: Unit = "tokens") -> NgramCounts:
    """Counts of the n-grams of length ``n``; none crosses the end of a text."""
    check_positive(n=n)
    *_, last = counts_by_length(*token_codes(texts, unit), n)
    return last


def counts_by_length(codes: Ints, lengths: Ints, most: int) -> Iterator[NgramCounts]:
    """Counts of the n-grams of each length from 1 to ``most``, from :func:`token_codes`."""
    rows = max(1, len(lengths))
    text = np.repeat(np.arange(len(lengths)), lengths)
    ends = np.cumsum(lengths)[text] if len(codes) else codes
    vocabulary = int(codes.max()) + 1 if len(codes) else 1
    at = np.arange(len(codes))
    gram = codes
    for length in range(1, most + 1):
        if length > 1:
            inside = at + length <= ends[at]
            at, gram = at[inside], gram[inside] * vocabulary + codes[at[inside] + length - 1]
            gram = np.unique(gram, return_inverse=True)[1]
        pairs, count = np.unique(gram * rows + text[at], return_counts=True)
        yield NgramCounts(*np.divmod(pairs, rows), count)
