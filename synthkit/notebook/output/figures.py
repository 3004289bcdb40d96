"""A figure in the notebook, and beneath it what it says and the table it was drawn from.

The figure is plotly's JSON, which by itself draws nothing on GitHub or in a file of nbconvert, and
in JupyterLab nothing without plotly's extension. (That extension keeps a PNG of what it has drawn
beside the JSON, of 25 to 60 KB.) So the reading and the table are an output of their own, which
stands everywhere.
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
INK = "var(--jp-content-font-color1, #777777)"
"""The colour of text where the theme has one; a figure by itself must do with one for all."""


@dataclass(frozen=True, slots=True)
class Plotted:
    """A figure of :mod:`synthkit.plots` as it is shown in a notebook.

    Parameters
    ----------
    figure : the plotly figure.

    Examples
    --------
    >>> Plotted(plots.balance({"yes": 30, "no": 30}))
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
        """The reading, and the table."""
        said = plots.summary(self.figure)
        rows = plots.rows(self.figure)
        more = plots.size(self.figure) - len(rows[:MOST_ROWS])
        rest = [count(more, "more row")] if more > 0 else []
        table = static_table(rows[:MOST_ROWS], note=plots.caption(self.figure), notes=rest)
        head = f'<p class="{STATIC_CLASS} {NO_MATHEMATICS}">{escape(said)}</p>'
        return StaticOutput(f"{said}\n\n{table.plain}", f"{head}\n{table.html}")

    @property
    def bundle(self) -> dict[str, Any]:
        """The figure as a front-end draws it; its text in the colour of the theme."""
        whole = json.loads(self.figure.to_json())
        whole["layout"].pop("meta", None)
        _inked(whole["layout"], whole["data"])
        return {PLOTLY: whole, "text/plain": "(a figure; what it shows is in the table)"}

    def _ipython_display_(self) -> None:
        display(self.bundle, raw=True)
        display(self.static)


def _inked(layout: dict[str, Any], traces: Sequence[dict[str, Any]]) -> None:
    """Give the texts the theme's colour, which plotly takes in the text alone."""
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
    for one in texts:
        # what has a colour of its own stands on a shade
        if one.get("text") and "color" not in one.get("font", {}):
            one["text"] = before + one["text"] + after
