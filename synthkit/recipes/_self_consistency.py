"""Self-consistency: the answer that most chains of thought agree on (arXiv 2203.11171)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Message, Reject, Request, Sampling, Steps
from synthkit.prompts import parsing
from synthkit.recipes._arguments import check_samples, checked_template
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, per_row, recipe
from synthkit.stats.words import fold

THINK = "\n\nThink step by step. Then write the last line in this form:\nAnswer: {form}"
ANSWER = re.compile(r"\banswer\b[\s*_]*(?::|is\b:?)[\s*_]*(.*)", re.IGNORECASE)
"""The text after ``Answer:`` or ``the answer is``, on the same line or the next, in any case and
with any emphasis."""

_NUMBER = re.compile(
    r"(?<![A-Za-z_\d./])[-+]?(?:\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:\.\d+)?(?![A-Za-z_\d/])"
)
"""At most 15 digits before the point, which a float represents exactly."""


@recipe
def self_consistency(
    prompt: str,
    *,
    rows: Table = None,
    labels: Sequence[str] | None = None,
    regex: str | None = None,
    numeric: bool = False,
    k: int = 5,
    threshold: float = 0.0,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Answers that most of several chains of thought agree on, with their share.

    This is self-consistency (arXiv 2203.11171): k samples, y = argmax_y sum_k 1[y_k = y]. The
    answer of a sample is the text after its last ``Answer:`` or ``answer is``. A sample that cannot
    be parsed has no vote, but counts among the k that ``share`` refers to. A tie is a reject (the
    paper does not specify this case), and so is a question with a sample that failed. The paper
    shows worked examples; here the model is told to think step by step.

    The columns are ``answer``, ``share`` (0..1), ``votes`` (answer -> count, as JSON), ``unread``
    (samples without a vote) and ``reasoning`` (the first sample that gave the answer).

    Parameters
    ----------
    prompt : the question; the form of the answer is added below it.
    labels, regex, numeric : the answer is one of these labels, the group ``answer`` of a pattern,
        or a single number. If none is given it is a text; texts that differ only in case, white
        space or a final full stop are equal.
    k : samples for each row.
    threshold : the lowest share, 0..1, of a row that is kept.

    Raises
    ------
    UsageError
        If an option is not valid, or ``k`` is above 1 at temperature 0, where all samples are
        equal.

    Examples
    --------
    >>> recipe = self_consistency("What is 6 x 7?", numeric=True, k=3)
    >>> recipe.columns, str(recipe.requests)
    (('answer', 'share', 'votes', 'unread', 'reasoning'), '3')
    """
    check_samples(k, sampling)
    if not 0 <= threshold <= 1:
        raise UsageError(f"threshold is a share, from 0 to 1; got {threshold}.")
    decoder, form = _answer_decoder(labels, regex, numeric)
    template = checked_template(prompt, rows)
    ending = THINK.format(form=form)

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        *before, last = template.render(row)
        messages = (*before, Message("user", last.content + ending))
        samples = yield [Request(messages, sampling, index=i) for i in range(k)]
        return _elected(samples, [_answer(sample, decoder) for sample in samples], threshold)

    return per_row(
        steps,
        rows,
        name="self_consistency",
        columns=("answer", "share", "votes", "unread", "reasoning"),
        requests=Bounds(k, k),
        prompt=prompt,
    )


def _answer_decoder(
    labels: Sequence[str] | None, regex: str | None, numeric: bool
) -> tuple[parsing.Decoder, str]:
    """The decoder of an answer, and the form that the model is asked for."""
    options = {"labels": labels is not None, "regex": regex is not None, "numeric": numeric}
    chosen = [name for name, is_given in options.items() if is_given]
    if len(chosen) > 1:
        raise UsageError(f"an answer is parsed in one way; got {' and '.join(chosen)}.")
    if labels is not None:
        return parsing.label(labels, "answer"), " or ".join(map(str, labels))
    if numeric:
        return parsing.Decoder(("answer",), _number), "the number"
    if regex is None:
        return parsing.text("answer"), "your answer"
    decoder = parsing.regex(regex)
    if decoder.columns != ("answer",):
        raise UsageError(f"the pattern needs the one group (?P<answer>...); got {regex!r}.")
    return decoder, "your answer"


def _number(text: str) -> parsing.Cells | str:
    numbers = {float(digits.replace(",", "")) for digits in _NUMBER.findall(text)}
    if len(numbers) != 1:
        return f"names {len(numbers) or 'no'} numbers"
    (number,) = numbers
    return {"answer": int(number) if number.is_integer() else number}


def _answer(sample: Completion, decoder: parsing.Decoder) -> Any | Reject:
    """The final answer of a sample."""
    outcome = parsing.text()(sample)
    if isinstance(outcome, Reject):
        return outcome
    answers = ANSWER.findall(sample.text)
    if not answers:
        return Reject(sample.text, "does not say 'Answer: ...'")
    if sample.truncated:
        return Reject(sample.text, parsing.TRUNCATED)
    outcome = decoder(replace(sample, text=answers[-1].strip(" *_`")))
    return replace(outcome, raw=sample.text) if isinstance(outcome, Reject) else outcome["answer"]


def _elected(
    samples: Sequence[Completion], answers: Sequence[Any], threshold: float
) -> dict[str, Any] | Reject:
    """The cells of the answer with the most votes; a reject if there is none."""
    k = len(samples)
    raw = "\n\n".join(
        answer.raw if isinstance(answer, Reject) else sample.text
        for sample, answer in zip(samples, answers, strict=True)
    )
    failed = [sample.error for sample in samples if sample.finish == "error"]
    if failed:
        return Reject(raw, f"a sample failed: {failed[0]}")
    unread = [answer.reason for answer in answers if isinstance(answer, Reject)]
    voters: dict[Any, list[int]] = {}
    for i, answer in enumerate(answers):
        if not isinstance(answer, Reject):
            voters.setdefault(_folded(answer), []).append(i)
    if not voters:
        return Reject(raw, f"none of {k} samples can be read: {unread[0]}", {"unread": k})
    ranked = sorted(voters.values(), key=len, reverse=True)
    votes = {str(answers[group[0]]): len(group) for group in ranked}
    counts = {"votes": json.dumps(votes, ensure_ascii=False), "unread": len(unread)}
    most = len(ranked[0])
    tied = [repr(answers[group[0]]) for group in ranked if len(group) == most]
    if len(tied) > 1:
        return Reject(raw, f"tie between {' and '.join(tied)}: {most} of {k} votes each", counts)
    if most / k < threshold:
        return Reject(raw, f"{tied[0]} has a share of {most / k:.2f}, below {threshold}", counts)
    first = ranked[0][0]
    cells = {"answer": answers[first], "share": most / k, **counts}
    return cells | {"reasoning": samples[first].text.strip()}


def _folded(answer: Any) -> Any:
    """An answer in the form in which equal answers are compared."""
    return " ".join(fold(answer).split()).rstrip(".。") if isinstance(answer, str) else answer
