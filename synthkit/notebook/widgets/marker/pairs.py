"""Pairs of texts to compare blind: which text is better, without showing where it comes from.

The front end gets a left and a right text and no column names. Neither it nor the saved notebook
shows which system is ahead before the last pair is judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from synthkit.core.errors import UsageError, check_known
from synthkit.core.formatting import cell, count, thousands
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.core.types import Mark
from synthkit.curate.marks.history import SHOWN_LEFT
from synthkit.curate.marks.preferences import PAIR, PREFERENCES, drawn_left, other, preferred, sides
from synthkit.data import tables
from synthkit.evaluate.raters.battles import Battle
from synthkit.evaluate.raters.preferences import Standing, battles, left_wins, standings
from synthkit.evaluate.views.word_diff import changes
from synthkit.notebook.widgets.base import clipped
from synthkit.notebook.widgets.marker.queue import AnnotationQueue
from synthkit.notebook.widgets.marker.view import TEXT_LENGTH, QueueView

PROMPT = "prompt"
CHOICES = ("left", "right", "tie", "skip")
"""The labels of a pair in the front end."""
SIGNS = {"left": "◀ left", "right": "▶ right", "tie": "= tie", "skip": "– skip"}


class PairQueue(AnnotationQueue):
    """An :class:`~synthkit.notebook.widgets.marker.queue.AnnotationQueue` of pairs of texts.

    Marks name the columns: ``"first"``, ``"second"``, ``"tie"``. Which text is on the left is drawn
    for each row and annotator by ``seed``, and stored with the mark in ``shown_left``. Round 2
    (``again``) shows each pair with the sides swapped. Columns other than the two texts and
    ``prompt`` are shown only if ``show`` names them.

    Parameters
    ----------
    table : a table of pairs, of any kind.
    pair : the columns of the two texts. The columns ``<name>_system`` name the systems, if known.
    options : those of ``AnnotationQueue``, without ``column`` and ``labels``; errors are those
        of ``AnnotationQueue`` too.
    """

    def __init__(
        self,
        table: Any,
        *,
        pair: Sequence[str] = PAIR,
        show: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        if isinstance(pair, str) or len(pair) != 2 or pair[0] == pair[1]:
            raise UsageError(f"expected two columns to compare; got {pair!r}.")
        for name in ("column", "labels"):
            if options.pop(name, None):
                raise UsageError(f"pairs have fixed labels and two texts: leave {name} out.")
        if options.get("order") == "uncertain" and options.get("score") is None:
            raise UsageError(
                "no order is learned for pairs: give a score, such as the column of a judge's "
                "P(first is better), or another order."
            )
        self.pair = (str(pair[0]), str(pair[1]))
        self.seed = int(options.get("seed", 0))
        columns = _shown_columns(table, self.pair, show or [])
        options |= {"labels": PREFERENCES, "column": self.pair[0], "show": columns}
        super().__init__(table, **options)

    @property
    def choices(self) -> list[str]:
        """The labels of a pair, as they are stored."""
        return [*PREFERENCES, "skip"]

    @property
    def filters(self) -> list[str]:
        """The names of the filters, by side: counts by column would show which system is ahead."""
        return ["all", "unmarked", *(f"={label}" for label in CHOICES), "flagged"]

    @property
    def is_done(self) -> bool:
        """Whether every pair has a label."""
        return 0 < len(self.scope) == self.marked

    @property
    def judged(self) -> Any:
        """The table with ``outcome``, by all annotators' marks of this task."""
        return preferred(self.table.table, self._log())

    @property
    def battles(self) -> list[Battle]:
        """The battle of each pair that has an outcome."""
        return battles(self.judged, self.pair)

    def standings(self) -> StaticOutput:
        """Each system's wins and win rate so far, with intervals; this ends the blindness."""
        return static_table(standing_rows(standings(self.judged, self.pair)), note=self._progress())

    def summary(self) -> StaticOutput:
        """The static output: progress and the last five pairs, or at the end the systems."""
        if self.is_done:
            notes = side_notes(self.history.current.values())
            rows = standing_rows(standings(self.judged, self.pair))
            return static_table(rows, note=self._progress(), notes=notes)
        with self.annotator.lock:
            rows = [
                {"mark": SIGNS.get(self.side_label(mark), "no label"), "text": self.shown(mark)}
                for mark in self.history.recent(5)
            ]
            return static_table(rows, note=self._progress())

    def act(self, content: Mapping[str, Any]) -> None:
        """Carry out an action of the front end, which names the sides left and right."""
        with self.annotator.lock:
            self.annotator.refresh()
            match content:
                case {"do": "label", "id": str(id), "label": str(label)}:
                    (known,) = self.known([id])
                    check_known("label", label, CHOICES)
                    left = self.left(known)
                    stored = {"left": left, "right": other(left)}.get(label, label)
                    mark = self.labelled(known, stored, str(content.get("reason", "")))
                    self.write([replace(mark, edit={SHOWN_LEFT: left})])
                    self._after_mark(known)
                case {"do": "edit"}:
                    raise UsageError("the texts of a pair cannot be edited.")
                case _:
                    super().act(content)

    def left(self, id: str) -> str:
        """Which text of a row is on the left; for a judged row, the one that was then."""
        drawn = drawn_left(id, by=self.history.by, seed=self.seed)
        before = self.first.current.get(id)
        first = before.edit.get(SHOWN_LEFT, drawn) if before else drawn
        side = other(first) if self.history.round == 2 else first
        mark = self.history.current.get(id)
        return mark.edit.get(SHOWN_LEFT, side) if mark else side

    def side_label(self, mark: Mark) -> str:
        """The label of a mark in the front end: left, right, tie, skip, or empty."""
        if mark.label not in PAIR:
            return mark.label
        return "left" if mark.label == self.left(mark.id) else "right"

    def side_text(self, id: str, side: str) -> Any:
        """The text of a row in the first or second column."""
        return self.table.cell(id, self.pair[PAIR.index(side)])

    def shown(self, mark: Mark) -> str:
        """The text that a mark prefers; for a tie, the text on the left."""
        side = mark.label if mark.label in PAIR else self.left(mark.id)
        return cell(self.side_text(mark.id, side))

    def _searched(self) -> list[str]:
        return [*super()._searched(), self.pair[1]]

    def _passes(self, id: str) -> bool:
        if self.filter.name in ("=left", "=right"):
            mark = self.history.current.get(id)
            return mark is not None and self.side_label(mark) == self.filter.name[1:]
        return super()._passes(id)

    def _progress(self) -> str:
        labels = ", ".join(f"{thousands(self.counts[name])} {name}" for name in ("tie", "skip"))
        judged = f"{thousands(self.marked)} of {count(len(self.scope), 'pair')} judged"
        return f"{self.name}: {judged}; {labels}; by {self.voices()}"


