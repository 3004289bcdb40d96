"""Learning a filter from marks, and saying what it is worth."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from synthkit.core.errors import UsageError
from synthkit.curate.marks import active_learning
from synthkit.curate.marks.classifier import calibrated
from synthkit.curate.marks.features import Scale, checked, represent
from synthkit.curate.marks.learned_filter import (
    LearnedFilter,
    Table,
    fingerprint,
    probability,
    share,
    within,
)
from synthkit.curate.marks.precision_recall import Report, further, measured
from synthkit.stats.classifier import Embed, Floats

LEAST = 20
"""Marks from which a learned filter can be used."""
OF_EACH = 2
"""Marks of each verdict without which nothing is learned."""


def learn(
    texts: Sequence[str],
    verdicts: Mapping[int, bool],
    *,
    embed: Embed,
    vectors: Floats | None = None,
    threshold: float | None = None,
    precision: float | None = None,
    skipped: Collection[int] = (),
    order: Sequence[int] | None = None,
    seed: int = 0,
) -> LearnedFilter:
    """A filter that has learned from marks which texts a person accepts.

    It is logistic regression on embeddings and six numbers of the texts' surface, scaled by Platt
    so that its scores are probabilities. With fewer than 20 marks, or fewer than two of a verdict,
    it says what it needs in ``report.needs``; that is no error.

    Precision and recall are those of the whole table, as if none of its rows were marked, and are
    estimated by marked rows that were drawn at random, each scored as if it had not been marked
    (see :mod:`synthkit.curate.marks.active_learning`). Rows marked in another order than the proposed one teach
    as well, but do not count there until the ones drawn at random before them are marked.

    Parameters
    ----------
    verdicts : position in ``texts`` -> accepted?
    embed : texts -> (n, d) numbers, such as ``load_embedder("wordllama").embed``.
    vectors : what ``represent(texts, embed=embed)`` gave, to be kept from one mark to the next.
    threshold : P(accept) from which on a row is kept; 1/2 if neither it nor ``precision`` is given.
    precision : choose the least threshold at which the rows kept have this mean P(accept), above 0
        and at most 1. So the marks that measure precision do not choose it as well.
    skipped : positions of rows that cannot be judged: not proposed, and no part of the numbers.
    order : all positions, in a random order in which rows were marked; the seed's if not given.
    seed : of what is drawn at random.

    Raises
    ------
    UsageError
        If a position is not in the table, a text is missing or an option makes no sense.
    MissingExtra
        If scikit-learn is not installed.

    Examples
    --------
    >>> def embed(texts):
    ...     return [[text.count("good") - text.count("bad")] for text in texts]
    >>> texts = ["good soup", "bad soup", "good tea", "bad tea", "so good", "too bad"]
    >>> found = learn(texts, {0: True, 1: False, 2: True, 3: False}, embed=embed)
    >>> (found.scores > 0.5).tolist()
    [True, False, True, False, True, False]
    >>> found.report.needs
    'Mark 16 more rows: 20 are needed, and there are 4.'
    """
    rows = represent(texts, embed=embed) if vectors is None else checked(vectors, texts)
    said = _verdicts(verdicts, skipped, len(texts))
    drawn = _order(order, len(texts), skipped, seed)
    at = list(said)
    accepted = np.array([float(said[one]) for one in at])
    model, scale = None, None
    scores = np.full(len(texts), share(said))
    if min(accepted.sum(), len(at) - accepted.sum()) >= OF_EACH:
        scale = Scale.of(rows)
        rows = scale.apply(rows)
        model, own = calibrated(rows[at], accepted)
        scores = model.probabilities(rows)
        scores[at] = own
    cut = _threshold(scores, threshold, precision)
    return LearnedFilter(
        scores=scores,
        report=_report(scores, said, drawn, cut),
        verdicts=said,
        marked=tuple(texts[one] for one in at),
        classifier=model,
        scale=scale,
        fingerprint=fingerprint(embed),
        seed=seed,
        embed=embed,
        table=Table(texts, rows, drawn),
    )


def _verdicts(verdicts: Mapping[int, bool], skipped: Collection[int], n: int) -> dict[int, bool]:
    for at in [*verdicts, *skipped]:
        within(at, n)
    for at, accepted in verdicts.items():
        if not isinstance(accepted, bool | np.bool_):
            raise UsageError(f"row {at}: expected True for accept or False; got {accepted!r}.")
    passed = set(skipped)
    return {int(at): bool(verdicts[at]) for at in sorted(verdicts) if at not in passed}


def _order(order: Sequence[int] | None, n: int, skipped: Collection[int], seed: int) -> list[int]:
    given = active_learning.shuffled(n, seed) if order is None else [int(at) for at in order]
    if sorted(given) != list(range(n)):
        raise UsageError(f"order must hold each position from 0 to {n - 1} once.")
    passed = set(skipped)
    return [at for at in given if at not in passed]


def _threshold(scores: Floats, threshold: float | None, precision: float | None) -> float:
    if threshold is not None and precision is not None:
        raise UsageError("give threshold= or precision=, not both.")
    if precision is None:
        return 0.5 if threshold is None else probability("threshold", threshold)
    probability("precision", precision)
    falling = np.sort(scores)[::-1]
    means = np.cumsum(falling) / np.arange(1, len(falling) + 1)
    last = np.append(falling[1:] < falling[:-1], True)  # equal scores are kept together
    enough = np.flatnonzero(last & (means >= precision))
    return float(falling[enough[-1] if len(enough) else 0])


def _report(scores: Floats, said: Mapping[int, bool], order: Sequence[int], cut: float) -> Report:
    drawn = active_learning.sample(order, said)
    estimates = measured((scores[drawn] >= cut).tolist(), [said[at] for at in drawn])
    left = len(order) - len(said)
    return Report(
        rows=len(scores),
        marks=len(said),
        accepted=sum(said.values()),
        sample=len(drawn),
        threshold=cut,
        kept=float((scores >= cut).mean()),
        precision=estimates[0],
        recall=estimates[1],
        more=further(estimates, sample=len(drawn), marks=len(said), left=left),
        needs=_needs(len(said), sum(said.values())),
    )


def _needs(marks: int, accepted: int) -> str:
    missing = [
        f"{OF_EACH} {what} rows are needed, and there {'is' if n == 1 else 'are'} {n or 'none'}"
        for what, n in (("accepted", accepted), ("rejected", marks - accepted))
        if n < OF_EACH
    ]
    if marks < LEAST:
        one = "is" if marks == 1 else "are"
        missing.insert(0, f"{LEAST} are needed, and there {one} {marks or 'none'}")
    if not missing:
        return ""
    n = max(LEAST - marks, 0)
    return (f"Mark {n} more rows: " if n else "Mark more rows: ") + "; ".join(missing) + "."
