"""From a prompt to a run: what ``%%synth`` calls.

:func:`plan` turns a prompt and its inputs into requests, and says what they would cost;
:func:`generate` also has them answered.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from synthkit.core.errors import PromptError, TableError, UsageError, unknown
from synthkit.core.types import Budget, Model, Reject, Request, Row, Sampling, Steps
from synthkit.data import tables
from synthkit.data.expressions import rule
from synthkit.data.results import Run
from synthkit.generation.job import Estimate, Job, budgeted, warn_of_pending
from synthkit.generation.runner import RunListener
from synthkit.models import load_model
from synthkit.prompts import parsing
from synthkit.prompts.conditions import Sampler, Where, conditions, with_parent
from synthkit.prompts.templates import Examples, Prompt, demonstrate, located, parse
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Recipe
from synthkit.sessions.named_tables import check_name
from synthkit.sessions.session import Session
from synthkit.sessions.session import session as current_session


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The requests of a run before they are asked.

    ``source`` has one row of fields for each request, and is of the kind of table that was given.
    ``line`` is what stood behind ``%%synth``, if a cell asked.
    """

    prompt: str
    requests: Sequence[Request]
    source: Any
    decoder: parsing.Decoder
    repairs: int
    model: Model
    session: Session
    budget: Budget | None
    name: str
    line: str = ""

    @cached_property
    def keys(self) -> list[str]:
        """The keys of the requests, in their order."""
        return [request.key(self.model.fingerprint) for request in self.requests]

    def misses(self) -> list[Request]:
        """The requests that the session does not hold."""
        held = self.session.store.completions.get(self.keys)
        return [r for r, key in zip(self.requests, self.keys, strict=True) if key not in held]

    def estimate(self) -> Estimate:
        """What the misses would take, by the runs of this model so far."""
        return self.making.estimate(self.making.outlook())

    @property
    def making(self) -> Job:
        """The recipe that asks these requests, one row for each."""
        return Job(
            recipe=Recipe(
                name="prompt",
                branches=self._branches,
                columns=self.decoder.columns,
                source=self.source,
                kind=tables.kind(self.source),
                requests=Bounds(len(self.requests), len(self.requests)),
                rows=Bounds(len(self.requests), len(self.requests)),
                prompt=self.prompt,
            ),
            model=self.model,
            others={},
            session=self.session,
            budget=self.budget,
            name=self.name,
            line=self.line,
        )

    def run(self, *, stop: threading.Event | None = None, watch: RunListener | None = None) -> Run:
        """The plan carried out, as far as it goes.

        Raises
        ------
        ModelError
            If the model refuses; ``error.run`` has what was done. A server that does not answer
            leaves rows in ``pending``.
        """
        return self.making.run(stop=stop, watch=watch)

    def _branches(self) -> Iterator[Steps[None]]:
        parents: Sequence[str | None] = [None] * len(self.requests)
        if "parent" in tables.columns(self.source):
            parents = tables.column(self.source, "parent")
        return map(self._branch, self.requests, parents)

    def _branch(self, request: Request, parent: str | None) -> Steps[None]:
        outcome = yield from ask(request, self.decoder, repairs=self.repairs)
        if isinstance(outcome, Reject):
            yield [replace(outcome, parent=parent)]
        else:
            yield [Row(outcome, parent=parent)]


