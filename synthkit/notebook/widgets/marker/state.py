"""The row on the desk: filters, search, the way forward and back, and what the browser is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from synthkit.core.errors import UsageError, unknown
from synthkit.core.formatting import cell
from synthkit.core.types import Mark
from synthkit.notebook.widgets.base import clipped
from synthkit.notebook.widgets.marker.annotation import Marking, alike
from synthkit.notebook.widgets.marker.learning import line

TEXT_LENGTH = 5_000
"""Characters of the row's text that a trait may hold, since it is saved with the notebook."""
FULL_LENGTH = 100_000
FIELD_LENGTH = 300
LEAD_LENGTH = 80
MAX_FIELDS = 24
REASON_LENGTH = 2_000
RECENT = 8
TRAIL = 200


class Desk(Marking):
    """A :class:`~synthkit.notebook.widgets.marker.annotation.Marking` with one row in front of the annotator.

    After a mark comes the next row of the order without one; where marked rows are shown by a
    filter, the next of those. A row that was gone back to leads back to where one was.
    """

    def __init__(self, table: Any, **options: Any) -> None:
        super().__init__(table, **options)
        self.filter = "all"
        self.search = ""
        self.warning = ""
        """Why the order could not be made anew; empty if it could."""
        self.current: str | None = None
        self._narrowed: set[str] | None = None
        self._found: set[str] | None = None
        self._left: list[str | None] = []
        self._trail = [mark.id for mark in reversed(self.history.recent(TRAIL))]
        self._rank = {id: n for n, id in enumerate(self.order)}
        self._go_on()

    @property
    def filters(self) -> list[str]:
        """What ``filter`` can be: ``"=label"`` stands for the rows with that label."""
        return ["all", "unmarked", *(f"={label}" for label in self.choices), "flagged"]

    def narrow(self, ids: Iterable[Any] | None) -> None:
        """Show these rows only; ``None`` shows all again.

        Raises
        ------
        TableError
            If a row is not in the table.
        """
        with self._lock:
            self._narrowed = None if ids is None else set(self.known(ids))
            self._go_on()

    def act(self, content: Mapping[str, Any]) -> None:
        """Do what the browser asks for; its row is then the one to show.

        Raises
        ------
        UsageError
            If it is not known, or cannot be done.
        StoreError
            If a mark cannot be written: nothing has changed then.
        """
        with self._lock:
            match content:
                case {"do": "label", "id": str(id), "label": str(label)}:
                    (known,) = self.known([id])
                    self.write([self.labelled(known, label, str(content.get("reason", "")))])
                    self._judged(known)
                case {"do": "flag", "id": str(id)}:
                    self._change(id, lambda mark: replace(mark, flag=not mark.flag))
                case {"do": "reason", "id": str(id), "reason": str(reason)}:
                    self._change(id, lambda mark: replace(mark, reason=reason[:REASON_LENGTH]))
                case {"do": "edit", "id": str(id), "text": str(text)}:
                    self._change(id, lambda mark: self._edited(mark, text))
                case {"do": "bulk", "label": str(label), "n": int(n)}:
                    self._bulk(label, n)
                case {"do": "filter", "filter": str(name)}:
                    if name not in self.filters:
                        raise UsageError(unknown("filter", name, self.filters))
                    self.filter = name
                    self._go_on()
                case {"do": "search", "text": str(text)}:
                    self._look_for(text)
                case {"do": "widen"}:
                    self.narrow(None)
                case _:
                    self._move(content)

    def state(self) -> dict[str, Any]:
        """What the browser shows: a few kilobytes, whatever the table holds."""
        with self._lock:
            undo, redo = self.history.depth
            whole = self.filter == "all" and self._found is None and self._narrowed is None
            matching = [] if whole else self.matching()
            marked = sum(self._label(id) != "" for id in matching)
            return {
                "row": None if self.current is None else self._row(self.current),
                "total": len(self.scope),
                "marked": self.marked,
                "counts": {name: self.counts[name] for name in [*self.choices, "flagged"]},
                "filter": self.filter,
                "search": self.search,
                "narrowed": None if self._narrowed is None else len(self._narrowed),
                "matching": [len(self.scope), self.marked] if whole else [len(matching), marked],
                "pace": self.history.pace(),
                "undo": undo,
                "redo": redo,
                "recent": [self._entry(mark) for mark in self.history.recent(RECENT)],
                "agreement": self._agreement(),
                "warning": self.warning[:REASON_LENGTH],
                "learned": "" if self.learned is None else line(self.learned.report),
            }

    def whole(self, id: str) -> dict[str, Any]:
        """The long texts of a row, which the state has only the start of."""
        (known,) = self.known([id])
        return self._texts(known, FULL_LENGTH)

    def matching(self) -> list[str]:
        """The rows that filter, search and narrowing leave, in order."""
        return [id for id in self.order if self._fits(id) and self._passes(id)]

    def _move(self, content: Mapping[str, Any]) -> None:
        match content:
            case {"do": "undo"}:
                undone = [id for id in self.undo() if id in self._rank]
                if undone:
                    self.current = undone[0]
                    self._trail = [id for id in self._trail if id not in set(undone)]
            case {"do": "redo"}:
                redone = [id for id in self.redo() if id in self._rank]
                if redone:
                    self.current = redone[-1]
                    if self._label(redone[-1]):
                        self._judged(redone[-1])
            case {"do": "next" | "previous" as way}:
                self._step(1 if way == "next" else -1)
            case {"do": "back"}:
                while self._trail and self._trail[-1] == self.current:
                    self._trail.pop()
                if self._trail:
                    self._visit(self._trail.pop())
                else:
                    self._step(-1)
            case {"do": "go", "id": str(id)} if id in self._rank:
                self._visit(id)
            case _:
                raise UsageError(f"the marker got a message that it does not know: {content!r}.")

    def _visit(self, id: str) -> None:
        if not self._left:
            self._left.append(self.current)
        self.current = id

    def _change(self, id: str, change: Callable[[Mark], Mark]) -> None:
        (known,) = self.known([id])
        before = self.standing(known)
        after = change(before)
        if after != before:
            self.write([after])

    def _edited(self, mark: Mark, text: str) -> Mark:
        original = self.column(self.text)[self._place[mark.id]]
        if not isinstance(original, str | None):
            raise UsageError(
                f"only text can be edited; {self.text!r} holds a {type(original).__name__} here."
            )
        rest = {name: kept for name, kept in mark.edit.items() if name != self.text}
        return replace(mark, edit=rest if text == (original or "") else {**rest, self.text: text})

    def _bulk(self, label: str, n: int) -> None:
        ids = self.matching()
        if len(ids) != n:
            raise UsageError(f"{len(ids)} rows match now, not {n}: look again, then confirm.")
        self.mark(ids, label)
        self._reorder()
        self._go_on()

    def _judged(self, id: str) -> None:
        self._trail = [*self._trail[-TRAIL:], id]
        changed = self._reorder()
        if self._left:
            self.current = self._left.pop()
            if self.current is None or not self._label(self.current):
                return
        # what was learned asks for its first row without a mark, wherever the last one stood
        first = changed or (self.learner is not None and self.filter in {"all", "unmarked"})
        self._go_on(None if first else id)

    def study(self) -> None:
        """Learn from the marks beside the marking; ``warning`` says why it could not be done."""
        try:
            self.relearn()
        except Exception as error:  # it is asked by no one who could be told otherwise
            self.warning = f"Nothing new was learned: {type(error).__name__}: {error}"
        else:
            self.warning = ""

    def _arrange(self, order: list[str]) -> None:
        """Take an order; what is marked meanwhile and the row on the desk keep their places."""
        marked = [id for id in self.history.current if id in self._within and self._label(id)]
        here = [self.current] if self.current and not self._label(self.current) else []
        super()._arrange(list(dict.fromkeys([*marked, *here, *order])))
        self._rank = {id: n for n, id in enumerate(self.order)}

    def why(self, id: str) -> list[tuple[str, str, str]]:
        """Why a row is probably accepted or not, by what was learned from the marks."""
        (known,) = self.known([id])
        return self.learner.why(known) if self.learner else []

    def _reorder(self) -> bool:
        """Whether the order was made anew; then it is gone through from its start."""
        try:
            changed = self.reorder()
        except Exception as error:  # the mark is on disk already, and must not look lost
            self.warning = f"The order stays as it was: the score failed: {error}"
            return False
        if changed:
            self.warning = ""
            self._rank = {id: n for n, id in enumerate(self.order)}
        return changed

    def _go_on(self, after: str | None = None) -> None:
        """Put the row that comes after one, or the first, on the desk; none if all are done."""
        start = -1 if after is None else self._rank[after]
        marked_too = self.filter not in {"all", "unmarked"}
        for id in [*self.order[start + 1 :], *([] if marked_too else self.order[: start + 1])]:
            if self._fits(id) and (self._passes(id) if marked_too else not self._label(id)):
                self.current = id
                return
        self.current = None

    def _step(self, way: int) -> None:
        at = self._rank[self.current] if self.current is not None else len(self.order)
        if self.current is None and way > 0:
            return
        ids = self.order[at + 1 :] if way > 0 else reversed(self.order[:at])
        self.current = next((id for id in ids if self._fits(id) and self._passes(id)), self.current)

    def _fits(self, id: str) -> bool:
        return (self._narrowed is None or id in self._narrowed) and (
            self._found is None or id in self._found
        )

    def _passes(self, id: str) -> bool:
        match self.filter:
            case "all":
                return True
            case "flagged":
                return id in self.history.current and self.history.current[id].flag
            case "unmarked":
                return not self._label(id)
        return self._label(id) == self.filter[1:]

    def _label(self, id: str) -> str:
        mark = self.history.current.get(id)
        return mark.label if mark else ""

    def _look_for(self, text: str) -> None:
        self.search, wanted = text[:REASON_LENGTH], text.casefold()
        columns = [self.column(name) for name in self._searched()]
        self._found = {
            id
            for id, cells in zip(self.ids, zip(*columns, strict=True), strict=True)
            if any(wanted in cell(one).casefold() for one in cells)
        }
        if not text:
            self._found = None
        self._go_on()

    def _searched(self) -> list[str]:
        return [*self.show, self.text]

    def _row(self, id: str) -> dict[str, Any]:
        cells = self.row(id)
        mark = self.history.current.get(id)
        return {
            "id": id,
            "at": self._rank[id] + 1,
            "fields": [
                [name, clipped(cells[name], FIELD_LENGTH)] for name in self.show[:MAX_FIELDS]
            ],
            **self._texts(id, TEXT_LENGTH),
            "label": mark.label if mark else "",
            "reason": mark.reason[:REASON_LENGTH] if mark else "",
            "flag": bool(mark and mark.flag),
        }

    def _texts(self, id: str, length: int) -> dict[str, Any]:
        """What stands there now, and if it was edited also what stood there."""
        original = clipped(self.column(self.text)[self._place[id]], length)
        mark = self.history.current.get(id)
        if mark is None or self.text not in mark.edit:
            return {"text": original, "original": None}
        return {"text": clipped(mark.edit[self.text], length), "original": original}

    def _entry(self, mark: Mark) -> dict[str, Any]:
        return {
            "id": mark.id,
            "label": mark.label,
            "flag": mark.flag,
            "reason": mark.reason[:LEAD_LENGTH],
            "text": clipped(self.shown(mark), LEAD_LENGTH),
        }

    def _agreement(self) -> dict[str, Any] | None:
        """At the end of a second round, how far it agrees with the first."""
        if self.round == 1 or self.marked < len(self.scope):
            return None
        found = alike(self.first.current, self.history.current)
        return {name: None if value != value else value for name, value in found.items()}
