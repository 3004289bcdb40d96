"""A filter by a prompt: a model answers yes or no for each row, with a reason if wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from synthkit.core.errors import ModelError, TableError
from synthkit.core.formatting import count
from synthkit.core.models import Model
from synthkit.core.types import Reject, Request, Sampling, Steps
from synthkit.curate.filters.base import Filter
from synthkit.data import tables
from synthkit.generation.job import generate
from synthkit.prompts import parsing
from synthkit.prompts.templates import parse
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Outcome, Recipe, per_row
from synthkit.recipes._row_prompts import column_template, row_renderer
from synthkit.sessions.session import Session

ANSWERS = ("yes", "no")
BARE, REASONED = 8, 200
"""Most tokens of an answer without and with a reason, unless the user says otherwise."""
UNREADABLE = "no readable answer"
_SCHEMA = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "maxLength": 300},
        "answer": {"enum": list(ANSWERS)},
    },
    "required": ["reason", "answer"],
    "additionalProperties": False,
}


def by_prompt(
    prompt: str,
    *,
    model: Model | str,
    session: Session | None = None,
    column: str | None = None,
    reasons: bool = False,
    sampling: Sampling | None = None,
    max_requests: int | None = None,
    max_cost: float | None = None,
) -> Filter:
    """A filter that keeps the rows for which a model answers a question with yes.

    The model is held to the form of the answer where it can be. A row with an unreadable answer is
    dropped for that reason. Answers are cached as all completions are, so that a filter that ended
    early goes on when it is applied again.

    Parameters
    ----------
    prompt : a template over the columns of the table. One without a field is followed by the text.
    model : a model, or the spec of one.
    session : where answers are kept; ``./.synthkit`` by default.
    column : of the text; by default that of :func:`asked_column`.
    reasons : ask for a reason before the answer, as a JSON object. It takes a small model up to a
        hundred times as long as the bare answer.
    sampling : by default at temperature 0, with at most 8 tokens, or 200 with reasons. A model that
        thinks before it answers needs more.
    max_requests, max_cost : as for :func:`synthkit.generate`.

    Raises
    ------
    PromptError
        When applied, if the prompt uses a column that the table lacks.
    TableError
        When applied, if the column of the texts is not given and cannot be told.
    ModelError
        When applied, if the model refuses, some rows got no answer, as at a limit, or every answer
        was cut before it said yes or no.

    Examples
    --------
    >>> import tempfile, synthkit as sk
    >>> critic = sk.Fake(lambda asked: '{"reason": "It says so.", "answer": "%s"}' % (
    ...     "yes" if "Hot" in asked.messages[-1].content else "no"))
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
    ...     about_soup = by_prompt("About soup?", model=critic, session=session, reasons=True)
    ...     rows = [{"id": "a", "text": "Hot soup."}, {"id": "b", "text": "Tea."}]
    ...     session.curate(rows, about_soup).dropped["why"].tolist()
    ['answered no: It says so.']
    """
    fields = parse(prompt).fields
    used = sampling or Sampling(temperature=0.0, max_tokens=REASONED if reasons else BARE)

    def judge(table: Any) -> Sequence[str]:
        if not tables.size(table):
            return []
        text = {} if fields else {"text": column or asked_column(table)}
        recipe = _recipe(_whole(prompt), table, text, reasons, used)
        run = generate(
            recipe, model=model, session=session, max_requests=max_requests, max_cost=max_cost
        )
        if tables.size(run.pending):
            n = count(tables.size(run.pending), "row")
            raise ModelError(
                f"{n} got no answer: {run.ledger.stopped or 'not asked'}. The answers so far are "
                "kept; apply the filter again to go on."
            )
        rejects = tables.column(run.rejects, "reason")
        if rejects and not tables.size(run.table) and all(map(_cut, rejects)):
            raise ModelError(
                f"every answer was cut at {used.max_tokens} tokens before it said yes or no. A "
                "model that thinks before it answers needs more: --max-tokens 2000, in Python "
                "sampling=Sampling(temperature=0, max_tokens=2000)."
            )
        return _reasons(tables.column(table, "id"), run)

    return Filter(f"by prompt: {' '.join(prompt.split())[:80]}", judge)


def checked_column(prompt: str, table: Any, column: str | None) -> str | None:
    """The column to ask about; ``None`` if the prompt names its columns by fields.

    Raises
    ------
    TableError, PromptError
        As the filter raises when it is applied.
    """
    if not parse(prompt).fields:
        column = column or asked_column(table)
    column_template(_whole(prompt), table, **({"text": column} if column else {}))
    return column


def _whole(prompt: str) -> str:
    """A prompt, with the text below it if it has no fields."""
    return prompt if parse(prompt).fields else prompt + "\n\n{{ text }}"


def asked_column(table: Any) -> str:
    """The column with the texts, where one has texts at least twice as long as any other.

    Otherwise it is ``text``, if that is among the longest. A wrong column would have the model
    answer for every row, and in vain.

    >>> asked_column([{"id": "a", "label": "food", "text": "Hot soup, and bread."}])
    'text'

    Raises
    ------
    TableError
        If no column has texts, or it cannot be told which one.
    """
    names = [name for name in tables.columns(table) if name not in ("id", "parent")]
    rows = tables.head(table, 200)
    lengths = {n: sum(len(row[n]) for row in rows if isinstance(row[n], str)) for n in names}
    longest = max(lengths.values(), default=0)
    found = [name for name, length in lengths.items() if length and 2 * length > longest]
    if len(found) == 1 or "text" in found:
        return "text" if "text" in found else found[0]
    shown = found or names or ["question"]
    several = " and ".join(map(repr, found[:2]))
    what = f"{several} have texts of about one length" if found else "no column has texts"
    raise TableError(
        f"which column to ask about cannot be told: {what}. Name one, as with --column {shown[0]} "
        f"(in Python column={shown[0]!r}), or write columns into the question, as "
        f"{{{{ {shown[0]} }}}}."
    )


def _bare() -> parsing.Decoder:
    """Reads yes or no at the beginning of an answer that may be cut."""
    return replace(parsing.label(ANSWERS, "answer"), whole=False)


def _cut(reason: Any) -> bool:
    return parsing.TRUNCATED in str(reason)


def _recipe(
    prompt: str, table: Any, fields: Mapping[str, str], reasons: bool, sampling: Sampling
) -> Recipe:
    """One question for each row of a table; the result has only the answers."""
    render = row_renderer(prompt, table, **fields)
    decoder = parsing.structured(_SCHEMA) if reasons else _bare()
    records = {str(row["id"]): row for row in tables.records(table)}

    def steps(row: Mapping[str, Any]) -> Steps[Outcome]:
        messages = render(records[row["id"]])
        if isinstance(messages, Reject):
            return messages
        request = Request(messages, sampling, decoder.schema, attrs=records[row["id"]])
        return (yield from ask(request, decoder, repairs=1))

    ids = [{"id": id} for id in records]
    return per_row(
        steps, ids, name="by_prompt", requests=Bounds(1, 2), columns=decoder.columns, prompt=prompt
    )


def _reasons(ids: Sequence[Any], run: Any) -> list[str]:
    """Why each row is dropped: the model's reason, or why its answer could not be read."""
    why = {row["parent"]: f"{UNREADABLE}: {row['reason']}" for row in tables.records(run.rejects)}
    for row in tables.records(run.table):
        reason = " ".join(str(row.get("reason") or "").split())
        said = f"answered no: {reason}" if reason else "answered no"
        why[row["parent"]] = "" if row["answer"] == "yes" else said
    return [why[str(id)] for id in ids]
