"""Filters by what a text looks like: its length, its words and signs, a pattern, a schema.

The thresholds named after Gopher are those of J. Rae et al. (2021), arXiv 2112.11446, table A1 and
appendix A.1.1. They were set for web pages of 50 words and more. On one sentence a share is a
matter of a word or two, so each filter here says what it does differently with short texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from synthkit.core.errors import UsageError, unknown
from synthkit.curate.filters.base import Filter, cell_filter, text_filter
from synthkit.data import expressions as expressions, tables as tables
from synthkit.prompts.parsing import follows, json_schema
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
    span = bounds("length", least, most)
    count = _UNITS[unit]

    def test(text: str) -> str:
        n = count(text)
        if least is not None and n < least:
            return f"too short: {n} {unit}"
        return f"too long: {n} {unit}" if most is not None and n > most else ""

    return text_filter(f"{unit} {span}", column, test)


def regex(pattern: str, *, column: str = "text", keep: bool = True) -> Filter:
    r"""A filter by a regular expression: rows in whose text it is found stay, or go.

    Parameters
    ----------
    pattern : of Python's :mod:`re`, searched anywhere in the text; ``(?i)`` ignores the case.
    keep : whether rows in which it is found are kept, or dropped.

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


def symbols(*, column: str = "text", most: float = 0.1, letters: float = 0.8) -> Filter:
    """A filter of texts made of signs: hashes, ellipses, and words without a letter.

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
    share("most", most)
    share("letters", letters)

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
    share("ratio", ratio)

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


def schema(schema: Any, *, column: str | None = None) -> Filter:
    """A filter of rows that follow a schema: in one column's JSON, or the row itself.

    Parameters
    ----------
    schema : a JSON Schema (a dict) or a pydantic model class, whose validators then run too.
    column : has JSON in texts, or values; without it a row is one object, of those columns that are
        properties of the schema, less its missing cells.

    Raises
    ------
    UsageError
        If ``schema`` is neither, or is not valid itself.

    Examples
    --------
    >>> stars = {"type": "object", "properties": {"stars": {"type": "integer", "maximum": 5}}}
    >>> schema(stars, column="answer").judge([{"answer": '{"stars": 5}'}, {"answer": "Five"}])
    ['', 'not JSON: Expecting value: line 1 column 1 (char 0)']
    >>> schema(stars).judge([{"stars": 5, "id": "a"}, {"stars": 7, "id": "b"}])
    ['', 'does not follow the schema at stars: 7 is greater than the maximum of 5']
    """
    check = follows(schema)
    found = json_schema(schema)
    called = schema.__name__ if isinstance(schema, type) else str(found.get("title", "schema"))

    def complaint(value: Any) -> str:
        said = check(value)
        return said if isinstance(said, str) and said != value else ""

    def of_cell(cell: Any) -> str:
        if cell is None:
            return "missing"
        try:
            value = json.loads(cell) if isinstance(cell, str) else cell
        except (ValueError, RecursionError) as error:
            return f"not JSON: {error}"
        return complaint(value)

    if column is not None:
        return cell_filter(f"{column} follows {called}", column, of_cell)
    properties = found.get("properties", {})
    if not properties:
        raise UsageError("a schema of rows needs properties, or column= to say where its JSON is.")

    def of_row(row: Mapping[str, Any]) -> str:
        return complaint({k: v for k, v in row.items() if k in properties and v is not None})

    return Filter(f"follows {called}", lambda table: list(map(of_row, tables.records(table))))


def rows_where(expression: str, *, text: str = "text") -> Filter:
    """A filter by an expression of :mod:`synthkit.data.expressions`: rows for which it holds stay.

    ``words`` and ``chars`` alone count those of the column ``text``, unless a column is named so.

    Raises
    ------
    UsageError
        When applied, if the expression cannot be read, or names a column that the table lacks.

    Examples
    --------
    >>> rows = [{"text": "Good soup.", "stars": 5}, {"text": "The soup was cold.", "stars": 1}]
    >>> rows_where("words > 2 and stars < 3").judge(rows)
    ['not so: words > 2 and stars < 3', '']
    """
    if not isinstance(expression, str) or not expression.strip():
        raise UsageError(f"expected an expression such as 'words > 5'; got {expression!r}.")

    def judge(table: Any) -> list[str]:
        read = expressions.parse(expression, tables.columns(table), counted=text)
        mask = read.mask(lambda name: tables.column(table, name))
        return ["" if holds else f"not so: {expression}" for holds in mask]

    return Filter(expression.strip(), judge)


def bounds(what: str, least: float | None, most: float | None) -> str:
    """A span in words, such as ``>= 2 and <= 5``.

    Raises
    ------
    UsageError
        If there is no bound, one is no number, or they leave nothing.
    """
    for bound in (least, most):
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int | float)):
            raise UsageError(f"a bound of {what} must be a number; got {bound!r}.")
    if least is None and most is None:
        raise UsageError(f"a filter by {what} needs least=, most= or both.")
    if least is not None and most is not None and not least <= most:
        raise UsageError(f"expected least <= most in a filter by {what}; got {least} and {most}.")
    span = [f">= {least:g}"] if least is not None else []
    return " and ".join(span + ([f"<= {most:g}"] if most is not None else []))


def share(what: str, value: float) -> None:
    """Check that an option is a share.

    Raises
    ------
    UsageError
        If it is no number from 0 to 1.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UsageError(f"{what} must be from 0 to 1; got {value!r}.")
