"""Marks: what people said of rows, undone and redone, and the tables that come of it.

A log of marks is only ever added to. All that a person sees of it, what stands, what can be undone
and what redone, is read from the log alone, so it is the same after a restart.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median
from typing import Any, TypeVar

from synthkit.core.extras import need
from synthkit.core.types import Mark
from synthkit.data import tables as tables
from synthkit.data.results import Curation

T = TypeVar("T")
Key = tuple[str, int, str, str]
"""Task, round, annotator and row: one mark stands for each."""

PAUSE = 120.0
"""Seconds between two marks beyond which nobody was marking."""
REJECTED = "rejected"
"""Why a row was dropped, where the mark gives no reason."""
SHOWN_LEFT = "shown_left"
"""The column that the mark of a pair fills with which text stood on the left: first or second."""


def standing(marks: Iterable[Mark]) -> dict[Key, Mark]:
    """The mark that stands for each (task, round, by, id): the last one written.

    Rows whose last mark says nothing any more, since it was undone, are left out.

    >>> said = [Mark(id="a", label="accept", step=1), Mark(id="a", label="reject", step=2)]
    >>> [mark.label for mark in standing(said).values()]
    ['reject']
    >>> standing([*said, Mark(id="a", act="undo", step=2)])
    {}
    """
    last: dict[Key, Mark] = {}
    for mark in marks:
        last[mark.task, mark.round, mark.by, mark.id] = mark
    return {key: mark for key, mark in last.items() if says(mark)}


def says(mark: Mark) -> bool:
    """Whether a mark says anything: a label, a reason, a flag or an edit."""
    return bool(mark.label or mark.reason or mark.flag or mark.edit)


def is_edited(mark: Mark) -> bool:
    """Whether a mark puts another text in the place of the row's own."""
    return bool(set(mark.edit) - {SHOWN_LEFT})


@dataclass(slots=True)
class _Step:
    """Marks that were written together: what stood before them, and what since."""

    step: int
    before: dict[str, Mark | None] = field(default_factory=dict)
    after: dict[str, Mark] = field(default_factory=dict)

    @property
    def at(self) -> float:
        """When it was done, in seconds since 1970."""
        return next(iter(self.after.values())).at

    @property
    def labelled(self) -> bool:
        """Whether it gave a row another label, and not only a flag, a reason or an edit."""
        return any(
            mark.label and mark.label != getattr(self.before[id], "label", "")
            for id, mark in self.after.items()
        )


