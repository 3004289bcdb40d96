"""Learning curves: scores on test rows against the number of rows learned from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from synthkit.core.types import Score
from synthkit.data import tables
from synthkit.plots import theme
from synthkit.plots.captions import best_comparison, label, score_text, thousands
from synthkit.plots.points import finite, finite_score, sample_note, sampled
from synthkit.plots.registry import plot

Curves: TypeAlias = dict[str, dict[int, Score]]
"""Source -> number of rows learned from -> score."""

COLUMNS = ("source", "n", "value", "low", "high", "seeds", "test")
LOG_RATIO = 8
"""The axis is logarithmic if the most rows are at least so many times the fewest."""


@plot("learning-curve")
def learning_curve(points: Any, *, metric: str = "accuracy", caption: str = "") -> Any:
    """A plotly figure of a learner's score against the number of rows it learned from.

    The curve of real rows is gold, and a dotted gold line is the score of the largest set of real
    rows. The axis is logarithmic if the largest set has at least 8 times the rows of the smallest.

    Parameters
    ----------
    points : a table with the columns ``source``, ``n``, ``value``, ``low``, ``high``, ``seeds`` and
        ``test``, as :func:`synthkit.evaluate.learning_curve` returns it; the source of real rows is
        named ``"real"``.
    metric : name of the score, for the axis.
    caption : learner and seed.

    Raises
    ------
    TableError
        If the table lacks a column.
    UsageError
        If a value is not finite.
    MissingExtra
        If plotly is not installed.

    Notes
    -----
    The summary compares the best source with real rows, otherwise with the next best, at the
    largest number of rows that two sources have, by
    :func:`~synthkit.plots.captions.best_comparison`.

    Examples
    --------
    >>> points = [{"source": source, "n": n, "value": value, "low": value - 0.05,
    ...            "high": value + 0.05, "seeds": 3, "test": 200}
    ...           for source, n, value in [("real", 50, 0.7), ("real", 100, 0.8),
    ...                                    ("synthetic", 100, 0.66)]]
    >>> figure = learning_curve(points)
    >>> [(trace.name, trace.x, trace.y) for trace in figure.data]
    [('real', (50, 100), (0.7, 0.8)), ('synthetic', (100,), (0.66,))]
    >>> theme.summary(figure)
    'With 100 rows, real beats synthetic by 0.14 [0.04, 0.24].'
    """
    curves, draws, test_rows = _curves(points)
    figure = theme.new_figure()
    options: dict[str, Any] = {}
    styles = _styles(list(curves))
    for name, curve in curves.items():
        theme.add_line(
            figure,
            styles[name],
            list(curve),
            list(curve.values()),
            width=2,
            name=label(name),
            hovertemplate=f"{label(name)}, %{{x}} rows: %{{y:.3f}}<extra></extra>",
            showlegend=len(curves) > theme.DIRECT,
        )
    if curves:
        span = _set_axes(figure, curves)
        ends = [(k, styles[k], list(c.values())[-1].value) for k, c in curves.items()]
        options = theme.name_lines(figure, ends, span)
    if "real" in curves:
        line = {"color": theme.HUES[theme.GOLD], "width": 1, "dash": "dot"}
        figure.add_hline(y=list(curves["real"].values())[-1].value, line=line)
    parts = [
        f"n = {_ends(test_rows)} test rows; {_ends(draws)} draws of each size; intervals over test "
        "rows and draws"
        if curves
        else "n = 0",
        "dotted: most real rows" if "real" in curves else "",
        sample_note(tables.size(points), 0),
        caption,
    ]
    rows = [
        {"source": name, "rows": n, metric: score_text(score), "test rows": score.n}
        for name, curve in curves.items()
        for n, score in curve.items()
    ]
    axes = ("rows learned from", f"{metric} (0..1)")
    return theme.finish(figure, axes, parts, _summary(curves), rows, **options)


def _curves(points: Any) -> tuple[Curves, list[int], list[int]]:
    """The curves; the numbers of draws and of test rows, each in order."""
    cells = [tables.column(points, name) for name in COLUMNS]
    curves: Curves = {}
    for at in sampled(len(cells[0]), 0):
        source, n, value, low, high, _, test = (column[at] for column in cells)
        score = Score(
            name="", value=finite(value, f"'value' of row {at}"), low=low, high=high,
            n=int(test), better="higher",
        )  # fmt: skip
        size = int(finite(n, f"'n' of row {at}"))
        curves.setdefault(str(source), {})[size] = finite_score(score, f"row {at}")
    draws, tests = (sorted(set(map(int, cells[COLUMNS.index(k)]))) for k in ("seeds", "test"))
    return {name: dict(sorted(curve.items())) for name, curve in curves.items()}, draws, tests


def _styles(names: Sequence[str]) -> dict[str, int]:
    """The style of each source: gold for real rows, another one for each of the others."""
    free = [at for at in range(len(theme.HUES)) if at != theme.GOLD]
    others = [name for name in names if name != "real"]
    return {name: free[at % len(free)] for at, name in enumerate(others)} | {"real": theme.GOLD}


def _set_axes(figure: Any, curves: Curves) -> tuple[float, float]:
    """Set the ranges, and ticks at the numbers of rows if there are few; return the y range."""
    scores = [score for curve in curves.values() for score in curve.values()]
    bounds = (0, 1) if all(0 <= score.value <= 1 for score in scores) else ()
    span = theme.axis_range(scores, *bounds)
    figure.update_yaxes(range=span)
    sizes = sorted({n for curve in curves.values() for n in curve})
    log = sizes[0] > 0 and sizes[-1] >= LOG_RATIO * sizes[0]
    figure.update_xaxes(type="log" if log else "linear")
    if log and len(sizes) <= 10:
        figure.update_xaxes(tickvals=sizes, ticktext=[thousands(n) for n in sizes])
    return span


def _ends(numbers: Sequence[int]) -> str:
    """The least and the greatest of sorted numbers: ``3`` or ``1 to 3``."""
    return " to ".join(map(thousands, sorted({numbers[0], numbers[-1]})))


def _summary(curves: Mapping[str, Mapping[int, Score]]) -> str:
    """The best source against the next, or against real rows, at the most rows that two have."""
    if not curves:
        return "No scores yet."
    for n in sorted({n for curve in curves.values() for n in curve}, reverse=True):
        scores = {name: curve[n] for name, curve in curves.items() if n in curve}
        if len(scores) < 2:
            continue
        real = scores.pop("real", None)
        text = best_comparison(scores, None if real is None else ("real", real))
        return f"With {thousands(n)} rows, {text}."
    ends = [
        f"{name} {score_text(list(curve.values())[-1])} with {thousands(max(curve))} rows"
        for name, curve in curves.items()
    ]
    return f"{'; '.join(ends)}."
