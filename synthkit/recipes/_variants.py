"""Prompt variants: labels by several wordings of a question (CoAnnotating, arXiv 2310.15638)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

from synthkit.core.errors import PromptError, UsageError
from synthkit.core.types import Reject, Sampling, Steps
from synthkit.prompts import parsing
from synthkit.prompts.templates import Turns
from synthkit.recipes._arguments import distinct_names
from synthkit.recipes._ask import ask_samples
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, recipe
from synthkit.recipes._cell_sections import sections
from synthkit.recipes._row_prompts import all_rendered, per_rendered_row, row_renderer

WORDINGS: Sequence[str] = (
    "Label the text as one of: {labels}.\n\nText: {{{{ text }}}}",
    "Text: {{{{ text }}}}\n\nWhich of these labels fits the text: {labels}?",
    "You sort texts into the classes {backwards}. Into which one does this text go?\n\n"
    "{{{{ text }}}}",
    "Read the following.\n\n{{{{ text }}}}\n\nWould you say that it is {either}?",
    "Answer the question.\n\nQuestion: what is the label of the text, {either}?\n"
    "Text: {{{{ text }}}}\nAnswer:",
    "{{{{ text }}}}\n\nChoose the one of these options that describes it best:\n{listed}",
    "Among {backwards}, one describes this text. Say which.\n\n{{{{ text }}}}",
)
"""Wordings of one question: an instruction, a question, the labels in reverse, a choice."""
LABEL_ONLY = "\n\nAnswer with the label alone."


@recipe
def variants(
    prompt: str = "",
    *,
    rows: Table,
    labels: Sequence[str],
    prompts: Sequence[str] | None = None,
    k: int = 5,
    column: str = "text",
    sampling: Sampling = Sampling(),
) -> Recipe:
    r"""Labels by k wordings of a question, with the entropy of the answers.

    This is CoAnnotating (arXiv 2310.15638, section 3.2): u = -sum_c p_c ln p_c, where p_c is the
    share of each answer among the k; ``curate.route(table, ["answer_1", ...], budget=...)`` then
    gives rows of high u to people. As in the paper, a completion that cannot be parsed is an answer
    of its own in u, and no vote. A row without any parsed answer is a reject.

    The columns are ``answer_1`` to ``answer_k`` (missing if it cannot be parsed), ``uncertainty``
    (u in nats, 0..ln k), ``majority`` (missing if several labels have the most votes) and ``share``
    (of the most frequent label among the k, 0..1).

    Parameters
    ----------
    prompt : wordings of your own, each below a line ``--- variant NAME``; they may use ``{{ text
        }}`` and the columns of ``rows``.
    labels : the labels.
    prompts : wordings of your own as a list, instead of ``prompt``; at least two.
    k : how many of synthkit's wordings to use, 2 to 7; ignored with wordings of your own.
    column : the column of the texts.

    Raises
    ------
    UsageError
        If there are fewer than two labels or wordings.

    Examples
    --------
    >>> recipe = variants(rows=[{"text": "Lovely."}], labels="positive, negative", k=3)
    >>> recipe.columns[:4], str(recipe.requests)
    (('answer_1', 'answer_2', 'answer_3', 'uncertainty'), '3')
    """
    names = distinct_names("labels", labels)
    wordings = _wordings(prompt, prompts, names, k)
    renderers = [row_renderer(each + LABEL_ONLY, rows, text=column) for each in wordings]
    decoder = parsing.label(names, "label")
    columns = [f"answer_{i}" for i in range(1, len(wordings) + 1)]

    def steps(_: parsing.Cells, rendered: list[Turns]) -> Steps[Outcome]:
        parsed = yield from ask_samples(rendered, decoder, sampling)
        answers = [None if isinstance(each, Reject) else each["label"] for each in parsed]
        if not any(answer is not None for answer in answers):
            return cast("Reject", parsed[0])
        return dict(zip(columns, answers, strict=True)) | agreement(answers)

    return per_rendered_row(
        all_rendered(renderers),
        steps,
        rows,
        name="variants",
        columns=(*columns, "uncertainty", "majority", "share"),
        requests=Bounds(len(wordings), len(wordings)),
        prompt=prompt,
    )


def agreement(answers: Sequence[str | None]) -> parsing.Cells:
    """The entropy of answers in nats, the most frequent answer, and its share.

    >>> agreement(["yes", "no", "yes", None])
    {'uncertainty': 1.0397207708399179, 'majority': 'yes', 'share': 0.5}
    """
    k = len(answers)
    shares = [count / k for count in Counter(answers).values()]
    votes = Counter(answer for answer in answers if answer is not None).most_common()
    tied = len(votes) > 1 and votes[0][1] == votes[1][1]
    return {
        # abs, because a sum of one term is -0.0
        "uncertainty": abs(math.fsum(p * math.log(p) for p in shares)),
        "majority": None if tied or not votes else votes[0][0],
        "share": votes[0][1] / k if votes else 0.0,
    }


def _wordings(
    prompt: str, prompts: Sequence[str] | None, names: Sequence[str], k: int
) -> list[str]:
    """The templates of the question, one for each wording."""
    if prompt.strip():
        before, in_prompt = sections(prompt, "variant")
        if before.strip() or prompts is not None:
            raise PromptError(
                "expected '--- variant NAME' lines with a wording below each, or prompts=, and "
                f"nothing before them; got {(before.strip() or prompt)[:80]!r}."
            )
        prompts = [text.strip() for _, text in in_prompt.values()]
    if prompts is not None:
        wordings = [prompts] if isinstance(prompts, str) else list(prompts)
        if len(wordings) < 2 or len(set(wordings)) < len(wordings):
            raise UsageError(f"expected two or more distinct wordings; got {len(set(wordings))}.")
        return wordings
    if not 2 <= k <= len(WORDINGS):
        raise UsageError(f"k must be from 2 to {len(WORDINGS)}, or give prompts=; got {k}.")
    words: Mapping[str, str] = {
        "labels": ", ".join(names),
        "backwards": ", ".join(reversed(names)),
        "either": " or ".join(names),
        "listed": "\n".join(f"- {name}" for name in names),
    }
    return [wording.format(**words) for wording in WORDINGS[:k]]
