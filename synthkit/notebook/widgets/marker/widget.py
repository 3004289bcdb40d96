"""The marker: a widget that asks for one row at a time; each mark is stored before the next row.

The front end sends numbered actions, one at a time. The kernel stores the mark and answers with
the next row in the trait ``shown``. An action that is sent again is recognized by its number, and
a view that is opened while the kernel is busy has a row to show.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets

from synthkit.core.errors import UsageError
from synthkit.core.static_output import StaticOutput
from synthkit.data.results import Curation
from synthkit.notebook.deferred import Deferred
from synthkit.notebook.output.provenance import of_id
from synthkit.notebook.widgets.base import Widget, clipped
from synthkit.notebook.widgets.marker.keys import bindings, second_keys
from synthkit.notebook.widgets.marker.pairs import PairQueue, PairView
from synthkit.notebook.widgets.marker.queue import AnnotationQueue
from synthkit.notebook.widgets.marker.view import QueueView

if TYPE_CHECKING:
    from synthkit.curate.marks.learned_filter import LearnedFilter

PART_LENGTH = 20_000
UPDATE_SECONDS = 1.0
"""Seconds between two updates of the static output."""
LEARN_SECONDS = 0.25
"""Seconds from a mark until it is learned from, together with the marks that follow it."""
MOST_REASONS = 9


class Marker(Widget):
    """A widget to mark a table's rows, one after another.

    Parameters
    ----------
    table : a table of any kind; rows without an id get one made from their cells.
    reasons : quick choices for why a row is rejected, at most nine.
    keys : action -> key, to change the defaults ``KEYS`` (for pairs ``PAIR_KEYS``) of
        :mod:`synthkit.notebook.widgets.marker.keys`, such as ``{"accept": "j"}``.
    pair : two columns of texts to compare blind, in place of judging one: see
        :class:`~synthkit.notebook.widgets.marker.pairs.PairQueue`.
    options : those of :class:`~synthkit.notebook.widgets.marker.queue.AnnotationQueue`.

    Raises
    ------
    TableError
        If a column is missing, or two rows have the same id.
    UsageError
        If an option is invalid, or two actions have the same key.
    """

    _esm = Path(__file__).with_name("widget.js")
    _css = Path(__file__).with_name("widget.css")

    shown = traitlets.Dict().tag(sync=True)

    # set here too, since an instance whose constructor fails is closed as well
    _learning: Deferred | None = None
    _static: Deferred | None = None

    def __init__(
        self,
        table: Any,
        *,
        reasons: Sequence[str] = (),
        keys: Mapping[str, str] | None = None,
        pair: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        self.queue = open_queue(table, pair=pair, **options)
        queue = self.queue
        self._view = PairView(queue) if isinstance(queue, PairQueue) else QueueView(queue)
        self._acts = threading.RLock()
        self._numbers: dict[str, int] = {}
        """View -> the number of its last action."""
        self._answered = ("", 0, True)
        self._turn = 0
        if self.queue.order.learner is not None:
            self.queue.order.background = True
            self._learning = Deferred(self._learn, LEARN_SECONDS)
        super().__init__(about=self._about(keys or {}, _reasons(reasons)), shown=self._state())

    def __repr__(self) -> str:
        return f"Marker({self.name!r}, {self.queue.marked}/{len(self.queue.scope)} marked)"

    @property
    def name(self) -> str:
        """The table's name."""
        return self.queue.name

    @property
    def marks(self) -> Any:
        """See :attr:`.Annotation.marks`."""
        return self.queue.marks

    @property
    def curation(self) -> Curation:
        """See :attr:`.Annotation.curation`."""
        return self.queue.curation

    @property
    def kept(self) -> Any:
        """The accepted rows, with their edits."""
        return self.queue.kept

    @property
    def dropped(self) -> Any:
        """The rejected rows, with the reason in ``why``."""
        return self.queue.dropped

    @property
    def pairs(self) -> PairQueue:
        """The queue of a marker of pairs, with ``judged``, ``battles`` and ``standings()``.

        Raises
        ------
        UsageError
            If single rows are marked here.
        """
        if not isinstance(self.queue, PairQueue):
            raise UsageError("this marker has no pairs; open one with pair=('first', 'second').")
        return self.queue

    @property
    def learned(self) -> LearnedFilter | None:
        """See :attr:`.AnnotationQueue.learned`."""
        return self.queue.learned

    def agreement(self) -> Any:
        """See :meth:`.Annotation.agreement`."""
        return self.queue.agreement()

    def summary(self) -> StaticOutput:
        """See :meth:`.AnnotationQueue.summary`."""
        return self.queue.summary()

    def mark(self, ids: str | Iterable[str], label: str, *, reason: str = "") -> int:
        """Mark rows in one step, which one undo takes back; returns the number of rows."""
        with self._acts:
            n = self.queue.mark(ids, label, reason=reason)
            self._changed()
        return n

    def narrow(self, ids: Iterable[Any] | None) -> None:
        """Show only these rows; ``None`` shows all again."""
        with self._acts:
            self.queue.narrow(ids)
            self._changed()

    def keep(self, place: Any) -> None:
        """Update the static output in ``place``, a display handle, from now on."""

        def update() -> None:
            try:
                place.update(self.summary().for_widget)
            except Exception as error:
                self.fail(error)

        self._static = Deferred(update, UPDATE_SECONDS)

    def close(self) -> None:
        """Close the view, and update the static output; all marks are stored."""
        if self._learning is not None:
            self._learning.close()
        if self._static is not None:
            self._static.close(flush=True)
        super().close()

    def _about(self, keys: Mapping[str, str], reasons: Sequence[str]) -> dict[str, Any]:
        queue, pair = self.queue, isinstance(self.queue, PairQueue)
        bound = bindings(keys, queue.labels, pair=pair)
        learns = queue.order.learner is not None
        if not learns:
            bound.pop("why", None)
        return {
            "name": queue.name,
            "labels": [] if pair else queue.labels,
            "reasons": reasons,
            "keys": bound,
            "pair": pair,
            "also": second_keys(bound) if pair else {},
            "round": queue.history.round,
            "by": queue.history.by,
            "task": queue.history.task,
            "column": "" if pair else queue.table.column,
            "order": list(queue.filters),
            "learns": learns,
        }

    def _reply(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        match content:
            case {"type": "act", "client": str(client), "seq": int(number)}:
                self._act(client, number, content)
                return None
            case {"type": "whole", "id": str(id)}:
                return {"type": "whole", "id": id, **self._view.whole(id)}
            case {"type": "why", "id": str(id)}:
                return {"type": "why", "id": id, "parts": _parts(self.queue.why(id))}
            case {"type": "origin", "id": str(id)}:
                return {"type": "origin", "id": id, "parts": self._origin(id)}
        return super()._reply(content)

    def _act(self, client: str, number: int, content: Mapping[str, Any]) -> None:
        """Carry out an action once, and answer it; a failed action is answered, then raised."""
        with self._acts:
            last = self._numbers.get(client, 0)
            try:
                if number > last:
                    before = self.queue.history.depth
                    self._view.act(content)
                    if self._learning is not None and self.queue.history.depth != before:
                        self._learning()
            except BaseException:
                self._answered = (client, number, False)
                self.shown = self._state()
                raise
            self._numbers[client] = max(number, last)
            self._answered = (client, number, True)
            self._changed()

    def _changed(self) -> None:
        self.shown = self._state()
        if self._static is not None:
            self._static()

    def _learn(self) -> None:
        self.queue.learn()
        with self._acts:
            self._changed()

    def _state(self) -> dict[str, Any]:
        self._turn += 1
        return {**self._view.state(), "answered": list(self._answered), "turn": self._turn}

    def _origin(self, id: str) -> list[list[Any]]:
        """A row's provenance, without the verdicts of filters and the marks of other people."""
        (known,) = self.queue.known([id])
        parts = of_id(self.queue.session, known, self.queue.table.row(known))
        heads = [(part.kind, part.label) for part in parts]
        hidden = [("head", "Verdicts"), ("head", "Marks")]
        end = next((n for n, head in enumerate(heads) if head in hidden), len(parts))
        return _parts(parts[:end])


def open_queue(table: Any, *, pair: Sequence[str] | None = None, **options: Any) -> AnnotationQueue:
    """The queue of a table's rows, or of its pairs of texts."""
    if pair is None:
        return AnnotationQueue(table, **options)
    return PairQueue(table, pair=pair, **options)


def _parts(parts: Iterable[tuple[str, str, Any]]) -> list[list[Any]]:
    return [[kind, label, clipped(value, PART_LENGTH)] for kind, label, value in parts]


def _reasons(reasons: Sequence[str]) -> list[str]:
    texts = [str(reason).strip() for reason in reasons]
    if isinstance(reasons, str) or len(texts) > MOST_REASONS or not all(texts):
        raise UsageError(f"expected at most nine reasons, none empty; got {reasons!r}.")
    return texts
