"""The look of all figures: size, hues and shapes, intervals, names at lines, the caption.

A figure reads on a light and on a dark ground: its own ground is transparent, and its hues are far
enough from both. It carries its reading and its table in ``layout.meta``.
"""

from __future__ import annotations

import math
import random
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.types import Score

HUES = ("#0072b2", "#d55e00", "#009e73", "#b9659a", "#b98000", "#3a96d0", "#777777", "#777777")
"""Okabe and Ito's, those too light for a white ground darkened to a contrast of 3:1."""
SYMBOLS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
GLYPHS = ("●", "■", "▲", "◆", "▼", "✚", "✖", "★")
"""The same shapes in text."""
GOLD = 4
"""The style of what real rows give."""
INK = "#777777"
GRID = "rgba(128,128,128,0.3)"
FAINT = "rgba(128,128,128,0.4)"
BAR = {"color": "rgba(0,114,178,0.2)", "line": {"color": HUES[0], "width": 1}}
"""Bars on which intervals stand out in both themes."""
SHADES = [[0, "#e8f1f8"], [1, HUES[0]]]
"""From none to most, for cells."""
WIDTH, HEIGHT = 640, 360
BOTTOM, LINE = 62, 16
"""Pixels below the axis: for ticks and title, and for each line of the caption."""
CAPTION_WIDTH = 108
MARGIN = 150
"""Pixels at the right in which lines are named."""
LEGEND = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"}
TEXT_LENGTH = 120
LABEL_LENGTH = 20
MOST_POINTS = 2000
MOST_LISTED = 200
MOST_ROWS = 100
"""Rows of the table that a figure keeps, so that it stays small."""
DIRECT = 3
"""Most series that are named at their lines; more are named in a legend."""


def plotly() -> Any:
    """plotly's graph objects.

    Raises
    ------
    MissingExtra
        If plotly is not installed.
    """
    return need("plotly.graph_objects", extra="notebook", why="to draw a figure")


def laid_out(
    figure: Any,
    axes: tuple[str, str],
    caption: Sequence[str],
    reading: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    foot: int = 0,
    **options: Any,
) -> Any:
    """The figure with what all have in common.

    Parameters
    ----------
    axes : the titles of the two axes, with their units.
    caption : its parts, the empty ones left out: n, method, seed.
    reading : what the figure says, in one line.
    rows : the table it was drawn from; plain values.
    foot : pixels more below the axis, for ticks of several lines.
    options : further ones of plotly's layout.
    """
    told = textwrap.wrap("; ".join(filter(None, caption)), CAPTION_WIDTH)
    options = {"height": HEIGHT, "margin": {}, **options}
    below = BOTTOM + foot + LINE * len(told)
    margin = {"l": 48, "r": 16, "t": 16, "b": below} | options.pop("margin")
    figure.update_layout(
        template="none",
        width=WIDTH,
        margin=margin,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": INK, "size": 12},
        separators=".\u202f",
        legend=LEGEND,
        title={
            "text": "<br>".join(map(escape, told)),
            "font": {"size": 12},
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": (LINE * len(told) + 8) / options["height"],
            "yref": "container",
            "yanchor": "top",
            "pad": {"l": 12},
        },
        meta={"reading": reading, "rows": list(map(dict, rows[:MOST_ROWS])), "size": len(rows)},
        **options,
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False, ticks="", title_standoff=8)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, ticks="", title_standoff=8, automargin=True)
    for axis, title in zip(("xaxis", "yaxis"), axes, strict=True):
        figure.update_layout({axis: {"title": {"text": escape(title)}}})
    if not rows and not any(trace.x for trace in figure.data):
        figure.update_xaxes(visible=False)
        figure.update_yaxes(visible=False)
        middle = {"x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper", "showarrow": False}
        figure.add_annotation(**middle, text=escape(reading))
    return figure


def reading(figure: Any) -> str:
    """What a figure of this package says, in one line."""
    return str(_meta(figure).get("reading", caption(figure) or "A figure."))


def rows(figure: Any) -> list[dict[str, Any]]:
    """The table that a figure of this package was drawn from; its first 100 rows."""
    return [dict(row) for row in _meta(figure).get("rows", ())]


def size(figure: Any) -> int:
    """How many rows that table has in all."""
    return int(_meta(figure).get("size", 0))


def _meta(figure: Any) -> Mapping[str, Any]:
    """What a figure of this package carries; empty for any other figure."""
    meta = figure.layout.meta
    return meta if isinstance(meta, Mapping) else {}


def caption(figure: Any) -> str:
    """What stands under a figure: how many rows, by what method, with which seed."""
    return str(figure.layout.title.text or "").replace("<br>", " ")


def style(at: int) -> tuple[str, str]:
    """The hue and the symbol of a series; both differ, so that colour is never alone."""
    return HUES[at % len(HUES)], SYMBOLS[at % len(SYMBOLS)]


