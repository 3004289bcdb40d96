"""A matrix of how far each two annotators agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.types import Score
from synthkit.plots import theme
from synthkit.plots.captions import count, labels, score_text, thousands
from synthkit.plots.points import finite_score
from synthkit.plots.registry import plot

MOST_ANNOTATORS = 12
MOST_WITH_INTERVAL = 6
"""Most annotators for which a cell has room for the interval."""


@plot("agreement")
def agreement(
    pairs: Mapping[tuple[str, str], Score | None],
    *,
    measure: str = "Cohen's kappa",
    caption: str = "",
) -> Any:
    """A plotly matrix of how far each two annotators agree beyond chance.

    A cell holds the coefficient, its interval and the number of rows that both marked. The diagonal
    holds the agreement of two rounds of one annotator, if known. Up to 12 annotators are drawn.

    Parameters
    ----------
    pairs : two names -> score, in either order; ``None`` where the coefficient is not defined, as
        where both gave one label to all rows.
    measure : the coefficient's name, at most 1; shades go from 0 to 1.
    caption : which marks these are, after the number of annotators.

    Raises
    ------
    UsageError
        If a score is not finite.
    MissingExtra
        If plotly is not installed.

    Examples
    --------
    >>> kappa = Score(name="Cohen's kappa", value=0.71, low=0.6, high=0.8, n=40)
    >>> figure = agreement({("ana", "bob"): kappa})
    >>> figure.data[0].z
    ([None, 0.71], [0.71, None])
    >>> theme.summary(figure)
    'Agreement of ana and bob: 0.71 [0.60, 0.80] on 40 rows.'
    """
    scores = {
        (str(a), str(b)): None if score is None else finite_score(score, f"{a} and {b}")
        for (a, b), score in pairs.items()
    }
    annotators = list(dict.fromkeys(name for pair in scores for name in pair))
    drawn = annotators[:MOST_ANNOTATORS]
    names = labels(drawn)
    both_ways = scores | {(b, a): score for (a, b), score in scores.items()}
    matrix = [[both_ways.get((a, b)) for b in drawn] for a in drawn]
    figure = theme.new_figure()
    cells = [[None if s is None else round(s.value, 4) for s in line] for line in matrix]
    hover = "%{y} and %{x}: %{z}<extra></extra>"
    gap = {"xgap": 2, "ygap": 2}
    theme.add_matrix(figure, cells, names, zmax=1, showscale=False, hovertemplate=hover, **gap)
    figure.layout.annotations = [
        {"x": x, "y": y, **_cell(both_ways[a, b], len(drawn) <= MOST_WITH_INTERVAL)}
        for a, y in zip(drawn, names, strict=True)
        for b, x in zip(drawn, names, strict=True)
        if (a, b) in both_ways
    ]
    parts = [
        count(len(annotators), "annotator"),
        "–: not defined" if None in scores.values() else "",
        f"{MOST_ANNOTATORS} of them drawn" if len(annotators) > MOST_ANNOTATORS else "",
        caption,
    ]
    rows = [
        {"first": a, "second": b, measure: "–" if score is None else score_text(score),
         "n": 0 if score is None else score.n}
        for (a, b), score in scores.items()
    ]  # fmt: skip
    return theme.finish(figure, ("", ""), parts, _summary(scores), rows)


def _cell(score: Score | None, room: bool) -> dict[str, Any]:
    """The text of a cell; with the interval and the number of rows where there is room."""
    text = "–"
    font: dict[str, Any] = {"size": 11}
    if score is not None:
        font["color"] = theme.text_colour(score.value)
        text = f"<b>{score.value:.2f}</b>"
        if room and score.low is not None and score.high is not None:
            text += f"<br>[{score.low:.2f}, {score.high:.2f}]<br>n = {thousands(score.n)}"
    return {"text": text, "font": font}


def _summary(scores: Mapping[tuple[str, str], Score | None]) -> str:
    """The pair that agrees least and the pair that agrees most."""
    ranked = [(pair, s) for pair, s in scores.items() if s is not None and pair[0] != pair[1]]
    if not ranked:
        return "No two annotators marked the same rows with more than one label."
    ranked.sort(key=lambda entry: entry[1].value)
    if len(ranked) == 1:
        return f"Agreement of {_pair(*ranked[0])}."
    return f"Lowest agreement: {_pair(*ranked[0])}; highest: {_pair(*ranked[-1])}."


def _pair(pair: Sequence[str], score: Score) -> str:
    chance = " (not above chance)" if score.low is not None and score.low <= 0 else ""
    rows = count(score.n, "row")
    return f"{pair[0]} and {pair[1]}: {score_text(score)} on {rows}{chance}"
