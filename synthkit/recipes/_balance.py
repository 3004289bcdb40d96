"""As many rows of each label and attribute as were asked for: the gaps are what is asked next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from synthkit.core.errors import PromptError, UsageError
from synthkit.core.types import Reject, Request, Row, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.conditions import conditions
from synthkit.prompts.quotas import quotas
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Recipe, gather, per_table, recipe, user
from synthkit.recipes._rounds import Distinct, Samples, batches, traced
from synthkit.recipes._zerogen import by, positive, tried

JUDGE = """\
Which label fits the text: {labels}? Answer with the label alone.

Text:
{text}"""

Condition = Mapping[str, Any]


@recipe
def balance(
    prompt: str,
    *,
    n: int,
    labels: Sequence[str] | Mapping[str, str] | None = None,
    vary: Mapping[str, Any] | None = None,
    targets: Mapping[str, Any] | None = None,
    likeness: float = 0.7,
    judge: bool = False,
    rounds: int = 10,
    stall: int = 2,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Exactly n texts that are unlike each other, with the balance asked for.

    Each label, with each combination of ``vary``, is a condition with a quota
    (:func:`~synthkit.prompts.quotas.quotas`). A round asks for as many texts as are lacking, those of the
    widest gap first; what cannot be read, is too like a text that was accepted, or not of its label
    is a reject, and leaves the gap open.
    No condition ever has more rows than its quota. Where it stops short, a last reject for each
    condition says by how much.

    A text whose ROUGE-L with one of the pool is above 0.7 is refused as in Self-Instruct (arXiv
    2212.10560); the quotas are synthkit's own.

    Parameters
    ----------
    prompt : asks for a text; it must use every field that is varied, ``{{ label }}`` too if there
        are labels (or ``{{ description }}``). The same prompt is asked again in later rounds, so
        greedy decoding stalls.
    n : how many rows.
    labels : the labels; or label -> what it means, which is ``{{ description }}``.
    vary : further fields -> their values, which may depend on the label (see
        :func:`~synthkit.prompts.conditions.conditions`).
    targets : field -> value -> its share, as any numbers of 0 or more; fields that are not named
        are uniform.
    likeness : a text whose ROUGE-L F1 with an accepted one is above this is rejected; at 1 only one
        of the same words is.
    judge : whether a model says the label of each text, which must be the one asked for. It is the
        role ``judge``.
    rounds, stall : it stops after so many rounds in all, or in a row without a new row.

    Raises
    ------
    UsageError
        If there is nothing to balance; if the targets do not fit the fields and values, or an
        option is out of range; if the prompt does not use the fields.

    Examples
    --------
    >>> recipe = balance("Write a {{ label }} review.", labels=["good", "bad"], n=10, rounds=3)
    >>> print(recipe.requests)
    10 to 30
    """
    for name, least in (("n", n), ("rounds", rounds), ("stall", stall)):
        positive(name, least)
    asked = _conditions(labels, vary)
    due = quotas(asked, n, targets)
    template = tried(prompt, asked)
    _uses_all(template.fields, asked[0])
    if judge and labels is None:
        raise UsageError("judge checks the labels of texts, and there are none; give labels.")
    names = list(dict.fromkeys(one["label"] for one in asked)) if judge else []
    if judge:
        parsing.label(names)  # refuses one label alone
    Distinct(likeness)  # refuses what is no likeness

    def write(request: Request, condition: Condition) -> Steps[parsing.Cells | Reject]:
        found = yield from ask(request, parsing.text())
        if isinstance(found, Reject) or not judge:
            return found
        reason = yield from _judged(found["text"], condition["label"], names, sampling)
        return Reject(found["text"], reason) if reason else found

    def steps() -> Steps[None]:
        distinct, sample = Distinct(likeness), Samples()
        made = [0] * len(asked)
        number = idle = 0
        while made != due and number < rounds and idle < stall:
            number += 1
            before = sum(made)
            gaps = [left - have for left, have in zip(due, made, strict=True)]
            for order in batches(_widest_first(gaps)):
                requests = [sample(Request(template.render(asked[at]), sampling)) for at in order]
                written = yield from gather(
                    traced(write(request, asked[at]))
                    for at, request in zip(order, requests, strict=True)
                )
                outcomes = []
                for at, (of, found) in zip(order, written, strict=True):
                    outcomes.append(distinct.outcome(found, of=of, cells=asked[at]))
                    made[at] += isinstance(outcomes[-1], Row)
                yield outcomes
            idle = idle + 1 if sum(made) == before else 0
        yield [
            Reject("", f"stopped: {have} of {most} rows after {number} rounds", one)
            for one, have, most in zip(asked, made, due, strict=True)
            if have < most
        ]

    return per_table(
        steps,
        name="balance",
        columns=(*asked[0], "text"),
        requests=Bounds(n, n * rounds * (1 + judge)),
        rows=Bounds(0, n),
        roles=["judge"] if judge else [],
        prompt=prompt,
    )


def _judged(text: str, label: str, labels: Sequence[str], sampling: Sampling) -> Steps[str]:
    """Why a text is not of its label, as the role ``judge`` says; empty if it is."""
    decoder = parsing.label(labels)
    content = JUDGE.format(labels=", ".join(labels), text=text)
    greedy = replace(sampling, temperature=0)
    asked = user(content, greedy, schema=decoder.schema, to="judge")
    verdict = yield from ask(asked, decoder, repairs=1)
    if isinstance(verdict, Reject):
        return f"the judge gives no label: {verdict.reason}"
    return "" if verdict["label"] == label else f"the judge says {verdict['label']!r}"


def _conditions(
    labels: Sequence[str] | Mapping[str, str] | None, vary: Mapping[str, Any] | None
) -> list[Condition]:
    """Each combination of a label and the other fields' values, once."""
    fields = {} if labels is None else by(labels)
    for name in vary or {}:
        if name in (*fields, "text"):
            raise UsageError(f"vary: the field {name!r} is made by the recipe; rename it.")
    fields |= vary or {}
    if not fields:
        raise UsageError("there is nothing to balance; give labels, or fields to vary.")
    found = tables.records(conditions(None, 1, fields))
    return list({tuple(map(str, one.values())): one for one in found}.values())


def _uses_all(used: Sequence[str], condition: Condition) -> None:
    for name in condition:
        instead = {"label": "description", "description": "label"}.get(name, name)
        if name not in used and instead not in used:
            raise PromptError(
                f"the prompt must use {{{{ {name} }}}}, or its balance means nothing; it uses "
                f"{', '.join(map(repr, used)) or 'no field'}."
            )


def _widest_first(gaps: Sequence[int]) -> list[int]:
    """The positions to ask for, each as often as its gap is wide: always that of the widest gap.

    >>> _widest_first([1, 3, 2])
    [1, 1, 2, 0, 1, 2]
    """
    order = [(nth - gap, at) for at, gap in enumerate(gaps) for nth in range(gap)]
    return [at for _, at in sorted(order)]
