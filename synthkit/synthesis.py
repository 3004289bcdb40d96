"""From a prompt to a run: what ``%%synth`` calls.

:func:`plan` turns a prompt and its inputs into requests, and says what they would cost;
:func:`generate` also has them answered.
"""

from __future__ import annotations

import json
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from synthkit import decode, table
from synthkit.conditions import Sampler, conditions, with_parent
from synthkit.driver import Watch, drive
from synthkit.errors import EndpointError, PromptError, TableError, UsageError, unknown
from synthkit.models import load_model
from synthkit.prompt import Examples, Prompt, demonstrate, located, parse
from synthkit.recipes.ask import ask
from synthkit.store import ID_DIGITS
from synthkit.types import Budget, Model, Reject, Request, Run, Sampling
from synthkit.workspace import Session, check_name
from synthkit.workspace import session as current_session


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the requests of a plan that are not held yet would take; ``None`` where not known."""

    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The requests of a run before they are asked.

    ``keys`` and ``source`` have one key and one row of fields for each request; ``source`` is of
    the kind of table that was given. ``line`` is what stood behind ``%%synth``, if a cell asked.
    """

    prompt: str
    requests: Sequence[Request]
    keys: Sequence[str]
    source: Any
    decoder: decode.Decoder
    model: Model
    session: Session
    budget: Budget | None
    name: str
    line: str = ""

    def misses(self) -> list[Request]:
        """The requests that the session does not hold."""
        held = self.session.store.get(self.keys)
        return [r for r, key in zip(self.requests, self.keys, strict=True) if key not in held]

    def estimate(self) -> Estimate:
        """What the misses would take, by the runs of this model so far."""
        misses = self.misses()
        letters = sum(len(m.content) for request in misses for m in request.messages)
        past = [
            run
            for run in self.session.store.runs()
            if run["model"] == self.model.name and run["requests"]
        ]
        asked = sum(run["requests"] for run in past)
        if asked:
            each = sum(run["completion_tokens"] for run in past) / asked
            seconds = len(misses) * sum(run["seconds"] for run in past) / asked
            completion_tokens = round(each * len(misses))
        else:
            seconds = None
            completion_tokens = sum(request.sampling.max_tokens or 1024 for request in misses)
        price, prompt_tokens = self.model.price, letters // 4
        cost = None
        if price is not None:
            cost = (prompt_tokens * price[0] + completion_tokens * price[1]) / 1e6
        return Estimate(
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            cost=cost,
            seconds=0.0 if not misses else seconds,
        )

    def run(self, *, stop: threading.Event | None = None, watch: Watch | None = None) -> Run:
        """The plan carried out, as far as it goes.

        Raises
        ------
        ModelError
            If the model refuses; ``error.run`` has what was done. A server that does not answer
            leaves rows in ``pending``.
        """
        driven = drive(
            (ask(request, self.decoder) for request in self.requests),
            model=self.model,
            store=self.session.store,
            budget=self.budget,
            stop=stop,
            watch=watch,
        )
        run = self._run(driven.outcomes, driven.ledger)
        rows = len(driven.outcomes) - run.ledger.rejects
        self.session.store.add_run(
            self.name,
            self.model.name,
            self.prompt,
            rows,
            run.ledger,
            line=self.line,
            made=table.column(run.table, "id"),
            rejected=table.column(run.rejects, "id"),
        )
        if self.name and rows:
            self.session.save(self.name, run.table)
        error = driven.error
        if error is not None and not _unreachable(error):
            error.run = run
            raise error
        return run

    def _run(self, outcomes: Mapping[int, dict[str, Any] | Reject], ledger: Any) -> Run:
        rows: list[tuple[int, dict[str, Any]]] = []
        rejects: list[tuple[int, dict[str, Any]]] = []
        for position, outcome in sorted(outcomes.items()):
            if isinstance(outcome, Reject):
                rejects.append((position, {"raw": outcome.raw, "reason": outcome.reason}))
            else:
                rows.append((position, outcome))
        why = {"reason": ledger.stopped or "not asked"}
        pending = [(i, why) for i in range(len(self.requests)) if i not in outcomes]
        return Run(
            table=self._table(rows, self.decoder.columns),
            rejects=self._table(rejects, ("raw", "reason")),
            pending=self._table(pending, ("reason",)),
            ledger=replace(ledger, rejects=len(rejects)),
        )

    def _table(
        self,
        rows: Sequence[tuple[int, Mapping[str, Any]]],
        columns: Sequence[str],
    ) -> Any:
        cells: dict[str, list[Any]] = {"id": [self.keys[i][:ID_DIGITS] for i, _ in rows]}
        for name in columns:
            cells[name] = [row[name] for _, row in rows]
        source = table.take(self.source, [position for position, _ in rows])
        return table.assign(source, cells, first=("id", "parent") if self._has_parent else ("id",))

    @property
    def _has_parent(self) -> bool:
        return "parent" in table.columns(self.source)


