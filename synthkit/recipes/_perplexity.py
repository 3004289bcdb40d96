"""Perplexity of texts under a model on this machine."""

from __future__ import annotations

import math
from typing import Any

from synthkit.core.types import Reject, Request, Steps
from synthkit.prompts.templates import Turns
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, recipe
from synthkit.recipes._logprobs import token_logprobs
from synthkit.recipes._row_prompts import per_rendered_row, row_renderer


@recipe
def perplexity(prompt: str = "", *, rows: Table, column: str = "text") -> Recipe:
    """Perplexity of texts under a model on this machine, 1 or more.

    Perplexity (Jelinek et al. 1977): exp(-1/n sum_i ln P(x_i | x_<i)), natural logarithm, of the
    bare text without a chat template. The first token has no probability and is not counted, unless
    the tokenizer begins every text with a special token, as in the loss of transformers. Texts
    longer than the context are scored in windows, with at least half a context before each token.
    Tokens are the model's own: compare perplexities only under the same model.

    Corpora have been filtered by perplexity since CCNet (arXiv 1911.00359):
    ``curate.by_column("perplexity", most=200)`` drops what does not look like natural text.

    Parameters
    ----------
    prompt : what the texts answer; it may use the columns of ``rows``. The texts are then scored
        after it, in a chat, and not in windows.
    column : the column of the texts.

    Examples
    --------
    >>> recipe = perplexity(rows=[{"text": "A warm loaf."}])
    >>> recipe.columns, str(recipe.requests)
    (('perplexity',), '1')
    """
    after_prompt = bool(prompt.strip())
    render = row_renderer(prompt if after_prompt else "{{ text }}", rows, text=column)

    def steps(row: dict[str, Any], turns: Turns) -> Steps[Outcome]:
        text = str(row[column])
        (completion,) = yield [Request(turns if after_prompt else (), answer=text)]
        values = token_logprobs(completion)
        if isinstance(values, Reject):
            return values
        try:
            return {"perplexity": math.exp(-math.fsum(values) / len(values))}
        except OverflowError:
            return Reject(text, "the perplexity is too large a number")

    return per_rendered_row(
        render,
        steps,
        rows,
        name="perplexity",
        columns=("perplexity",),
        requests=Bounds(1, 1),
        prompt=prompt,
    )
