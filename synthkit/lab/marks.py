"""Marking: one person's marks on the rows of a lab, the same that the marker writes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Mark
from synthkit.curate.marks.history import History
from synthkit.store.store import Store

LABELS = ("accept", "reject")


class Marking:
    """What one person said of rows; every word is on disk before it is shown.

    Parameters
    ----------
    store : where marks are kept.
    by : who marks.
    clock : seconds since 1970.
    """

    def __init__(self, store: Store, by: str, clock: Callable[[], float] = time.time) -> None:
        self.store, self.by = store, by
        self._clock = clock
        self._lock = threading.RLock()
        self.refresh()

    def refresh(self) -> None:
        """Read the marks anew: the marker, or another kernel, may have written some."""
        history = History(self.store.marks.all(), by=self.by)
        with self._lock:
            self._history = history

    def get(self, id: str) -> Mark | None:
        """The mark of a row that stands; ``None`` if nothing was said of it."""
        return self._history.current.get(id)

    def mark(self, id: str, label: str) -> None:
        """Accept or reject a row; its comment stays."""
        if label not in LABELS:
            raise UsageError(f"a lab marks with {' or '.join(LABELS)}; got {label!r}.")
        self._write(id, label=label)

    def comment(self, id: str, text: str) -> None:
        """Say something of a row; its label stays."""
        self._write(id, reason=text)

    def undo(self, ids: Collection[str]) -> str:
        """Take back the last mark or comment, also one from before a restart; gives the row's id.

        Raises
        ------
        UsageError
            If there is none, or if it is not of one of ``ids``.
        """
        with self._lock:
            back = [replace(mark, at=self._clock()) for mark in self._history.undo()]
            if not back:
                raise UsageError("there is no mark to take back.")
            if not {mark.id for mark in back} <= set(ids):
                raise UsageError(
                    "the last mark is of a row that is not in this lab; take it back where it was "
                    "made, or choose the variant or version that it belongs to."
                )
            self._history.add(self.store.marks.add(back))
            return back[0].id

    def _write(self, id: str, **said: Any) -> None:
        with self._lock:
            before = self._history.current.get(id) or Mark(id=id, by=self.by)
            after = replace(before, **said)
            if after != before:
                fresh = replace(after, at=self._clock(), act="mark", step=0)
                self._history.add(self.store.marks.add([fresh]))
