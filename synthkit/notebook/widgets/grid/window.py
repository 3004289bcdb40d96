"""The rows in view: those that a query finds, in its order, and the pages of them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from synthkit.notebook.widgets.grid.rows import Query, RowSource, ViewRow, matching, ordered


class RowWindow:
    """The places of a source that a query finds; rows that arrive later are added.

    All methods may be called from any thread.

    Attributes
    ----------
    number : the number of the current query; messages about an older query are ignored.
    read : how many rows of the source the query has seen.
    fresh : how many matching rows have arrived since, but are not sorted in yet.
    """

    def __init__(self, source: RowSource, query: Query | None = None) -> None:
        self.source, self.query = source, query or Query()
        self.lock = threading.RLock()
        self.number = self._requested = 0
        self.read = self.fresh = 0
        self._ids: Collection[str] | None = None
        self._places: Sequence[int] = range(0)
        self.grow()

    def __len__(self) -> int:
        return len(self._places)

    @property
    def places(self) -> Sequence[int]:
        """The places in view, in order."""
        with self.lock:
            return self._places

    def find(self, query: Query) -> bool:
        """Show the rows that a query finds; returns whether no later call came first.

        Raises
        ------
        UsageError
            If the query is invalid; the view is unchanged then.
        """
        query.check(self.source)
        return self._find(query, self._ids)

    def narrow(self, ids: Collection[Any] | None) -> bool:
        """Show only rows with these ids, as far as the query finds them; ``None`` for all."""
        return self._find(self.query, None if ids is None else frozenset(map(str, ids)))

    def grow(self) -> None:
        """Read the rows that have arrived: add them at the end, or count them if sorted."""
        with self.lock:
            size = len(self.source)
            if size == self.read:
                return
            places = matching(self.source, self.query, self.read, size, self._ids)
            if self.query.by and self.read:
                self.fresh += len(places)
            else:
                whole = range(size) if isinstance(places, range) else [*self._places, *places]
                self._places = ordered(self.source, self.query, whole)
            self.read = size

    def page(self, start: int, size: int) -> list[ViewRow]:
        """The rows in view from ``start`` on."""
        with self.lock:
            return self.source.rows(self._places[start : start + size])

    def state(self) -> dict[str, Any]:
        """The query and its counts, for the front end."""
        with self.lock:
            narrowed = None if self._ids is None else len(self._ids)
            counts = {"query": self.number, "size": len(self), "of": self.read}
            return counts | {"fresh": self.fresh, "narrowed": narrowed, **asdict(self.query)}

    def _find(self, query: Query, ids: Collection[str] | None) -> bool:
        with self.lock:
            self._requested += 1
            number = self._requested
        # without the lock, so that rows can be added in the meantime
        size = len(self.source)
        places = matching(self.source, query, 0, size, ids)
        places = ordered(self.source, query, places)
        with self.lock:
            if number != self._requested:
                return False
            self.number, self.query, self._ids = number, query, ids
            self._places, self.read, self.fresh = places, size, 0
            self.grow()
            return True
