"""The marker: one row at a time, judged by key or by mouse, and on disk before the next is shown.

The browser sends one act at a time with its number. Here it is written and answered with the row
that is next, all in the trait ``shown``: so an act that is sent again is known by its number, and
a view opened while the kernel is busy has a row to show.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import traitlets

from synthkit.core.errors import UsageError, unknown
from synthkit.core.static_output import StaticOutput
from synthkit.data.results import Curation
from synthkit.notebook.output.provenance import of_id
from synthkit.notebook.widgets.base import Widget, clipped, source, style
from synthkit.notebook.widgets.marker.pairs import PairDesk
from synthkit.notebook.widgets.marker.state import Desk

if TYPE_CHECKING:
    from synthkit.curate.marks.learned_filter import LearnedFilter

KEYS = {
    "accept": "a",
    "reject": "x",
    "skip": " ",
    "edit": "e",
    "reason": "c",
    "flag": "f",
    "prompt": "p",
    "why": "w",
    "back": "Backspace",
    "undo": "u",
    "redo": "U",
    "search": "/",
    "bulk": "b",
    "previous": "ArrowLeft",
    "next": "ArrowRight",
    "help": "?",
}
"""What can be done, and the key that does it, as browsers name keys."""
PAIR_KEYS = {
    "left": "ArrowLeft",
    "right": "ArrowRight",
    "tie": "t",
    "skip": " ",
    "reason": "c",
    "flag": "f",
    "compare": "d",
    "back": "Backspace",
    "undo": "u",
    "redo": "U",
    "search": "/",
    "bulk": "b",
    "previous": "p",
    "next": "n",
    "help": "?",
}
"""The same where two texts are compared."""
SECOND_KEYS = {"1": "left", "2": "right", "0": "tie"}
"""Further keys of a comparison, where they are not taken."""
_RESERVED = {"Tab", "Enter", "Escape", "Shift", "Control", "Alt", "Meta"}
PART_LENGTH = 20_000
UPDATE_SECONDS = 1.0
"""Seconds between two updates of the static output."""
LEARN_SECONDS = 0.25
"""Seconds from a mark until it is learned from, together with those that follow it meanwhile."""


class Marker(Widget):
    """A widget to judge a table's rows with, one after another.

    Parameters
    ----------
    table : of any kind; without an ``id`` column, ids are made from what the rows hold.
    reasons : quick choices for why a row is rejected; at most nine.
    keys : action -> key, in place of those in ``KEYS``, such as ``{"accept": "j"}``; for pairs of
        those in ``PAIR_KEYS``.
    pair : two columns of texts to compare, blind and side by side, in place of judging one: see
        :class:`~synthkit.notebook.widgets.marker.pairs.PairDesk`.
    options : those of :class:`~synthkit.notebook.widgets.marker.annotation.Marking`.

    Raises
    ------
    TableError
        If a column is not there, or two rows have one id.
    UsageError
        If an option makes no sense, or two actions have one key.
    """

    _esm = source("marker/widget.js")
    _css = style("marker")

    shown = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        table: Any,
        *,
        reasons: Sequence[str] = (),
        keys: Mapping[str, str] | None = None,
        pair: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        self._acts = threading.RLock()
        self._last: dict[str, int] = {}
        self._turn = 0
        self._place: Any = None
        self._timer: threading.Timer | None = None
        self._study: threading.Timer | None = None
        self._more = False
        self._answered = ("", 0, True)
        self.desk = seat(table, pair=pair, **options)
        self.desk.live = True
        bound = bindings(keys or {}, self.desk.labels, pair=pair is not None)
        if self.desk.learner is None:
            bound.pop("why", None)
        chosen = _reasons(reasons)
        super().__init__(
            about={
                "name": self.desk.name,
                "labels": [] if pair else self.desk.labels,
                "reasons": chosen,
                "keys": bound,
                "pair": pair is not None,
                "also": {
                    key: action
                    for key, action in (SECOND_KEYS if pair else {}).items()
                    if key not in bound.values()
                },
                "round": self.desk.round,
                "by": self.desk.by,
                "task": self.desk.task,
                "column": "" if pair else self.desk.text,
                "order": list(self.desk.filters),
                "learns": self.desk.learner is not None,
            },
            shown=self._state(),
        )

    def __repr__(self) -> str:
        return f"Marker({self.name!r}, {self.desk.marked}/{len(self.desk.scope)} marked)"

    @property
    def name(self) -> str:
        """The table's name."""
        return self.desk.name

    @property
    def marks(self) -> Any:
        """See :attr:`Marking.marks`."""
        return self.desk.marks

    @property
    def curation(self) -> Curation:
        """See :attr:`Marking.curation`."""
        return self.desk.curation

    @property
    def kept(self) -> Any:
        """The accepted rows, with their edits."""
        return self.desk.kept

    @property
    def dropped(self) -> Any:
        """The rejected rows, and ``why``."""
        return self.desk.dropped

    @property
    def pairs(self) -> PairDesk:
        """The desk of a marker of pairs, with ``judged``, ``battles`` and ``standings()``.

        Raises
        ------
        UsageError
            If single rows are marked here.
        """
        if not isinstance(self.desk, PairDesk):
            raise UsageError(
                "no pairs are marked here; ask for them with pair=('first', 'second')."
            )
        return self.desk

    @property
    def learned(self) -> LearnedFilter | None:
        """See :attr:`Marking.learned`."""
        return self.desk.learned

    def agreement(self) -> Any:
        """See :meth:`Marking.agreement`."""
        return self.desk.agreement()

    def summary(self) -> StaticOutput:
        """See :meth:`Marking.summary`."""
        return self.desk.summary()

    def mark(self, ids: str | Iterable[str], label: str, *, reason: str = "") -> int:
        """Mark rows, as one step that one undo takes back; how many they are."""
        with self._acts:
            done = self.desk.mark(ids, label, reason=reason)
            self._changed()
        return done

    def narrow(self, ids: Iterable[Any] | None) -> None:
        """Show these rows only; ``None`` shows all again."""
        with self._acts:
            self.desk.narrow(ids)
            self._changed()

    def keep(self, place: Any) -> None:
        """Keep the static output in ``place``, a display handle, up to date from now on."""
        self._place = place

    def close(self) -> None:
        """Let go of the view; all marks are on disk."""
        with self._acts:
            if self._study is not None:
                self._study.cancel()
                self._study = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
                self._update()
            self._place = None
        super().close()

    def _reply(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        match content:
            case {"type": "act", "client": str(client), "seq": int(seq)}:
                self._act(client, seq, content)
                return None
            case {"type": "whole", "id": str(id)}:
                return {"type": "whole", "id": id, **self.desk.whole(id)}
            case {"type": "why", "id": str(id)}:
                return {"type": "why", "id": id, "parts": self._why(id)}
            case {"type": "origin", "id": str(id)}:
                return {"type": "origin", "id": id, "parts": self._origin(id)}
        raise UsageError(f"the marker got a message that it does not know: {content!r}.")

    def _act(self, client: str, seq: int, content: Mapping[str, Any]) -> None:
        """Do what was asked and answer, or answer that it could not be done and raise why."""
        with self._acts:
            try:
                if seq > self._last.get(client, 0):
                    before = self.desk.history.depth
                    self.desk.act(content)
                    if self.desk.history.depth != before:
                        self._learn_soon()
            except BaseException:
                self._answered = (client, seq, False)
                self.shown = self._state()
                raise
            self._last[client] = max(seq, self._last.get(client, 0))
            self._answered = (client, seq, True)
            self._changed()

    def _changed(self) -> None:
        self.shown = self._state()
        if self._place is not None and self._timer is None:
            self._timer = threading.Timer(UPDATE_SECONDS, self._tick)
            self._timer.daemon = True
            self._timer.start()

    def _learn_soon(self) -> None:
        """Learn from what was marked, beside the marking: no mark waits for it."""
        self._more = True
        if self.desk.learner is not None and self._study is None:
            self._study = threading.Timer(LEARN_SECONDS, self._learn)
            self._study.daemon = True
            self._study.start()

    def _learn(self) -> None:
        with self._acts:
            self._more = False
        self.desk.study()
        with self._acts:
            if self._study is None:  # closed meanwhile
                return
            self._study = None
            if self._more:  # marks that came while it learned
                self._learn_soon()
            self._changed()

    def _tick(self) -> None:
        with self._acts:
            self._timer = None
            self._update()

    def _update(self) -> None:
        try:
            self._place.update(self.summary().for_widget)
        except Exception as error:
            self.fail(error)

    def _state(self) -> dict[str, Any]:
        self._turn += 1
        return {**self.desk.state(), "answered": list(self._answered), "turn": self._turn}

    def _why(self, id: str) -> list[list[Any]]:
        return [
            [kind, label, clipped(value, PART_LENGTH)] for kind, label, value in self.desk.why(id)
        ]

    def _origin(self, id: str) -> list[list[Any]]:
        """Where a row comes from; without what filters and other people said of it."""
        (known,) = self.desk.known([id])
        parts = []
        for part in of_id(self.desk.session, known, self.desk.row(known)):
            if part.kind == "head" and part.label in ("Verdicts", "Marks"):
                break
            parts.append([part.kind, part.label, clipped(part.value, PART_LENGTH)])
        return parts


def seat(table: Any, *, pair: Sequence[str] | None = None, **options: Any) -> Desk:
    """The desk at which a table is marked: for its rows, or for its pairs of texts."""
    return Desk(table, **options) if pair is None else PairDesk(table, pair=pair, **options)


def bindings(
    keys: Mapping[str, str], labels: Sequence[str] = (), *, pair: bool = False
) -> dict[str, str]:
    """Action -> key: the usual ones, those asked for, and the digits for labels.

    ``space`` stands for the space bar. What two texts can be called has keys of its own.

    Raises
    ------
    UsageError
        If an action is not known, a key cannot be used, or two actions have one key.

    Examples
    --------
    >>> bindings({"accept": "j"})["accept"]
    'j'
    """
    usual, labels = (PAIR_KEYS, ()) if pair else (KEYS, labels)
    usual = {action: key for action, key in usual.items() if not (labels and action == "accept")}
    for action in keys:
        if action not in usual:
            raise UsageError(unknown("action", action, usual))
    asked = {action: " " if key == "space" else key for action, key in keys.items()}
    digits = {f"={label}": str(n) for n, label in enumerate(labels, 1)}
    bound = {**usual, **asked, **digits}
    for action, key in bound.items():
        if not key or key in _RESERVED or (len(key) > 1 and not key[0].isupper()):
            raise UsageError(
                f"{key!r} cannot be the key of {action!r}: expected one character, 'space' or a "
                "named key such as 'ArrowUp'."
            )
        others = [other for other, taken in bound.items() if taken == key and other != action]
        if others:
            raise UsageError(
                f"the key {key!r} would mean both {action.lstrip('=')!r} and "
                f"{others[0].lstrip('=')!r}; give one of them another key."
            )
    return bound


def _reasons(reasons: Sequence[str]) -> list[str]:
    made = [str(reason).strip() for reason in reasons]
    if isinstance(reasons, str) or len(made) > 9 or not all(made):
        raise UsageError(f"expected at most nine reasons, none empty; got {reasons!r}.")
    return made
