"""Instruction back-translation: instructions for existing texts (arXiv 2308.06259)."""

from __future__ import annotations

from dataclasses import replace

from synthkit.core.errors import UsageError
from synthkit.core.types import Reject, Request, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.recipes._arguments import checked_template
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, per_row, recipe, user

RATE = (
    "Instruction:\n{instruction}\n\nAnswer to be rated:\n{text}\n\nAnother answer, to compare:\n"
    "{answer}\n\nHow well does the answer to be rated do what the instruction asks? 1 is not at "
    "all, 5 is perfectly. Answer with one number from 1 to 5."
)
SCORES = ("1", "2", "3", "4", "5")


@recipe
def backtranslate(
    prompt: str,
    *,
    rows: Table,
    column: str = "text",
    check: bool = False,
    keep: int = 4,
    sampling: Sampling = Sampling(),
) -> Recipe:
    r"""Instructions for existing texts, each of which becomes the answer to its instruction.

    This is instruction back-translation (arXiv 2308.06259): the instruction is drawn from
    P(.|text). ``check`` adds its self-curation: the text is rated 1 to 5 as an answer to the
    instruction. The paper asks for reasons and a score with a model tuned on seed data; here the
    model is asked for a score only, and sees an answer of its own beside the text, the column
    ``answer``.

    Parameters
    ----------
    prompt : asks for the instruction that the text answers; it uses ``{{ text }}``, and may use
        the other columns of ``rows``.
    rows : a table with the texts.
    column : the column of the texts; the prompt then uses that name.
    check : rate each pair, and keep those with a ``score`` of at least ``keep``.
    keep : the lowest score to keep, 1..5.

    Raises
    ------
    TableError
        If there is no such column.
    UsageError
        If ``keep`` is not a score.

    Examples
    --------
    >>> recipe = backtranslate("Which question does this answer?\n{{ text }}",
    ...                        rows=[{"text": "About 8 minutes."}], check=True)
    >>> recipe.columns, str(recipe.requests)
    (('instruction', 'answer', 'score'), '1 to 3')
    """
    tables.check_columns(rows, [column])
    if str(keep) not in SCORES:
        raise UsageError(f"keep is a score, from 1 to 5; got {keep}.")
    template = checked_template(prompt, rows, uses=(column,))
    score = parsing.label(SCORES, "score")

    def steps(row: parsing.Cells) -> Steps[Outcome]:
        cells = yield from ask(Request(template.render(row), sampling), parsing.text("instruction"))
        if isinstance(cells, Reject) or not check:
            return cells
        answer = yield from ask(user(cells["instruction"], sampling), parsing.text("answer"))
        if isinstance(answer, Reject):
            return replace(answer, reason=f"answer: {answer.reason}", cells=cells)
        cells |= answer
        question = RATE.format(text=row[column], **cells)
        rating = yield from ask(user(question, sampling, schema=score.schema), score, repairs=1)
        if isinstance(rating, Reject):
            return replace(rating, reason=f"score: {rating.reason}", cells=cells)
        cells["score"] = int(rating["score"])
        if cells["score"] < keep:
            return Reject(rating["score"], f"scored {rating['score']} of 5, below {keep}", cells)
        return cells

    return per_row(
        steps,
        rows,
        name="backtranslate",
        columns=("instruction", "answer", "score") if check else ("instruction",),
        requests=Bounds(1, 3 if check else 1),
        prompt=prompt,
    )
