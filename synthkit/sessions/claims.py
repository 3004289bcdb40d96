"""Claims: comparisons of stored scores that hold or do not, such as ``accept_rate(kept) > 0.8``.

    claim      = { NAME "=" sum ";" } condition
    condition  = comparison | condition ("and" | "or") condition | "not" condition
    comparison = sum { ("<" | "<=" | ">" | ">=" | "==" | "!=") sum }
    sum        = NUMBER | score | NAME | ("upper" | "lower" | "abs") "(" sum ")"
               | sum ("+" | "-" | "*" | "/") sum | "-" sum | "(" sum ")"
    score      = METRIC "(" TABLE ")" | "METRIC" "(" "TABLE" | NUMBER ")"

A metric is written as its name, in any case and with ``_`` for other signs (``distinct_2``), or in
quotes; its argument is the table that was evaluated, or the number of an evaluation. ``upper`` and
``lower`` are the ends of the interval of a score, or of the difference of two scores of one metric,
which is tested on the rows that both have. A claim keeps the ids of its scores: hashes of the
evaluations that they are of, so it is about the same scores wherever the session goes.
"""

from __future__ import annotations

import ast
import hashlib
import json
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from synthkit.core.errors import StoreError, UsageError, unknown
from synthkit.core.formatting import rounded
from synthkit.core.hashing import canonical, digest
from synthkit.evaluate.results import Report
from synthkit.sessions.evaluations import Evaluation, decode, load_all
from synthkit.store.store import Store

