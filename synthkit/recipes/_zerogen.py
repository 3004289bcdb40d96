"""Label-conditioned task prompts: the label comes first, and the text is written for it.

ZeroGen: Efficient Zero-shot Learning via Dataset Generation (arXiv 2202.07922).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from synthkit.core.errors import PromptError, UsageError
from synthkit.core.types import Reject, Request, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.conditions import conditions
from synthkit.prompts.templates import Prompt, located, parse
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, per_row, recipe

Labels = Sequence[str] | Mapping[str, str]
"""Labels; or label -> what it means. A text is taken apart at its commas."""


@recipe
def zerogen(
    prompt: str,
    *,
    labels: Sequence[str] | Mapping[str, str],
    n: int,
    title: str | None = None,
    rows: Table = None,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Texts written for a label each, equally many of every label.

    This is ZeroGen (arXiv 2202.07922): a title c ~ P(.|title prompt) where there is one, then the
    text x ~ P(.|prompt(label, c)); the row's label is the one that it was written for. The paper
    has a base model continue its prompts; here a chat model is asked.

    Parameters
    ----------
    prompt : asks for a text; it uses ``{{ label }}`` or ``{{ description }}``, and may use
        ``{{ title }}`` and the columns of ``rows``.
    labels : the labels; or label -> what it means, which is ``{{ description }}``.
    n : texts in all; what is over goes to the first labels. With ``rows``, texts for each row and
        label.
    title : a template that asks for a title first; it may use what the prompt may.
    rows : a table whose columns are fields too, such as passages to write about.

    Raises
    ------
    UsageError
        If the labels are not distinct texts, or ``n`` is below 1; if the prompt uses no label, or
        a field that is not there.

    Examples
    --------
    >>> recipe = zerogen("Write a {{ label }} review.", labels=["good", "bad"], n=3)
    >>> recipe.source["label"].tolist(), str(recipe.requests)
    (['good', 'bad', 'good'], '3')
    """
    fields = balanced(labels, n) if rows is None else conditions(rows, positive("n", n), by(labels))
    heading = None if title is None else tried(title, fields)
    made = () if heading is None else ("title",)
    body = tried(prompt, fields, uses=("label", "description"), later=made)
    if heading is not None and "title" not in body.fields:
        raise PromptError("a title is asked for first, and the prompt does not use {{ title }}.")

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        named: parsing.Cells = {}
        if heading is not None:
            found = yield from ask(Request(heading.render(row), sampling), parsing.text("title"))
            if isinstance(found, Reject):
                return found
            named = found
        written = yield from ask(Request(body.render(row | named), sampling), parsing.text())
        return replace(written, cells=named) if isinstance(written, Reject) else named | written

    return per_row(
        steps,
        fields,
        name="zerogen",
        columns=(*made, "text"),
        requests=Bounds(1, 1 + len(made)),
        prompt=prompt,
    )


def by(labels: Labels) -> dict[str, Any]:
    """The labels as values to vary, with what each means where that is said.

    >>> by({"sports": "games and athletes"})["description"]
    {'by': 'label', 'values': {'sports': ['games and athletes']}}

    Raises
    ------
    UsageError
        If there are none, or they are not distinct texts.
    """
    names = distinct("labels", labels)
    if not isinstance(labels, Mapping):
        return {"label": names}
    meanings = {name: [meaning] for name, meaning in labels.items()}
    return {"label": names, "description": {"by": "label", "values": meanings}}


def distinct(what: str, names: Collection[str]) -> list[str]:
    """The names as a list; a text is taken apart at its commas.

    >>> distinct("labels", "yes, no")
    ['yes', 'no']

    Raises
    ------
    UsageError
        If there are none, or they are not distinct texts.
    """
    found = names.split(",") if isinstance(names, str) else list(names)
    texts = [name.strip() for name in found if isinstance(name, str) and name.strip()]
    if not texts or len(set(texts)) < len(found):
        raise UsageError(f"{what} must be one or more distinct texts; got {found}.")
    return texts if isinstance(names, str) else found


def balanced(labels: Labels, n: int) -> Any:
    """A table of ``n`` rows with the labels in turn.

    >>> balanced("yes, no", 3)["label"].tolist()
    ['yes', 'no', 'yes']
    """
    return tables.take(conditions(None, positive("n", n), by(labels)), range(n))


def positive(name: str, n: int) -> int:
    """``n`` itself.

    Raises
    ------
    UsageError
        If it is below 1.
    """
    if n < 1:
        raise UsageError(f"{name} must be at least 1; got {n}.")
    return n


def tried(prompt: str, rows: Any, *, uses: Sequence[str] = (), later: Sequence[str] = ()) -> Prompt:
    """The prompt, once it is seen that it can be rendered for every row.

    Parameters
    ----------
    uses : fields of which the prompt must use one.
    later : fields that are made on the way, and have no value yet.

    Raises
    ------
    PromptError
        If it uses none of those, or a field that a row lacks.
    """
    template = parse(prompt)
    if uses and not set(uses) & set(template.fields):
        raise PromptError(
            f"the prompt must use {{{{ {uses[0]} }}}}; it uses "
            f"{', '.join(map(repr, template.fields)) or 'no field'}."
        )
    for i, row in enumerate(tables.records(rows)):
        values = row | dict.fromkeys(later, "...")
        try:
            template.render(values)
        except PromptError as error:
            raise located(error, template, values, f"row {i}") from None
    return template
