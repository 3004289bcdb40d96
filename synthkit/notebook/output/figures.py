"""Figures in a notebook: plotly's JSON, then a summary and the table that was drawn.

GitHub and nbconvert draw nothing from plotly's JSON, nor does JupyterLab without plotly's
extension (which saves a PNG of 25 to 60 KB beside the JSON). So the summary and the table are an
output of their own, which is shown everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from IPython.display import display

from synthkit import plots
from synthkit.core.formatting import count
from synthkit.core.static_output import NO_MATHEMATICS, STATIC_CLASS, StaticOutput, static_table

PLOTLY = "application/vnd.plotly.v1+json"
MOST_ROWS = 20
"""Rows of the table below a figure."""
INK = "var(--jp-content-font-color1, #777777)"
"""The colour of text: the theme's, or a grey that both light and dark themes show."""


@dataclass(frozen=True, slots=True)
class FigureOutput:
    """A figure of :mod:`synthkit.plots` as a notebook shows it.

    Parameters
    ----------
    figure : the plotly figure.

    Examples
    --------
    >>> FigureOutput(plots.balance({"yes": 30, "no": 30}))
    None of 2 labels differs significantly from its target.
    <BLANKLINE>
    label   n  share              target
    yes    30  0.50 [0.38, 0.62]     0.5
    no     30  0.50 [0.38, 0.62]     0.5
    <BLANKLINE>
    n = 60 rows; 95 % Wilson intervals; vertical mark: target, equal for all labels
    """

    figure: Any

    def __repr__(self) -> str:
        return self.static.plain

    @property
    def static(self) -> StaticOutput:
        """The summary and the table."""
        summary = plots.summary(self.figure)
        rows = plots.rows(self.figure, MOST_ROWS)
        more = plots.size(self.figure) - len(rows)
        rest = [count(more, "more row")] if more > 0 else []
        table = static_table(rows, note=plots.caption(self.figure), notes=rest)
        head = f'<p class="{STATIC_CLASS} {NO_MATHEMATICS}">{escape(summary)}</p>'
        return StaticOutput(f"{summary}\n\n{table.plain}", f"{head}\n{table.html}")

    @property
    def bundle(self) -> dict[str, Any]:
        """The figure as a front end draws it, with its text in the theme's colour."""
        spec = json.loads(self.figure.to_json())
        spec["layout"].pop("meta", None)
        _colour_text(spec["layout"], spec["data"])
        return {PLOTLY: spec, "text/plain": "(a figure; its data are in the table)"}

    def _ipython_display_(self) -> None:
        display(self.bundle, raw=True)
        display(self.static)


def _colour_text(layout: dict[str, Any], traces: Sequence[dict[str, Any]]) -> None:
    """Colour texts by the theme; plotly takes a CSS variable only within the text."""
    before, after = f'<span style="color:{INK}">', "</span>"
    texts = [layout.get("title", {}), *layout.get("annotations", ())]
    for name, axis in layout.items():
        if name.startswith(("xaxis", "yaxis")):
            texts.append(axis.get("title", {}))
            if "ticktext" in axis:
                axis["ticktext"] = [before + tick + after for tick in axis["ticktext"]]
            else:
                axis |= {"tickprefix": before, "ticksuffix": after}
    for trace in traces:
        if trace.get("showlegend") and "name" in trace:
            trace["name"] = before + trace["name"] + after
        if trace.get("showscale"):
            bar = trace.setdefault("colorbar", {})
            texts.append(bar.get("title", {}))
            bar |= {"tickprefix": before, "ticksuffix": after}
    for text in texts:
        # a text with a colour of its own lies on a coloured area
        if text.get("text") and "color" not in text.get("font", {}):
            text["text"] = before + text["text"] + after
