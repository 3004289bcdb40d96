"""Scores of several runs side by side, with a panel for each metric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from synthkit.core.errors import TableError, UsageError
from synthkit.core.types import Score
from synthkit.data import tables
from synthkit.plots import theme
from synthkit.plots.captions import (
    comparison,
    count,
    joined,
    label,
    percent,
    score_text,
    sentence,
)
from synthkit.plots.points import finite, finite_score
from synthkit.plots.registry import plot
from synthkit.stats.bootstrap import Difference, corrected, score_difference
from synthkit.stats.multiple import CORRECTION

ScoresByRun: TypeAlias = dict[str, dict[str, Score]]
"""Run -> metric -> score."""

NO_DIFFERENCE = "no significant difference"
MOST_PANELS = 12
MOST_RUNS = 6
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
    """A plotly figure of scores with their intervals, with a panel for each metric.

    Each run has a colour and a symbol, the same in all panels; ↑ and ↓ say which direction is
    better. Up to 6 runs and 12 metrics are drawn; the caption says if there are more. The figure
    grows in height with the number of panels and runs.

    Parameters
    ----------
    groups : run -> its scores; the scores of one run; or a table with the columns ``metric``,
        ``value``, ``low``, ``high`` and ``n``, as from :meth:`synthkit.Session.scores` or
        ``report(...).frame()``. In such a table a run is an ``evaluation`` of a ``name``.
    caption : method and seed, after the number of rows.

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
    The summary compares the two best runs in each metric, corrected by Holm for every two runs in
    all metrics. Of reports it knows the rows, as ``session.compare_scores`` does
    (``Report.differences``); other scores are compared as if they were measured on different rows
    (:func:`~synthkit.stats.bootstrap.score_difference`), and not at all if the metric depends on
    the number of rows and that differs.

    Examples
    --------
    >>> a, b = (Score(name="distinct-2", value=v, low=v - 0.1, high=v + 0.1, n=40, unit="0..1",
    ...               better="higher") for v in (0.3, 0.6))
    >>> figure = scores({"plain": [a], "varied": [b]})
    >>> [(trace.name, trace.x) for trace in figure.data]
    [('plain', (0.3,)), ('varied', (0.6,))]
    >>> theme.summary(figure)
    'varied beats plain by 0.30 [0.16, 0.44] in distinct-2.'
    """
    by_run = _by_run(groups)
    metrics = list(dict.fromkeys(metric for run in by_run.values() for metric in run))
    compared = _compared(groups, by_run, metrics)
    drawn, runs = metrics[:MOST_PANELS], list(by_run)[-MOST_RUNS:]
    figure = theme.new_figure()
    columns = next(n for n in (1, 2, 2, 3) if n * n >= len(drawn) or n == 3)
    lines = math.ceil(len(drawn) / columns)
    height = max(22 * len(runs), (theme.HEIGHT - EDGE) // max(lines, 1) - HEAD - FOOT)
    left = 20 + 7 * min(NAME_LENGTH, max(map(len, runs), default=0))
    grid = _PanelGrid(columns, lines, height, theme.WIDTH - left - 16)
    for at, metric in enumerate(drawn):
        panel = {run: by_run[run][metric] for run in runs if metric in by_run[run]}
        _draw_panel(figure, grid, at, panel, runs)
    figure = theme.finish(
        figure,
        ("", ""),
        [*_caption(by_run), _family(compared), caption, *_left_out(len(metrics), len(by_run))],
        _summary(by_run, compared),
        _rows(by_run),
        height=max(theme.HEIGHT, EDGE + lines * (height + HEAD + FOOT)),
        showlegend=False,
        margin={"l": left, "b": 12 + 2 * theme.LINE},
    )
    figure.update_yaxes(automargin=False, showgrid=False)
    return figure


class _PanelGrid:
    """The domains of panels, as shares of the plot's width and height."""

    def __init__(self, columns: int, lines: int, height: int, width: int) -> None:
        self.columns = columns
        self._total = max(1, lines * (HEAD + height + FOOT))
        self._height = height
        self._width = (width - GAP * (columns - 1)) / columns / width
        self._step = self._width + GAP / width

    def __getitem__(self, at: int) -> tuple[list[float], list[float]]:
        line, column = divmod(at, self.columns)
        top = 1 - (line * (HEAD + self._height + FOOT) + HEAD) / self._total
        left = column * self._step
        x = [left, min(1.0, left + self._width)]
        return x, [max(0.0, top - self._height / self._total), min(1.0, top)]


