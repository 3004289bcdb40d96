"""What is learned from tables: TSTR beside the gold line, and learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthkit.core.types import Score
from synthkit.data import tables as tables
from synthkit.plots import theme
from synthkit.plots.captions import interval, versus
from synthkit.plots.registry import plot
from synthkit.plots.theme import DIRECT, GOLD, HUES, INK, label, spaced, style
from synthkit.stats.bootstrap import Difference, Floats, paired_bootstrap

CURVE = ("source", "n", "value", "low", "high", "seeds", "test")
MOST_BARS = 12
LOG = 8
"""Times that the most rows are the fewest from which on the axis is logarithmic."""


@plot("tstr")
def tstr(
    sources: Mapping[str, Score],
    *,
    real: Score | None = None,
    majority: Score | None = None,
    metric: str = "accuracy",
    caption: str = "",
) -> Any:
    """A plotly figure of what is learned from several sources, on the same real test rows.

    Bars begin at zero. The gold line is what as many real rows teach, in the band of its interval;
    the dotted grey one is always saying the most frequent label. Up to 12 sources are drawn.

    Parameters
    ----------
    sources : name -> TSTR score, 0..1.
    real : the score of learning from real rows.
    majority : the score of the most frequent label.
    metric : which it is, for the axis.
    caption : by what learner, with which seed; the number of test rows stands before it.

    Raises
    ------
    UsageError
        If a score is not finite.
    MissingExtra
        If plotly is not installed.

    Notes
    -----
    The reading compares the best source with ``real``, else with the next: paired on the test rows
    where both scores have equally many parts, else as :func:`~.readings.gap`.

    Examples
    --------
    >>> one = Score(name="TSTR accuracy", value=0.7, low=0.65, high=0.75, n=300, better="higher")
    >>> gold = Score(name="TRTR accuracy", value=0.8, low=0.75, high=0.84, n=300, better="higher")
    >>> figure = tstr({"plain": one}, real=gold)
    >>> figure.data[0].x, figure.layout.shapes[1].x0
    ((0.7,), 0.8)
    >>> theme.reading(figure)
    'Real rows beat plain by 0.10 [0.03, 0.16].'
    """
    held = {str(name): theme.checked(score, name) for name, score in sources.items()}
    lines = {
        name: theme.checked(score, name)
        for name, score in (("real → real", real), ("most frequent label", majority))
        if score is not None
    }
    drawn = list(held.items())[:MOST_BARS]
    figure = theme.plotly().Figure()
    figure.add_trace(
        theme.plotly().Bar(
            x=[score.value for _, score in drawn],
            y=theme.labels([name for name, _ in drawn], 24),
            orientation="h",
            marker=theme.BAR,
            error_x=theme.whiskers([score for _, score in drawn], color=HUES[0]),
            hovertext=[f"{label(name)}: {interval(score)}" for name, score in drawn],
            hoverinfo="text",
            showlegend=False,
        )
    )
    for row, (name, score) in enumerate(lines.items()):
        _line(figure, name, score, gold=score is real, row=row)
    top = max([1.0, *(s.high or s.value for s in [*held.values(), *lines.values()])])
    figure.update_xaxes(range=[0, top])
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    every = [*held.values(), *lines.values()]
    told = [
        f"n = {spaced(every[0].n)} test rows" if every else "n = 0",
        f"{theme.percent(every[0].level)} intervals" if every else "",
        f"{MOST_BARS} of {len(held)} sources drawn" if len(held) > MOST_BARS else "",
        caption,
    ]
    rows = [
        {"learned from": name, metric: interval(score), "n": score.n}
        | ({"how": score.how} if any(one.how for one in every) else {})
        for name, score in [*held.items(), *lines.items()]
    ]
    return theme.laid_out(
        *(figure, (f"{metric} on real test rows (0..1)", ""), told, _taught(held, real), rows),
        margin={"t": 16 + 18 * len(lines)},
        bargap=0.4,
    )


def _line(figure: Any, name: str, score: Score, *, gold: bool, row: int) -> None:
    hue, dash = (HUES[GOLD], "solid") if gold else (INK, "dot")
    whole = {"yref": "paper", "y0": 0, "y1": 1}
    if gold and score.low is not None and score.high is not None:
        figure.add_shape(
            type="rect", x0=score.low, x1=score.high, **whole, layer="below",
            fillcolor=hue, opacity=0.18, line_width=0,
        )  # fmt: skip
    line = {"color": hue, "width": 2, "dash": dash}
    figure.add_shape(type="line", x0=score.value, x1=score.value, **whole, line=line)
    mark = f'<span style="color:{hue}">{"━" if gold else "┅"}</span>'
    figure.add_annotation(
        x=score.value,
        y=1,
        yref="paper",
        yanchor="bottom",
        yshift=2 + 17 * row,
        xanchor="right" if score.value > 0.5 else "left",
        showarrow=False,
        text=f"{mark} {name} {interval(score)}",
    )


def _taught(held: Mapping[str, Score], real: Score | None) -> str:
    ranked = sorted(held.items(), key=lambda one: -one[1].value)
    if not ranked:
        return "Nothing was learned yet."
    name, best = ranked[0]
    if real is not None:
        said = versus("real rows", real, name, best, _paired(real, best))
        said = said.replace("real rows beats", "real rows beat")
    elif len(ranked) > 1:
        other_name, other = ranked[1]
        said = versus(name, best, other_name, other, _paired(best, other))
    else:
        said = f"{name} {interval(best)}"
    return f"{said[0].upper()}{said[1:]}." if real is not None else f"{said}."


def _paired(one: Score, other: Score) -> Difference | None:
    """What one score has over the other on the same test rows, if their parts are known."""
    if one.parts is None or other.parts is None or len(one.parts) != len(other.parts):
        return None
    if len(one.parts) < 2:
        return None
    first, second = (_centred(score) for score in (one, other))
    return paired_bootstrap(
        lambda rows: first[rows].mean(axis=1),
        lambda rows: second[rows].mean(axis=1),
        len(first),
        method="percentile",
        vectorised=True,
        level=one.level,
    )


def _centred(score: Score) -> Floats:
    """(n,) what each row brings, around the value, from which pseudo-values stray a little."""
    parts = np.asarray(score.parts, np.float64)
    return np.asarray(parts + (score.value - parts.mean()))


@plot("learning-curve")
def learning_curve(points: Any, *, metric: str = "accuracy", caption: str = "") -> Any:
    """A plotly figure of how well a learner does against how many rows it learned from.

    The curve of real rows is gold, and a gold line marks what the most real rows teach. The axis is
    logarithmic where the most rows are 8 times the fewest or more.

    Parameters
    ----------
    points : a table with the columns ``source``, ``n``, ``value``, ``low``, ``high``, ``seeds`` and
        ``test``, as :func:`synthkit.evaluate.learning_curve` gives it; the source of real rows is
        named ``"real"``.
    metric : which it is, for the axis.
    caption : by what learner, with which seed.

    Raises
    ------
    TableError
        If the table lacks a column.
    UsageError
        If a value is not finite.
    MissingExtra
        If plotly is not installed.

    Notes
    -----
    The reading compares the best source with real rows, else with the next, where both learned from
    equally many. It takes the two as measured on other rows (:func:`~.readings.gap`); they are of
    the same test rows, so that it rather tells too little apart than too much.

    Examples
    --------
    >>> points = [{"source": source, "n": n, "value": value, "low": value - 0.05,
    ...            "high": value + 0.05, "seeds": 3, "test": 200}
    ...           for source, n, value in [("real", 50, 0.7), ("real", 100, 0.8),
    ...                                    ("synthetic", 100, 0.66)]]
    >>> figure = learning_curve(points)
    >>> [(trace.name, trace.x, trace.y) for trace in figure.data]
    [('real', (50, 100), (0.7, 0.8)), ('synthetic', (100,), (0.66,))]
    >>> theme.reading(figure)
    'With 100 rows, real beats synthetic by 0.14 [0.07, 0.21].'
    """
    curves, seeds, test = _curves(points)
    figure = theme.plotly().Figure()
    options: dict[str, Any] = {}
    styles = _styles(list(curves))
    for name, curve in curves.items():
        hue, symbol = style(styles[name])
        figure.add_trace(
            theme.plotly().Scatter(
                x=theme.packed(list(curve)),
                y=theme.packed([round(score.value, 5) for score in curve.values()]),
                error_y=theme.whiskers(list(curve.values())),
                name=label(name),
                mode="lines+markers",
                line={"color": hue, "width": 2},
                marker={"symbol": symbol, "size": 8},
                hovertemplate=f"{label(name)}, %{{x}} rows: %{{y:.3f}}<extra></extra>",
                showlegend=len(curves) > DIRECT,
            )
        )
    every = [score for curve in curves.values() for score in curve.values()]
    if every:
        span = theme.span(every, *((0, 1) if all(0 <= s.value <= 1 for s in every) else ()))
        figure.update_yaxes(range=span)
        _axis(figure, sorted({n for curve in curves.values() for n in curve}))
        if len(curves) <= DIRECT:
            ends = [(k, styles[k], list(c.values())[-1].value) for k, c in curves.items()]
            theme.name_lines(figure, ends, span)
            options["margin"] = {"r": theme.MARGIN}
    if "real" in curves:
        gold = list(curves["real"].values())[-1].value
        line = {"color": HUES[GOLD], "width": 1, "dash": "dot"}
        figure.add_hline(y=gold, line=line)
    told = [
        f"n = {_few(test)} test rows; {_few(seeds)} draws of each size" if every else "n = 0",
        "intervals over test rows and draws" if every else "",
        "dotted: the most real rows" if "real" in curves else "",
        theme.sampled_note(tables.size(points), 0),
        caption,
    ]
    rows = [
        {"source": name, "rows": n, metric: interval(score), "test rows": score.n}
        for name, curve in curves.items()
        for n, score in curve.items()
    ]
    axes = ("rows learned from", f"{metric} (0..1)")
    return theme.laid_out(figure, axes, told, _climbed(curves), rows, **options)


def _curves(points: Any) -> tuple[dict[str, dict[int, Score]], list[int], list[int]]:
    """Source -> rows learned from -> score; the draws, and the test rows."""
    cells = [tables.column(points, name) for name in CURVE]
    shown = theme.sampled(len(cells[0]), 0)
    curves: dict[str, dict[int, Score]] = {}
    for at in shown:
        source, n, value, low, high, _, test = (column[at] for column in cells)
        score = Score(
            name="", value=theme.number(value, f"'value' of row {at}"), low=low, high=high,
            n=int(test), better="higher",
        )  # fmt: skip
        count = int(theme.number(n, f"'n' of row {at}"))
        curves.setdefault(str(source), {})[count] = theme.checked(score, f"row {at}")
    seeds, tests = (sorted(set(map(int, cells[CURVE.index(k)]))) for k in ("seeds", "test"))
    return {name: dict(sorted(curve.items())) for name, curve in curves.items()}, seeds, tests


def _styles(names: Sequence[str]) -> dict[str, int]:
    """Gold for real, other hues for the others."""
    others = [at for at in range(len(HUES)) if at != GOLD]
    rest = [name for name in names if name != "real"]
    return {name: others[at % len(others)] for at, name in enumerate(rest)} | {"real": GOLD}


def _axis(figure: Any, counts: Sequence[int]) -> None:
    """Ticks at the numbers of rows, as far as they have room."""
    log = counts[0] > 0 and counts[-1] >= LOG * counts[0]
    figure.update_xaxes(type="log" if log else "linear")
    if log and len(counts) <= 10:
        figure.update_xaxes(tickvals=list(counts), ticktext=[spaced(n) for n in counts])


def _few(numbers: Sequence[int]) -> str:
    ends = sorted({numbers[0], numbers[-1]})
    return " to ".join(map(spaced, ends))


def _climbed(curves: Mapping[str, Mapping[int, Score]]) -> str:
    """The best against the next, or against real, at the most rows that two of them have."""
    if not curves:
        return "Nothing was learned yet."
    sizes = sorted({n for curve in curves.values() for n in curve}, reverse=True)
    for n in sizes:
        here = {name: curve[n] for name, curve in curves.items() if n in curve}
        if len(here) < 2:
            continue
        ranked = sorted(here, key=lambda name: -here[name].value)
        first, second = ranked[:2]
        if "real" in here and "real" not in (first, second):
            second = "real"
        return f"With {spaced(n)} rows, {versus(first, here[first], second, here[second])}."
    ends = [f"{name} {interval(list(c.values())[-1])} with {spaced(max(c))} rows"
            for name, c in curves.items()]  # fmt: skip
    return f"{'; '.join(ends)}."
