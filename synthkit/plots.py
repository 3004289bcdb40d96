"""Figures, drawn by plotly: what is given, and nothing else, goes into them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from html import escape
from statistics import NormalDist
from typing import Any

from synthkit import table as tables
from synthkit.extras import need

HUES = ("#0072b2", "#d55e00", "#009e73", "#b9659a", "#b98000", "#3a96d0", "#777777", "#777777")
"""Okabe and Ito's, those too light for a white ground darkened to a contrast of 3:1."""
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
TEXT_LENGTH = 120
LABEL_LENGTH = 20
MOST_POINTS = 2000
BINS = 40


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


def cartography(
    confidence: Sequence[float],
    variability: Sequence[float],
    *,
    noisy: Sequence[bool] | None = None,
    caption: str = "",
    seed: int = 0,
) -> Any:
    """A plotly figure of how a student came to believe each label: a data map.

    Of more than 2,000 rows as many are drawn at random, and the caption says so. Each trace's
    ``customdata`` holds the positions of its rows.

    Parameters
    ----------
    confidence, variability : (n,) mean and deviation of the label's probability over the epochs.
    noisy : (n,) rows to tell from the others.
    caption : by what method, with which seed; the number of rows stands before it.
    seed : of the rows drawn.

    Raises
    ------
    MissingExtra
        If plotly is not installed.

    References
    ----------
    Swayamdipta et al. (2020), arXiv 2009.10795, figure 1.

    Examples
    --------
    >>> figure = cartography([0.9, 0.1], [0.1, 0.2], noisy=[False, True], caption="20 epochs")
    >>> [(trace.name, trace.x, trace.y) for trace in figure.data]
    [('1 kept', (0.1,), (0.9,)), ('1 noisy', (0.2,), (0.1,))]
    >>> figure.layout.annotations[-1].text
    'n = 2; 20 epochs'
    """
    plotly = need("plotly.graph_objects", extra="notebook", why="to draw a figure")
    figure = plotly.Figure()
    n = len(confidence)
    shown = (
        sorted(random.Random(seed).sample(range(n), MOST_POINTS)) if n > MOST_POINTS else range(n)
    )
    marked = [False] * n if noisy is None else noisy
    for at, (name, is_noisy) in enumerate((("kept", False), ("noisy", True))):
        own = [row for row in shown if bool(marked[row]) is is_noisy]
        every = sum(bool(one) is is_noisy for one in marked)
        if not every:
            continue
        told = f"{_spaced(every)} {name}" if noisy is not None else "rows"
        figure.add_trace(
            plotly.Scattergl(
                x=[round(float(variability[row]), 4) for row in own],
                y=[round(float(confidence[row]), 4) for row in own],
                name=told,
                mode="markers",
                marker={"color": HUES[at], "symbol": SYMBOLS[at], "size": 5, "opacity": 0.7},
                customdata=own,
                hovertemplate="variability %{x:.2f}<br>confidence %{y:.2f}",
                showlegend=False,
            )
        )
        if noisy is not None:
            _named(figure, told, HUES[at], x=1, y=1 - 0.08 * at, xanchor="right")
    drawn = [f"{_spaced(MOST_POINTS)} of them drawn, seed {seed}"] if n > MOST_POINTS else []
    whole = "; ".join([f"n = {_spaced(n)}", *([caption] if caption else []), *drawn])
    axes = ("variability of the label's probability", "confidence")
    figure.update_yaxes(range=[-0.02, 1.02], zeroline=False)
    figure.update_xaxes(rangemode="tozero", zeroline=False)
    return _laid_out(figure, axes, whole)


