"""Which rows: ``stars > 3 and text ~ soup``, for filters in a widget, on a line and in Python.

    expression  = both { "or" both }
    both        = one { "and" one }
    one         = "not" one | "(" expression ")" | test
    test        = column ( "is" ["not"] "empty" | ["not"] "in" "(" value { "," value } ")"
                         | ("=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~") value )
    column      = NAME | "QUOTED NAME" | ("words" | "chars") [ "(" column ")" ]
    value       = WORD | "SEVERAL WORDS"

A bare ``words`` or ``chars`` that is no column's name counts those of the column of texts, where
the caller says which that is.

``~`` is contains, whatever the case. A value that is a number is compared with cells that are
numbers, or texts that read as one; any other is compared with a cell's text, by the order of its
letters, so that ISO dates come in order. A missing cell is equal to nothing, above and below
nothing. Nothing is evaluated, so an expression from anywhere is harmless. rule-engine 5.1 was
tried: it cannot read a bare word as a value, nor ``=``, ``~`` and ``in``, and has no ``words``.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from synthkit.core.errors import UsageError, unknown
from synthkit.data import tables as tables

Cells = Callable[[str], Sequence[Any]]
"""Gives the cells of a column by its name."""
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
    """An expression that was read. ``columns`` are those it looks at."""

    text: str
    columns: tuple[str, ...]
    _mask: Callable[[Cells], Mask]

    def mask(self, cells: Cells) -> Mask:
        """For each row, whether it is one of them."""
        return self._mask(cells)


def parse(expression: str, columns: Sequence[str], *, counted: str = "") -> Condition:
    """The condition that an expression states on rows of these columns.

    Parameters
    ----------
    counted : the column whose words and characters a bare ``words`` or ``chars`` counts.

    Raises
    ------
    UsageError
        If it cannot be read, or names another column; points at the place.

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
    """The positions of the rows of a table of any kind for which an expression holds.

    >>> matching([{"stars": 5}, {"stars": 2}], "stars in (1, 2, 3)")
    [1]

    Raises
    ------
    UsageError
        If the expression cannot be read, or names a column that the table lacks.
    """
    held = tables.native(table)
    mask = parse(expression, tables.columns(held)).mask(lambda name: tables.column(held, name))
    return [n for n, holds in enumerate(mask) if holds]


def rule(expression: str, columns: Sequence[str]) -> Callable[[Mapping[str, Any]], bool]:
    """A function that says whether an expression holds for one row of these columns.

    >>> rule("not (tone = dry and topic = tax)", ["tone", "topic"])({"tone": "dry", "topic": "war"})
    True

    Raises
    ------
    UsageError
        If it cannot be read, or names another column.
    """
    condition = parse(expression, columns)
    return lambda row: condition.mask(lambda name: [row[name]])[0]


def text(cell: Any) -> str:
    """What a cell is searched and compared by: text as it is, the rest as JSON, missing as none."""
    if isinstance(cell, str):
        return cell
    return "" if cell is None else json.dumps(cell, ensure_ascii=False, default=str)


def empty(cell: Any) -> bool:
    """Whether a cell is missing, not a number, or has nothing in it but blanks."""
    if isinstance(cell, str):
        return not cell.strip()
    return cell is None or cell != cell or (isinstance(cell, list | dict | tuple) and not cell)


def number(cell: Any) -> float | None:
    """The number that a cell is or reads as; ``None`` if it is none."""
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return cell
    try:
        read = float(cell) if isinstance(cell, str) else None
    except ValueError:
        return None
    return None if read != read else read


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int


