"""ProGen: texts for labels, with the most helpful earlier texts shown (arXiv 2210.12329)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from synthkit.core.errors import UsageError, check_positive
from synthkit.core.hashing import digest
from synthkit.core.types import Request, Row, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.templates import Demonstration, Prompt
from synthkit.recipes import _arguments
from synthkit.recipes._ask import ask_each, portions
from synthkit.recipes._base import Bounds, Recipe, Samples, per_table, recipe
from synthkit.recipes._distinct_texts import DistinctTexts

Helpful = Annotated[
    Callable[[Sequence[str], Sequence[Any], Sequence[str], Sequence[Any]], Any], "HELPFULNESS"
]
"""(texts, labels, validation texts, validation labels) -> how much each text helps, higher is
better, such as ``synthkit.curate.label_noise.influence.helpfulness(embed)``; in a ``%%synth`` line
the name of an embedder."""


@recipe
def progen(
    prompt: str,
    *,
    labels: _arguments.Labels,
    n: int,
    helpful: Helpful,
    rounds: int = 3,
    k: int = 8,
    validation: float = 0.1,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Texts for labels, in rounds that show the earlier texts most helpful to a classifier.

    This is ProGen (arXiv 2210.12329). After each round a share of all texts so far becomes a
    synthetic validation set, and each other text is scored by how much it helps there: by its
    influence phi on the noise-tolerant loss of a small classifier. A text of the next round is
    requested with the ``k`` best texts of its label as demonstrations, the best last. The paper
    draws ``k`` from a larger pool of helpful texts, sometimes shows none, and prompts a base model.

    The column ``influence`` is a text's score after its own round. It is missing for texts of the
    validation set, and if a label has fewer than two texts. A text with the same words as an
    earlier one is rejected.

    Parameters
    ----------
    prompt : asks for a text; it uses ``{{ label }}`` or ``{{ description }}``.
    labels : two or more; or label -> its description, the field ``{{ description }}``.
    n : how many texts, with the labels in turn; each round requests an equal part of them.
    helpful : scores the texts by a validation set; it must be deterministic.
    k : most demonstrations for a text.
    validation : the share of each label's texts in the validation set, above 0 and below 1, drawn
        again after each round; at least one text.

    Raises
    ------
    UsageError
        If there are fewer than two distinct labels, or an option is out of range; during the run,
        if ``helpful`` gives no finite score for each text.
    PromptError
        If the prompt uses no label.

    Examples
    --------
    >>> recipe = progen("Write a {{ label }} review.", labels=["good", "bad"], n=30, helpful=print)
    >>> str(recipe.requests), recipe.columns
    ('30', ('label', 'text', 'round', 'influence'))
    """
    check_positive(rounds=rounds, k=k)
    if not 0 < validation < 1:
        raise UsageError(f"validation must be above 0 and below 1; got {validation}.")
    names = _arguments.distinct_names("labels", labels, least=2)
    fields = tables.records(_arguments.labelled_rows(labels, n))
    template = _arguments.checked_template(prompt, fields, uses=("label", "description"))

    def steps() -> Steps[None]:
        pool, sample = DistinctTexts(1), Samples()
        accepted: list[Row] = []
        demos: Mapping[str, Sequence[Demonstration]] = {}
        for number, part in enumerate(portions(n, rounds), 1):
            requests = [
                sample(Request(template.render(row, demos.get(row["label"], ())), sampling))
                for row in fields[part]
            ]
            written = yield from ask_each(requests, parsing.text())
            outcomes = [
                pool.outcome(parsed, of=of, cells={**row, "round": number})
                for row, (of, parsed) in zip(fields[part], written, strict=True)
            ]
            before = len(accepted)
            accepted += [outcome for outcome in outcomes if isinstance(outcome, Row)]
            scores = _scores(accepted, names, helpful, validation, sampling.seed)
            influence = iter(scores[before:])
            yield [
                replace(outcome, cells={**outcome.cells, "influence": next(influence)})
                if isinstance(outcome, Row)
                else outcome
                for outcome in outcomes
            ]
            demos = _best(accepted, scores, k, template)

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
    """How much each row helps; ``None`` for rows of the validation set, and if there is none."""
    by_label: defaultdict[str, list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        by_label[row.cells["label"]].append(at)
    if any(len(by_label[label]) < 2 for label in labels):
        return [None] * len(rows)
    validation: set[int] = set()
    for positions in by_label.values():
        drawn = sorted(positions, key=lambda at: digest([seed, rows[at].cells["text"]]))
        validation |= set(drawn[: min(max(1, round(share * len(drawn))), len(drawn) - 1)])
    training = [at for at in range(len(rows)) if at not in validation]
    texts, row_labels = ([row.cells[name] for row in rows] for name in ("text", "label"))
    split = [
        [cells[at] for at in part]
        for part in (training, sorted(validation))
        for cells in (texts, row_labels)
    ]
    influence = [float(score) for score in helpful(*split)]
    if len(influence) != len(training) or not all(map(math.isfinite, influence)):
        raise UsageError(
            f"helpful must give a finite score for each of {len(training)} texts; got {influence}."
        )
    scores: list[float | None] = [None] * len(rows)
    for at, score in zip(training, influence, strict=True):
        scores[at] = score
    return scores


def _best(
    rows: Sequence[Row], scores: Sequence[float | None], k: int, template: Prompt
) -> dict[str, list[Demonstration]]:
    """Label -> its ``k`` rows with the highest scores as demonstrations, the highest last."""
    scored = [
        (score, row.cells) for row, score in zip(rows, scores, strict=True) if score is not None
    ]
    best: dict[str, list[Demonstration]] = {}
    for _, cells in sorted(scored, key=lambda pair: -pair[0]):
        demos = best.setdefault(cells["label"], [])
        if len(demos) < k:
            demos.insert(0, (template.ask(cells), cells["text"]))
    return best
