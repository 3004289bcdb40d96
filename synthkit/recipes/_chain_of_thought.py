"""Chain of thought: a rationale first, then the text (explain-then-generate, arXiv 2310.13671)."""

from __future__ import annotations

from dataclasses import replace

from synthkit.core.errors import UsageError
from synthkit.core.types import Sampling
from synthkit.recipes._arguments import Labels, checked_template, labelled_rows
from synthkit.recipes._base import Recipe, Table, recipe
from synthkit.recipes._chain import chain

EXPLAIN = "\n\nDo not write it yet. Say in a few short points what such a text is like, and why."
GIVEN = "\n\nKeep to these points:\n{{ rationale }}"


@recipe
def chain_of_thought(
    prompt: str,
    *,
    labels: Labels | None = None,
    n: int = 1,
    rows: Table = None,
    rationale: str | None = None,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Texts that are each generated from a rationale, which the model writes first.

    This is explain-then-generate (S3, arXiv 2310.13671, algorithm 1): r ~ P(.|label), then
    x ~ P(.|r, label). Each text has its own rationale; the paper draws several texts from one.

    Parameters
    ----------
    prompt : asks for the text; it uses ``{{ label }}`` if there are labels, and may use
        ``{{ description }}``, the columns of ``rows`` and ``{{ rationale }}``. If it does not use
        ``{{ rationale }}``, the rationale is added below it.
    labels : the labels, each with the same number of texts; or label -> its description.
    n : how many texts; the first labels get one more if it does not divide evenly. With ``rows``,
        how many for each row and label.
    rationale : a template that asks for the rationale; by default the prompt, with the instruction
        to explain first.

    Raises
    ------
    UsageError
        If the labels are not distinct texts, or ``n`` is below 1; if the prompt uses
        ``{{ rationale }}`` and ``rationale`` is not given.

    Examples
    --------
    >>> recipe = chain_of_thought("Write a {{ label }} review.", labels=["good", "bad"], n=2)
    >>> recipe.columns, str(recipe.requests)
    (('rationale', 'text'), '2 to 4')
    """
    source = labelled_rows(labels, n, rows)
    uses = () if labels is None else ("label", "description")
    template = checked_template(prompt, source, uses=uses, later=("rationale",))
    shows_rationale = "rationale" in template.fields
    if shows_rationale and rationale is None:
        raise UsageError("the prompt uses {{ rationale }}: give rationale=, which asks for it.")
    fields = {
        "rationale": prompt + EXPLAIN if rationale is None else rationale,
        "text": prompt if shows_rationale else prompt + GIVEN,
    }
    recipe = chain("", rows=source, fields=fields, sampling=sampling)
    return replace(recipe, name="chain_of_thought", prompt=prompt)
