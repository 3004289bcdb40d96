"""Removal: what a delete would take, said first, and then done all at once."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthkit.core.errors import StoreError, TableError, UsageError, unknown
from synthkit.sessions.inventory import Shelved, shelved
from synthkit.store.store import Store, resting, unpacked

PATIENCE = 10.0
"""Seconds to wait for another kernel that is writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What would go, or went. Marks stay, whatever goes.

    Parameters
    ----------
    runs : numbers of the runs whose entry in the book goes.
    tables : names of the tables whose file goes.
    rows : how many rows these tables have.
    completions : how many answers go: those that no other run, kept table or mark rests on.
    bytes : what all that takes on disk; of the answers, their text and requests.
    stays : what one might think would go, and why it does not, in words.
    """

    runs: tuple[int, ...]
    tables: tuple[str, ...]
    rows: int
    completions: int
    bytes: int
    stays: tuple[str, ...]

    def __str__(self) -> str:
        parts = [_named("run", self.runs)] if self.runs else []
        if self.tables:
            parts.append(f"{_named('table', self.tables)} with {_many(self.rows, 'row')}")
        if self.completions:
            parts.append(_many(self.completions, "answer"))
        return ", ".join(parts)


def would_delete(
    store: Store, folder: Path, runs: Sequence[int], tables: Sequence[str], *, completions: bool
) -> Removal:
    """What :func:`delete` would take now."""
    plan = _plan(store, folder, runs, tables)
    with store.transaction(write=False) as db:
        answers, why = _answers(db, plan, completions)
        size = _size(db, answers)
    return _removal(store, plan, len(answers), why, size)


def delete(
    store: Store, folder: Path, runs: Sequence[int], tables: Sequence[str], *, completions: bool
) -> Removal:
    """Delete runs and tables, all or nothing, and give their room back to the disk.

    The files are set aside first and put back if the book cannot be written.
    """
    plan = _plan(store, folder, runs, tables)
    with _set_aside([folder / f"{one.name}.parquet" for one in plan.tables]):
        with store.transaction(patience=PATIENCE) as db:
            # read within the transaction, so that no other kernel's new run rests on what goes
            answers, why = _answers(db, plan, completions)
            size = _size(db, answers)
            numbers = json.dumps(plan.runs)
            for table in ("runs", "run_rows"):
                db.execute(
                    f"DELETE FROM {table} WHERE run IN (SELECT value FROM json_each(?))", (numbers,)
                )
            db.execute(
                "DELETE FROM completions WHERE key IN (SELECT value FROM json_each(?))",
                (json.dumps(answers),),
            )
        done = _removal(store, plan, len(answers), why, size)
    if answers:
        store.compact()
    return done


@dataclass(frozen=True, slots=True)
class _Plan:
    """The runs that go, by name too, and the tables that go and that stay."""

    runs: list[int]
    names: set[str]
    tables: list[Shelved]
    left: list[Shelved]


def _plan(store: Store, folder: Path, runs: Sequence[int], tables: Sequence[str]) -> _Plan:
    if not runs and not tables:
        raise UsageError("expected runs=[...] by their numbers or tables=[...] by their names.")
    known = {run["run"]: run["name"] for run in store.runs()}
    for run in runs:
        if run not in known:
            raise UsageError(f"no run {run} in this session; %synth session lists them.")
    here = shelved(store, folder)
    for name in tables:
        if name not in {one.name for one in here}:
            raise TableError(unknown("table", name, [one.name for one in here]))
    # the newest run of a name made the table that has it now
    goes = [one for one in here if one.name in tables or one.run in runs]
    names = {known[run] for run in runs}
    return _Plan(sorted(set(runs)), names, goes, [one for one in here if one not in goes])


def _answers(db: sqlite3.Connection, plan: _Plan, asked: bool) -> tuple[list[str], str]:
    """The keys of the answers that only the runs that go have used, or why none of them goes."""
    if not asked:
        return [], "a run that asks the same gets them again"
    query = "SELECT run FROM runs WHERE rows > 0 AND run NOT IN (SELECT run FROM run_rows)"
    for (run,) in db.execute(query):
        if run not in plan.runs:
            return [], f"run {run} did not write down which it rests on"
    ids: set[str] = set()
    spared: set[str] = set()
    for run, made, rejected in db.execute("SELECT run, made, rejected FROM run_rows"):
        used = unpacked(made) + unpacked(rejected)
        (ids if run in plan.runs else spared).update(used)
    for one in plan.left:
        spared.update(id for id in (*one.ids, *one.parents) if id is not None)
    spared.update(id for (id,) in db.execute("SELECT DISTINCT row FROM marks"))
    keys = sorted(resting(db, ids - spared) - resting(db, spared))
    return keys, "" if keys else "other runs, tables or marks rest on them"


def _size(db: sqlite3.Connection, keys: Sequence[str]) -> int:
    (size,) = db.execute(
        "SELECT coalesce(sum(length(text) + length(request)), 0) FROM completions "
        "WHERE key IN (SELECT value FROM json_each(?))",
        (json.dumps(list(keys)),),
    ).fetchone()
    return int(size)


def _removal(store: Store, plan: _Plan, answers: int, why: str, size: int) -> Removal:
    stays = [f"the answers: {why}"] if why else []
    ids = {id for one in plan.tables for id in one.ids if id is not None}
    marks = sum(mark.id in ids for mark in store.marks())
    if marks:
        stays.append(f"{_many(marks, 'mark')} on the rows, as marks always do")
    stays += [
        f"the table {one.name}: run {one.run} made it anew"
        for one in plan.left
        if one.name in plan.names
    ]
    return Removal(
        runs=tuple(plan.runs),
        tables=tuple(one.name for one in plan.tables),
        rows=sum(one.rows for one in plan.tables),
        completions=answers,
        bytes=sum(one.bytes for one in plan.tables) + size,
        stays=tuple(stays),
    )


@contextlib.contextmanager
def _set_aside(paths: Sequence[Path]) -> Iterator[None]:
    """Files out of sight, then gone; back in their places if anything fails."""
    moved: list[tuple[Path, Path]] = []
    try:
        for path in paths:
            aside = path.with_suffix(f".{uuid.uuid4().hex}.deleted")
            os.replace(path, aside)
            moved.append((path, aside))
        yield
    except BaseException as error:
        for path, aside in moved:
            os.replace(aside, path)
        if isinstance(error, OSError) and not isinstance(error, StoreError):
            raise StoreError(f"nothing was deleted: {error}.") from None
        raise
    for _, aside in moved:
        aside.unlink(missing_ok=True)


def _named(noun: str, names: Sequence[object]) -> str:
    return f"{noun}{'' if len(names) == 1 else 's'} {', '.join(map(str, names))}"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
