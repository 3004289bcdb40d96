"""Texts that are worked over, and instructions for texts that exist.

Self-Refine (arXiv 2303.17651) and instruction back-translation (arXiv 2308.06259).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from synthkit.core.errors import TableError, UsageError, unknown
from synthkit.core.types import Message, Reject, Request, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, per_row, recipe, user
from synthkit.recipes._zerogen import positive, tried

CRITIQUE = (
    "This was asked for:\n{task}\n\nThis was written:\n{text}\n\nSay what should be better in it, "
    "point by point. If nothing should, answer with the one word GOOD."
)
REWRITE = (
    "This was said of it:\n{critique}\n\nWrite it again and better. Write nothing but the new text."
)
RATE = (
    "Instruction:\n{instruction}\n\nAnswer to be rated:\n{text}\n\nAnother answer, to compare:\n"
    "{answer}\n\nHow well does the answer to be rated do what the instruction asks? 1 is not at "
    "all, 5 is perfectly. Answer with one number from 1 to 5."
)
SCORES = ("1", "2", "3", "4", "5")

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

    This is Self-Refine (arXiv 2303.17651): y_0, then in each round a critique of y_t, and y_t+1 by
    all drafts and critiques so far (equations 1 to 4). It ends early once a critique is the one
    word GOOD. The paper shows worked examples of each step; here the steps are told in words, and
    another model may be the critic: ``make(..., others={"critic": model})``.

    The columns are ``draft``, ``critique`` (of all rounds), ``text`` and ``revisions``, how often
    it was rewritten.

    Parameters
    ----------
    prompt : asks for the text; it may use the columns of ``rows``.
    rounds : most critiques, and rewritings.

    Examples
    --------
    >>> str(self_refine("Write a haiku about {{ topic }}.", rows=[{"topic": "rain"}]).requests)
    '1 to 3'
    """
    positive("rounds", rounds)
    template = tried(prompt, [{}] if rows is None else rows)

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        task, turns = template.ask(row), template.render(row)
        critiques: list[str] = []
        cells: dict[str, Any] = {}
        for revisions in range(rounds + 1):
            written = yield from ask(Request(turns, sampling), parsing.text())
            if isinstance(written, Reject):
                what = f"revision {revisions}" if revisions else "draft"
                return replace(written, reason=f"{what}: {written.reason}", cells=cells)
            cells = {"draft": written["text"], "critique": ""} | cells
            cells |= written | {"revisions": revisions}
            if revisions == rounds:
                break
            question = user(CRITIQUE.format(task=task, **written), sampling, to="critic")
            said = yield from ask(question, parsing.text("critique"))
            if isinstance(said, Reject):
                return replace(said, reason=f"critique: {said.reason}", cells=cells)
            critiques.append(said["critique"])
            cells["critique"] = "\n\n".join(critiques)
            if _GOOD.fullmatch(critiques[-1]):
                break
            answered = Message("assistant", written["text"])
            turns = (*turns, answered, Message("user", REWRITE.format(**said)))
        return cells

    return per_row(
        steps,
        rows,
        name="revise",
        columns=("draft", "critique", "text", "revisions"),
        requests=Bounds(1, 1 + 2 * rounds),
        roles=("critic",),
        prompt=prompt,
    )


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
    r"""Instructions for texts that exist, each of which is then an answer.

    This is instruction back-translation (arXiv 2308.06259): the instruction is drawn from
    P(.|text). With ``check``, its self-curation follows: the text is rated 1 to 5 as an answer to
    the instruction. The paper asks for reasons and a score with a model tuned on seeds; here the
    model is asked for the bare score, and sees an answer of its own beside the text, which is the
    column ``answer``.

    Parameters
    ----------
    prompt : asks for the instruction that the text answers; it uses ``{{ text }}``, and may use
        the other columns of ``rows``.
    rows : a table with the texts.
    column : the column of the texts; the prompt then uses that name.
    check : rate each pair, and keep those with a ``score`` of ``keep`` and more.
    keep : the least score, 1..5.

    Examples
    --------
    >>> recipe = backtranslate("Which question does this answer?\n{{ text }}",
    ...                        rows=[{"text": "About 8 minutes."}], check=True)
    >>> recipe.columns, str(recipe.requests)
    (('instruction', 'answer', 'score'), '1 to 3')
    """
    if column not in tables.columns(rows):
        raise TableError(unknown("column", column, tables.columns(rows)))
    if str(keep) not in SCORES:
        raise UsageError(f"keep is a score, from 1 to 5; got {keep}.")
    template = tried(prompt, rows, uses=(column,))
    score = parsing.label(SCORES, "score")

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        cells = yield from ask(Request(template.render(row), sampling), parsing.text("instruction"))
        if isinstance(cells, Reject) or not check:
            return cells
        answered = yield from ask(user(cells["instruction"], sampling), parsing.text("answer"))
        if isinstance(answered, Reject):
            return replace(answered, reason=f"answer: {answered.reason}", cells=cells)
        cells |= answered
        words = RATE.format(text=row[column], **cells)
        rated = yield from ask(user(words, sampling, schema=score.schema), score, repairs=1)
        if isinstance(rated, Reject):
            return replace(rated, reason=f"score: {rated.reason}", cells=cells)
        cells["score"] = int(rated["score"])
        if cells["score"] < keep:
            return Reject(rated["score"], f"scored {rated['score']} of 5, below {keep}", cells)
        return cells

    return per_row(
        steps,
        rows,
        name="backtranslate",
        columns=("instruction", "answer", "score") if check else ("instruction",),
        requests=Bounds(1, 3 if check else 1),
        prompt=prompt,
    )
