"""Comparison: two runs, or two kept tables, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthkit.core.errors import TableError, UsageError, unknown
from synthkit.core.request_diff import differences
from synthkit.curate.marks.history import standing
from synthkit.evaluate.views.word_diff import Change, changes
from synthkit.sessions.evaluations import apart, of_rows
from synthkit.sessions.inventory import Shelved, shelved
from synthkit.stats.intervals import wilson
from synthkit.store.store import Store

LEDGER = ("requests", "hits", "rejects", "prompt_tokens", "completion_tokens", "seconds", "cost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two things that are compared.

    ``run`` is its run, as :meth:`Store.runs` gives it, and ``None`` for a table that no run made.
    ``ids`` are those of its rows, ``None`` where they are not known. ``accepted`` of ``judged``
    rows have more marks that accept than reject; ``interval`` is Wilson's, at 95 %.
    """

    label: str
    name: str
    run: dict[str, Any] | None
    ids: frozenset[str] | None
    accepted: int
    judged: int
    interval: tuple[float, float]

    @property
    def rate(self) -> float | None:
        """The share of judged rows that are accepted, 0 to 1; ``None`` if none was judged."""
        return self.accepted / self.judged if self.judged else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How two runs or tables differ.

    ``fields`` has (field, of a, of b) wherever model, sampling or schema differ; ``prompt`` the
    pieces that make the prompt of ``a`` into that of ``b``, and ``None`` if they are too long to
    compare, or not known. ``common`` and the others hold the ids of rows. ``scores`` has what ``a``
    has over ``b`` in each metric by which both were evaluated, as
    :func:`~synthkit.sessions.evaluations.apart` gives it.
    """

    a: Side
    b: Side
    fields: tuple[tuple[str, Any, Any], ...]
    prompt: tuple[Change, ...] | None
    common: frozenset[str]
    only_a: frozenset[str]
    only_b: frozenset[str]
    scores: tuple[tuple[Any, ...], ...] = ()

    def __repr__(self) -> str:
        rows = f"{len(self.common)} rows in common"
        rows += f", {len(self.only_a)} only in {self.a.label}, {len(self.only_b)} only in "
        differ = ", ".join(name for name, _, _ in self.fields)
        return f"Comparison({rows}{self.b.label}; differ in: {differ or 'nothing known'})"


def compare(store: Store, folder: Path, a: int | str, b: int | str) -> Comparison:
    """Two runs by their numbers, or by the names of their tables: then it is the newest run.

    Raises
    ------
    UsageError
        If there is no run of that number.
    TableError
        If there is neither a run nor a table of that name.
    """
    runs = {run["run"]: run for run in store.runs()}
    tables = {one.name: one for one in shelved(store, folder)}
    one, other = (_side(store, runs, tables, which) for which in (a, b))
    mine, others = one.ids or frozenset(), other.ids or frozenset()
    first, second = of_rows(store, one.ids), of_rows(store, other.ids)
    return Comparison(
        a=one,
        b=other,
        fields=_fields(store, one, other),
        prompt=_prompt(one, other),
        common=mine & others,
        only_a=mine - others,
        only_b=others - mine,
        scores=tuple(apart(first, second)) if first and second else (),
    )


def verdicts(store: Store, ids: Sequence[str]) -> tuple[int, int]:
    """(accepted, judged) rows: by most of the marks that stand on each; a draw judges nothing.

    A second blind look does not count again: it is there to tell how sure the first one is.
    """
    votes: Counter[str] = Counter()
    for mark in standing(store.marks(ids)).values():
        if mark.round == 1 and mark.label in ("accept", "reject"):
            votes[mark.id] += 1 if mark.label == "accept" else -1
    judged = [vote for vote in votes.values() if vote]
    return sum(vote > 0 for vote in judged), len(judged)


def _side(
    store: Store,
    runs: dict[int, dict[str, Any]],
    tables: dict[str, Shelved],
    which: int | str,
) -> Side:
    if isinstance(which, int):
        if which not in runs:
            raise UsageError(f"no run {which}; expected the number of a run, {_numbers(runs)}.")
        run: dict[str, Any] | None = runs[which]
    else:
        run = next((one for one in reversed(runs.values()) if one["name"] == which), None)
        if run is None and which not in tables:
            known = dict.fromkeys([*tables, *(one["name"] for one in runs.values() if one["name"])])
            raise TableError(unknown("table", which, known))
    name = run["name"] if run else str(which)
    ids = _ids(store, run, tables.get(name))
    accepted, judged = verdicts(store, sorted(ids or ()))
    return Side(
        label=f"run {run['run']}" if run else name,
        name=name,
        run=run,
        ids=ids,
        accepted=accepted,
        judged=judged,
        interval=wilson(accepted, judged),
    )


def _numbers(runs: dict[int, dict[str, Any]]) -> str:
    return f"from {min(runs)} to {max(runs)}" if runs else "but there is none yet"


def _ids(store: Store, run: dict[str, Any] | None, table: Shelved | None) -> frozenset[str] | None:
    rows = store.run_rows(run["run"]) if run else None
    if rows:
        return frozenset(rows.made)
    if table is not None and (run is None or table.run == run["run"]):
        return frozenset(id for id in table.ids if id is not None)
    return frozenset() if run and not run["rows"] else None


def _fields(store: Store, a: Side, b: Side) -> tuple[tuple[str, Any, Any], ...]:
    """What differs between the first request of each, but for its turns: these have the rows."""
    found = []
    first, second = _request(store, a), _request(store, b)
    if first and second:
        found = [
            (name, old, new)
            for name, old, new in differences(first, second)
            if name.partition(" ")[0] not in ("user", "assistant", "index")
        ]
    if a.run and b.run and a.run["model"] != b.run["model"]:
        found.insert(0, ("model's label", a.run["model"], b.run["model"]))
    return tuple(found)


def _request(store: Store, side: Side) -> dict[str, Any] | None:
    rows = store.run_rows(side.run["run"]) if side.run else None
    ids = [*rows.made, *rows.rejected] if rows else sorted(side.ids or ())
    stored = store.find(ids[0]) if ids else []
    return dict(stored[0].request) if stored else None


def _prompt(a: Side, b: Side) -> tuple[Change, ...] | None:
    if a.run is None or b.run is None:
        return None
    pieces = changes(a.run["prompt"], b.run["prompt"])
    return None if pieces is None else tuple(pieces)
