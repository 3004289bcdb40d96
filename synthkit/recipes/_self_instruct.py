"""Instructions that a model adds to a few seed tasks, round by round, and examples of them.

Self-Instruct: Aligning Language Models with Self-Generated Instructions (arXiv 2212.10560).
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.core.types import Completion, Message, Reject, Request, Row, Sampling, Steps, digest
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.templates import Turns
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Recipe, Table, gather, per_table, recipe
from synthkit.recipes._rounds import Distinct, Samples, traced
from synthkit.recipes._self_instruct_examples import EXAMPLE, MOST, exemplified
from synthkit.recipes._zerogen import positive, tried
from synthkit.stats.rouge import tokens

TASKS = """\
Come up with a series of tasks:

{shown}

Write tasks {first} to {last}, unlike these and unlike each other, each on one line with its \
number. Write nothing else."""

WORDS = (4, 150)
EXCLUDED = re.compile(
    r"\b(?:images?|graphs?|pictures?|files?|maps?|draw|plot|go to)\b", re.IGNORECASE
)
"""What a model of text cannot see or do."""

_NUMBER = re.compile(r"^[ \t*#]*(?:task[ \t]*)?\d{1,3}[ \t]?[.):](?!\d)", re.IGNORECASE | re.M)


@recipe
def self_instruct(
    prompt: str,
    *,
    rows: Table,
    n: int,
    per_request: int = 4,
    seed_demos: int = 6,
    machine_demos: int = 2,
    likeness: float = 0.7,
    any_script: bool = False,
    instances: bool = False,
    rounds: int | None = None,
    stall: int = 3,
    width: int = 8,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """New instructions unlike the seeds and each other, from a few seed tasks.

    This is Self-Instruct (arXiv 2212.10560). Each request shows tasks drawn from the seeds and from
    those that were accepted in earlier rounds, in a random order, and the model goes on with the
    list. An instruction is accepted unless it

    - has 3 words or less, or more than 150;
    - has a word for what a model of text cannot see or do, such as "image", "file" or "draw";
    - begins with "Write a program", with punctuation, or with a letter that is not ASCII;
    - has a ROUGE-L F1 above ``likeness`` with a seed or with one that was accepted before.

    With ``instances`` the model then says whether it is a classification task, and writes examples
    of it, at temperature 0: of a classification task the label first and then the input, so that
    the labels vary, of all others the input first. An example is rejected if its output is empty,
    the same as its input, or one of them ends in a colon; all of an instruction's are, if one input
    has two outputs; no instruction keeps more than 5.

    A chat model is asked here, with shorter prompts and without the paper's examples. Where an
    answer is cut at ``max_tokens`` the paper drops all of it, and here its last task is rejected.

    Parameters
    ----------
    prompt : gives a seed task from the fields of its row. Turns before its last one, which are the
        same for all rows, stand before all that is asked, but for what kind of task it is.
    rows : the seed tasks; the paper has 175.
    n : how many instructions. Without ``instances`` these are the rows.
    per_request : how many the model is asked for at once.
    seed_demos, machine_demos : tasks shown of either kind; seeds stand in for what is not there.
    any_script : whether an instruction may begin with any letter; words are then counted for
        scripts without spaces too.
    instances : whether there are columns ``is_classification``, ``input`` (which may be empty) and
        ``output``, with a row for each example.
    rounds, stall : it stops after so many rounds in all, or in a row without a new instruction, and
        a last reject says so. If not given, all rounds are three times as many as are needed where
        all is accepted, and ``stall`` more.
    width : most requests in a round.

    Raises
    ------
    UsageError
        If an option is out of range.
    TableError
        If there are no rows.
    PromptError
        If the prompt uses a field that a row lacks, or its turns before the last one differ.

    Examples
    --------
    >>> seeds = [{"task": "Name a soup."}, {"task": "Write a haiku about rain."}]
    >>> print(self_instruct("{{ task }}", rows=seeds, n=10, rounds=5).requests)
    3 to 15
    """
    counts = {"n": n, "per_request": per_request, "seed_demos": seed_demos}
    counts |= {"stall": stall, "width": width}
    for name, least in counts.items():
        positive(name, least)
    if machine_demos < 0:
        raise UsageError(f"machine_demos must be 0 or more; got {machine_demos}.")
    before, seeds = _seeds(prompt, rows)
    widest = min(width, -(-n // per_request))
    needed = -(-n // (per_request * width))
    most = 3 * needed + stall if rounds is None else positive("rounds", rounds)
    Distinct(likeness)

    def listings(pool: _Pool, number: int) -> list[Request]:
        """As many requests as a round needs."""
        left = n - len(pool.accepted)
        draws = [
            random.Random(digest([sampling.seed, number, at]))
            for at in range(min(width, -(-left // per_request)))
        ]
        listed = [
            _listing(pool.shown(draw, seed_demos, machine_demos), per_request) for draw in draws
        ]
        return [Request((*before, Message("user", text)), sampling) for text in listed]

    def steps() -> Steps[None]:
        pool, sample = _Pool(seeds, n, Distinct(likeness, seeds), any_script), Samples()
        number = idle = 0
        while len(pool.accepted) < n and number < most and idle < stall:
            number += 1
            had = len(pool.accepted)
            answers = yield from gather(
                traced(ask(sample(one), numbered, repairs=1)) for one in listings(pool, number)
            )
            made = [
                pool.outcome(entry, of, number)
                for of, found in answers
                for entry in ([found] if isinstance(found, Reject) else found)
            ]
            idle = idle + 1 if len(pool.accepted) == had else 0
            yield [one for one in made if isinstance(one, Reject) or not instances]
            if instances:
                tasks = [one for one in made if isinstance(one, Row)]
                examples = yield from gather(exemplified(one, before, sampling) for one in tasks)
                yield [one for found in examples for one in found]
        if len(pool.accepted) < n:
            said = f"{len(pool.accepted)} of {n} instructions after {number} rounds"
            yield [Reject("", f"stopped: {said}")]

    return per_table(
        steps,
        name="self_instruct",
        columns=("instruction", *(EXAMPLE if instances else ()), "round"),
        requests=Bounds(widest, widest * most + (2 * n if instances else 0)),
        rows=Bounds(0, n * MOST if instances else n),
        like=rows,
        prompt=prompt,
    )


def numbered(completion: Completion) -> list[str | Reject] | Reject:
    r"""The tasks of a numbered list, each on one line, or why there are none.

    >>> numbered(Completion("Sure!\n9. **Name a\nsoup.**\n10) Write a haiku.\n\nEnjoy."))
    ['Name a soup.', 'Write a haiku.']
    """
    outcome = _NUMBERED(completion)
    if isinstance(outcome, Reject):
        return outcome
    found: list[str | Reject] = outcome["tasks"]
    if completion.finish == "length":
        found[-1] = Reject(outcome["tasks"][-1], "the answer was cut at max_tokens")
    return found


def _tasks(raw: str) -> parsing.Cells | str:
    _, *parts = _NUMBER.split(raw)
    # what stands below an empty line is no part of the list
    found = [_line(re.split(r"\n[ \t]*\n", part.strip())[0]) for part in parts]
    return {"tasks": found} if found else "is no numbered list"


_NUMBERED = parsing.Decoder(("tasks",), _tasks)


def fault(instruction: str, *, any_script: bool = False) -> str:
    """What is wrong with an instruction by itself, in words; empty if nothing is.

    >>> fault("Draw a map."), fault("- Name three kinds of soup.")
    ('has 3 words, and not 4 to 150', 'begins with punctuation')
    >>> fault("Überlege dir drei Suppen."), fault("Überlege dir drei Suppen.", any_script=True)
    ('begins with a letter that is not ASCII', '')
    """
    low, high = WORDS
    words = tokens(instruction) if any_script else instruction.split()
    if not low <= len(words) <= high:
        return f"has {len(words)} words, and not {low} to {high}"
    unsuited = EXCLUDED.search(instruction)
    if unsuited:
        return f"has the word {unsuited[0]!r}"
    if instruction.casefold().startswith("write a program"):
        return "begins with 'Write a program'"
    if not instruction[0].isalnum():
        return "begins with punctuation"
    if not (any_script or instruction[0].isascii()):
        return "begins with a letter that is not ASCII"
    return ""


@dataclass(frozen=True, slots=True)
class _Pool:
    """The seeds, and the instructions that were accepted so far, of ``n`` that are wanted."""

    seeds: Sequence[str]
    n: int
    distinct: Distinct
    any_script: bool
    accepted: list[str] = field(default_factory=list)

    def shown(self, draw: random.Random, of_seeds: int, of_machine: int) -> list[str]:
        """Tasks to show, in a random order; seeds stand in for those that are not there yet."""
        machine = draw.sample(self.accepted, min(of_machine, len(self.accepted)))
        size = min(of_seeds + of_machine - len(machine), len(self.seeds))
        shown = machine + draw.sample(self.seeds, size)
        draw.shuffle(shown)
        return shown

    def outcome(self, entry: str | Reject, of: tuple[Request, ...], number: int) -> Row | Reject:
        """The row of an instruction, which is accepted then; or the reject that says why not."""
        told = {"round": number}
        if isinstance(entry, Reject):
            return replace(entry, cells=told, of=of)
        if len(self.accepted) == self.n:
            reason = "beyond the number that was asked for"
        else:
            reason = fault(entry, any_script=self.any_script) or self.distinct.complaint(entry)
        if reason:
            return Reject(entry, reason, told, of)
        self.distinct.add(entry)
        self.accepted.append(entry)
        return Row({"instruction": entry, **told}, of)


def _seeds(prompt: str, rows: Any) -> tuple[Turns, list[str]]:
    """The turns before the last one, and the seed tasks, each on one line."""
    template = tried(prompt, rows)
    turns = [template.render(row) for row in tables.records(rows)]
    if not turns:
        raise TableError("the table has no rows; expected one seed task or more.")
    before = turns[0][:-1]
    if any(one[:-1] != before for one in turns):
        raise PromptError("the turns before the last one must be the same for all seed tasks.")
    return before, [_line(one[-1].content) for one in turns]


def _line(text: str) -> str:
    return " ".join(text.replace("**", "").split())


def _listing(shown: Sequence[str], k: int) -> str:
    """What asks for ``k`` more tasks than those shown."""
    listed = "\n".join(f"{at}. {task}" for at, task in enumerate(shown, 1))
    return TASKS.format(shown=listed, first=len(shown) + 1, last=len(shown) + k)
