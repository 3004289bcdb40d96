"""One annotator's marks of one table. It has no browser; ``Marker`` is its widget."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from synthkit.core.errors import TableError, UsageError, check_known
from synthkit.core.extras import need
from synthkit.core.formatting import thousands
from synthkit.core.types import Mark
from synthkit.curate.marks.history import History, current_marks, is_edited
from synthkit.curate.marks.orders import sample_ids, shuffled
from synthkit.curate.marks.tables import marks_frame, split_by_marks
from synthkit.data.results import Curation
from synthkit.notebook.widgets.marker.table import AnnotatedTable
from synthkit.sessions import current
from synthkit.sessions.annotator import Annotator
from synthkit.sessions.mark_statistics import agreement
from synthkit.sessions.people import composed
from synthkit.sessions.session import Session

BUILT_IN = {"accept": "✓", "reject": "✗", "skip": "–"}
"""Labels of every task, and their signs."""
MOST_LABELS = 9
"""One for each digit key."""


class Annotation:
    """A table, and one annotator's marks of it; see :class:`.AnnotationQueue` for the parameters.

    Attributes
    ----------
    scope : the ids of the rows to mark: all rows, or in round 2 a sample of the marked ones.
    others : other annotator -> number of rows they gave a label.
    """

    def __init__(
        self,
        table: AnnotatedTable,
        *,
        session: Session | None = None,
        labels: Sequence[str] = (),
        by: str | None = None,
        task: str = "",
        again: int = 0,
        seed: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.table = table
        self.session = session or current.session()
        self.labels = _labels(labels)
        store, by = self.session.store, composed(by or self.session.person)
        self.annotator = Annotator(
            store, table.ids, by=by, task=task, round=2 if again else 1, clock=clock
        )
        log = self.annotator.log()
        self._first = History(log, by=by, task=task) if again else None
        self.scope = self._sample(again, seed) if again else list(table.ids)
        self._within = set(self.scope)
        self._counted: tuple[History | None, Counter[str]] = (None, Counter())
        self.others = Counter(mark.person for mark in self._labels_of_others(log))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {self.marked}/{len(self.scope)} marked)"

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    @property
    def history(self) -> History:
        """The annotator's marks of this task and round."""
        return self.annotator.history

    @property
    def first(self) -> History:
        """The annotator's marks of round 1."""
        return self._first or self.history

    @property
    def counts(self) -> Counter[str]:
        """Label -> number of rows in ``scope`` with it; ``"flagged"`` counts flags."""
        history = self.history
        if self._counted[0] is not history:  # it was read again
            current = (history.current.get(id) for id in self.scope)
            self._counted = history, Counter(name for mark in current for name in _counted(mark))
        return self._counted[1]

    @property
    def marked(self) -> int:
        """How many rows have a label."""
        return sum(self.counts[label] for label in self.choices)

    @property
    def choices(self) -> list[str]:
        """The labels that a row can be given."""
        return [*(self.labels or ["accept"]), "reject", "skip"]

    @property
    def marks(self) -> Any:
        """A DataFrame of the current marks: id, label, reason, flag, by, at, task, round.

        It has the marks of all annotators and both rounds of this task. ``at`` is in UTC. A column
        ``edited_<column>`` holds the edited texts of a column, if there are any.
        """
        return marks_frame(current_marks(self._log()).values())

    @property
    def curation(self) -> Curation:
        """The table split by all annotators' marks of this task."""
        return split_by_marks(self.table.table, self._log())

    @property
    def kept(self) -> Any:
        """The accepted rows, with their edits."""
        return self.curation.kept

    @property
    def dropped(self) -> Any:
        """The rejected rows, with the reason in ``why``."""
        return self.curation.dropped

    def mark(self, ids: str | Iterable[str], label: str, *, reason: str = "") -> int:
        """Mark rows in one step, which one undo takes back; returns the number of rows.

        Raises
        ------
        UsageError
            If the label does not exist.
        TableError
            If a row is not in the table.
        """
        with self.annotator.lock:
            known = self.known([ids] if isinstance(ids, str) else ids)
            self.write([self.labelled(id, label, reason) for id in known])
            return len(known)

    def labelled(self, id: str, label: str, reason: str = "") -> Mark:
        """A row's mark with another label; its edit and flag stay."""
        check_known("label", [label], self.choices)
        mark = self.annotator.mark(id)
        # the reason for one label does not hold for another
        former = mark.reason if mark.label in ("", label) else ""
        return replace(mark, label=label, reason=reason or former)

    def write(self, marks: Sequence[Mark]) -> None:
        """Store marks, then update the counts.

        Raises
        ------
        StoreError
            If they cannot be written; nothing is changed then.
        """
        with self.annotator.lock:
            ids = {mark.id for mark in marks} & self._within
            before = [self.history.current.get(id) for id in ids]
            counts = self.counts
            self.annotator.write(marks)
            for old, id in zip(before, ids, strict=True):
                counts.subtract(_counted(old))
                counts.update(_counted(self.history.current.get(id)))

    def undo(self) -> list[str]:
        """Take the last step back; the ids of the rows it changed, empty if there is no step.

        A row that another view of the table has marked since keeps that mark.
        """
        return self._repeat(History.undo)

    def redo(self) -> list[str]:
        """Repeat the step that was undone last; the ids of the rows it changed."""
        return self._repeat(History.redo)

    def agreement(self) -> Any:
        """A DataFrame of how far two looks at the same rows agree.

        One row for this annotator's two rounds, and one for each pair of annotators. ``n`` rows
        have a label other than skip from both; ``low`` and ``high`` are the Wilson interval (95 %)
        of the share; ``kappa`` is Cohen's, NaN where it is undefined.
        """
        looks: dict[tuple[str, int], dict[str, Mark]] = {}
        for mark in current_marks(self._log()).values():
            looks.setdefault((mark.person, mark.round), {})[mark.id] = mark
        people = sorted(by for by, round in looks if round == 1)
        pairs = [((by, 1), (by, 2)) for by in people if (by, 2) in looks]
        pairs += [((a, 1), (b, 1)) for a, b in combinations(people, 2)]
        rows = [
            {"first": a[0], "second": b[0] + (", round 2" if b[1] == 2 else "")}
            | agreement(looks[a], looks[b])
            for a, b in pairs
        ]
        names = ["first", "second", "n", "share", "low", "high", "kappa"]
        return need("pandas", extra="data", why="to show agreement").DataFrame(rows, columns=names)

    def known(self, ids: Iterable[Any]) -> list[str]:
        """The ids as text; raises a :class:`TableError` for a row that is not in ``scope``."""
        texts = [str(id) for id in ids]
        for id in texts:
            if id not in self._within:
                where = f"the sample of {self.name}" if self.history.round == 2 else self.name
                raise TableError(f"no row {id!r} in {where}; expected one of its ids.")
        return texts

    def voices(self) -> str:
        """Annotators and the number of rows that each gave a label, as one text."""
        people = self.others + Counter({self.history.by: self.marked})
        names = [f"{by} {thousands(n)}" for by, n in sorted(people.items())]
        return ", ".join(names) or self.history.by

    def judgements(self) -> dict[str, list[str]]:
        """Row id -> the labels that other annotators gave it in round 1."""
        labels: dict[str, list[str]] = {}
        for mark in self._labels_of_others(self._log()):
            labels.setdefault(mark.id, []).append(mark.label)
        return labels

    def _repeat(self, step: Callable[[History], list[Mark]]) -> list[str]:
        with self.annotator.lock:
            self.annotator.refresh()
            marks = step(self.history)
            self.write(marks)
            return [mark.id for mark in marks]

    def _log(self) -> list[Mark]:
        log = self.session.store.marks.for_rows(self.table.ids)
        return [mark for mark in log if mark.task == self.history.task]

    def _labels_of_others(self, log: Iterable[Mark]) -> list[Mark]:
        here = (self.history.task, 1)
        return [
            mark
            for mark in current_marks(log).values()
            if mark.label and mark.person != self.history.by and (mark.task, mark.round) == here
        ]

    def _sample(self, n: int, seed: int) -> list[str]:
        """The rows of round 2: ``n`` rows that have a label in round 1, at random by the seed."""
        if n < 0:
            raise UsageError(f"again must be at least 1; got {n}.")
        seen = [id for id in self.table.ids if _is_judged(self.first.current.get(id))]
        if not seen:
            raise UsageError(
                f"nothing to mark again: {self.history.by} has not marked a row of {self.name} yet."
            )
        # rows that were started stay in the sample, even if more rows have been marked since
        started = [id for id in seen if id in self.history.current]
        rest = [id for id in sample_ids(seen, len(seen), seed) if id not in set(started)]
        return shuffled([*started, *rest][: max(n, len(started))], seed)


def described(mark: Mark) -> str:
    """A mark in words: its label, edit, flag and reason."""
    edited = "edited" if is_edited(mark) else ""
    parts = [mark.label or "no label", edited, "flagged" if mark.flag else ""]
    text = ", ".join(filter(None, parts))
    return f"{text}: {mark.reason}" if mark.reason else text


def _labels(labels: Sequence[str]) -> list[str]:
    if isinstance(labels, str):
        raise UsageError(f"labels must be a list of names; got {labels!r}.")
    names = [str(label) for label in labels]
    wrong = [name for name in names if name in BUILT_IN or not name.strip()]
    if wrong or len(set(names)) < len(names) or len(names) > MOST_LABELS:
        raise UsageError(
            "expected at most nine labels, all different, and none of 'accept', 'reject', 'skip' "
            f"(the last two are always available); got {names!r}."
        )
    return names


def _counted(mark: Mark | None) -> list[str]:
    """The names that a mark adds to the counts."""
    if mark is None:
        return []
    return [*([mark.label] if mark.label else []), *(["flagged"] if mark.flag else [])]


def _is_judged(mark: Mark | None) -> bool:
    return mark is not None and mark.label not in ("", "skip")
