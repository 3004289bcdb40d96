"""The share of each label against its target."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.data.labels import meet
from synthkit.plots import theme
from synthkit.plots.captions import count, score_text, thousands, with_interval
from synthkit.plots.points import finite, share_score
from synthkit.plots.registry import plot
from synthkit.stats.bootstrap import Difference, corrected
from synthkit.stats.intervals import normal_tail

MOST_LABELS = 16


@plot("balance")
def balance(
    counts: Mapping[Any, int],
    target: Mapping[Any, float] | None = None,
    *,
    what: str = "label",
    caption: str = "",
) -> Any:
    """A plotly figure of the share of each label, against the share that it should have.

    Bars begin at zero and have Wilson intervals; a vertical mark is the target. At most 16 labels
    are drawn, those farthest from their target; the caption says so.

    Parameters
    ----------
    counts : label -> number of rows.
    target : label -> share or count; equal for all labels if not given.
    what : the column's name.
    caption : text after the number of rows.

    Raises
    ------
    UsageError
        If a count or a target is negative or not finite, or all targets are 0.
    MissingExtra
        If plotly is not installed.

    Notes
    -----
    The summary counts the labels whose share differs from its target by the score test, of which
    Wilson's interval is the inverse, corrected by Holm for all labels.

    Examples
    --------
    >>> figure = balance({"positive": 70, "negative": 30})
    >>> figure.data[0].x, figure.data[1].x
    ((0.7, 0.3), (0.5, 0.5))
    >>> theme.summary(figure)
    '2 of 2 labels differ significantly from their target; the most: positive, 0.20 [0.10, 0.28]
    above it.'
    """
    every, total = _shares(counts, target)
    farthest = sorted(every, key=lambda line: -abs(line[1].value - line[2]))[:MOST_LABELS]
    drawn = [line for line in every if line in farthest]
    figure = theme.new_figure()
    theme.add_bars(figure, [name for name, _, _ in drawn], [share for _, share, _ in drawn])
    figure.add_scatter(
        x=[round(goal, 5) for _, _, goal in drawn],
        y=figure.data[0].y,
        mode="markers",
        marker={
            "symbol": "line-ns",
            "size": max(8, 150 // max(1, len(drawn))),
            "line": {"color": theme.HUES[1], "width": 3},
        },
        hovertemplate="target %{x:.3f}<extra></extra>",
        showlegend=False,
    )
    top = max((max(share.high or 0, goal) for _, share, goal in drawn), default=1)
    figure.update_xaxes(range=[0, min(1.0, top * 1.05)])
    mark = "target" if target is not None else "target, equal for all labels"
    hidden = f"the {MOST_LABELS} of {len(every)} labels farthest from their target are drawn"
    parts = [
        f"n = {thousands(total)} rows; 95 % Wilson intervals; vertical mark: {mark}",
        hidden if len(every) > MOST_LABELS else "",
        caption,
    ]
    rows = [
        {"label": name, "n": round(share.value * total), "share": score_text(share),
         "target": round(goal, 3)}
        for name, share, goal in every
    ]  # fmt: skip
    axes = ("share of rows (0..1)", what)
    return theme.finish(figure, axes, parts, _summary(every, total), rows, bargap=0.4)


def _shares(
    counts: Mapping[Any, int], target: Mapping[Any, float] | None
) -> tuple[list[tuple[str, Score, float]], int]:
    """Label, share and target share, the most frequent label first; and the number of rows."""
    if target is not None:
        names_met = meet(counts, target)
        counts, target = (
            dict(zip(met, given.values(), strict=True))
            for met, given in zip(names_met, (counts, target), strict=True)
        )
    rows = {name: finite(n, f"the count of {name!r}") for name, n in counts.items()}
    names = list(dict.fromkeys([*rows, *(target or {})]))
    goals = {
        name: finite((target or {}).get(name, 0.0 if target is not None else 1.0), "a target")
        for name in names
    }
    if min([*rows.values(), *goals.values()], default=0) < 0:
        raise UsageError("expected counts and targets from 0 up; one is negative.")
    total, whole = int(sum(rows.values())), sum(goals.values())
    if names and not whole:
        raise UsageError("expected a target above 0 for one label at least.")
    names.sort(key=lambda name: -rows.get(name, 0.0))
    return [
        (str(name), share_score("share", rows.get(name, 0.0), total), goals[name] / whole)
        for name in names
    ], total


def _summary(lines: Sequence[tuple[str, Score, float]], total: int) -> str:
    if not total:
        return "No rows."
    gaps = corrected([_gap(share, goal) for _, share, goal in lines])
    off = [line for line, gap in zip(lines, gaps, strict=True) if gap.significant]
    if not off:
        return f"None of {count(len(lines), 'label')} differs significantly from its target."
    name, share, goal = max(off, key=lambda line: round(abs(line[1].value - line[2]), 9))
    low, high = share.low or 0, share.high or 1
    if share.value > goal:
        side, gap = "above", with_interval(share.value - goal, low - goal, high - goal)
    else:
        side, gap = "below", with_interval(goal - share.value, goal - high, goal - low)
    differ = (
        "differs significantly from its" if len(off) == 1 else "differ significantly from their"
    )
    return (
        f"{len(off)} of {count(len(lines), 'label')} {differ} target; the most: {name}, {gap} "
        f"{side} it."
    )


def _gap(share: Score, goal: float) -> Difference:
    """The difference of a share and its target, with the p-value of Wilson's interval."""
    error = math.sqrt(goal * (1 - goal) / share.n)
    value = share.value - goal
    p = normal_tail(value / error) if error else float(value == 0)
    low, high = share.low or 0, share.high or 1
    return Difference(value=value, low=low - goal, high=high - goal, n=share.n, p=p)
