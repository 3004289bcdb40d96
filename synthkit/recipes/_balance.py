"""Balanced datasets: the same number of rows for each label and attribute, or given shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.errors import PromptError, UsageError, check_positive
from synthkit.core.types import Reject, Request, Row, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.conditions import conditions
from synthkit.prompts.quotas import Condition, quotas
from synthkit.recipes._arguments import Labels, checked_template, label_fields
from synthkit.recipes._ask import ask, ask_label, batches, traced
from synthkit.recipes._base import Bounds, Recipe, Samples, gather, per_table, recipe
from synthkit.recipes._distinct_texts import DistinctTexts

JUDGE = """\
Which label fits the text: {labels}? Answer with the label alone.

Text:
{text}"""


@recipe
def balance(
    prompt: str,
    *,
    n: int,
    labels: Labels | None = None,
    vary: Mapping[str, Any] | None = None,
    targets: Mapping[str, Any] | None = None,
    likeness: float = 0.7,
    judge: bool = False,
    rounds: int = 10,
    stall: int = 2,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Exactly n distinct texts, with a given number for each label and attribute.

    Each combination of a label and the values of ``vary`` is a condition with a quota
    (:func:`~synthkit.prompts.quotas.quotas`). Each round requests the missing texts, those of the
    largest gap first. A text that cannot be parsed, is too similar to an accepted one, or does not
    fit its label is a reject and is requested again in the next round. No condition gets more rows
    than its quota. If quotas are not met at the end, one last reject for each such condition gives
    the numbers.

    A text whose ROUGE-L with an accepted one is above 0.7 is rejected as in Self-Instruct (arXiv
    2212.10560); the quotas are synthkit's own.

    Parameters
    ----------
    prompt : asks for a text; it must use every field that is varied, and with labels also
        ``{{ label }}`` or ``{{ description }}``. Later rounds send the same prompt again, so greedy
        decoding stalls.
    n : how many rows.
    labels : the labels; or label -> its description, the field ``{{ description }}``.
    vary : further fields -> their values, which may depend on the label (see
        :func:`~synthkit.prompts.conditions.conditions`).
    targets : field -> value -> its share, as any numbers of 0 or more; fields that are not listed
        are uniform.
    likeness : a text whose ROUGE-L F1 with an accepted one is above this is rejected; at 1, only
        one with the same words.
    judge : whether a model, the role ``judge``, must assign each text its intended label.
    rounds, stall : it stops after ``rounds`` rounds, or after ``stall`` rounds without a new row.

    Raises
    ------
    UsageError
        If there is nothing to balance, the targets do not fit the fields and values, or an option
        is out of range.
    PromptError
        If the prompt does not use all fields.

    Examples
    --------
    >>> recipe = balance("Write a {{ label }} review.", labels=["good", "bad"], n=10, rounds=3)
    >>> print(recipe.requests)
    10 to 30
    """
    check_positive(n=n, rounds=rounds, stall=stall)
    cells = _conditions(labels, vary)
    due = quotas(cells, n, targets)
    template = checked_template(prompt, cells)
    _check_uses_all(template.fields, cells[0])
    if judge and labels is None:
        raise UsageError("judge checks the labels of texts, and there are none; give labels.")
    names = list(dict.fromkeys(condition["label"] for condition in cells)) if judge else []
    if judge:
        parsing.label(names)  # fails for a single label
    DistinctTexts(likeness)  # fails if likeness is out of range

    def steps() -> Steps[None]:
        pool, sample = DistinctTexts(likeness), Samples()
        counts = [0] * len(cells)
        number = idle = 0
        while counts != due and number < rounds and idle < stall:
            number += 1
            before = sum(counts)
            gaps = [quota - count for quota, count in zip(due, counts, strict=True)]
            for batch in batches(_largest_gap_first(gaps)):
                requests = [sample(Request(template.render(cells[at]), sampling)) for at in batch]
                written = yield from gather(
                    traced(_written(request, cells[at], names))
                    for at, request in zip(batch, requests, strict=True)
                )
                outcomes = []
                for at, (of, parsed) in zip(batch, written, strict=True):
                    outcomes.append(pool.outcome(parsed, of=of, cells=cells[at]))
                    counts[at] += isinstance(outcomes[-1], Row)
                yield outcomes
            idle = idle + 1 if sum(counts) == before else 0
        yield [
            Reject("", f"stopped: {count} of {quota} rows after {number} rounds", condition)
            for condition, count, quota in zip(cells, counts, due, strict=True)
            if count < quota
        ]

    return per_table(
        steps,
        name="balance",
        columns=(*cells[0], "text"),
        requests=Bounds(n, n * rounds * (1 + judge)),
        rows=Bounds(0, n),
        roles=["judge"] if judge else [],
        prompt=prompt,
    )


def _written(
    request: Request, condition: Condition, labels: Sequence[str]
) -> Steps[parsing.Cells | Reject]:
    """The text of a request; a reject if the role ``judge`` does not assign it its label.

    ``labels`` are those that the judge chooses from; if there are none, it is not asked.
    """
    written = yield from ask(request, parsing.text())
    if isinstance(written, Reject) or not labels:
        return written
    text = written["text"]
    content = JUDGE.format(labels=", ".join(labels), text=text)
    decoder = parsing.label(labels)
    verdict = yield from ask_label(content, decoder, request.sampling, to="judge")
    if isinstance(verdict, Reject):
        return Reject(text, f"the judge gives no label: {verdict.reason}")
    if verdict["label"] != condition["label"]:
        return Reject(text, f"the judge says {verdict['label']!r}")
    return written


def _conditions(labels: Labels | None, vary: Mapping[str, Any] | None) -> list[Condition]:
    """Each combination of a label and the values of the other fields, once."""
    fields = label_fields(labels)
    for name in vary or {}:
        if name in (*fields, "text"):
            raise UsageError(f"vary: the field {name!r} is made by the recipe; rename it.")
    fields |= vary or {}
    if not fields:
        raise UsageError("there is nothing to balance; give labels, or fields to vary.")
    combinations = tables.records(conditions(None, 1, fields))
    return list({tuple(map(str, each.values())): each for each in combinations}.values())


def _check_uses_all(used: Sequence[str], condition: Condition) -> None:
    """Raise if the prompt leaves out a field of the conditions."""
    for name in condition:
        instead = {"label": "description", "description": "label"}.get(name, name)
        if name not in used and instead not in used:
            raise PromptError(
                f"the prompt must use {{{{ {name} }}}}, which is balanced; it uses "
                f"{', '.join(map(repr, used)) or 'no field'}."
            )


def _largest_gap_first(gaps: Sequence[int]) -> list[int]:
    """Positions, each as often as its gap is large; the largest remaining gap comes first.

    >>> _largest_gap_first([1, 3, 2])
    [1, 1, 2, 0, 1, 2]
    """
    order = [(nth - gap, at) for at, gap in enumerate(gaps) for nth in range(gap)]
    return [at for _, at in sorted(order)]