def _draw_panel(
    figure: Any, grid: _PanelGrid, at: int, panel: Mapping[str, Score], runs: Sequence[str]
) -> None:
    """Draw the scores of one metric, on a line for each run."""
    number = "" if at == 0 else str(at + 1)
    for run, score in panel.items():
        line = runs.index(run)
        hue, symbol = theme.style(line)
        figure.add_scatter(
            x=[score.value],
            y=[line],
            error_x=theme.whiskers([score], color=hue),
            name=label(run),
            mode="markers",
            marker={"color": hue, "symbol": symbol, "size": 9},
            hovertext=label(f"{run}: {score_text(score)}, n = {score.n}; {score.how}", 200),
            hoverinfo="text",
            xaxis=f"x{number}",
            yaxis=f"y{number}",
        )
    x, y = grid[at]
    first = next(iter(panel.values()))
    figure.update_layout({
        f"xaxis{number}": {
            "domain": x, "anchor": f"y{number}", "nticks": 4,
            "range": theme.axis_range(list(panel.values())), "tickfont": {"size": 11},
        },
        f"yaxis{number}": {
            "domain": y, "anchor": f"x{number}", "range": [len(runs) - 0.5, -0.5],
            "tickvals": list(range(len(runs))), "showticklabels": at % grid.columns == 0,
            "ticktext": [run and theme.key(n, run, NAME_LENGTH) for n, run in enumerate(runs)],
        },
    })  # fmt: skip
    title = f"{label(first.name, 22)}{ARROWS.get(first.better, '')}"
    figure.add_annotation(
        x=x[0],
        y=y[1],
        xanchor="left",
        yanchor="bottom",
        align="left",
        font={"size": 11},
        text=f"<b>{title}</b><br>{label(first.unit, 30) or ' '}",
        **theme.PAPER,
    )


def _by_run(groups: Any) -> ScoresByRun:
    if isinstance(groups, Mapping) and not {"metric", "value"} <= set(groups):
        lists = {str(run): list(scores) for run, scores in groups.items()}
    elif _is_table(groups):
        lists = _from_table(groups)
    else:
        lists = {"": list(groups)}
    by_run: ScoresByRun = {}
    for run, scores in lists.items():
        by_run[run] = {}
        for score in scores:
            if not isinstance(score, Score):
                raise UsageError(f"expected scores; got {type(score).__name__} for {run!r}.")
            if score.name in by_run[run]:
                raise UsageError(f"{run or 'the run'} has two scores named {score.name!r}.")
            by_run[run][score.name] = finite_score(score, run or "the run")
    return by_run


def _is_table(groups: Any) -> bool:
    try:
        tables.kind(groups)
    except TableError:
        return False
    return not (isinstance(groups, list) and not groups)


def _from_table(table: Any) -> dict[str, list[Score]]:
    """The scores in a table's rows, by run."""
    tables.check_columns(table, ("metric", "value", "low", "high", "n"))
    rows = tables.records(table)
    pairs = {(row.get("name"), row.get("evaluation")) for row in rows}
    repeated = len(pairs) > len({name for name, _ in pairs})
    by_run: dict[str, list[Score]] = {}
    for at, row in enumerate(rows):
        name, evaluation = str(row.get("name") or ""), row.get("evaluation")
        run = f"{name} {evaluation}".strip() if repeated and evaluation is not None else name
        value = finite(row["value"], f"'value' of row {at}")
        by_run.setdefault(run, []).append(
            Score(
                name=str(row["metric"]), value=value, low=row["low"], high=row["high"],
                n=int(row["n"]), unit=row.get("unit") or "", better=row.get("better") or "",
                how=row.get("how") or "", at_n=_at_n(row),
            )
        )  # fmt: skip
    return by_run


def _at_n(row: Mapping[str, Any]) -> int | None:
    """The number of rows that a score depends on; that of its rows in a table that does not say."""
    at_n = row.get("at_n", row["n"])
    return None if at_n is None or at_n != at_n else int(at_n)


def _caption(by_run: ScoresByRun) -> list[str]:
    """Rows, intervals, and the meaning of the arrows."""
    scores = [score for run in by_run.values() for score in run.values()]
    if not scores:
        return ["n = 0"]
    n = sorted({score.n for score in scores})
    bare = sum(score.low is None or score.high is None for score in scores)
    levels = " and ".join(map(percent, sorted({score.level for score in scores})))
    directed = {score.better for score in scores} & set(ARROWS)
    return [
        "n = " + (f"{n[0]}" if len(n) == 1 else f"{n[0]} to {n[-1]}"),
        f"{levels} intervals" + (f"; {bare} without" if bare else ""),
        "↑ higher is better, ↓ lower" if directed else "",
    ]


