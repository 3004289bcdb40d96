"""What labels cost, against how many are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.types import Score
from synthkit.data import tables as tables
from synthkit.plots import theme
from synthkit.plots.captions import interval
from synthkit.plots.registry import plot
from synthkit.plots.theme import DIRECT, label, style


@plot("cost-quality")
def cost_quality(points: Any, *, currency: str = "$", caption: str | None = None) -> Any:
    """A plotly figure of what labels cost and how many are right, a line for each way to route.

    Each point has its interval; those of the Pareto front are filled. Up to three ways are named at
    their lines, more in a legend.

    Parameters
    ----------
    points : the table that :func:`synthkit.curate.cost_quality` gives.
    currency : of the prices.
    caption : the number of rows, the intervals and the seed if not given.

    Raises
    ------
    TableError
        If the table lacks a column.
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
    plotly = theme.plotly()
    figure = plotly.Figure()
    names = ("by", "share", "cost", "accuracy", "low", "high", "front", "n", "seed")
    cells = zip(*(tables.column(points, name) for name in names), strict=True)
    rows = [dict(zip(names, row, strict=True)) for row in cells]
    ways = list(dict.fromkeys(row["by"] for row in rows))
    ends = []
    for at, way in enumerate(ways):
        own = sorted((row for row in rows if row["by"] == way), key=lambda row: row["cost"])
        hue, symbol = style(at)
        found = [_score(row) for row in own]
        ends.append((way, at, found[-1].value))
        figure.add_trace(
            plotly.Scatter(
                x=[theme.number(row["cost"], "cost") for row in own],
                y=[one.value for one in found],
                name=label(way),
                mode="lines+markers",
                line={"color": hue, "width": 1.5},
                marker={
                    "symbol": [symbol if row["front"] else f"{symbol}-open" for row in own],
                    "size": 8,
                },
                error_y=theme.whiskers(found),
                hovertext=[f"{row['share']:.0%} to people" for row in own],
                hoverinfo="text+x+y",
                showlegend=len(ways) > DIRECT,
            )
        )
    options: dict[str, Any] = {}
    if rows:
        span = theme.span([_score(row) for row in rows], 0, 1.01)
        figure.update_yaxes(range=span)
        if len(ways) <= DIRECT:
            theme.name_lines(figure, ends, span)
            options["margin"] = {"r": theme.MARGIN}
    if caption is None and rows:
        n, seed = rows[0]["n"], rows[0]["seed"]
        caption = f"n = {n} rows; 95 % Wilson intervals; filled: the Pareto front; seed {seed}"
    axes = (f"cost ({currency})", "accuracy (0..1)")
    told = [
        {"way": row["by"], "to people": f"{row['share']:.0%}", "cost": round(row["cost"], 4),
         "accuracy": interval(_score(row)), "front": "yes" if row["front"] else ""}
        for row in rows
    ]  # fmt: skip
    return theme.laid_out(figure, axes, [caption or ""], _worth(rows, currency), told, **options)


def _score(row: Mapping[str, Any]) -> Score:
    found = Score(
        name="accuracy", value=row["accuracy"], low=row["low"], high=row["high"], n=int(row["n"]),
        better="higher",
    )  # fmt: skip
    return theme.checked(found, str(row["by"]))


def _worth(rows: Sequence[Mapping[str, Any]], currency: str) -> str:
    """What the dearest and the cheapest point of the front give."""
    front = sorted((row for row in rows if row["front"]), key=lambda row: row["cost"])
    if not front:
        return "Nothing routed yet." if not rows else "No point is on the Pareto front."
    said = [
        f"{interval(_score(row))} right for {currency}{row['cost']:,.2f} by {row['by']}, "
        f"{row['share']:.0%} to people"
        for row in (front[0], front[-1])
    ]
    return f"From {said[0]}, to {said[1]}." if len(front) > 1 else f"At best {said[0]}."
