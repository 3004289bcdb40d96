"""The job: a recipe with its models, its session and its budget, before anything is asked.

:func:`plan` makes one; ``job.dry_run()`` says what it would ask; :func:`generate` runs it.
"""

from __future__ import annotations

import threading
from asyncio import CancelledError
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

from synthkit.core import keywords
from synthkit.core.environment import warn
from synthkit.core.errors import (
    EndpointError,
    Interrupted,
    StoreError,
    SynthkitError,
    UsageError,
    check_known,
)
from synthkit.core.formatting import count
from synthkit.core.garbage import collection_paused
from synthkit.core.models import Budget, Model
from synthkit.core.types import Reject, Request, Row
from synthkit.data import tables
from synthkit.data.results import Run
from synthkit.generation import batches, calls, run_tables
from synthkit.generation.dry_run import DryRun, estimate
from synthkit.generation.options import JobOptions, added_columns, budget_of, recipe_for
from synthkit.generation.progress_line import progress_line
from synthkit.generation.runner import RunListener, RunOutcome, run_recipe
from synthkit.generation.streams import rows_of
from synthkit.models.schemes import as_model
from synthkit.recipes._base import Recipe
from synthkit.sessions.current import session_or_current
from synthkit.sessions.named_tables import check_name
from synthkit.sessions.session import Session
from synthkit.store.ids import ID_DIGITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A recipe with all that it takes to run it.

    Parameters
    ----------
    models : role -> model; the role ``""`` is the one that answers requests without a role.
    budget : the limits of this run; ``None`` for those of the model, if it has any.
    name : the name under which the session keeps the table; empty to keep none.
    no_truncated : rows that rest on a completion that was cut become rejects.
    added : further columns of the table: ``"reasoning"``, ``"truncated"``.
    line : the arguments of the ``%%synth`` cell that asked, if one did.
    """

    recipe: Recipe
    models: Mapping[str, Model]
    session: Session
    budget: Budget | None
    name: str
    no_truncated: bool = False
    added: tuple[str, ...] = ()
    line: str = ""

    @property
    def model(self) -> Model:
        """The model that answers requests without a role."""
        return self.models[""]

    def model_of(self, request: Request) -> Model:
        """The model that answers a request."""
        return self.models[request.to]

    def key(self, request: Request) -> str:
        """The key under which the session keeps the completion of a request."""
        return request.key(self.model_of(request).fingerprint)

    @property
    def requests(self) -> list[Request | None]:
        """The first request of each branch of the recipe; ``None`` for one that starts otherwise.

        A prompt asks nothing but these: one for each row.
        """
        steps: Iterator[Any] = (next(branch, ()) for branch in self.recipe.branches())
        first = (step[0] if step else None for step in steps)
        return [request if isinstance(request, Request) else None for request in first]

    def first_keys(self) -> list[str]:
        """The keys of the first requests."""
        return [self.key(request) for request in self.requests if request is not None]

    def fields(self, position: int) -> dict[str, Any]:
        """The fields of the row that the branch at ``position`` belongs to."""
        if self.recipe.source is None:
            return {}
        return tables.records(tables.take(self.recipe.source, [position]))[0]

    def dry_run(self) -> DryRun:
        """What would be asked, and what it would take; nothing is asked."""
        outcome = self._run(Budget(max_requests=0), None, None)
        if isinstance(outcome.error, StoreError):
            raise outcome.error
        hits, following = outcome.ledger.hits, outcome.unsent
        bounds = self.recipe.requests
        most = bounds.least if bounds.most is None else bounds.most
        n = max(most - hits, len(following)) if following else 0
        # requests that are not known yet are assumed to be like the known ones
        scale = n / max(1, len(following))
        characters = sum(len(m.content) for request in following for m in request.messages)
        characters += sum(len(request.answer or "") for request in following)
        tokens = sum(request.most_written for request in following)
        past = self.session.store.runs.all()
        expected = estimate(
            n, round(characters * scale), round(tokens * scale), model=self.model, past=past
        )
        return DryRun(hits=hits, next_requests=following, estimate=expected)

    def run(
        self, *, cancel: threading.Event | None = None, listener: RunListener | None = None
    ) -> Run:
        """Run the recipe as far as the models, the budget and interrupts let it.

        Parameters
        ----------
        cancel : set it from another thread to end the run with the rows made so far.
        listener : is called with each row as it is made.

        Raises
        ------
        SynthkitError
            If a model refuses, the recipe fails or the session cannot be written; ``error.run`` has
            the rows made so far. A server that does not answer is no error: its rows are in
            ``pending``.
        Interrupted
            On Ctrl-C and the kernel's interrupt; ``error.run`` has the rows made so far.
        """
        batches.warn_of_waiting(self.model, self.session.store, self.first_keys)
        outcome = self._run(self.budget, cancel, listener)
        row_ids = [event.id for event in outcome.events if isinstance(event.outcome, Row)]
        reject_ids = [event.id for event in outcome.events if isinstance(event.outcome, Reject)]
        run = self._tables(outcome, len(reject_ids))
        error = outcome.error
        try:
            self._record(run, row_ids, reject_ids, outcome)
        except SynthkitError as failure:
            error = failure if error is None or _is_unreachable(error) else error
        if error is None or _is_unreachable(error):
            return run
        if isinstance(error, KeyboardInterrupt | CancelledError):
            done = count(len(row_ids) + len(reject_ids), "row")
            error = Interrupted(f"interrupted: {done} of this run are kept; run it again to go on.")
        vars(error)["run"] = run
        raise error

    def replay(self) -> Run:
        """The run as the session's completions make it; nothing is asked, and none is recorded."""
        return self._tables(self._run(Budget(max_requests=0), None, None), 0)

    def _tables(self, outcome: RunOutcome[None], rejects: int) -> Run:
        """The tables of an outcome, with its ledger."""
        own = self._has_own_parents()
        why = outcome.ledger.stopped or "not asked"
        return Run(
            table=run_tables.rows(self.recipe, outcome.events, self.added, own_parent=own),
            rejects=run_tables.rejects(self.recipe, outcome.events, own_parent=own),
            pending=run_tables.pending(self.recipe, self._unfinished(outcome), why, own_parent=own),
            ledger=replace(outcome.ledger, rejects=rejects),
        )

    def _record(
        self,
        run: Run,
        row_ids: Sequence[str],
        reject_ids: Sequence[str],
        outcome: RunOutcome[None],
    ) -> None:
        """Keep a run and its table in the session; a session that is only read keeps neither."""
        if self.session.read_only:
            return
        store = self.session.store
        options: Any = {"no_truncated": self.no_truncated, "added": self.added}
        store.runs.add(
            self.name,
            self.model.name,
            self.recipe.prompt,
            len(row_ids),
            run.ledger,
            line=self.line,
            call=calls.recorded(store, self.recipe, self.models, **options),
            ids=row_ids,
            reject_ids=reject_ids,
            origins=(
                (event.id, tuple(event.requests)) for event in outcome.events if event.requests
            ),
            recipe=self.recipe.name,
            reasons=Counter(
                event.outcome.reason.partition(":")[0]
                for event in outcome.events
                if isinstance(event.outcome, Reject)
            ),
        )
        if self.name and row_ids:
            self.session.save(self.name, run.table)

    def _run(
        self, budget: Budget | None, cancel: threading.Event | None, listener: RunListener | None
    ) -> RunOutcome[None]:
        source, most = self.recipe.source, self.recipe.requests.most
        size = 0 if source is None else tables.size(source)
        return run_recipe(
            self.recipe.branches(),
            models=self.models,
            store=self.session.store,
            budget=budget,
            cancel=cancel,
            listener=listener,
            requests_each=-(-most // size) if most and size else 1,
            no_truncated=self.no_truncated,
        )

    def _has_own_parents(self) -> bool:
        """Whether a column ``parent`` of the source is the user's, and not of generated rows."""
        source = self.recipe.source
        if source is None or not {"id", "parent"} <= set(tables.columns(source)):
            return False
        pairs = zip(tables.column(source, "id"), tables.column(source, "parent"), strict=True)
        ids = {str(id) for id, parent in pairs if parent is not None}
        return ids != self.session.store.completions.known_rows(ids)

    def _unfinished(self, outcome: RunOutcome[None]) -> dict[int, str | None]:
        """The positions of the branches that did not end, and the ids of their first requests."""
        source = self.recipe.source
        positions = [] if source is None else range(tables.size(source))
        unfinished = {position for position in positions if position not in outcome.results}
        first = self.requests if unfinished else []
        return {
            position: None if request is None else self.key(request)[:ID_DIGITS]
            for position, request in enumerate(first)
            if position in unfinished
        }


def _is_unreachable(error: BaseException | None) -> bool:
    """Whether the server did not answer; the rows are pending then."""
    return isinstance(error, EndpointError) and error.status is None


@keywords.shows(JobOptions)
def plan(
    prompt: str | Recipe | Callable[..., Any], *, model: Model | str, **options: Unpack[JobOptions]
) -> Job:
    """The job that :func:`generate` would run, rendered and checked; nothing is asked.

    Takes what :func:`generate` takes, and raises what it raises before it asks. ``job.dry_run()``
    counts cached and missing completions and estimates tokens, cost and time;
    ``job.run(cancel=..., listener=...)`` runs it.

    Examples
    --------
    >>> import tempfile, synthkit as sk
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
    ...     job = sk.plan("Name a fruit.", n=3, model=sk.Fake(), session=session)
    ...     len(job.dry_run().next_requests)
    3
    """
    keywords.check("generate", options, JobOptions.__annotations__)
    session = session_or_current(options.get("session"))
    name = options.get("name", "")
    if name:
        check_name(name)
    first = options.pop("first", None)
    if not isinstance(prompt, Recipe) and options.get("rows") is not None:
        options["rows"] = rows_of(options["rows"], session, name, first)
    elif first is not None:
        raise UsageError("first= takes the first rows of rows=; give a prompt and rows.")
    with collection_paused():
        recipe = recipe_for(prompt, options)
    others = options.get("others") or {}
    check_known("role", others, recipe.roles)
    specs = {"": model} | {role: others.get(role, model) for role in recipe.roles}
    models = {role: as_model(spec, session.store) for role, spec in specs.items()}
    return Job(
        recipe=recipe,
        models=batches.batched(models, options, session.store),
        session=session,
        budget=budget_of(options),
        name=name,
        no_truncated=options.get("no_truncated", False),
        added=added_columns(recipe, options),
    )


@keywords.shows(JobOptions)
def generate(
    prompt: str | Recipe | Callable[..., Any], *, model: Model | str, **options: Unpack[JobOptions]
) -> Run:
    """A table made by a model from a prompt or a recipe. Nothing is asked twice.

    Parameters
    ----------
    prompt : a prompt template (see :mod:`synthkit.prompts.templates`), whose fields come from
        ``rows`` and ``vary``; or one of :mod:`synthkit.recipes`; or a generator function (see
        :func:`synthkit.recipes.from_function`), which takes ``rows`` and, if it has such a
        parameter, ``sampling``.
    model : a model, or the spec of one for :func:`~synthkit.models.load_model`.
    session : where completions are kept; ``./.synthkit`` by default.
    others : role -> model, for recipes that ask several models; ``model`` plays the other roles.
    name : keeps the table in the session under this name.
    max_requests, max_tokens_total, max_cost : the run stops before more is spent (cost in US
        dollars), with the rows made so far; by default the model's own budget.
    no_truncated : reject rows whose completion was cut at ``max_tokens``. They are always counted,
        and always rejected where a schema, labels or a pattern were asked.
    mark_truncated : add a column ``truncated``, whether the row's completion was cut.
    reasoning : add a column ``reasoning``, what the model wrote before the row's last completion.
    batch : submit the requests to the server's batch API, at half the price, and return with what
        is answered; the rest is ``pending``, and the same call has it hours later.
    wait : with ``batch``, wait until all is answered.

    rows : a table of any kind, with one request for each row; the results are of its kind. Its
        ``id`` column, if it has one, becomes ``parent``. Rows with equal prompts draw different
        samples, in their order: where one of them changes, those after it get another's.
        Or a source that is read: a file or a pattern such as ``"data/*.parquet"`` (Parquet, JSONL,
        JSON, CSV, TSV); a function that returns dicts; a generator, an iterator or an
        ``IterableDataset``, which can be read once. With a name, the session keeps the rows as
        ``NAME_rows``, by which an interrupted run goes on although the stream has none left; a file
        that has changed is noticed.
    first : only the first so many rows; a source is read no further.
    vary : field -> values, which may depend on another field's (see
        :func:`~synthkit.prompts.conditions.conditions`).
    sampler : ``"product"`` (default) combines all values in turn, ``"independent"`` draws each
        field uniformly by the seed, ``"joint"`` draws rows of the table ``like``, so that only
        combinations occur that exist there.
    where : which combinations are allowed: an expression such as ``not (tone = dry and topic =
        soup)``, a function of a combination, or combinations to exclude.
    n : with ``rows``, completions for each row (and combination); without, rows in total, at least
        one for each combination of a product. 1 by default.
    system : a template for the system turn.
    examples : demonstrations to show: a table, or :class:`~synthkit.prompts.templates.Examples`.
    schema, labels, regex : how a completion is parsed: as JSON that follows a JSON Schema or
        pydantic model, as one of these labels, or by the named groups of a pattern; as text by
        default.
    output : the column for a text or a label; by default ``text`` or ``label``, with a number where
        the rows have that column already.
    image : the column with an image for each row (a URL, a path, bytes or a PIL image), which the
        model sees with the prompt; for models that take images.
    tools : tools that the model may call, as JSON declarations. They are not called: the column
        ``tool_calls`` has each row's calls as ``{"name": ..., "arguments": {...}}``.
    repairs : how often a completion that cannot be parsed is asked for again, with the reason; by
        default once with a ``schema``, never without.
    temperature, top_p, max_tokens, seed, stop, logprobs, extra : how tokens are sampled, the same
        for all rows; see :class:`~synthkit.core.types.Sampling`, which ``sampling`` takes whole.

    The options from ``rows`` on are those of a prompt. A recipe takes its own when it is built.

    Returns
    -------
    A :class:`~synthkit.data.results.Run` with ``table``, ``rejects``, ``pending`` and ``ledger``.
    Until it is there, a notebook and a terminal show how far it is and what the model does.

    Raises
    ------
    UsageError
        Before anything is asked: an unknown field or option, a bad schema, an option that makes no
        sense.
    RecipeError
        If a recipe's own code fails; ``error.run`` has the rows made so far.
    ModelError
        If the model refuses; ``error.run`` has the rows made so far. A server that does not answer
        gives a warning, and its rows are in ``pending``.
    StoreError
        If the session cannot be written; before anything is asked if that is known then.
    Interrupted
        On Ctrl-C, once the rows so far are kept; a ``KeyboardInterrupt`` with the ``run``.

    Examples
    --------
    >>> import tempfile, synthkit as sk
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
    ...     run = sk.generate(
    ...         "Name a {{ colour }} fruit.", vary={"colour": ["red", "green"]},
    ...         model=sk.load_model("fake", answer="An apple."), session=session)
    >>> run.table[["colour", "text"]].values.tolist()
    [['red', 'An apple.'], ['green', 'An apple.']]

    A generator function is a recipe as well:

    >>> def shout(row):
    ...     (answer,) = yield [sk.recipes.user(f"Name a {row['colour']} fruit.")]
    ...     return {"fruit": answer.text.upper()}
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
    ...     run = sk.generate(shout, rows=[{"colour": "red"}], session=session,
    ...                       model=sk.load_model("fake", answer="An apple."))
    >>> run.table["fruit"].tolist()
    ['AN APPLE.']
    """
    job = plan(prompt, model=model, **options)
    with progress_line(job.recipe.rows.most) as listener:
        run = job.run(listener=listener)
    if run.ledger.stopped.startswith("http"):  # a server that does not answer
        pending = tables.size(run.pending)
        what = f"{pending} rows are pending" if pending else "the run is incomplete"
        warn(f"{what}: {run.ledger.stopped}", RuntimeWarning, stacklevel=2)
    return run
