"""Whether probabilities can be believed: how often came true what was said to be so likely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.data import tables as tables
from synthkit.plots import theme
from synthkit.plots.captions import counted, interval, written
from synthkit.plots.registry import plot
from synthkit.plots.theme import HUES, INK, spaced
from synthkit.stats.intervals import wilson

MOST_WRITTEN = 14
MOST_BINS = 500
COLUMNS = ("predicted", "share", "n", "low", "high")


def binned(
    probabilities: Sequence[float], outcomes: Sequence[Any], *, bins: int = 10, level: float = 0.95
) -> Any:
    """The bins of a reliability diagram, of one width; empty ones are left out.

    Parameters
    ----------
    probabilities : (n,) of an outcome, 0..1.
    outcomes : (n,) whether it came true: true or false, 1 or 0.
    bins : how many, up to 500.
    level : of the Wilson intervals.

    Returns
    -------
    DataFrame
        ``predicted`` (mean probability), ``share`` (that came true), ``n``, ``low``, ``high``.

    Raises
    ------
    UsageError
        If a probability is not from 0 to 1, an outcome is no truth value, or there are not equally
        many of both.

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
    held: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for at, (said, came) in enumerate(zip(probabilities, outcomes, strict=True)):
        p = theme.number(said, f"the probability of row {at}")
        if not 0 <= p <= 1:
            raise UsageError(f"expected a probability from 0 to 1 in row {at}; got {p}.")
        if came not in (0, 1):
            raise UsageError(f"expected true or false as the outcome of row {at}; got {came!r}.")
        held[min(int(p * bins), bins - 1)].append((p, bool(came)))
    rows = []
    for own in filter(None, held):
        true, n = sum(came for _, came in own), len(own)
        rows.append((sum(p for p, _ in own) / n, true / n, n, *wilson(true, n, level)))
    return tables.build({name: [row[at] for row in rows] for at, name in enumerate(COLUMNS)})


@plot("reliability")
def reliability(bins: Any, *, what: str = "the outcome", caption: str = "") -> Any:
    """A plotly reliability diagram: how often came true what was said to be so likely.

    On the diagonal it did as often as was said; below it the probabilities are too high. Above
    each point stands the number of rows in its bin.

    Parameters
    ----------
    bins : a table with the columns ``predicted``, ``share``, ``n``, ``low`` and ``high``, all 0..1
        but for ``n``: that of :func:`binned`.
    what : came true, for the axes: ``"accept"``.
    caption : of which model, on which rows; the number of rows stands before it.

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
    The expected calibration error is the mean over rows of how far share and prediction of the bin
    are apart: M. P. Naeini et al. (2015), Obtaining well calibrated probabilities using Bayesian
    binning, AAAI; C. Guo et al. (2017), arXiv 1706.04599, equation 3. It is above 0 by chance alone
    where bins have few rows.

    Examples
    --------
    >>> figure = reliability(binned([0.2] * 10 + [0.9] * 40, [False] * 8 + [True] * 42))
    >>> [round(x, 2) for x in figure.data[0].x], [round(y, 2) for y in figure.data[0].y]
    ([0.2, 0.9], [0.2, 1.0])
    >>> theme.reading(figure)
    '1 of 2 bins is off the diagonal: 0.90 is too low, 1.00 [0.91, 1.00] came true; expected
    calibration error 0.08.'
    """
    points = []
    for at, row in enumerate(zip(*(tables.column(bins, name) for name in COLUMNS), strict=True)):
        said, share, n = (theme.number(one, f"a cell of row {at}") for one in row[:3])
        score = Score(name="share", value=share, low=row[3], high=row[4], n=int(n))
        points.append((said, theme.checked(score, f"row {at}")))
    points.sort(key=lambda point: point[0])
    found = [score for _, score in points]
    figure = theme.plotly().Figure()
    figure.add_shape(
        type="line",
        x0=0,
        y0=0,
        x1=1,
        y1=1,
        layer="below",
        line={"color": INK, "width": 1.5, "dash": "dot"},
    )
    figure.add_trace(
        theme.plotly().Scatter(
            x=[round(said, 5) for said, _ in points],
            y=[round(score.value, 5) for score in found],
            error_y=theme.whiskers(found),
            mode="lines+markers",
            line={"color": HUES[0], "width": 1.5},
            marker={"size": 8},
            hovertemplate="said %{x:.2f}, came true %{y:.2f}<extra></extra>",
            showlegend=False,
        )
    )
    figure.update_xaxes(range=[-0.03, 1.03], dtick=0.2)
    figure.update_yaxes(range=[-0.02, 1.14], dtick=0.2)
    for said, score in points if len(points) <= MOST_WRITTEN else []:
        figure.add_annotation(
            x=said,
            y=1.02,
            yanchor="bottom",
            showarrow=False,
            text=spaced(score.n),
            font={"size": 11},
        )
    total = sum(score.n for score in found)
    told = [
        f"n = {spaced(total)} rows in {counted(len(points), 'bin')}",
        "at the top: rows of each; dotted: as often as said",
        caption,
    ]
    rows = [{"said": round(p, 3), "came true": interval(s), "n": s.n} for p, s in points]
    axes = (f"predicted probability of {what} (0..1)", f"share of {what} (0..1)")
    return theme.laid_out(figure, axes, told, _believed(points), rows)


def _believed(points: Sequence[tuple[float, Score]]) -> str:
    """How many bins are off the diagonal, the worst of them, and the calibration error."""
    total = sum(score.n for _, score in points)
    if not total:
        return "No rows."
    error = sum(score.n * abs(score.value - said) for said, score in points) / total
    end = f"expected calibration error {written(error)[0]}"
    off = [
        (said, s)
        for said, s in points
        if s.low is not None and s.high is not None and not s.low <= said <= s.high
    ]
    if not off:
        bins = f"All {len(points)} bins have" if len(points) > 1 else "The one bin has"
        held = "their intervals" if len(points) > 1 else "its interval"
        return f"{bins} the diagonal in {held}; {end}."
    said, worst = max(off, key=lambda point: abs(point[1].value - point[0]))
    way = "too high" if worst.value < said else "too low"
    be = "is" if len(off) == 1 else "are"
    return (
        f"{len(off)} of {counted(len(points), 'bin')} {be} off the diagonal: {said:.2f} is {way}, "
        f"{interval(worst)} came true; {end}."
    )