def plan(
    prompt: str,
    *,
    model: Model | str,
    session: Session | None = None,
    rows: Any = None,
    n: int = 1,
    vary: Mapping[str, Sequence[Any]] | None = None,
    sampler: Sampler = "product",
    like: Any = None,
    where: Where | str | None = None,
    system: str | None = None,
    examples: Any = None,
    schema: Any = None,
    labels: Sequence[str] | None = None,
    regex: str | None = None,
    output: str | None = None,
    repairs: int | None = None,
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
    if repairs is not None and repairs < 0:
        raise UsageError(f"repairs must be 0 or more; got {repairs}.")
    if name:
        check_name(name)
    draws = sampling or Sampling()
    template = parse(prompt, system=system)
    if isinstance(where, str):
        known = [tables.columns(one) for one in (rows, like) if one is not None]
        where = rule(where, [*(name for names in known for name in names), *(vary or ())])
    fields = conditions(rows, n, vary or {}, sampler, draws.seed or 0, like=like, where=where)
    decoder = _decoder(schema, labels, regex, output, tables.columns(fields))
    requests = _requests(template, tables.records(fields), draws, decoder, examples)
    return Plan(
        prompt=prompt,
        requests=requests,
        source=with_parent(fields),
        decoder=decoder,
        repairs=(1 if schema is not None else 0) if repairs is None else repairs,
        model=model,
        session=chosen,
        budget=budgeted(max_requests, max_tokens_total, max_cost),
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
    like: Any = None,
    where: Where | str | None = None,
    system: str | None = None,
    examples: Any = None,
    schema: Any = None,
    labels: Sequence[str] | None = None,
    regex: str | None = None,
    output: str | None = None,
    repairs: int | None = None,
    sampling: Sampling | None = None,
    name: str = "",
    max_requests: int | None = None,
    max_tokens_total: int | None = None,
    max_cost: float | None = None,
    stop: threading.Event | None = None,
    watch: RunListener | None = None,
) -> Run:
    """A table of what a model answers, one row for each request; nothing is asked twice.

    Parameters
    ----------
    prompt : a template (see :mod:`synthkit.prompts.templates`); its fields come from ``rows`` and ``vary``.
    model : a model, or the spec of one for :func:`~synthkit.models.load_model`.
    session : where answers are kept; ``./.synthkit`` if not given.
    rows : a table of any kind, with one request for each row; the results are of its kind. Its
        ``id`` column, if it has one, becomes ``parent``.
    vary : field -> values, which may depend on another field's (see
        :func:`~synthkit.prompts.conditions.conditions`). ``sampler="product"`` goes through all
        combinations in turn, ``"independent"`` draws each field by itself, uniformly, by the
        seed, ``"joint"`` draws rows of the table ``like``, so that only pairs that exist arise.
    where : which combinations may be: an expression such as ``not (tone = dry and topic = soup)``,
        a function of a combination, or combinations that may not be.
    n : with ``rows``, completions for each row (and combination). Without, rows in all, where a
        product has each combination at least once.
    system : a template for the system turn.
    examples : demonstrations to show: a table, or :class:`~synthkit.prompts.templates.Examples`.
    schema, labels, regex : how an answer is read: as JSON that follows a JSON Schema or pydantic
        model, as one of these labels, or by the named groups of a pattern; as text if none.
    output : the column for a text or a label. If not given, ``text`` (``label``), or ``text_2``
        and so on where the rows have it already.
    repairs : how often an answer that cannot be read is asked for again, with the reason; once
        with a ``schema``, else never, if not given.
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
        like=like,
        where=where,
        system=system,
        examples=examples,
        schema=schema,
        labels=labels,
        regex=regex,
        output=output,
        repairs=repairs,
        sampling=sampling,
        name=name,
        max_requests=max_requests,
        max_tokens_total=max_tokens_total,
        max_cost=max_cost,
    )
    run = planned.run(stop=stop, watch=watch)
    warn_of_pending(run)
    return run


def _decoder(
    schema: Any,
    labels: Sequence[str] | None,
    regex: str | None,
    output: str | None,
    fields: Sequence[str],
) -> parsing.Decoder:
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
        decoder = parsing.structured(schema)
    elif regex is not None:
        decoder = parsing.regex(regex)
    elif labels is not None:
        return parsing.label(labels, output or _free("label", taken))
    else:
        return parsing.text(output or _free("text", taken))
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
    decoder: parsing.Decoder,
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


def _answer(decoder: parsing.Decoder) -> Callable[[Mapping[str, Any]], str]:
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
