"""Filters by the surface of a text: its length, its words and symbols, a pattern.

The thresholds named after Gopher are those of J. Rae et al. (2021), arXiv 2112.11446, table A1 and
appendix A.1.1. They were chosen for web pages of 50 words and more. In a single sentence one word
changes a share a lot, so each filter here says how it treats short texts differently.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from synthkit.core import patterns
from synthkit.core.errors import UsageError, check_known
from synthkit.curate.filters.base import Filter, text_filter
from synthkit.curate.filters.ranges import check_share, describe_range, parse_range
from synthkit.curate.filters.registry import filter_option, number
from synthkit.stats.words import characters, fold, tokens, words

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""The stop words of Gopher: an English document contains at least two of them."""
ALLOWED_ODD_WORDS = 3
"""A text may have this many symbols or words without letters, whatever their share."""

_UNITS: dict[str, Callable[[str], int]] = {
    "words": lambda text: len(words(text)),
    "chars": len,
    "characters": lambda text: len(characters(text)),
    "tokens": lambda text: len(tokens(text)),
    "lines": lambda text: sum(1 for line in text.splitlines() if line.strip()),
}
_SYMBOL = re.compile(r"#|\.\.\.|…")


def length(
    *,
    column: str = "text",
    least: float | None = None,
    most: float | None = None,
    unit: str = "words",
) -> Filter:
    """Keep texts of ``least`` to ``most`` words, or of another unit.

    Parameters
    ----------
    unit : ``"words"``, separated by white space; ``"tokens"``, which are words without punctuation;
        ``"chars"``, code points; ``"characters"``, as readers see them, without blanks; or
        ``"lines"`` that are not blank. In a script without spaces, such as Chinese or Thai, each
        character with its marks is a word.

    Raises
    ------
    UsageError
        If there is no bound, ``least`` is above ``most``, or the unit is unknown.

    Examples
    --------
    >>> length(least=3, most=50).judge([{"text": "Good soup."}, {"text": "The soup was good."}])
    ['too short: 2 words', '']
    """
    check_known("unit", [unit], _UNITS)
    limits = describe_range("length", least, most)
    count = _UNITS[unit]

    def test(text: str) -> str:
        n = count(text)
        if least is not None and n < least:
            return f"too short: {n} {unit}"
        return f"too long: {n} {unit}" if most is not None and n > most else ""

    return text_filter(f"{unit} {limits}", column, test)


@filter_option("length", takes="LEAST-MOST")
def _words(limits: str, *, column: str) -> Filter:
    """Keep texts of LEAST to MOST words."""
    least, most = parse_range(limits)
    return length(column=column, least=least, most=most)


@filter_option("chars", takes="LEAST-MOST")
def _chars(limits: str, *, column: str) -> Filter:
    """Keep texts of LEAST to MOST characters."""
    least, most = parse_range(limits)
    return length(column=column, least=least, most=most, unit="chars")


@filter_option("matches", takes="REGEX")
def regex(pattern: str, *, column: str = "text", keep: bool = True) -> Filter:
    r"""Keep texts in which a regular expression is found.

    Parameters
    ----------
    pattern : of Python's :mod:`re`, searched anywhere in the text; ``(?i)`` ignores case.
    keep : ``False`` to drop the texts in which it is found, and keep the others.

    Raises
    ------
    UsageError
        If the pattern does not compile.

    Examples
    --------
    >>> regex(r"\$\d+", keep=False).judge([{"text": "Soup for $5."}, {"text": "Soup."}])
    ["pattern found: '$5'", '']
    """
    compiled = patterns.pattern(pattern)

    def test(text: str) -> str:
        try:
            match = compiled.search(text)
        except TimeoutError as error:
            return str(error)
        if keep:
            return "" if match else "pattern not found"
        return f"pattern found: {match[0][:60]!r}" if match else ""

    return text_filter(f"{'matches' if keep else 'has no'} {pattern}", column, test)


