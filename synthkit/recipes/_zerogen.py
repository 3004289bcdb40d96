"""ZeroGen: texts written for given labels (arXiv 2202.07922)."""

from __future__ import annotations

from dataclasses import replace

from synthkit.core.errors import PromptError
from synthkit.core.types import Reject, Request, Sampling, Steps
from synthkit.prompts import parsing
from synthkit.recipes._arguments import Labels, checked_template, labelled_rows
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, per_row, recipe


@recipe
def zerogen(
    prompt: str,
    *,
    labels: Labels,
    n: int,
    title: str | None = None,
    rows: Table = None,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Texts that are each written for a label, the same number for every label.

    This is ZeroGen (arXiv 2202.07922): a title c ~ P(.|title prompt) if there is one, then the text
    x ~ P(.|prompt(label, c)); the row keeps the label it was written for. The paper lets a base
    model continue its prompts; here a chat model is asked.

    Parameters
    ----------
    prompt : asks for a text; it uses ``{{ label }}`` or ``{{ description }}``, and may use
        ``{{ title }}`` and the columns of ``rows``.
    labels : the labels; or label -> its description, the field ``{{ description }}``.
    n : how many texts; the first labels get one more if it does not divide evenly. With ``rows``,
        how many for each row and label.
    title : a template that asks for a title first; it may use the same fields as the prompt.
    rows : a table whose columns are fields too, such as passages to write about.

    Raises
    ------
    UsageError
        If the labels are not distinct texts, or ``n`` is below 1.
    PromptError
        If the prompt uses no label, or a field that does not exist.

    Examples
    --------
    >>> recipe = zerogen("Write a {{ label }} review.", labels=["good", "bad"], n=3)
    >>> recipe.source["label"].tolist(), str(recipe.requests)
    (['good', 'bad', 'good'], '3')
    """
    fields = labelled_rows(labels, n, rows)
    title_template = None if title is None else checked_template(title, fields)
    added = () if title_template is None else ("title",)
    template = checked_template(prompt, fields, uses=("label", "description"), later=added)
    if title_template is not None and "title" not in template.fields:
        raise PromptError("a title is asked for first, and the prompt does not use {{ title }}.")

    def steps(row: parsing.Cells) -> Steps[Outcome]:
        cells: parsing.Cells = {}
        if title_template is not None:
            request = Request(title_template.render(row), sampling)
            titled = yield from ask(request, parsing.text("title"))
            if isinstance(titled, Reject):
                return titled
            cells = titled
        written = yield from ask(Request(template.render(row | cells), sampling), parsing.text())
        return replace(written, cells=cells) if isinstance(written, Reject) else cells | written

    return per_row(
        steps,
        fields,
        name="zerogen",
        columns=(*added, "text"),
        requests=Bounds(1, 1 + len(added)),
        prompt=prompt,
    )
