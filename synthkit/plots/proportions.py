"""Shares with Wilson intervals: of labels against a target, and of rows accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.data import tables as tables
from synthkit.plots import theme
from synthkit.plots.captions import counted, interval, spanned, versus
from synthkit.plots.registry import plot
from synthkit.plots.theme import HUES, label, spaced, style
from synthkit.stats.intervals import wilson

MOST_LABELS = 16
MOST_POINTS = 40
MOST_TICKS = 12
PROMPT_LENGTH = 80
ROOM = 88
"""Characters that the names below the points may take together."""
RATES = ("version", "accepted", "n")


@plot("balance")
def balance(
    counts: Mapping[Any, int],
    target: Mapping[Any, float] | None = None,
    *,
    what: str = "label",
    caption: str = "",
) -> Any:
    """A plotly figure of the share of each label, against the share that it should have.

    Bars begin at zero, and have Wilson intervals; an upright mark is the target. At most 16
    labels are drawn, those farthest from their target, and the caption says so.

    Parameters
    ----------
    counts : label -> rows.
    target : label -> share or count; the same for all labels if not given.
    what : the column's name.
    caption : stands after the number of rows.

    Raises
    ------
    UsageError
        If a count or a target is negative or not finite, or all targets are 0.
    MissingExtra
        If plotly is not installed.

    Examples
    --------
    >>> figure = balance({"positive": 70, "negative": 30})
    >>> figure.data[0].x, figure.data[1].x
    ((0.7, 0.3), (0.5, 0.5))
    >>> theme.reading(figure)
    '2 of 2 labels are off their target; positive most, by 0.20 [0.10, 0.28] too many.'
    """
    held = {name: theme.number(n, f"the count of {name!r}") for name, n in counts.items()}
    names = list(dict.fromkeys([*held, *(target or {})]))
    wanted = {
        name: theme.number((target or {}).get(name, 0.0 if target is not None else 1.0), "a target")
        for name in names
    }
    if min([*held.values(), *wanted.values()], default=0) < 0:
        raise UsageError("expected counts and targets from 0 up; one is negative.")
    total, whole = int(sum(held.values())), sum(wanted.values())
    if names and not whole:
        raise UsageError("expected a target above 0 for one label at least.")
    lines = [(str(name), held.get(name, 0.0), wanted[name] / whole) for name in names]
    lines.sort(key=lambda line: -line[1])
    every = [(name, _share(n, total), goal) for name, n, goal in lines]
    far = sorted(every, key=lambda line: -abs(line[1].value - line[2]))[:MOST_LABELS]
    drawn = [line for line in every if line in far]
    ticks = theme.labels([name for name, _, _ in drawn], 24)
    figure = theme.plotly().Figure()
    figure.add_trace(
        theme.plotly().Bar(
            x=[round(share.value, 5) for _, share, _ in drawn],
            y=ticks,
            orientation="h",
            marker=theme.BAR,
            error_x=theme.whiskers([share for _, share, _ in drawn], color=HUES[0]),
            hovertext=[f"{label(name)}: {interval(share)}" for name, share, _ in drawn],
            hoverinfo="text",
            showlegend=False,
        )
    )
    figure.add_trace(
        theme.plotly().Scatter(
            x=[round(goal, 5) for _, _, goal in drawn],
            y=ticks,
            mode="markers",
            marker={
                "symbol": "line-ns", "size": max(8, 150 // max(1, len(drawn))),
                "line": {"color": HUES[1], "width": 3},
            },
            hovertemplate="target %{x:.3f}<extra></extra>",
            showlegend=False,
        )
    )  # fmt: skip
    top = max((max(share.high or 0, goal) for _, share, goal in drawn), default=1)
    figure.update_xaxes(range=[0, min(1.0, top * 1.05)])
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    aim = "the target" if target is not None else "the target, the same for all"
    told = [
        f"n = {spaced(total)} rows; 95 % Wilson intervals; upright mark: {aim}",
        f"the {MOST_LABELS} of {len(every)} farthest from it" if len(every) > MOST_LABELS else "",
        caption,
    ]
    rows = [
        {"label": name, "n": round(share.value * total), "share": interval(share),
         "target": round(goal, 3)}
        for name, share, goal in every
    ]  # fmt: skip
    axes = ("share of rows (0..1)", what)
    return theme.laid_out(figure, axes, told, _balanced(every, total), rows, bargap=0.4)


def _share(n: float, total: int) -> Score:
    low, high = wilson(n, total)
    return Score(name="share", value=n / total if total else 0.0, low=low, high=high, n=total)


def _balanced(lines: Sequence[tuple[str, Score, float]], total: int) -> str:
    if not total:
        return "No rows."
    off = [line for line in lines if not (line[1].low or 0) <= line[2] <= (line[1].high or 1)]
    if not off:
        return f"None of {counted(len(lines), 'label')} is told apart from its target."
    name, share, goal = max(off, key=lambda line: round(abs(line[1].value - line[2]), 9))
    low, high = share.low or 0, share.high or 1
    over = share.value > goal
    said = (
        spanned(share.value - goal, low - goal, high - goal)
        if over
        else spanned(goal - share.value, goal - high, goal - low)
    )
    be = "is off its" if len(off) == 1 else "are off their"
    return (
        f"{len(off)} of {counted(len(lines), 'label')} {be} target; {name} most, by {said} too "
        f"{'many' if over else 'few'}."
    )


@plot("accept-rates")
def accept_rates(points: Any, *, caption: str = "") -> Any:
    """A plotly figure of the share of rows accepted, by prompt version, in the order of time.

    Points come in the order of the table, evenly spaced, and are named below; those of one version
    have one colour and one shape, and are joined. The last 40 are drawn.

    Parameters
    ----------
    points : a table with the columns ``version``, ``accepted`` and ``n``, and if wanted ``when``,
        the words
        below a point, and ``prompt``, which stands in the table.
    caption : whose marks; the number of marked rows stands before it.

    Raises
    ------
    TableError
        If the table lacks a column.
    UsageError
        If more rows are accepted than there are.
    MissingExtra
        If plotly is not installed.

    Examples
    --------
    >>> figure = accept_rates([{"version": "v1", "accepted": 8, "n": 20},
    ...                        {"version": "v2", "accepted": 18, "n": 20}])
    >>> [(trace.name, trace.y) for trace in figure.data]
    [('v1', (0.4,)), ('v2', (0.9,))]
    >>> theme.reading(figure)
    'v2 beats v1 by 0.50 [0.21, 0.70].'
    """
    every = _rates(points)
    drawn = every[-MOST_POINTS:]
    versions = list(dict.fromkeys(version for version, _, _ in every))
    figure = theme.plotly().Figure()
    for version in dict.fromkeys(version for version, _, _ in drawn):
        own = [n for n, (name, _, _) in enumerate(drawn) if name == version]
        found = [drawn[n][2] for n in own]
        hue, symbol = style(versions.index(version))
        figure.add_trace(
            theme.plotly().Scatter(
                x=own,
                y=[round(score.value, 5) for score in found],
                error_y=theme.whiskers(found),
                name=label(version),
                mode="lines+markers",
                line={"color": hue, "width": 1.5},
                marker={"symbol": symbol, "size": 9},
                hovertext=[f"{label(version)}: {interval(s)}, n = {s.n}" for s in found],
                hoverinfo="text",
                showlegend=False,
            )
        )
    step = -(-len(drawn) // MOST_TICKS) or 1
    wide = ROOM // max(1, -(-len(drawn) // step))
    figure.update_xaxes(
        range=[-0.5, max(len(drawn), 1) - 0.5],
        tickvals=list(range(0, len(drawn), step)),
        ticktext=[
            f"{theme.key(versions.index(version), version, wide)}<br>{label(when, wide)}"
            f"<br>n = {score.n}"
            for version, when, score in drawn[::step]
        ],
        showgrid=False,
    )
    figure.update_yaxes(range=[0, 1.02])
    told = [
        f"n = {spaced(sum(s.n for _, _, s in every))} marked rows; 95 % Wilson intervals",
        f"the last {MOST_POINTS} of {len(every)} drawn" if len(every) > MOST_POINTS else "",
        caption,
    ]
    prompts = _prompts(points)
    rows = [
        {"version": version, "when": when, "accepted": interval(s), "n": s.n}
        | ({"prompt": prompts[version]} if prompts else {})
        for version, when, s in every
    ]
    axes = ("prompt versions, in the order of time", "share accepted (0..1)")
    return theme.laid_out(figure, axes, told, _progress(every), rows, foot=2 * theme.LINE)


def _rates(points: Any) -> list[tuple[str, str, Score]]:
    """Version, when, and the share accepted, of each row."""
    cells = [tables.column(points, name) for name in RATES]
    known = "when" in tables.columns(points)
    whens = tables.column(points, "when") if known else range(1, len(cells[0]) + 1)
    found = []
    for at, (version, accepted, n, when) in enumerate(zip(*cells, whens, strict=True)):
        yes, all_ = (theme.number(one, f"a count of row {at}") for one in (accepted, n))
        low, high = wilson(yes, all_)
        value = yes / all_ if all_ else 0.0
        score = Score(
            name="accepted", value=value, low=low, high=high, n=int(all_), better="higher"
        )
        found.append((str(version), str(when), score))
    return [one for one in found if one[2].n]


def _prompts(points: Any) -> dict[str, str]:
    """The beginning of each version's prompt, where the table has it."""
    if "prompt" not in tables.columns(points):
        return {}
    both = (tables.column(points, name) for name in ("version", "prompt"))
    return {
        str(v): " ".join(str(text).split())[:PROMPT_LENGTH] for v, text in zip(*both, strict=True)
    }


def _progress(points: Sequence[tuple[str, str, Score]]) -> str:
    """The last version against the first, all marks of each together."""
    if not points:
        return "Nothing is marked yet."
    counts: dict[str, tuple[float, int]] = {}
    for version, _, s in points:
        yes, n = counts.pop(version, (0.0, 0))
        counts[version] = yes + s.value * s.n, n + s.n
    firsts = list(dict.fromkeys(version for version, _, _ in points))
    shares = {v: _accepted(*counts[v]) for v in firsts}
    if len(shares) == 1:
        return f"{firsts[0]}: {interval(shares[firsts[0]])} of {counts[firsts[0]][1]} accepted."
    first, last = firsts[0], firsts[-1]
    said = versus(last, shares[last], first, shares[first])
    best = max(shares, key=lambda v: shares[v].low or 0)
    more = "" if best in (first, last) else f"; {best} has most, {interval(shares[best])}"
    return f"{said}{more}."


def _accepted(yes: float, n: int) -> Score:
    low, high = wilson(min(yes, n), n)
    return Score(name="accepted", value=yes / n, low=low, high=high, n=n, better="higher")
