"""Learn a filter from marks, with an estimate of its precision and recall."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from synthkit.core.errors import UsageError
from synthkit.curate.marks import active_learning, learned_filter
from synthkit.curate.marks.calibrated_regression import calibrated
from synthkit.curate.marks.features import Scale, checked_features, represent
from synthkit.curate.marks.orders import shuffled
from synthkit.curate.marks.precision_recall import (
    LearningReport,
    base_rate,
    expected,
    further,
    measured,
)
from synthkit.stats.classifier import Embed, Floats

LEAST = 20
"""The number of marks that a learned filter needs to be used."""
OF_EACH = 2
"""The number of accepted, and of rejected, rows that are needed to learn."""


def learn(
    texts: Sequence[str],
    verdicts: Mapping[int, bool],
    *,
    embed: Embed,
    columns: Mapping[str, Sequence[str]] | None = None,
    vectors: Floats | None = None,
    threshold: float | None = None,
    precision: float | None = None,
    skipped: Collection[int] = (),
    order: Sequence[int] | None = None,
    seed: int = 0,
) -> learned_filter.LearnedFilter:
    """Learn from marks which texts a person accepts.

    The filter is a logistic regression on embeddings and six features of the texts' surface,
    calibrated by Platt scaling. With fewer than 20 marks, or fewer than two accepted or rejected
    rows, ``report.needs`` says which marks are missing; that is not an error.

    Precision and recall are estimates for the whole table. They use the marked rows that were drawn
    at random, each with its leave-one-out score (see :mod:`synthkit.curate.marks.active_learning`),
    for which the other rows of its class are weighted up, and a prior that counts for three rows
    (see :func:`synthkit.curate.marks.precision_recall.expected`).
    Rows that were marked in another order than proposed are learned from as well, but they count
    for the estimates only when all random rows before them are marked.

    Parameters
    ----------
    verdicts : position in ``texts`` -> whether the row was accepted.
    embed : texts -> (n, d) numbers, such as ``load_embedder("wordllama").embed``.
    columns : name -> (n,) cells of other columns that the filter reads, such as labels, where marks
        are about more than the text. See :func:`synthkit.curate.marks.features.represent`.
    vectors : the result of ``represent`` for the texts and columns, to compute it only once.
    threshold : P(accept) from which on a row is kept; 1/2 if ``precision`` is not given either.
    precision : choose the lowest threshold at which the kept rows have this mean P(accept), above 0
        and at most 1. So the marks that measure precision are not used to choose the threshold.
    skipped : positions of rows that cannot be judged; they are not proposed and not counted.
    order : all positions, in the random order in which rows were marked; if not given, an order
        that depends on the seed.
    seed : of random choices.

    Raises
    ------
    UsageError
        If a position is not in the table, a text is missing, or an option is out of range.
    MissingExtra
        If scikit-learn is not installed.

    Examples
    --------
    >>> def embed(texts):
    ...     return [[text.count("good") - text.count("bad")] for text in texts]
    >>> texts = ["good soup", "bad soup", "good tea", "bad tea", "so good", "too bad"]
    >>> filter = learn(texts, {0: True, 1: False, 2: True, 3: False}, embed=embed)
    >>> (filter.scores > 0.5).tolist()
    [True, False, True, False, True, False]
    >>> filter.report.needs
    'Mark 16 more rows: 20 are needed, and there are 4.'
    """
    columns = dict(columns or {})
    if vectors is None:
        rows = represent(texts, embed=embed, columns=columns)
    else:
        rows = checked_features(vectors, texts)
    verdicts = _checked_verdicts(verdicts, skipped, len(texts))
    random_order = _order(order, len(texts), skipped, seed)
    marked = list(verdicts)
    accepted = np.array([float(verdicts[at]) for at in marked])
    regression, scale = None, None
    scores = np.full(len(texts), learned_filter.accepted_share(verdicts))
    if min(accepted.sum(), len(marked) - accepted.sum()) >= OF_EACH:
        scale = Scale.of(rows)
        rows = scale.apply(rows)
        regression, left_out = calibrated(rows[marked], accepted)
        scores = regression.probabilities(rows)
        scores[marked] = left_out
    cut = _threshold(scores, threshold, precision)
    return learned_filter.LearnedFilter(
        scores=scores,
        report=_report(scores, verdicts, random_order, cut),
        verdicts=verdicts,
        marked=tuple(texts[at] for at in marked),
        beside={name: [cells[at] for at in marked] for name, cells in columns.items()},
        classifier=regression,
        scale=scale,
        fingerprint=learned_filter.fingerprint(embed),
        seed=seed,
        embed=embed,
        table=learned_filter.TrainingTable(texts, rows, random_order, columns),
    )


def _checked_verdicts(
    verdicts: Mapping[int, bool], skipped: Collection[int], n: int
) -> dict[int, bool]:
    """The verdicts of rows that are not skipped, in the order of the table."""
    for at in [*verdicts, *skipped]:
        learned_filter.check_position(at, n)
    for at, accepted in verdicts.items():
        if not isinstance(accepted, bool | np.bool_):
            raise UsageError(f"row {at}: expected True for accept or False; got {accepted!r}.")
    excluded = set(skipped)
    return {int(at): bool(verdicts[at]) for at in sorted(verdicts) if at not in excluded}


def _order(order: Sequence[int] | None, n: int, skipped: Collection[int], seed: int) -> list[int]:
    positions = shuffled(range(n), seed) if order is None else [int(at) for at in order]
    if sorted(positions) != list(range(n)):
        raise UsageError(f"order must have each position from 0 to {n - 1} once.")
    excluded = set(skipped)
    return [at for at in positions if at not in excluded]


def _threshold(scores: Floats, threshold: float | None, precision: float | None) -> float:
    if threshold is not None and precision is not None:
        raise UsageError("give threshold= or precision=, not both.")
    if precision is None:
        cut = 0.5 if threshold is None else threshold
        return learned_filter.checked_probability("threshold", cut)
    learned_filter.checked_probability("precision", precision)
    descending = np.sort(scores)[::-1]
    means = np.cumsum(descending) / np.arange(1, len(descending) + 1)
    last = np.append(descending[1:] < descending[:-1], True)  # equal scores are kept together
    enough = np.flatnonzero(last & (means >= precision))
    return float(descending[enough[-1] if len(enough) else 0])


def _report(
    scores: Floats, verdicts: Mapping[int, bool], order: Sequence[int], cut: float
) -> LearningReport:
    sample = active_learning.sample(order, verdicts)
    marks, accepted = len(verdicts), sum(verdicts.values())
    of_sample = [verdicts[at] for at in sample]
    base = base_rate(of_sample)
    rarer = min(accepted, marks - accepted)
    prior = None if base.value is None else expected(scores, cut, base=base.value, rarer=rarer)
    estimates = measured((scores[sample] >= cut).tolist(), of_sample, marks, prior)
    return LearningReport(
        rows=len(scores),
        marks=marks,
        accepted=accepted,
        sample=len(sample),
        threshold=cut,
        kept=float((scores >= cut).mean()),
        precision=estimates[0],
        recall=estimates[1],
        more=further(estimates, sample=len(sample), marks=marks),
        needs=_needs(marks, accepted),
        base=base,
    )


def _needs(marks: int, accepted: int) -> str:
    missing = [
        f"{OF_EACH} {what} rows are needed, and there {'is' if n == 1 else 'are'} {n or 'none'}"
        for what, n in (("accepted", accepted), ("rejected", marks - accepted))
        if n < OF_EACH
    ]
    if marks < LEAST:
        are = "is" if marks == 1 else "are"
        missing.insert(0, f"{LEAST} are needed, and there {are} {marks or 'none'}")
    if not missing:
        return ""
    n = max(LEAST - marks, 0)
    return (f"Mark {n} more rows: " if n else "Mark more rows: ") + "; ".join(missing) + "."
