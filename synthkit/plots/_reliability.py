"""Reliability diagrams: predicted probability against observed frequency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.data import tables
from synthkit.plots import theme
from synthkit.plots.captions import count, formatted, score_text, thousands
from synthkit.plots.points import finite, finite_score
from synthkit.plots.registry import plot
from synthkit.stats.intervals import wilson

MOST_COUNTS = 14
"""Most bins for which the number of rows is written above each."""
MOST_BINS = 500
COLUMNS = ("predicted", "share", "n", "low", "high")


def binned(
    probabilities: Sequence[float], outcomes: Sequence[Any], *, bins: int = 10, level: float = 0.95
) -> Any:
    """The bins of a reliability diagram, of equal width; empty bins are left out.

    Parameters
    ----------
    probabilities : (n,) predicted probabilities, 0..1.
    outcomes : (n,) whether the event occurred: true or false, 1 or 0.
    bins : number of bins, up to 500.
    level : of the Wilson intervals.

    Returns
    -------
    DataFrame
        ``predicted`` (mean probability), ``share`` (observed frequency), ``n``, ``low``, ``high``.

    Raises
    ------
    UsageError
        If a probability is not from 0 to 1, an outcome is no truth value, or the two have different
        lengths.

    References
    ----------
    A. Niculescu-Mizil and R. Caruana (2005), Predicting good probabilities with supervised
    learning, ICML, section 4.

    Examples
    --------
    >>> binned([0.1, 0.15, 0.9], [False, True, True], bins=2)[["predicted", "share", "n"]]
       predicted  share  n
    0      0.125    0.5  2
    1      0.900    1.0  1
    """
    if len(probabilities) != len(outcomes) or not 1 <= bins <= MOST_BINS:
        raise UsageError(
            f"expected an outcome for each probability, and 1 to {MOST_BINS} bins; got "
            f"{len(probabilities)} and {len(outcomes)}, {bins} bins."
        )
    members: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for at, (probability, outcome) in enumerate(zip(probabilities, outcomes, strict=True)):
        p = finite(probability, f"the probability of row {at}")
        if not 0 <= p <= 1:
            raise UsageError(f"expected a probability from 0 to 1 in row {at}; got {p}.")
        if outcome not in (0, 1):
            raise UsageError(f"expected true or false as the outcome of row {at}; got {outcome!r}.")
        members[min(int(p * bins), bins - 1)].append((p, bool(outcome)))
    rows = []
    for pairs in filter(None, members):
        occurred, n = sum(outcome for _, outcome in pairs), len(pairs)
        predicted = sum(p for p, _ in pairs) / n
        rows.append((predicted, occurred / n, n, *wilson(occurred, n, level)))
    return tables.build({name: [row[at] for row in rows] for at, name in enumerate(COLUMNS)})


@plot("reliability")
def reliability(bins: Any, *, what: str = "the outcome", caption: str = "") -> Any:
    """A plotly reliability diagram: predicted probability against observed frequency.

    On the diagonal the two are equal; below it the probabilities are too high. The number of rows
    in each bin is above its point.

    Parameters
    ----------
    bins : a table with the columns ``predicted``, ``share``, ``n``, ``low`` and ``high``, such as
        :func:`binned` returns; all are 0..1 except ``n``.
    what : the event that is predicted, for the axes: ``"accept"``.
    caption : which model and rows, after the number of rows.

    Raises
    ------
    TableError
        If the table lacks a column.
    UsageError
        If a number is not finite.
    MissingExtra
        If plotly is not installed.

    Notes
    -----
    The expected calibration error is the mean over rows of the distance between the observed
    frequency and the mean prediction of their bin: M. P. Naeini et al. (2015), Obtaining well
    calibrated probabilities using Bayesian binning, AAAI; C. Guo et al. (2017), arXiv 1706.04599,
    equation 3. With few rows in a bin it is above 0 by chance alone.

    The summary counts the bins whose interval leaves out the prediction, each on its own and so
    without a correction: of 20 bins of perfect probabilities one is expected to be off.

    Examples
    --------
    >>> figure = reliability(binned([0.2] * 10 + [0.9] * 40, [False] * 8 + [True] * 42))
    >>> [round(x, 2) for x in figure.data[0].x], [round(y, 2) for y in figure.data[0].y]
    ([0.2, 0.9], [0.2, 1.0])
    >>> theme.summary(figure)
    '1 of 2 bins is off the diagonal: predicted 0.90, observed 1.00 [0.91, 1.00] (too low);
    expected calibration error 0.08.'
    """
    points = _points(bins)
    shares = [share for _, share in points]
    figure = theme.new_figure()
    diagonal = {"color": theme.INK, "width": 1.5, "dash": "dot"}
    figure.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, layer="below", line=diagonal)
    theme.add_line(
        figure,
        0,
        [round(predicted, 5) for predicted, _ in points],
        shares,
        hovertemplate="predicted %{x:.2f}, observed %{y:.2f}<extra></extra>",
        showlegend=False,
    )
    figure.update_xaxes(range=[-0.03, 1.03], dtick=0.2)
    figure.update_yaxes(range=[-0.02, 1.14], dtick=0.2)
    for predicted, share in points if len(points) <= MOST_COUNTS else []:
        at, text = round(predicted, 5), thousands(share.n)
        figure.add_annotation(x=at, y=1.02, yanchor="bottom", text=text, font={"size": 11})
    parts = [
        f"n = {thousands(sum(share.n for share in shares))} rows in {count(len(points), 'bin')}",
        "numbers at the top: rows in the bin; dotted: perfect calibration",
        caption,
    ]
    rows = [
        {"predicted": round(p, 3), "observed": score_text(share), "n": share.n}
        for p, share in points
    ]
    axes = (f"predicted probability of {what} (0..1)", f"observed frequency of {what} (0..1)")
    return theme.finish(figure, axes, parts, _summary(points), rows)


def _points(bins: Any) -> list[tuple[float, Score]]:
    """The mean prediction and the observed frequency of each bin, in order of the prediction."""
    points = []
    for at, row in enumerate(zip(*(tables.column(bins, name) for name in COLUMNS), strict=True)):
        predicted, share, n = (finite(cell, f"a cell of row {at}") for cell in row[:3])
        score = Score(name="share", value=share, low=row[3], high=row[4], n=int(n))
        points.append((predicted, finite_score(score, f"row {at}")))
    return sorted(points, key=lambda point: point[0])


def _summary(points: Sequence[tuple[float, Score]]) -> str:
    """The number of bins off the diagonal, the worst of them, and the calibration error."""
    total = sum(share.n for _, share in points)
    if not total:
        return "No rows."
    error = sum(share.n * abs(share.value - predicted) for predicted, share in points) / total
    end = f"expected calibration error {formatted(error)[0]}"
    off = [
        (predicted, share)
        for predicted, share in points
        if share.low is not None
        and share.high is not None
        and not share.low <= predicted <= share.high
    ]
    if not off:
        single = len(points) == 1
        bins = "The one bin includes" if single else f"All {len(points)} bins include"
        return f"{bins} the diagonal in {'its interval' if single else 'their intervals'}; {end}."
    predicted, worst = max(off, key=lambda point: abs(point[1].value - point[0]))
    side = "too high" if worst.value < predicted else "too low"
    return (
        f"{len(off)} of {count(len(points), 'bin')} {'is' if len(off) == 1 else 'are'} off the "
        f"diagonal: predicted {predicted:.2f}, observed {score_text(worst)} ({side}); {end}."
    )
