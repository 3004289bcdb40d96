"""Evol-Instruct: instructions that become harder round by round (WizardLM, arXiv 2304.12244)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from synthkit.core.errors import check_known, check_positive
from synthkit.core.hashing import digest
from synthkit.core.types import Message, Reject, Request, Row, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.recipes._arguments import checked_template, distinct_names
from synthkit.recipes._ask import ask, ask_label, traced
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, per_row, recipe
from synthkit.stats.words import tokens, words

IN_DEPTH = """\
Rewrite the given prompt into a version that is a little harder, and that people can still \
understand and answer. {method} Keep all tables and code. Add at most 20 words. Do not answer it; \
write nothing but the new prompt.

Given prompt:
{instruction}"""
IN_BREADTH = """\
Write a new prompt in the same field as the given prompt, about something rarer, as long and as \
hard. Do not answer it; write nothing but the new prompt.

Given prompt:
{instruction}"""
METHODS = {
    "constraint": "Add one more constraint or requirement.",
    "deepen": "Ask about its matter in more depth and breadth.",
    "concretise": "Replace general concepts by more specific ones.",
    "steps": "Make it need several steps of reasoning.",
    "complicate": "Add data to work on, such as a table, a formula or code.",
}
EQUAL = """\
Compare two prompts. They are equal if they have the same constraints and requirements, and ask \
in the same depth and breadth. Answer "equal" or "not equal".

First prompt:
{first}

Second prompt:
{second}"""

OPERATIONS = (*METHODS, "breadth")
COPIED = ("given prompt", "new prompt", "rewritten prompt", "created prompt")
SORRY_WORDS = 80
"""An answer that contains "sorry" and has fewer words than this is a refusal."""
GROWTH = 60
"""Most words that a round may add: three times as many as the prompt asks for."""
STOP_WORDS = frozenset(
    "a about all also am an and any are as at be been but by can could did do does for from had "
    "has have he her him his how i if in into is it its just me more my no nor not of off on or "
    "our out over own she should so some such than that the their them then there these they this "
    "those to too under up us very was we were what when where which while who whom why will with "
    "would you your".split()
)


@recipe
def evol_instruct(
    prompt: str,
    *,
    rows: Table,
    rounds: int = 2,
    operations: Sequence[str] = OPERATIONS,
    eliminate: bool = True,
    answers: bool = False,
    keep: Literal["all", "last"] = "all",
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Instructions evolved from seeds, in depth and breadth, round by round.

    This is Evol-Instruct (arXiv 2304.12244). In each round an operation is drawn uniformly, and the
    model rewrites the instruction by it. If that fails, the new instruction is a reject with the
    reason, and the next round starts from the old one again. It fails if

    - the instruction is the same, or the model judges that it gained nothing;
    - its answer contains "sorry", and has fewer than 80 words;
    - it, or its answer, consists of stop words and punctuation (English ones);
    - it copies the words of the prompt that asks for it, such as "given prompt".

    In addition to the paper's rules, it may not grow by more than 60 words. Prompts are shorter
    than the paper's; rules that need no model are checked first; seeds evolve independently of each
    other.

    Parameters
    ----------
    prompt : gives the seed instruction from the columns of its row. Its turns before the last one
        start every request, except those to the judge.
    rows : the seeds. Their column ``instruction``, if any, is replaced; ``parent`` is the seed's
        id.
    operations : of ``"constraint"``, ``"deepen"``, ``"concretise"``, ``"steps"``,
        ``"complicate"`` (rewrite in depth) and ``"breadth"`` (a new one in the same field).
    eliminate : whether to apply the rules above. The model that judges is the role ``judge``.
    answers : whether to answer each instruction, in the column ``answer``.
    keep : ``"all"``, a row for each instruction that passes, or ``"last"``, only the last one of
        each seed; a seed without any has no row.

    Raises
    ------
    UsageError
        If ``rounds`` is below 1, or an operation is unknown.
    PromptError
        If the prompt uses a field that the rows lack.

    Examples
    --------
    >>> seeds = [{"task": "Name a soup."}, {"task": "Write a haiku."}]
    >>> print(evol_instruct("{{ task }}", rows=seeds, rounds=3).requests)
    6 to 12
    """
    check_positive(rounds=rounds)
    operations = distinct_names("operations", operations)
    check_known("operation", operations, OPERATIONS)
    check_known("keep", keep, ("all", "last"))
    template = checked_template(prompt, rows)

    def steps(row: parsing.Cells) -> Steps[Outcome]:
        *before, last = template.render(row)
        draw = random.Random(digest([sampling.seed, last.content]))
        parent = last.content
        lineage: tuple[Request, ...] = ()
        survivors: list[Row] = []
        rejects: list[Reject] = []
        for number in range(rounds):
            operation = draw.choice(operations)
            request = Request((*before, _message(operation, parent)), sampling, index=number)
            of, outcome = yield from traced(_evolved(request, parent, eliminate, answers))
            origin = {"round": number + 1, "operation": operation}
            if isinstance(outcome, Reject):
                cells = {**outcome.cells, **origin}
                rejects.append(replace(outcome, cells=cells, of=(*lineage, *of)))
            else:
                parent, lineage = outcome["instruction"], (*lineage, *of)
                survivors.append(Row({**outcome, **origin}, of=lineage))
        return [*(survivors if keep == "all" else survivors[-1:]), *rejects]

    added = ("round", "operation", *(["answer"] if answers else []))
    return per_row(
        steps,
        rows,
        name="evol_instruct",
        columns=added if "instruction" in tables.columns(rows) else ("instruction", *added),
        requests=Bounds(rounds, rounds * (1 + eliminate + answers)),
        makes=Bounds(0, rounds if keep == "all" else 1),
        roles=["judge"] if eliminate else [],
        prompt=prompt,
    )


