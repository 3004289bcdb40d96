"""IFD: instruction-following difficulty (arXiv 2308.12032)."""

from __future__ import annotations

import math
from typing import Any

from synthkit.core.types import Reject, Request, Steps
from synthkit.prompts.templates import Turns
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, recipe
from synthkit.recipes._logprobs import token_logprobs
from synthkit.recipes._row_prompts import per_rendered_row, row_renderer


@recipe
def ifd(
    prompt: str = "",
    *,
    rows: Table,
    instruction: str = "instruction",
    column: str = "text",
) -> Recipe:
    """How little an instruction helps a model on this machine to predict its answer: IFD.

    Instruction-following difficulty (arXiv 2308.12032, equation 4): s(A|Q) / s(A), where s is the
    mean negative log-likelihood of the answer's tokens, after the instruction and without it. Above
    1 the instruction makes the answer less probable: instruction and answer do not fit, and
    ``curate.by_column("ifd", most=1)`` drops such rows. Of the others, the highest are the most
    useful to train on.

    Both means are over the same tokens: if the first token of the bare answer has no probability,
    it is left out of both means; the authors' code leaves it out of s(A) only.

    Parameters
    ----------
    prompt : the question; it may use ``{{ instruction }}`` and the columns of ``rows``. By default
        it is the instruction.
    instruction, column : the columns of the instructions and of the answers.

    Examples
    --------
    >>> recipe = ifd(rows=[{"instruction": "Name a fruit.", "text": "A ripe apple."}])
    >>> recipe.columns, str(recipe.requests)
    (('ifd',), '2')
    """
    question = prompt if prompt.strip() else "{{ instruction }}"
    render = row_renderer(question, rows, needs=[column], instruction=instruction)

    def steps(row: dict[str, Any], turns: Turns) -> Steps[Outcome]:
        answer = str(row[column])
        completions = yield [Request(turns, answer=answer), Request((), answer=answer)]
        conditional, bare = map(token_logprobs, completions)
        if isinstance(conditional, Reject):
            return conditional
        if isinstance(bare, Reject):
            return bare
        denominator = math.fsum(bare)
        if denominator == 0:
            return Reject(answer, "the bare answer has probability 1, so IFD is not defined")
        return {"ifd": math.fsum(conditional[-len(bare) :]) / denominator}

    return per_rendered_row(
        render,
        steps,
        rows,
        name="ifd",
        columns=("ifd",),
        requests=Bounds(2, 2),
        prompt=prompt,
    )
