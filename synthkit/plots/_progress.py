"""How far each student of a class has come, and how often the others agree."""

from __future__ import annotations

from typing import Any

from synthkit.core.types import Score
from synthkit.data import tables
from synthkit.plots import theme
from synthkit.plots.captions import count, labels, score_text
from synthkit.plots.points import finite, share_score
from synthkit.plots.registry import plot

MOST_STUDENTS = 40
NEEDED = ("student", "marked", "assigned", "agrees", "n")


@plot("progress")
def progress(table: Any, *, caption: str = "") -> Any:
    """A plotly figure of the share of assigned rows that each student has marked.

    A diamond is the share of rows on which the student agrees with most others, with its Wilson
    interval. The first 40 students are drawn.

    Parameters
    ----------
    table : what ``%synth class dashboard`` binds: the columns ``student``, ``marked``,
        ``assigned``, ``agrees`` (a share, NaN if it is not known) and ``n`` (its rows).
    caption : text after the number of students.

    Raises
    ------
    TableError
        If the table lacks a column.
    MissingExtra
        If plotly is not installed.

    Examples
    --------
    >>> rows = [{"student": "Bo", "marked": 3, "assigned": 4, "agrees": 0.5, "n": 2}]
    >>> figure = progress(rows)
    >>> figure.data[0].x, figure.data[1].x
    ((0.75,), (0.5,))
    >>> theme.summary(figure)
    '0 of 1 student marked all rows; the fewest: Bo, 3 of 4.'
    """
    tables.check_columns(table, NEEDED)
    rows = [{name: row[name] for name in NEEDED} for row in tables.records(table)]
    drawn = rows[:MOST_STUDENTS]
    names = labels([str(row["student"]) for row in drawn], 24)
    figure = theme.new_figure()
    done = [_share(row) for row in drawn]
    figure.add_bar(
        x=[round(share, 5) for share in done],
        y=names,
        orientation="h",
        marker=theme.BAR,
        name="marked",
        hovertext=[f"{row['student']}: {row['marked']} of {row['assigned']}" for row in drawn],
        hoverinfo="text",
    )
    known = [
        (name, score) for name, row in zip(names, drawn, strict=True) if (score := _agrees(row))
    ]
    scores = [score for _, score in known]
    figure.add_scatter(
        x=[round(score.value, 5) for score in scores],
        y=[name for name, _ in known],
        mode="markers",
        marker={"symbol": "diamond", "size": 8, "color": theme.HUES[1]},
        error_x=theme.whiskers(scores, color=theme.HUES[1]),
        name="agrees with most others",
        hovertext=[f"{name}: {score_text(score)}" for name, score in known],
        hoverinfo="text",
    )
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False)
    figure.update_xaxes(range=[0, 1.02])
    hidden = f"the first {MOST_STUDENTS} are drawn" if len(rows) > MOST_STUDENTS else ""
    parts = [count(len(rows), "student"), "95 % Wilson intervals", hidden, caption]
    shown = [
        {"student": str(row["student"]), "marked": f"{row['marked']} of {row['assigned']}",
         "agrees": score_text(score) if (score := _agrees(row)) else "–", "n": row["n"]}
        for row in rows
    ]  # fmt: skip
    return theme.finish(
        figure,
        ("share of rows (0..1)", ""),
        parts,
        _summary(rows),
        shown,
        height=max(theme.HEIGHT, 160 + 18 * len(drawn)),
    )


def _share(row: dict[str, Any]) -> float:
    return finite(row["marked"] / row["assigned"], "a share") if row["assigned"] else 1.0


def _agrees(row: dict[str, Any]) -> Score | None:
    return share_score("agrees", round(row["agrees"] * row["n"]), row["n"]) if row["n"] else None


def _summary(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "No students."
    done = sum(row["marked"] >= row["assigned"] for row in rows)
    whole = f"{done} of {count(len(rows), 'student')} marked all rows"
    if done == len(rows):
        return f"{whole}."
    last = min(rows, key=_share)
    return f"{whole}; the fewest: {last['student']}, {last['marked']} of {last['assigned']}."
