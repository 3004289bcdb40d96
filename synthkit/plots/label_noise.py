"""Label noise: losses that fall in two, and which label stands for which."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

from synthkit.plots import theme
from synthkit.plots.captions import counted, spanned
from synthkit.plots.registry import plot
from synthkit.plots.theme import HUES, spaced
from synthkit.stats.intervals import wilson

BINS = 40
MOST_ROWS = 50
MOST_WRITTEN = 12


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
    plotly = theme.plotly()
    figure = plotly.Figure()
    counts = [0] * BINS
    for at, value in enumerate(values):
        counts[min(int(theme.number(value, f"loss {at}") * BINS), BINS - 1)] += 1
    middles = [round((at + 0.5) / BINS, 4) for at in range(BINS)]
    bars = {"color": theme.FAINT, "line": {"width": 0}}
    figure.add_trace(plotly.Bar(x=middles, y=counts, marker=bars, name="rows", showlegend=False))
    fine = [at / 200 for at in range(201)]
    rows = []
    for at, name in enumerate(("small losses", "large losses")):
        if not deviations[at]:
            continue
        mean, deviation, share = (float(of[at]) for of in (means, deviations, shares))
        rows.append(
            {"component": name, "share": round(share, 3), "mean": round(mean, 3),
             "deviation": round(deviation, 3)}
        )  # fmt: skip
        normal = NormalDist(mean, deviation)
        heights = [round(share * len(values) / BINS * normal.pdf(x), 3) for x in fine]
        dash = {"color": HUES[at], "dash": ("solid", "dash")[at]}
        figure.add_trace(
            plotly.Scatter(x=fine, y=heights, mode="lines", line=dash, name=name, showlegend=False)
        )
        theme.name_corner(figure, theme.key(at, f"{name}, {share:.0%}"), at)
    figure.update_layout(bargap=0)
    axes = ("loss, from the least to the greatest (0..1)", "rows")
    told = [f"n = {spaced(len(values))}", caption]
    return theme.laid_out(figure, axes, told, _parted(rows), rows)


def _parted(rows: Sequence[dict[str, Any]]) -> str:
    if len(rows) < 2:
        return "The losses do not fall in two."
    large = rows[1]
    return (
        f"A share of {large['share']:.2f} has large losses, {large['mean']:.2f} on average against "
        f"{rows[0]['mean']:.2f}: hard or wrongly labelled rows."
    )


@plot("confusion")
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
    >>> figure.data[0].z, theme.caption(figure)
    (([None, 3], [5, None]), 'n = 100, 8 of them off the diagonal')
    """
    names = theme.labels(labels)
    places = range(len(names))
    counts = [[int(count) for count in row] for row in joint]
    off = [[None if i == j else counts[i][j] for j in places] for i in places]
    top = max((count for row in off for count in row if count is not None), default=0)
    figure = theme.plotly().Figure(
        theme.plotly().Heatmap(
            z=off,
            x=names,
            y=names,
            zmin=0,
            zmax=max(top, 1),
            colorscale=theme.SHADES,
            hovertemplate="%{y} looks %{x}: %{z}<extra></extra>",
            colorbar={"title": {"text": "rows"}, "thickness": 12},
            showscale=len(names) > MOST_WRITTEN,
            xgap=1,
            ygap=1,
        )
    )
    figure.layout.annotations = [
        {"x": names[j], "y": names[i], "text": spaced(counts[i][j]), "showarrow": False}
        | ({} if i == j else {"font": {"color": theme.on_shade(counts[i][j] / max(top, 1))}})
        for i in places
        for j in places
        if len(names) <= MOST_WRITTEN
    ]
    total = sum(map(sum, counts))
    noise = total - sum(counts[at][at] for at in places)
    said = f"n = {spaced(total)}, {spaced(noise)} of them off the diagonal"
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False, autorange="reversed")
    rows: list[dict[str, Any]] = [
        {"given": str(labels[i]), "looks": str(labels[j]), "rows": counts[i][j]}
        for i in places
        for j in places
        if i != j and counts[i][j]
    ]
    rows = sorted(rows, key=lambda row: -row["rows"])[:MOST_ROWS]
    axes = ("label that it looks like", "given label")
    return theme.laid_out(figure, axes, [said, caption], _confused(rows, noise, total), rows)


def _confused(rows: Sequence[dict[str, Any]], noise: int, total: int) -> str:
    if not rows:
        return f"All of {counted(total, 'row')} look as they are labelled." if total else "No rows."
    share = spanned(noise / total, *wilson(noise, total))
    most = rows[0]
    return (
        f"A share of {share} looks like another label; most of it {most['given']} that looks "
        f"{most['looks']}: {counted(most['rows'], 'row')}."
    )
