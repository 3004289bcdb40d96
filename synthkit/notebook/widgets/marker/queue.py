"""The annotation queue: which row comes next, filters and search."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from synthkit.core.errors import UsageError, check_known
from synthkit.core.formatting import count, thousands
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.core.types import Mark
from synthkit.notebook.widgets.marker.annotation import BUILT_IN, Annotation, described
from synthkit.notebook.widgets.marker.learning import report_line
from synthkit.notebook.widgets.marker.order import Order, Score, row_order
from synthkit.notebook.widgets.marker.table import AnnotatedTable
from synthkit.sessions.session import Session

if TYPE_CHECKING:
    from synthkit.curate.marks.learned_filter import LearnedFilter
    from synthkit.stats.classifier import Embed

REASON_LENGTH = 2_000
TRAIL = 200
"""Most rows that ``back`` returns to."""


@dataclass(slots=True)
class Cursor:
    """The current row, and the way back.

    Attributes
    ----------
    trail : the rows marked last, the newest at the end.
    interrupted : the row to return to after a visit to an earlier one; at most one.
    """

    current: str | None = None
    trail: list[str] = field(default_factory=list)
    interrupted: list[str | None] = field(default_factory=list)

    def visit(self, id: str) -> None:
        """Go to a row out of turn."""
        if not self.interrupted:
            self.interrupted.append(self.current)
        self.current = id


@dataclass(slots=True)
class RowFilter:
    """Which rows are shown: by label (``name``), by a search, and by a list of ids."""

    name: str = "all"
    search: str = ""
    matches: set[str] | None = None
    narrowed: set[str] | None = None

    @property
    def is_open(self) -> bool:
        """Whether every row is shown."""
        return self.name == "all" and self.matches is None and self.narrowed is None

    def has(self, id: str) -> bool:
        """Whether the search and the list of ids let a row through, whatever its label."""
        return (self.narrowed is None or id in self.narrowed) and (
            self.matches is None or id in self.matches
        )


class AnnotationQueue(Annotation):
    """One annotator's marks of one table, with the row to mark next.

    After a mark comes the next row of the order without a label; where a filter shows labelled
    rows, the next of those. After a visit to an earlier row it returns to the row before the visit.
    All methods may be called from any thread.

    Parameters
    ----------
    table : a table of any kind; rows without an id get one made from their cells.
    name : the table's name.
    session : where marks are kept; the current session if not given.
    column : the column to judge; the column with the longest texts if not given.
    show : the columns to show above it; all others if not given.
    labels : what a row can be labelled with in place of ``"accept"``, at most nine; ``"reject"``
        and ``"skip"`` stay.
    order : ``"sequence"``, ``"random"``, ``"uncertain"`` (``score`` nearest to 0.5 first) or
        ``"disagreement"`` (first the rows on which other annotators, or the columns ``disagree``,
        differ most).
    score : for ``"uncertain"``: a column of probabilities, or a function that is called again after
        every 10 marks. If not given, the order is learned from the marks; see :attr:`learned`.
    embed : texts -> (n, d) numbers, to learn from; ``load_embedder("wordllama")`` by default.
    reads : columns that the learned filter reads beside the texts, such as labels.
    disagree : columns that hold one judgement each.
    seed : for the random order and the sample of ``again``.
    again : mark this many marked rows once more as round 2, without showing the marks of round 1.
    by : the annotator's name; ``"me"`` if not given.
    task : names the question, where a table is marked for several.
    clock : returns seconds since 1970.

    Raises
    ------
    TableError
        If a column is missing, or two rows have the same id.
    UsageError
        If an option is invalid.
    """

    def __init__(
        self,
        table: Any,
        *,
        name: str = "table",
        session: Session | None = None,
        column: str | None = None,
        show: Sequence[str] | None = None,
        labels: Sequence[str] = (),
        order: Order = "sequence",
        score: str | Score | None = None,
        embed: Embed | None = None,
        reads: Sequence[str] = (),
        disagree: Sequence[str] = (),
        seed: int = 0,
        again: int = 0,
        by: str | None = None,
        task: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        rows = AnnotatedTable(table, name=name, column=column, show=show)
        super().__init__(
            rows,
            session=session,
            labels=labels,
            by=by,
            task=task,
            again=again,
            seed=seed,
            clock=clock,
        )
        self.order = row_order(
            self, order, score=score, embed=embed, reads=reads, disagree=disagree, seed=seed
        )
        self.filter = RowFilter()
        self.cursor = Cursor(trail=[mark.id for mark in reversed(self.history.recent(TRAIL))])
        self._advance()

    @property
    def current(self) -> str | None:
        """The id of the row to mark; ``None`` if no row is left."""
        return self.cursor.current

    @property
    def filters(self) -> list[str]:
        """The names of the filters; ``"=label"`` shows the rows with that label."""
        return ["all", "unmarked", *(f"={label}" for label in self.choices), "flagged"]

    @property
    def learned(self) -> LearnedFilter | None:
        """The filter learned from the marks so far; ``None`` unless the order is learned."""
        return self.order.learner.learned if self.order.learner else None

    @property
    def warning(self) -> str:
        """Why the rows were not sorted again, or what the learned filter cannot see."""
        return self.order.warning or (self.order.learner.unseen if self.order.learner else "")

    def narrow(self, ids: Iterable[Any] | None) -> None:
        """Show only these rows; ``None`` shows all again.

        Raises
        ------
        TableError
            If a row is not in the table.
        """
        with self.annotator.lock:
            self.filter.narrowed = None if ids is None else set(self.known(ids))
            self._advance()

    def act(self, content: Mapping[str, Any]) -> None:
        """Carry out an action of the front end; ``current`` is then the row to show.

        Raises
        ------
        UsageError
            If the action is unknown or cannot be done.
        StoreError
            If a mark cannot be written; nothing is changed then.
        """
        with self.annotator.lock:
            self.annotator.refresh()
            match content:
                case {"do": "label", "id": str(id), "label": str(label)}:
                    (known,) = self.known([id])
                    self.write([self.labelled(known, label, str(content.get("reason", "")))])
                    self._after_mark(known)
                case {"do": "flag", "id": str(id)}:
                    self._change(id, lambda mark: replace(mark, flag=not mark.flag))
                case {"do": "reason", "id": str(id), "reason": str(reason)}:
                    self._change(id, lambda mark: replace(mark, reason=reason[:REASON_LENGTH]))
                case {"do": "edit", "id": str(id), "text": str(text)}:
                    self._change(id, lambda mark: self._edited(mark, text))
                case {"do": "bulk", "label": str(label), "n": int(n)}:
                    self._mark_matching(label, n)
                case {"do": "filter", "filter": str(name)}:
                    check_known("filter", name, self.filters)
                    self.filter.name = name
                    self._advance()
                case {"do": "search", "text": str(text)}:
                    text = text[:REASON_LENGTH]
                    self.filter.search = text
                    columns = self._searched()
                    self.filter.matches = self.table.containing(text, columns) if text else None
                    self._advance()
                case {"do": "widen"}:
                    self.narrow(None)
                case _:
                    self._move(content)

    def matching(self) -> list[str]:
        """The rows that the filter shows, in order."""
        return [id for id in self.order.ids if self.filter.has(id) and self._passes(id)]

    def learn(self) -> bool:
        """Learn from the current marks and sort the rows again; ``order.warning`` if it fails.

        Marked rows and the current row keep their places.
        """
        order = self.order
        with self.annotator.lock:
            marks = dict(self.history.current)
        try:
            ids = order.sort(marks)
        except Exception as error:  # runs in the background: the widget shows the warning
            order.warning = f"Nothing new was learned: {type(error).__name__}: {error}"
            return False
        with self.annotator.lock:
            marked = [id for id in self.history.current if id in order.ranks and self.label(id)]
            here = [self.current] if self.current and not self.label(self.current) else []
            order.arrange(list(dict.fromkeys([*marked, *here, *ids])))
            order.warning = ""
        return True

    def why(self, id: str) -> list[tuple[str, str, str]]:
        """The reasons for a row's learned score, as (kind, label, value) parts of a panel."""
        (known,) = self.known([id])
        return self.order.learner.why(known) if self.order.learner else []

    def label(self, id: str) -> str:
        """A row's label; empty if it has none."""
        mark = self.history.current.get(id)
        return mark.label if mark else ""

    def shown(self, mark: Mark) -> str:
        """The text of a marked row, as it was edited."""
        return mark.edit.get(self.table.column, self.table.text(mark.id))

    def summary(self) -> StaticOutput:
        """The static output: how many rows are marked, as what, by whom, and the last five."""
        with self.annotator.lock:
            recent, voices = self.history.recent(5), self.voices()
        rows = [
            {
                "mark": BUILT_IN.get(mark.label, "•") + f" {described(mark)}",
                "text": self.shown(mark),
            }
            for mark in recent
        ]
        labels = [f"{thousands(self.counts[label])} {label}" for label in self.choices]
        progress = f"{thousands(self.marked)} of {count(len(self.scope), 'row')} marked"
        note = f"{self.name}: {progress}; {', '.join(labels)}; by {voices}"
        learned = [f"learned: {report_line(self.learned.report, ', ')}"] if self.learned else []
        unseen = [self.warning] if self.warning else []
        drawn = self.order.seed
        seed = [f"to learn from these marks: --seed {drawn}"] if drawn else []
        return static_table(rows, note=note, notes=learned + unseen + seed)

    def _change(self, id: str, change: Callable[[Mark], Mark]) -> None:
        (known,) = self.known([id])
        mark = self.annotator.mark(known)
        if (changed := change(mark)) != mark:
            self.write([changed])

    def _edited(self, mark: Mark, text: str) -> Mark:
        column = self.table.column
        original = self.table.cell(mark.id, column)
        if not isinstance(original, str | None):
            raise UsageError(
                f"only text can be edited; {column!r} holds a {type(original).__name__} here."
            )
        others = {name: edit for name, edit in mark.edit.items() if name != column}
        return replace(mark, edit=others if text == (original or "") else {**others, column: text})

    def _mark_matching(self, label: str, n: int) -> None:
        ids = self.matching()
        if len(ids) != n:
            raise UsageError(f"{len(ids)} rows match now, not {n}: check them, then confirm.")
        self.mark(ids, label)
        self._sort_if_due()
        self._advance()

    def _move(self, content: Mapping[str, Any]) -> None:
        cursor, ranks = self.cursor, self.order.ranks
        match content:
            case {"do": "undo"}:
                undone = [id for id in self.undo() if id in ranks]
                if undone:
                    cursor.current = undone[0]
                    cursor.trail = [id for id in cursor.trail if id not in set(undone)]
            case {"do": "redo"}:
                redone = [id for id in self.redo() if id in ranks]
                if redone:
                    cursor.current = redone[-1]
                    if self.label(redone[-1]):
                        self._after_mark(redone[-1])
            case {"do": "next" | "previous" as way}:
                self._step(1 if way == "next" else -1)
            case {"do": "back"}:
                while cursor.trail and cursor.trail[-1] == self.current:
                    cursor.trail.pop()
                if cursor.trail:
                    cursor.visit(cursor.trail.pop())
                else:
                    self._step(-1)
            case {"do": "go", "id": str(id)} if id in ranks:
                cursor.visit(id)
            case _:
                raise UsageError(f"unknown message to the marker: {content!r}.")

    def _after_mark(self, id: str) -> None:
        cursor = self.cursor
        cursor.trail = [*cursor.trail[-TRAIL:], id]
        is_sorted = self._sort_if_due()
        if cursor.interrupted:
            cursor.current = cursor.interrupted.pop()
            if cursor.current is None or not self.label(cursor.current):
                return
        # active learning proposes its first row without a label, wherever the last one was
        learns = self.order.learner is not None and self.filter.name in {"all", "unmarked"}
        self._advance(None if is_sorted or learns else id)

    def _sort_if_due(self) -> bool:
        """Whether the rows were sorted again; the queue then starts from the first row."""
        order = self.order
        if not order.is_due():
            return False
        if self.order.learner is not None:
            return self.learn()
        try:
            order.arrange(order.sort(dict(self.history.current)))
        except Exception as error:  # the mark is stored already, so the action has not failed
            order.warning = f"The order is unchanged: the score failed: {error}"
            return False
        order.warning = ""
        return True

    def _advance(self, after: str | None = None) -> None:
        """Make the row after ``after``, or the first, the current one; ``None`` if none is left."""
        ids = self.order.ids
        start = 0 if after is None else self.order.ranks[after] + 1
        shows_marked = self.filter.name not in {"all", "unmarked"}
        for id in [*ids[start:], *([] if shows_marked else ids[:start])]:
            if self.filter.has(id) and (self._passes(id) if shows_marked else not self.label(id)):
                self.cursor.current = id
                return
        self.cursor.current = None

    def _step(self, way: int) -> None:
        """Go to the next (1) or previous (-1) row that the filter shows."""
        ids, current = self.order.ids, self.current
        if current is None and way > 0:
            return
        at = len(ids) if current is None else self.order.ranks[current]
        rest = ids[at + 1 :] if way > 0 else reversed(ids[:at])
        shown = (id for id in rest if self.filter.has(id) and self._passes(id))
        self.cursor.current = next(shown, current)

    def _passes(self, id: str) -> bool:
        """Whether a row's label passes the filter."""
        match self.filter.name:
            case "all":
                return True
            case "flagged":
                return id in self.history.current and self.history.current[id].flag
            case "unmarked":
                return not self.label(id)
        return self.label(id) == self.filter.name[1:]

    def _searched(self) -> list[str]:
        return [*self.table.shown, self.table.column]
