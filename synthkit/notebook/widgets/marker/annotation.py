"""The kernel's half of marking: which row is next, and each mark on disk before it counts.

A :class:`Marking` is one annotator before one table. It has no browser; ``Marker`` is its view.
"""

from __future__ import annotations

import getpass
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from synthkit.core.errors import TableError, UsageError, unknown
from synthkit.core.extras import need
from synthkit.core.types import Curation, Mark
from synthkit.curate.marks import history as logs
from synthkit.data import tables as tables
from synthkit.evaluate.raters.agreement import cohen_kappa, confusion
from synthkit.notebook.output.tables import Static, cell, count, grid, thousands
from synthkit.notebook.widgets.marker.learning import Learner, line
from synthkit.sessions import session as workspace
from synthkit.sessions.session import Session
from synthkit.stats.intervals import wilson

if TYPE_CHECKING:
    from synthkit.curate.marks.learned_filter import LearnedFilter
    from synthkit.stats.classifier import Embed

Order = Literal["sequence", "random", "uncertain", "disagreement"]
Score = Callable[[Any, list[Mark]], Sequence[float]]
"""(table, the annotator's marks) -> P(accept) of each row."""

ASK_SCORE_EVERY = 10
BUILT_IN = {"accept": "✓", "reject": "✗", "skip": "–"}
"""Labels that every task has, and their signs."""


