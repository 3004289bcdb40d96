"""Maps of points: texts in the plane, and rows by how a student came to believe their labels."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from synthkit.plots import theme
from synthkit.plots.captions import counted, spanned, written
from synthkit.plots.registry import plot
from synthkit.plots.theme import TEXT_LENGTH, spaced, style
from synthkit.stats.intervals import wilson

HOVER_BYTES, HOVER_LINE = 56_000, 16
"""Of all texts that are shown on hover, and of the line around each in a notebook's file, so that
the figure stays below 100 KB there."""


@plot("map")
def embedding_map(
    points: Sequence[Sequence[float]],
    *,
    texts: Sequence[str],
    groups: Sequence[str],
    axes: tuple[str, str] = ("first component", "second component"),
    caption: str = "",
    hover: int | None = None,
    seed: int = 0,
) -> Any:
    """A plotly figure of points in the plane, each group with a colour and a shape of its own.

    Groups come in the order in which they first appear. Each trace's ``customdata`` holds the
    positions of its points. Of more than 2,000 points as many are drawn at random, and the caption
    says so. The reading is how many points have one of their own group as the nearest on the map,
    and how many would by chance.

    Parameters
    ----------
    points : (n, 2) finite numbers.
    texts : shown on hover, as text and cut.
    groups : the group of each point.
    axes : titles of the two axes.
    caption : how many points, by what method, with which seed.
    hover : bytes of a text that are shown; up to 120, as many as keep the figure small, if not
        given.
    seed : of the points drawn.

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
    figure = theme.plotly().Figure()
    shown = theme.sampled(len(points), seed)
    spots = {at: [theme.number(one, f"point {at}") for one in points[at]] for at in shown}
    length = hover or min(TEXT_LENGTH, HOVER_BYTES // max(1, len(shown)) - HOVER_LINE)
    own: dict[str, list[int]] = {group: [] for group in groups}
    for at in shown:
        own[groups[at]].append(at)
    for n, (group, places) in enumerate(own.items()):
        hue, symbol = style(n)
        figure.add_trace(
            theme.plotly().Scatter(
                x=theme.packed([float(f"{spots[at][0]:.4g}") for at in places]),
                y=theme.packed([float(f"{spots[at][1]:.4g}") for at in places]),
                name=escape(group[:TEXT_LENGTH]),
                mode="markers",
                marker={"color": hue, "symbol": symbol, "size": 6, "opacity": 0.8},
                customdata=theme.packed(places, "int32"),
                hovertext=[_cut(texts[at], length) for at in places],
                hoverinfo="text",
                showlegend=len(own) > 1,
            )
        )
    rows = [{"group": group, "points": groups.count(group)} for group in own]
    told = [caption or f"n = {spaced(len(points))}", theme.sampled_note(len(points), seed)]
    return theme.laid_out(
        *(figure, axes, told, _mixed(list(spots.values()), [groups[at] for at in shown]), rows),
        dragmode="lasso",
    )


def _cut(text: str, size: int) -> str:
    """The start of a text that takes so many bytes as it stands in the figure."""
    start = text[:size]
    while len((cut := escape(start)).encode("utf-8", "replace")) > size:
        start = start[:-1]
    return cut


def _mixed(spots: Sequence[Sequence[float]], groups: Sequence[str]) -> str:
    """How often the nearest point is of the same group."""
    kinds = list(dict.fromkeys(groups))
    told = counted(len(spots), "point")
    if len(kinds) < 2:
        return f"{told}; what is near is alike, and the axes have no unit."
    import numpy as np

    x = np.array(spots)
    codes = np.array([kinds.index(group) for group in groups])
    nearest = np.empty(len(x), int)
    for start in range(0, len(x), 500):
        part = slice(start, start + 500)
        far = ((x[part, None, :] - x[None, :, :]) ** 2).sum(axis=2)
        far[np.arange(len(far)), np.arange(start, start + len(far))] = np.inf
        nearest[part] = far.argmin(axis=1)
    same = int((codes[nearest] == codes).sum())
    sizes = np.bincount(codes)
    chance = float((sizes * (sizes - 1)).sum() / (len(x) * (len(x) - 1)))
    share = spanned(same / len(x), *wilson(same, len(x)))
    return (
        f"{told} in {len(kinds)} groups: a share of {share} has a point of its own group as the "
        f"nearest on the map; {written(chance)[0]} would by chance."
    )


@plot("cartography")
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
    UsageError
        If a number is not finite.
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
    >>> theme.caption(figure)
    'n = 2; 20 epochs'
    """
    figure = theme.plotly().Figure()
    n = len(confidence)
    spots = [
        (theme.number(v, f"variability, row {at}"), theme.number(c, f"confidence, row {at}"))
        for at, (c, v) in enumerate(zip(confidence, variability, strict=True))
    ]
    marked = [False] * n if noisy is None else [bool(one) for one in noisy]
    rows = []
    for at, (name, is_noisy) in enumerate((("kept", False), ("noisy", True))):
        every = [row for row in range(n) if marked[row] is is_noisy]
        own = [row for row in theme.sampled(n, seed) if marked[row] is is_noisy]
        if not every:
            continue
        told = f"{spaced(len(every))} {name}" if noisy is not None else "rows"
        rows.append(_middle(told.rpartition(" ")[2], [spots[row] for row in every]))
        hue, symbol = style(at)
        figure.add_trace(
            theme.plotly().Scatter(
                x=theme.packed([round(spots[row][0], 4) for row in own]),
                y=theme.packed([round(spots[row][1], 4) for row in own]),
                name=told,
                mode="markers",
                marker={"color": hue, "symbol": symbol, "size": 5, "opacity": 0.7},
                customdata=theme.packed(own, "int32"),
                hovertemplate="variability %{x:.2f}<br>confidence %{y:.2f}",
                showlegend=False,
            )
        )
        if noisy is not None:
            theme.name_corner(figure, theme.key(at, told), at)
    figure.update_yaxes(range=[-0.02, 1.02])
    figure.update_xaxes(rangemode="tozero")
    axes = ("variability of the label's probability", "confidence (0..1)")
    told_of = [f"n = {spaced(n)}", caption, theme.sampled_note(n, seed)]
    return theme.laid_out(figure, axes, told_of, _believed(rows), rows)


def _middle(name: str, spots: Sequence[tuple[float, float]]) -> dict[str, Any]:
    variability, confidence = (sum(axis) / len(spots) for axis in zip(*spots, strict=True))
    return {
        "rows": name,
        "n": len(spots),
        "mean confidence": round(confidence, 3),
        "mean variability": round(variability, 3),
    }


def _believed(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return "No rows."
    if len(rows) == 1:
        return f"The mean confidence in the given label is {rows[0]['mean confidence']:.2f}."
    kept, noisy = rows
    return (
        f"The student believes the given label of the {counted(noisy['n'], 'noisy row')} with "
        f"{noisy['mean confidence']:.2f} on average, of the others with "
        f"{kept['mean confidence']:.2f}."
    )
