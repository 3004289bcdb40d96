"""Scores in the notebook: a report, evaluations that were kept, and two of them side by side."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from IPython.display import display

from synthkit.core.environment import interactive
from synthkit.core.formatting import count, rounded
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.evaluate.results import Report

BETTER = {"higher": "↑", "lower": "↓", "": ""}
"""Which way is better."""
PAUSE = 0.1
"""Seconds between two pictures of a progress bar."""


def scores(report: Report, *, name: str = "", notes: Sequence[str] = ()) -> StaticOutput:
    """A report as it stays in a notebook.

    >>> from synthkit.evaluate import report
    >>> scores(report([{"text": "so cold"}], metrics=["distinct-1", "MAUVE"]), name="reviews")
    kind       metric      value          better  n
    diversity  distinct-1  1              ↑       1
    <BLANKLINE>
    reviews: 1 score, 95 % intervals
      left out: MAUVE needs real rows (against) and an embedder (embed)
    """
    rows = [
        {
            "kind": one.kind,
            "metric": one.score.name,
            "value": str(one.score),
            "better": BETTER[one.score.better],
            "n": one.score.n,
        }
        for one in report.measured
    ]
    level = next((f"{one.level:.0%}".replace("%", " %") for one in report), "95 %")
    told = f"{count(len(rows), 'score')}, {level} intervals"
    note = f"{name}: {told}" if name else told
    advice = [
        f"{what}: {sentence}"
        for what, said in report.advice.items()
        for sentence in _SENTENCES.split(said)
    ]
    return static_table(rows, note=note, notes=[*notes, *advice, *left_out(report.left_out)])


def left_out(reasons: Mapping[str, str]) -> list[str]:
    """Which metrics are left out and why, those of one reason on one line.

    >>> left_out({"MAUVE": "needs real rows", "PRDC": "needs real rows"})
    ['left out: MAUVE, PRDC needs real rows']
    """
    by: dict[str, list[str]] = {}
    for name, why in reasons.items():
        by.setdefault(why, []).append(name)
    return [f"left out: {', '.join(names)} {_why(why)}" for why, names in by.items()]


def evaluations(table: Any, *, note: str = "") -> StaticOutput:
    """The scores of a session, :meth:`Session.scores`, with a row for each metric.

    Columns are the evaluations, the last five of them.
    """
    numbers = list(dict.fromkeys(table["evaluation"]))[-5:]
    rows = []
    for metric in dict.fromkeys(table["metric"]):
        own = table[table["metric"] == metric].set_index("evaluation")
        cells = {_heading(table, n): _cell(own, n) for n in numbers}
        if any(cells.values()):
            rows.append({"metric": metric, **cells})
    return static_table(rows, note=note)


def apart(table: Any, *, a: str, b: str) -> StaticOutput:
    """Two evaluations side by side, as :meth:`Session.compare_scores` gives them."""
    rows = [
        {
            "metric": row["metric"],
            a: rounded(row["a"]),
            b: rounded(row["b"]),
            "n": row["n_a"] if row["n_a"] == row["n_b"] else f"{row['n_a']}, {row['n_b']}",
            "difference": _difference(row),
            "verdict": row["verdict"],
        }
        for row in table.to_dict("records")
    ]
    known = table[table["rows"].notna()]
    paired = int(known["paired"].astype(bool).sum())
    told = f"{a} against {b}: {count(len(rows), 'metric')} in both"
    how = f"95 % intervals: {paired} paired by row, {len(known) - paired} of independent scores"
    return static_table(rows, note=told, notes=[how] if rows else [])


class Bar:
    """A progress bar that the result takes the place of; nothing where nobody is watching."""

    def __init__(self) -> None:
        self._place = display(_bar(0, 1, ""), display_id=True) if interactive() else None
        self._last = 0.0

    def __call__(self, done: int, total: int, name: str) -> None:
        """Show how many are done, and what comes next."""
        if self._place is not None and time.monotonic() - self._last > PAUSE:
            self._last = time.monotonic()
            self._place.update(_bar(done, total, name))

    def end(self, result: StaticOutput) -> StaticOutput | None:
        """The result, if it is still to be shown."""
        if self._place is None:
            return result
        self._place.update(result)
        return None


def _bar(done: int, total: int, name: str) -> StaticOutput:
    html = f'<progress value="{done}" max="{total}"></progress> {done} of {total}'
    return StaticOutput(f"{done} of {total} {name}".rstrip(), f"{html} {name}")


_SENTENCES = re.compile(r"(?<=\.)\s+(?=[A-Z])")


def _why(reason: str) -> str:
    return reason if reason.startswith("needs") else f"({reason})"


def _heading(table: Any, number: int) -> str:
    name = table[table["evaluation"] == number]["name"].iloc[0]
    return f"{number} {name}"


def _cell(own: Any, number: int) -> str:
    if number not in own.index:
        return ""
    row = own.loc[number]
    return _interval(row["value"], row["low"], row["high"])


def _difference(row: Mapping[str, Any]) -> str:
    gap, low, high = (_signed(row[name]) for name in ("difference", "low", "high"))
    return f"{gap} [{low}, {high}]" if low else gap


def _signed(value: Any) -> str:
    if value is None or value != value:
        return ""
    return ("+" if value >= 0 else "") + rounded(value)


def _interval(value: float, low: Any, high: Any) -> str:
    if low is None or low != low:
        return rounded(value)
    return f"{rounded(value)} [{rounded(low)}, {rounded(high)}]"
