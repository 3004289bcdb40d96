"""The lab itself: what is compared, what is known of each cell, and where it is kept.

``%synth lab`` shows one; :class:`Laboratory` is the same in plain Python. Each cell is one request
of a :func:`~synthkit.generation.job.plan`, so it is the very row that ``%%synth`` would make: it has the
same id, is not asked twice, and its marks go with it.
"""

from __future__ import annotations

import getpass
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from synthkit.core.errors import UsageError, unknown
from synthkit.core.types import Model, Sampling
from synthkit.generation.job import CostEstimate
from synthkit.lab import results as report
from synthkit.lab.answering import Question
from synthkit.lab.cells import Cell, Column
from synthkit.lab.config import Checks, Models, resolve
from synthkit.lab.marks import Marking
from synthkit.lab.matrix import ColumnRequests, Matrix
from synthkit.lab.variants import Variant, Version, from_body, next_key
from synthkit.sessions.named_tables import check_name
from synthkit.sessions.session import Session
from synthkit.sessions.session import session as current_session

Show = Literal["all", "different", "failing", "unmarked"]
SHOWS: tuple[Show, ...] = ("all", "different", "failing", "unmarked")
LIMIT = 8


class Laboratory:
    """A prompt lab. All methods may be called from any thread.

    Parameters
    ----------
    prompts : templates, or name -> template. Those the lab does not have yet are added to it.
    name : what it is kept under in the session. One kept before is opened again, with its
        variants, all their versions, and whatever of the following is not given.
    inputs : a table; its columns are the template fields.
    limit : how many of its first rows are used.
    vary : field -> values, as in :func:`~synthkit.generation.job.generate`.
    models : models or specs, or what to call each -> model.
    checks : those of :mod:`synthkit.evaluate.checks`, or lines for its ``parse``.
    judge_model : answers the judges' questions; the first model if not given.
    schema, labels, regex, output : how an answer is read, as in ``generate``; for all variants.
    sampling : that of variants which have none of their own yet.
    session : where all is kept; ``./.synthkit`` if not given.
    by : who marks; the user's name if not given.
    words : options of a ``%%synth`` line that give the same inputs and schema, with their values.
    find : gives the model that a spec names; ``load_model`` if not given.
    named : gives what ``@name`` stands for in a check's line.

    Examples
    --------
    >>> import tempfile, synthkit as sk
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
    ...     lab = Laboratory(["Say {{ x }}.", "Shout {{ x }}."], vary={"x": ["yes", "no"]},
    ...                      models=[sk.Fake("Yes.")], session=session)
    ...     lab.run()
    ...     lab.results[["variant", "x", "text"]].values.tolist()
    [['A', 'yes', 'Yes.'], ['B', 'yes', 'Yes.'], ['A', 'no', 'Yes.'], ['B', 'no', 'Yes.']]
    """

    def __init__(
        self,
        prompts: Sequence[str] | Mapping[str, str] | str = (),
        *,
        name: str = "lab",
        inputs: Any = None,
        limit: int = LIMIT,
        vary: Mapping[str, Sequence[Any]] | None = None,
        models: Models = (),
        checks: Checks | None = None,
        judge_model: Model | str | None = None,
        schema: Any = None,
        labels: Sequence[str] | None = None,
        regex: str | None = None,
        output: str | None = None,
        sampling: Sampling | None = None,
        session: Session | None = None,
        by: str | None = None,
        words: Sequence[tuple[str, str]] = (),
        find: Callable[[str], Model] | None = None,
        named: Callable[[str], Any] | None = None,
    ) -> None:
        self.name = check_name(name)
        self.session = session or current_session()
        self.sampling = sampling or Sampling()
        self._lock = threading.RLock()
        self._running = threading.Lock()
        kept = self.session.store.labs.get(name) or {}
        reading = {"schema": schema, "labels": labels, "regex": regex, "output": output}
        self.setup = resolve(
            kept,
            self.session,
            models=models,
            judge=judge_model,
            checks=checks,
            inputs=inputs,
            limit=limit,
            vary=vary,
            reading={key: value for key, value in reading.items() if value},
            words=words,
            find=find,
            named=named,
        )
        self.marking = Marking(self.session.store, by or user())
        self.matrix = Matrix(self.setup, self.session, self.marking)
        self.variants = [from_body(one) for one in kept.get("variants", ())]
        self.baseline = str(kept.get("baseline", "A"))
        self._add(prompts)
        self.save()

    def __repr__(self) -> str:
        return f"Laboratory({self.name!r}, {len(self.columns)} columns, {len(self.rows)} rows)"

    def save(self) -> None:
        """Keep the lab in its session: variants, their versions, and the setup."""
        body = {"variants": [one.body() for one in self.variants], "baseline": self.baseline}
        with self._lock:
            self.session.store.labs.put(self.name, body | self.setup.body())

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The fields of each row."""
        return self.matrix.rows

    @property
    def columns(self) -> list[Column]:
        """Each variant that is not deleted with each model."""
        several = len(self.setup.models) > 1
        return [
            Column(one, label, f"{one.title} · {label}" if several else one.title)
            for one in self.variants
            if not one.deleted
            for label in self.setup.models
        ]

    def cell(self, row: int, column: Column) -> Cell:
        """What is known of one cell."""
        return self.matrix.cell(row, column)

    def base(self, column: Column) -> Column:
        """The baseline's column with the same model."""
        of_base = (c for c in self.columns if c.variant.key == self.baseline)
        return next((one for one in of_base if one.model == column.model), column)

    def differs(self, row: int, column: Column) -> bool:
        """Whether a cell and the baseline's are there and say different things."""
        mine, other = self.cell(row, column), self.cell(row, self.base(column))
        return mine.state == other.state == "done" and mine.text != other.text

    def showing(self, show: Show = "all") -> list[int]:
        """The rows with a cell that differs from the baseline's, fails, or is not marked yet."""
        if show not in SHOWS:
            raise UsageError(unknown("show", show, SHOWS))
        shown: dict[str, Callable[[int, Column], bool]] = {
            "all": lambda row, column: True,
            "different": self.differs,
            "failing": lambda row, column: self.cell(row, column).failing,
            "unmarked": lambda row, column: self.cell(row, column).unmarked,
        }
        wanted, columns = shown[show], self.columns
        every = range(len(self.rows))
        return [n for n in every if show == "all" or any(wanted(n, one) for one in columns)]

    @property
    def running(self) -> bool:
        """Whether models are being asked."""
        return self._running.locked()

    @property
    def failures(self) -> dict[str, str]:
        """Model -> why it could not go on."""
        return dict(self.matrix.inquiry.failures)

    def missing(self) -> list[tuple[int, Column]]:
        """The cells that have no answer yet: new ones, and those that came back as errors."""
        return [
            (row, column)
            for row in range(len(self.rows))
            for column in self.columns
            if (cell := self.cell(row, column)).completion is None and cell.id
        ]

    def unjudged(self) -> list[Question]:
        """What the judges still have to be asked about the cells that are done."""
        asked = (self.matrix.unjudged(n, c) for n in range(len(self.rows)) for c in self.columns)
        return list({one.key: one for some in asked for one in some}.values())

    def estimate(self) -> CostEstimate:
        """What the missing cells would take; judges are not counted."""
        columns = [self.matrix.column(column) for column in self.columns]
        dry_runs = [one.job.dry_run() for one in columns if isinstance(one, ColumnRequests)]
        estimates = [dry_run.estimate for dry_run in dry_runs if dry_run.next_requests]
        costs = [estimate.cost for estimate in estimates]
        seconds = [estimate.seconds for estimate in estimates]
        return CostEstimate(
            prompt_tokens=sum(estimate.prompt_tokens for estimate in estimates),
            completion_tokens=sum(estimate.completion_tokens for estimate in estimates),
            cost=None if None in costs else sum(cost or 0.0 for cost in costs),
            seconds=None if None in seconds else sum(one or 0.0 for one in seconds),
        )

    def run(
        self, *, stop: threading.Event | None = None, changed: Callable[[], None] | None = None
    ) -> None:
        """Ask for every cell that has no answer, then for what the judges say of the new ones.

        What the session holds is not asked. An interrupt, or ``stop`` set from another thread,
        ends it with what is done; a model that fails ends alone, and ``failures`` has why.

        Raises
        ------
        UsageError
            If it is running already.
        """
        if not self._running.acquire(blocking=False):
            raise UsageError("this lab is running already; stop it first, or wait.")
        try:
            ended, told = stop or threading.Event(), changed or (lambda: None)
            asked: dict[str, dict[str, Question]] = {label: {} for label in self.setup.models}
            for row, column in self.missing():
                question = self.matrix.question(row, column)
                asked[column.model].setdefault(question.key, question)
            models = self.setup.models
            groups = [(models[label], list(some.values())) for label, some in asked.items()]
            self.matrix.inquiry.ask(groups, stop=ended, changed=told)
            if not ended.is_set():
                judging = [(self.setup.judge, self.unjudged())]
                self.matrix.inquiry.ask(judging, stop=ended, changed=told)
        finally:
            self._running.release()

    @property
    def results(self) -> Any:
        """A DataFrame with one row for each cell; :func:`.report.results` names its columns."""
        return report.results(self)

    def ranking(self) -> Any:
        """A DataFrame with one row for each column of the matrix, the best first."""
        return report.ranked(self)

    @property
    def winner(self) -> Column | None:
        """The column that ranks first; ``None`` while nothing is marked or checked."""
        return report.winner(self)

    def source(self, column: Column) -> str:
        """The ``%%synth`` cell that goes on with a column; its rows are not asked again."""
        return report.source(self, column)

    def add(
        self,
        like: str = "",
        *,
        prompt: str | None = None,
        sampling: Sampling | None = None,
        name: str = "",
    ) -> Variant:
        """A new variant: a copy of another, but for what is given.

        Raises
        ------
        UsageError
            If the prompt cannot be rendered for every row.
        """
        with self._lock:
            old = (
                self.variant(like) if like else Variant("", versions=(Version("", self.sampling),))
            )
            text = old.prompt if prompt is None else prompt
            version = Version(text, sampling or old.sampling)
            if version != old.versions[old.at]:
                self.matrix.refuse(version)
            made = Variant(next_key([one.key for one in self.variants]), name, (version,))
            self.variants = [*self.variants, made]
            self.save()
            return made

    def edit(
        self,
        key: str,
        prompt: str | None = None,
        *,
        sampling: Sampling | None = None,
        name: str | None = None,
    ) -> Variant:
        """The variant with another prompt, sampling or name; what it was stays a version of it.

        Raises
        ------
        UsageError
            If the prompt cannot be rendered for every row; nothing is changed then.
        """
        old = self.variant(key)
        version = Version(old.prompt if prompt is None else prompt, sampling or old.sampling)
        if version != old.versions[old.at]:
            self.matrix.refuse(version)
        called = None if name is None else " ".join(name.split())

        def change(one: Variant) -> Variant:
            return replace(one.edited(version), name=one.name if called is None else called)

        return self._put(key, change)

    def back(self, key: str, at: int) -> Variant:
        """The variant as it was: its version number ``at``, from 0."""
        return self._put(key, lambda one: one.back(at))

    def delete(self, key: str) -> Variant:
        """Put a variant out of sight; :meth:`restore` brings it back."""
        with self._lock:
            left = [one.key for one in self.variants if not one.deleted and one.key != key]
            if not left:
                raise UsageError("a lab needs a variant; add another before this one is deleted.")
            if self.baseline == key:
                self.baseline = left[0]
            return self._put(key, lambda one: replace(one, deleted=True))

    def restore(self, key: str) -> Variant:
        """Bring a deleted variant back, with its versions and marks."""
        return self._put(key, lambda one: replace(one, deleted=False))

    def set_baseline(self, key: str) -> None:
        """Compare with this variant."""
        self.baseline = self.variant(key).key
        self.save()

    def mark(self, row: int, column: Column, label: str) -> None:
        """Accept or reject a cell: ``"accept"`` or ``"reject"``."""
        self.marking.mark(self._answered(row, column), label)

    def comment(self, row: int, column: Column, text: str) -> None:
        """Say something of a cell."""
        self.marking.comment(self._answered(row, column), text)

    def undo(self) -> str:
        """Take back the last mark or comment; gives the id of its cell."""
        ids = [id for column in self.columns for id in self.matrix.ids(column)]
        return self.marking.undo(ids)

    def variant(self, key: str) -> Variant:
        """The variant with that letter, deleted or not."""
        found = [one for one in self.variants if one.key == key]
        if not found:
            raise UsageError(unknown("variant", key, [one.key for one in self.variants]))
        return found[0]

    def _add(self, prompts: Sequence[str] | Mapping[str, str] | str) -> None:
        """Add the prompts that no variant has or had; an empty lab gets an empty variant."""
        if isinstance(prompts, str):
            prompts = [prompts]
        named = prompts.items() if isinstance(prompts, Mapping) else (("", p) for p in prompts)
        had = {version.prompt for one in self.variants for version in one.versions}
        for name, prompt in named:
            if prompt not in had:
                self.add(prompt=prompt, name=name)
        if not self.variants:
            self.variants = [Variant("A", versions=(Version("", self.sampling),))]

    def _answered(self, row: int, column: Column) -> str:
        cell = self.cell(row, column)
        if cell.completion is None:
            raise UsageError("this cell has no answer yet; run it first, then mark it.")
        return cell.id

    def _put(self, key: str, change: Callable[[Variant], Variant]) -> Variant:
        with self._lock:
            made = change(self.variant(key))
            self.variants = [made if one.key == key else one for one in self.variants]
            self.save()
        return made


def user() -> str:
    """Who is at work here."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # an id without a name, as in some containers
        return "me"
