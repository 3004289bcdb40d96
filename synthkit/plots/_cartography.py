"""Data maps: how confident a classifier is of each label during training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synthkit.plots import theme
from synthkit.plots.captions import count, thousands
from synthkit.plots.points import compact, finite, sample_note, sampled
from synthkit.plots.registry import plot


@plot("cartography")
def cartography(
    confidence: Sequence[float],
    variability: Sequence[float],
    *,
    noisy: Sequence[bool] | None = None,
    caption: str = "",
    seed: int = 0,
) -> Any:
    """A plotly data map: a classifier's confidence in each given label against its variability.

    Of more than 2,000 rows a random sample of 2,000 is drawn; the caption says so. Each trace's
    ``customdata`` holds the positions of its rows.

    Parameters
    ----------
    confidence, variability : (n,) mean and deviation of the label's probability over the epochs.
    noisy : (n,) which rows to mark as noisy.
    caption : method and seed, after the number of rows.
    seed : of the sample.

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
    figure = theme.new_figure()
    n = len(confidence)
    spots = [
        (finite(v, f"variability, row {at}"), finite(c, f"confidence, row {at}"))
        for at, (c, v) in enumerate(zip(confidence, variability, strict=True))
    ]
    marked = [False] * n if noisy is None else [bool(mark) for mark in noisy]
    rows = []
    for at, (name, is_noisy) in enumerate((("kept", False), ("noisy", True))):
        members = [row for row in range(n) if marked[row] is is_noisy]
        drawn = [row for row in sampled(n, seed) if marked[row] is is_noisy]
        if not members:
            continue
        title = "rows" if noisy is None else f"{thousands(len(members))} {name}"
        rows.append(_means("rows" if noisy is None else name, [spots[row] for row in members]))
        hue, symbol = theme.style(at)
        figure.add_scatter(
            x=compact([round(spots[row][0], 4) for row in drawn]),
            y=compact([round(spots[row][1], 4) for row in drawn]),
            name=title,
            mode="markers",
            marker={"color": hue, "symbol": symbol, "size": 5, "opacity": 0.7},
            customdata=compact(drawn, "int32"),
            hovertemplate="variability %{x:.2f}<br>confidence %{y:.2f}",
            showlegend=False,
        )
        if noisy is not None:
            theme.name_corner(figure, theme.key(at, title), at)
    figure.update_yaxes(range=[-0.02, 1.02])
    figure.update_xaxes(rangemode="tozero")
    axes = ("variability of the label's probability", "confidence (0..1)")
    parts = [f"n = {thousands(n)}", caption, sample_note(n, seed)]
    return theme.finish(figure, axes, parts, _summary(rows), rows)


def _means(name: str, spots: Sequence[tuple[float, float]]) -> dict[str, Any]:
    variability, confidence = (sum(axis) / len(spots) for axis in zip(*spots, strict=True))
    return {
        "rows": name,
        "n": len(spots),
        "mean confidence": round(confidence, 3),
        "mean variability": round(variability, 3),
    }


def _summary(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return "No rows."
    if len(rows) == 1:
        return f"Mean confidence in the given label: {rows[0]['mean confidence']:.2f}."
    kept, noisy = rows
    return (
        f"Mean confidence in the given label: {noisy['mean confidence']:.2f} for the "
        f"{count(noisy['n'], 'noisy row')}, {kept['mean confidence']:.2f} for the others."
    )
