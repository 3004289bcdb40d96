"""Examples of a task: inputs and outputs that a model makes up for an instruction.

The second half of Self-Instruct (arXiv 2212.10560): classification tasks get the label first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from synthkit.core.types import Completion, Message, Reject, Request, Row, Sampling, Steps
from synthkit.prompts import parsing
from synthkit.prompts.templates import Turns
from synthkit.recipes._ask import ask
from synthkit.recipes._base import user
from synthkit.recipes._rounds import traced

KIND = """\
Is this a classification task, whose output is one of a few labels? Answer yes or no.

Task: {instruction}"""
INPUT_FIRST = """\
Write up to 3 examples of this task. Where it needs no input, the input is: none.

Task: {instruction}

Answer in this form and write nothing else:
Input: ...
Output: ..."""
OUTPUT_FIRST = """\
Write an example of this classification task for each of its labels. Where it needs no input, the \
input is: none.

Task: {instruction}

Answer in this form and write nothing else:
Label: ...
Input: ..."""

EXAMPLE = ("is_classification", "input", "output")
MOST = 5
"""How many examples of a task are kept."""

First = Literal["input", "output"]
Example = tuple[str, str]
"""An input, which may be empty, and its output."""

_CLASSIFIES = parsing.label(["yes", "no"], "classifies")
_PART = re.compile(
    r"^[ \t*#]*(?:(input|output|(?:class[ \t]+)?label|task)[ \t]*\d*[ \t*]*:|"
    r"example[ \t]*\d*[ \t*]*[:.]?[ \t]*$)[ \t*]*",
    re.IGNORECASE | re.MULTILINE,
)


def exemplified(row: Row, before: Turns, sampling: Sampling) -> Steps[list[Row | Reject]]:
    """Rows with examples of the ``instruction`` in a row, and what was wrong with the others.

    Parameters
    ----------
    before : turns that stand before the request for examples.
    """
    instruction = row.cells["instruction"]
    greedy = replace(sampling, temperature=0)
    kind = user(KIND.format(instruction=instruction), greedy, schema=_CLASSIFIES.schema)
    of, said = yield from traced(ask(kind, _CLASSIFIES, repairs=1))
    of = (*row.of, *of)
    if isinstance(said, Reject):
        reason = f"not known whether it is a classification task: {said.reason}"
        return [replace(said, reason=reason, cells=row.cells, of=of)]
    sorts = said["classifies"] == "yes"
    first: First = "output" if sorts else "input"
    content = (OUTPUT_FIRST if sorts else INPUT_FIRST).format(instruction=instruction)
    request = Request((*before, Message("user", content)), greedy)
    own, found = yield from traced(ask(request, examples(first), repairs=1))
    of, cells = (*of, *own), {**row.cells, "is_classification": sorts}
    if isinstance(found, Reject):
        return [replace(found, cells=cells, of=of)]
    return [
        replace(one, cells=cells, of=of)
        if isinstance(one, Reject)
        else Row({**cells, "input": one[0], "output": one[1]}, of)
        for one in sifted(found)
    ]


def examples(first: First) -> Callable[[Completion], list[Example | Reject] | Reject]:
    r"""A decoder for examples, of which ``first`` is written first; what a label is is the output.

    An input ``none`` is empty. What stands behind a further task is of that task, and left out.

    >>> decode = examples("input")
    >>> decode(Completion("Input: 2 + 2\nOutput: 4\n\nInput: none\nOutput: 5"))
    [('2 + 2', '4'), ('', '5')]
    >>> decode(Completion("A haiku.")).reason
    "has no 'Output:'"
    """

    def entered(raw: str) -> parsing.Cells | str:
        parts = _parts(raw, first)
        if not any("output" in one for one in parts):
            return "has no 'Output:'" if first == "input" else "has no 'Label:'"
        if any("input" in one for one in parts) and not all(first in one for one in parts):
            return f"has an example that does not begin with its {first}"
        return {"found": [_example(one) for one in parts]}

    decoder = parsing.Decoder(("found",), entered)

    def read(completion: Completion) -> list[Example | Reject] | Reject:
        outcome = decoder(completion)
        if isinstance(outcome, Reject):
            return outcome
        found: list[Example | Reject] = [
            Reject(_told(*one), "the label has several lines")
            if first == "output" and "\n" in one[1]
            else one
            for one in outcome["found"]
        ]
        if completion.finish == "length":
            found[-1] = Reject(_told(*outcome["found"][-1]), "the answer was cut at max_tokens")
        return found

    return read


def sifted(found: Sequence[Example | Reject]) -> list[Example | Reject]:
    """The examples, with a reject in the place of each that is not kept.

    >>> kept, copy, again = sifted([("2 + 2", "4"), ("1", "1"), ("2 + 2", "4")])
    >>> kept, copy.reason, again.reason
    (('2 + 2', '4'), 'the output is the same as the input', 'the same as an earlier example')
    """
    outputs: dict[str, set[str]] = {}
    for one in found:
        if not isinstance(one, Reject) and one[0] and not _fault(*one):
            outputs.setdefault(one[0], set()).add(one[1])
    torn = any(len(several) > 1 for several in outputs.values())
    kept: set[Example] = set()
    made: list[Example | Reject] = []
    for one in found:
        if isinstance(one, Reject):
            made.append(one)
            continue
        reason = _fault(*one)
        if not reason and torn:
            reason = "an input of this task has two outputs"
        elif not reason and one in kept:
            reason = "the same as an earlier example"
        elif not reason and len(kept) == MOST:
            reason = f"beyond the {MOST} examples that are kept"
        if not reason:
            kept.add(one)
        made.append(Reject(_told(*one), reason) if reason else one)
    return made


def _fault(input: str, output: str) -> str:
    """What is wrong with an example, in words; empty if nothing is."""
    if not output:
        return "the output is empty"
    if input == output:
        return "the output is the same as the input"
    for name, text in (("input", input), ("output", output)):
        if text.endswith(":"):
            return f"the {name} ends in a colon, so it is not whole"
    return ""


def _parts(raw: str, first: First) -> list[dict[str, str]]:
    """The input and the output of each example in an answer, as far as they are there."""
    marks = [*_PART.finditer(raw)]
    ends = [*(mark.start() for mark in marks), len(raw)][1:]
    found: list[dict[str, str]] = [{}]
    for mark, end in zip(marks, ends, strict=True):
        name = (mark[1] or "").casefold()
        if name == "task" and any(found):
            break
        part = "output" if name.endswith("label") else name
        if part not in ("input", "output"):
            found.append({})
            continue
        if part == first or part in found[-1]:
            found.append({})
        found[-1][part] = raw[mark.end() : end].strip()
    return [one for one in found if one]


def _example(parts: Mapping[str, str]) -> Example:
    """An example from its parts."""
    input, output = parts.get("input", ""), parts.get("output", "")
    return "" if input.casefold().strip(" .<>()[]") == "none" else input, output


def _told(input: str, output: str) -> str:
    return f"Input: {input}\nOutput: {output}"
