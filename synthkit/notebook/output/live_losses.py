"""The losses of a training while it runs: HTML that is drawn again and again, then a figure.

JupyterLab's extension of plotly draws a figure once, and ignores every update of it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from html import escape
from typing import Any

from IPython.display import display

from synthkit import plots
from synthkit.core.environment import interactive
from synthkit.core.formatting import rounded, thousands
from synthkit.core.static_output import StaticOutput
from synthkit.notebook.output.figures import INK, FigureOutput
from synthkit.plots.theme import GRID
from synthkit.train.progress import Listener, Progress, line

PERIOD_SECONDS = 1.0
"""Losses are drawn again after so long at the earliest."""
WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 500, 24, 256
"""The sides of the plot within the drawing; at its right are the names of the lines."""
LINES = 4
"""Horizontal lines of the grid, above the lowest."""
DOTS = {"circle": "m-3,0a3,3,0,1,0,6,0a3,3,0,1,0-6,0", "square": "m-3-3h6v6h-6z"}
"""Symbol of a line -> its shape."""


class LiveLosses:
    """A listener that shows a training while it runs; an error in its block says that it stopped.

    In a terminal it is one line, as in Python; if no person sees the output, nothing is shown.

    Parameters
    ----------
    name : of the model.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.told: Progress | None = None
        """What was told last; ``None`` if nothing is trained, since that was done before."""
        self._started = time.strftime("%H:%M:%S")
        self._drawn = 0.0
        self._place: Any = None
        self._closing = ExitStack()
        self._line: Listener | None = None

    def __enter__(self) -> LiveLosses:
        if not interactive():
            self._line = self._closing.enter_context(line())
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._closing.close()
        if kind and self._place and self.told:
            at = f"step {self.told.step} of {self.told.steps}"
            self._show(frame(f"{self.name}: stopped at {at}" if self.told.steps else "", self.told))

    def __call__(self, progress: Progress) -> None:
        """Draw the losses so far, unless that was done a moment ago."""
        self.told = progress
        if self._line:
            self._line(progress)
        elif time.monotonic() - self._drawn >= PERIOD_SECONDS:
            self._show(frame(f"{self.name}: {progress.text}, started {self._started}", progress))
            self._drawn = time.monotonic()

    def finish(self, log: Sequence[dict[str, Any]], caption: str) -> Any:
        """Draw the figure in place of what was shown; returns the output that is left to show."""
        output = FigureOutput(plots.training(log, caption=caption))
        if self._place is None:
            return output
        self._place.update(output.bundle, raw=True)
        return output.static

    def _show(self, output: StaticOutput) -> None:
        if self._place is None:
            self._place = display(output, display_id=True)
        else:
            self._place.update(output)


def frame(text: str, progress: Progress) -> StaticOutput:
    """The losses so far as a drawing, with a line of text below it.

    >>> frame("x: preparing", Progress(0, 0, (), None)).html
    '<p>x: preparing</p>'
    """
    drawing = _drawing(progress) if progress.log else ""
    return StaticOutput(text, f"{drawing}<p>{escape(text)}</p>")


def _drawing(progress: Progress) -> str:
    """An SVG image of the lines that :func:`synthkit.plots.training` has, up to the last step."""
    figure = plots.training(progress.log)
    low, high = figure.layout.yaxis.range
    steps = max(progress.steps, 1)

    def across(step: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * step / steps, 1)

    def down(value: float) -> float:
        return BOTTOM - round((BOTTOM - TOP) * float((value - low) / (high - low)), 1)

    parts = [
        _text((LEFT + RIGHT) / 2, BOTTOM + 36, figure.layout.xaxis.title.text, "middle"),
        _text(LEFT - 40, TOP - 10, figure.layout.yaxis.title.text, "start"),
    ]
    for at in range(LINES + 1):
        value = low + (high - low) * at / LINES
        parts.append(f'<path d="M{LEFT},{down(value)}H{RIGHT}" stroke="{GRID}"/>')
        parts.append(_text(LEFT - 6, down(value) + 4, rounded(value), "end"))
    ticks = dict.fromkeys((0, steps // 2, steps))
    parts += [_text(across(at), BOTTOM + 18, thousands(at), "middle") for at in ticks]
    for trace in figure.data:
        points = [(across(x), down(y)) for x, y in zip(trace.x, trace.y, strict=True)]
        path = "L".join(f"{x},{y}" for x, y in points)
        hue, dot = trace.line.color, DOTS[trace.marker.symbol]
        dots = "".join(f"M{x},{y}{dot}" for x, y in points)
        parts.append(f'<path d="M{path}" stroke="{hue}" stroke-width="2" fill="none"/>')
        parts.append(f'<path d="{dots}" fill="{hue}"/>')
    for name in figure.layout.annotations:
        text = name.text.replace("span", "tspan").replace("color:", "fill:")
        parts.append(_text(RIGHT + 8, down(name.y) + 4, text, "start"))
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" style="max-width:100%"'
    return f"<svg {box}>{''.join(parts)}</svg>"


def _text(x: float, y: float, markup: str, anchor: str) -> str:
    style = f"fill:{INK};font-size:12px"
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" style="{style}">{markup}</text>'
