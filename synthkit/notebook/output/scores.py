"""Stored scores as static tables, two evaluations side by side, and the bar of a running one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from IPython.display import display

from synthkit.core.environment import interactive
from synthkit.core.formatting import count, rounded
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.sessions.score_comparison import tested
from synthkit.stats.multiple import CORRECTION

LATEST = 5
"""Evaluations that are shown side by side."""
PAUSE = 0.1
"""Least seconds between two updates of a progress bar."""


def evaluations(table: Any, *, note: str = "") -> StaticOutput:
    """The latest evaluations of a session side by side, with a row for each metric.

    Parameters
    ----------
    table : as :meth:`synthkit.Session.scores` returns it.
    """
    numbers = list(dict.fromkeys(table["evaluation"]))[-LATEST:]
    rows = []
    for metric in dict.fromkeys(table["metric"]):
        scores = table[table["metric"] == metric].set_index("evaluation")
        cells = {_heading(table, n): _score(scores, n) for n in numbers}
        if any(cells.values()):
            rows.append({"metric": metric, **cells})
    return static_table(rows, note=note)


def differences(table: Any, *, a: str, b: str) -> StaticOutput:
    """Two evaluations and their differences, with intervals and verdicts.

    Parameters
    ----------
    table : as :meth:`synthkit.Session.compare_scores` returns it.
    a, b : the names of the two.
    """
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
    note = f"{a} against {b}: {count(len(rows), 'metric')} in both"
    comparisons = count(tested(table.to_dict("records")), "comparison")
    how = [
        f"95 % intervals: {paired} with shared rows, {len(known) - paired} of independent scores",
        f"verdicts hold for {comparisons} together ({CORRECTION})",
    ]
    return static_table(rows, note=note, notes=how if rows else [])


class ProgressBar:
    """A progress bar that the result replaces; silent unless a person watches.

    It is a context: an error in its block removes the bar.
    """

    def __init__(self) -> None:
        self._place = display(_bar(0, 1, ""), display_id=True) if interactive() else None
        self._last = 0.0

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is not None and self._place is not None:
            self._place.update(StaticOutput("", ""))

    def __call__(self, done: int, total: int, name: str) -> None:
        """Show how many metrics are done, and the name of the next."""
        if self._place is not None and time.monotonic() - self._last > PAUSE:
            self._last = time.monotonic()
            self._place.update(_bar(done, total, name))

    def end(self, result: StaticOutput) -> StaticOutput | None:
        """Show the result in place of the bar; without a bar, return it."""
        if self._place is None:
            return result
        self._place.update(result)
        return None


def _bar(done: int, total: int, name: str) -> StaticOutput:
    html = f'<progress value="{done}" max="{total}"></progress> {done} of {total}'
    return StaticOutput(f"{done} of {total} {name}".rstrip(), f"{html} {name}")


def _heading(table: Any, number: int) -> str:
    name = table[table["evaluation"] == number]["name"].iloc[0]
    return f"{number} {name}"


def _score(scores: Any, number: int) -> str:
    if number not in scores.index:
        return ""
    row = scores.loc[number]
    if _missing(row["low"]):
        return rounded(row["value"])
    return f"{rounded(row['value'])} [{rounded(row['low'])}, {rounded(row['high'])}]"


def _difference(row: Mapping[str, Any]) -> str:
    gap, low, high = (_signed(row[name]) for name in ("difference", "low", "high"))
    return f"{gap} [{low}, {high}]" if low else gap


def _signed(value: Any) -> str:
    if _missing(value):
        return ""
    return ("+" if value >= 0 else "") + rounded(value)


def _missing(value: Any) -> bool:
    return value is None or value != value
