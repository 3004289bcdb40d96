"""N-grams of many texts as numbers, for metrics that count them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.stats.rouge import tokens

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """How often which n-gram is in which text: three arrays of one length, by n-gram, then text."""

    gram: Ints
    text: Ints
    count: Ints

    @property
    def totals(self) -> Ints:
        """(V,) how often each n-gram occurs."""
        return np.bincount(self.gram, self.count).astype(np.int64)

    @property
    def texts(self) -> Ints:
        """(V,) how many texts each n-gram is in."""
        return np.bincount(self.gram).astype(np.int64)

    def added(self, weights: NDArray[np.generic], n: int) -> NDArray[np.float64]:
        """(n,) what ``weights``, one for each entry, add up to in each text."""
        return np.bincount(self.text, weights, minlength=n).astype(np.float64)


def checked(texts: Iterable[str]) -> list[str]:
    """The texts as a list.

    Raises
    ------
    UsageError
        If it is one text, or something in it is none.
    """
    if isinstance(texts, str):
        raise UsageError("expected a list of texts; got one text.")
    held = list(texts)
    for row, text in enumerate(held):
        if not isinstance(text, str):
            raise UsageError(f"row {row}: expected a text; got {text!r}. Leave such rows out.")
    return held


def coded(texts: Sequence[str]) -> tuple[Ints, Ints]:
    """A number for each token of all texts on end, and the (n,) lengths of the texts in tokens."""
    known: dict[str, int] = {}
    flat: list[int] = []
    lengths = np.empty(len(texts), np.int64)
    for row, text in enumerate(texts):
        said = tokens(text)
        lengths[row] = len(said)
        flat += [known.setdefault(token, len(known)) for token in said]
    return np.array(flat, np.int64), lengths


def counted(texts: Sequence[str], n: int) -> Counts:
    """Counts of the n-grams of length ``n``, none of which reaches over the end of a text."""
    if n < 1:
        raise UsageError(f"n must be 1 or more; got {n}.")
    *_, last = orders(*coded(texts), n)
    return last


def orders(flat: Ints, lengths: Ints, most: int) -> Iterator[Counts]:
    """Counts of the n-grams of each length from 1 to ``most`` in texts that are coded."""
    rows = max(1, len(lengths))
    text = np.repeat(np.arange(len(lengths)), lengths)
    ends = np.cumsum(lengths)[text] if len(flat) else flat
    vocabulary = int(flat.max()) + 1 if len(flat) else 1
    at = np.arange(len(flat))
    code = flat
    for length in range(1, most + 1):
        if length > 1:
            whole = at + length <= ends[at]
            at, code = at[whole], code[whole] * vocabulary + flat[at[whole] + length - 1]
            code = np.unique(code, return_inverse=True)[1]
        pairs, count = np.unique(code * rows + text[at], return_counts=True)
        yield Counts(*np.divmod(pairs, rows), count)
