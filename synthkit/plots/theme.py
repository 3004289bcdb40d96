"""The look of all figures: the plotly template ``synthkit``, series styles, captions, line labels.

A figure can be read on a light and on a dark ground: its own ground is transparent, and its hues
have enough contrast with both. ``layout.meta`` holds its summary and the table it was drawn from.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from synthkit.core.extras import need
from synthkit.core.types import Score
from synthkit.plots.captions import LABEL_LENGTH, label, labels, score_text
from synthkit.plots.points import compact

HUES = ("#0072b2", "#d55e00", "#009e73", "#b9659a", "#b98000", "#3a96d0", "#777777", "#777777")
"""Okabe and Ito's hues; those too light for a white ground are darkened to a contrast of 3:1."""
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
GLYPHS = ("●", "■", "▲", "◆", "▼", "✚", "✖", "★")
"""The symbols as characters."""
GOLD = 4
"""The style of scores that real rows give."""
INK = "#777777"
GRID = "rgba(128,128,128,0.3)"
FAINT = "rgba(128,128,128,0.4)"
CLEAR = "rgba(0,0,0,0)"
BAR = {"color": "rgba(0,114,178,0.2)", "line": {"color": HUES[0], "width": 1}}
"""Bars that leave their intervals visible, on a light and on a dark ground."""
PAPER = {"xref": "paper", "yref": "paper"}
"""The coordinates of a text that stands at a place of the plot, and not of the data."""
SHADES = [[0, "#e8f1f8"], [1, HUES[0]]]
"""The colour scale of cells, from none to most."""
WIDTH, HEIGHT = 640, 360
BOTTOM, LINE = 62, 16
"""Pixels below the axis: for ticks and title, and for each line of the caption."""
CAPTION_WIDTH = 108
MARGIN = 150
"""Pixels at the right for the names of lines."""
MOST_ROWS = 100
"""Rows of the table that a figure holds, so that its file stays small."""
DIRECT = 3
"""Most series that are named at their lines; a legend names more."""
_AXIS: dict[str, Any] = {
    "showgrid": True,
    "gridcolor": GRID,
    "zeroline": False,
    "ticks": "",
    "title": {"standoff": 8},
}
TEMPLATE: dict[str, Any] = {
    "layout": {
        "colorway": list(HUES),
        "font": {"color": INK, "size": 12},
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "margin": {"l": 48, "r": 16, "t": 16, "b": BOTTOM},
        "separators": ".\u202f",
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        "title": {
            "font": {"size": 12},
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 12},
        },
        "xaxis": _AXIS,
        "yaxis": {**_AXIS, "automargin": True},
        "annotationdefaults": {"showarrow": False},
    },
    "data": {"heatmap": [{"colorscale": SHADES}]},
}
"""The template that :func:`graph_objects` registers as ``plotly.io.templates["synthkit"]``."""


def graph_objects() -> Any:
    """plotly's graph objects, once the template ``synthkit`` is registered.

    Raises
    ------
    MissingExtra
        If plotly is not installed.
    """
    objects = need("plotly.graph_objects", extra="notebook", why="to draw a figure")
    templates = need("plotly.io", extra="notebook", why="to draw a figure").templates
    if "synthkit" not in templates:
        templates["synthkit"] = objects.layout.Template(TEMPLATE)
    return objects


def new_figure(*traces: Any) -> Any:
    """A figure in the template ``synthkit``."""
    return graph_objects().Figure(list(traces), layout={"template": "synthkit"})


def finish(
    figure: Any,
    axes: tuple[str, str],
    caption: Sequence[str],
    summary: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    foot: int = 0,
    first: str = "",
    **options: Any,
) -> Any:
    """The figure with axis titles, a caption below the axis, its summary and its table.

    Parameters
    ----------
    axes : the titles of the two axes, with their units.
    caption : its parts, such as n, method and seed; empty ones are left out.
    summary : one sentence or two that say what the figure shows.
    rows : the table it was drawn from; plain values.
    foot : further pixels below the axis, for ticks of several lines.
    first : a column; if not all rows of the table can be shown, those with a value there are.
    options : further options of plotly's layout.
    """
    lines = textwrap.wrap("; ".join(filter(None, caption)), CAPTION_WIDTH)
    options = {"height": HEIGHT, "margin": {}, **options}
    margin = {"b": BOTTOM + foot + LINE * len(lines)} | options.pop("margin")
    figure.update_layout(
        width=WIDTH,
        margin=margin,
        title={
            "text": "<br>".join(map(escape, lines)),
            "y": (LINE * len(lines) + 8) / options["height"],
        },
        meta={
            "summary": summary,
            "rows": list(map(dict, _chosen(rows, MOST_ROWS, first))),
            "size": len(rows),
            "first": first,
        },
        **options,
    )
    for axis, title in zip(("xaxis", "yaxis"), axes, strict=True):
        figure.update_layout({axis: {"title": {"text": escape(title)}}})
    if not rows and not any(trace.x for trace in figure.data):
        figure.update_xaxes(visible=False)
        figure.update_yaxes(visible=False)
        figure.add_annotation(x=0.5, y=0.5, text=escape(summary), **PAPER)
    return figure


def add_line(
    figure: Any,
    at: int,
    x: Sequence[float],
    scores: Sequence[Score],
    *,
    width: float = 1.5,
    marker: Mapping[str, Any] | None = None,
    **options: Any,
) -> None:
    """Draw scores with their intervals as points that a line joins, in the style of a series."""
    hue, symbol = style(at)
    figure.add_scatter(
        x=compact(x),
        y=compact([round(score.value, 5) for score in scores]),
        error_y=whiskers(scores),
        mode="lines+markers",
        line={"color": hue, "width": width},
        marker={"symbol": symbol, "size": 8, **(marker or {})},
        **options,
    )


