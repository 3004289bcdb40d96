"""Rows from files, the Hub, generators and other streams: read in order, and kept."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import eq
from pathlib import Path
from typing import Any

from synthkit.core.environment import warn
from synthkit.core.errors import TableError, UsageError, check_positive
from synthkit.core.formatting import count
from synthkit.core.hashing import digest
from synthkit.data import row_files, tables
from synthkit.sessions import named_tables
from synthkit.sessions.named_tables import Origin
from synthkit.sessions.session import Session


def is_source(rows: Any) -> bool:
    """Whether rows have to be read first: a file, a function, a generator and so on."""
    return (
        isinstance(rows, str | Path | Iterator)
        or type(rows).__name__ == "IterableDataset"
        or callable(rows)
    )


def is_name(text: str) -> bool:
    """Whether a text names a source, rather than a table."""
    return text.startswith("hf:") or row_files.is_file_name(text)


def rows_of(rows: Any, session: Session, name: str, first: int | None = None) -> Any:
    """The table that ``rows`` stand for: a table itself, or what is read from a source.

    The rows that are read get ids, their own or hashes of their cells. With a name, the session
    keeps them as ``NAME_rows`` with their origin. The kept rows are used when the source has none
    left or is gone, so that an interrupted run goes on and an imported session is replayed.

    Parameters
    ----------
    rows : a table of any kind; the name of a file, a pattern such as ``data/*.parquet``, or a data
        set of the Hub (``hf:owner/name``); a function without arguments that returns dicts, such as
        a generator function; a generator, an iterator, or an ``IterableDataset``.
    first : only so many rows; nothing behind them is read.

    Raises
    ------
    TableError
        If a file is missing or damaged, a row is no dict, or there are no rows and none are kept.
    UsageError
        If a run has the name ``NAME_rows``, or the rows would not fit into memory.
    """
    check_positive(first=first)
    if not is_source(rows):
        return rows if first is None else tables.take(rows, range(min(first, tables.size(rows))))
    spool = f"{name}_rows"
    if name and any(run["name"] == spool for run in session.store.runs.all()):
        raise UsageError(
            f"a run is named {spool!r}, under which the rows would be kept; rename it."
        )
    before = _kept(session, spool) if name else None
    try:
        source = _opened(rows, first)
        read = list(_checked(source.rows))
        if not read:
            raise TableError(f"{source.name or 'the stream of rows'} has no row{source.hint}.")
    except TableError as error:
        same = before is not None and before.source == _name(rows)
        if before is None or not same:
            raise
        if not isinstance(rows, Iterator):
            warn(f"{error} The {spool} that the session keeps are used.", stacklevel=2)
        return session.load(spool)
    table = tables.with_ids(tables.native(read))
    if name and not session.read_only:
        ids = tables.column(table, "id")
        part = "" if first is None else "first "
        origin = Origin(source.name, source.version or f"{part}rows {digest(ids)[:12]}")
        if before is not None and before.source == origin.source:
            old = tables.column(session.load(spool), "id")
            only_more = "first" in part + before.version and all(map(eq, old, ids))
            if old != ids and not only_more:
                warn(_changes(origin.source, set(old), set(ids)), stacklevel=2)
        session.save(spool, table, origin=origin)
    return table


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows to read: their name, their version if it is known before, and what to do without."""

    name: str
    rows: Iterable[Any]
    version: str = ""
    hint: str = ""


def _name(rows: Any) -> str:
    """What a source is called: a file by its path, a function by its name."""
    if isinstance(rows, str | Path):
        return str(rows)
    return str(getattr(rows, "__name__", type(rows).__name__))


def _opened(rows: Any, first: int | None) -> _Source:
    """The source that rows stand for."""
    if isinstance(rows, str) and rows.startswith("hf:"):
        from synthkit.models.hub import hub_datasets

        found = hub_datasets.opened(rows)
        return _Source(rows, itertools.islice(found.rows, first), found.version)
    if isinstance(rows, str | Path):
        return _Source(_name(rows), row_files.read(row_files.matching(rows), first))
    hint = ""
    if isinstance(rows, Iterator):
        hint = ", or was read before; make it again, or give the function that makes it"
    elif callable(rows):
        rows, function = rows(), rows
        if not isinstance(rows, Iterable):
            raise TableError(
                f"rows={_name(function)}: expected a function that returns dicts; it returned "
                f"{type(rows).__name__}."
            )
        return _Source(_name(function), itertools.islice(rows, first))
    return _Source(_name(rows), itertools.islice(rows, first), hint=hint)


def _checked(rows: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    for at, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TableError(f"row {at}: expected a dict; got {type(row).__name__}.")
        yield row


def _kept(session: Session, spool: str) -> Origin | None:
    """The origin of rows that the session keeps."""
    return named_tables.origin(session.table_folder, spool)


def _changes(name: str, before: set[Any], now: set[Any]) -> str:
    """A sentence on how the rows of a source differ from those that were read before."""
    new, gone = len(now - before), len(before - now)
    return (
        f"{name} has changed since it was read: {count(new, 'row')} new, {count(gone, 'row')} "
        "gone. Only what is new is asked."
    )
