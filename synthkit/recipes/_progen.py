"""Texts for labels, with those that help a student most as the next round's demonstrations.

ProGen: Progressive Zero-shot Dataset Generation via In-context Feedback (arXiv 2210.12329).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Request, Row, Sampling, Steps, digest
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.templates import Demonstration, Prompt
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Recipe, gather, per_table, recipe
from synthkit.recipes._rounds import Distinct, Samples, portions, traced
from synthkit.recipes._zerogen import balanced, distinct, positive, tried

Helpful = Annotated[
    Callable[[Sequence[str], Sequence[Any], Sequence[str], Sequence[Any]], Any], "HELPFULNESS"
]
"""(texts, labels, validation texts, validation labels) -> how much each of the texts helps, more
being better, such as ``synthkit.curate.label_noise.influence.helpfulness(embed)``; on a ``%%synth`` line an
embedder's name."""


@recipe
def progen(
    prompt: str,
    *,
    labels: Sequence[str] | Mapping[str, str],
    n: int,
    helpful: Helpful,
    rounds: int = 3,
    k: int = 8,
    validation: float = 0.1,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Texts for labels, in rounds shown the earlier texts that helped a student most.

    This is ProGen (arXiv 2210.12329). After each round a share of all texts so far stands as a
    synthetic validation set, and each other text is scored by how much it helps on it: by its
    influence phi on the noise-tolerant loss of a student. Before a text of the next round its
    label's ``k`` best are shown, the best last. The paper draws ``k`` from a larger pool of helpful
    ones, and at times shows none; it prompts a base model.

    The column ``influence`` is a text's score after its own round; it is missing where the text
    stood as validation, and where a label had less than two texts. A text of the same words as an
    earlier one is rejected.

    Parameters
    ----------
    prompt : asks for a text; it uses ``{{ label }}`` or ``{{ description }}``.
    labels : two or more; or label -> what it means, which is ``{{ description }}``.
    n : texts in all, with the labels in turn; each round asks for an equal part of them.
    helpful : scores the texts by a validation set; its result must follow from these alone.
    k : how many demonstrations a text is written after, at most.
    validation : share of each label's texts, above 0 and below 1, drawn anew after each round; at
        least one.

    Raises
    ------
    UsageError
        If there are less than two labels, they are not distinct, or an option is out of range; if
        the prompt uses no label; while it runs, if ``helpful`` gives no finite score for each text.

    Examples
    --------
    >>> recipe = progen("Write a {{ label }} review.", labels=["good", "bad"], n=30, helpful=print)
    >>> str(recipe.requests), recipe.columns
    ('30', ('label', 'text', 'round', 'influence'))
    """
    positive("rounds", rounds)
    positive("k", k)
    if not 0 < validation < 1:
        raise UsageError(f"validation must be above 0 and below 1; got {validation}.")
    names = distinct("labels", labels)
    if len(names) < 2:
        raise UsageError(f"progen needs two labels or more, to tell apart; got {names}.")
    fields = tables.records(balanced(labels, n))
    template = tried(prompt, fields, uses=("label", "description"))

    def steps() -> Steps[None]:
        unlike, sample = Distinct(1), Samples()
        known: list[Row] = []
        demos: Mapping[str, Sequence[Demonstration]] = {}
        for number, part in enumerate(portions(n, rounds), 1):
            requests = [
                sample(Request(template.render(row, demos.get(row["label"], ())), sampling))
                for row in fields[part]
            ]
            written = yield from gather(traced(ask(one, parsing.text())) for one in requests)
            made = [
                unlike.outcome(found, of=of, cells={**row, "round": number})
                for row, (of, found) in zip(fields[part], written, strict=True)
            ]
            before = len(known)
            known += [one for one in made if isinstance(one, Row)]
            scores = _scores(known, names, helpful, validation, sampling.seed)
            influence = iter(scores[before:])
            yield [
                replace(one, cells={**one.cells, "influence": next(influence)})
                if isinstance(one, Row)
                else one
                for one in made
            ]
            demos = _best(known, scores, k, template)

    return per_table(
        steps,
        name="progen",
        columns=(*fields[0], "text", "round", "influence"),
        requests=Bounds(n, n),
        rows=Bounds(0, n),
        prompt=prompt,
    )


def _scores(
    rows: Sequence[Row],
    labels: Sequence[str],
    helpful: Callable[..., Any],
    share: float,
    seed: int | None,
) -> list[float | None]:
    """How much each row helps; ``None`` for those of the validation set, or where there is none."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        places[row.cells["label"]].append(at)
    if any(len(places[label]) < 2 for label in labels):
        return [None] * len(rows)
    held: set[int] = set()
    for found in places.values():
        drawn = sorted(found, key=lambda at: digest([seed, rows[at].cells["text"]]))
        held |= set(drawn[: min(max(1, round(share * len(drawn))), len(drawn) - 1)])
    learned = [at for at in range(len(rows)) if at not in held]
    texts, named = ([row.cells[name] for row in rows] for name in ("text", "label"))
    split = [
        [cells[at] for at in part] for part in (learned, sorted(held)) for cells in (texts, named)
    ]
    given = [float(score) for score in helpful(*split)]
    if len(given) != len(learned) or not all(map(math.isfinite, given)):
        raise UsageError(
            f"helpful must give a finite score for each of {len(learned)} texts; got {given}."
        )
    scores: list[float | None] = [None] * len(rows)
    for at, score in zip(learned, given, strict=True):
        scores[at] = score
    return scores


def _best(
    rows: Sequence[Row], scores: Sequence[float | None], k: int, template: Prompt
) -> dict[str, list[Demonstration]]:
    """Each label's ``k`` rows of the highest scores as demonstrations, the highest last."""
    scored = [
        (score, row.cells) for row, score in zip(rows, scores, strict=True) if score is not None
    ]
    found: dict[str, list[Demonstration]] = {}
    for _, cells in sorted(scored, key=lambda pair: -pair[0]):
        shown = found.setdefault(cells["label"], [])
        if len(shown) < k:
            shown.insert(0, (template.ask(cells), cells["text"]))
    return found
