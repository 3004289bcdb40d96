"""The cost of labels against their accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.types import Score
from synthkit.data import tables
from synthkit.plots import theme
from synthkit.plots.captions import label, score_text
from synthkit.plots.points import finite, finite_score
from synthkit.plots.registry import plot

COLUMNS = ("by", "share", "cost", "accuracy", "low", "high", "front", "n", "seed")


@plot("cost-quality")
def cost_quality(points: Any, *, currency: str = "$", caption: str | None = None) -> Any:
    """A plotly figure of the cost of labels and their accuracy, with a line for each strategy.

    Each point has its interval; the points of the Pareto front are filled. Up to three strategies
    are named at their lines, more in a legend.

    Parameters
    ----------
    points : the table that :func:`synthkit.curate.cost_quality` returns.
    currency : of the prices.
    caption : the number of rows, the intervals and the seed if not given.

    Raises
    ------
    TableError
        If the table lacks a column.
    UsageError
        If a number is not finite.
    MissingExtra
        If plotly is not installed.

    Examples
    --------
    >>> points = [{"by": "entropy", "share": 0.0, "cost": 0.4, "accuracy": 0.7, "low": 0.6,
    ...            "high": 0.8, "front": True, "n": 90, "seed": 0}]
    >>> figure = cost_quality(points)
    >>> theme.caption(figure)
    'n = 90 rows; 95 % Wilson intervals; filled: the Pareto front; seed 0'
    """
    cells = zip(*(tables.column(points, name) for name in COLUMNS), strict=True)
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in cells]
    strategies = list(dict.fromkeys(row["by"] for row in rows))
    figure = theme.new_figure()
    ends = []
    for at, strategy in enumerate(strategies):
        line = sorted((row for row in rows if row["by"] == strategy), key=lambda row: row["cost"])
        scores = [_accuracy(row) for row in line]
        ends.append((strategy, at, scores[-1].value))
        _, symbol = theme.style(at)
        theme.add_line(
            figure,
            at,
            [finite(row["cost"], "cost") for row in line],
            scores,
            marker={"symbol": [symbol if row["front"] else f"{symbol}-open" for row in line]},
            name=label(strategy),
            hovertext=[f"{row['share']:.0%} to people" for row in line],
            hoverinfo="text+x+y",
            showlegend=len(strategies) > theme.DIRECT,
        )
    options: dict[str, Any] = {}
    if rows:
        span = theme.axis_range([_accuracy(row) for row in rows], 0, 1.01)
        figure.update_yaxes(range=span)
        options = theme.name_lines(figure, ends, span)
    if caption is None and rows:
        n, seed = rows[0]["n"], rows[0]["seed"]
        caption = f"n = {n} rows; 95 % Wilson intervals; filled: the Pareto front; seed {seed}"
    axes = (f"cost ({currency})", "accuracy (0..1)")
    table = [
        {"strategy": row["by"], "to people": f"{row['share']:.0%}", "cost": round(row["cost"], 4),
         "accuracy": score_text(_accuracy(row)), "front": "yes" if row["front"] else ""}
        for row in rows
    ]  # fmt: skip
    return theme.finish(figure, axes, [caption or ""], _summary(rows, currency), table, **options)


def _accuracy(row: Mapping[str, Any]) -> Score:
    score = Score(
        name="accuracy", value=row["accuracy"], low=row["low"], high=row["high"], n=int(row["n"]),
        better="higher",
    )  # fmt: skip
    return finite_score(score, str(row["by"]))


def _summary(rows: Sequence[Mapping[str, Any]], currency: str) -> str:
    """The cheapest and the most expensive point of the Pareto front."""
    if not rows:
        return "No points yet."
    front = sorted((row for row in rows if row["front"]), key=lambda row: row["cost"])
    if not front:
        return "No point is on the Pareto front."
    texts = [
        f"{score_text(_accuracy(row))} for {currency}{row['cost']:,.2f} "
        f"({row['by']}, {row['share']:.0%} to people)"
        for row in (front[0], front[-1])
    ]
    return f"Accuracy {' up to '.join(texts if len(front) > 1 else texts[:1])}."
