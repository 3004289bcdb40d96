"""Confusion matrices of given and estimated labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synthkit.plots import captions, theme
from synthkit.plots.captions import count, thousands, with_interval
from synthkit.plots.registry import plot
from synthkit.stats.intervals import wilson

MOST_ROWS = 50
MOST_WRITTEN = 12
"""Most labels for which each cell shows its number."""


@plot("confusion")
def confusion(joint: Sequence[Sequence[int]], labels: Sequence[Any], *, caption: str = "") -> Any:
    """A plotly heatmap of given labels by estimated labels.

    Cells on the diagonal, where both labels are equal, show their count without a colour, so that
    the colours show only the noise. With more than 12 labels the counts are shown on hover.

    Parameters
    ----------
    joint : (k, k) counts, as :func:`synthkit.curate.confident_joint` returns them.
    labels : the k labels.
    caption : method and seed, after the number of rows.

    Raises
    ------
    MissingExtra
        If plotly is not installed.

    Examples
    --------
    >>> figure = confusion([[40, 3], [5, 52]], ["negative", "positive"])
    >>> figure.data[0].z, theme.caption(figure)
    (([None, 3], [5, None]), 'n = 100, 8 of them off the diagonal')
    """
    ticks = captions.labels(labels)
    places = range(len(labels))
    counts = [[int(cell) for cell in row] for row in joint]
    off = [[None if i == j else counts[i][j] for j in places] for i in places]
    top = max((cell for row in off for cell in row if cell is not None), default=0)
    figure = theme.new_figure()
    theme.add_matrix(
        figure,
        off,
        ticks,
        zmax=max(top, 1),
        hovertemplate="given %{y}, estimated %{x}: %{z}<extra></extra>",
        colorbar={"title": {"text": "rows"}, "thickness": 12},
        showscale=len(labels) > MOST_WRITTEN,
        xgap=1,
        ygap=1,
    )
    figure.layout.annotations = [
        {"x": ticks[j], "y": ticks[i], "text": thousands(counts[i][j])}
        | ({} if i == j else {"font": {"color": theme.text_colour(counts[i][j] / max(top, 1))}})
        for i in places
        for j in places
        if len(labels) <= MOST_WRITTEN
    ]
    total = sum(map(sum, counts))
    noise = total - sum(counts[at][at] for at in places)
    parts = [f"n = {thousands(total)}, {thousands(noise)} of them off the diagonal", caption]
    rows: list[dict[str, Any]] = [
        {"given": str(labels[i]), "estimated": str(labels[j]), "rows": counts[i][j]}
        for i in places
        for j in places
        if i != j and counts[i][j]
    ]
    rows = sorted(rows, key=lambda row: -row["rows"])[:MOST_ROWS]
    axes = ("estimated label", "given label")
    return theme.finish(figure, axes, parts, _summary(rows, noise, total), rows)


def _summary(rows: Sequence[dict[str, Any]], noise: int, total: int) -> str:
    if not rows:
        return f"All of {count(total, 'row')} are on the diagonal." if total else "No rows."
    share = with_interval(noise / total, *wilson(noise, total))
    most = rows[0]
    return (
        f"A share of {share} is off the diagonal; most often given {most['given']} and estimated "
        f"{most['estimated']}: {count(most['rows'], 'row')}."
    )
