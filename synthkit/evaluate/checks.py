"""Checks: what a row must be, said once and held against every row.

A check that raises, and a judge whose answer cannot be read, give no verdict: neither is a pass,
and neither is a fail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import UsageError, unknown
from synthkit.core.extras import need

Row = Mapping[str, Any]
KINDS = ("length", "regex", "schema", "judge", "@function")

JUDGE_END = "\n\nBegin your answer with the one word yes or no; then say why in one short sentence."
_LENGTH = re.compile(r"(?:(\d+)\s*-\s*(\d+)|(>=|<=)\s*(\d+))\s*(words?|chars?)")
_VERDICT = re.compile(
    r"\W*(?:(?:final )?(?:answer|verdict)\W+)?(yes|no)\b"
    r"(?!\W+(?:and|or)?\W*(?:yes|no)\b)[\W_]*(.*)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says of a row: passed, failed, or ``None``, no verdict; and why."""

    passed: bool | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A test of one row.

    Parameters
    ----------
    name : what people call it.
    test : row -> ``True``, ``False``, a text that says why it fails, or ``(passed, reason)``.
    line : the words that make it once more, for :func:`parse`; empty if none do.
    """

    name: str
    test: Callable[[Row], Any]
    line: str = ""

    def __call__(self, row: Row) -> Verdict:
        """The verdict; no verdict, with the error, if the test raises or says nothing known."""
        try:
            return _verdict(self.test(row))
        except Exception as error:  # code of the user; one row must not end all
            return Verdict(None, f"{type(error).__name__}: {error}")


@dataclass(frozen=True, slots=True)
class Judge:
    """A question that a model answers about each row.

    Parameters
    ----------
    question : a template that sees the row's fields, its output columns, and the whole output as
        ``output``; one without any field gets the output put under it.
    """

    question: str

    @property
    def name(self) -> str:
        """The question."""
        return f"judge {self.question}"

    @property
    def line(self) -> str:
        """The words that make it once more."""
        return self.name

    @property
    def template(self) -> str:
        """The prompt for the model that judges."""
        shown = "" if "{{" in self.question else "\n\n{{ output }}"
        return self.question + shown + JUDGE_END


def read_verdict(text: str) -> Verdict:
    """The verdict in a judge's answer: yes or no first, then the reason.

    >>> read_verdict("**Yes.** It thanks the guest.")
    Verdict(passed=True, reason='It thanks the guest.')
    >>> read_verdict("Yes and no.").passed is None
    True
    """
    found = _VERDICT.match(text)
    if not found:
        return Verdict(None, f"the judge said neither yes nor no: {text.strip()[:200]!r}")
    return Verdict(found[1].lower() == "yes", found[2].strip())


def length(column: str, low: int = 0, high: int | None = None, *, unit: str = "words") -> Check:
    """A check of how long a text is, both ends included.

    >>> length("text", 2, 4)({"text": "Cold soup."})
    Verdict(passed=True, reason='')
    >>> length("text", 5)({"text": "Cold soup."}).reason
    'has 2 words, fewer than 5'
    """
    if unit not in ("words", "chars"):
        raise UsageError(unknown("unit", unit, ("words", "chars")))
    if high is not None and high < low:
        raise UsageError(f"expected a length from less to more; got {low}-{high}.")

    def test(row: Row) -> Any:
        text = _text(row, column)
        n = len(text.split()) if unit == "words" else len(text)
        if n < low:
            return f"has {n} {unit}, fewer than {low}"
        return True if high is None or n <= high else f"has {n} {unit}, more than {high}"

    span = f">={low}" if high is None else f"{low}-{high}"
    line = f"length {column} {span} {unit}"
    return Check(line, test, line)


def regex(column: str, pattern: str) -> Check:
    """A check that a pattern is found in a text.

    >>> regex("text", "^[A-Z]")({"text": "cold"})
    Verdict(passed=False, reason="does not match '^[A-Z]'")
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"the pattern {pattern!r} is no regular expression: {error}.") from None

    def test(row: Row) -> Any:
        return bool(compiled.search(_text(row, column))) or f"does not match {pattern!r}"

    line = f"regex {column} {pattern}"
    return Check(line, test, line)


def schema(column: str, model: Any, *, line: str = "") -> Check:
    """A check that a cell, or the JSON in its text, follows a JSON Schema or pydantic model."""
    pydantic = hasattr(model, "model_validate")
    if not pydantic and not isinstance(model, Mapping):
        raise UsageError(
            f"expected a JSON Schema (a dict) or a pydantic model; got {type(model).__name__}."
        )
    validators = need("jsonschema", extra="local", why="to check rows")
    validator = None if pydantic else validators.Draft202012Validator(model)

    def test(row: Row) -> Any:
        value = _cell(row, column)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError as error:
                return f"is not JSON: {error}"
        if validator is None:
            return _pydantic_complaint(model, value) or True
        worst = validators.exceptions.best_match(validator.iter_errors(value))
        return True if worst is None else f"does not follow the schema: {worst.message[:300]}"

    name = getattr(model, "__name__", "") or str((not pydantic and model.get("title")) or "")
    return Check(f"schema {column} {name}".rstrip(), test, line)


def function(test: Callable[[Row], Any], *, line: str = "") -> Check:
    """A check by a function of the row: ``bool``, a reason to fail, or ``(bool, reason)``.

    >>> function(lambda row: row["n"] > 1 or "too few")({"n": 1})
    Verdict(passed=False, reason='too few')
    """
    if not callable(test):
        raise UsageError(f"a check must be a function of a row; got {type(test).__name__}.")
    return Check(getattr(test, "__name__", type(test).__name__), test, line)


def parse(line: str, named: Callable[[str], Any]) -> Check | Judge:
    """The check that a line asks for; ``named`` gives what stands for ``@name`` on it.

    >>> parse("length text 5-30 words", {}.get).name
    'length text 5-30 words'
    >>> parse("judge Is it polite?", {}.get)
    Judge(question='Is it polite?')

    Raises
    ------
    UsageError
        If it asks for none; says how each is written.
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
    if kind == "length" and (found := _LENGTH.fullmatch(rest)):
        low, high, sign, bound, unit = found.groups()
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


def _verdict(said: Any) -> Verdict:
    if isinstance(said, Verdict):
        return said
    if isinstance(said, str):
        return Verdict(False, said)
    reason: Any = ""
    if isinstance(said, tuple) and len(said) == 2:
        said, reason = said
    if hasattr(said, "item"):  # NumPy's bool
        said = said.item()
    if isinstance(said, bool):
        return Verdict(said, str(reason or ""))
    return Verdict(None, f"the check gave {type(said).__name__}, not a bool or a reason")


def _cell(row: Row, column: str) -> Any:
    if column not in row:
        raise UsageError(unknown("column", column, row))
    return row[column]


def _text(row: Row, column: str) -> str:
    value = _cell(row, column)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _pydantic_complaint(model: Any, value: Any) -> str:
    """Why the value does not follow a pydantic model; empty if it does."""
    try:
        model.model_validate(value)
    except ValueError as error:
        errors = getattr(error, "errors", None)
        said = errors(include_url=False)[0]["msg"] if errors else str(error)
        return f"does not follow the schema: {said}"
    return ""