@filter_option("no-match", takes="REGEX")
def _no_match(pattern: str, *, column: str) -> Filter:
    """Drop texts in which a regular expression is found."""
    return regex(pattern, column=column, keep=False)


@filter_option("no-symbols")
def symbols(*, column: str = "text", most: float = 0.1, letters: float = 0.8) -> Filter:
    """Drop texts made of symbols: hashes, ellipses and words without a letter.

    A text is dropped if it has more than ``most`` hashes or ellipses per word, if fewer than
    ``letters`` of its words contain a letter of any script, or if it has no letter at all. Unlike
    Gopher's rule, this allows three of each in any text, so that "Soup for $5..." is kept although
    half of its words are odd.

    Parameters
    ----------
    most, letters : shares of the words, 0..1; Gopher uses 0.1 and 0.8.

    Raises
    ------
    UsageError
        If a share is not from 0 to 1.

    Examples
    --------
    >>> texts = ["Soup for $5...", "#soup #good #yum #wow", "1 2 3 4 go", "?!"]
    >>> symbols().judge([{"text": text} for text in texts])
    ['', 'symbols: 4 in 4 words', 'words without letters: 4 of 5', 'no letters']
    """
    check_share("most", most)
    check_share("letters", letters)

    def test(text: str) -> str:
        pieces = words(text)
        with_letters = sum(any(map(str.isalpha, piece)) for piece in pieces)
        if not with_letters:
            return "no letters"
        n_symbols = len(_SYMBOL.findall(text))
        if n_symbols > max(ALLOWED_ODD_WORDS, most * len(pieces)):
            return f"symbols: {n_symbols} in {len(pieces)} words"
        odd = len(pieces) - with_letters
        if odd > ALLOWED_ODD_WORDS and with_letters < letters * len(pieces):
            return f"words without letters: {odd} of {len(pieces)}"
        return ""

    return text_filter(f"symbols <= {most:g}, words with letters >= {letters:g}", column, test)


def stopwords(
    *,
    column: str = "text",
    least: int = 2,
    ratio: float = 0.0,
    words: Collection[str] = STOP_WORDS,
    short: int = 50,
) -> Filter:
    """Keep texts with common words of their language, and drop lists of keywords and the like.

    A text must have ``least`` different ones of ``words``, and at least the share ``ratio`` of its
    words must be among them. Gopher requires two of eight, and does not judge texts of fewer than
    50 words; this filter does not judge texts of fewer than ``short``. Sentences such as "Loved
    this place!" often have none: so do 8% of the Yelp sentences of 8 words and more.

    Parameters
    ----------
    ratio : 0..1.
    words : lower case; the default is English.

    Raises
    ------
    UsageError
        If ``words`` has fewer than ``least`` words, or the ratio is not from 0 to 1.

    Examples
    --------
    >>> rows = [{"text": "soup bread menu wine table chef"}, {"text": "the soup and the bread"}]
    >>> stopwords(short=5).judge(rows)
    ['stop words: 0 different', '']
    """
    common = frozenset(map(fold, words))
    if isinstance(words, str) or not 0 <= least <= len(common):
        raise UsageError(
            f"expected a list of words and least= up to their number; got {words!r}, {least!r}."
        )
    check_share("ratio", ratio)

    def test(text: str) -> str:
        text_words = tokens(text)
        n = len(text_words)
        if n < short:
            return ""
        stops = [word for word in text_words if word in common]
        if len(set(stops)) < least:
            return f"stop words: {len(set(stops))} different"
        return f"stop words: {len(stops)} of {n}" if len(stops) < ratio * n else ""

    rule = f"stop words >= {least}" + (f" and >= {ratio:g} of all words" if ratio else "")
    return text_filter(f"{rule} in texts of {short} words", column, test)


@filter_option("stopwords", takes="LEAST")
def _stopwords(least: str = "2", *, column: str) -> Filter:
    """Keep long texts with at least LEAST common words of English; 2 if not given."""
    return stopwords(column=column, least=int(number(least)))