class _Reader:
    """Reads an expression by recursive descent, one token ahead."""

    def __init__(self, source: str, columns: Sequence[str], counted: str) -> None:
        self.source, self.columns, self.counted = source, columns, counted
        self.used: dict[str, None] = {}
        self.end = 0
        self.token = self.next()

    def next(self) -> _Token:
        start = self.end
        while start < len(self.source) and self.source[start].isspace():
            start += 1
        found = _TOKEN.match(self.source, start)
        if found is None:
            self.token = _Token("end", "", start)
            if start < len(self.source):
                quote = self.source[start] in "\"'"
                self.fail("a closing quotation mark" if quote else f"one of {' '.join(_SIGNS)}")
            return self.token
        self.end = found.end()
        kind, said = str(found.lastgroup), found[0]
        if kind == "quoted":
            said = re.sub(r"\\(.)", r"\1", said[1:-1], flags=re.DOTALL)
        elif kind == "word" and said.lower() in _KEYWORDS:
            kind, said = "sign", said.lower()
        self.token = _Token(kind, {"==": "=", "<>": "!="}.get(said, said), start)
        return self.token

    def take(self, *signs: str) -> str:
        """The sign at hand if it is one of these; else nothing, and nothing is passed."""
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

    def point(self, said: str) -> NoReturn:
        at = self.token.start
        first, last = max(0, at - 60), at + 40
        line = self.source[first:last].replace("\n", " ").replace("\t", " ")
        raise UsageError(f"{said}\n  {line}\n  {' ' * (at - first)}^")

    def expression(self, depth: int) -> Callable[[Cells], Mask]:
        if depth > MAX_DEPTH:
            self.point(f"expected at most {MAX_DEPTH} parentheses and 'not' within each other.")
        parts = [self.both(depth)]
        while self.take("or"):
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else _joined(any, parts)

    def both(self, depth: int) -> Callable[[Cells], Mask]:
        parts = [self.one(depth)]
        while self.take("and"):
            parts.append(self.one(depth))
        return parts[0] if len(parts) == 1 else _joined(all, parts)

    def one(self, depth: int) -> Callable[[Cells], Mask]:
        if depth > MAX_DEPTH:
            self.expression(depth)
        if self.take("not"):
            return _inverted(self.one(depth + 1))
        if self.take("("):
            inner = self.expression(depth + 1)
            self.expect(")")
            return inner
        return self.test()

    def test(self) -> Callable[[Cells], Mask]:
        name, of = self.column()
        if self.take("is"):
            other = self.take("not")
            self.expect("empty")
            return _each(name, of, empty, bool(other))
        other = self.take("not")
        if self.take("in"):
            self.expect("(")
            checks = [_compared("=", self.value())]
            while self.take(","):
                checks.append(_compared("=", self.value()))
            self.expect(")")
            return _each(name, of, lambda cell: any(check(cell) for check in checks), bool(other))
        sign = "" if other else self.take(*_SIGNS)
        if not sign:
            self.fail("'in'" if other else f"one of {', '.join(_SIGNS)}, in, is")
        plain = {"!=": "=", "!~": "~"}.get(sign, sign)
        return _each(name, of, _compared(plain, self.value()), plain != sign)

    def column(self) -> tuple[str, str]:
        """A column's name, and ``"words"`` or ``"chars"`` if these are counted."""
        token = self.token
        if token.kind not in ("word", "quoted"):
            self.fail("a column's name")
        self.next()
        if token.kind == "word" and token.text in ("words", "chars") and self.take("("):
            name, of = self.column()
            if of:
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
        # a keyword can be a value too, where one must stand
        if token.kind == "end" or (token.kind == "sign" and token.text not in _KEYWORDS):
            self.fail("a value")
        self.next()
        return token.text


def _joined(
    how: Callable[[Sequence[bool]], bool], parts: Sequence[Callable[[Cells], Mask]]
) -> Callable[[Cells], Mask]:
    return lambda cells: [how(row) for row in zip(*(part(cells) for part in parts), strict=True)]


def _inverted(part: Callable[[Cells], Mask]) -> Callable[[Cells], Mask]:
    return lambda cells: [not holds for holds in part(cells)]


def _each(name: str, of: str, check: Callable[[Any], bool], other: bool) -> Callable[[Cells], Mask]:
    """Whether a check holds for each cell of a column, or for what is counted in it."""
    count = {"words": lambda cell: len(text(cell).split()), "chars": lambda cell: len(text(cell))}

    def mask(cells: Cells) -> Mask:
        found = cells(name)
        held = found if not of else map(count[of], found)
        return [check(cell) is not other for cell in held]

    return mask


def _compared(sign: str, value: str) -> Callable[[Any], bool]:
    """The check of one cell against a value."""
    if sign == "~":
        part = value.lower()
        return lambda cell: part in text(cell).lower()
    compare, wanted = _ORDER[sign], number(value)
    if wanted is None:
        return lambda cell: cell is not None and compare(text(cell), value)

    def check(cell: Any) -> bool:
        read = number(cell)
        return read is not None and compare(read, wanted)

    return check
