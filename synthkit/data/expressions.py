"""Row expressions such as ``stars > 3 and text ~ soup``, for widgets, magic lines and Python.

    expression  = conjunction { "or" conjunction }
    conjunction = negation { "and" negation }
    negation    = "not" negation | "(" expression ")" | test
    test        = column ( "is" ["not"] "empty" | ["not"] "in" "(" value { "," value } ")"
                         | ("=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~") value )
    column      = NAME | "QUOTED NAME" | ("words" | "chars") [ "(" column ")" ]
    value       = WORD | "SEVERAL WORDS"

``words`` or ``chars`` without parentheses, if it is not the name of a column, counts the words or
characters of the text column, if the caller names one.

``~`` means contains, in any case. A number is compared with cells that are numbers, or texts that
are written as numbers; any other value is compared with the cell's text by code points, so ISO
dates are ordered. A comparison with a missing cell is false. No code is evaluated, so expressions
from any source are safe. rule-engine 5.1 has no bare words as values, no ``=``, ``~``, ``in`` or
``words``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from synthkit.core.errors import UsageError, unknown
from synthkit.data import tables
from synthkit.data.cells import as_text
from synthkit.stats.words import words

Cells = Callable[[str], Sequence[Any]]
"""The name of a column -> its cells."""
Mask = list[bool]

MAX_DEPTH = 50
_SIGNS = ("=", "!=", "<", "<=", ">", ">=", "~", "!~")
_KEYWORDS = ("and", "or", "not", "in", "is", "empty")
_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<sign>==|!=|<>|<=|>=|!~|[=<>~(),])|(?P<word>[^\s"'=!<>~(),]+))""",
    re.DOTALL,
)
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed expression.

    ``columns`` are those that it uses; ``mask`` says for each row whether it is true.
    """

    text: str
    columns: tuple[str, ...]
    mask: Callable[[Cells], Mask]


def parse(expression: str, columns: Sequence[str], *, counted: str = "") -> Condition:
    """The parsed expression, for rows with these columns.

    Parameters
    ----------
    counted : the text column, for ``words`` and ``chars`` without parentheses.

    Raises
    ------
    UsageError
        If it cannot be parsed, or names another column; the message points at the place.

    Examples
    --------
    >>> rows = {"stars": [5, 2, None], "text": ["Good soup.", "Cold soup!", ""]}
    >>> parse("stars > 3 or text ~ COLD", list(rows)).mask(rows.get)
    [True, True, False]
    >>> parse("not text is empty and words(text) = 2", list(rows)).mask(rows.get)
    [True, True, False]
    >>> parse("words = 2", list(rows), counted="text").mask(rows.get)
    [True, True, False]
    """
    reader = _Reader(expression, columns, counted)
    mask = reader.expression(0)
    if reader.token.kind != "end":
        reader.fail("'and', 'or' or the end", " Put a value of several words in quotes.")
    return Condition(expression, tuple(reader.used), mask)


def matching(table: Any, expression: str) -> list[int]:
    """The positions of the rows of a table for which an expression is true.

    >>> matching([{"stars": 5}, {"stars": 2}], "stars in (1, 2, 3)")
    [1]

    Raises
    ------
    UsageError
        If the expression cannot be parsed, or names a column that the table lacks.
    """
    table = tables.native(table)
    mask = parse(expression, tables.columns(table)).mask(lambda name: tables.column(table, name))
    return [position for position, is_true in enumerate(mask) if is_true]


def rule(expression: str, columns: Sequence[str]) -> Callable[[Mapping[str, Any]], bool]:
    """A function of one row with these columns: whether the expression is true for it.

    >>> rule("not (tone = dry and topic = tax)", ["tone", "topic"])({"tone": "dry", "topic": "war"})
    True

    Raises
    ------
    UsageError
        If it cannot be parsed, or names another column.
    """
    condition = parse(expression, columns)
    return lambda row: condition.mask(lambda name: [row[name]])[0]


def empty(cell: Any) -> bool:
    """Whether a cell is missing, NaN, an empty list or dict, or a text of white space."""
    if isinstance(cell, str):
        return not cell.strip()
    return cell is None or cell != cell or (isinstance(cell, list | dict | tuple) and not cell)


def number(cell: Any) -> float | None:
    """The number in a cell, or in its text; ``None`` if there is none."""
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return cell
    try:
        value = float(cell) if isinstance(cell, str) else None
    except ValueError:
        return None
    return None if value != value else value


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int


class _Reader:
    """A recursive-descent parser with one token of lookahead."""

    def __init__(self, source: str, columns: Sequence[str], counted: str) -> None:
        self.source, self.columns, self.counted = source, columns, counted
        self.used: dict[str, None] = {}
        self.end = 0
        self.token = self.next()

    def next(self) -> _Token:
        start = self.end
        while start < len(self.source) and self.source[start].isspace():
            start += 1
        match = _TOKEN.match(self.source, start)
        if match is None:
            self.token = _Token("end", "", start)
            if start < len(self.source):
                quote = self.source[start] in "\"'"
                self.fail("a closing quotation mark" if quote else f"one of {' '.join(_SIGNS)}")
            return self.token
        self.end = match.end()
        kind, text = str(match.lastgroup), match[0]
        if kind == "quoted":
            text = re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
        elif kind == "word" and text.lower() in _KEYWORDS:
            kind, text = "sign", text.lower()
        self.token = _Token(kind, {"==": "=", "<>": "!="}.get(text, text), start)
        return self.token

    def take(self, *signs: str) -> str:
        """The current sign, which is then consumed, if it is one of these; otherwise ``""``."""
        token = self.token
        if token.kind != "sign" or token.text not in signs:
            return ""
        self.next()
        return token.text

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            self.fail(repr(sign))

    def fail(self, expected: str, hint: str = "") -> NoReturn:
        start = self.token.start
        got = repr(self.source[start : start + 20]) if start < len(self.source) else "the end"
        self.point(f"expected {expected}; got {got}.{hint}")

    def point(self, problem: str) -> NoReturn:
        at = self.token.start
        first, last = max(0, at - 60), at + 40
        line = self.source[first:last].replace("\n", " ").replace("\t", " ")
        raise UsageError(f"{problem}\n  {line}\n  {' ' * (at - first)}^")

    def expression(self, depth: int) -> Callable[[Cells], Mask]:
        if depth > MAX_DEPTH:
            self.point(f"expected at most {MAX_DEPTH} nested parentheses and 'not'.")
        parts = [self.conjunction(depth)]
        while self.take("or"):
            parts.append(self.conjunction(depth))
        return parts[0] if len(parts) == 1 else _joined(any, parts)

    def conjunction(self, depth: int) -> Callable[[Cells], Mask]:
        parts = [self.negation(depth)]
        while self.take("and"):
            parts.append(self.negation(depth))
        return parts[0] if len(parts) == 1 else _joined(all, parts)

    def negation(self, depth: int) -> Callable[[Cells], Mask]:
        if depth > MAX_DEPTH:
            self.expression(depth)
        if self.take("not"):
            return _inverted(self.negation(depth + 1))
        if self.take("("):
            inner = self.expression(depth + 1)
            self.expect(")")
            return inner
        return self.test()

    def test(self) -> Callable[[Cells], Mask]:
        name, counted = self.column()
        if self.take("is"):
            negated = self.take("not")
            self.expect("empty")
            return _cells_mask(name, counted, empty, bool(negated))
        negated = self.take("not")
        if self.take("in"):
            self.expect("(")
            checks = [_compared("=", self.value())]
            while self.take(","):
                checks.append(_compared("=", self.value()))
            self.expect(")")

            def is_listed(cell: Any) -> bool:
                return any(check(cell) for check in checks)

            return _cells_mask(name, counted, is_listed, bool(negated))
        sign = "" if negated else self.take(*_SIGNS)
        if not sign:
            self.fail("'in'" if negated else f"one of {', '.join(_SIGNS)}, in, is")
        positive = {"!=": "=", "!~": "~"}.get(sign, sign)
        return _cells_mask(name, counted, _compared(positive, self.value()), positive != sign)

    def column(self) -> tuple[str, str]:
        """The name of a column, and ``"words"`` or ``"chars"`` if those are counted."""
        token = self.token
        if token.kind not in ("word", "quoted"):
            self.fail("a column's name")
        self.next()
        if token.kind == "word" and token.text in ("words", "chars") and self.take("("):
            name, nested = self.column()
            if nested:
                self.fail("a column's name, once")
            self.expect(")")
            return name, token.text
        bare = token.kind == "word" and token.text in ("words", "chars")
        if bare and token.text not in self.columns and self.counted in self.columns:
            self.used[self.counted] = None
            return self.counted, token.text
        if token.text not in self.columns:
            self.token = token
            hint = f" {token.text}(COLUMN) counts them." if token.text in ("words", "chars") else ""
            self.point(unknown("column", token.text, self.columns) + hint)
        self.used[token.text] = None
        return token.text, ""

    def value(self) -> str:
        token = self.token
        # a keyword is a value where a value is expected
        if token.kind == "end" or (token.kind == "sign" and token.text not in _KEYWORDS):
            self.fail("a value")
        self.next()
        return token.text


def _joined(
    join: Callable[[Sequence[bool]], bool], parts: Sequence[Callable[[Cells], Mask]]
) -> Callable[[Cells], Mask]:
    return lambda cells: [join(row) for row in zip(*(part(cells) for part in parts), strict=True)]


def _inverted(part: Callable[[Cells], Mask]) -> Callable[[Cells], Mask]:
    return lambda cells: [not is_true for is_true in part(cells)]


def _cells_mask(
    name: str, counted: str, check: Callable[[Any], bool], negated: bool
) -> Callable[[Cells], Mask]:
    """A mask that checks each cell of a column, or its number of words or characters."""
    count = {
        "words": lambda cell: len(words(as_text(cell))),
        "chars": lambda cell: len(as_text(cell)),
    }

    def mask(cells: Cells) -> Mask:
        values = map(count[counted], cells(name)) if counted else cells(name)
        return [check(value) is not negated for value in values]

    return mask


def _compared(sign: str, value: str) -> Callable[[Any], bool]:
    """The check of one cell against a value."""
    if sign == "~":
        part = value.lower()
        return lambda cell: part in as_text(cell).lower()
    compare, threshold = _ORDER[sign], number(value)
    if threshold is None:
        return lambda cell: cell is not None and compare(as_text(cell), value)

    def check(cell: Any) -> bool:
        cell_number = number(cell)
        return cell_number is not None and compare(cell_number, threshold)

    return check
