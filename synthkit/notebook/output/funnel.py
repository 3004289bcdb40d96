"""A funnel in the notebook: for each filter the rows in, the rows out, and why the others went."""

from __future__ import annotations

from collections.abc import Mapping

from synthkit.core.types import Curation
from synthkit.data import tables as tables
from synthkit.notebook.output.tables import Static, count, grid, thousands

MOST_REASONS = 3


def funnel(curation: Curation, *, name: str = "", bound: str = "") -> Static:
    """A curation as it stays in a notebook.

    >>> from synthkit.core.types import Stage
    >>> made = Curation([{"id": "a"}], [{"id": "b"}], (Stage("length", 2, 1, {"too short": 1}),))
    >>> funnel(made, name="reviews")
    filter  rows  kept  dropped  why
    length     2     1        1  1 × too short
    <BLANKLINE>
    reviews: 2 rows: 1 kept, 1 dropped
    """
    rows = [
        {
            "filter": stage.name,
            "rows": stage.rows,
            "kept": stage.kept,
            "dropped": stage.rows - stage.kept,
            "why": _why(stage.reasons),
        }
        for stage in curation.funnel
    ]
    kept, dropped = tables.size(curation.kept), tables.size(curation.dropped)
    told = f"{count(kept + dropped, 'row')}: {thousands(kept)} kept, {thousands(dropped)} dropped"
    return grid(rows, note="; ".join(filter(None, [f"{name}: {told}" if name else told, bound])))


def _why(reasons: Mapping[str, int]) -> str:
    counts = list(reasons.items())
    told = [f"{thousands(n)} × {reason}" for reason, n in counts[:MOST_REASONS]]
    rest = sum(n for _, n in counts[MOST_REASONS:])
    return ", ".join([*told, *([f"{thousands(rest)} × other reasons"] if rest else [])])
