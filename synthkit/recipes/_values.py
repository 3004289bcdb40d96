"""Lists that a model draws up: the values of attributes, and personas.

The values, and the filter for those that fit a similar class too, are of AttrPrompt (arXiv
2306.15895); personas are of Persona Hub (arXiv 2406.20094).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from synthkit.core.errors import TableError, UsageError, unknown
from synthkit.core.types import Message, Reject, Request, Row, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.conditions import conditions
from synthkit.prompts.templates import Turns
from synthkit.recipes._ask import ask
from synthkit.recipes._base import (
    Bounds,
    Outcome,
    Recipe,
    Table,
    gather,
    per_row,
    per_table,
    recipe,
    user,
)
from synthkit.recipes._list_parsing import entries
from synthkit.recipes._rounds import Distinct, Samples, traced
from synthkit.recipes._zerogen import by, distinct, positive, tried

ONE = "\n\nAnswer with one, on a single line, and nothing else."
FORM = "\n\nAnswer with a numbered list of {k}, each on a line of its own, and nothing else."
AGAIN = "\n\nNone of these again:\n{shown}"
FITS = 'Would "{value}" also be a {field} of {label}? Answer yes or no.'

SHOWN = 50
"""How many of the personas that are there already a model is shown, the latest."""

_YES = parsing.label(["yes", "no"], "fits")


@recipe
def values(
    prompt: str,
    *,
    fields: Sequence[str],
    labels: Sequence[str] | Mapping[str, str] | None = None,
    k: int = 10,
    filter: bool = False,
    similar: Mapping[str, Sequence[str]] | None = None,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Values of attributes, as a model lists them for each class; one row for each value.

    This is how AttrPrompt (arXiv 2306.15895) comes by its attributes, without the person who looks
    them through. Its filter asks of each value of a class whether it fits a similar class too,
    until one does: such a value is a reject. :func:`as_vary` makes of the table what ``vary=``
    takes.

    Parameters
    ----------
    prompt : asks for values; it uses ``{{ field }}``, and where there are labels ``{{ label }}`` or
        ``{{ description }}``. Below it, the model is told how many, and to write a list.
    fields : names of attributes, such as ``topic``; each has a list of its own.
    labels : classes, each with lists of its own; or class -> what it means.
    k : how many values are asked for in a list.
    filter : whether values that fit a similar class too are left out; it needs labels.
    similar : class -> those that are similar to it; all others if not given, where the paper takes
        a few.

    Raises
    ------
    UsageError
        If the fields or labels are not distinct texts, or ``similar`` names other classes; if the
        prompt does not use the field or the label.

    Examples
    --------
    >>> recipe = values("Name a {{ field }} of {{ label }}.", fields=["topic", "place"],
    ...                 labels=["sports", "science"], filter=True)
    >>> str(recipe.requests), str(recipe.rows)
    ('4 to 44', '0 to 40')
    """
    names = distinct("fields", fields)
    classes = {} if labels is None else by(labels)
    meanings = labels if isinstance(labels, Mapping) else {}
    rivals = _rivals(classes.get("label", []), filter, similar)
    source = conditions(None, 1, {"field": names, **classes})
    tried(prompt, source, uses=("field",) if len(names) > 1 else ())
    template = tried(prompt, source, uses=("label", "description") if classes else ())
    listing = entries(positive("k", k))
    sure = replace(sampling, temperature=0)

    def judged(value: str | Reject, row: dict[str, Any], of: tuple[Request, ...]) -> Steps[Any]:
        if isinstance(value, Reject):
            return replace(value, of=of)
        for other in rivals.get(row.get("label", ""), ()):
            asked = FITS.format(value=value, field=row["field"], label=meanings.get(other, other))
            question = user(asked, sure, schema=_YES.schema)
            own, said = yield from traced(ask(question, _YES, repairs=1))
            of += own
            if isinstance(said, Reject):
                reason = f"not known whether it also fits {other}: {said.reason}"
                return replace(said, reason=reason, cells={"value": value}, of=of)
            if said["fits"] == "yes":
                return Reject(value, f"also fits {other}", of=of)
        return Row({"value": value}, of)

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        request = _listing(template.render(row), _form(k), sampling)
        of, found = yield from traced(ask(request, listing, repairs=1))
        if isinstance(found, Reject):
            return found
        made: list[Row | Reject] = yield from gather(
            judged(value, row, of) for value in _once(found)
        )
        return made

    most = max(map(len, rivals.values()), default=0)
    return per_row(
        steps,
        source,
        name="values",
        columns=("value",),
        requests=Bounds(1, 1 + k * most),
        makes=Bounds(0, k),
        prompt=prompt,
    )


def as_vary(rows: Table) -> dict[str, Any]:
    """What ``vary=`` takes, from a table of :func:`values`: field -> its values, for each label.

    >>> as_vary([{"field": "topic", "label": "sports", "value": "golf"}])
    {'topic': {'by': 'label', 'values': {'sports': ['golf']}}}
    >>> as_vary([{"field": "tone", "value": "dry"}, {"field": "tone", "value": "warm"}])
    {'tone': ['dry', 'warm']}

    Raises
    ------
    TableError
        If it has no columns ``field`` and ``value`` or misses a cell, or if a field has values with
        a label and without.
    """
    cells = [tables.column(rows, name) for name in ("field", "value")]
    labelled = "label" in tables.columns(rows)
    labels = tables.column(rows, "label") if labelled else [None] * len(cells[0])
    lists: dict[str, dict[Any, list[Any]]] = {}
    for i, (field, value, label) in enumerate(zip(*cells, labels, strict=True)):
        if field is None or value is None:
            raise TableError(f"row {i} has no {'field' if field is None else 'value'}; drop it.")
        lists.setdefault(field, {}).setdefault(label, []).append(value)
    for field, found in lists.items():
        if None in found and len(found) > 1:
            raise TableError(f"{field!r} has values with a label and without; keep one kind.")
    return {
        field: found.get(None, {"by": "label", "values": found}) for field, found in lists.items()
    }


