"""A funnel: how many rows each filter received and kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.data.results import Curation, Stage
from synthkit.plots import theme
from synthkit.plots.captions import count, labels, thousands
from synthkit.plots.registry import plot

MOST_STAGES = 20
MOST_REASONS = 3


@plot("funnel")
def funnel(stages: Curation | Sequence[Stage], *, caption: str = "") -> Any:
    """A plotly figure of how many rows each filter received and how many it kept.

    The length of a bar is the number of rows received; its filled part was kept, its hollow part
    dropped. Up to 20 filters are drawn. The counts are of all rows, so they have no interval.

    Parameters
    ----------
    stages : a curation, or its ``funnel``.
    caption : text after the number of rows.

    Raises
    ------
    UsageError
        If a stage kept more rows than it received.
    MissingExtra
        If plotly is not installed.

    Examples
    --------
    >>> figure = funnel([Stage("length", 100, 80), Stage("duplicates", 80, 50)])
    >>> [trace.x for trace in figure.data]
    [(80, 50), (20, 30)]
    >>> theme.summary(figure)
    '50 of 100 rows kept (50 %); duplicates dropped the most, 30.'
    """
    stages = list(stages.funnel if isinstance(stages, Curation) else stages)
    for stage in stages:
        if not 0 <= stage.kept <= stage.rows:
            raise UsageError(f"{stage.name!r} kept {stage.kept} of {stage.rows} rows.")
    drawn = stages[:MOST_STAGES]
    names = labels([stage.name for stage in drawn], 28)
    figure = theme.new_figure()
    kept, dropped = [stage.kept for stage in drawn], [_dropped(stage) for stage in drawn]
    hollow = {"color": theme.CLEAR, "line": {"color": theme.HUES[0], "width": 1}}
    for name, counts, marker in (
        ("kept", kept, {"color": theme.HUES[0]}),
        ("dropped", dropped, hollow),
    ):
        figure.add_bar(
            x=counts,
            y=names,
            orientation="h",
            name=name,
            marker=marker,
            hovertemplate=f"%{{y}}: %{{x}} {name}<extra></extra>",
            showlegend=False,
        )
    for name, stage in zip(names, drawn, strict=True):
        lost = f" −{thousands(_dropped(stage))}" if _dropped(stage) else ""
        text = f"<b>{thousands(stage.kept)}</b>{lost}"
        figure.add_annotation(x=stage.rows, y=name, xanchor="left", xshift=4, text=text)
    top = max((stage.rows for stage in drawn), default=1) or 1
    figure.update_xaxes(range=[0, top * 1.18], tickformat=",d", nticks=6)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    parts = [
        f"n = {thousands(stages[0].rows if stages else 0)}",
        "filled: kept, hollow: dropped",
        f"{MOST_STAGES} of {len(stages)} filters drawn" if len(stages) > MOST_STAGES else "",
        caption,
    ]
    rows = [
        {"filter": stage.name, "rows": stage.rows, "kept": stage.kept,
         "dropped": _dropped(stage), "why": _reasons(stage)}
        for stage in stages
    ]  # fmt: skip
    return theme.finish(
        figure, ("rows", ""), parts, _summary(stages), rows, barmode="stack", bargap=0.35
    )


def _dropped(stage: Stage) -> int:
    return stage.rows - stage.kept


def _reasons(stage: Stage) -> str:
    """The three most frequent reasons for which rows were dropped."""
    reasons = list(stage.reasons.items())[:MOST_REASONS]
    return ", ".join(f"{thousands(n)} × {why}" for why, n in reasons)


def _summary(stages: Sequence[Stage]) -> str:
    if not stages:
        return "No filter was applied."
    received, kept = stages[0].rows, stages[-1].kept
    if not received:
        return "No rows."
    strictest = max(stages, key=_dropped)
    share = f"{kept / received:.0%}".replace("%", " %")
    text = f"{thousands(kept)} of {count(received, 'row')} kept ({share})"
    if not _dropped(strictest) or len(stages) < 2:
        return f"{text}."
    return f"{text}; {strictest.name} dropped the most, {thousands(_dropped(strictest))}."
