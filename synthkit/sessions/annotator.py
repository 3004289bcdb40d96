"""One annotator's marks: each is written to the store before it counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from synthkit.core.types import Mark
from synthkit.curate.marks.history import History
from synthkit.sessions.people import composed, person
from synthkit.store.store import Store


class Annotator:
    """Writes the marks of one person, and keeps the history that they add up to.

    A person may have several annotators, for instance two views of a table. All methods may be
    called from any thread.

    Parameters
    ----------
    store : where marks are kept.
    rows : the ids of the rows that are marked; those of all marks in the store if not given.
    by : the annotator's name; the session's person if not given.
    task, round : as in :class:`~synthkit.core.types.Mark`.
    clock : returns seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        rows: Iterable[str] | None = None,
        *,
        by: str | None = None,
        task: str = "",
        round: int = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.lock = threading.RLock()
        self._rows, self._clock = None if rows is None else list(rows), clock
        self._last = store.marks.last()
        by = composed(by or person(store))
        self.history = History(self.log(), by=by, task=task, round=round)

    def log(self) -> list[Mark]:
        """The marks of the rows as they are stored now, the oldest first."""
        marks = self.store.marks
        return marks.all() if self._rows is None else marks.for_rows(self._rows)

    def refresh(self) -> None:
        """Read the marks again if others were written, by another view or another kernel."""
        with self.lock:
            last = self.store.marks.last()
            if last != self._last:
                self.history = self.history.reread(self.log())
                self._last = last

    def mark(self, id: str) -> Mark:
        """The current mark of a row, to be changed and written; an empty mark if it has none."""
        self.refresh()
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
            self._last += len(stored)  # if there are more, the next step reads them
            return stored