class Marking:
    """One annotator before one table: the rows in their order, and every mark on disk.

    All methods may be called from any thread. A row without an ``id`` column gets an id made from
    what it holds, so that it is found again when the same table is made anew.

    Parameters
    ----------
    table : of any kind.
    name : what the table is called.
    session : where marks are kept; the current one if not given.
    text : the column to judge; the one with the longest texts if not given.
    show : the columns to show above it; all others if not given.
    labels : what a row can be, in place of accepting it; at most nine. Rejecting and skipping stay.
    order : ``"sequence"``, ``"random"`` by ``seed``, ``"uncertain"`` (``score`` nearest 0.5
        first), or ``"disagreement"`` (rows first on which others, or the columns ``disagree``,
        differ most).
    score : a column of probabilities, or a function that is asked again every 10 marks. Without
        it ``"uncertain"`` goes by what is learned from the marks: see :attr:`learned`.
    embed : texts -> (n, d) numbers, to learn by; ``load_embedder("wordllama").embed`` if not given.
    disagree : columns that each hold a judgement.
    seed : of the random order, and of the sample for ``again``.
    again : how many rows that were marked before to mark once more, blind, as round 2.
    by : who marks; the account's name if not given.
    task : the question, where a table is marked for several.
    clock : seconds since 1970.

    Raises
    ------
    TableError
        If a column is not there, or two rows have one id.
    UsageError
        If an option makes no sense.
    """

    def __init__(
        self,
        table: Any,
        *,
        name: str = "table",
        session: Session | None = None,
        text: str | None = None,
        show: Sequence[str] | None = None,
        labels: Sequence[str] = (),
        order: Order = "sequence",
        score: str | Score | None = None,
        embed: Embed | None = None,
        disagree: Sequence[str] = (),
        seed: int = 0,
        again: int = 0,
        by: str | None = None,
        task: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name, self.task, self.seed = name, task, seed
        self.by = by or _account()
        self.table = tables.identified(table)
        self.session = session or workspace.session()
        self.labels = _labels(labels)
        self._lock = threading.RLock()
        self._clock = clock
        self._cells: dict[str, list[Any]] = {}
        self.ids = [str(id) for id in self.column("id")]
        if len(set(self.ids)) < len(self.ids):
            raise TableError("two ids are the same when written as text; make them differ.")
        self._place = {id: at for at, id in enumerate(self.ids)}
        self.text, self.show = self._columns(text, show)
        self._order, self._score, self._disagree = order, score, list(disagree)
        self._check()
        log = self.session.store.marks.for_rows(self.ids)
        self.first = logs.History(log, by=self.by, task=task)
        self.round = 2 if again else 1
        self.history = logs.History(log, by=self.by, task=task, round=2) if again else self.first
        self.scope = self._again(again) if again else list(self.ids)
        self.counts = Counter(
            label for id in self.scope for label in _tallied(self.history.current.get(id))
        )
        self._within = set(self.scope)
        self._others = Counter(
            key[2] for key, one in logs.standing(log).items() if self._is_others(key) and one.label
        )
        self._since_score = 0
        self.live = False
        """Whether someone else calls :meth:`relearn` after marks: then marks do not wait for it."""
        self.learner = self._learner(embed)
        self.order = self.ordered()

    def __repr__(self) -> str:
        return f"Marking({self.name!r}, {self.marked}/{len(self.scope)} marked)"

    def column(self, name: str) -> list[Any]:
        """The cells of a column, read once."""
        if name not in self._cells:
            self._cells[name] = tables.column(self.table, name)
        return self._cells[name]

    def row(self, id: str) -> dict[str, Any]:
        """The cells of a row that are shown, as they are in the table."""
        at = self._place[id]
        return {name: self.column(name)[at] for name in [*self.show, self.text]}

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
        """A DataFrame of the marks that stand: id, label, reason, flag, by, at, task, round.

        All annotators' marks of this task and both rounds are in it; ``at`` is in UTC, and a
        column ``edited_<column>`` holds the edits of a column, where there are any.
        """
        return logs.frame(logs.standing(self._log()).values())

    @property
    def curation(self) -> Curation:
        """The table split by all annotators' marks of this task."""
        return logs.split(self.table, self._log())

    @property
    def kept(self) -> Any:
        """The accepted rows, with their edits."""
        return self.curation.kept

    @property
    def dropped(self) -> Any:
        """The rejected rows, and ``why``."""
        return self.curation.dropped

    def mark(self, ids: str | Iterable[str], label: str, *, reason: str = "") -> int:
        """Mark rows, as one step that one undo takes back; how many they are.

        Raises
        ------
        UsageError
            If there is no such label.
        TableError
            If a row is not in the table.
        """
        with self._lock:
            known = self.known([ids] if isinstance(ids, str) else ids)
            self.write([self.labelled(id, label, reason) for id in known])
            return len(known)

    def labelled(self, id: str, label: str, reason: str = "") -> Mark:
        """The mark that gives a row a label; what was said of it otherwise stays."""
        if label not in self.choices:
            raise UsageError(unknown("label", label, self.choices))
        mark = self.standing(id)
        # why a row was rejected is no reason to accept it
        kept = "" if mark.label not in ("", label) else mark.reason
        return replace(mark, label=label, reason=reason or kept)

    def standing(self, id: str) -> Mark:
        """The mark of a row as it is, to be changed and written; an empty one if it has none."""
        blank = Mark(id=id, by=self.by, task=self.task, round=self.round)
        return replace(self.history.current.get(id, blank), act="mark", step=0)

    def write(self, marks: Sequence[Mark]) -> None:
        """Put marks on disk, and only then take them for true.

        Raises
        ------
        StoreError
            If they cannot be written: nothing has changed then.
        """
        if not marks:
            return
        with self._lock:
            now = self._clock()
            timed = [replace(one, at=now) if one.act == "mark" else one for one in marks]
            self._take(self.session.store.marks.add(timed))

    def undo(self) -> list[str]:
        """Take the last step back; the rows it changed, none if there was nothing to undo."""
        with self._lock:
            marks = self.history.undo()
            self.write(marks)
            return [mark.id for mark in marks]

    def redo(self) -> list[str]:
        """Do again what was undone last; the rows it changed."""
        with self._lock:
            marks = self.history.redo()
            self.write(marks)
            return [mark.id for mark in marks]

    def agreement(self) -> Any:
        """A DataFrame of how far two looks at the same rows agree: share, interval, Cohen's kappa.

        One row for this annotator's two rounds, and one for each pair of annotators. ``n`` rows
        have a label, and not a skip, from both; ``low`` and ``high`` are the Wilson interval (95 %)
        of the share; ``kappa`` is NaN where it says nothing.
        """
        stands = logs.standing(self._log())
        seen: dict[tuple[str, int], dict[str, Mark]] = {}
        for (_, round, by, id), mark in stands.items():
            seen.setdefault((by, round), {})[id] = mark
        people = sorted(by for by, round in seen if round == 1)
        looks = [((by, 1), (by, 2)) for by in people if (by, 2) in seen]
        looks += [((a, 1), (b, 1)) for n, a in enumerate(people) for b in people[n + 1 :]]
        rows = [
            {"first": a[0], "second": b[0] + (", round 2" if b[1] == 2 else "")}
            | alike(seen[a], seen[b])
            for a, b in looks
        ]
        names = ["first", "second", "n", "share", "low", "high", "kappa"]
        return need("pandas", extra="data", why="to show agreement").DataFrame(rows, columns=names)

    @property
    def learned(self) -> LearnedFilter | None:
        """What was learned from the marks so far; ``None`` where nothing is to be learned."""
        return self.learner.found if self.learner else None

    def ordered(self) -> list[str]:
        """The rows in the order in which they are asked."""
        if self.learner is not None:
            return self.learner.learn(dict(self.history.current))
        match self._order:
            case "random":
                return logs.shuffled(self.scope, self.seed)
            case "uncertain":
                return logs.uncertain(self.scope, self._scores())
            case "disagreement":
                return logs.contested(self.scope, self._judgements())
        return list(self.scope)

    def reorder(self) -> bool:
        """Ask the score function again, if it is time; whether the order may have changed."""
        if self.learner is not None:
            return False if self.live else self.relearn()
        if not callable(self._score) or self._since_score < ASK_SCORE_EVERY:
            return False
        self._since_score = 0
        self.order = self.ordered()
        return True

    def relearn(self) -> bool:
        """Learn from the marks as they are now, and order the rows anew by it."""
        assert self.learner is not None
        with self._lock:
            marks = dict(self.history.current)
        order = self.learner.learn(marks)
        with self._lock:
            self._arrange(order)
        return True

    def _arrange(self, order: list[str]) -> None:
        self.order = order

    def known(self, ids: Iterable[Any]) -> list[str]:
        """The ids as text, if all of them are to be marked here."""
        found = [str(id) for id in ids]
        for id in found:
            if id not in self._within:
                where = f"the sample of {self.name}" if self.round == 2 else self.name
                raise TableError(f"no row {id!r} in {where}; expected one of its ids.")
        return found

    def summary(self) -> Static:
        """What stays in the notebook: how many are marked, as what, by whom, and the last five."""
        with self._lock:
            recent = self.history.recent(5)
            voices = self._others + Counter({self.by: self.marked})
        rows = [
            {"mark": BUILT_IN.get(mark.label, "•") + f" {said(mark)}", "text": self.shown(mark)}
            for mark in recent
        ]
        labels = [f"{thousands(self.counts[label])} {label}" for label in self.choices]
        people = ", ".join(f"{by} {thousands(n)}" for by, n in sorted(voices.items())) or self.by
        far = f"{self.name}: {thousands(self.marked)} of {count(len(self.scope), 'row')} marked"
        learned = [f"learned: {line(self.learned.report, ', ')}"] if self.learned else []
        return grid(rows, note=f"{far}; {', '.join(labels)}; by {people}", notes=learned)

    def shown(self, mark: Mark) -> str:
        """The text of a marked row, as it was edited."""
        return mark.edit.get(self.text, cell(self.column(self.text)[self._place[mark.id]]))

    def _log(self) -> list[Mark]:
        return [
            mark for mark in self.session.store.marks.for_rows(self.ids) if mark.task == self.task
        ]

    def _take(self, written: Iterable[Mark]) -> None:
        for mark in written:
            within = mark.id in self._within
            self.counts.subtract(_tallied(self.history.current.get(mark.id)) if within else [])
            self.history.add([mark])
            self.counts.update(_tallied(self.history.current.get(mark.id)) if within else [])
        self._since_score += 1

    def _columns(self, text: str | None, show: Sequence[str] | None) -> tuple[str, list[str]]:
        names = tables.columns(self.table)
        for name in [*([text] if text else []), *(show or [])]:
            if name not in names:
                raise TableError(unknown("column", name, names))
        chosen = text or tables.text_column(self.table, show or names)
        wanted = names if show is None else show
        skipped = {chosen, "id", "parent"} if show is None else {chosen}
        return chosen, [name for name in wanted if name not in skipped]

    def _check(self) -> None:
        orders = ("sequence", "random", "uncertain", "disagreement")
        if self._order not in orders:
            raise UsageError(unknown("order", str(self._order), orders))
        if isinstance(self._score, str):
            self.column(self._score)
        for name in self._disagree:
            self.column(name)

    def _learner(self, embed: Embed | None) -> Learner | None:
        if self._order != "uncertain" or self._score is not None:
            return None
        if embed is None:
            from synthkit.models.embedders import load_embedder

            embed = load_embedder("wordllama").embed
        texts = [cell(self.column(self.text)[self._place[id]] or "") for id in self.scope]
        return Learner(self.scope, texts, embed=embed, seed=self.seed)

    def _scores(self) -> list[float | None]:
        if isinstance(self._score, str):
            found: Sequence[Any] = self.column(self._score)
        else:
            assert self._score is not None
            found = list(self._score(self.table, list(self.history.current.values())))
        if len(found) != len(self.ids):
            raise UsageError(f"expected {len(self.ids)} scores, one a row; got {len(found)}.")
        try:
            numbers = [None if one is None else float(one) for one in found]
        except (TypeError, ValueError):
            raise UsageError(f"expected numbers as scores; {self._score!r} has others.") from None
        return [numbers[self._place[id]] for id in self.scope]

    def _judgements(self) -> dict[str, list[Any]]:
        if self._disagree:
            cells = [self.column(name) for name in self._disagree]
            return {
                id: list(said) for id, said in zip(self.ids, zip(*cells, strict=True), strict=True)
            }
        said: dict[str, list[Any]] = {}
        for key, mark in logs.standing(self._log()).items():
            if self._is_others(key) and mark.label:
                said.setdefault(mark.id, []).append(mark.label)
        return said

    def _again(self, n: int) -> list[str]:
        if n < 0:
            raise UsageError(f"again must be at least 1; got {n}.")
        seen = [id for id in self.ids if _judged(self.first.current.get(id))]
        if not seen:
            raise UsageError(
                f"nothing to mark again: {self.by} has marked no row of {self.name} yet."
            )
        # rows of a sample that was begun stay in it, though more have been marked since
        begun = [id for id in seen if id in self.history.current]
        rest = [id for id in logs.sample(seen, len(seen), self.seed) if id not in set(begun)]
        return logs.shuffled([*begun, *rest][: max(n, len(begun))], self.seed)

    def _is_others(self, key: logs.Key) -> bool:
        task, round, by, _ = key
        return task == self.task and round == 1 and by != self.by


def alike(first: Mapping[str, Mark], second: Mapping[str, Mark]) -> dict[str, Any]:
    """How far two looks at the same rows agree: n, share, low, high, kappa."""
    pairs = logs.pairs(first, second)
    agreed = sum(one == two for one, two in pairs)
    low, high = wilson(agreed, len(pairs))
    share = agreed / len(pairs) if pairs else float("nan")
    kappa = cohen_kappa(confusion(pairs)[1])
    return {"n": len(pairs), "share": share, "low": low, "high": high, "kappa": kappa}


def said(mark: Mark) -> str:
    """A mark in words: its label, and the reason."""
    parts = [
        mark.label or "no label",
        "edited" if logs.is_edited(mark) else "",
        "flagged" if mark.flag else "",
    ]
    told = ", ".join(filter(None, parts))
    return f"{told}: {mark.reason}" if mark.reason else told


def _labels(labels: Sequence[str]) -> list[str]:
    if isinstance(labels, str):
        raise UsageError(f"labels must be a list of names; got {labels!r}.")
    made = [str(label) for label in labels]
    wrong = [one for one in made if one in BUILT_IN or not one.strip() or made.count(one) > 1]
    if wrong or len(made) > 9:
        raise UsageError(
            "expected at most nine labels, each once, and none of 'accept', 'reject', 'skip' "
            f"(the last two are always there); got {made!r}."
        )
    return made


def _tallied(mark: Mark | None) -> list[str]:
    """What one mark counts for."""
    if mark is None:
        return []
    return [*([mark.label] if mark.label else []), *(["flagged"] if mark.flag else [])]


def _judged(mark: Mark | None) -> bool:
    return mark is not None and mark.label not in ("", "skip")


def _account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as in a container
        return "me"
