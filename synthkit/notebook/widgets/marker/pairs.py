"""The desk for pairs: two texts side by side, and which is better, without knowing whose they are.

The browser is told of a left and a right text and of no column, so that nothing in it, and nothing
that is saved with the notebook before the last pair is judged, says which system is ahead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from synthkit.core.errors import TableError, UsageError, unknown
from synthkit.core.formatting import cell, count, thousands
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.core.types import Mark
from synthkit.curate.marks.history import SHOWN_LEFT
from synthkit.curate.marks.preferences import PAIR, PREFERENCES, drawn_left, other, preferred, sides
from synthkit.data import tables as tables
from synthkit.evaluate.raters.bradley_terry import Battle
from synthkit.evaluate.raters.preferences import Standing, battles, left_wins, standings
from synthkit.evaluate.views.word_diff import changes
from synthkit.notebook.widgets.base import clipped
from synthkit.notebook.widgets.marker.state import TEXT_LENGTH, Desk

PROMPT = "prompt"
SEEN = ("left", "right", "tie", "skip")
"""What can be said of a pair as it stands on the screen."""
SIGNS = {"left": "◀ left", "right": "▶ right", "tie": "= tie", "skip": "– skip"}


class PairDesk(Desk):
    """A :class:`~synthkit.notebook.widgets.marker.state.Desk` before a table of pairs.

    Marks are in the columns' terms: ``"first"``, ``"second"``, ``"tie"``. Which text stands on the
    left is drawn for each row and each person by ``seed``, and kept with the mark in
    ``shown_left``. A second look (``again``) shows each pair the other way round. Columns other
    than the two texts and ``prompt`` are shown only where ``show`` asks for them.

    Parameters
    ----------
    table : of pairs, of any kind.
    pair : the columns of the two texts. The systems, where they are known, are in the columns
        ``<name>_system``.
    options : those of :class:`~synthkit.notebook.widgets.marker.annotation.Marking`, but for ``text`` and ``labels``.

    Raises
    ------
    TableError
        If a column is not there, or two rows have one id.
    UsageError
        If an option makes no sense.
    """

    def __init__(self, table: Any, *, pair: Sequence[str] = PAIR, **options: Any) -> None:
        if isinstance(pair, str) or len(pair) != 2 or pair[0] == pair[1]:
            raise UsageError(f"expected two columns to compare; got {pair!r}.")
        for name in ("text", "labels"):
            if options.pop(name, None):
                raise UsageError(f"pairs are judged as they are: leave {name} out.")
        if options.get("order") == "uncertain" and options.get("score") is None:
            raise UsageError(
                "what is learned of single rows says nothing of pairs: give a score, such as the "
                "column of a judge's P(first is better), or another order."
            )
        self.pair = (str(pair[0]), str(pair[1]))
        self.compared = False
        """Whether the words in which the two texts differ are shown."""
        self._pieces: tuple[str, list[list[str]] | None] = ("", None)
        super().__init__(table, labels=PREFERENCES, **options)

    @property
    def choices(self) -> list[str]:
        """What can be said of a pair."""
        return [*PREFERENCES, "skip"]

    @property
    def filters(self) -> list[str]:
        """As for single rows, in terms of the sides: a column's count would tell who is ahead."""
        return ["all", "unmarked", *(f"={label}" for label in SEEN), "flagged"]

    @property
    def judged(self) -> Any:
        """The table with ``outcome``, by all annotators' marks of this task."""
        return preferred(self.table, self._log())

    @property
    def battles(self) -> list[Battle]:
        """The battle of each pair that has an outcome."""
        return battles(self.judged, self.pair)

    def standings(self) -> StaticOutput:
        """Each system's wins and win rate so far, with intervals: this lifts the blindfold."""
        found = standings(self.judged, self.pair)
        return static_table(lines(found), note=f"{self.name}: {self._progress()}")

    def summary(self) -> StaticOutput:
        """How many are judged, and the last five; the systems only once all are."""
        with self._lock:
            recent = self.history.recent(5)
            rows = [
                {"mark": SIGNS.get(self._seen(mark), "no label"), "text": self.shown(mark)}
                for mark in recent
            ]
            notes = position(self.history.current.values()) if self._is_done() else []
            found = standings(self.judged, self.pair) if self._is_done() else []
        return static_table(
            lines(found) or rows, note=f"{self.name}: {self._progress()}", notes=notes
        )

    def act(self, content: Mapping[str, Any]) -> None:
        """Do what the browser asks for, which speaks of left and right."""
        with self._lock:
            match content:
                case {"do": "label", "id": str(id), "label": str(label)}:
                    (known,) = self.known([id])
                    if label not in SEEN:
                        raise UsageError(unknown("label", label, SEEN))
                    left = self.left(known)
                    side = {"left": left, "right": other(left)}.get(label, label)
                    mark = self.labelled(known, side, str(content.get("reason", "")))
                    self.write([replace(mark, edit={SHOWN_LEFT: left})])
                    self._judged(known)
                case {"do": "compare"}:
                    self.compared = not self.compared
                case {"do": "edit"}:
                    raise UsageError("the texts of a pair are judged as they are, not edited.")
                case _:
                    super().act(content)

    def left(self, id: str) -> str:
        """Which text of a row stands on the left: the one that did when it was judged."""
        drawn = drawn_left(id, by=self.by, seed=self.seed)
        before = self.first.current.get(id)
        first = before.edit.get(SHOWN_LEFT, drawn) if before else drawn
        now = self.history.current.get(id)
        turned = other(first) if self.round == 2 else first
        return now.edit.get(SHOWN_LEFT, turned) if now else turned

    def state(self) -> dict[str, Any]:
        """What the browser shows; how often each side won, and who, only at the end."""
        with self._lock:
            made = super().state()
            counts = made["counts"]
            shown = {name: counts[name] for name in ("tie", "skip", "flagged")}
            made |= {"counts": shown, "compared": self.compared, "result": None}
            if self._is_done():
                seen = Counter(self._seen(mark) for mark in self.history.current.values())
                shown |= {side: seen[side] for side in ("left", "right")}
                made["result"] = self._result()
            return made

    def shown(self, mark: Mark) -> str:
        """The text that a mark prefers; of a tie the one on the left."""
        side = mark.label if mark.label in PAIR else self.left(mark.id)
        return cell(self._side(mark.id, side))

    def _columns(self, text: str | None, show: Sequence[str] | None) -> tuple[str, list[str]]:
        names = tables.columns(self.table)
        for name in [*self.pair, *(show or [])]:
            if name not in names:
                raise TableError(unknown("column", name, names))
        told = [name for name in show or [] if name in {f"{one}_system" for one in self.pair}]
        if told:
            raise UsageError(f"{told[0]} would tell whose text it is: pairs are judged blind.")
        prompt = [PROMPT] if PROMPT in names and PROMPT not in self.pair else []
        rest = [name for name in show or [] if name not in {*self.pair, PROMPT}]
        return self.pair[0], [*prompt, *rest]

    def _searched(self) -> list[str]:
        return [*super()._searched(), self.pair[1]]

    def _side(self, id: str, side: str) -> Any:
        return self.column(self.pair[PAIR.index(side)])[self._place[id]]

    def _seen(self, mark: Mark) -> str:
        """A mark as it stood on the screen."""
        if mark.label not in PAIR:
            return mark.label
        return "left" if mark.label == self.left(mark.id) else "right"

    def _passes(self, id: str) -> bool:
        if self.filter in ("=left", "=right"):
            mark = self.history.current.get(id)
            return mark is not None and self._seen(mark) == self.filter[1:]
        return super()._passes(id)

    def _row(self, id: str) -> dict[str, Any]:
        made = super()._row(id)
        made["fields"] = [field for field in made["fields"] if field[0] != PROMPT]
        mark = self.history.current.get(id)
        made["label"] = self._seen(mark) if mark else ""
        made["diff"] = self._differences(id) if self.compared else None
        return made

    def _texts(self, id: str, length: int) -> dict[str, Any]:
        left = self.left(id)
        shown = {"text": self._side(id, left), "right": self._side(id, other(left))}
        if PROMPT in self.show:
            shown[PROMPT] = self.column(PROMPT)[self._place[id]]
        return {"original": None} | {name: clipped(text, length) for name, text in shown.items()}

    def _entry(self, mark: Mark) -> dict[str, Any]:
        return super()._entry(mark) | {"label": self._seen(mark)}

    def _differences(self, id: str) -> list[list[str]] | None:
        """The pieces of both texts, as a trait can hold them; ``None`` for what is too long."""
        if self._pieces[0] != id:
            left = self.left(id)
            texts = [cell(self._side(id, side)) for side in (left, other(left))]
            found = changes(*texts) if max(map(len, texts)) <= TEXT_LENGTH else None
            wired = [[kind, clipped(text, TEXT_LENGTH)] for kind, text in found or []]
            self._pieces = (id, None if found is None else wired)
        return self._pieces[1]

    def _is_done(self) -> bool:
        return 0 < len(self.scope) == self.marked

    def _progress(self) -> str:
        people = self._others + Counter({self.by: self.marked})
        by = ", ".join(f"{name} {thousands(n)}" for name, n in sorted(people.items()))
        labels = ", ".join(f"{thousands(self.counts[name])} {name}" for name in ("tie", "skip"))
        far = f"{thousands(self.marked)} of {count(len(self.scope), 'pair')} judged"
        return f"{far}; {labels}; by {by or self.by}"

    def _result(self) -> dict[str, Any] | None:
        """Who won, for the browser; not in a second look, which asks for agreement."""
        if self.round == 2:
            return None
        found = standings(self.judged, self.pair, rated=False)
        return {"rows": lines(found), "notes": position(self.history.current.values())}


def lines(found: Sequence[Standing]) -> list[dict[str, Any]]:
    """Standings as the rows of a table."""
    made = []
    for one in found:
        line = {"system": one.system, "wins": one.wins, "ties": one.ties, "losses": one.losses}
        rate = f"{one.rate.value:.2f} [{one.rate.low:.2f}, {one.rate.high:.2f}]"
        rated = one.rating
        told = rated and f"{rated.value:.0f} [{rated.low:.0f}, {rated.high:.0f}]"
        made.append(line | {"win rate": rate} | ({"rating": told} if told else {}))
    return made


def position(marks: Iterable[Mark]) -> list[str]:
    """In a line, whether those who judged liked a side; none where no side is known."""
    score = left_wins(*sides(marks))
    told = f"{score.value:.2f} [{score.low:.2f}, {score.high:.2f}]"
    decided = f"{thousands(score.n)} decided; 0.50 is no bias"
    return [f"the left text (A) was better in {told} of {decided}"] if score.n else []
