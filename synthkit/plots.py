"""Figures, drawn by plotly: what is given, and nothing else, goes into them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from synthkit import table as tables
from synthkit.extras import need

HUES = ("#0072b2", "#d55e00", "#009e73", "#b9659a", "#b98000", "#3a96d0", "#777777", "#777777")
"""Okabe and Ito's, those too light for a white ground darkened to a contrast of 3:1."""
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
TEXT_LENGTH = 120


def embedding_map(
    points: Sequence[Sequence[float]],
    *,
    texts: Sequence[str],
    groups: Sequence[str],
    axes: tuple[str, str] = ("first component", "second component"),
    caption: str = "",
) -> Any:
    """A plotly figure of points in the plane, each group with a colour and a shape of its own.

    Groups come in the order in which they first appear. Each trace's ``customdata`` holds the
    positions of its points.

    Parameters
    ----------
    points : (n, 2); at most a few thousand.
    texts : shown on hover, as text and cut.
    groups : the group of each point.
    axes : titles of the two axes.
    caption : how many points, by what method, with which seed.

    Raises
    ------
    MissingExtra
        If plotly is not installed.

    Examples
    --------
    >>> figure = embedding_map([[0, 0], [1, 2]], texts=["a", "b"], groups=["x", "y"])
    >>> [(trace.name, trace.x, trace.y) for trace in figure.data]
    [('x', (0,), (0,)), ('y', (1,), (2,))]
    """
    plotly = need("plotly.graph_objects", extra="notebook", why="to draw a figure")
    figure = plotly.Figure()
    for n, group in enumerate(dict.fromkeys(groups)):
        own = [at for at, other in enumerate(groups) if other == group]
        figure.add_trace(
            plotly.Scattergl(
                x=[points[at][0] for at in own],
                y=[points[at][1] for at in own],
                name=escape(group[:TEXT_LENGTH]),
                mode="markers",
                marker={"color": HUES[n % len(HUES)], "symbol": SYMBOLS[n % len(SYMBOLS)]},
                customdata=own,
                hovertext=[escape(texts[at][:TEXT_LENGTH]) for at in own],
                hoverinfo="text",
            )
        )
    return _laid_out(figure, axes, caption, dragmode="lasso")


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
    >>> figure.layout.annotations[-1].text
    'n = 90 rows; 95 % Wilson intervals; filled: the Pareto front; seed 0'
    """
    plotly = need("plotly.graph_objects", extra="notebook", why="to draw a figure")
    figure = plotly.Figure()
    names = ("by", "share", "cost", "accuracy", "low", "high", "front", "n", "seed")
    cells = zip(*(tables.column(points, name) for name in names), strict=True)
    rows = [dict(zip(names, row, strict=True)) for row in cells]
    ways = list(dict.fromkeys(row["by"] for row in rows))
    for at, way in enumerate(ways):
        own = sorted((row for row in rows if row["by"] == way), key=lambda row: row["cost"])
        hue, symbol = HUES[at % len(HUES)], SYMBOLS[at % len(SYMBOLS)]
        figure.add_trace(
            plotly.Scatter(
                x=[row["cost"] for row in own],
                y=[row["accuracy"] for row in own],
                name=escape(way),
                mode="lines+markers",
                line={"color": hue, "width": 1.5},
                marker={
                    "symbol": [symbol if row["front"] else f"{symbol}-open" for row in own],
                    "size": 8,
                },
                error_y={
                    "symmetric": False,
                    "array": [row["high"] - row["accuracy"] for row in own],
                    "arrayminus": [row["accuracy"] - row["low"] for row in own],
                    "thickness": 1,
                    "width": 2,
                },
                hovertext=[f"{row['share']:.0%} to people" for row in own],
                hoverinfo="text+x+y",
                showlegend=len(ways) > 3,
            )
        )
        if len(ways) <= 3:
            middle = own[len(own) // 2]
            figure.add_annotation(
                text=escape(way),
                x=middle["cost"],
                y=middle["high"] if at == 0 else middle["low"],
                yshift=10 if at == 0 else -10,
                font={"color": hue},
                showarrow=False,
            )
    if caption is None and rows:
        n, seed = rows[0]["n"], rows[0]["seed"]
        caption = f"n = {n} rows; 95 % Wilson intervals; filled: the Pareto front; seed {seed}"
    return _laid_out(figure, (f"cost ({currency})", "accuracy"), caption or "")


def _laid_out(figure: Any, axes: tuple[str, str], caption: str, **options: Any) -> Any:
    """The figure with what all have in common."""
    figure.update_layout(
        width=640,
        height=360,
        margin={"l": 48, "r": 16, "t": 16, "b": 76},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "#777777"},
        xaxis={"title": {"text": escape(axes[0])}, "gridcolor": "rgba(128,128,128,0.3)"},
        yaxis={"title": {"text": escape(axes[1])}, "gridcolor": "rgba(128,128,128,0.3)"},
        **options,
    )
    if caption:
        under = {"x": 0, "y": 0, "xanchor": "left", "yanchor": "top", "yshift": -50}
        figure.add_annotation(
            text=escape(caption), xref="paper", yref="paper", showarrow=False, **under
        )
    return figure
