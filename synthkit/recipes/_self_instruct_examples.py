"""Examples of tasks: inputs and outputs that a model writes for an instruction.

This is the second half of Self-Instruct (arXiv 2212.10560).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from synthkit.core.types import Completion, Message, Reject, Request, Row, Sampling, Steps
from synthkit.prompts import parsing
from synthkit.prompts.templates import Turns
from synthkit.recipes._ask import ask, ask_label, traced
from synthkit.recipes._lists import parsed_entries

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

COLUMNS = ("is_classification", "input", "output")
MOST = 5
"""Most examples of a task that are kept."""

First = Literal["input", "output"]
Example = tuple[str, str]
"""An input, which may be empty, and its output."""

_CLASSIFIES = parsing.label(["yes", "no"], "classifies")
_PART = re.compile(
    r"^[ \t*#]*(?:(input|output|(?:class[ \t]+)?label|task)[ \t]*\d*[ \t*]*:|"
    r"example[ \t]*\d*[ \t*]*[:.]?[ \t]*$)[ \t*]*",
    re.IGNORECASE | re.MULTILINE,
)


def with_examples(row: Row, before: Turns, sampling: Sampling) -> Steps[list[Row | Reject]]:
    """One row for each example of a row's ``instruction``; a reject for each invalid example.

    Parameters
    ----------
    before : turns before the message that asks for examples.
    """
    instruction = row.cells["instruction"]
    content = KIND.format(instruction=instruction)
    kind_requests, answer = yield from traced(ask_label(content, _CLASSIFIES, sampling))
    of = (*row.of, *kind_requests)
    if isinstance(answer, Reject):
        reason = f"not known whether it is a classification task: {answer.reason}"
        return [replace(answer, reason=reason, cells=row.cells, of=of)]
    classifies = answer["classifies"] == "yes"
    first: First = "output" if classifies else "input"
    content = (OUTPUT_FIRST if classifies else INPUT_FIRST).format(instruction=instruction)
    request = Request((*before, Message("user", content)), replace(sampling, temperature=0))
    requests, examples = yield from traced(ask(request, example_decoder(first), repairs=1))
    of, cells = (*of, *requests), {**row.cells, "is_classification": classifies}
    if isinstance(examples, Reject):
        return [replace(examples, cells=cells, of=of)]
    return [
        replace(example, cells=cells, of=of)
        if isinstance(example, Reject)
        else Row({**cells, "input": example[0], "output": example[1]}, of)
        for example in checked_examples(examples)
    ]


def example_decoder(first: First) -> Callable[[Completion], list[Example | Reject] | Reject]:
    r"""A decoder of examples whose ``first`` part is written first; a label is an output.

    The input ``none`` is empty. Text after the heading of a further task is ignored.

    >>> decode = example_decoder("input")
    >>> decode(Completion("Input: 2 + 2\nOutput: 4\n\nInput: none\nOutput: 5"))
    [('2 + 2', '4'), ('', '5')]
    >>> decode(Completion("A haiku.")).reason
    "has no 'Output:'"
    """

    def parse(raw: str) -> list[Example] | str:
        parts = _parts(raw, first)
        if not any("output" in part for part in parts):
            return "has no 'Output:'" if first == "input" else "has no 'Label:'"
        if any("input" in part for part in parts) and not all(first in part for part in parts):
            return f"has an example that does not begin with its {first}"
        return [_example(part) for part in parts]

    def read(completion: Completion) -> list[Example | Reject] | Reject:
        examples = parsed_entries(completion, parse, _as_text)
        if isinstance(examples, Reject) or first == "input":
            return examples
        return [
            example
            if isinstance(example, Reject) or "\n" not in example[1]
            else Reject(_as_text(example), "the label has several lines")
            for example in examples
        ]

    return read


def checked_examples(examples: Sequence[Example | Reject]) -> list[Example | Reject]:
    """The examples of a task, with a reject in place of each that is not kept.

    >>> kept, copy, repeat = checked_examples([("2 + 2", "4"), ("1", "1"), ("2 + 2", "4")])
    >>> kept, copy.reason, repeat.reason
    (('2 + 2', '4'), 'the output is the same as the input', 'the same as an earlier example')
    """
    outputs: dict[str, set[str]] = {}
    for example in examples:
        if not isinstance(example, Reject) and example[0] and not _fault(*example):
            outputs.setdefault(example[0], set()).add(example[1])
    ambiguous = any(len(several) > 1 for several in outputs.values())
    kept: set[Example] = set()
    checked: list[Example | Reject] = []
    for example in examples:
        if isinstance(example, Reject):
            checked.append(example)
            continue
        reason = _fault(*example)
        if not reason and ambiguous:
            reason = "an input of this task has two outputs"
        elif not reason and example in kept:
            reason = "the same as an earlier example"
        elif not reason and len(kept) == MOST:
            reason = f"beyond the {MOST} examples that are kept"
        if not reason:
            kept.add(example)
        checked.append(Reject(_as_text(example), reason) if reason else example)
    return checked


def _fault(input: str, output: str) -> str:
    """Why an example is not valid by itself; empty if it is."""
    if not output:
        return "the output is empty"
    if input == output:
        return "the output is the same as the input"
    for name, text in (("input", input), ("output", output)):
        if text.endswith(":"):
            return f"the {name} ends in a colon, so it is not whole"
    return ""


def _parts(raw: str, first: First) -> list[dict[str, str]]:
    """The input and the output of each example in a completion, where present."""
    headings = [*_PART.finditer(raw)]
    ends = [*(heading.start() for heading in headings), len(raw)][1:]
    examples: list[dict[str, str]] = [{}]
    for heading, end in zip(headings, ends, strict=True):
        name = (heading[1] or "").casefold()
        if name == "task" and any(examples):
            break
        part = "output" if name.endswith("label") else name
        if part not in ("input", "output"):
            examples.append({})
            continue
        if part == first or part in examples[-1]:
            examples.append({})
        examples[-1][part] = raw[heading.end() : end].strip()
    return [example for example in examples if example]


def _example(parts: Mapping[str, str]) -> Example:
    """An example from its parts."""
    input, output = parts.get("input", ""), parts.get("output", "")
    return "" if input.casefold().strip(" .<>()[]") == "none" else input, output


def _as_text(example: Example) -> str:
    return f"Input: {example[0]}\nOutput: {example[1]}"
