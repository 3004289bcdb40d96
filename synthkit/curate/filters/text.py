"""Filters by what a text looks like: its length, its words and signs, a pattern, a schema.

The thresholds named after Gopher are those of J. Rae et al. (2021), arXiv 2112.11446, table A1 and
appendix A.1.1. They were set for web pages of 50 words and more. On one sentence a share is a
matter of a word or two, so each filter here says what it does differently with short texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

from synthkit.core.errors import UsageError, unknown
from synthkit.curate.filters.base import Filter, text_filter
from synthkit.curate.filters.ranges import check_share, describe_range, parse_range
from synthkit.curate.filters.registry import filter_option, number
from synthkit.stats.rouge import tokens

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Gopher's: an English document has at least two of them."""
SPARE = 3
"""So many odd words are let pass in any text, whatever their share of it."""

_UNITS: dict[str, Callable[[str], int]] = {
    "words": lambda text: len(text.split()),
    "chars": len,
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
    """A filter by length: texts of ``least`` to ``most`` units stay.

    Parameters
    ----------
    unit : ``"words"``, parted by white space; ``"chars"``; ``"lines"`` that are not blank; or
        ``"tokens"``, of which each character of Chinese or Japanese is one, since no space parts
        their words.

    Raises
    ------
    UsageError
        If there is no bound, the bounds leave nothing, or the unit is unknown.

    Examples
    --------
    >>> length(least=3, most=50).judge([{"text": "Good soup."}, {"text": "The soup was good."}])
    ['too short: 2 words', '']
    """
    if unit not in _UNITS:
        raise UsageError(unknown("unit", unit, _UNITS))
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
    pattern : of Python's :mod:`re`, searched anywhere in the text; ``(?i)`` ignores the case.
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
    try:
        compiled = re.compile(pattern)
    except (re.error, TypeError) as error:
        raise UsageError(f"the pattern {pattern!r} is no regular expression: {error}.") from None

    def test(text: str) -> str:
        found = compiled.search(text)
        if keep:
            return "" if found else "pattern not found"
        return f"pattern found: {found[0][:60]!r}" if found else ""

    return text_filter(f"{'matches' if keep else 'has no'} {pattern}", column, test)


@filter_option("no-match", takes="REGEX")
def _no_match(pattern: str, *, column: str) -> Filter:
    """Drop texts in which a regular expression is found."""
    return regex(pattern, column=column, keep=False)


@filter_option("no-symbols")
def symbols(*, column: str = "text", most: float = 0.1, letters: float = 0.8) -> Filter:
    """Drop texts made of symbols: hashes, ellipses and words without a letter.

    A text goes if it has more than ``most`` hashes or ellipses for each word, if fewer than
    ``letters`` of its words have a letter (of any script), or if it has no letter at all. Where
    Gopher's rule differs: the first three of each in a text are let pass, so that "Soup for $5..."
    is not dropped for half of its words.

    Parameters
    ----------
    most, letters : shares of the words, 0..1; Gopher's are 0.1 and 0.8.

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
        words = text.split()
        lettered = sum(any(map(str.isalpha, word)) for word in words)
        if not lettered:
            return "no letters"
        found = len(_SYMBOL.findall(text))
        if found > max(SPARE, most * len(words)):
            return f"symbols: {found} in {len(words)} words"
        odd = len(words) - lettered
        if odd > SPARE and lettered < letters * len(words):
            return f"words without letters: {odd} of {len(words)}"
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
    """A filter of lists of keywords and the like: texts have common words of their language.

    A text has to have ``least`` different ones of ``words``, and of its words at least the share
    ``ratio`` has to be among them. Gopher asks for two of eight, and judges no text of
    fewer than 50 words; nor does this with fewer than ``short``, since a sentence such as "Loved
    this place!" can do without: 8% of Yelp's sentences of 8 words and more have none of the eight.

    Parameters
    ----------
    ratio : 0..1.
    words : lower case; the default is English.

    Raises
    ------
    UsageError
        If there are fewer than ``least`` words, or the ratio is not from 0 to 1.

    Examples
    --------
    >>> rows = [{"text": "soup bread menu wine table chef"}, {"text": "the soup and the bread"}]
    >>> stopwords(short=5).judge(rows)
    ['stop words: 0 different', '']
    """
    common = frozenset(map(str.casefold, words))
    if isinstance(words, str) or not 0 <= least <= len(common):
        raise UsageError(
            f"expected a list of words and least= up to their number; got {words!r}, {least!r}."
        )
    check_share("ratio", ratio)

    def test(text: str) -> str:
        said = tokens(text)
        if len(said) < short:
            return ""
        found = [word for word in said if word in common]
        if len(set(found)) < least:
            return f"stop words: {len(set(found))} different"
        return f"stop words: {len(found)} of {len(said)}" if len(found) < ratio * len(said) else ""

    asked = f"stop words >= {least}" + (f" and >= {ratio:g} of all words" if ratio else "")
    return text_filter(f"{asked} in texts of {short} words", column, test)


@filter_option("stopwords", takes="LEAST")
def _stopwords(least: str = "2", *, column: str) -> Filter:
    """Keep long texts with at least LEAST common words of English; 2 if not given."""
    return stopwords(column=column, least=int(number(least)))
