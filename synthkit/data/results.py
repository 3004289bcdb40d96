"""Results that hold tables: the run of a generation, and the curation of a table.

Each shows itself in a notebook as a static table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from synthkit.core.formatting import count, money, thousands
from synthkit.core.models import Ledger
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.data import tables

MAX_COLUMNS = 12
"""Columns that the static table of a run shows."""
MAX_REASONS = 8
"""Reasons for rejects that are listed; the others are summed up."""
STAGE_REASONS = 3
"""Reasons for dropped rows that are listed for each filter."""


@dataclass(frozen=True, slots=True)
class Run:
    """The result of a generation: three tables of one kind, and the ledger.

    ``table`` has ``id``, the template fields and the output columns; ``rejects`` has ``id``, the
    fields, ``raw`` and ``reason``; ``pending`` has ``id``, the fields and ``reason``. A column of
    the rows with one of these names is kept under another: ``reason_2``. The ``id`` of a row, if it
    has one, is the ``parent`` of the rows made from it.
    """

    table: Any
    rejects: Any
    pending: Any
    ledger: Ledger

    def __repr__(self) -> str:
        parts = [f"{len(self.table)} rows", f"{len(self.rejects)} rejects"]
        parts.append(f"{len(self.pending)} pending")
        parts.append(f"{self.ledger.requests} requests, {self.ledger.hits} cached")
        parts += [f"{self.ledger.truncated} cut at max_tokens"] if self.ledger.truncated else []
        return f"Run({'; '.join(parts)})"

    def wait(self, seconds: float | None = None) -> Run:
        """This run: ``NAME_run`` of a cell with ``--background`` becomes it at the end."""
        return self

    def stop(self) -> None:
        """Do nothing, since the run has ended."""

    def _repr_html_(self) -> str:
        return run_summary(self).html


@dataclass(frozen=True, slots=True)
class Stage:
    """The effect of one filter: the rows it received, the rows it kept, and why others went.

    ``reasons`` counts the dropped rows by the kind of reason, the most frequent first.
    """

    name: str
    rows: int
    kept: int
    reasons: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Curation:
    """The rows that a curation kept and dropped, as two tables of the kind it received.

    ``kept`` has the columns of the table; ``dropped`` has those and ``why``, the reason in words,
    and, where filters decided, ``filter``, the name of the filter. ``funnel`` has a
    :class:`Stage` for each filter, in the order in which they were applied. In ``dropped``, a
    column ``why`` or ``filter`` of the table is kept as ``why_2`` or ``filter_2``.
    """

    kept: Any
    dropped: Any
    funnel: tuple[Stage, ...] = ()

    def __repr__(self) -> str:
        return f"Curation({len(self.kept)} kept, {len(self.dropped)} dropped)"

    def _repr_html_(self) -> str:
        return curation_summary(self).html


def run_summary(run: Run, *, name: str = "", model: str = "", rows: int = 8) -> StaticOutput:
    """The first rows of a run, a line of totals, and the reasons for rejects.

    It shows no speed and no time, so that two runs with the same rows look alike.

    Parameters
    ----------
    name : the variable that holds the table.
    model : the model's name.
    rows : how many rows to show.

    Examples
    --------
    >>> import pandas as pd
    >>> none = pd.DataFrame({"id": [], "reason": []})
    >>> table = pd.DataFrame({"id": ["8f3a"], "topic": ["bread"], "text": ["Still warm."]})
    >>> run = Run(table, none, none, Ledger(requests=1, completion_tokens=15, cost=0.0))
    >>> run_summary(run, name="reviews", model="smollm2 nf4")
    topic  text
    bread  Still warm.
    <BLANKLINE>
    reviews: 1 row, 0 cached, 1 generated   smollm2 nf4   15 tokens   $0
    """
    # ids are for tracing a row, not for reading
    names = [key for key in tables.columns(run.table) if key not in {"id", "parent"}]
    names = names or tables.columns(run.table)
    first = tables.head(run.table, rows)
    rest, hidden = tables.size(run.table) - len(first), len(names[MAX_COLUMNS:])
    more = [count(rest, "more row") + (f" in {name}" if name else "")] if rest else []
    more += [count(hidden, "more column")] if hidden else []
    rejects, pending = tables.size(run.rejects), tables.size(run.pending)
    totals = run_totals(
        run.ledger, rows=tables.size(run.table), rejects=rejects, pending=pending, model=model
    )
    reasons = Counter(map(str, tables.column(run.rejects, "reason"))) if rejects else Counter()
    notes = [f"{thousands(times)} rejected: {reason}" for reason, times in _ranked(reasons)]
    if run.ledger.estimated:
        notes.append(
            f"the model reported no tokens for {count(run.ledger.estimated, 'answer')}, so they "
            "are estimated by length"
        )
    if pending or run.ledger.stopped:
        # not within parentheses
        why, *others = re.split(r"; (?![^(]*\))", run.ledger.stopped)
        notes += [": ".join(filter(None, [f"{thousands(pending)} pending", why])), *others]
    notes += _moved(tables.columns(run.table), ("id", "parent"))
    columns = tables.columns(run.rejects)
    notes += _moved(columns, ("raw", "reason"), of="the rejects") if rejects else []
    return static_table(
        first, columns=names[:MAX_COLUMNS], more=more, name=name, note=totals, notes=notes
    )


def _moved(columns: Sequence[str], names: Sequence[str], of: str = "the table") -> list[str]:
    """Notes on columns of the user that have a number, since ``names`` are taken in a table."""
    return [
        f"your column {name!r} is {other!r} in {of}"
        for name in names
        for other in columns
        if name in columns and re.fullmatch(rf"{name}_\d+", other)
    ]


def run_totals(ledger: Ledger, *, rows: int, rejects: int, pending: int, model: str) -> list[str]:
    """The parts of a run's line of totals: rows, cached and generated, model, tokens and cost.

    Tokens count the prompts and completions of this run, without cached completions; ``about`` if
    the model did not report them for all.

    Examples
    --------
    >>> ledger = Ledger(requests=14, hits=26, completion_tokens=612, cost=0.0)
    >>> "   ".join(run_totals(ledger, rows=40, rejects=0, pending=0, model="smollm2 nf4"))
    '40 rows, 26 cached, 14 generated   smollm2 nf4   612 tokens   $0'
    """
    counts = [count(rows, "row")]
    counts += [count(rejects, "reject")] if rejects else []
    counts += [f"{thousands(pending)} pending"] if pending else []
    if ledger.hits + ledger.answers > rows + rejects + pending:  # several completions for a row
        counts.append(f"{count(ledger.hits, 'completion')} cached")
        counts.append(f"{thousands(ledger.answers)} generated")
    else:
        counts.append(f"{thousands(ledger.hits)} cached")
        generated = min(ledger.requests, max(0, rows + rejects - ledger.hits))
        counts.append(f"{thousands(generated)} generated")  # fewer where one answer has many rows
    counts += [count(ledger.repairs, "repair")] if ledger.repairs else []
    counts += [f"{thousands(ledger.truncated)} cut at max_tokens"] if ledger.truncated else []
    about = "about " if ledger.estimated else ""
    tokens = about + count(ledger.prompt_tokens + ledger.completion_tokens, "token")
    cost = "" if ledger.cost is None else (about if ledger.cost else "") + money(ledger.cost)
    return [part for part in (", ".join(counts), model, tokens, cost) if part]


def curation_summary(curation: Curation, *, name: str = "", bound: str = "") -> StaticOutput:
    """The funnel of a curation: for each filter the rows in, the rows kept, and the reasons.

    >>> stages = (Stage("length", 2, 1, {"too short": 1}),)
    >>> curation_summary(Curation([{"id": "a"}], [{"id": "b"}], stages), name="reviews")
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
            "why": _stage_reasons(stage.reasons),
        }
        for stage in curation.funnel
    ]
    kept, dropped = len(curation.kept), len(curation.dropped)
    counts = f"{count(kept + dropped, 'row')}: {thousands(kept)} kept, {thousands(dropped)} dropped"
    note = "; ".join(filter(None, [f"{name}: {counts}" if name else counts, bound]))
    columns = getattr(curation.dropped, "column_names", None) or tables.columns(curation.dropped)
    notes = _moved(columns, ("filter", "why"), of="the dropped rows") if dropped else []
    return static_table(rows, note=note, notes=notes)


def _stage_reasons(reasons: Mapping[str, int]) -> str:
    counts = list(reasons.items())
    parts = [f"{thousands(n)} × {reason}" for reason, n in counts[:STAGE_REASONS]]
    rest = sum(n for _, n in counts[STAGE_REASONS:])
    return ", ".join([*parts, *([f"{thousands(rest)} × other reasons"] if rest else [])])


def _ranked(reasons: Counter[str]) -> list[tuple[str, int]]:
    """Reasons and their counts, the most frequent first, the rare ones summed up."""
    # ties are ordered by text: the order of arrival differs between runs
    ranked = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    tail = ranked[MAX_REASONS:]
    if not tail:
        return ranked
    other = (f"{count(len(tail), 'other reason')}", sum(times for _, times in tail))
    return [*ranked[:MAX_REASONS], other]