class PairView(QueueView):
    """The state of a queue of pairs; it has the result and counts by side only at the end."""

    def __init__(self, queue: PairQueue) -> None:
        self.queue: PairQueue = queue
        self.compared = False
        """Whether the words in which the two texts differ are shown."""

    def act(self, content: Mapping[str, Any]) -> None:
        """Carry out an action of the front end."""
        if content.get("do") == "compare":
            self.compared = not self.compared
        else:
            super().act(content)

    def state(self) -> dict[str, Any]:
        """What the front end shows, with ``compared`` and ``result``."""
        queue = self.queue
        with queue.annotator.lock:
            state = super().state()
            counts = {name: state["counts"][name] for name in ("tie", "skip", "flagged")}
            state |= {"counts": counts, "compared": self.compared, "result": None}
            if queue.is_done:
                labels = Counter(map(queue.side_label, queue.history.current.values()))
                counts |= {side: labels[side] for side in ("left", "right")}
                state["result"] = self._result()
            return state

    def row(self, id: str) -> dict[str, Any]:
        """One pair, with the pieces in which the texts differ if they are compared."""
        row, mark = super().row(id), self.queue.history.current.get(id)
        row["fields"] = [field for field in row["fields"] if field[0] != PROMPT]
        row["label"] = self.queue.side_label(mark) if mark else ""
        left = self.queue.left(id)
        texts = [cell(self.queue.side_text(id, side)) for side in (left, other(left))]
        row["diff"] = _differences(*texts) if self.compared else None
        return row

    def texts(self, id: str, length: int) -> dict[str, Any]:
        """The text on each side, and the prompt if the table has one."""
        queue, left = self.queue, self.queue.left(id)
        texts = {"text": queue.side_text(id, left), "right": queue.side_text(id, other(left))}
        if PROMPT in queue.table.shown:
            texts[PROMPT] = queue.table.cell(id, PROMPT)
        return {"original": None} | {name: clipped(text, length) for name, text in texts.items()}

    def recent(self, mark: Mark) -> dict[str, Any]:
        """One line of the history."""
        return super().recent(mark) | {"label": self.queue.side_label(mark)}

    def _result(self) -> dict[str, Any] | None:
        """The standings; none in round 2, which measures agreement."""
        queue = self.queue
        if queue.history.round == 2:
            return None
        rows = standing_rows(standings(queue.judged, queue.pair, rated=False))
        return {"rows": rows, "notes": side_notes(queue.history.current.values())}


def standing_rows(ranking: Sequence[Standing]) -> list[dict[str, Any]]:
    """Standings as the rows of a table."""
    rows = []
    for s in ranking:
        row = {"system": s.system, "wins": s.wins, "ties": s.ties, "losses": s.losses}
        row["win rate"] = f"{s.rate.value:.2f} [{s.rate.low:.2f}, {s.rate.high:.2f}]"
        if s.rating is not None:
            row["rating"] = f"{s.rating.value:.0f} [{s.rating.low:.0f}, {s.rating.high:.0f}]"
        rows.append(row)
    return rows


def side_notes(marks: Iterable[Mark]) -> list[str]:
    """How often the left text was preferred, as one line; empty where no side is known."""
    score = left_wins(*sides(marks))
    rate = f"{score.value:.2f} [{score.low:.2f}, {score.high:.2f}]"
    decided = f"{thousands(score.n)} decided; 0.50 is no bias"
    return [f"the left text (A) was better in {rate} of {decided}"] if score.n else []


def _shown_columns(table: Any, pair: tuple[str, str], show: Sequence[str]) -> list[str]:
    columns = tables.columns(table)
    tables.check_columns(table, [*pair, *show])
    systems = [name for name in show if name in {f"{column}_system" for column in pair}]
    if systems:
        raise UsageError(f"{systems[0]} would show which system wrote a text; leave it out.")
    prompt = [PROMPT] if PROMPT in columns and PROMPT not in pair else []
    return [*prompt, *(name for name in show if name not in {*pair, PROMPT})]


@lru_cache(maxsize=8)
def _differences(left: str, right: str) -> list[list[str]] | None:
    """The pieces of both texts; ``None`` if they are too long for a trait."""
    if max(len(left), len(right)) > TEXT_LENGTH:
        return None
    pieces = changes(left, right)
    if pieces is None:
        return None
    return [[kind, clipped(text, TEXT_LENGTH)] for kind, text in pieces]
