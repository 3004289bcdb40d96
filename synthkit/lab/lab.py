"""The prompt lab: prompt variants side by side on the same rows.

``%synth lab`` shows one; :class:`PromptLab` is the same in plain Python. Each cell is one request
of a :func:`~synthkit.generation.job.plan`, and so the same row that ``%%synth`` would make: it has
the same id, is cached, and keeps its marks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal, get_args

from synthkit.core.errors import UsageError, check_known
from synthkit.core.formatting import count
from synthkit.core.models import Model
from synthkit.core.types import Sampling
from synthkit.evaluate.checks import Judge
from synthkit.generation.dry_run import CostEstimate
from synthkit.lab.cells import LabCell, LabColumn
from synthkit.lab.completions import LabRequest
from synthkit.lab.config import Checks, LineOption, Models, configure, saved_fingerprints
from synthkit.lab.matrix import Matrix
from synthkit.lab.recorded import RecordedModel
from synthkit.lab.results import Ranking, ranking, ranking_table, results_table, winner
from synthkit.lab.synth_cell import synth_cell
from synthkit.lab.variants import Variant, Version, from_body, merged, next_key
from synthkit.sessions.annotator import Annotator
from synthkit.sessions.current import session_or_current
from synthkit.sessions.lab_bodies import check_lab_body
from synthkit.sessions.named_tables import check_name
from synthkit.sessions.session import Session
from synthkit.store.labs import IMPORTED

Show = Literal["all", "different", "failing", "unmarked"]
SHOWS: tuple[Show, ...] = get_args(Show)
LABELS = ("accept", "reject")


class PromptLab:
    """A prompt lab. All methods may be called from any thread.

    Parameters
    ----------
    prompts : templates, or name -> template. Those that the lab does not have yet are added.
    name : the lab's name in the session. A lab of that name is opened again, with its variants, all
        their versions, and whatever of the following is not given.
    inputs : a table; its columns are the template fields.
    limit : use only so many of its first rows, instead of all.
    vary : field -> values, as in :func:`~synthkit.generation.job.generate`.
    models : models or specs, or label -> model.
    checks : checks of :mod:`synthkit.evaluate.checks`, or lines for its ``parse``.
    judge_model : the model that answers the judges' questions; the first model if not given.
    schema, labels, regex, output : how completions are parsed, as in ``generate``.
    sampling : for variants without a sampling of their own.
    session : where everything is kept; ``./.synthkit`` if not given.
    by : the annotator's name; ``"me"`` if not given.
    line_options : options of a ``%%synth`` line that give the same inputs and schema, with values.
    find : returns the model of a spec; ``load_model`` if not given.
    named : returns the value of ``@name`` in a check's line.
    trust : load the models of an imported lab, and let its checks call functions of the notebook;
        otherwise ``config.notes`` say what it would do, and it shows what is recorded.

    Examples
    --------
    >>> import tempfile, synthkit as sk
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
    ...     lab = PromptLab(["Say {{ x }}.", "Shout {{ x }}."], vary={"x": ["yes", "no"]},
    ...                     models=[sk.Fake("Yes.")], session=session)
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
        limit: int | None = None,
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
        line_options: Sequence[LineOption] = (),
        find: Callable[[str], Model] | None = None,
        named: Callable[[str], Any] | None = None,
        trust: bool = False,
    ) -> None:
        self.name = check_name(name)
        self.session = session_or_current(session)
        self.sampling = sampling or Sampling()
        self._lock = threading.RLock()
        self._running = threading.Lock()
        saved = self.session.store.labs.get(name) or {}
        if saved:
            check_lab_body(name, saved)
        self._trusted = trust or not saved.get(IMPORTED)
        self._fingerprints = saved_fingerprints(saved)
        parsing = {"schema": schema, "labels": labels, "regex": regex, "output": output}
        self.config = configure(
            saved,
            self.session,
            models=models,
            judge=judge_model,
            checks=checks,
            inputs=inputs,
            limit=limit,
            vary=vary,
            parsing={key: value for key, value in parsing.items() if value},
            line_options=line_options,
            find=find,
            named=named,
            trusted=self._trusted,
        )
        self.annotator = Annotator(self.session.store, by=by)
        self.matrix = Matrix(self.config, self.session, self.annotator)
        self.variants = [from_body(body) for body in saved.get("variants", ())]
        self.baseline = str(saved.get("baseline", "A"))
        self._add_prompts(prompts)
        self.save()

    def __repr__(self) -> str:
        return f"PromptLab({self.name!r}, {len(self.columns)} columns, {len(self.rows)} rows)"

    def save(self) -> None:
        """Save the lab in its session: variants, their versions, and the configuration.

        What another view of the lab added since this one was opened or saved stays.
        """
        with self._change(self._settings()):
            pass

    def _settings(self) -> dict[str, Any]:
        """What is saved besides the variants and the baseline."""
        known = {"fingerprints": self._fingerprints} if self._fingerprints else {}
        imported = {} if self._trusted else {IMPORTED: True}
        return {**imported, **self.config.body(), **known}

    @contextmanager
    def _change(self, settings: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Change what is saved of the variants and the baseline, by this view or another.

        The block gets the settings that are saved with them.

        Parameters
        ----------
        settings : saved too; by default they stay as the view that was opened last saved them.
        """
        store, before = self.session.store, (self.variants, self.baseline)
        with self._lock, store.transaction(durable=False):
            try:
                saved = store.labs.get(self.name) or self._settings()
                self.variants = merged(map(from_body, saved.get("variants", ())), self.variants)
                self.baseline = str(saved.get("baseline", self.baseline))
                kept = dict(settings or saved)
                yield kept
                variants = [variant.body() for variant in self.variants]
                own = {"variants": variants, "baseline": self.baseline}
                store.labs.put(self.name, {**kept, **own})
            except BaseException:
                self.variants, self.baseline = before
                raise

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The fields of each row."""
        return self.matrix.rows

    @property
    def columns(self) -> list[LabColumn]:
        """Each variant that is not deleted, with each model."""
        several = len(self.config.models) > 1
        return [
            LabColumn(variant, label, f"{variant.title} · {label}" if several else variant.title)
            for variant in self.variants
            if not variant.deleted
            for label in self.config.models
        ]

    def cell(self, row: int, column: LabColumn) -> LabCell:
        """One cell.

        Raises
        ------
        UsageError
            If the lab has no such row or model.
        """
        if not 0 <= row < len(self.rows):
            rows = count(len(self.rows), "row")
            raise UsageError(f"row {row} not found; this lab has {rows}, numbered from 0.")
        check_known("model", column.model, self.config.models)
        return self.matrix.cell(row, column)

    def base(self, column: LabColumn) -> LabColumn:
        """The baseline's column with the same model."""
        bases = (base for base in self.columns if base.variant.key == self.baseline)
        return next((base for base in bases if base.model == column.model), column)

    def differs(self, row: int, column: LabColumn) -> bool:
        """Whether a cell and the baseline's are both done and have different texts."""
        cell, base = self.cell(row, column), self.cell(row, self.base(column))
        return cell.state == base.state == "done" and cell.text != base.text

    def showing(self, show: Show = "all") -> list[int]:
        """The rows with a cell that differs from the baseline's, fails, or is unmarked."""
        check_known("show", show, SHOWS)
        tests: dict[str, Callable[[int, LabColumn], bool]] = {
            "all": lambda row, column: True,
            "different": self.differs,
            "failing": lambda row, column: self.cell(row, column).failing,
            "unmarked": lambda row, column: self.cell(row, column).unmarked,
        }
        rows, columns, test = range(len(self.rows)), self.columns, tests[show]
        return [row for row in rows if show == "all" or any(test(row, c) for c in columns)]

    @property
    def running(self) -> bool:
        """Whether models are running."""
        return self._running.locked()

    @property
    def failures(self) -> dict[str, str]:
        """Model name -> the error that ended its run."""
        return dict(self.matrix.completions.failures)

    def missing(self) -> list[tuple[int, LabColumn]]:
        """The cells without a completion: new ones, and errors."""
        return [
            (row, column)
            for row in range(len(self.rows))
            for column in self.columns
            if (cell := self.cell(row, column)).completion is None and cell.id
        ]

    def unjudged(self) -> list[LabRequest]:
        """The requests to the judge about done cells that have no completion yet."""
        due = (self.matrix.unjudged(n, c) for n in range(len(self.rows)) for c in self.columns)
        return list({request.key: request for requests in due for request in requests}.values())

    def estimate(self) -> CostEstimate:
        """The cost and time of the missing cells, without the judge."""
        return self.matrix.estimate(self.columns)

    def run(
        self, *, stop: threading.Event | None = None, changed: Callable[[], None] | None = None
    ) -> None:
        """Run every cell without a completion, then the judge on the new ones.

        An interrupt, or ``stop`` set from another thread, ends the run and keeps what is done. A
        model that fails does not stop the others; ``failures`` has its error.

        Raises
        ------
        UsageError
            If it is running already.
        """
        if not self._running.acquire(blocking=False):
            raise UsageError("this lab is running already; stop it first, or wait.")
        try:
            stop, changed = stop or threading.Event(), changed or (lambda: None)
            models, completions = self.config.models, self.matrix.completions
            requests: dict[str, dict[str, LabRequest]] = {label: {} for label in models}
            for row, column in self.missing():
                request = self.matrix.request(row, column)
                requests[column.model].setdefault(request.key, request)
            self._keep_fingerprints()
            groups = [(models[label], list(by_key.values())) for label, by_key in requests.items()]
            completions.run(groups, stop=stop, changed=changed)
            if not stop.is_set():
                completions.run([(self.config.judge, self.unjudged())], stop=stop, changed=changed)
        finally:
            self._running.release()

    def _keep_fingerprints(self) -> None:
        """Save by which fingerprint completions are found, for models that have other names."""
        models = dict(self.config.models)
        if self.config.judge_name and any(isinstance(c, Judge) for c in self.config.checks):
            models[self.config.judge_name] = self.config.judge
        store = self.session.store
        new = {
            label: model.fingerprint
            for label, model in models.items()
            if RecordedModel(label, store, self._fingerprints.get(label, "")).fingerprint
            != model.fingerprint
            if label != model.name
        }
        if new:
            self._fingerprints |= new
            with self._change() as settings:
                settings["fingerprints"] = saved_fingerprints(settings) | new

    @property
    def results(self) -> Any:
        """A DataFrame with one row for each cell; see :func:`.results.results_table`."""
        return results_table(self.rows, self.columns, self.cell)

    @property
    def ranked(self) -> Ranking:
        """The columns with their results, the best first."""
        return ranking(self.columns, range(len(self.rows)), self.cell)

    def ranking(self) -> Any:
        """A DataFrame with one row for each column of the matrix, the best first."""
        return ranking_table(self.ranked)

    @property
    def winner(self) -> LabColumn | None:
        """The column that ranks first; ``None`` while it has no marks and no verdicts."""
        return winner(self.ranked)

    def source(self, column: LabColumn) -> str:
        """The ``%%synth`` cell that continues with a column; its rows are cached."""
        return synth_cell(self.name, self.config, column, self.session)

    def add(
        self,
        like: str = "",
        *,
        prompt: str | None = None,
        sampling: Sampling | None = None,
        name: str = "",
    ) -> Variant:
        """Add a variant: a copy of the variant ``like``, except for what is given.

        Raises
        ------
        UsageError
            If the prompt cannot be rendered for every row.
        """
        with self._lock:
            old = self.variant(like) if like else self._empty("")
            version = self._version(old, prompt, sampling)
            with self._change():
                key = next_key([variant.key for variant in self.variants])
                variant = Variant(key, name, (version,))
                self.variants = [*self.variants, variant]
            return variant

    def edit(
        self,
        key: str,
        prompt: str | None = None,
        *,
        sampling: Sampling | None = None,
        name: str | None = None,
    ) -> Variant:
        """Give a variant another prompt, sampling or name; the former version is kept.

        Raises
        ------
        UsageError
            If the prompt cannot be rendered for every row; nothing is changed then.
        """
        version = self._version(self.variant(key), prompt, sampling)
        title = None if name is None else " ".join(name.split())

        def change(old: Variant) -> Variant:
            return replace(old.edited(version), name=old.name if title is None else title)

        return self._put(key, change)

    def back(self, key: str, at: int) -> Variant:
        """Make version number ``at`` of a variant, from 0, the current one."""
        return self._put(key, lambda variant: variant.back(at))

    def delete(self, key: str) -> Variant:
        """Hide a variant; :meth:`restore` brings it back."""
        with self._change():
            others = [v.key for v in self.variants if not v.deleted and v.key != key]
            if not others:
                raise UsageError("a lab needs a variant; add another before you delete this one.")
            if self.baseline == key:
                self.baseline = others[0]
            return self._replace(key, lambda variant: replace(variant, deleted=True))

    def restore(self, key: str) -> Variant:
        """Bring a deleted variant back, with its versions and marks."""
        return self._put(key, lambda variant: replace(variant, deleted=False))

    def set_baseline(self, key: str) -> None:
        """Compare the other variants with this one."""
        with self._change():
            self.baseline = self.variant(key).key

    def mark(self, row: int, column: LabColumn, label: str) -> None:
        """Accept or reject a cell: ``"accept"`` or ``"reject"``; its comment stays."""
        id = self._completed(row, column)
        if label not in LABELS:
            raise UsageError(f"a lab marks with {' or '.join(LABELS)}; got {label!r}.")
        self.annotator.change(id, lambda mark: replace(mark, label=label))

    def comment(self, row: int, column: LabColumn, text: str) -> None:
        """Comment on a cell; its label stays."""
        self.annotator.change(self._completed(row, column), lambda mark: replace(mark, reason=text))

    def undo(self) -> str:
        """Take the last mark or comment back, also after a restart; returns the cell's id.

        Raises
        ------
        UsageError
            If there is none, or if it is of a row that is not in this lab.
        """
        ids = {id for column in self.columns for id in self.matrix.ids(column)}
        with self.annotator.lock:
            self.annotator.refresh()
            marks = self.annotator.history.undo()
            if not marks:
                raise UsageError("there is no mark to take back.")
            if not {mark.id for mark in marks} <= ids:
                raise UsageError(
                    "the last mark is of a row that is not in this lab; undo it where it was made, "
                    "or choose the variant or version that it belongs to."
                )
            return self.annotator.write(marks)[0].id

    def variant(self, key: str) -> Variant:
        """The variant with that letter, deleted or not."""
        by_key = {variant.key: variant for variant in self.variants}
        check_known("variant", key, by_key)
        return by_key[key]

    def _empty(self, key: str) -> Variant:
        return Variant(key, versions=(Version("", self.sampling),))

    def _version(self, old: Variant, prompt: str | None, sampling: Sampling | None) -> Version:
        """The version with these changes, if it can be rendered for every row."""
        version = Version(old.prompt if prompt is None else prompt, sampling or old.sampling)
        if version != old.versions[old.at]:
            self.matrix.check_version(version)
        return version

    def _add_prompts(self, prompts: Sequence[str] | Mapping[str, str] | str) -> None:
        """Add the prompts that no version has; an empty lab gets an empty variant."""
        if isinstance(prompts, str):
            prompts = [prompts]
        named = prompts.items() if isinstance(prompts, Mapping) else [("", p) for p in prompts]
        present = {version.prompt for variant in self.variants for version in variant.versions}
        for name, prompt in named:
            if prompt not in present:
                self.add(prompt=prompt, name=name)
        if not self.variants:
            self.variants = [self._empty("A")]

    def _completed(self, row: int, column: LabColumn) -> str:
        """The id of a cell with a completion."""
        cell = self.cell(row, column)
        if cell.completion is None:
            raise UsageError("this cell has no completion yet; run it first, then mark it.")
        return cell.id

    def _put(self, key: str, change: Callable[[Variant], Variant]) -> Variant:
        with self._change():
            return self._replace(key, change)

    def _replace(self, key: str, change: Callable[[Variant], Variant]) -> Variant:
        changed = change(self.variant(key))
        self.variants = [changed if old.key == key else old for old in self.variants]
        return changed
