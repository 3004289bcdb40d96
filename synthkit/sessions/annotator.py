"""One annotator's marks: each is written to the store before it counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from synthkit.core.types import Mark
from synthkit.curate.marks.history import History
from synthkit.sessions.people import person
from synthkit.store.store import Store


class Annotator:
    """Writes the marks of one person, and keeps the history that they add up to.

    All methods may be called from any thread.

    Parameters
    ----------
    store : where marks are kept.
    log : the marks to start from, oldest first; all marks of the store if not given.
    by : the annotator's name; the session's person if not given.
    task, round : as in :class:`~synthkit.core.types.Mark`.
    clock : returns seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        log: Iterable[Mark] | None = None,
        *,
        by: str | None = None,
        task: str = "",
        round: int = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.lock = threading.RLock()
        marks = store.marks.all() if log is None else log
        self.history = History(marks, by=by or person(store), task=task, round=round)
        self._clock = clock

    def refresh(self) -> None:
        """Read all marks of the store again, since another kernel may have added some."""
        now = self.history
        history = History(self.store.marks.all(), by=now.by, task=now.task, round=now.round)
        with self.lock:
            self.history = history

    def mark(self, id: str) -> Mark:
        """The current mark of a row, to be changed and written; an empty mark if it has none."""
        history = self.history
        blank = Mark(id=id, by=history.by, task=history.task, round=history.round)
        return replace(history.current.get(id, blank), act="mark", step=0)

    def change(self, id: str, change: Callable[[Mark], Mark]) -> None:
        """Apply ``change`` to a row's mark; a mark that stays the same is not written again."""
        with self.lock:
            mark = self.mark(id)
            changed = change(mark)
            if changed != mark:
                self.write([changed])

    def write(self, marks: Sequence[Mark]) -> list[Mark]:
        """Store marks as one step, then add them to the history; the marks as stored.

        Raises
        ------
        StoreError
            If they cannot be written; the history is then unchanged.
        """
        if not marks:
            return []
        with self.lock:
            now = self._clock()
            timed = [replace(mark, at=now) if mark.act == "mark" else mark for mark in marks]
            stored = self.store.marks.add(timed)
            self.history.add(stored)
            return stored