def plan(
    prompt: str,
    *,
    model: Model | str,
    session: Session | None = None,
    rows: Any = None,
    n: int = 1,
    vary: Mapping[str, Sequence[Any]] | None = None,
    sampler: Sampler = "product",
    system: str | None = None,
    examples: Any = None,
    schema: Any = None,
    labels: Sequence[str] | None = None,
    regex: str | None = None,
    output: str | None = None,
    sampling: Sampling | None = None,
    name: str = "",
    max_requests: int | None = None,
    max_tokens_total: int | None = None,
    max_cost: float | None = None,
) -> Plan:
    """The requests of a run, rendered and checked, before any is asked.

    Takes what :func:`generate` takes, and raises what it raises before it asks.
    """
    chosen = session or current_session()
    if isinstance(model, str):
        model = load_model(model, store=chosen.store)
    if n < 1:
        raise UsageError(f"n must be at least 1; got {n}.")
    if name:
        check_name(name)
    draws = sampling or Sampling()
    template = parse(prompt, system=system)
    fields = conditions(rows, n, vary or {}, sampler, draws.seed or 0)
    decoder = _decoder(schema, labels, regex, output, table.columns(fields))
    requests = _requests(template, table.records(fields), draws, decoder, examples)
    given = (max_requests, max_tokens_total, max_cost)
    limits = Budget(max_requests=given[0], max_tokens_total=given[1], max_cost=given[2])
    return Plan(
        prompt=prompt,
        requests=requests,
        keys=[request.key(model.fingerprint) for request in requests],
        source=with_parent(fields),
        decoder=decoder,
        model=model,
        session=chosen,
        budget=limits if any(limit is not None for limit in given) else None,
        name=name,
    )


def generate(
    prompt: str,
    *,
    model: Model | str,
    session: Session | None = None,
    rows: Any = None,
    n: int = 1,
    vary: Mapping[str, Sequence[Any]] | None = None,
    sampler: Sampler = "product",
    system: str | None = None,
    examples: Any = None,
    schema: Any = None,
    labels: Sequence[str] | None = None,
    regex: str | None = None,
    output: str | None = None,
    sampling: Sampling | None = None,
    name: str = "",
    max_requests: int | None = None,
    max_tokens_total: int | None = None,
    max_cost: float | None = None,
    stop: threading.Event | None = None,
    watch: Watch | None = None,
) -> Run:
    """A table of what a model answers, one row for each request; nothing is asked twice.

    Parameters
    ----------
    prompt : a template (see :mod:`synthkit.prompt`); its fields come from ``rows`` and ``vary``.
    model : a model, or the spec of one for :func:`~synthkit.models.load_model`.
    session : where answers are kept; ``./.synthkit`` if not given.
    rows : a table of any kind, with one request for each row; the results are of its kind. Its
        ``id`` column, if it has one, becomes ``parent``.
    vary : field -> values. ``sampler="product"`` goes through all combinations in turn,
        ``"independent"`` draws each field by itself, uniformly, by the seed.
    n : with ``rows``, completions for each row (and combination). Without, rows in all, where a
        product has each combination at least once.
    system : a template for the system turn.
    examples : demonstrations to show: a table, or :class:`~synthkit.prompt.Examples`.
    schema, labels, regex : how an answer is read: as JSON that follows a JSON Schema or pydantic
        model, as one of these labels, or by the named groups of a pattern; as text if none.
    output : the column for a text or a label. If not given, ``text`` (``label``), or ``text_2``
        and so on where the rows have it already.
    sampling : temperature, most tokens, seed and the like; the same for all rows.
    name : keeps the table in the session under this name.
    max_requests, max_tokens_total, max_cost : stop cleanly before more is spent (cost in US
        dollars), with what is done; the model's own budget if not given.
    stop : set it from another thread to end the run with what is done.
    watch : told of each row as it is done.

    Raises
    ------
    UsageError
        Before anything is asked: an unknown field, a bad schema, an option that makes no sense.
    ModelError
        If the model refuses; ``error.run`` has what was done. A server that does not answer gives
        a warning, and leaves rows in ``pending``.

    Examples
    --------
    >>> import tempfile, synthkit as sk
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
    ...     run = sk.generate(
    ...         "Name a {{ colour }} fruit.", vary={"colour": ["red", "green"]},
    ...         model=sk.load_model("fake", answer="An apple."), session=session)
    >>> run.table[["colour", "text"]].values.tolist()
    [['red', 'An apple.'], ['green', 'An apple.']]
    """
    planned = plan(
        prompt,
        model=model,
        session=session,
        rows=rows,
        n=n,
        vary=vary,
        sampler=sampler,
        system=system,
        examples=examples,
        schema=schema,
        labels=labels,
        regex=regex,
        output=output,
        sampling=sampling,
        name=name,
        max_requests=max_requests,
        max_tokens_total=max_tokens_total,
        max_cost=max_cost,
    )
    run = planned.run(stop=stop, watch=watch)
    left = table.size(run.pending)
    if left and run.ledger.stopped.startswith("http"):
        warnings.warn(
            f"{left} rows are pending: {run.ledger.stopped}", RuntimeWarning, stacklevel=2
        )
    return run