def key(at: int, name: str, length: int = LABEL_LENGTH) -> str:
    """The name of a series behind its shape, in its hue."""
    hue, _ = style(at)
    return f'<span style="color:{hue}">{GLYPHS[at % len(GLYPHS)]}</span> {label(name, length)}'


def name_lines(
    figure: Any, ends: Sequence[tuple[str, int, float]], span: tuple[float, float]
) -> None:
    """Name lines in the right margin, each at the height where it ends, or next to it.

    Parameters
    ----------
    ends : name, style and last value of each; up to three, since more have a legend.
    span : the range of the axis.
    """
    low, high = span
    least = (high - low) * 0.075
    taken = math.inf
    for name, at, value in sorted(ends, key=lambda end: -end[2]):
        taken = min(value, taken - least)
        figure.add_annotation(
            x=1,
            xref="paper",
            xanchor="left",
            xshift=8,
            y=taken,
            text=key(at, name),
            showarrow=False,
        )


def whiskers(scores: Sequence[Score], **options: Any) -> dict[str, Any]:
    """The error bars of scores; none where a score has no interval."""
    return {
        "symmetric": False,
        "array": [None if s.high is None else _length(s.high - s.value) for s in scores],
        "arrayminus": [None if s.low is None else _length(s.value - s.low) for s in scores],
        "thickness": 2,
        "width": 4,
        **options,
    }


def _length(gap: float) -> float:
    """A whisker's length; an interval of some methods leaves its value out."""
    return max(0.0, float(f"{gap:.5g}"))


def span(scores: Sequence[Score], floor: float = -math.inf, ceil: float = math.inf) -> Any:
    """The range of an axis on which scores and their intervals have some room."""
    ends = [one for s in scores for one in (s.value, s.low, s.high) if one is not None]
    low, high = min(ends), max(ends)
    room = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    return max(floor, low - room), min(ceil, high + room)


def number(value: Any, what: str) -> float:
    """A finite number.

    Raises
    ------
    UsageError
        If it is none; names ``what``.
    """
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found) or isinstance(value, str):
        raise UsageError(f"expected a finite number for {what}; got {value!r}.")
    return found


def checked(score: Score, what: str) -> Score:
    """A score that can be drawn: finite, or without an interval.

    Raises
    ------
    UsageError
        If its value or one end is not finite; names ``what``.
    """
    number(score.value, f"{what}, {score.name}" if score.name else what)
    for one in (score.low, score.high):
        if one is not None:
            number(one, f"an end of the interval of {what}")
    return score


def packed(values: Sequence[float], kind: str = "float32") -> Any:
    """Numbers as they stand in the figure: many as an array, which plotly writes as base64.

    In a file each element of a list has a line of its own, with 10 blanks before it.
    """
    if len(values) <= MOST_LISTED:
        return list(values)
    import numpy as np

    return np.array(values, kind)


def sampled(n: int, seed: int) -> Sequence[int]:
    """The positions that are drawn of n points: all, or as many as may be, by the seed."""
    if n <= MOST_POINTS:
        return range(n)
    return sorted(random.Random(seed).sample(range(n), MOST_POINTS))


def sampled_note(n: int, seed: int) -> str:
    """Says in a caption that a sample is drawn; empty if all are."""
    return f"{spaced(MOST_POINTS)} of them drawn, seed {seed}" if n > MOST_POINTS else ""


def label(text: Any, length: int = LABEL_LENGTH) -> str:
    """A text that is no markup, cut with an ellipsis."""
    whole = " ".join(str(text).split())
    return escape(whole if len(whole) <= length else whole[: length - 1].rstrip() + "…")


def labels(names: Sequence[Any], length: int = LABEL_LENGTH) -> list[str]:
    """As :func:`label`, those that became the same told apart by a number."""
    cut = [label(one, length) for one in names]
    return [f"{one} ({at})" if one in cut[:at] else one for at, one in enumerate(cut)]


def spaced(number: int) -> str:
    """A whole number with narrow no-break spaces between thousands."""
    return f"{number:,}".replace(",", "\u202f")


def percent(share: float) -> str:
    """A share in percent: ``95 %``."""
    return f"{share * 100:g} %"


def name_corner(figure: Any, text: str, line: int) -> None:
    """Put a name in the upper right corner, below those of the lines before it."""
    figure.add_annotation(
        x=1,
        y=1 - 0.08 * line,
        xanchor="right",
        yanchor="top",
        xref="paper",
        yref="paper",
        text=text,
        showarrow=False,
    )


def on_shade(share: float) -> str:
    """The colour of text on a shade, with a contrast of 4.5:1 in any theme."""
    return "#ffffff" if share > 0.93 else "#000000"
