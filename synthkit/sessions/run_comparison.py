"""Comparison of two runs, or of two named tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthkit.core.errors import TableError, UsageError, unknown
from synthkit.core.request_diff import differences
from synthkit.curate.marks.history import current_marks
from synthkit.evaluate.views.word_diff import Change, changes
from synthkit.sessions.evaluations import find_by_rows
from synthkit.sessions.named_tables import NamedTable, read_all
from synthkit.sessions.score_comparison import compare_scores
from synthkit.stats.intervals import wilson
from synthkit.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonSide:
    """One of the two runs or tables of a comparison.

    Parameters
    ----------
    label : ``"run 3"``, or the name of a table that no run returned.
    name : of the table.
    run : as :meth:`RunTable.all` gives it; ``None`` for a table that no run returned.
    ids : of its rows; ``None`` if they are not known.
    accepted, judged : rows with more marks that accept than reject, among rows without a tie.
    interval : Wilson's 95 % interval of ``accepted / judged``.
    """

    label: str
    name: str
    run: Mapping[str, Any] | None
    ids: frozenset[str] | None
    accepted: int
    judged: int
    interval: tuple[float, float]

    @property
    def rate(self) -> float | None:
        """Share of judged rows that are accepted, 0 to 1; ``None`` if no row was judged."""
        return self.accepted / self.judged if self.judged else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How two runs or tables differ.

    Parameters
    ----------
    fields : (field, value of a, value of b) for each difference in model, sampling or schema.
    prompt : the changes that turn the prompt of ``a`` into that of ``b``; ``None`` if a prompt is
        not known, or is too long to compare.
    common, only_a, only_b : row ids.
    scores : rows of :func:`~synthkit.sessions.score_comparison.compare_scores`.
    """

    a: ComparisonSide
    b: ComparisonSide
    fields: tuple[tuple[str, Any, Any], ...]
    prompt: tuple[Change, ...] | None
    common: frozenset[str]
    only_a: frozenset[str]
    only_b: frozenset[str]
    scores: tuple[tuple[Any, ...], ...] = ()

    def __repr__(self) -> str:
        rows = f"{len(self.common)} rows in common"
        rows += f", {len(self.only_a)} only in {self.a.label}, {len(self.only_b)} only in "
        fields = ", ".join(name for name, _, _ in self.fields)
        return f"Comparison({rows}{self.b.label}; differ in: {fields or 'nothing known'})"


def compare(store: Store, folder: Path, a: int | str, b: int | str) -> Comparison:
    """Compare two runs by number, or by the name of their table: then it is the newest run.

    Raises
    ------
    UsageError
        If there is no run of that number.
    TableError
        If there is neither a run nor a table of that name.
    """
    runs = {run["run"]: run for run in store.runs.all()}
    tables = {table.name: table for table in read_all(store, folder)}
    first, second = (_side(store, runs, tables, which) for which in (a, b))
    pieces = None
    if first.run and second.run:
        pieces = changes(first.run["prompt"], second.run["prompt"])
    a_ids, b_ids = first.ids or frozenset(), second.ids or frozenset()
    a_scores, b_scores = find_by_rows(store, first.ids), find_by_rows(store, second.ids)
    return Comparison(
        a=first,
        b=second,
        fields=_fields(store, first, second),
        prompt=None if pieces is None else tuple(pieces),
        common=a_ids & b_ids,
        only_a=a_ids - b_ids,
        only_b=b_ids - a_ids,
        scores=tuple(compare_scores(a_scores, b_scores)) if a_scores and b_scores else (),
    )


def count_accepted(store: Store, ids: Iterable[str]) -> tuple[int, int]:
    """(accepted, judged) rows by the majority of their current marks; a tie judges nothing.

    The second blind round does not count: it only measures how reliable the first one is.
    """
    votes: Counter[str] = Counter()
    for mark in current_marks(store.marks.for_rows(ids)).values():
        if mark.round == 1 and mark.label in ("accept", "reject"):
            votes[mark.id] += 1 if mark.label == "accept" else -1
    judged = [vote for vote in votes.values() if vote]
    return sum(vote > 0 for vote in judged), len(judged)


def _side(
    store: Store,
    runs: dict[int, dict[str, Any]],
    tables: Mapping[str, NamedTable],
    which: int | str,
) -> ComparisonSide:
    run: dict[str, Any] | None
    if isinstance(which, int):
        if which not in runs:
            numbers = f"from {min(runs)} to {max(runs)}" if runs else "but there is none yet"
            raise UsageError(f"no run {which}; expected the number of a run, {numbers}.")
        run = runs[which]
    else:
        run = next((run for run in reversed(runs.values()) if run["name"] == which), None)
        if run is None and which not in tables:
            names = dict.fromkeys([*tables, *(run["name"] for run in runs.values() if run["name"])])
            raise TableError(unknown("table", which, names))
    name = run["name"] if run else str(which)
    ids = _row_ids(store, run, tables.get(name))
    accepted, judged = count_accepted(store, ids or ())
    return ComparisonSide(
        label=f"run {run['run']}" if run else name,
        name=name,
        run=run,
        ids=ids,
        accepted=accepted,
        judged=judged,
        interval=wilson(accepted, judged),
    )


def _row_ids(
    store: Store, run: Mapping[str, Any] | None, table: NamedTable | None
) -> frozenset[str] | None:
    rows = store.runs.rows(run["run"]) if run else None
    if rows:
        return frozenset(rows.ids)
    if table is not None and (run is None or table.run == run["run"]):
        return frozenset(table.row_ids)
    return frozenset() if run and not run["rows"] else None


def _fields(store: Store, a: ComparisonSide, b: ComparisonSide) -> tuple[tuple[str, Any, Any], ...]:
    """Differences between the first requests, except in user and assistant turns, as rows vary."""
    fields: list[tuple[str, Any, Any]] = []
    a_request, b_request = _first_request(store, a), _first_request(store, b)
    if a_request and b_request:
        fields = [
            field
            for field in differences(a_request, b_request)
            if field[0].partition(" ")[0] not in ("user", "assistant", "index")
        ]
    if a.run and b.run and a.run["model"] != b.run["model"]:
        fields.insert(0, ("model's label", a.run["model"], b.run["model"]))
    return tuple(fields)


def _first_request(store: Store, side: ComparisonSide) -> Mapping[str, Any] | None:
    rows = store.runs.rows(side.run["run"]) if side.run else None
    ids = [*rows.ids, *rows.reject_ids] if rows else sorted(side.ids or ())
    completions = store.completions.for_row(ids[0]) if ids else []
    return completions[0].request if completions else None
