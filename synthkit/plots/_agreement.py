"""People and judges: how far each two of them agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.types import Score
from synthkit.plots import theme
from synthkit.plots.captions import counted, interval
from synthkit.plots.registry import plot
from synthkit.plots.theme import on_shade, spaced

MOST_JUDGES = 12
MOST_WRITTEN = 6
"""Judges up to which a cell has room for the interval."""


@plot("agreement")
def agreement(
    pairs: Mapping[tuple[str, str], Score | None],
    *,
    measure: str = "Cohen's kappa",
    caption: str = "",
) -> Any:
    """A plotly matrix of how far each two annotators agree beyond chance.

    A cell holds the coefficient, its interval and the number of rows that both judged; on the
    diagonal is how far one agrees with himself, where that is known. Up to 12 annotators are drawn.

    Parameters
    ----------
    pairs : two names -> score, in either order; ``None`` where the coefficient is not defined, as
        where both gave one label to all rows.
    measure : the coefficient's name, at most 1; shades go from 0 to 1.
    caption : of which marks; stands after the number of annotators.

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
    >>> theme.reading(figure)
    'ana and bob agree with 0.71 [0.60, 0.80] on 40 rows.'
    """
    held = {
        (str(one), str(two)): None if s is None else theme.checked(s, f"{one} and {two}")
        for (one, two), s in pairs.items()
    }
    people = list(dict.fromkeys(name for pair in held for name in pair))
    drawn = people[:MOST_JUDGES]
    names = theme.labels(drawn)
    known = held | {(two, one): s for (one, two), s in held.items()}
    matrix = [[known.get((one, two)) for two in drawn] for one in drawn]
    figure = theme.plotly().Figure(
        theme.plotly().Heatmap(
            z=[[None if s is None else round(s.value, 4) for s in line] for line in matrix],
            x=names,
            y=names,
            zmin=0,
            zmax=1,
            colorscale=theme.SHADES,
            showscale=False,
            hovertemplate="%{y} and %{x}: %{z}<extra></extra>",
            xgap=2,
            ygap=2,
        )
    )
    figure.layout.annotations = [
        {"x": x, "y": y, **_written(known[one, two], len(drawn) <= MOST_WRITTEN)}
        for one, y in zip(drawn, names, strict=True)
        for two, x in zip(drawn, names, strict=True)
        if (one, two) in known
    ]
    figure.update_xaxes(type="category", showgrid=False)
    figure.update_yaxes(type="category", showgrid=False, autorange="reversed")
    told = [
        counted(len(people), "annotator"),
        "–: not defined" if None in held.values() else "",
        f"{MOST_JUDGES} of them drawn" if len(people) > MOST_JUDGES else "",
        caption,
    ]
    rows = [
        {"first": one, "second": two, measure: "–" if s is None else interval(s),
         "n": 0 if s is None else s.n}
        for (one, two), s in held.items()
    ]  # fmt: skip
    return theme.laid_out(figure, ("", ""), told, _agreed(held), rows)


def _written(score: Score | None, whole: bool) -> dict[str, Any]:
    """What stands in a cell; the interval and the rows where there is room."""
    text = "–"
    font: dict[str, Any] = {"size": 11}
    if score is not None:
        font["color"] = on_shade(score.value)
        text = f"<b>{score.value:.2f}</b>"
        if whole and score.low is not None and score.high is not None:
            text += f"<br>[{score.low:.2f}, {score.high:.2f}]<br>n = {spaced(score.n)}"
    return {"text": text, "font": font, "showarrow": False}


def _agreed(held: Mapping[tuple[str, str], Score | None]) -> str:
    """The pair that agrees least, and the one that agrees most."""
    found = [(pair, s) for pair, s in held.items() if s is not None and pair[0] != pair[1]]
    if not found:
        return "No two annotators have judged the same rows with different labels."
    found.sort(key=lambda one: one[1].value)
    said = _pair(*found[0])
    if len(found) == 1:
        return f"{said}."
    return f"{said}, the least; {_pair(*found[-1])}, the most."


def _pair(pair: Sequence[str], score: Score) -> str:
    chance = " (not above chance)" if score.low is not None and score.low <= 0 else ""
    return (
        f"{pair[0]} and {pair[1]} agree with {interval(score)} on {counted(score.n, 'row')}{chance}"
    )
