"""Losses or rewards of a training against its steps."""

from __future__ import annotations

from typing import Any

from synthkit.data import tables
from synthkit.plots import theme
from synthkit.plots.captions import count
from synthkit.plots.points import finite
from synthkit.plots.registry import plot

LOSSES = {"training rows": "loss", "held-out rows": "eval_loss"}
"""Name of a line -> the column with its values."""
REWARDS = {"training prompts": "reward", "held-out prompts": "eval_reward"}
"""Those of a training by rewards, whose loss does not say how good it is."""

WHOLE = 8
"""Up to so many steps, each is written below the axis."""


@plot("training")
def training(log: Any, *, caption: str = "") -> Any:
    """A plotly figure of the loss at each step, and of that of held-out rows; of grpo the reward.

    Parameters
    ----------
    log : a table with ``step`` and ``loss``, ``eval_loss`` or both, such as the ``log`` of a
        :class:`~synthkit.train.TrainedModel`; or with ``reward``, which is drawn instead.
    caption : method and seed, or how far the training is.

    Raises
    ------
    TableError
        If the table lacks ``step``.
    UsageError
        If a value is not finite.
    MissingExtra
        If plotly is not installed.

    Examples
    --------
    >>> figure = training([{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.5}])
    >>> figure.data[0].y, theme.summary(figure)
    ((3.0, 2.5), 'The loss of the training rows fell from 3.000 to 2.500.')
    """
    entries = tables.records(log)
    if entries:
        tables.check_columns(log, ["step"])
    rewarded = any(entry.get(name) is not None for entry in entries for name in REWARDS.values())
    what, unit, series = ("reward", "", REWARDS) if rewarded else ("loss", " (nats)", LOSSES)
    figure = theme.new_figure()
    ends, sentences, values = [], [], []
    for at, (name, column) in enumerate(series.items()):
        measured = {
            int(entry["step"]): finite(entry[column], f"{column!r} of step {entry['step']}")
            for entry in entries
            if entry.get(column) is not None
        }
        if not measured:
            continue
        drawn = [round(value, 5) for value in measured.values()]
        values += drawn
        hue, symbol = theme.style(at)
        figure.add_scatter(
            x=list(measured), y=drawn, mode="lines+markers", line={"color": hue, "width": 2},
            marker={"symbol": symbol, "size": 6}, name=name, showlegend=False,
        )  # fmt: skip
        ends.append((name, at, drawn[-1]))
        sentences.append(_sentence(what, name, drawn[0], drawn[-1]))
    options: dict[str, Any] = {}
    if values:
        room = (max(values) - min(values)) * 0.08 or 0.1
        span = (min(values) - room, max(values) + room)
        figure.update_yaxes(range=span)
        options = theme.name_lines(figure, ends, span)
    last = max((int(entry["step"]) for entry in entries), default=0)
    if last < WHOLE:  # else plotly writes halves of steps
        figure.update_xaxes(dtick=1)
    shown = {
        column: name for name, column in series.items() if any(column in entry for entry in entries)
    }
    rows: dict[int, dict[str, Any]] = {}
    for entry in entries:
        row = rows.setdefault(int(entry["step"]), dict.fromkeys(["step", *shown.values()], ""))
        row["step"] = int(entry["step"])
        row |= {
            name: round(entry[column], 4)
            for column, name in shown.items()
            if entry.get(column) is not None
        }
    parts = [f"n = {count(last, 'step')}", caption]
    summary = " ".join(sentences) or "No losses yet."
    return theme.finish(
        figure, ("step", f"{what}{unit}"), parts, summary, list(rows.values()), **options
    )


def _sentence(what: str, name: str, first: float, last: float) -> str:
    if first == last:
        return f"The {what} of the {name} is {last:.3f}."
    moved = "fell" if last < first else "rose"
    return f"The {what} of the {name} {moved} from {first:.3f} to {last:.3f}."
