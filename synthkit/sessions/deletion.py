"""Deletion of runs, tables and completions: announced first, then done completely or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synthkit.core.errors import StoreError, TableError, UsageError, cause, check_known
from synthkit.core.formatting import count
from synthkit.sessions import inputs
from synthkit.sessions.file_changes import file_changes
from synthkit.sessions.named_tables import NamedTable, path_of, read_all
from synthkit.sessions.row_origins import Ancestry
from synthkit.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """What a deletion removes, or removed. Marks are never deleted.

    Parameters
    ----------
    runs : numbers of the runs.
    tables : names of the tables.
    rows : number of rows in these tables.
    completions : number of completions, all of which no other run, table or mark needs.
    bytes : size of the tables, and of the texts and requests of the completions.
    stays : in words, what one might expect to be deleted, and why it is not.
    """

    runs: tuple[int, ...]
    tables: tuple[str, ...]
    rows: int
    completions: int
    bytes: int
    stays: tuple[str, ...]

    def __str__(self) -> str:
        parts = [_names("run", self.runs)] if self.runs else []
        if self.tables:
            parts.append(f"{_names('table', self.tables)} with {count(self.rows, 'row')}")
        if self.completions:
            parts.append(count(self.completions, "completion"))
        return ", ".join(parts)


def would_delete(
    store: Store, folder: Path, runs: Sequence[int], tables: Sequence[str], completions: bool
) -> Deletion:
    """What :func:`delete` would remove now."""
    plan = _plan(store, folder, runs, tables)
    with store.transaction(write=False):
        keys, reason = _unneeded(store, folder, plan, completions)
        return _deletion(store, plan, keys, reason)


def delete(
    store: Store, folder: Path, runs: Sequence[int], tables: Sequence[str], completions: bool
) -> Deletion:
    """Delete runs and tables, completely or not at all, and give their space back to the disk.

    A process that is killed leaves nothing half deleted: see :mod:`.file_changes`.
    """
    store.check_writable()
    plan = _plan(store, folder, runs, tables)
    try:
        with file_changes(store) as changes:
            # computed inside the transaction, so that no other kernel adds a run that needs them
            keys, reason = _unneeded(store, folder, plan, completions)
            done = _deletion(store, plan, keys, reason)
            for table in plan.tables:
                changes.delete(path_of(folder, table.name))
            given = inputs.used(store)
            store.runs.delete(plan.runs)
            for content in given - inputs.used(store):
                if (path := inputs.path_of(store, content)).exists():
                    changes.delete(path)
            store.completions.delete(keys)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"nothing was deleted: {cause(error)}.") from None
    if keys:
        store.compact()
    return done


@dataclass(frozen=True, slots=True)
class _Plan:
    """The runs to delete, their table names, the tables to delete, and the other tables."""

    runs: list[int]
    names: set[str]
    tables: list[NamedTable]
    other_tables: list[NamedTable]


def _plan(store: Store, folder: Path, runs: Sequence[int], names: Sequence[str]) -> _Plan:
    if not runs and not names:
        raise UsageError("expected runs=[...] with their numbers or tables=[...] with their names.")
    name_of = {run["run"]: run["name"] for run in store.runs.all()}
    for run in runs:
        if run not in name_of:
            raise UsageError(f"no run {run} in this session; %synth session lists them.")
    tables = read_all(store, folder)
    check_known("table", names, [table.name for table in tables], error=TableError)
    chosen: list[NamedTable] = []
    others: list[NamedTable] = []
    for table in tables:
        # a table has the rows of the newest run of its name
        (chosen if table.name in names or table.run in runs else others).append(table)
    return _Plan(sorted(set(runs)), {name_of[run] for run in runs}, chosen, others)


def _unneeded(
    store: Store, folder: Path, plan: _Plan, completions_too: bool
) -> tuple[list[str], str]:
    """The keys of the completions that only the deleted runs need; or why there are none."""
    if not completions_too:
        return [], "a run with the same requests finds them again"
    for run in store.runs.without_rows():
        if run not in plan.runs:
            return [], f"run {run} did not record which ones it needs"
    deleted: set[str] = set()
    needed = {mark.id for mark in store.marks.all()}
    for run, rows in store.runs.all_rows().items():
        (deleted if run in plan.runs else needed).update(rows.ids, rows.reject_ids)
    needed.update(*(table.row_ids for table in plan.other_tables))
    needed = Ancestry(store, folder).lines(needed)
    completions = store.completions
    keys = completions.keys_for_rows(deleted - needed) - completions.keys_for_rows(needed)
    return sorted(keys), "" if keys else "other runs, tables or marks need them"


def _deletion(store: Store, plan: _Plan, keys: Sequence[str], reason: str) -> Deletion:
    stays = [f"the completions: {reason}"] if reason else []
    ids = {id for table in plan.tables for id in table.row_ids}
    marks = sum(mark.id in ids for mark in store.marks.all())
    if marks:
        stays.append(f"{count(marks, 'mark')} on the rows: marks are never deleted")
    stays += [
        f"the table {table.name}: run {table.run} replaced it"
        for table in plan.other_tables
        if table.name in plan.names
    ]
    return Deletion(
        runs=tuple(plan.runs),
        tables=tuple(table.name for table in plan.tables),
        rows=sum(table.rows for table in plan.tables),
        completions=len(keys),
        bytes=sum(table.bytes for table in plan.tables) + store.completions.bytes_of(keys),
        stays=tuple(stays),
    )


def _names(noun: str, names: Sequence[object]) -> str:
    return f"{noun}{'' if len(names) == 1 else 's'} {', '.join(map(str, names))}"
