"""Self-Refine: texts that a model drafts, criticises and rewrites (arXiv 2303.17651)."""

from __future__ import annotations

import re
from dataclasses import replace

from synthkit.core.errors import check_positive
from synthkit.core.types import Message, Reject, Request, Sampling, Steps
from synthkit.prompts import parsing
from synthkit.recipes._arguments import checked_template
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, per_row, recipe, user

CRITIQUE = (
    "This was asked for:\n{task}\n\nThis was written:\n{text}\n\nSay what should be better in it, "
    "point by point. If nothing should, answer with the one word GOOD."
)
REWRITE = (
    "This was said of it:\n{critique}\n\nWrite it again and better. Write nothing but the new text."
)

_GOOD = re.compile(r"\W*good\W*", re.IGNORECASE)


@recipe
def self_refine(
    prompt: str,
    *,
    rows: Table = None,
    rounds: int = 1,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Texts that were drafted, criticised and rewritten, with the draft and the critique.

    This is Self-Refine (arXiv 2303.17651): a draft y_0, then in each round a critique of y_t and a
    new text y_t+1 from all drafts and critiques so far (equations 1 to 4). It stops when a critique
    is the single word GOOD. The paper shows worked examples of each step; here each step is
    described. Another model may be the critic: ``generate(..., others={"critic": model})``.

    The columns are ``draft``, ``critique`` (of all rounds), ``text`` and ``revisions``, the number
    of times it was rewritten.

    Parameters
    ----------
    prompt : asks for the text; it may use the columns of ``rows``.
    rounds : most rounds of critique and rewriting.

    Examples
    --------
    >>> str(self_refine("Write a haiku about {{ topic }}.", rows=[{"topic": "rain"}]).requests)
    '1 to 3'
    """
    check_positive(rounds=rounds)
    template = checked_template(prompt, rows)

    def steps(row: parsing.Cells) -> Steps[Outcome]:
        task, turns = template.ask(row), template.render(row)
        critiques: list[str] = []
        cells: parsing.Cells = {}
        for revisions in range(rounds + 1):
            written = yield from ask(Request(turns, sampling), parsing.text())
            if isinstance(written, Reject):
                step = f"revision {revisions}" if revisions else "draft"
                return replace(written, reason=f"{step}: {written.reason}", cells=cells)
            cells = {"draft": written["text"], "critique": ""} | cells
            cells |= written | {"revisions": revisions}
            if revisions == rounds:
                break
            question = user(CRITIQUE.format(task=task, **written), sampling, to="critic")
            critique = yield from ask(question, parsing.text("critique"))
            if isinstance(critique, Reject):
                return replace(critique, reason=f"critique: {critique.reason}", cells=cells)
            critiques.append(critique["critique"])
            cells["critique"] = "\n\n".join(critiques)
            if _GOOD.fullmatch(critiques[-1]):
                break
            answer = Message("assistant", written["text"])
            turns = (*turns, answer, Message("user", REWRITE.format(**critique)))
        return cells

    return per_row(
        steps,
        rows,
        name="self_refine",
        columns=("draft", "critique", "text", "revisions"),
        requests=Bounds(1, 1 + 2 * rounds),
        roles=("critic",),
        prompt=prompt,
    )
