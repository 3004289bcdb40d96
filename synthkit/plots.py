"""Figures, drawn by plotly: what is given, and nothing else, goes into them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

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
    figure.update_layout(
        width=640,
        height=360,
        margin={"l": 48, "r": 16, "t": 16, "b": 64},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "#777777"},
        dragmode="lasso",
        xaxis={"title": {"text": escape(axes[0])}, "gridcolor": "rgba(128,128,128,0.3)"},
        yaxis={"title": {"text": escape(axes[1])}, "gridcolor": "rgba(128,128,128,0.3)"},
    )
    if caption:
        figure.add_annotation(
            text=escape(caption), xref="paper", yref="paper", x=0, y=-0.28, showarrow=False
        )
    return figure