def _left_out(metrics: int, runs: int) -> list[str]:
    return [
        f"{MOST_PANELS} of {metrics} metrics drawn" if metrics > MOST_PANELS else "",
        f"the last {MOST_RUNS} of {runs} runs drawn" if runs > MOST_RUNS else "",
    ]


class _Comparison(NamedTuple):
    """The two best runs in a metric, and their difference; a text if they are not compared."""

    metric: str
    best: str
    next: str
    gap: Difference | str


def _compared(groups: Any, by_run: ScoresByRun, metrics: Sequence[str]) -> list[_Comparison]:
    """The best two runs in each metric, corrected by Holm for every two runs in all metrics."""
    known: dict[tuple[str, str], Mapping[str, Difference | str]] = {}
    found = []
    for metric in metrics:
        ranked = [(run, scores[metric]) for run, scores in by_run.items() if metric in scores]
        if len(ranked) < 2:
            continue
        ranked.sort(key=lambda pair: pair[1].value, reverse=ranked[0][1].better != "lower")
        (best, score), (second, other) = ranked[:2]
        gap = _by_rows(groups, (best, second), known).get(metric) or _by_intervals(score, other)
        found.append(_Comparison(metric, best, second, gap))
    tested = [one.gap for one in found if not isinstance(one.gap, str)]
    pairs = math.comb(len(by_run), 2)
    gaps = iter(corrected(tested, sum(gap.p is not None for gap in tested) * pairs))
    return [one if isinstance(one.gap, str) else one._replace(gap=next(gaps)) for one in found]


def _by_rows(
    groups: Any, runs: tuple[str, str], known: dict[Any, Mapping[str, Difference | str]]
) -> Mapping[str, Difference | str]:
    """The differences of two reports, which know their rows; empty for other scores."""
    sides: list[Any] = [groups.get(run) if isinstance(groups, Mapping) else None for run in runs]
    if not all(hasattr(side, "differences") for side in sides):
        return {}
    if runs not in known:
        known[runs] = sides[0].differences(sides[1], correct=False)
    return known[runs]


def _by_intervals(first: Score, second: Score) -> Difference | str:
    """The difference of two scores of which only the intervals are known."""
    if first.at_n != second.at_n:
        return "not compared: depends on the number of rows"
    return score_difference(first, second) or "no interval"


def _summary(by_run: ScoresByRun, compared: Sequence[_Comparison]) -> str:
    """For each metric of several runs, whether the best differs significantly from the next."""
    if not any(by_run.values()):
        return "No scores yet."
    significant: list[str] = []
    equal: list[str] = []
    skipped: list[str] = []
    texts: list[str] = []
    for metric, best, second, gap in compared:
        scores = by_run[best][metric], by_run[second][metric]
        if isinstance(gap, str):
            (equal if gap == NO_DIFFERENCE else skipped).append(metric)
            texts.append(f"{best} and {second} {score_text(scores[0])} and {score_text(scores[1])}"
                         f" in {metric}, {gap}")  # fmt: skip
            continue
        texts.append(f"{comparison(best, scores[0], second, scores[1], gap)} in {metric}")
        if gap.significant:
            significant.append(texts[-1])
        else:
            equal.append(metric)
    if not compared:
        alone = [f"{s.name} {score_text(s)}" for run in by_run.values() for s in run.values()]
        return sentence(joined(alone))
    if len(compared) == 1:
        return sentence(texts[0])
    between = "" if len(by_run) == 2 else " between the best two"
    parts = [joined(significant)] if significant else []
    parts += [f"{NO_DIFFERENCE}{between} in {joined(equal)}"] if equal else []
    parts += [f"not compared: {joined(skipped)}"] if skipped else []
    return sentence("; ".join(parts))


def _family(compared: Sequence[_Comparison]) -> str:
    """How many comparisons the verdicts are corrected for."""
    family = max((one.gap.family for one in compared if not isinstance(one.gap, str)), default=0)
    return (
        f"verdicts hold for {count(family, 'comparison')} together ({CORRECTION})" if family else ""
    )


def _rows(by_run: ScoresByRun) -> list[dict[str, Any]]:
    named = any(by_run)
    return [
        ({"run": run} if named else {})
        | {"metric": s.name, "score": score_text(s), "n": s.n, "unit": s.unit, "better": s.better}
        for run, scores in by_run.items()
        for s in scores.values()
    ]