@recipe
def personas(
    prompt: str,
    *,
    n: int,
    k: int = 10,
    rounds: int | None = None,
    rows: Table = None,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Distinct personas, drawn up in rounds, or from texts that they would write or read.

    Each round asks for a list of those that are missing, and shows the latest that are there. With
    rows this is the text-to-persona of Persona Hub (arXiv 2406.20094), with every text asked for
    its share. Of personas with the same words in the same order, the first is kept; the paper drops
    near-duplicates too, which is curation here. The columns are ``persona`` and ``round``, and
    ``parent`` for the text.

    Parameters
    ----------
    prompt : says who is wanted; it may use the columns of ``rows``, such as
        ``Who is likely to write this? {{ text }}``. Below it, the model is told how many, and to
        write a list.
    n : personas in all.
    k : most that are asked for at once.
    rounds : how many rounds at most; three times as many as are needed if all were distinct, if not
        given. A last reject says what is missing then.
    rows : texts to start from, such as reviews.

    Examples
    --------
    >>> str(personas("People who review restaurants.", n=40).requests)
    '4 to 12'
    """
    template = tried(prompt, [{}] if rows is None else rows)
    texts = [{}] if rows is None else tables.records(rows)
    if not texts:
        raise TableError("the table has no rows; expected one text or more to start from.")
    width = min(len(texts), positive("n", n))
    lists = -(-n // positive("k", k))
    turns = 3 * -(-lists // width) if rounds is None else positive("rounds", rounds)

    def steps() -> Steps[None]:
        pool, sample, source = Distinct(1), Samples(), itertools.cycle(texts)
        kept: list[str] = []
        for turn in range(1, turns + 1):
            missing = n - len(kept)
            if not missing:
                return
            batch = list(itertools.islice(source, min(width, missing)))
            share = min(k, -(-missing // len(batch)))
            form = _form(share) + _again(kept)
            asked = [sample(_listing(template.render(row), form, sampling)) for row in batch]
            answers = yield from gather(
                traced(ask(request, entries(share), repairs=1)) for request in asked
            )
            made: list[Row | Reject] = []
            for row, (of, found) in zip(batch, answers, strict=True):
                for entry in [found] if isinstance(found, Reject) else found:
                    outcome = _persona(entry, pool, n - len(kept), turn)
                    if isinstance(outcome, Row):
                        kept.append(outcome.cells["persona"])
                    made.append(replace(outcome, of=of, parent=row.get("id", row.get("parent"))))
            yield made
        if len(kept) < n:
            yield [Reject("", f"stopped: {len(kept)} of {n} personas after {turns} rounds")]

    return per_table(
        steps,
        name="personas",
        columns=("persona", "round"),
        requests=Bounds(min(max(width, lists), width + turns - 1), width * turns),
        rows=Bounds(0, n),
        like=rows,
        prompt=prompt,
    )


def _once(found: Sequence[str | Reject]) -> list[str | Reject]:
    """The entries, with a reject for each that was there before, whatever the case."""
    seen: set[str] = set()
    made: list[str | Reject] = []
    for one in found:
        if isinstance(one, str) and one.casefold() in seen:
            one = Reject(one, "an earlier value of the list is the same")
        elif isinstance(one, str):
            seen.add(one.casefold())
        made.append(one)
    return made


def _persona(entry: str | Reject, pool: Distinct, missing: int, turn: int) -> Row | Reject:
    """The row of an entry, which joins the pool, or the reject that says why it has none."""
    if isinstance(entry, Reject):
        return entry
    complaint = pool.complaint(entry) if missing else "beyond the number that was asked for"
    if complaint:
        return Reject(entry, complaint)
    pool.add(entry)
    return Row({"persona": entry, "round": turn})


def _listing(messages: Turns, form: str, sampling: Sampling) -> Request:
    """A request with the form of its answer below its last turn."""
    *before, last = messages
    return Request((*before, Message("user", last.content + form)), sampling)


def _form(k: int) -> str:
    return ONE if k == 1 else FORM.format(k=k)


def _again(kept: Sequence[str]) -> str:
    shown = "\n".join(f"- {one}" for one in kept[-SHOWN:])
    return AGAIN.format(shown=shown) if kept else ""


def _rivals(
    labels: Sequence[str], filter: bool, similar: Mapping[str, Sequence[str]] | None
) -> dict[str, list[str]]:
    """The classes that each value of a class must not fit."""
    if filter and len(labels) < 2:
        raise UsageError("filter needs labels: two or more classes, of which each has its values.")
    if similar is None:
        return {one: [o for o in labels if o != one] for one in labels} if filter else {}
    if not filter:
        raise UsageError("similar is for filter=True; give both or neither.")
    found = {label: distinct("similar", others) for label, others in similar.items()}
    for name in (name for label, others in found.items() for name in (label, *others)):
        if name not in labels:
            raise UsageError(f"similar: {unknown('label', name, labels)}")
    return {label: [o for o in others if o != label] for label, others in found.items()}
