"""Self-Instruct: new instructions generated from a few seed tasks (arXiv 2212.10560)."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from synthkit.core.errors import PromptError, TableError, UsageError, check_positive
from synthkit.core.hashing import digest
from synthkit.core.types import Completion, Message, Reject, Request, Row, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts.templates import Turns
from synthkit.recipes._arguments import checked_template
from synthkit.recipes._ask import ask_each
from synthkit.recipes._base import Bounds, Recipe, Samples, Table, gather, per_table, recipe
from synthkit.recipes._distinct_texts import DistinctTexts
from synthkit.recipes._lists import parsed_entries
from synthkit.recipes._self_instruct_examples import COLUMNS, MOST, with_examples
from synthkit.stats.words import tokens, words

TASKS = """\
Come up with a series of tasks:

{shown}

Write tasks {first} to {last}, unlike these and unlike each other, each on one line with its \
number. Write nothing else."""

WORDS = (4, 150)
EXCLUDED = re.compile(
    r"\b(?:images?|graphs?|pictures?|files?|maps?|draw|plot|go to)\b", re.IGNORECASE
)
"""Words for what a text model cannot see or do."""

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
    """New instructions, distinct from the seeds and from each other, from a few seed tasks.

    This is Self-Instruct (arXiv 2212.10560). Each request shows tasks drawn from the seeds and from
    the instructions accepted in earlier rounds, in random order, and the model continues the list.
    An instruction is accepted unless it

    - has at most 3 words, or more than 150;
    - has a word for what a text model cannot see or do, such as "image", "file" or "draw";
    - begins with "Write a program", with punctuation, or with a letter that is not ASCII;
    - has a ROUGE-L F1 above ``likeness`` with a seed or an accepted instruction.

    With ``instances`` the model then says whether the instruction is a classification task, and
    writes examples of it, at temperature 0: for a classification task the label first and then the
    input, so that labels vary; otherwise the input first. An example is rejected if its output is
    empty or equal to its input, or if one of them ends in a colon. All examples of an instruction
    are rejected if one input has two outputs. An instruction keeps at most 5 examples.

    Here a chat model is asked, with shorter prompts and without the paper's examples. The paper
    drops a completion that is cut at ``max_tokens``; here only its last task is rejected.

    Parameters
    ----------
    prompt : gives a seed task from the columns of its row. Its turns before the last one must be
        the same for all rows; they start every request except the one for the kind of task.
    rows : the seed tasks; the paper has 175.
    n : how many instructions. Without ``instances`` this is the number of rows.
    per_request : how many instructions to ask for at once.
    seed_demos, machine_demos : how many seeds and how many accepted instructions to show; seeds
        replace instructions that do not exist yet.
    likeness : the highest ROUGE-L F1 of an accepted instruction with another, above 0, at most 1.
    any_script : whether an instruction may begin with any letter; words are then counted in
        scripts without spaces too.
    instances : whether to add columns ``is_classification``, ``input`` (may be empty) and
        ``output``, with a row for each example.
    rounds, stall : it stops after ``rounds`` rounds, or after ``stall`` rounds without a new
        instruction, and a last reject says so. By default ``rounds`` is three times what is needed
        if all instructions are accepted, plus ``stall``.
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
    check_positive(n=n, per_request=per_request, seed_demos=seed_demos, stall=stall, width=width)
    check_positive(rounds=rounds)
    if machine_demos < 0:
        raise UsageError(f"machine_demos must be 0 or more; got {machine_demos}.")
    before, seeds = _seeds(prompt, rows)
    prompts = _ListPrompts(per_request, width, seed_demos, machine_demos, sampling.seed)
    widest = min(width, -(-n // per_request))
    needed = -(-n // (per_request * width))
    most = 3 * needed + stall if rounds is None else rounds
    DistinctTexts(likeness)  # fails if likeness is out of range

    def steps() -> Steps[None]:
        distinct, sample = DistinctTexts(likeness, seeds), Samples()
        pool = _InstructionPool(seeds, n, distinct, any_script)
        number = idle = 0
        while len(pool.accepted) < n and number < most and idle < stall:
            number += 1
            count = len(pool.accepted)
            messages = [(*before, each) for each in prompts.of_round(number, pool)]
            requests = [sample(Request(turns, sampling)) for turns in messages]
            answers = yield from ask_each(requests, numbered_tasks, repairs=1)
            outcomes = [
                pool.outcome(entry, of, number)
                for of, entries in answers
                for entry in ([entries] if isinstance(entries, Reject) else entries)
            ]
            idle = idle + 1 if len(pool.accepted) == count else 0
            yield [each for each in outcomes if isinstance(each, Reject) or not instances]
            if instances:
                tasks = [each for each in outcomes if isinstance(each, Row)]
                rows_of_task = yield from gather(
                    with_examples(task, before, sampling) for task in tasks
                )
                yield [row for rows in rows_of_task for row in rows]
        if len(pool.accepted) < n:
            reached = f"{len(pool.accepted)} of {n} instructions after {number} rounds"
            yield [Reject("", f"stopped: {reached}")]

    return per_table(
        steps,
        name="self_instruct",
        columns=("instruction", *(COLUMNS if instances else ()), "round"),
        requests=Bounds(widest, widest * most + (2 * n if instances else 0)),
        rows=Bounds(0, n * MOST if instances else n),
        like=rows,
        prompt=prompt,
    )


def numbered_tasks(completion: Completion) -> list[str | Reject] | Reject:
    r"""The tasks of a numbered list, each as one line; a reject if there is no list.

    >>> numbered_tasks(Completion("Sure!\n9. **Name a\nsoup.**\n10) Write a haiku.\n\nEnjoy."))
    ['Name a soup.', 'Write a haiku.']
    """
    return parsed_entries(completion, _tasks)


def _tasks(raw: str) -> list[str] | str:
    _, *parts = _NUMBER.split(raw)
    # text below an empty line is not part of the list
    tasks = [_as_line(re.split(r"\n[ \t]*\n", part.strip())[0]) for part in parts]
    return tasks or "is no numbered list"


def fault(instruction: str, *, any_script: bool = False) -> str:
    """Why an instruction is not acceptable by itself; empty if it is.

    >>> fault("Draw a map."), fault("- Name three kinds of soup.")
    ('has 3 words, and not 4 to 150', 'begins with punctuation')
    >>> fault("Überlege dir drei Suppen."), fault("Überlege dir drei Suppen.", any_script=True)
    ('begins with a letter that is not ASCII', '')
    """
    low, high = WORDS
    n = len(tokens(instruction) if any_script else words(instruction))
    if not low <= n <= high:
        return f"has {n} words, and not {low} to {high}"
    excluded = EXCLUDED.search(instruction)
    if excluded:
        return f"has the word {excluded[0]!r}"
    if instruction.casefold().startswith("write a program"):
        return "begins with 'Write a program'"
    if not instruction[0].isalnum():
        return "begins with punctuation"
    if not (any_script or instruction[0].isascii()):
        return "begins with a letter that is not ASCII"
    return ""


@dataclass(frozen=True, slots=True)
class _InstructionPool:
    """The seeds, and the instructions accepted so far, of which there can be ``n``."""

    seeds: Sequence[str]
    n: int
    distinct: DistinctTexts
    any_script: bool
    accepted: list[str] = field(default_factory=list)

    def outcome(self, entry: str | Reject, of: tuple[Request, ...], number: int) -> Row | Reject:
        """The row of an instruction, which is then accepted; otherwise a reject."""
        cells = {"round": number}
        if isinstance(entry, Reject):
            return replace(entry, cells=cells, of=of)
        if len(self.accepted) == self.n:
            reason = "beyond the number that was asked for"
        else:
            reason = fault(entry, any_script=self.any_script) or self.distinct.complaint(entry)
        if reason:
            return Reject(entry, reason, cells, of)
        self.distinct.add(entry)
        self.accepted.append(entry)
        return Row({"instruction": entry, **cells}, of)


@dataclass(frozen=True, slots=True)
class _ListPrompts:
    """The prompts of a round: each shows tasks and asks for ``per_request`` further ones."""

    per_request: int
    width: int
    seed_demos: int
    machine_demos: int
    seed: int | None

    def of_round(self, number: int, pool: _InstructionPool) -> list[Message]:
        """As many prompts as a round needs, and at most ``width``."""
        missing = pool.n - len(pool.accepted)
        size = min(self.width, -(-missing // self.per_request))
        draws = (random.Random(digest([self.seed, number, at])) for at in range(size))
        return [Message("user", self._prompt(self._shown(draw, pool))) for draw in draws]

    def _shown(self, draw: random.Random, pool: _InstructionPool) -> list[str]:
        """Tasks to show, in random order; seeds replace instructions that do not exist yet."""
        machine = draw.sample(pool.accepted, min(self.machine_demos, len(pool.accepted)))
        size = min(self.seed_demos + self.machine_demos - len(machine), len(pool.seeds))
        shown = machine + draw.sample(pool.seeds, size)
        draw.shuffle(shown)
        return shown

    def _prompt(self, shown: Sequence[str]) -> str:
        listed = "\n".join(f"{at}. {task}" for at, task in enumerate(shown, 1))
        last = len(shown) + self.per_request
        return TASKS.format(shown=listed, first=len(shown) + 1, last=last)


def _seeds(prompt: str, rows: Any) -> tuple[Turns, list[str]]:
    """The turns before the last one, and the seed tasks, each as one line."""
    template = checked_template(prompt, rows)
    turns = [template.render(row) for row in tables.records(rows)]
    if not turns:
        raise TableError("the table has no rows; expected one seed task or more.")
    before = turns[0][:-1]
    if any(each[:-1] != before for each in turns):
        raise PromptError("the turns before the last one must be the same for all seed tasks.")
    return before, [_as_line(each[-1].content) for each in turns]


def _as_line(text: str) -> str:
    return " ".join(text.replace("**", "").split())
