"""Round trips: a second prompt recovers the label or instruction that a text was written for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Reject, Request, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.templates import Turns
from synthkit.recipes._arguments import blank, distinct_names
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, recipe
from synthkit.recipes._row_prompts import per_rendered_row, row_renderer
from synthkit.stats.rouge import rouge_l

WHICH = "<text>\n{{{{ text }}}}\n</text>\n\nWhich of these labels fits the text: {labels}? {form}"
FORM = "Answer with one label."
ASKED = (
    "<text>\n{{ text }}\n</text>\n\nThis text was written to do what an instruction asked. Write "
    "that instruction in one or two sentences, and nothing else."
)


@recipe
def roundtrip(
    prompt: str = "",
    *,
    rows: Table,
    label: str = "label",
    labels: Sequence[str] | None = None,
    instruction: str | None = None,
    column: str = "text",
    threshold: float = 0.5,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Whether a model recovers from a text the label or instruction that it was written for.

    The round-trip check of the survey (arXiv 2406.15126, section 3.2): the model sees the text but
    not the prompt that generated it. ``curate.row_filter(lambda row: row["agrees"])`` keeps the
    rows that agree. The check is worth most with a model that labels well and did not write the
    texts.

    The columns are ``recovered`` and ``agrees``. A label agrees if it equals the row's label; an
    instruction if its ROUGE-L F1 with the row's instruction, the column ``likeness``, is at least
    ``threshold``. A completion that names no label, or several, is repaired once, and is then a
    reject: it neither agrees nor disagrees.

    Parameters
    ----------
    prompt : asks for the label or the instruction; it may use ``{{ text }}`` and the columns of
        ``rows``. It should not show what is to be recovered.
    label : the column of the labels.
    labels : the labels to choose from; by default those in the column.
    instruction : the column of the instructions, to recover them instead of labels.
    column : the column of the texts.
    threshold : the lowest likeness of an instruction that agrees, 0..1.

    Raises
    ------
    UsageError
        If there are fewer than two labels, or ``threshold`` is out of range.

    Examples
    --------
    >>> rows = [{"text": "Lovely.", "label": "good"}, {"text": "Cold.", "label": "bad"}]
    >>> recipe = roundtrip(rows=rows)
    >>> recipe.columns, str(recipe.requests)
    (('recovered', 'agrees'), '2')
    """
    if not 0 <= threshold <= 1:
        raise UsageError(f"threshold is a likeness, from 0 to 1; got {threshold}.")
    target = label if instruction is None else instruction
    tables.check_columns(rows, [target])
    if instruction is None:
        names = distinct_names("labels", _labels_in(rows, label) if labels is None else labels)
        decoder = parsing.label(names, "recovered")
        question = WHICH.format(labels=", ".join(names), form=FORM)
    else:
        decoder, question = parsing.text("recovered"), ASKED
    render = row_renderer(prompt if prompt.strip() else question, rows, needs=[target], text=column)

    def steps(row: dict[str, Any], turns: Turns) -> Steps[Outcome]:
        request = Request(turns, sampling, decoder.schema)
        parsed = yield from ask(request, decoder, repairs=1)
        if isinstance(parsed, Reject):
            return parsed
        if instruction is None:
            return {**parsed, "agrees": _folded(parsed["recovered"]) == _folded(row[target])}
        likeness = rouge_l(parsed["recovered"], str(row[target]))
        return {**parsed, "agrees": likeness >= threshold, "likeness": likeness}

    extra = () if instruction is None else ("likeness",)
    return per_rendered_row(
        render,
        steps,
        rows,
        name="roundtrip",
        columns=("recovered", "agrees", *extra),
        requests=Bounds(1, 1),
        prompt=prompt,
    )


def _labels_in(rows: Any, column: str) -> list[str]:
    """The distinct labels in a column, in the order in which they first occur."""
    cells = tables.column(rows, column)
    return list(dict.fromkeys(str(cell) for cell in cells if not blank(cell)))


def _folded(label: Any) -> str:
    return str(label).strip().casefold()
