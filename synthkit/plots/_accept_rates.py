"""The share of rows that people accepted, by prompt version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synthkit.core.types import Score
from synthkit.data import tables
from synthkit.plots import theme
from synthkit.plots.captions import comparison, label, score_text, sentence, thousands
from synthkit.plots.points import finite, share_score
from synthkit.plots.registry import plot

MOST_RUNS = 40
MOST_TICKS = 12
PROMPT_LENGTH = 80
ROOM = 88
"""Characters that all names below the points may have together."""


@dataclass(frozen=True, slots=True)
class AcceptRate:
    """The accept rate of one run: its prompt version, when it ran, and the share accepted."""

    version: str
    when: str
    share: Score


@plot("accept-rates")
def accept_rates(points: Any, *, caption: str = "") -> Any:
    """A plotly figure of the share of rows accepted, by prompt version, in the order of time.

    Points are in the order of the table, at equal distances, with their names below; those of one
    version have one colour and symbol and are joined. The last 40 are drawn.

    Parameters
    ----------
    points : a table with the columns ``version``, ``accepted`` and ``n``, and optionally ``when``
        (the text below a point) and ``prompt`` (for the figure's table).
    caption : whose marks they are, after the number of marked rows.

    Raises
    ------
    TableError
        If the table lacks a column.
    UsageError
        If more rows are accepted than there are.
    MissingExtra
        If plotly is not installed.

    Notes
    -----
    The summary compares the last version with the first, each with all its marks. That is a single
    comparison, which does not depend on the marks, so there is nothing to correct for.

    Examples
    --------
    >>> figure = accept_rates([{"version": "v1", "accepted": 8, "n": 20},
    ...                        {"version": "v2", "accepted": 18, "n": 20}])
    >>> [(trace.name, trace.y) for trace in figure.data]
    [('v1', (0.4,)), ('v2', (0.9,))]
    >>> theme.summary(figure)
    'v2 beats v1 by 0.50 [0.21, 0.70].'
    """
    rates = _rates(points)
    drawn = rates[-MOST_RUNS:]
    versions = list(dict.fromkeys(rate.version for rate in rates))
    figure = theme.new_figure()
    for version in dict.fromkeys(rate.version for rate in drawn):
        places = [at for at, rate in enumerate(drawn) if rate.version == version]
        shares = [drawn[at].share for at in places]
        theme.add_line(
            figure,
            versions.index(version),
            places,
            shares,
            marker={"size": 9},
            name=label(version),
            hovertext=[f"{label(version)}: {score_text(s)}, n = {s.n}" for s in shares],
            hoverinfo="text",
            showlegend=False,
        )
    _name_runs(figure, drawn, versions)
    figure.update_yaxes(range=[0, 1.02])
    parts = [
        f"n = {thousands(sum(r.share.n for r in rates))} marked rows; 95 % Wilson intervals",
        f"the last {MOST_RUNS} of {len(rates)} drawn" if len(rates) > MOST_RUNS else "",
        caption,
    ]
    prompts = _prompts(points)
    rows = [
        {"version": r.version, "when": r.when, "accepted": score_text(r.share), "n": r.share.n}
        | ({"prompt": prompts[r.version]} if prompts else {})
        for r in rates
    ]
    axes = ("prompt versions, in the order of time", "share accepted (0..1)")
    return theme.finish(figure, axes, parts, _summary(rates), rows, foot=2 * theme.LINE)


def _name_runs(figure: Any, drawn: Sequence[AcceptRate], versions: Sequence[str]) -> None:
    """Write version, time and number of rows below at most 12 of the points."""
    step = -(-len(drawn) // MOST_TICKS) or 1
    length = ROOM // max(1, -(-len(drawn) // step))
    figure.update_xaxes(
        range=[-0.5, max(len(drawn), 1) - 0.5],
        tickvals=list(range(0, len(drawn), step)),
        ticktext=[
            f"{theme.key(versions.index(rate.version), rate.version, length)}"
            f"<br>{label(rate.when, length)}<br>n = {rate.share.n}"
            for rate in drawn[::step]
        ],
        showgrid=False,
    )


def _rates(points: Any) -> list[AcceptRate]:
    """The accept rate of each row of the table that has marks."""
    cells = [tables.column(points, name) for name in ("version", "accepted", "n")]
    has_when = "when" in tables.columns(points)
    whens = tables.column(points, "when") if has_when else range(1, len(cells[0]) + 1)
    rates = []
    for at, (version, accepted, n, when) in enumerate(zip(*cells, whens, strict=True)):
        successes, total = (finite(cell, f"a count of row {at}") for cell in (accepted, n))
        rates.append(AcceptRate(str(version), str(when), share_score("accepted", successes, total)))
    return [rate for rate in rates if rate.share.n]


def _prompts(points: Any) -> dict[str, str]:
    """The beginning of each version's prompt, if the table has prompts."""
    if "prompt" not in tables.columns(points):
        return {}
    columns = (tables.column(points, name) for name in ("version", "prompt"))
    return {
        str(version): " ".join(str(text).split())[:PROMPT_LENGTH]
        for version, text in zip(*columns, strict=True)
    }


def _summary(rates: Sequence[AcceptRate]) -> str:
    """The last version against the first, each with all its marks together."""
    if not rates:
        return "No marks yet."
    counts: dict[str, tuple[float, int]] = {}
    for rate in rates:
        accepted, n = counts.get(rate.version, (0.0, 0))
        counts[rate.version] = accepted + rate.share.value * rate.share.n, n + rate.share.n
    shares = {
        version: share_score("accepted", min(accepted, n), n)
        for version, (accepted, n) in counts.items()
    }
    first, last = next(iter(shares)), list(shares)[-1]
    if len(shares) == 1:
        return f"{first}: {score_text(shares[first])} accepted, n = {shares[first].n}."
    text = comparison(last, shares[last], first, shares[first])
    best = max(shares, key=lambda version: shares[version].low or 0)
    if best not in (first, last):
        text += f"; {best} has the highest rate, {score_text(shares[best])}"
    return sentence(text)