LONGEST = 1000
"""Characters of the longest claim."""
_COMPARISONS: Mapping[type, tuple[str, Callable[[float, float], bool]]] = {
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
}
_ARITHMETIC: Mapping[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_FORM = "such as: upper(tstr_accuracy(synth) - tstr_accuracy(other)) < 0.03"


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim, whether it holds, the scores that it is about, and what was compared.

    Parameters
    ----------
    scores : as written, such as ``"accept_rate(kept)"`` -> id, table, metric, value, low and high.
    numbers : each side of a comparison that is no plain number -> its value.
    """

    text: str
    holds: bool
    scores: Mapping[str, Mapping[str, Any]]
    numbers: Mapping[str, float]

    @property
    def tables(self) -> set[str]:
        """The tables whose scores it is about."""
        return {str(score["table"]) for score in self.scores.values()}

    def __str__(self) -> str:
        values = "; ".join(f"{side} is {rounded(value)}" for side, value in self.numbers.items())
        return f"{self.text}: {'holds' if self.holds else 'does not hold'} ({values})"


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A number, its interval or why it has none, and the score that it is."""

    value: float
    low: float | None = None
    high: float | None = None
    of: tuple[Report, str] | None = field(default=None, repr=False)
    lacks: str = "it is no score, and no difference of two scores of one metric"


Scores = Callable[[str, str | int], tuple[Mapping[str, Any], Report]]
"""Metric and table, or number of an evaluation -> a record of the score, and its report."""


def add(store: Store, text: str) -> Claim:
    """Check a claim against the stored scores, and store it, whether it holds or not.

    Raises
    ------
    UsageError
        If it cannot be read, or names a score that is not stored; says which there are.
    """
    claim = check(text, _stored_scores(store))
    store.evaluations.claims.add(canonical(_body(claim)).decode("utf-8", "replace"))
    return claim


def load_all_claims(store: Store) -> list[Claim]:
    """The claims of a session, the oldest first."""
    return [read(body) for body in store.evaluations.claims.all().values()]


def read(body: str) -> Claim:
    """The claim of a stored body.

    Raises
    ------
    StoreError
        If it is not valid.
    """
    try:
        parts = json.loads(body)
        scores = {str(name): dict(score) for name, score in parts["scores"].items()}
        numbers = {str(side): float(value) for side, value in parts["numbers"].items()}
        claim = Claim(str(parts["claim"]), bool(parts["holds"]), scores, numbers)
        if not all(isinstance(score["id"], str) for score in scores.values()) or not claim.tables:
            raise ValueError("a score has no id")
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise StoreError(f"a claim cannot be read: {error}.") from None
    return claim


def derived(store: Store, claim: Claim) -> Claim:
    """The claim, derived again from the scores whose ids it has.

    Raises
    ------
    UsageError
        If a score is no longer there, or the claim names other scores than it has the ids of.
    """
    by_id = {
        _score_id(body, rows, measured.score.name): (number, name, measured.score, report)
        for number, name, _, body, rows in store.evaluations.all()
        for report in [decode(body, rows)[1]]
        for measured in report.measured
    }

    def found(metric: str, table: str | int) -> tuple[Mapping[str, Any], Report]:
        record = claim.scores.get(f"{_as_written(metric)}({table})")
        if record is None or record["id"] not in by_id:
            raise UsageError(f"the score {metric}({table}) of the claim is not stored.")
        number, name, score, report = by_id[record["id"]]
        fits = _matches(metric, score.name) and table in (name, record.get("evaluation"), number)
        if not fits:
            raise UsageError(f"the id of {metric}({table}) is that of {score.name} of {name}.")
        return _record(record["id"], name, number, score), report

    return check(claim.text, found)


def check(text: str, scores: Scores) -> Claim:
    """A claim, checked against scores.

    Raises
    ------
    UsageError
        If it cannot be read, or has no comparison or no score.
    """
    text = " ".join(text.split())
    if not text or len(text) > LONGEST:
        raise UsageError(f"expected a claim of 1 to {LONGEST} characters, {_FORM}.")
    try:
        *assigned, last = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        message = getattr(error, "msg", str(error))
        raise UsageError(f"the claim cannot be read: {message}. Write one {_FORM}.") from None
    reader = _Reader(text, scores)
    try:
        if not isinstance(last, ast.Expr):
            raise UsageError(f"a claim ends with a comparison, {_FORM}.")
        for statement in assigned:
            reader.assign(statement)
        holds = reader.condition(last.value)
    except (ZeroDivisionError, OverflowError, RecursionError) as error:
        raise UsageError(f"the claim cannot be computed: {error}.") from None
    if not reader.used:
        raise UsageError(f"the claim names no score; write one {_FORM}.")
    return Claim(text, holds, reader.used, reader.numbers)


class _Reader:
    """Evaluates the syntax tree of a claim; no code is executed."""

    def __init__(self, text: str, scores: Scores) -> None:
        self._text, self._scores = text, scores
        self._names: dict[str, _Quantity] = {}
        self.used: dict[str, Mapping[str, Any]] = {}
        self.numbers: dict[str, float] = {}

    def assign(self, statement: ast.stmt) -> None:
        """Give a sum a name."""
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            self._refuse(statement)
        self._names[statement.targets[0].id] = self.quantity(statement.value)

    def condition(self, node: ast.expr) -> bool:
        """Whether a condition holds; all of its parts are computed."""
        if isinstance(node, ast.BoolOp):
            parts = [self.condition(part) for part in node.values]
            return all(parts) if isinstance(node.op, ast.And) else any(parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return not self.condition(node.operand)
        if not isinstance(node, ast.Compare):
            self._refuse(node, "a comparison")
        sides = [node.left, *node.comparators]
        values = [self.quantity(side).value for side in sides]
        for side, value in zip(sides, values, strict=True):
            if not isinstance(side, ast.Constant):
                self.numbers[ast.unparse(side)] = value
        tests = []
        for place, sign in enumerate(node.ops):
            if type(sign) not in _COMPARISONS:
                self._refuse(node, "<, <=, >, >=, == or !=")
            tests.append(_COMPARISONS[type(sign)][1](values[place], values[place + 1]))
        return all(tests)

    def quantity(self, node: ast.expr) -> _Quantity:
        """The value of a sum."""
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return _Quantity(float(str(node.value)))
        if isinstance(node, ast.Name) and node.id in self._names:
            return self._names[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            value = self.quantity(node.operand).value
            return _Quantity(-value if isinstance(node.op, ast.USub) else value)
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            left, right = self.quantity(node.left), self.quantity(node.right)
            if isinstance(node.op, ast.Sub) and left.of and right.of:
                return self._gap(left, right)
            return _Quantity(_ARITHMETIC[type(node.op)](left.value, right.value))
        if isinstance(node, ast.Call):
            return self._called(node)
        if not isinstance(node, ast.Name):
            self._refuse(node)
        names = ", ".join(self._names) or "none"
        raise UsageError(
            f"{node.id!r} is no name of this claim (it has: {names}). A score is written with its "
            f"table, {_FORM}."
        )

    def _called(self, node: ast.Call) -> _Quantity:
        function, arguments = node.func, node.args
        if node.keywords or len(arguments) != 1:
            self._refuse(node, "one table or sum in parentheses")
        name = function.id if isinstance(function, ast.Name) else getattr(function, "value", None)
        if not isinstance(name, str):
            self._refuse(node, "the name of a metric")
        if name == "abs":
            return _Quantity(abs(self.quantity(arguments[0]).value))
        if name in ("upper", "lower"):
            inner = self.quantity(arguments[0])
            end = inner.high if name == "upper" else inner.low
            if end is None:
                raise UsageError(f"{ast.unparse(arguments[0])} has no interval: {inner.lacks}.")
            return _Quantity(end)
        table = arguments[0]
        key = table.id if isinstance(table, ast.Name) else getattr(table, "value", None)
        if not isinstance(key, str | int):
            self._refuse(node, "a table's name")
        record, report = self._scores(name, key)
        self.used[f"{_as_written(name)}({key})"] = record
        score = report[str(record["metric"])]
        lacks = "the metric has none"
        return _Quantity(score.value, score.low, score.high, (report, score.name), lacks)

    def _gap(self, left: _Quantity, right: _Quantity) -> _Quantity:
        value = left.value - right.value
        if left.of is None or right.of is None or left.of[1] != right.of[1]:
            return _Quantity(value)
        gap = left.of[0].difference(right.of[0], left.of[1])
        if isinstance(gap, str):
            return _Quantity(value, lacks=gap)
        return _Quantity(value, gap.low, gap.high)

    def _refuse(self, node: ast.AST, expected: str = "a number, a score or a sum") -> NoReturn:
        got = ast.get_source_segment(self._text, node) or self._text
        raise UsageError(f"expected {expected}, not {got[:60]!r}. A claim is {_FORM}.")


def _stored_scores(store: Store) -> Scores:
    """Looks scores up by metric and table; the last evaluation that has one counts."""
    evaluations = load_all(store)
    rows = {number: (body, values) for number, _, _, body, values in store.evaluations.all()}

    def found(metric: str, table: str | int) -> tuple[Mapping[str, Any], Report]:
        own = [e for e in evaluations if table in (e.name, e.number)]
        if not own:
            names = dict.fromkeys(e.name for e in evaluations)
            raise UsageError(unknown("evaluation of", str(table), names))
        names = dict.fromkeys(m.score.name for e in own for m in e.report.measured)
        matching = [name for name in names if _matches(metric, name)]
        if len(matching) != 1:
            listed = unknown("score", metric, {_as_written(name): None for name in names})
            several = f"{metric} could be {' or '.join(map(_as_written, matching))}."
            raise UsageError(several if matching else f"{listed} These are the scores of {table}.")
        evaluation: Evaluation = next(e for e in own[::-1] if matching[0] in e.report.scores)
        id = _score_id(*rows[evaluation.number], matching[0])
        score = evaluation.report[matching[0]]
        return _record(id, evaluation.name, evaluation.number, score), evaluation.report

    return found


def _matches(written: str, metric: str) -> bool:
    """Whether a metric's name is meant: all of it, or its beginning up to a sign."""
    short, whole = _as_written(written), _as_written(metric)
    return whole == short or whole.startswith(f"{short}_")


def _as_written(name: str) -> str:
    """A name of a metric as a claim writes it.

    >>> _as_written("TSTR macro-F1")
    'tstr_macro_f1'
    """
    return re.sub(r"\W+", "_", name.casefold()).strip("_")


def _record(id: str, table: str, evaluation: int, score: Any) -> dict[str, Any]:
    interval = {"value": score.value, "low": score.low, "high": score.high}
    return {"id": id, "table": table, "evaluation": evaluation, "metric": score.name, **interval}


def _score_id(body: str, rows: bytes, metric: str) -> str:
    """16 hex digits of a score: of the evaluation that it is of, and its metric."""
    return digest([body, hashlib.blake2b(rows, digest_size=16).hexdigest(), metric])[:16]


def _body(claim: Claim) -> dict[str, Any]:
    return {
        "claim": claim.text,
        "holds": claim.holds,
        "scores": claim.scores,
        "numbers": claim.numbers,
    }
