"""TSTR scores of several sources against the score of real rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthkit.core.types import Score
from synthkit.plots import theme
from synthkit.plots.captions import best_comparison, percent, score_text, sentence, thousands
from synthkit.plots.points import finite_score
from synthkit.plots.registry import plot

MOST_BARS = 12
REAL = "real rows"


@plot("tstr")
def tstr(
    sources: Mapping[str, Score],
    *,
    real: Score | None = None,
    majority: Score | None = None,
    metric: str = "accuracy",
    caption: str = "",
) -> Any:
    """A plotly figure of scores on real test rows after learning from several sources.

    Bars begin at zero. The gold line is the score of learning from as many real rows, with its
    interval as a band; the dotted grey line is the score of the most frequent label. Up to 12
    sources are drawn.

    Parameters
    ----------
    sources : name -> TSTR score, 0..1.
    real : the score of learning from real rows.
    majority : the score of predicting the most frequent label.
    metric : name of the score, for the axis.
    caption : learner and seed, after the number of test rows.

    Raises
    ------
    UsageError
        If a score is not finite.
    MissingExtra
        If plotly is not installed.

    Notes
    -----
    The summary compares the best source with ``real``, otherwise with the next best source, by
    :func:`~synthkit.plots.captions.best_comparison`.

    Examples
    --------
    >>> one = Score(name="TSTR accuracy", value=0.7, low=0.65, high=0.75, n=300, better="higher")
    >>> gold = Score(name="TRTR accuracy", value=0.8, low=0.75, high=0.84, n=300, better="higher")
    >>> figure = tstr({"plain": one}, real=gold)
    >>> figure.data[0].x, figure.layout.shapes[1].x0
    ((0.7,), 0.8)
    >>> theme.summary(figure)
    'Real rows beat plain by 0.100 [0.001, 0.190].'
    """
    bars = {str(name): finite_score(score, name) for name, score in sources.items()}
    lines = {
        name: finite_score(score, name)
        for name, score in (("real → real", real), ("most frequent label", majority))
        if score is not None
    }
    drawn = dict(list(bars.items())[:MOST_BARS])
    figure = theme.new_figure()
    theme.add_bars(figure, list(drawn), list(drawn.values()))
    for at, (name, score) in enumerate(lines.items()):
        _draw_line(figure, name, score, gold=score is real, at=at)
    scores = [*bars.values(), *lines.values()]
    figure.update_xaxes(range=[0, max([1.0, *(score.high or score.value for score in scores)])])
    parts = [
        f"n = {thousands(scores[0].n)} test rows" if scores else "n = 0",
        f"{percent(scores[0].level)} intervals" if scores else "",
        f"{MOST_BARS} of {len(bars)} sources drawn" if len(bars) > MOST_BARS else "",
        caption,
    ]
    rows = [
        {"learned from": name, metric: score_text(score), "n": score.n}
        | ({"how": score.how} if any(other.how for other in scores) else {})
        for name, score in [*bars.items(), *lines.items()]
    ]
    return theme.finish(
        figure,
        (f"{metric} on real test rows (0..1)", ""),
        parts,
        _summary(bars, real),
        rows,
        margin={"t": 16 + 18 * len(lines)},
        bargap=0.4,
    )


def _draw_line(figure: Any, name: str, score: Score, *, gold: bool, at: int) -> None:
    hue, dash = (theme.HUES[theme.GOLD], "solid") if gold else (theme.INK, "dot")
    full_height = {"yref": "paper", "y0": 0, "y1": 1}
    if gold and score.low is not None and score.high is not None:
        figure.add_shape(
            type="rect", x0=score.low, x1=score.high, **full_height, layer="below",
            fillcolor=hue, opacity=0.18, line_width=0,
        )  # fmt: skip
    line = {"color": hue, "width": 2, "dash": dash}
    figure.add_shape(type="line", x0=score.value, x1=score.value, **full_height, line=line)
    mark = f'<span style="color:{hue}">{"━" if gold else "┅"}</span>'
    figure.add_annotation(
        x=score.value,
        y=1,
        yref="paper",
        yanchor="bottom",
        yshift=2 + 17 * at,
        xanchor="right" if score.value > 0.5 else "left",
        text=f"{mark} {name} {score_text(score)}",
    )


def _summary(bars: Mapping[str, Score], real: Score | None) -> str:
    if not bars:
        return "No scores yet."
    if real is not None:
        text = best_comparison(bars, (REAL, real))
        text = text.replace(f"{REAL} beats", f"{REAL} beat")
        return f"{text[0].upper()}{text[1:]}."
    if len(bars) == 1:
        return "".join(f"{name} {score_text(score)}." for name, score in bars.items())
    return sentence(best_comparison(bars))
