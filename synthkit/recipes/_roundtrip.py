"""Round trips: an independent prompt recovers from a text what the text was written for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Reject, Request, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.templates import Turns
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, recipe
from synthkit.recipes._row_prompts import about, each_given, posed
from synthkit.recipes._zerogen import distinct
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
    """Whether the label, or the instruction, that a text was written for is recovered from it.

    The round-trip check of the survey (arXiv 2406.15126, section 3.2): the model is shown the text
    and not the prompt that it was written by. Keep what agrees:
    ``curate.row_filter(lambda row: row["agrees"])``. A model that labels well and did not write the
    texts makes the check worth most.

    The columns are ``recovered`` and ``agrees``. A label agrees if it is the row's own; an
    instruction if its ROUGE-L F1 with the row's own, the column ``likeness``, is at least
    ``threshold``. An answer that names no label, or several, is asked for again once, and is then a
    reject: it neither agrees nor disagrees.

    Parameters
    ----------
    prompt : asks for the label or the instruction; it may use ``{{ text }}`` and the columns of
        ``rows``. It should not show what is to be recovered.
    label : the column of the labels.
    labels : the labels to choose from; by default those in the column.
    instruction : the column of the instructions; they are then recovered, and no label.
    column : the column of the texts.
    threshold : the least likeness, 0..1, of instructions that agree.

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
    about("{{ target }}", rows, target=target)
    if instruction is None:
        names = distinct("labels", _held(rows, label) if labels is None else labels)
        decoder = parsing.label(names, "recovered")
        asked = WHICH.format(labels=", ".join(names), form=FORM)
    else:
        decoder, asked = parsing.text("recovered"), ASKED
    template = about(prompt if prompt.strip() else asked, rows, text=column)

    def ready(row: dict[str, Any]) -> Turns | Reject:
        return posed(template, row, text=column, target=target)

    def steps(row: dict[str, Any], turns: Turns) -> Steps[Outcome]:
        request = Request(turns, sampling, decoder.schema)
        found = yield from ask(request, decoder, repairs=1)
        if isinstance(found, Reject):
            return found
        if instruction is None:
            return {**found, "agrees": _folded(found["recovered"]) == _folded(row[target])}
        likeness = rouge_l(found["recovered"], str(row[target]))
        return {**found, "agrees": likeness >= threshold, "likeness": likeness}

    own = () if instruction is None else ("likeness",)
    return each_given(
        ready,
        steps,
        rows,
        name="roundtrip",
        columns=("recovered", "agrees", *own),
        requests=Bounds(1, 1),
        prompt=prompt,
    )


def _held(rows: Any, column: str) -> list[str]:
    """The labels in a column, each once, in order of their first appearance."""
    cells = tables.column(tables.native(rows), column)
    return list(dict.fromkeys(str(one) for one in cells if one is not None and str(one).strip()))


def _folded(label: Any) -> str:
    return str(label).strip().casefold()
