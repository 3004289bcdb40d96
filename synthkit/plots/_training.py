"""Losses or rewards of a training against its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
FEW = 10
"""Most steps at each end of a training whose mean is compared: batches differ by chance."""
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
    ((3.0, 2.5),
     'The loss of the training rows fell from 3.000 (step 1) to 2.500 (step 2).')
    """
    entries = tables.records(log)
    if entries:
        tables.check_columns(log, ["step"])
    rewarded = any(entry.get(name) is not None for entry in entries for name in REWARDS.values())
    what, unit, series = ("reward", "", REWARDS) if rewarded else ("loss", " (nats)", LOSSES)
    figure = theme.new_figure()
    ends, values = [], []
    sentences: list[str] = []
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
        few = 1 if column.startswith("eval_") else FEW  # that of held-out rows is of all of them
        sentences.insert(0, _sentence(f"The {what} of the {name}", measured, few))
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
        figure, ("step", f"{what}{unit}"), parts, summary, list(rows.values()),
        first=list(series)[1], **options,
    )  # fmt: skip


def _sentence(subject: str, values: Mapping[int, float], few: int) -> str:
    """How values moved from the first steps to the last, by the mean of ``few`` of them at most."""
    steps = list(values)
    few = min(few, max(1, len(steps) // 2))
    (first, began), (last, ended) = (_mean(values, part) for part in (steps[:few], steps[-few:]))
    if first == last:
        return f"{subject} is {last:.3f} ({ended})."
    moved = "fell" if last < first else "rose"
    return f"{subject} {moved} from {first:.3f} ({began}) to {last:.3f} ({ended})."


def _mean(values: Mapping[int, float], steps: Sequence[int]) -> tuple[float, str]:
    mean = sum(values[step] for step in steps) / len(steps)
    if len(steps) == 1:
        return mean, f"step {steps[0]}"
    return mean, f"mean of steps {steps[0]} to {steps[-1]}"
