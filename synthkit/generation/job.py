"""From a recipe to a run: what ``%%synth --recipe`` calls, and what a prompt's plan rests on.

:func:`prepare` says what a recipe would ask; :func:`make` also has it answered.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from synthkit.core.errors import EndpointError, UsageError, unknown
from synthkit.core.types import Budget, Model, Reject, Request, Row
from synthkit.data import tables
from synthkit.data.results import Run
from synthkit.generation.runner import RowEvent, RunListener, RunOutcome, drive
from synthkit.models import load_model
from synthkit.prompts.conditions import with_parent
from synthkit.recipes._base import Recipe, from_function
from synthkit.sessions.named_tables import check_name
from synthkit.sessions.session import Session
from synthkit.sessions.session import session as current_session
from synthkit.store.ids import ID_DIGITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What requests that are not held yet would take; ``None`` where not known."""

    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """How far a recipe gets with what the session holds.

    ``hits`` requests are held; ``ahead`` are the ones that would be sent next, before it is known
    what follows from their answers.
    """

    hits: int
    ahead: list[Request]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A recipe with all that it takes to run it, before anything is asked.

    ``line`` is what stood behind ``%%synth``, if a cell asked.
    """

    recipe: Recipe
    model: Model
    others: Mapping[str, Model]
    session: Session
    budget: Budget | None
    name: str
    line: str = ""

    def outlook(self) -> Outlook:
        """How far the recipe gets with what the session holds; nothing is asked."""
        driven = self._drive(Budget(max_requests=0), None, None)
        return Outlook(hits=driven.ledger.hits, ahead=driven.left)

    def estimate(self, outlook: Outlook) -> Estimate:
        """What it would take to answer the rest of what the recipe asks.

        It is reckoned at the most that the recipe says, and the requests that are not known yet
        are taken to be like the known ones.
        """
        ahead, bounds = outlook.ahead, self.recipe.requests
        most = bounds.least if bounds.most is None else bounds.most
        n = max(most - outlook.hits, len(ahead)) if ahead else 0
        letters = sum(len(m.content) for request in ahead for m in request.messages)
        letters += sum(len(request.answer or "") for request in ahead)
        tokens = sum(request.most_written for request in ahead)
        share = n / max(1, len(ahead))
        return estimate(self.session, self.model, n, round(letters * share), round(tokens * share))

    def opening(self) -> list[Request | None]:
        """What each branch of the recipe asks first; ``None`` where it begins otherwise."""
        steps: Iterator[Any] = (next(branch, ()) for branch in self.recipe.branches())
        found = (step[0] if step else None for step in steps)
        return [one if isinstance(one, Request) else None for one in found]

    def answering(self, request: Request) -> Model:
        """The model that answers a request."""
        return self.others[request.to] if request.to else self.model

    def fields(self, position: int) -> dict[str, Any]:
        """The fields of the row that a branch belongs to."""
        if self.recipe.source is None:
            return {}
        return tables.records(tables.take(self.recipe.source, [position]))[0]

    def run(self, *, stop: threading.Event | None = None, watch: RunListener | None = None) -> Run:
        """The recipe carried out, as far as it goes.

        Raises
        ------
        SynthkitError
            If the model refuses or the recipe fails; ``error.run`` has what was done. A server
            that does not answer leaves rows in ``pending``.
        """
        driven = self._drive(self.budget, stop, watch)
        run = self._run(driven)
        rows = [one for one in driven.made if isinstance(one.outcome, Row)]
        self.session.store.runs.add(
            self.name,
            self.model.name,
            self.recipe.prompt,
            len(rows),
            run.ledger,
            line=self.line,
            ids=[one.id for one in rows],
            reject_ids=[one.id for one in driven.made if isinstance(one.outcome, Reject)],
            origins={one.id: tuple(one.of) for one in driven.made if one.of},
        )
        if self.name and rows:
            self.session.save(self.name, run.table)
        error = driven.error
        if error is not None and not _unreachable(error):
            error.run = run
            raise error
        return run

    def _drive(
        self, budget: Budget | None, stop: threading.Event | None, watch: RunListener | None
    ) -> RunOutcome[None]:
        source, most = self.recipe.source, self.recipe.requests.most
        size = 0 if source is None else tables.size(source)
        return drive(
            self.recipe.branches(),
            model=self.model,
            others=self.others,
            store=self.session.store,
            budget=budget,
            stop=stop,
            watch=watch,
            each=-(-most // size) if most and size else 1,
        )

    def _run(self, driven: RunOutcome[None]) -> Run:
        rows = [one for one in driven.made if isinstance(one.outcome, Row)]
        rejects = [
            (replace(one, outcome=replace(one.outcome, cells=_told(one.outcome))))
            for one in driven.made
            if isinstance(one.outcome, Reject)
        ]
        return Run(
            table=self._table(rows, self.recipe.columns),
            rejects=self._table(rejects, (), last=("raw", "reason")),
            pending=self._pending(driven),
            ledger=replace(driven.ledger, rejects=len(rejects)),
        )

    def _table(
        self, made: Sequence[RowEvent], columns: Sequence[str], last: Sequence[str] = ()
    ) -> Any:
        """The table of what was made: the fields of its branch, and its own cells."""
        source = self.recipe.source
        found: dict[str, list[Any]] = {"id": [one.id for one in made]}
        parents = [one.outcome.parent for one in made]
        has_parent = source is not None and {"id", "parent"} & set(tables.columns(source))
        if has_parent or any(parent is not None for parent in parents):
            found["parent"] = parents
        first = tuple(found)
        names = dict.fromkeys(columns)
        names |= dict.fromkeys(name for one in made for name in one.outcome.cells)
        names = {name: None for name in names if name not in last} | dict.fromkeys(last)
        found |= {name: [one.outcome.cells.get(name) for one in made] for name in names}
        if source is None:
            return tables.build(found, like=self.recipe.kind, n=len(made))
        taken = tables.take(source, [one.position for one in made])
        return tables.assign(taken, found, first=first)

    def _pending(self, driven: RunOutcome[None]) -> Any:
        """The rows whose branch did not come to its end; their ids are those of what it asks."""
        source = self.recipe.source
        if source is None:
            return tables.build({"id": [], "reason": []}, like=self.recipe.kind, n=0)
        size = tables.size(source)
        left = [i for i in range(size) if i not in driven.outcomes]
        ids: list[str | None] = []
        if left:
            opening = self.opening()
            ids = [self._id(opening[i]) for i in left]
        taken = with_parent(tables.take(source, left))
        cells: dict[str, Sequence[Any]] = {
            "id": ids,
            "reason": [driven.ledger.stopped or "not asked"] * len(left),
        }
        has_parent = "parent" in tables.columns(taken)
        return tables.assign(taken, cells, first=("id", "parent") if has_parent else ("id",))

    def _id(self, request: Request | None) -> str | None:
        if request is None:
            return None
        return request.key(self.answering(request).fingerprint)[:ID_DIGITS]


def prepare(
    recipe: Recipe | Callable[..., Any],
    *,
    model: Model | str,
    others: Mapping[str, Model | str] | None = None,
    session: Session | None = None,
    rows: Any = None,
    name: str = "",
    max_requests: int | None = None,
    max_tokens_total: int | None = None,
    max_cost: float | None = None,
) -> Job:
    """A recipe with its models and its session, before anything is asked.

    Takes what :func:`make` takes, and raises what it raises before it asks.
    """
    chosen = session or current_session()
    if not isinstance(recipe, Recipe):
        recipe = from_function(recipe, rows)
    elif rows is not None:
        raise UsageError(f"the recipe {recipe.name} has its rows already; give them to it alone.")
    if name:
        check_name(name)
    given = dict(others or {})
    for role in given:
        if role not in recipe.roles:
            raise UsageError(unknown("role", role, recipe.roles))
    return Job(
        recipe=recipe,
        model=_loaded(model, chosen),
        others={role: _loaded(given.get(role, model), chosen) for role in recipe.roles},
        session=chosen,
        budget=budgeted(max_requests, max_tokens_total, max_cost),
        name=name,
    )


def make(
    recipe: Recipe | Callable[..., Any],
    *,
    model: Model | str,
    others: Mapping[str, Model | str] | None = None,
    session: Session | None = None,
    rows: Any = None,
    name: str = "",
    max_requests: int | None = None,
    max_tokens_total: int | None = None,
    max_cost: float | None = None,
    stop: threading.Event | None = None,
    watch: RunListener | None = None,
) -> Run:
    """The rows that a recipe makes with a model; nothing is asked twice.

    Parameters
    ----------
    recipe : one of ``synthkit.recipes``, or a generator function of your own (see
        :func:`synthkit.recipes._base.from_function`), which is begun with ``rows``.
    model : a model, or the spec of one for :func:`~synthkit.models.load_model`.
    others : role -> a further model, for recipes that ask several; a role that is not given is
        played by ``model``.
    session : where answers are kept; ``./.synthkit`` if not given.
    name : keeps the table in the session under this name.
    max_requests, max_tokens_total, max_cost : stop cleanly before more is spent (cost in US
        dollars), with the rows that are done; the model's own budget if not given.
    stop : set it from another thread to end the run with what is done.
    watch : told of each row as it is made.

    Raises
    ------
    UsageError
        Before anything is asked: an option that makes no sense.
    RecipeError
        If a recipe's own code fails; ``error.run`` has what was done.
    ModelError
        If the model refuses; ``error.run`` has what was done. A server that does not answer gives
        a warning, and leaves rows in ``pending``.

    Examples
    --------
    >>> import tempfile, synthkit as sk
    >>> def shout(row):
    ...     (answer,) = yield [sk.recipes.user(f"Name a {row['colour']} fruit.")]
    ...     return {"fruit": answer.text.upper()}
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
    ...     run = sk.make(shout, rows=[{"colour": "red"}], session=session,
    ...                   model=sk.load_model("fake", answer="An apple."))
    >>> run.table["fruit"].tolist()
    ['AN APPLE.']
    """
    making = prepare(
        recipe,
        model=model,
        others=others,
        session=session,
        rows=rows,
        name=name,
        max_requests=max_requests,
        max_tokens_total=max_tokens_total,
        max_cost=max_cost,
    )
    run = making.run(stop=stop, watch=watch)
    warn_of_pending(run)
    return run


def warn_of_pending(run: Run) -> None:
    """Warn if a server that does not answer left something unasked."""
    if run.ledger.stopped.startswith("http"):
        left = tables.size(run.pending)
        what = f"{left} rows are pending" if left else "the run is not whole"
        warnings.warn(f"{what}: {run.ledger.stopped}", RuntimeWarning, stacklevel=3)


def budgeted(
    max_requests: int | None, max_tokens_total: int | None, max_cost: float | None
) -> Budget | None:
    """The budget of these limits; ``None`` without any."""
    limits = Budget(max_requests=max_requests, max_tokens_total=max_tokens_total, max_cost=max_cost)
    return None if limits == Budget() else limits


def estimate(session: Session, model: Model, n: int, letters: int, most_tokens: int) -> Estimate:
    """What ``n`` requests would take, by the runs of this model in the session so far.

    ``letters`` is the length of their prompts, ``most_tokens`` what they may answer.
    """
    past = [
        run for run in session.store.runs.all() if run["model"] == model.name and run["requests"]
    ]
    asked = sum(run["requests"] for run in past)
    seconds, completion_tokens = None, most_tokens
    if asked:
        completion_tokens = round(sum(run["completion_tokens"] for run in past) / asked * n)
        seconds = n * sum(run["seconds"] for run in past) / asked
    price, prompt_tokens = model.price, letters // 4
    cost = None
    if price is not None:
        cost = (prompt_tokens * price[0] + completion_tokens * price[1]) / 1e6
    return Estimate(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cost=cost,
        seconds=seconds if n else 0.0,
    )


def _told(reject: Reject) -> dict[str, Any]:
    return {**reject.cells, "raw": reject.raw, "reason": reject.reason}


def _loaded(model: Model | str, session: Session) -> Model:
    return load_model(model, store=session.store) if isinstance(model, str) else model


def _unreachable(error: Exception) -> bool:
    return isinstance(error, EndpointError) and error.status is None
