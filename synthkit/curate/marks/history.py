"""The history of marks: which marks are current, and which steps can be undone or redone.

A log of marks is append-only. Everything else is computed from the log, so it is the same after a
restart: the current marks, and what can be undone and redone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median
from typing import Any

from synthkit.core.types import Mark

Key = tuple[str, int, str, str]
"""Task, round, person (as :attr:`.Mark.person` names them) and row: each has one current mark."""

PAUSE = 120.0
"""If two labels are more seconds apart, the annotator was not at work."""
SHOWN_LEFT = "shown_left"
"""The key in ``Mark.edit`` under which a mark of a pair names the text on the left."""


def current_marks(marks: Iterable[Mark]) -> dict[Key, Mark]:
    """The current mark of each (task, round, person, id): the last one written.

    Rows whose last mark is empty, because it was undone, are left out.

    >>> marks = [Mark(id="a", label="accept", step=1), Mark(id="a", label="reject", step=2)]
    >>> [mark.label for mark in current_marks(marks).values()]
    ['reject']
    >>> current_marks([*marks, Mark(id="a", act="undo", step=2)])
    {}
    """
    last: dict[Key, Mark] = {}
    for mark in marks:
        last[mark.task, mark.round, mark.person, mark.id] = mark
    return {key: mark for key, mark in last.items() if has_content(mark)}


def first_labels(marks: Iterable[Mark]) -> list[Mark]:
    """The current marks of the first round that have a label, without skips."""
    current = current_marks(marks).values()
    return [mark for mark in current if mark.round == 1 and mark.label not in ("", "skip")]


def has_content(mark: Mark) -> bool:
    """Whether a mark has a label, a reason, a flag or an edit."""
    return bool(mark.label or mark.reason or mark.flag or mark.edit)


def _content(mark: Mark | None) -> tuple[Any, ...]:
    return (mark.label, mark.reason, mark.flag, mark.edit) if mark else ("", "", False, {})


def is_edited(mark: Mark) -> bool:
    """Whether a mark replaces a text of the row."""
    return bool(set(mark.edit) - {SHOWN_LEFT})


@dataclass(slots=True)
class _Step:
    """Marks that were written together, and the marks that they replaced."""

    step: int
    before: dict[str, Mark | None] = field(default_factory=dict)
    after: dict[str, Mark] = field(default_factory=dict)

    @property
    def at(self) -> float:
        """The time of the step, in seconds since 1970."""
        return next(iter(self.after.values())).at

    @property
    def changes_label(self) -> bool:
        """Whether it changed the label of a row, and not only a flag, a reason or an edit."""
        return any(
            mark.label and mark.label != getattr(self.before[id], "label", "")
            for id, mark in self.after.items()
        )


class History:
    """One annotator's marks of one task and round: the current marks, and the undo stack.

    Marks of another session are another person's, also if the name is the same.

    It reads marks in the order in which they were written. ``undo()`` and ``redo()`` change nothing
    here: they return the marks to write, and written marks are passed to ``add``. So both stacks
    are stored in the log, without a limit and across restarts.

    Attributes
    ----------
    elsewhere : the steps that another view of the same rows wrote; they are not undone here.

    Examples
    --------
    >>> history = History([Mark(id="a", label="accept", by="me", step=1)], by="me")
    >>> history.add(history.undo())
    >>> history.current, len(history.redo())
    ({}, 1)
    """

    def __init__(
        self, marks: Iterable[Mark] = (), *, by: str = "", task: str = "", round: int = 1
    ) -> None:
        self.by, self.task, self.round = by, task, round
        self.current: dict[str, Mark] = {}
        """Row id -> the current mark."""
        self.elsewhere: set[int] = set()
        self._done: list[_Step] = []
        self._undone: list[_Step] = []
        self.add(marks)

    def add(self, marks: Iterable[Mark]) -> None:
        """Add marks that were written; those of other annotators, tasks and rounds are ignored."""
        for mark in marks:
            if (mark.person, mark.task, mark.round) != (self.by, self.task, self.round):
                continue
            match mark.act:
                case "mark":
                    self._add_to_step(mark)
                case "undo":
                    _move(mark.step, self._done, self._undone)
                case "redo":
                    _move(mark.step, self._undone, self._done)
            self.current.pop(mark.id, None)
            if has_content(mark):
                self.current[mark.id] = mark

    def undo(self) -> list[Mark]:
        """The marks that undo the last step of which a mark is still current; empty if none is."""
        key: Any = {"by": self.by, "task": self.task, "round": self.round}
        for step in reversed(self._own(self._done)):
            ids = [id for id, mark in step.after.items() if self._is_current(id, mark)]
            if ids:
                blanks = (Mark(id=id, at=step.after[id].at, **key) for id in ids)
                return [
                    replace(step.before[blank.id] or blank, act="undo", step=step.step)
                    for blank in blanks
                ]
        return []

    def redo(self) -> list[Mark]:
        """The marks that redo the step that was undone last; empty if there is none."""
        for step in reversed(self._own(self._undone)):
            ids = [id for id, mark in step.before.items() if self._is_current(id, mark)]
            if ids:
                return [replace(step.after[id], act="redo", step=step.step) for id in ids]
        return []

    def reread(self, marks: Iterable[Mark]) -> History:
        """The history of a longer log; the steps that were not known here are from elsewhere."""
        history = History(marks, by=self.by, task=self.task, round=self.round)
        known = {step.step for step in [*self._done, *self._undone]}
        new = {step.step for step in [*history._done, *history._undone]}
        history.elsewhere = self.elsewhere | (new - known)
        return history

    def recent(self, n: int) -> list[Mark]:
        """The current marks of the last ``n`` rows that were marked, newest first."""
        marks: dict[str, Mark] = {}
        for step in reversed(self._done):
            for id in reversed(step.after):
                if id in self.current:
                    marks.setdefault(id, self.current[id])
                if len(marks) == n:
                    return list(marks.values())
        return list(marks.values())

    def pace(self, last: int | None = 20) -> float | None:
        """Median seconds from one label to the next; ``None`` before two.

        Those are the ``last`` ones, or all. Gaps of more than :data:`PAUSE` seconds do not count.
        """
        steps = self._done if last is None else self._done[-last - 1 :]
        times = [step.at for step in steps if step.changes_label]
        gaps = [b - a for a, b in pairwise(times) if 0 <= b - a <= PAUSE]
        return median(gaps) if gaps else None

    @property
    def depth(self) -> tuple[int, int]:
        """How many steps can be undone, and how many redone."""
        return len(self._own(self._done)), len(self._own(self._undone))

    def _own(self, steps: list[_Step]) -> list[_Step]:
        return [step for step in steps if step.step not in self.elsewhere]

    def _is_current(self, id: str, mark: Mark | None) -> bool:
        """Whether no other view has changed the row since."""
        return _content(self.current.get(id)) == _content(mark)

    def _add_to_step(self, mark: Mark) -> None:
        if not (self._done and self._done[-1].step == mark.step and mark.step):
            self._done.append(_Step(mark.step))
        self._undone.clear()
        last = self._done[-1]
        last.before.setdefault(mark.id, self.current.get(mark.id))
        last.after[mark.id] = mark


def _move(step: int, source: list[_Step], target: list[_Step]) -> None:
    """Move a step from one stack to the other, unless an earlier mark of the step did so."""
    for n in range(len(source) - 1, -1, -1):
        if source[n].step == step:
            target.append(source.pop(n))
            return
