"""The scores of a table in a report."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from synthkit.core.errors import UsageError, unknown
from synthkit.core.extras import need
from synthkit.core.formatting import count
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.core.types import Score

COLUMNS = ("kind", "metric", "value", "low", "high", "n", "unit", "better", "how")
_ARROWS = {"higher": "↑", "lower": "↓", "": ""}
_SENTENCES = re.compile(r"(?<=\.)\s+(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Measured:
    """A score with the kind of its metric and the ids of the rows its parts are of.

    ``ids`` is ``None`` if the score has no parts.
    """

    kind: str
    score: Score
    ids: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """Advice that follows from scores: its topic, such as ``"judge kind"``, and its text."""

    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """The scores of a table, and the metrics that were left out.

    Parameters
    ----------
    measured : scores with the ids of their rows.
    left_out : metric -> the reason why it is missing.
    advice : topic -> advice.
    keys : row id -> the conditions of the row, by which rows of two tables are paired.
    """

    measured: tuple[Measured, ...]
    left_out: Mapping[str, str]
    advice: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def scores(self) -> dict[str, Score]:
        """Name -> score."""
        return {m.score.name: m.score for m in self.measured}

    def __getitem__(self, name: str) -> Score:
        scores = self.scores
        if name not in scores:
            why = f" It was left out: {self.left_out[name]}." if name in self.left_out else ""
            raise UsageError(unknown("metric", name, scores) + why)
        return scores[name]

    def __iter__(self) -> Iterator[Score]:
        return iter(self.scores.values())

    def frame(self) -> Any:
        """A DataFrame with a row for each score: the columns of :data:`COLUMNS`."""
        pandas = need("pandas", extra="data", why="to show scores")
        rows = [
            (m.kind, s.name, s.value, s.low, s.high, s.n, s.unit, s.better, s.how)
            for m in self.measured
            for s in [m.score]
        ]
        return pandas.DataFrame(rows, columns=COLUMNS)

    def _repr_html_(self) -> str:
        return report_summary(self).html


def report_summary(report: Report, *, name: str = "", notes: Sequence[str] = ()) -> StaticOutput:
    """The scores of a report as a table, with its advice and what was left out.

    >>> from synthkit.evaluate import report
    >>> report_summary(report([{"text": "so cold"}], metrics=["distinct-1"]), name="reviews")
    kind       metric      value          better  n
    diversity  distinct-1  1              ↑       1
    <BLANKLINE>
    reviews: 1 score, 95 % intervals
    """
    rows = [
        {
            "kind": measured.kind,
            "metric": measured.score.name,
            "value": str(measured.score),
            "better": _ARROWS[measured.score.better],
            "n": measured.score.n,
        }
        for measured in report.measured
    ]
    level = next((f"{score.level:.0%}".replace("%", " %") for score in report), "95 %")
    scores = f"{count(len(rows), 'score')}, {level} intervals"
    advice = [
        f"{topic}: {sentence}"
        for topic, text in report.advice.items()
        for sentence in _SENTENCES.split(text)
    ]
    left_out: dict[str, list[str]] = {}
    for metric, reason in report.left_out.items():
        reason = reason if reason.startswith("needs") else f"({reason})"
        left_out.setdefault(reason, []).append(metric)
    missing = [f"left out: {', '.join(names)} {reason}" for reason, names in left_out.items()]
    note = f"{name}: {scores}" if name else scores
    return static_table(rows, note=note, notes=[*notes, *advice, *missing])