def losses(
    values: Sequence[float],
    *,
    means: Sequence[float],
    deviations: Sequence[float],
    shares: Sequence[float],
    caption: str = "",
) -> Any:
    """A plotly figure of losses in 40 bins, and of the two components that tell them apart.

    Parameters
    ----------
    values : (n,) losses from 0 to 1.
    means, deviations, shares : of the components, that of the small losses first, as
        :func:`synthkit.curate.small_loss` gives them.
    caption : by what method, with which seed; the number of rows stands before it.

    Raises
    ------
    MissingExtra
        If plotly is not installed.

    Examples
    --------
    >>> figure = losses([0, 0.05, 1], means=[0.02, 1], deviations=[0.1, 0.1], shares=[0.67, 0.33])
    >>> figure.data[0].y[:3], sum(figure.data[0].y)
    ((1, 0, 1), 3)
    """
    plotly = need("plotly.graph_objects", extra="notebook", why="to draw a figure")
    figure = plotly.Figure()
    counts = [0] * BINS
    for value in values:
        counts[min(int(value * BINS), BINS - 1)] += 1
    middles = [round((at + 0.5) / BINS, 4) for at in range(BINS)]
    bars = {"color": "rgba(119,119,119,0.4)", "line": {"width": 0}}
    figure.add_trace(plotly.Bar(x=middles, y=counts, marker=bars, name="rows", showlegend=False))
    fine = [at / 200 for at in range(201)]
    for at, name in enumerate(("small losses", "large losses")):
        if not deviations[at]:
            continue
        scale = shares[at] * len(values) / BINS
        normal = NormalDist(float(means[at]), float(deviations[at]))
        heights = [round(scale * normal.pdf(x), 3) for x in fine]
        figure.add_trace(
            plotly.Scatter(
                x=fine,
                y=heights,
                mode="lines",
                line={"color": HUES[at]},
                name=name,
                showlegend=False,
            )
        )
        _named(figure, f"{name}, {shares[at]:.0%}", HUES[at], x=1, y=1 - 0.08 * at, xanchor="right")
    whole = "; ".join([f"n = {_spaced(len(values))}", *([caption] if caption else [])])
    figure.update_layout(bargap=0, xaxis_zeroline=False, yaxis_zeroline=False)
    return _laid_out(figure, ("loss, from the least to the greatest", "rows"), whole)


def confusion(joint: Sequence[Sequence[int]], labels: Sequence[Any], *, caption: str = "") -> Any:
    """A plotly heatmap of given labels by what they look like.

    The rows on the diagonal, whose labels look right, are counted and not coloured, so that colour
    shows the noise alone. Beyond 12 labels counts are shown on hover only.

    Parameters
    ----------
    joint : (k, k) counts, as :func:`synthkit.curate.confident_joint` gives them.
    labels : k names.
    caption : by what method, with which seed; the number of rows stands before it.

    Raises
    ------
    MissingExtra
        If plotly is not installed.

    Examples
    --------
    >>> figure = confusion([[40, 3], [5, 52]], ["negative", "positive"])
    >>> figure.data[0].z, figure.layout.annotations[-1].text
    (([None, 3], [5, None]), 'n = 100, 8 of them off the diagonal')
    """
    plotly = need("plotly.graph_objects", extra="notebook", why="to draw a figure")
    names = [escape(str(label)[:LABEL_LENGTH]) for label in labels]
    names = [f"{one} ({at})" if one in names[:at] else one for at, one in enumerate(names)]
    places = range(len(names))
    counts = [[int(count) for count in row] for row in joint]
    off = [[None if i == j else counts[i][j] for j in places] for i in places]
    few = len(names) <= 12
    figure = plotly.Figure(
        plotly.Heatmap(
            z=off,
            x=names,
            y=names,
            colorscale=[[0, "#e8f1f8"], [1, HUES[0]]],
            texttemplate="%{z}" if few else "",
            hovertemplate="%{y} looks %{x}: %{z}<extra></extra>",
            colorbar={"title": {"text": "rows"}, "thickness": 12},
            xgap=1,
            ygap=1,
        )
    )
    if few:
        for at in places:
            text = _spaced(counts[at][at])
            figure.add_annotation(x=names[at], y=names[at], text=text, showarrow=False)
    total = sum(map(sum, counts))
    noise = total - sum(counts[at][at] for at in places)
    said = f"n = {_spaced(total)}, {_spaced(noise)} of them off the diagonal"
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False, autorange="reversed", automargin=True)
    whole = "; ".join([said, *([caption] if caption else [])])
    return _laid_out(figure, ("label that it looks like", "given label"), whole)


def _named(figure: Any, text: str, hue: str, **place: Any) -> None:
    """Name a trace within the figure, in its colour."""
    figure.add_annotation(
        text=escape(text), xref="paper", yref="paper", font={"color": hue}, showarrow=False, **place
    )


def _spaced(number: int) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{number:,}".replace(",", "\u2009")


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
