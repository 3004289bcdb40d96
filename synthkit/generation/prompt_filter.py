"""A filter by a prompt: a model answers yes or no for each row, with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.errors import ModelError
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
from synthkit.recipes._row_prompts import row_renderer
from synthkit.sessions.session import Session

ANSWERS = ("yes", "no")
GREEDY = Sampling(temperature=0.0, max_tokens=200)
UNREADABLE = "no readable answer"
_REASONED = {
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
    reasons: bool = True,
    sampling: Sampling = GREEDY,
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
    column : of the text; by default the one with the longest texts.
    reasons : ask for a reason before the answer, as a JSON object; without, for the bare answer,
        which suits the smallest models.
    sampling : at temperature 0 by default.
    max_requests, max_cost : as for :func:`synthkit.generate`.

    Raises
    ------
    PromptError
        When applied, if the prompt uses a column that the table lacks.
    ModelError
        When applied, if the model refuses, or some rows got no answer, as at a limit.

    Examples
    --------
    >>> import tempfile, synthkit as sk
    >>> critic = sk.Fake(lambda asked: '{"reason": "It says so.", "answer": "%s"}' % (
    ...     "yes" if "Hot" in asked.messages[-1].content else "no"))
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
    ...     about_soup = by_prompt("Is this about soup?", model=critic, session=session)
    ...     rows = [{"id": "a", "text": "Hot soup."}, {"id": "b", "text": "Tea."}]
    ...     session.curate(rows, about_soup).dropped["why"].tolist()
    ['answered no: It says so.']
    """
    fields = parse(prompt).fields
    ending = "" if fields else "\n\n{{ text }}"

    def judge(table: Any) -> Sequence[str]:
        if not tables.size(table):
            return []
        text = {} if fields else {"text": column or tables.text_column(table)}
        recipe = _recipe(prompt + ending, table, text, reasons, sampling)
        run = generate(
            recipe, model=model, session=session, max_requests=max_requests, max_cost=max_cost
        )
        if tables.size(run.pending):
            n = count(tables.size(run.pending), "row")
            raise ModelError(
                f"{n} got no answer: {run.ledger.stopped or 'not asked'}. The answers so far are "
                "kept; apply the filter again to go on."
            )
        return _reasons(tables.column(table, "id"), run)

    return Filter(f"by prompt: {' '.join(prompt.split())[:80]}", judge)


def _recipe(
    prompt: str, table: Any, fields: Mapping[str, str], reasons: bool, sampling: Sampling
) -> Recipe:
    """One question for each row of a table; the result has only the answers."""
    render = row_renderer(prompt, table, **fields)
    decoder = parsing.structured(_REASONED) if reasons else parsing.label(ANSWERS, "answer")
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
