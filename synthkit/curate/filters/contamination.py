"""A filter of rows that hold a part of a test set, so that no score is of what was seen.

Of T. Brown et al. (2020), arXiv 2005.14165, appendix C: a text that shares n words in a row with a
test text, whatever the case and punctuation, is contaminated; n is the 5th percentile of the
lengths of the test texts, but from 8 to 13. There, texts of fewer words are not looked at. Here
they are, since synthetic rows are often sentences: a short text is contaminated if it is a test
text after normalisation, or shares most of its bigrams with one.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.curate.filters.base import MISSING, Filter, texts
from synthkit.curate.filters.ranges import check_share
from synthkit.curate.filters.registry import filter_option
from synthkit.data import tables as tables
from synthkit.stats.rouge import tokens

SPAN = (8, 13)
"""The least and the most words that n is by itself."""
COMMON = 200
"""A bigram in more test texts than these finds no candidates, which keeps the work linear."""

Gram = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Index:
    """A test set to look texts up in. Positions are those of its rows."""

    n: int
    ids: Sequence[str]
    whole: dict[str, int]
    grams: dict[int, int]
    bigrams: dict[Gram, list[int]]
    short: dict[int, frozenset[Gram]]


@filter_option("no-contamination", takes="TABLE", cost=2)
def no_contamination(
    test: Any,
    *,
    column: str = "text",
    test_column: str = "",
    n: int | None = None,
    share: float = 0.7,
) -> Filter:
    """Drop rows that overlap a test table; the reason names the test row and the overlap.

    Dropped is a text that equals a test text after normalisation (words alone, casefolded); that
    has ``n`` words in a row in common with one; or, where both are of at most 2 ``n`` words, whose
    bigrams are those of one but for a few: common bigrams / those of the longer >= ``share``. A
    test text of fewer than ``n`` words within a longer row is not found: such phrases are
    everyone's. Time and memory are linear in the sizes of both tables; bigrams in more than 200
    test texts find nothing by themselves.

    With 500 Yelp sentences as the test set, of their copies all were found (also in upper case), of
    copies with one word changed 72%, and of 496 other sentences one, "It was not good.", was
    taken for a test text.

    Parameters
    ----------
    test : a table of any kind; rows without a text are passed over. It is read when the filter is
        made, not when it is applied.
    test_column : its column of texts, if named other than ``column``.
    n : words; if not given, the 5th percentile of the lengths of the test texts, from 8 to 13.
    share : 0..1; 1 asks for the same bigrams.

    Raises
    ------
    UsageError
        If ``n`` is less than 2, or ``share`` not above 0 and up to 1.
    TableError
        If the test table lacks the column.

    Examples
    --------
    >>> test = [{"id": "t1", "text": "The soup was cold and the waiter was late."}]
    >>> said = ["The soup was COLD, and the waiter was late!", "The soup was fine."]
    >>> no_contamination(test).judge([{"text": text} for text in said])
    ['test text: row t1', '']
    >>> no_contamination(test).judge([{"text": "The soup was cold and the cook was late."}])
    ['most of a test text: row t1, 75% of bigrams']
    """
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 2):
        raise UsageError(f"n must be 2 words or more; got {n!r}.")
    check_share("share", share)
    if not share:
        raise UsageError("share must be above 0, or every row is dropped.")
    index = _indexed(test, test_column or column, n)

    def judge(table: Any) -> list[str]:
        cells = tables.column(table, column)
        return [
            MISSING if cell is None else _overlap(text, index, share)
            for cell, text in zip(cells, texts(table, column), strict=True)
        ]

    name = f"no test text ({len(index.ids)} rows, {index.n} words or {share:.0%} of bigrams)"
    return Filter(name, judge)


def _indexed(test: Any, column: str, n: int | None) -> _Index:
    held = tables.identified(test)
    read = [tokens(text) for text in texts(held, column)]
    if n is None:
        lengths = sorted(len(words) for words in read if words)
        fifth = lengths[len(lengths) // 20] if lengths else SPAN[1]
        n = min(max(fifth, SPAN[0]), SPAN[1])
    index = _Index(n, [str(one) for one in tables.column(held, "id")], {}, {}, {}, {})
    for at, (words, text) in enumerate(zip(read, texts(held, column), strict=True)):
        key = _normal(words, text)
        if not key or index.whole.setdefault(key, at) != at:
            continue
        for gram in _ngrams(words, n):
            index.grams.setdefault(hash(gram), at)
        if 2 <= len(words) <= 2 * n:
            pairs = frozenset(_ngrams(words, 2))
            index.short[at] = pairs
            for pair in pairs:
                index.bigrams.setdefault(pair, []).append(at)
    return index


def _overlap(text: str, index: _Index, share: float) -> str:
    """Why a text is dropped, empty if it is not."""
    words = tokens(text)
    at = index.whole.get(_normal(words, text))
    if at is not None:
        return f"test text: row {index.ids[at]}"
    # of the rows that hold a part of it the one that holds most
    hits = Counter[int]()
    first: dict[int, Gram] = {}
    for gram in _ngrams(words, index.n):
        if (found := index.grams.get(hash(gram))) is not None:
            hits[found] += 1
            first.setdefault(found, gram)
    if hits:
        (at, most) = hits.most_common(1)[0]
        part = most / (len(words) - index.n + 1)
        return (
            f"part of a test text: row {index.ids[at]}, {part:.0%} of {index.n}-grams, "
            f"{' '.join(first[at])[:80]!r}"
        )
    at, part = _nearest(words, index, share)
    return f"most of a test text: row {index.ids[at]}, {part:.0%} of bigrams" if part else ""


def _nearest(words: Sequence[str], index: _Index, share: float) -> tuple[int, float]:
    """The test text that shares most bigrams, and how many; 0 if fewer than ``share``.

    Two sets that share at least s of their elements have one of the len - s + 1 rarest in common,
    so these alone are looked up (the prefix filter of Chaudhuri et al. 2006).
    """
    pairs = set(_ngrams(words, 2))
    if not pairs or len(words) > 2 * index.n:
        return 0, 0.0
    need = math.ceil(len(pairs) * share - 1e-9)
    rarest = sorted(pairs, key=lambda pair: (len(index.bigrams.get(pair, ())), pair))
    candidates = {
        at
        for pair in rarest[: len(pairs) - need + 1]
        if len(found := index.bigrams.get(pair, ())) <= COMMON
        for at in found
    }
    best, most = 0, 0.0
    for at in sorted(candidates):
        other = index.short[at]
        part = len(pairs & other) / max(len(pairs), len(other))
        if part >= share and part > most:
            best, most = at, part
    return best, most


def _normal(words: Sequence[str], text: str) -> str:
    """The words of a text; of one without a word, such as emoji, the text without its blanks."""
    return " ".join(words) or "".join(unicodedata.normalize("NFC", text).split())


def _ngrams(words: Sequence[str], n: int) -> Iterable[Gram]:
    return zip(*(words[at:] for at in range(n)), strict=False)
