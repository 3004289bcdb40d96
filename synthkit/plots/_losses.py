"""Losses of a classifier, and the two components that they are a mixture of."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

from synthkit.plots import theme
from synthkit.plots.captions import thousands
from synthkit.plots.points import finite
from synthkit.plots.registry import plot

BINS = 40


@plot("losses")
def losses(
    values: Sequence[float],
    *,
    means: Sequence[float],
    deviations: Sequence[float],
    shares: Sequence[float],
    caption: str = "",
) -> Any:
    """A plotly histogram of losses in 40 bins, with the two components fitted to them.

    Parameters
    ----------
    values : (n,) losses from 0 to 1.
    means, deviations, shares : (2,) of the components, that of the small losses first, as
        :func:`synthkit.curate.small_loss` returns them.
    caption : method and seed, after the number of rows.

    Raises
    ------
    UsageError
        If a loss is not finite.
    MissingExtra
        If plotly is not installed.

    Examples
    --------
    >>> figure = losses([0, 0.05, 1], means=[0.02, 1], deviations=[0.1, 0.1], shares=[0.67, 0.33])
    >>> figure.data[0].y[:3], sum(figure.data[0].y)
    ((1, 0, 1), 3)
    """
    figure = theme.new_figure()
    counts = [0] * BINS
    for at, value in enumerate(values):
        counts[min(int(finite(value, f"loss {at}") * BINS), BINS - 1)] += 1
    middles = [round((at + 0.5) / BINS, 4) for at in range(BINS)]
    marker = {"color": theme.FAINT, "line": {"width": 0}}
    figure.add_bar(x=middles, y=counts, marker=marker, name="rows", showlegend=False)
    grid = [at / 200 for at in range(201)]
    rows = []
    for at, name in enumerate(("small losses", "large losses")):
        if not deviations[at]:
            continue
        mean, deviation, share = (float(part[at]) for part in (means, deviations, shares))
        rows.append(
            {"component": name, "share": round(share, 3), "mean": round(mean, 3),
             "deviation": round(deviation, 3)}
        )  # fmt: skip
        normal = NormalDist(mean, deviation)
        heights = [round(share * len(values) / BINS * normal.pdf(x), 3) for x in grid]
        line = {"color": theme.HUES[at], "dash": ("solid", "dash")[at]}
        figure.add_scatter(x=grid, y=heights, mode="lines", line=line, name=name, showlegend=False)
        theme.name_corner(figure, theme.key(at, f"{name}, {share:.0%}"), at)
    figure.update_layout(bargap=0)
    axes = ("loss, from the least to the greatest (0..1)", "rows")
    parts = [f"n = {thousands(len(values))}", caption]
    return theme.finish(figure, axes, parts, _summary(rows), rows)


def _summary(rows: Sequence[dict[str, Any]]) -> str:
    if len(rows) < 2:
        return "The losses form one group."
    small, large = rows
    return (
        f"A share of {large['share']:.2f} has large losses, {large['mean']:.2f} on average against "
        f"{small['mean']:.2f}: hard or wrongly labelled rows."
    )
