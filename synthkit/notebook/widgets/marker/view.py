"""What the front end shows of an annotation queue: the current row, counts and the last marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synthkit.core.types import Mark
from synthkit.notebook.widgets.base import clipped
from synthkit.notebook.widgets.marker.learning import report_line
from synthkit.notebook.widgets.marker.queue import REASON_LENGTH, AnnotationQueue
from synthkit.sessions.mark_statistics import agreement

TEXT_LENGTH = 5_000
"""Characters of the row's text in a trait, which is saved with the notebook."""
FULL_LENGTH = 100_000
FIELD_LENGTH = 300
LEAD_LENGTH = 80
MAX_FIELDS = 24
RECENT = 8


class QueueView:
    """The front end of a queue: actions in, state as JSON out."""

    def __init__(self, queue: AnnotationQueue) -> None:
        self.queue = queue

    def act(self, content: Mapping[str, Any]) -> None:
        """Carry out an action of the front end; see :meth:`.AnnotationQueue.act`."""
        self.queue.act(content)

    def state(self) -> dict[str, Any]:
        """What the front end shows: a few kilobytes for a table of any size."""
        queue = self.queue
        with queue.annotator.lock:
            undo, redo = queue.history.depth
            narrowed = queue.filter.narrowed
            return {
                "row": None if queue.current is None else self.row(queue.current),
                "total": len(queue.scope),
                "marked": queue.marked,
                "counts": {name: queue.counts[name] for name in [*queue.choices, "flagged"]},
                "filter": queue.filter.name,
                "search": queue.filter.search,
                "narrowed": None if narrowed is None else len(narrowed),
                "matching": self._matching(),
                "pace": queue.history.pace(),
                "undo": undo,
                "redo": redo,
                "recent": [self.recent(mark) for mark in queue.history.recent(RECENT)],
                "agreement": self._agreement(),
                "warning": queue.warning[:REASON_LENGTH],
                "learned": "" if queue.learned is None else report_line(queue.learned.report),
            }

    def whole(self, id: str) -> dict[str, Any]:
        """The long texts of a row, of which the state has only the start."""
        (known,) = self.queue.known([id])
        return self.texts(known, FULL_LENGTH)

    def row(self, id: str) -> dict[str, Any]:
        """One row: its cells, and its mark."""
        table, mark = self.queue.table, self.queue.history.current.get(id)
        shown = table.shown[:MAX_FIELDS]
        return {
            "id": id,
            "at": self.queue.order.ranks[id] + 1,
            "fields": [[name, clipped(table.cell(id, name), FIELD_LENGTH)] for name in shown],
            **self.texts(id, TEXT_LENGTH),
            "label": mark.label if mark else "",
            "reason": mark.reason[:REASON_LENGTH] if mark else "",
            "flag": bool(mark and mark.flag),
        }

    def texts(self, id: str, length: int) -> dict[str, Any]:
        """The current text of a row, and the original if it was edited."""
        table, mark = self.queue.table, self.queue.history.current.get(id)
        original = clipped(table.cell(id, table.column), length)
        if mark is None or table.column not in mark.edit:
            return {"text": original, "original": None}
        return {"text": clipped(mark.edit[table.column], length), "original": original}

    def recent(self, mark: Mark) -> dict[str, Any]:
        """One line of the history."""
        return {
            "id": mark.id,
            "label": mark.label,
            "flag": mark.flag,
            "reason": mark.reason[:LEAD_LENGTH],
            "text": clipped(self.queue.shown(mark), LEAD_LENGTH),
        }

    def _matching(self) -> list[int]:
        """How many rows the filter shows, and how many of them have a label."""
        queue = self.queue
        if queue.filter.is_open:
            return [len(queue.scope), queue.marked]
        ids = queue.matching()
        return [len(ids), sum(queue.label(id) != "" for id in ids)]

    def _agreement(self) -> dict[str, Any] | None:
        """At the end of round 2: how far it agrees with round 1."""
        queue = self.queue
        if queue.history.round == 1 or queue.marked < len(queue.scope):
            return None
        shares = agreement(queue.first.current, queue.history.current)
        return {name: None if value != value else value for name, value in shares.items()}