class History:
    """One annotator's marks of one task and round: what stands, and what to take back.

    It reads marks in the order in which they were written. ``undo()`` and ``redo()`` change
    nothing here: they give the marks to write, and what was written goes to ``add``. So the log
    alone holds both stacks, without a limit, and over restarts.

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
        """Row id -> the mark that stands."""
        self._done: list[_Step] = []
        self._undone: list[_Step] = []
        self.add(marks)

    def add(self, marks: Iterable[Mark]) -> None:
        """Take marks that were written; those of others are passed over."""
        for mark in marks:
            if (mark.by, mark.task, mark.round) != (self.by, self.task, self.round):
                continue
            match mark.act:
                case "mark":
                    self._mark(mark)
                case "undo":
                    _move(mark.step, self._done, self._undone)
                case "redo":
                    _move(mark.step, self._undone, self._done)
            self.current.pop(mark.id, None)
            if says(mark):
                self.current[mark.id] = mark

    def undo(self) -> list[Mark]:
        """The marks that take the last step back; empty if there is none."""
        if not self._done:
            return []
        last = self._done[-1]
        return [
            replace(
                before or Mark(id=id, at=last.after[id].at),
                by=self.by,
                task=self.task,
                round=self.round,
                act="undo",
                step=last.step,
            )
            for id, before in last.before.items()
        ]

    def redo(self) -> list[Mark]:
        """The marks that bring back the step that was undone last; empty if there is none."""
        if not self._undone:
            return []
        last = self._undone[-1]
        return [replace(mark, act="redo", step=last.step) for mark in last.after.values()]

    def recent(self, n: int) -> list[Mark]:
        """The last ``n`` rows that were marked, as they stand now, the newest first."""
        found: dict[str, Mark] = {}
        for step in reversed(self._done):
            for id in reversed(step.after):
                if id in self.current:
                    found.setdefault(id, self.current[id])
                if len(found) == n:
                    return list(found.values())
        return list(found.values())

    def pace(self, n: int = 20, pause: float = PAUSE) -> float | None:
        """Median seconds from one label to the next, over the last ``n``; ``None`` before two.

        Gaps above ``pause`` seconds are no work, and do not count.
        """
        times = [step.at for step in self._done[-n - 1 :] if step.labelled]
        gaps = [b - a for a, b in pairwise(times) if 0 <= b - a <= pause]
        return median(gaps) if gaps else None

    @property
    def depth(self) -> tuple[int, int]:
        """How many steps can be undone, and how many redone."""
        return len(self._done), len(self._undone)

    def _mark(self, mark: Mark) -> None:
        if not (self._done and self._done[-1].step == mark.step and mark.step):
            self._done.append(_Step(mark.step))
        self._undone.clear()
        last = self._done[-1]
        last.before.setdefault(mark.id, self.current.get(mark.id))
        last.after[mark.id] = mark


def _move(step: int, source: list[_Step], target: list[_Step]) -> None:
    """Move a step from one stack to the other, unless its first mark did so already."""
    for n in range(len(source) - 1, -1, -1):
        if source[n].step == step:
            target.append(source.pop(n))
            return


def split(table: Any, marks: Iterable[Mark]) -> Curation:
    """The accepted rows with their edits, and the rejected ones with the reason in ``why``.

    Unmarked and skipped rows are in neither. A label other than ``"reject"`` and ``"skip"``
    accepts. Of several annotators the majority decides, and a row on which they are even is in
    neither; edits are those of the last who accepts. Only marks of the first round count: the
    second measures how far the first can be trusted.

    Parameters
    ----------
    table : of any kind; without an ``id`` column the ids are made from what the rows hold, as
        :func:`synthkit.data.tables.identified` does.
    marks : of one task, as the log has them.

    Examples
    --------
    >>> rows = [{"id": "a", "text": "Good."}, {"id": "b", "text": "Bad."}]
    >>> said = [Mark(id="a", label="accept", edit={"text": "Fine."}), Mark(id="b", label="reject")]
    >>> made = split(rows, said)
    >>> made.kept["text"].tolist(), made.dropped["why"].tolist()
    (['Fine.'], ['rejected'])
    """
    table = tables.identified(table)
    kept: list[int] = []
    dropped: list[int] = []
    reasons: list[str] = []
    edits: dict[str, dict[int, str]] = {}
    votes = _votes(marks)
    for at, id in enumerate(tables.column(table, "id")):
        for_, against = votes.get(str(id), ([], []))
        if len(for_) > len(against):
            last = max(for_, key=lambda mark: mark.at)
            for name, text in last.edit.items():
                edits.setdefault(name, {})[len(kept)] = text
            kept.append(at)
        elif len(against) > len(for_):
            said = dict.fromkeys(mark.reason for mark in against if mark.reason)
            reasons.append("; ".join(said) or REJECTED)
            dropped.append(at)
    return Curation(
        _edited(tables.take(table, kept), edits),
        tables.assign(tables.take(table, dropped), {"why": reasons}),
    )


def accepted(marks: Iterable[Mark]) -> dict[str, bool]:
    """Row id -> whether it was accepted, as :func:`split` decides; without undecided rows.

    >>> accepted([Mark(id="a", label="accept"), Mark(id="b", label="skip")])
    {'a': True}
    """
    votes = {id: (len(for_), len(against)) for id, (for_, against) in _votes(marks).items()}
    return {id: for_ > against for id, (for_, against) in votes.items() if for_ != against}


def skipped(marks: Iterable[Mark]) -> set[str]:
    """The ids of the rows that were skipped, and that nobody judged.

    >>> skipped([Mark(id="a", label="accept"), Mark(id="b", label="skip")])
    {'b'}
    """
    marks = list(marks)
    passed = {one.id for one in standing(marks).values() if one.label == "skip" and one.round == 1}
    return passed - set(_votes(marks))


def _votes(marks: Iterable[Mark]) -> dict[str, tuple[list[Mark], list[Mark]]]:
    """Row id -> the marks of the first round that accept it, and those that reject it."""
    found: dict[str, tuple[list[Mark], list[Mark]]] = {}
    for mark in standing(marks).values():
        if mark.round == 1 and mark.label not in {"", "skip"}:
            found.setdefault(mark.id, ([], []))[mark.label == "reject"].append(mark)
    return found


def _edited(table: Any, edits: Mapping[str, Mapping[int, str]]) -> Any:
    """``table`` with texts put in the place of cells: column -> row -> text."""
    changed = {}
    for name in set(tables.columns(table)) & set(edits):
        cells = tables.column(table, name)
        changed[name] = [edits[name].get(at, cell) for at, cell in enumerate(cells)]
    return tables.assign(table, changed) if changed else table


def shuffled(ids: Sequence[T], seed: int) -> list[T]:
    """The ids in an order that depends on the seed and on nothing else."""
    return random.Random(seed).sample(list(ids), len(ids))


def sample(ids: Sequence[str], n: int, seed: int) -> list[str]:
    """``n`` of the ids, or all, at random by the seed.

    Each id draws for itself, so that an id which comes or goes displaces at most one other.
    """

    def lot(id: str) -> bytes:
        return hashlib.blake2b(f"{seed}:{id}".encode("utf-8", "replace"), digest_size=8).digest()

    return sorted(ids, key=lot)[:n]


def uncertain(ids: Sequence[str], scores: Sequence[float | None]) -> list[str]:
    """The ids, those first whose score is nearest 0.5; those without a score last.

    >>> uncertain(["a", "b", "c"], [0.9, 0.45, None])
    ['b', 'a', 'c']
    """
    far = {
        id: abs(s - 0.5) if s is not None and s == s else 9.0
        for id, s in zip(ids, scores, strict=True)
    }
    return sorted(ids, key=far.__getitem__)


def contested(ids: Sequence[str], judgements: Mapping[str, Sequence[Any]]) -> list[str]:
    """The ids, those first on which judgements differ most.

    How much they differ is the chance that two judgements drawn from them, with putting back, are
    not the same (Gini, 1912): 0 for one voice or unanimity.

    >>> contested(["a", "b", "c"], {"b": ["accept", "reject"], "c": ["accept", "accept"]})
    ['b', 'a', 'c']
    """

    def unlike(id: str) -> float:
        said = Counter(map(str, judgements.get(id, ())))
        total = sum(said.values())
        return 1 - sum((n / total) ** 2 for n in said.values()) if total else 0.0

    return sorted(ids, key=lambda id: -unlike(id))


def pairs(first: Mapping[str, Mark], second: Mapping[str, Mark]) -> list[tuple[str, str]]:
    """The two labels of each row that has both, in the order of the second; skips are none.

    >>> one, two = Mark(id="a", label="accept"), Mark(id="a", label="reject", round=2)
    >>> pairs({"a": one}, {"a": two})
    [('accept', 'reject')]
    """
    return [
        (first[id].label, mark.label)
        for id, mark in second.items()
        if id in first and not {first[id].label, mark.label} & {"", "skip"}
    ]


def frame(marks: Iterable[Mark]) -> Any:
    """Marks as a DataFrame: id, label, reason, flag, by, at (UTC), task, round, edited columns.

    >>> made = frame([Mark(id="a", label="accept", edit={"text": "Fine."})])
    >>> made["at"][0].isoformat(), made["edited_text"].tolist()
    ('1970-01-01T00:00:00+00:00', ['Fine.'])
    """
    pandas = need("pandas", extra="data", why="to show marks")
    marks = list(marks)
    fields = ("id", "label", "reason", "flag", "by", "at", "task", "round")
    made = pandas.DataFrame(
        [[getattr(one, name) for name in fields] for one in marks], columns=fields
    )
    made["at"] = pandas.to_datetime(made["at"].astype(float), unit="s", utc=True)
    for name in dict.fromkeys(name for mark in marks for name in mark.edit):
        title = name if name == SHOWN_LEFT else f"edited_{name}"
        made[title] = [mark.edit.get(name) for mark in marks]
    return made
