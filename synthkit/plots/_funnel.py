"""The funnel: what each filter kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.data.results import Curation, Stage
from synthkit.plots import theme
from synthkit.plots.captions import counted
from synthkit.plots.registry import plot
from synthkit.plots.theme import HUES, spaced

MOST_STAGES = 20
MOST_REASONS = 3


@plot("funnel")
def funnel(stages: Curation | Sequence[Stage], *, caption: str = "") -> Any:
    """A plotly figure of how many rows each filter was given, and how many it kept.

    A bar is what a filter was given: its filled part was kept, the hollow part dropped. Up to 20
    filters are drawn. These are counts of all rows, which have no interval.

    Parameters
    ----------
    stages : a curation, or its ``funnel``.
    caption : stands after the number of rows.

    Raises
    ------
    UsageError
        If a stage kept more rows than it was given.
    MissingExtra
        If plotly is not installed.

    Examples
    --------
    >>> figure = funnel([Stage("length", 100, 80), Stage("duplicates", 80, 50)])
    >>> [trace.x for trace in figure.data]
    [(80, 50), (20, 30)]
    >>> theme.reading(figure)
    '50 of 100 rows are kept (50 %); duplicates drops most, 30.'
    """
    held = list(stages.funnel if isinstance(stages, Curation) else stages)
    for one in held:
        if not 0 <= one.kept <= one.rows:
            raise UsageError(f"{one.name!r} kept {one.kept} of {one.rows} rows.")
    drawn = held[:MOST_STAGES]
    names = theme.labels([one.name for one in drawn], 28)
    figure = theme.plotly().Figure()
    parts = (
        ("kept", [one.kept for one in drawn], {"color": HUES[0]}),
        ("dropped", [one.rows - one.kept for one in drawn],
         {"color": "rgba(0,0,0,0)", "line": {"color": HUES[0], "width": 1}}),
    )  # fmt: skip
    for name, counts, marker in parts:
        figure.add_trace(
            theme.plotly().Bar(
                x=counts,
                y=names,
                orientation="h",
                name=name,
                marker=marker,
                hovertemplate=f"%{{y}}: %{{x}} {name}<extra></extra>",
                showlegend=False,
            )
        )
    for name, one in zip(names, drawn, strict=True):
        gone = one.rows - one.kept
        figure.add_annotation(
            x=one.rows,
            y=name,
            xanchor="left",
            xshift=4,
            showarrow=False,
            text=f"<b>{spaced(one.kept)}</b>" + (f" −{spaced(gone)}" if gone else ""),
        )
    top = max((one.rows for one in drawn), default=1) or 1
    figure.update_xaxes(range=[0, top * 1.18], tickformat=",d", nticks=6)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    told = [
        f"n = {spaced(held[0].rows if held else 0)}",
        "filled: kept, hollow: dropped",
        f"{MOST_STAGES} of {len(held)} filters drawn" if len(held) > MOST_STAGES else "",
        caption,
    ]
    rows = [
        {"filter": one.name, "rows": one.rows, "kept": one.kept, "dropped": one.rows - one.kept,
         "why": ", ".join(f"{spaced(n)} × {why}" for why, n in
                          list(one.reasons.items())[:MOST_REASONS])}
        for one in held
    ]  # fmt: skip
    return theme.laid_out(
        figure, ("rows", ""), told, _kept(held), rows, barmode="stack", bargap=0.35
    )


def _kept(held: Sequence[Stage]) -> str:
    if not held:
        return "No filter was applied."
    given, kept = held[0].rows, held[-1].kept
    if not given:
        return "No rows."
    most = max(held, key=lambda one: one.rows - one.kept)
    gone = most.rows - most.kept
    said = f"{spaced(kept)} of {counted(given, 'row')} are kept ({kept / given:.0%})"
    rest = f"; {most.name} drops most, {spaced(gone)}" if gone and len(held) > 1 else ""
    return f"{said}{rest}.".replace("%", " %")
