"""Checks of single rows: length, pattern, schema, a function, or a question for a model.

A check that raises, and a judge whose answer cannot be parsed, give no verdict, which counts
neither as passed nor as failed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from synthkit.core import patterns
from synthkit.core.errors import UsageError, check_known, unknown
from synthkit.data.cells import as_text
from synthkit.prompts.parsing import follows, json_schema
from synthkit.stats.words import words

Fields = Mapping[str, Any]
"""A row: column -> cell."""
KINDS = ("length", "regex", "schema", "judge", "@function")

JUDGE_END = "\n\nBegin your answer with the one word yes or no; then say why in one short sentence."
_LENGTH = re.compile(r"(?:(\d+)\s*-\s*(\d+)|(>=|<=)\s*(\d+))\s*(words?|chars?)")
_VERDICT = re.compile(
    r"\W*(?:(?:final )?(?:answer|verdict)\W+)?(yes|no)\b"
    r"(?!\W+(?:(?:and|or)\W+)?(?:yes|no)\b)[\W_]*(.*)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a check: ``passed`` is ``None`` if there is no verdict; and the reason."""

    passed: bool | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A test of one row.

    Parameters
    ----------
    name : shown to people.
    test : row -> ``True``, ``False``, the reason why it fails, or ``(passed, reason)``.
    line : the line from which :func:`parse` makes this check; empty if there is none.
    """

    name: str
    test: Callable[[Fields], Any]
    line: str = ""

    def __call__(self, row: Fields) -> Verdict:
        """The verdict on a row; none, with the error, if the test raises or returns an odd type."""
        try:
            return _verdict(self.test(row))
        except Exception as error:  # the test is the user's code: one row must not stop the others
            return Verdict(None, f"{type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class Judge:
    """A question that a model answers about each row.

    Parameters
    ----------
    question : a template of the row's fields, its output columns, and ``output``, the whole output.
        If it has no field, the output is put below it.
    """

    question: str

    @property
    def name(self) -> str:
        """The question."""
        return f"judge {self.question}"

    @property
    def line(self) -> str:
        """The line from which :func:`parse` makes this check."""
        return self.name

    @property
    def template(self) -> str:
        """The prompt template for the judging model."""
        shown = "" if "{{" in self.question else "\n\n{{ output }}"
        return self.question + shown + JUDGE_END


def read_verdict(text: str) -> Verdict:
    """The verdict in a judge's answer, which begins with yes or no; the rest is the reason.

    >>> read_verdict("**Yes.** It thanks the guest.")
    Verdict(passed=True, reason='It thanks the guest.')
    >>> read_verdict("Yes and no.").passed is None
    True
    """
    answer = _VERDICT.match(text)
    if not answer:
        return Verdict(None, f"the judge said neither yes nor no: {text.strip()[:200]!r}")
    return Verdict(answer[1].lower() == "yes", answer[2].strip())


def length(column: str, low: int = 0, high: int | None = None, *, unit: str = "words") -> Check:
    """A check that a text has from ``low`` to ``high`` words or characters, both included.

    >>> length("text", 2, 4)({"text": "Cold soup."})
    Verdict(passed=True, reason='')
    >>> length("text", 5)({"text": "Cold soup."}).reason
    'has 2 words, fewer than 5'
    """
    check_known("unit", [unit], ("words", "chars"))
    if high is not None and high < low:
        raise UsageError(f"expected a range of lengths with low <= high; got {low}-{high}.")

    def test(row: Fields) -> Any:
        text = _text(row, column)
        n = len(words(text)) if unit == "words" else len(text)
        if n < low:
            return f"has {n} {unit}, fewer than {low}"
        return True if high is None or n <= high else f"has {n} {unit}, more than {high}"

    span = f">={low}" if high is None else f"{low}-{high}"
    line = f"length {column} {span} {unit}"
    return Check(line, test, line)


def regex(column: str, pattern: str) -> Check:
    """A check that a regular expression matches somewhere in a text.

    >>> regex("text", "^[A-Z]")({"text": "cold"})
    Verdict(passed=False, reason='does not match ^[A-Z]')
    """
    compiled = patterns.pattern(pattern)

    def test(row: Fields) -> Any:
        try:
            return bool(compiled.search(_text(row, column))) or f"does not match {pattern}"
        except TimeoutError as error:
            return str(error)

    line = f"regex {column} {pattern}"
    return Check(line, test, line)


def schema(column: str, model: Any, *, line: str = "") -> Check:
    """A check that a cell, or the JSON in its text, fits a JSON Schema or pydantic model."""
    check = follows(model)

    def test(row: Fields) -> Any:
        value = _cell(row, column)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError as error:
                return f"is not JSON: {error}"
        result = check(value)
        return result if isinstance(result, str) and result != value else True

    name = getattr(model, "__name__", "") or json_schema(model).get("title", "")
    return Check(f"schema {column} {name}".rstrip(), test, line)


def function(test: Callable[[Fields], Any], *, line: str = "") -> Check:
    """A check by a function of the row, which returns a bool, a reason, or ``(bool, reason)``.

    >>> function(lambda row: row["n"] > 1 or "too few")({"n": 1})
    Verdict(passed=False, reason='too few')
    """
    if not callable(test):
        raise UsageError(f"a check must be a function of a row; got {type(test).__name__}.")
    return Check(getattr(test, "__name__", type(test).__name__), test, line)


def parse(line: str, named: Callable[[str], Any]) -> Check | Judge:
    """The check that a line describes; ``named`` returns the object for ``@name`` in it.

    >>> parse("length text 5-30 words", {}.get).name
    'length text 5-30 words'
    >>> parse("judge Is it polite?", {}.get)
    Judge(question='Is it polite?')

    Raises
    ------
    UsageError
        If it describes no check; the message shows the form of each.
    """
    line = line.strip()
    if line.startswith("@"):
        return function(named(line[1:]), line=line)
    kind, _, rest = line.partition(" ")
    column, _, rest = rest.strip().partition(" ") if kind != "judge" else ("", "", rest)
    rest = rest.strip()
    if kind == "judge" and rest:
        return Judge(rest)
    if kind == "regex" and rest:
        return regex(column, rest)
    if kind == "schema" and rest.startswith("@"):
        return schema(column, named(rest[1:]), line=line)
    if kind == "length" and (match := _LENGTH.fullmatch(rest)):
        low, high, sign, bound, unit = match.groups()
        if sign:
            low, high = (bound, None) if sign == ">=" else ("0", bound)
        most = None if high is None else int(high)
        return length(column, int(low), most, unit=f"{unit.rstrip('s')}s")
    shown = (
        "'length text 5-30 words', 'length text >=40 chars', 'regex text ^[A-Z]', "
        "'schema text @Model', 'judge Is it polite?' or '@function'"
    )
    if kind not in KINDS:
        raise UsageError(f"{unknown('check', kind, KINDS)} Write {shown}.")
    raise UsageError(f"the check {line!r} cannot be read; write {shown}.")


def _verdict(result: Any) -> Verdict:
    """The verdict in what a test returned."""
    if isinstance(result, Verdict):
        return result
    if isinstance(result, str):
        return Verdict(False, result)
    reason: Any = ""
    if isinstance(result, tuple) and len(result) == 2:
        result, reason = result
    if hasattr(result, "item"):  # NumPy's bool
        result = result.item()
    if isinstance(result, bool):
        return Verdict(result, str(reason or ""))
    return Verdict(None, f"the check gave {type(result).__name__}, not a bool or a reason")


def _cell(row: Fields, column: str) -> Any:
    check_known("column", column, row)
    return row[column]


def _text(row: Fields, column: str) -> str:
    return as_text(_cell(row, column))
