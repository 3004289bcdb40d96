"""Reasoning before the answer: explain first and then write, and votes among chains of thought.

Explain-then-generate is from S3 (arXiv 2310.13671, algorithm 1), the votes are self-consistency
(arXiv 2203.11171).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Message, Reject, Request, Sampling, Steps
from synthkit.prompts import parsing
from synthkit.prompts.conditions import conditions
from synthkit.recipes._base import Bounds, Outcome, Recipe, Table, per_row, recipe
from synthkit.recipes._chain import chain
from synthkit.recipes._zerogen import balanced, by, positive, tried

EXPLAIN = "\n\nDo not write it yet. Say in a few short points what such a text is like, and why."
GIVEN = "\n\nKeep to these points:\n{{ rationale }}"
THINK = "\n\nThink step by step. Then write the last line in this form:\nAnswer: {form}"
ANSWER = re.compile(r"\banswer\b[\s*_]*(?::|is\b:?)[\s*_]*(.*)", re.IGNORECASE)
"""What stands behind ``Answer:`` or ``the answer is``, on its line or the next, whatever the case
and the emphasis."""

_NUMBER = re.compile(r"(?<![\w./])[-+]?(?:\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:\.\d+)?(?![\w/])")
"""At most 15 digits before the point: so many a float tells apart."""


@recipe
def chain_of_thought(
    prompt: str,
    *,
    labels: Sequence[str] | Mapping[str, str] | None = None,
    n: int = 1,
    rows: Table = None,
    rationale: str | None = None,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Texts that are written by a rationale, which the model gives for each of them first.

    This is explain-then-generate (S3, arXiv 2310.13671, algorithm 1): r ~ P(.|label), then
    x ~ P(.|r, label). Each text has a rationale of its own; the paper draws several texts from one.

    Parameters
    ----------
    prompt : asks for the text; it uses ``{{ label }}`` where there are labels, may use
        ``{{ description }}``, the columns of ``rows`` and ``{{ rationale }}``. Without the latter,
        the rationale is put below it.
    labels : the labels, of which each has equally many texts; or label -> what it means.
    n : texts in all, the odd ones for the first labels. With ``rows``, texts for each row and
        label.
    rationale : a template that asks for the rationale; by default the prompt, with the wish to
        explain and not to write.

    Raises
    ------
    UsageError
        If the labels are not distinct texts, or ``n`` is below 1; if the prompt uses
        ``{{ rationale }}`` and nothing else asks for it.

    Examples
    --------
    >>> recipe = chain_of_thought("Write a {{ label }} review.", labels=["good", "bad"], n=2)
    >>> recipe.columns, str(recipe.requests)
    (('rationale', 'text'), '2 to 4')
    """
    if labels is not None and rows is None:
        source = balanced(labels, n)
    else:
        source = conditions(rows, positive("n", n), {} if labels is None else by(labels))
    uses = () if labels is None else ("label", "description")
    template = tried(prompt, source, uses=uses, later=("rationale",))
    told = "rationale" in template.fields
    if told and rationale is None:
        raise UsageError("the prompt uses {{ rationale }}: give rationale=, which asks for it.")
    fields = {
        "rationale": prompt + EXPLAIN if rationale is None else rationale,
        "text": prompt if told else prompt + GIVEN,
    }
    recipe = chain("", rows=source, fields=fields, sampling=sampling)
    return replace(recipe, name="explain", prompt=prompt)


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
    answer is what stands behind the last ``Answer:`` or ``answer is`` of a sample. One that cannot
    be read has no vote, and still counts among the k of which ``share`` is a part. A tie is a
    reject, where the paper does not say what it does with one; so is a question of which a sample
    never came. The paper shows worked examples; here the model is told to think step by step.

    The columns are ``answer``, ``share`` (0..1), ``votes`` (answer -> count, as JSON), ``unread``
    (samples without a vote) and ``reasoning`` (the first sample that gave the answer).

    Parameters
    ----------
    prompt : the question; below it, the model is told how to end.
    labels, regex, numeric : the answer is one of these labels, what the group ``answer`` of a
        pattern finds, or a number (then an answer that has several cannot be read). If none, it is
        a text, and two are the same that differ in case, white space or a final stop alone.
    k : samples for each row.
    threshold : the least share, 0..1, with which a row is kept.

    Raises
    ------
    UsageError
        If an option cannot be, or k samples are drawn at temperature 0, where all are the same.

    Examples
    --------
    >>> recipe = self_consistency("What is 6 x 7?", numeric=True, k=3)
    >>> recipe.columns, str(recipe.requests)
    (('answer', 'share', 'votes', 'unread', 'reasoning'), '3')
    """
    positive("k", k)
    if not 0 <= threshold <= 1:
        raise UsageError(f"threshold is a share, from 0 to 1; got {threshold}.")
    if k > 1 and sampling.temperature == 0:
        raise UsageError("at temperature 0 all samples are the same; raise it, or vote with k=1.")
    decoder, form = _reading(labels, regex, numeric)
    template = tried(prompt, [{}] if rows is None else rows)
    end = THINK.format(form=form)

    def steps(row: dict[str, Any]) -> Steps[Outcome]:
        *before, last = template.render(row)
        messages = (*before, Message("user", last.content + end))
        samples = yield [Request(messages, sampling, index=i) for i in range(k)]
        return _elected(samples, [_answer(sample, decoder) for sample in samples], threshold)

    return per_row(
        steps,
        rows,
        name="vote",
        columns=("answer", "share", "votes", "unread", "reasoning"),
        requests=Bounds(k, k),
        prompt=prompt,
    )


def _reading(
    labels: Sequence[str] | None, regex: str | None, numeric: bool
) -> tuple[parsing.Decoder, str]:
    """How answers are read, and how the model is told to write them."""
    ways = {"labels": labels is not None, "regex": regex is not None, "numeric": numeric}
    given = [way for way, on in ways.items() if on]
    if len(given) > 1:
        raise UsageError(f"an answer is read in one way; got {' and '.join(given)}.")
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


def _number(said: str) -> parsing.Cells | str:
    found = {float(digits.replace(",", "")) for digits in _NUMBER.findall(said)}
    if len(found) != 1:
        return f"names {len(found) or 'no'} numbers"
    (number,) = found
    return {"answer": int(number) if number.is_integer() else number}


def _answer(sample: Completion, decoder: parsing.Decoder) -> Any | Reject:
    """The answer that a sample comes to."""
    outcome = parsing.text()(sample)
    if isinstance(outcome, Reject):
        return outcome
    found = ANSWER.findall(sample.text)
    if not found:
        return Reject(sample.text, "does not say 'Answer: ...'")
    outcome = decoder(replace(sample, text=found[-1].strip(" *_`")))
    return replace(outcome, raw=sample.text) if isinstance(outcome, Reject) else outcome["answer"]


def _elected(
    samples: Sequence[Completion], answers: Sequence[Any], threshold: float
) -> dict[str, Any] | Reject:
    """The cells of the answer with most votes, or the reject that says why there is none."""
    k = len(samples)
    raw = "\n\n".join(
        answer.raw if isinstance(answer, Reject) else sample.text
        for sample, answer in zip(samples, answers, strict=True)
    )
    lost = [sample.error for sample in samples if sample.finish == "error"]
    if lost:
        return Reject(raw, f"a sample never came: {lost[0]}")
    unread = [answer.reason for answer in answers if isinstance(answer, Reject)]
    voters: dict[Any, list[int]] = {}
    for i, answer in enumerate(answers):
        if not isinstance(answer, Reject):
            voters.setdefault(_folded(answer), []).append(i)
    if not voters:
        return Reject(raw, f"none of {k} samples can be read: {unread[0]}", {"unread": k})
    ranked = sorted(voters.values(), key=len, reverse=True)
    named = [answers[group[0]] for group in ranked]
    votes = {str(answer): len(group) for answer, group in zip(named, ranked, strict=True)}
    told = {"votes": json.dumps(votes, ensure_ascii=False), "unread": len(unread)}
    most = len(ranked[0])
    tied = [repr(answer) for answer, group in zip(named, ranked, strict=True) if len(group) == most]
    if len(tied) > 1:
        return Reject(raw, f"tie between {' and '.join(tied)}: {most} of {k} votes each", told)
    if most / k < threshold:
        return Reject(raw, f"{tied[0]} has a share of {most / k:.2f}, below {threshold}", told)
    reasoning = samples[ranked[0][0]].text.strip()
    return {"answer": named[0], "share": most / k, **told, "reasoning": reasoning}


def _folded(answer: Any) -> Any:
    """What two answers have in common that are one."""
    return " ".join(answer.casefold().split()).rstrip(".") if isinstance(answer, str) else answer