def _unreachable(error: Exception) -> bool:
    return isinstance(error, EndpointError) and error.status is None


def _decoder(
    schema: Any,
    labels: Sequence[str] | None,
    regex: str | None,
    output: str | None,
    fields: Sequence[str],
) -> decode.Decoder:
    ways = [
        way for way, given in (("schema", schema), ("labels", labels), ("regex", regex)) if given
    ]
    if len(ways) > 1:
        raise UsageError(f"an answer is read in one way; got {' and '.join(ways)}.")
    if output is not None and ways in (["schema"], ["regex"]):
        raise UsageError(f"output names the one column of a text; {ways[0]} names its own columns.")
    taken = {*fields, "id", "parent"}
    if output is not None and output in taken:
        raise UsageError(f"output={output!r} is a column of the rows already; choose another.")
    if schema is not None:
        decoder = decode.structured(schema)
    elif regex is not None:
        decoder = decode.regex(regex)
    elif labels is not None:
        return decode.label(labels, output or _free("label", taken))
    else:
        return decode.text(output or _free("text", taken))
    clash = [name for name in decoder.columns if name in taken]
    if clash:
        raise UsageError(
            f"the {ways[0]} has a column {clash[0]!r}, and so have the rows; rename one of them."
        )
    return decoder


def _free(name: str, taken: set[str]) -> str:
    return next(
        candidate
        for candidate in (name, *(f"{name}_{i}" for i in range(2, 1000)))
        if candidate not in taken
    )


def _requests(
    template: Prompt,
    rows: Sequence[Mapping[str, Any]],
    sampling: Sampling,
    decoder: decode.Decoder,
    examples: Any,
) -> list[Request]:
    """One request for each row. Rows that ask the same get different sample indices."""
    demos: Sequence[Any] = [()] * len(rows)
    if examples is not None:
        shown = examples if isinstance(examples, Examples) else Examples(table=examples)
        demos = demonstrate(template, rows, shown, _answer(decoder))
    seen: Counter[Any] = Counter()
    requests = []
    for i, row in enumerate(rows):
        try:
            messages = template.render(row, demos[i])
        except PromptError as error:
            raise located(error, template, row, f"row {i}") from None
        requests.append(Request(messages, sampling, decoder.schema, seen[messages], row))
        seen[messages] += 1
    return requests


def _answer(decoder: decode.Decoder) -> Callable[[Mapping[str, Any]], str]:
    """How an example's columns are written as a good answer."""
    names = decoder.columns

    def write(example: Mapping[str, Any]) -> str:
        for name in names:
            if name not in example:
                raise TableError("in the examples, " + unknown("column", name, example))
        if len(names) == 1 and (decoder.schema is None or "enum" in decoder.schema):
            return str(example[names[0]])
        return json.dumps({name: example[name] for name in names}, ensure_ascii=False)

    return write
