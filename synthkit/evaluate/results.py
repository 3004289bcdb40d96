"""The scores of a table in a report."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from synthkit.core.errors import UsageError, unknown
from synthkit.core.extras import need
from synthkit.core.formatting import count
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.core.types import Score
from synthkit.evaluate.shared_rows import SharedRows

if TYPE_CHECKING:
    from synthkit.stats.bootstrap import Difference

COLUMNS = ("kind", "metric", "value", "low", "high", "n", "unit", "better", "how")
WIDER_OF_ALL_ROWS = 1.15
"""The error of a difference of statistics of all rows at once, over that from values of rows, which
are an approximation: 8 to 11 % of separate tables of one source differ in Vendi without it."""
NO_DIFFERENCE = "no significant difference"
NO_INTERVAL = "no interval"
OTHER_SIZE = "not compared: depends on the number of rows"
REPEATED = "not compared: one table repeats rows of the other"
_ARROWS = {"higher": "↑", "lower": "↓", "": ""}
_SENTENCES = re.compile(r"(?<=\.)\s+(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Measured:
    """A score with the kind of its metric and the ids of the rows its parts are of.

    ``ids`` is ``None`` if the score has no parts. ``metric`` is the name by which the metric is
    registered, empty if it is not known.
    """

    kind: str
    score: Score
    ids: Sequence[str] | None = None
    metric: str = ""


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
    contents : row id -> a hash of its text and label, by which a row is found in another table.
    """

    measured: tuple[Measured, ...]
    left_out: Mapping[str, str]
    advice: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    contents: Mapping[str, str] = field(default_factory=dict, repr=False)

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

    def differences(
        self, other: Report, *, correct: bool = True, seed: int = 0
    ) -> dict[str, Difference | str]:
        """This report's scores minus those of another, for each metric that both have.

        Rows that both tables have are found by :class:`~synthkit.evaluate.shared_rows.SharedRows`
        and compared as the same (:func:`~synthkit.stats.permutation.row_difference`). A metric that
        depends on the number of rows is not compared if the tables have different numbers of rows,
        or if one has rows of the other in other numbers: then the reason is in place of a
        difference.

        Parameters
        ----------
        correct : whether p-values are corrected by Holm for all metrics that are tested.
        seed : of the permutations.
        """
        rows = SharedRows((self.contents, other.contents), (self.keys, other.keys))
        others = {measured.score.name: measured for measured in other.measured}
        found = {
            measured.score.name: _difference(measured, others[measured.score.name], rows, seed)
            for measured in self.measured
            if measured.score.name in others
        }
        if correct:
            from synthkit.stats.bootstrap import corrected  # imports NumPy

            tested = {name: gap for name, gap in found.items() if not isinstance(gap, str)}
            found |= dict(zip(tested, corrected(list(tested.values())), strict=True))
        return found

    def difference(self, other: Report, metric: str, *, seed: int = 0) -> Difference | str:
        """This report's score of one metric minus that of another, as :meth:`differences` has it.

        Raises
        ------
        UsageError
            If one of them has no such score.
        """
        both = [self[metric], other[metric]]
        a, b = (
            next(m for m in report.measured if m.score is score)
            for report, score in zip((self, other), both, strict=True)
        )
        rows = SharedRows((self.contents, other.contents), (self.keys, other.keys))
        return _difference(a, b, rows, seed)

    def _repr_html_(self) -> str:
        return report_summary(self).html


def _difference(a: Measured, b: Measured, rows: SharedRows, seed: int) -> Difference | str:
    """The difference of two scores of one metric, or the reason why they are not compared."""
    from synthkit.evaluate._compare import compare_rows, same_parts  # imports NumPy
    from synthkit.stats.bootstrap import WIDER_WITHOUT_ROWS

    # parts without ids are not those of rows
    first, second = (m.score if m.ids else replace(m.score, parts=None) for m in (a, b))
    if first.at_n != second.at_n:
        return OTHER_SIZE
    units = rows.units(a.ids or (), b.ids or ())
    if rows.repeated and (first.at_n is not None or not same_parts(first, second, units)):
        return REPEATED
    try:
        gap = compare_rows(first, second, units, seed=seed)
        if first.parts is None or second.parts is None:
            return gap.widened(WIDER_WITHOUT_ROWS)
        return gap if first.at_n is None else gap.widened(WIDER_OF_ALL_ROWS)
    except UsageError:
        return NO_DIFFERENCE if first.value == second.value else NO_INTERVAL


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
