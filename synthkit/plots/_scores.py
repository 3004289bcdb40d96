"""Scores of several runs side by side, a panel for each metric, since each has its own unit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from synthkit.core.errors import TableError, UsageError, unknown
from synthkit.core.types import Score
from synthkit.data import tables as tables
from synthkit.plots import theme
from synthkit.plots.captions import gap, interval, listed, versus
from synthkit.plots.registry import plot
from synthkit.plots.theme import label, style

Groups: TypeAlias = dict[str, dict[str, Score]]
"""Run -> metric -> score."""

MOST_PANELS = 12
MOST_GROUPS = 6
NAME_LENGTH = 22
GAP = 14
"""Pixels between two panels side by side."""
EDGE = 72
"""Pixels above and below all panels, for the caption."""
HEAD, FOOT = 36, 22
"""Pixels above a panel, for its title, and below it, for its ticks."""
ARROWS = {"higher": " ↑", "lower": " ↓"}


@plot("scores")
def scores(
    groups: Mapping[str, Iterable[Score]] | Iterable[Score] | Any, *, caption: str = ""
) -> Any:
    """A plotly figure of scores with their intervals, a panel for each metric.

    Each run has a colour and a shape, the same in all panels; ↑ and ↓ say which way is better. Up
    to 6 runs and 12 metrics are drawn, and the caption says what is not. The figure is higher than
    others where it holds more than fits.

    Parameters
    ----------
    groups : run -> its scores; the scores of one run; or a table with the columns ``metric``,
        ``value``, ``low``, ``high`` and ``n``, as :meth:`synthkit.Session.scores` and
        ``report(...).frame()`` give it. There a run is an ``evaluation`` of a ``name``.
    caption : by what method, with which seed; the number of rows stands before it.

    Raises
    ------
    UsageError
        If a value is not finite, or a run has two scores of one metric.
    TableError
        If the table lacks a column.
    MissingExtra
        If plotly is not installed.

    Notes
    -----
    The reading tells two runs apart by :func:`~.readings.gap`, which takes them as measured on
    other rows; ``session.compare_scores`` pairs the rows that belong together, and tells more
    apart.

    Examples
    --------
    >>> a, b = (Score(name="distinct-2", value=v, low=v - 0.1, high=v + 0.1, n=40, unit="0..1",
    ...               better="higher") for v in (0.3, 0.6))
    >>> figure = scores({"plain": [a], "varied": [b]})
    >>> [(trace.name, trace.x) for trace in figure.data]
    [('plain', (0.3,)), ('varied', (0.6,))]
    >>> theme.reading(figure)
    'varied beats plain by 0.30 [0.16, 0.44] in distinct-2.'
    """
    held = _grouped(groups)
    metrics = list(dict.fromkeys(name for own in held.values() for name in own))
    drawn, names = metrics[:MOST_PANELS], list(held)[-MOST_GROUPS:]
    figure = theme.plotly().Figure()
    across = next(n for n in (1, 2, 2, 3) if n * n >= len(drawn) or n == 3)
    down = math.ceil(len(drawn) / across)
    high = max(22 * len(names), (theme.HEIGHT - EDGE) // max(down, 1) - HEAD - FOOT)
    left = 20 + 7 * min(NAME_LENGTH, max(map(len, names), default=0))
    places = _Places(across, down, high, theme.WIDTH - left - 16)
    for at, metric in enumerate(drawn):
        own = {name: held[name][metric] for name in names if metric in held[name]}
        _panel(figure, places, at, own, names)
    n = sorted({s.n for own in held.values() for s in own.values()})
    runs, whole = len(held), len(metrics)
    told = [
        ("n = " + (f"{n[0]}" if len(n) == 1 else f"{n[0]} to {n[-1]}")) if n else "n = 0",
        _levels(held),
        "↑ higher is better, ↓ lower" if {s.better for o in held.values() for s in o.values()}
        & set(ARROWS) else "",
        caption,
        f"{MOST_PANELS} of {whole} metrics drawn" if whole > MOST_PANELS else "",
        f"the last {MOST_GROUPS} of {runs} runs drawn" if runs > MOST_GROUPS else "",
    ]  # fmt: skip
    figure = theme.laid_out(
        *(figure, ("", ""), told, _told(held, metrics), _rows(held)),
        height=max(theme.HEIGHT, EDGE + down * (high + HEAD + FOOT)),
        showlegend=False,
        margin={"l": left, "b": 12 + 2 * theme.LINE},
    )
    figure.update_yaxes(automargin=False, showgrid=False)
    return figure


class _Places:
    """Where the panels stand, in shares of the plot's width and height."""

    def __init__(self, across: int, down: int, high: int, wide: int) -> None:
        self.across = across
        self.whole = max(1, down * (HEAD + high + FOOT))
        self.high = high
        self.width = (wide - GAP * (across - 1)) / across / wide
        self.step = self.width + GAP / wide

    def __getitem__(self, at: int) -> tuple[list[float], list[float]]:
        row, column = divmod(at, self.across)
        top = 1 - (row * (HEAD + self.high + FOOT) + HEAD) / self.whole
        left = column * self.step
        wide = [left, min(1.0, left + self.width)]
        return wide, [max(0.0, top - self.high / self.whole), min(1.0, top)]


