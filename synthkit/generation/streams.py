"""Rows from generators and other streams: read once, and kept in the session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from synthkit.core.errors import TableError, UsageError
from synthkit.data import tables
from synthkit.sessions.session import Session


def is_stream(rows: Any) -> bool:
    """Whether rows can be read only in order: a generator, an iterator, an ``IterableDataset``."""
    return isinstance(rows, Iterator) or type(rows).__name__ == "IterableDataset"


def spooled(rows: Any, session: Session, name: str) -> Any:
    """The rows of a stream as a table, read whole.

    With a name, the session keeps them as ``NAME_rows``. When the same stream is given again, as
    after an interrupt, it has no rows left: then the kept rows are used, so that the run goes on.

    Raises
    ------
    TableError
        If a row is no dict, or the stream has none and none are kept.
    UsageError
        If a run has the name ``NAME_rows``.
    """
    spool = f"{name}_rows"
    if name and any(run["name"] == spool for run in session.store.runs.all()):
        raise UsageError(
            f"a run is named {spool!r}, under which the rows would be kept; rename it."
        )
    read: list[Mapping[str, Any]] = []
    for at, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TableError(f"row {at}: expected a dict; got {type(row).__name__}.")
        read.append(row)
    if not read:
        if name and spool in session.names():
            return session.load(spool)
        raise TableError("the stream of rows has no row, or was read before; make it again.")
    table = tables.native(read)
    if name and not session.read_only:
        session.save(spool, table)
    return table