def add_bars(figure: Any, names: Sequence[str], scores: Sequence[Score]) -> None:
    """Draw scores as horizontal bars with their intervals, the first at the top."""
    figure.add_bar(
        x=[round(score.value, 5) for score in scores],
        y=labels(names, 24),
        orientation="h",
        marker=BAR,
        error_x=whiskers(scores, color=HUES[0]),
        hovertext=[
            f"{label(name)}: {score_text(score)}" for name, score in zip(names, scores, strict=True)
        ],
        hoverinfo="text",
        showlegend=False,
    )
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)


def add_matrix(
    figure: Any, cells: Sequence[Sequence[Any]], names: Sequence[str], **options: Any
) -> None:
    """Draw a square matrix as shades from 0 up, with the same names on both sides."""
    figure.add_heatmap(z=cells, x=names, y=names, zmin=0, **options)
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False, autorange="reversed")


def summary(figure: Any) -> str:
    """What a figure shows, in a sentence or two."""
    return str(_meta(figure).get("summary", caption(figure) or "A figure."))


def rows(figure: Any, most: int = MOST_ROWS) -> list[dict[str, Any]]:
    """The first rows of the table that a figure was drawn from, up to 100; none if it has none.

    Of a training that has more, they are those with a value of held-out rows, and rows at equal
    distances.
    """
    held = _meta(figure)
    return [dict(row) for row in _chosen(held.get("rows", ()), most, held.get("first", ""))]


def _chosen(
    rows: Sequence[Mapping[str, Any]], most: int, first: str
) -> Sequence[Mapping[str, Any]]:
    """Up to ``most`` rows, in their order: the first, or those with a value in a column ``first``.

    Too many of these, and the others if there is room, are taken at equal distances.
    """
    if not first or len(rows) <= most:
        return rows[:most]
    has = [at for at, row in enumerate(rows) if row.get(first) not in ("", None)]
    rest = [at for at in range(len(rows)) if at not in set(has)]
    chosen = _spread(has, most)
    return [rows[at] for at in sorted(chosen + _spread(rest, most - len(chosen)))]


def _spread(places: list[int], most: int) -> list[int]:
    """Up to ``most`` of some places at equal distances, the first and the last among them."""
    if len(places) <= most or most < 2:
        return places[:most]
    return [places[round(n * (len(places) - 1) / (most - 1))] for n in range(most)]


def size(figure: Any) -> int:
    """The number of all rows of that table."""
    return int(_meta(figure).get("size", 0))


def caption(figure: Any) -> str:
    """The text below a figure: number of rows, method, seed."""
    return str(figure.layout.title.text or "").replace("<br>", " ")


def style(at: int) -> tuple[str, str]:
    """The hue and the symbol of a series; both differ, so that colour is never the only cue."""
    return HUES[at % len(HUES)], SYMBOLS[at % len(SYMBOLS)]


def key(at: int, name: str, length: int = LABEL_LENGTH) -> str:
    """The name of a series after its symbol, which has its hue."""
    hue, _ = style(at)
    return f'<span style="color:{hue}">{GLYPHS[at % len(GLYPHS)]}</span> {label(name, length)}'


def name_lines(
    figure: Any, ends: Sequence[tuple[str, int, float]], span: tuple[float, float]
) -> dict[str, Any]:
    """Write the names of lines in the right margin, where each line ends or next to that.

    Parameters
    ----------
    ends : name, style and last value of each line; up to three, since a legend names more.
    span : the range of the axis.
    """
    if len(ends) > DIRECT:
        return {}
    low, high = span
    gap = (high - low) * 0.075
    height = math.inf
    ordered = sorted(ends, key=lambda end: -end[2])
    for n, (name, at, value) in enumerate(ordered):
        height = min(value, height - gap)
        # plotly hides what is below the axis: leave room there for the names that follow
        height = max(height, low + gap * (len(ordered) - 1 - n))
        figure.add_annotation(
            x=1, xref="paper", xanchor="left", xshift=8, y=height, text=key(at, name)
        )
    return {"margin": {"r": MARGIN}}


def name_corner(figure: Any, text: str, line: int) -> None:
    """Write a name in the upper right corner, on the given line."""
    y = 1 - 0.08 * line
    figure.add_annotation(x=1, y=y, xanchor="right", yanchor="top", text=text, **PAPER)


def whiskers(scores: Sequence[Score], **options: Any) -> dict[str, Any]:
    """The error bars of scores; a score without an interval has none."""
    return {
        "symmetric": False,
        "array": [None if s.high is None else _length(s.high - s.value) for s in scores],
        "arrayminus": [None if s.low is None else _length(s.value - s.low) for s in scores],
        "thickness": 2,
        "width": 4,
        **options,
    }


def axis_range(
    scores: Sequence[Score], floor: float = -math.inf, ceiling: float = math.inf
) -> tuple[float, float]:
    """The range of an axis that shows scores and their intervals with some room."""
    ends = [end for s in scores for end in (s.value, s.low, s.high) if end is not None]
    low, high = min(ends), max(ends)
    room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    return max(floor, low - room), min(ceiling, high + room)


def text_colour(share: float) -> str:
    """The colour of text on a shade of :data:`SHADES`, with a contrast of 4.5:1."""
    return "#ffffff" if share > 0.93 else "#000000"


def _length(length: float) -> float:
    """A whisker's length; some methods give an interval that does not contain the value."""
    return max(0.0, float(f"{length:.5g}"))


def _meta(figure: Any) -> Mapping[str, Any]:
    """What a figure of this package holds; empty for any other figure."""
    meta = figure.layout.meta
    return meta if isinstance(meta, Mapping) else {}