def _panel(
    figure: Any, places: _Places, at: int, own: Mapping[str, Score], names: Sequence[str]
) -> None:
    """One metric: a line for each run that has it."""
    number = "" if at == 0 else str(at + 1)
    for name, score in own.items():
        place = names.index(name)
        hue, symbol = style(place)
        figure.add_trace(
            theme.plotly().Scatter(
                x=[score.value],
                y=[place],
                error_x=theme.whiskers([score], color=hue),
                name=label(name),
                mode="markers",
                marker={"color": hue, "symbol": symbol, "size": 9},
                hovertext=label(f"{name}: {interval(score)}, n = {score.n}; {score.how}", 200),
                hoverinfo="text",
                xaxis=f"x{number}",
                yaxis=f"y{number}",
            )
        )
    wide, high = places[at]
    first = next(iter(own.values()))
    low, top = theme.span(list(own.values()))
    figure.update_layout({
        f"xaxis{number}": {
            "domain": wide, "anchor": f"y{number}", "nticks": 4, "range": [low, top],
            "tickfont": {"size": 11},
        },
        f"yaxis{number}": {
            "domain": high, "anchor": f"x{number}", "range": [len(names) - 0.5, -0.5],
            "tickvals": list(range(len(names))), "showticklabels": at % places.across == 0,
            "ticktext": [one and theme.key(n, one, NAME_LENGTH) for n, one in enumerate(names)],
        },
    })  # fmt: skip
    title = f"{label(first.name, 22)}{ARROWS.get(first.better, '')}"
    figure.add_annotation(
        x=wide[0],
        y=high[1],
        xref="paper",
        yref="paper",
        showarrow=False,
        xanchor="left",
        yanchor="bottom",
        align="left",
        font={"size": 11},
        text=f"<b>{title}</b><br>{label(first.unit, 30) or ' '}",
    )


def _grouped(groups: Any) -> Groups:
    if isinstance(groups, Mapping) and not {"metric", "value"} <= set(groups):
        found = {str(name): list(own) for name, own in groups.items()}
    elif _is_table(groups):
        found = _of_table(groups)
    else:
        found = {"": list(groups)}
    held: Groups = {}
    for name, own in found.items():
        held[name] = {}
        for one in own:
            if not isinstance(one, Score):
                raise UsageError(f"expected scores; got {type(one).__name__} for {name!r}.")
            if one.name in held[name]:
                raise UsageError(f"{name or 'the run'} has two scores named {one.name!r}.")
            held[name][one.name] = theme.checked(one, name or "the run")
    return held


def _is_table(groups: Any) -> bool:
    try:
        tables.kind(groups)
    except TableError:
        return False
    return not (isinstance(groups, list) and not groups)


def _of_table(table: Any) -> dict[str, list[Score]]:
    """The scores of a table's rows, by run."""
    known = tables.columns(table)
    for name in ("metric", "value", "low", "high", "n"):
        if name not in known:
            raise TableError(unknown("column", name, known))
    rows = tables.records(table)
    tags = {(row.get("name"), row.get("evaluation")) for row in rows}
    twice = len(tags) > len({name for name, _ in tags})
    found: dict[str, list[Score]] = {}
    for at, row in enumerate(rows):
        name, tag = str(row.get("name") or ""), row.get("evaluation")
        run = f"{name} {tag}".strip() if twice and tag is not None else name
        value = theme.number(row["value"], f"'value' of row {at}")
        found.setdefault(run, []).append(
            Score(
                name=str(row["metric"]), value=value, low=row["low"], high=row["high"],
                n=int(row["n"]), unit=row.get("unit") or "", better=row.get("better") or "",
                how=row.get("how") or "",
            )
        )  # fmt: skip
    return found


def _levels(held: Groups) -> str:
    every = [s for own in held.values() for s in own.values()]
    bare = sum(s.low is None or s.high is None for s in every)
    levels = sorted({s.level for s in every})
    said = f"{' and '.join(map(theme.percent, levels))} intervals"
    return f"{said}; {bare} without" if bare else said if every else ""


def _told(held: Groups, metrics: Sequence[str]) -> str:
    """Of each metric of two runs or more, whether the best is told apart from the next."""
    if not metrics:
        return "No scores yet."
    apart, alike = [], []
    for metric in metrics:
        own = [(name, scores[metric]) for name, scores in held.items() if metric in scores]
        if len(own) < 2:
            continue
        own.sort(key=lambda one: one[1].value, reverse=own[0][1].better != "lower")
        (name, one), (other_name, other) = own[:2]
        found = gap(one, other)
        if found is not None and found.told_apart:
            apart.append(f"{versus(name, one, other_name, other)} in {metric}")
        else:
            alike.append(metric)
    if not apart and not alike:
        said = [f"{s.name} {interval(s)}" for own in held.values() for s in own.values()]
        return listed(said) + "."
    if not alike:
        return listed(apart) + "."
    if len(metrics) == 1:
        return f"{versus(name, one, other_name, other)} in {alike[0]}."
    between = "the two" if len(held) == 2 else "the best two"
    rest = f"{between} are not told apart in {listed(alike)}"
    return f"{listed(apart)}; {rest}." if apart else f"{rest[0].upper()}{rest[1:]}."


def _rows(held: Groups) -> list[dict[str, Any]]:
    named = any(held)
    return [
        ({"run": name} if named else {})
        | {"metric": s.name, "score": interval(s), "n": s.n, "unit": s.unit, "better": s.better}
        for name, own in held.items()
        for s in own.values()
    ]
