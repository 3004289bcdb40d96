"""Maps of embedded texts: points in the plane, coloured by group."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from synthkit.plots import theme
from synthkit.plots.captions import count, formatted, thousands, with_interval
from synthkit.plots.points import compact, finite, sample_note, sampled
from synthkit.plots.registry import plot
from synthkit.stats.intervals import wilson

TEXT_LENGTH = 120
HOVER_BYTES, HOVER_LINE = 56_000, 16
"""Bytes of all hover texts, and of the line around each in a notebook's file, so that the figure
stays below 100 KB there."""


@plot("map")
def embedding_map(
    points: Sequence[Sequence[float]],
    *,
    texts: Sequence[str],
    groups: Sequence[str],
    order: Sequence[str] = (),
    axes: tuple[str, str] = ("first component", "second component"),
    caption: str = "",
    hover: int | None = None,
    seed: int = 0,
) -> Any:
    """A plotly figure of points in the plane; each group has a colour and a symbol.

    Each trace's ``customdata`` holds the
    positions of its points. Of more than 2,000 points a random sample of 2,000 is drawn, and the
    caption says so. The summary is the share of points whose nearest neighbour on the map is of the
    same group, and the share expected by chance.

    Parameters
    ----------
    points : (n, 2) finite numbers.
    texts : (n,) texts to show on hover, escaped and cut.
    groups : (n,) the group of each point.
    order : all groups in the order of their colours; if not given, as they first appear.
    axes : titles of the two axes.
    caption : number of points, method and seed.
    hover : bytes of each text to show; if not given up to 120, as many as keep the figure small.
    seed : of the sample.

    Raises
    ------
    UsageError
        If a point is not finite.
    MissingExtra
        If plotly is not installed.

    Examples
    --------
    >>> figure = embedding_map([[0, 0], [1, 2]], texts=["a", "b"], groups=["x", "y"])
    >>> [(trace.name, trace.x, trace.y) for trace in figure.data]
    [('x', (0.0,), (0.0,)), ('y', (1.0,), (2.0,))]
    """
    figure = theme.new_figure()
    drawn = sampled(len(points), seed)
    spots = {at: [finite(x, f"point {at}") for x in points[at]] for at in drawn}
    length = hover or min(TEXT_LENGTH, HOVER_BYTES // max(1, len(drawn)) - HOVER_LINE)
    by_group: dict[str, list[int]] = {group: [] for group in order or groups}
    for at in drawn:
        by_group[groups[at]].append(at)
    styles = {group: theme.style(n) for n, group in enumerate(by_group)}
    by_group = {group: places for group, places in by_group.items() if places}
    for group, places in by_group.items():
        hue, symbol = styles[group]
        figure.add_scatter(
            x=compact([float(f"{spots[at][0]:.4g}") for at in places]),
            y=compact([float(f"{spots[at][1]:.4g}") for at in places]),
            name=escape(group[:TEXT_LENGTH]),
            mode="markers",
            marker={"color": hue, "symbol": symbol, "size": 6, "opacity": 0.8},
            customdata=compact(places, "int32"),
            hovertext=[_cut(texts[at], length) for at in places],
            hoverinfo="text",
            showlegend=len(by_group) > 1,
        )
    sizes = {group: groups.count(group) for group in styles}
    rows = [{"group": group, "points": size} for group, size in sizes.items() if size]
    parts = [caption or f"n = {thousands(len(points))}", sample_note(len(points), seed)]
    text = _summary(list(spots.values()), [groups[at] for at in drawn])
    return theme.finish(figure, axes, parts, text, rows, dragmode="lasso")


def _cut(text: str, size: int) -> str:
    """The start of a text that takes at most ``size`` bytes once it is escaped."""
    start = text[:size]
    while len((cut := escape(start)).encode("utf-8", "replace")) > size:
        start = start[:-1]
    return cut


def _summary(spots: Sequence[Sequence[float]], groups: Sequence[str]) -> str:
    """The share of points whose nearest neighbour is of the same group."""
    kinds = list(dict.fromkeys(groups))
    total = count(len(spots), "point")
    if len(kinds) < 2:
        return f"{total}; near points have similar texts, and the axes have no unit."
    import numpy as np

    x = np.array(spots)
    codes = np.array([kinds.index(group) for group in groups])
    nearest = np.empty(len(x), int)
    for start in range(0, len(x), 500):
        block = slice(start, start + 500)
        distances = ((x[block, None, :] - x[None, :, :]) ** 2).sum(axis=2)
        positions = np.arange(start, start + len(distances))
        distances[np.arange(len(distances)), positions] = np.inf
        nearest[block] = distances.argmin(axis=1)
    same = int((codes[nearest] == codes).sum())
    sizes = np.bincount(codes)
    chance = float((sizes * (sizes - 1)).sum() / (len(x) * (len(x) - 1)))
    share = with_interval(same / len(x), *wilson(same, len(x)))
    return (
        f"{total} in {len(kinds)} groups; the nearest point on the map is of the same group for a "
        f"share of {share}, against {formatted(chance)[0]} by chance."
    )