def _message(operation: str, parent: str) -> Message:
    """The message that asks the model to evolve an instruction."""
    if operation == "breadth":
        return Message("user", IN_BREADTH.format(instruction=parent))
    return Message("user", IN_DEPTH.format(method=METHODS[operation], instruction=parent))


def _evolved(
    request: Request, parent: str, eliminate: bool, answers: bool
) -> Steps[parsing.Cells | Reject]:
    """The new instruction, with its answer if wanted; a reject if it is eliminated."""
    cells = yield from ask(request, parsing.text("instruction"))
    if isinstance(cells, Reject):
        return cells
    evolved = cells["instruction"]
    if eliminate:
        reason = flaw(evolved, parent) or (yield from _no_gain(evolved, parent, request))
        if reason:
            return Reject(evolved, reason, cells)
    if not answers:
        return cells
    turns = (*request.messages[:-1], Message("user", evolved))
    answered = yield from ask(replace(request, messages=turns), parsing.text("answer"))
    if isinstance(answered, Reject):
        return replace(answered, reason=f"its answer: {answered.reason}", cells=cells)
    reason = refusal(answered["answer"]) if eliminate else ""
    return Reject(answered["answer"], reason, cells) if reason else cells | answered


def _no_gain(evolved: str, parent: str, request: Request) -> Steps[str]:
    """Why the model judges that an instruction gains nothing over its parent; empty if it does."""
    content = EQUAL.format(first=parent, second=evolved)
    decoder = parsing.label(["equal", "not equal"])
    verdict = yield from ask_label(content, decoder, request.sampling, to="judge")
    if isinstance(verdict, Reject):
        return f"no verdict on what it gains: {verdict.reason}"
    return "no gain over the instruction it came from" if verdict["label"] == "equal" else ""


def flaw(evolved: str, parent: str) -> str:
    """Why an instruction is eliminated by the rules that need no model; empty if it is not.

    >>> flaw("What is it?", "Name a soup.")
    'nothing but stop words and punctuation'
    """
    if not _has_content(evolved):
        return "nothing but stop words and punctuation"
    copied = [phrase for phrase in COPIED if phrase in evolved.casefold()]
    if copied:
        return f"copies {copied[0]!r} from the prompt it was made by"
    if tokens(evolved) == tokens(parent):
        return "no gain: it is the instruction it came from"
    growth = len(words(evolved)) - len(words(parent))
    return f"{growth} words longer; at most {GROWTH} may be added" if growth > GROWTH else ""


def refusal(answer: str) -> str:
    """Why an answer eliminates its instruction; empty if it does not.

    >>> refusal("Sorry, I cannot draw.")
    'its answer says sorry, in 4 words'
    """
    n = len(words(answer))
    if "sorry" in answer.casefold() and n < SORRY_WORDS:
        return f"its answer says sorry, in {n} words"
    return "" if _has_content(answer) else "its answer: nothing but stop words and punctuation"


def _has_content(text: str) -> bool:
    """Whether a text has words other than stop words."""
    return not STOP_WORDS.issuperset(tokens(text))
