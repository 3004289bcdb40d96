"""Cohen's and Fleiss' kappa: agreement of raters beyond chance.

Each coefficient comes twice: as a plain number, which is NaN if the coefficient is not defined, and
as a :class:`~synthkit.core.types.Score` with an interval, which then raises an error with the
reason.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.data.labels import meet
from synthkit.evaluate.inputs import EvalInputs
from synthkit.evaluate.registry import metric
from synthkit.evaluate.scores import Floats, Positions, coefficient
from synthkit.stats.classifier import check_labels, numbers_or_nan


def met_pairs(pairs: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The pairs with labels that meet, as by :func:`synthkit.data.labels.meet`."""
    rows = list(pairs)
    return list(zip(*meet(*zip(*rows, strict=True)), strict=True)) if rows else []


def confusion(pairs: Iterable[tuple[str, str]]) -> tuple[list[str], list[list[int]]]:
    """The sorted labels, and the counts of first labels (rows) by second labels (columns).

    >>> confusion([("yes", "yes"), ("yes", "no"), ("no", "no")])
    (['no', 'yes'], [[1, 0], [1, 1]])
    """
    counts = Counter(met_pairs(pairs))
    labels = sorted({label for pair in counts for label in pair}, key=str)
    return labels, [[counts[first, second] for second in labels] for first in labels]


def cohen_kappa(table: Sequence[Sequence[int]]) -> float:
    """Cohen's kappa of a square table of counts: agreement beyond chance, -1..1, higher is more.

    1 is full agreement, 0 the agreement that two raters with these shares of labels reach by
    chance. It is NaN without any pair, and if both raters gave the same label to every row, since
    chance would then agree as often.

    Parameters
    ----------
    table : ``table[i][j]`` rows got label ``i`` first and ``j`` second.

    Raises
    ------
    UsageError
        If the table is not square, or has a negative count.

    References
    ----------
    J. Cohen (1960), A coefficient of agreement for nominal scales, Educational and Psychological
    Measurement 20, 37-46, equation 1.

    Examples
    --------
    >>> round(cohen_kappa([[20, 5], [10, 15]]), 12)
    0.4
    """
    if any(len(row) != len(table) or min(row) < 0 for row in table):
        raise UsageError(f"expected a square table of counts from 0 up; got {list(table)!r}.")
    n = sum(map(sum, table))
    if not n:
        return math.nan
    firsts = [sum(row) for row in table]
    seconds = [sum(column) for column in zip(*table, strict=True)]
    agreed = sum(table[i][i] for i in range(len(table)))
    chance: int = sum(first * second for first, second in zip(firsts, seconds, strict=True))
    if chance == n * n:
        return math.nan
    return (agreed * n - chance) / (n * n - chance)


def cohen(
    pairs: Iterable[tuple[str, str]], *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Score:
    """Cohen's kappa of pairs of labels, with a bootstrap interval over the rows.

    Parameters
    ----------
    pairs : the first and the second label of each row that has both.

    Raises
    ------
    UsageError
        If kappa is not defined: no pair, or a single label.

    Examples
    --------
    >>> judged = [("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15
    >>> print(cohen(judged))
    0.4 [0.153, 0.638]
    """
    rows = met_pairs(pairs)
    labels = _labels(rows)
    places = {label: place for place, label in enumerate(labels)}
    cells = np.array([places[a] * len(labels) + places[b] for a, b in rows], np.int64)
    if not rows:
        raise UsageError("Cohen's kappa needs at least one row with two labels; got none.")
    if len(labels) == 1:
        raise UsageError(
            f"Cohen's kappa is not defined if every label is {labels[0]!r}: chance would agree "
            "as often. Report the share of equal labels."
        )

    def statistic(sample: Positions) -> float:
        counts = np.bincount(cells[sample], minlength=len(labels) ** 2)
        return cohen_kappa(counts.reshape(len(labels), -1).tolist())

    return coefficient(
        "Cohen's kappa", statistic, cells[:, None], resamples=resamples, level=level, seed=seed
    )


def fleiss(table: ArrayLike, *, resamples: int = 1000, level: float = 0.95, seed: int = 0) -> Score:
    """Fleiss' kappa of several raters: agreement beyond chance, at most 1, higher is more.

    The raters of one row need not be those of the next. The interval is a bootstrap over the rows.

    Parameters
    ----------
    table : (n, labels) counts; ``table[i, j]`` raters gave row ``i`` label ``j``. Each row has the
        same number of raters, two or more; for others see :func:`~.krippendorff.krippendorff`.

    Raises
    ------
    UsageError
        If the counts are negative or not whole, the rows have different numbers of raters, or kappa
        is not defined: no row, or a single label.

    References
    ----------
    J. L. Fleiss (1971), Measuring nominal scale agreement among many raters, Psychological
    Bulletin 76, 378-382, equation 7.

    Examples
    --------
    >>> score = fleiss([[3, 0], [1, 2], [0, 3], [3, 0]] * 10)
    >>> f"{score.value:.3f} of {score.n} rows"
    '0.657 of 40 rows'
    """
    counts = _rater_counts(table)
    if not len(counts):
        raise UsageError("Fleiss' kappa needs at least one row with labels; got none.")
    if np.count_nonzero(counts.sum(axis=0)) == 1:
        raise UsageError(
            "Fleiss' kappa is not defined if all labels are equal: chance would agree as "
            "often. Report the share of equal labels."
        )
    return coefficient(
        "Fleiss' kappa", lambda rows: _fleiss(counts[rows]), counts, resamples=resamples,
        level=level, seed=seed,
    )  # fmt: skip


def _labels(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """The distinct labels of all pairs; an error if one is missing."""
    for side in zip(*pairs, strict=True):
        check_labels(side)
    return list(dict.fromkeys(label for pair in pairs for label in pair))


def _rater_counts(table: ArrayLike) -> Floats:
    """The counts of Fleiss' table as an array; an error if they are not such counts."""
    counts = numbers_or_nan(table)
    if counts.ndim == 1 and not len(counts):
        return np.zeros((0, 0))
    whole = np.isfinite(counts).all() and np.all((counts >= 0) & (counts % 1 == 0))
    if counts.ndim != 2 or not whole:
        raise UsageError(
            "expected for each row how many raters gave it each label, whole numbers from 0 up."
        )
    raters = counts.sum(axis=1)
    if len(raters) and (raters.min() < 2 or raters.min() < raters.max()):
        raise UsageError(
            "Fleiss' kappa needs equally many labels for each row, two or more; got from "
            f"{raters.min():.0f} to {raters.max():.0f}. Use krippendorff for others."
        )
    return counts


def _fleiss(counts: Floats) -> float:
    raters = counts[0].sum()
    agreed = ((counts**2).sum() / len(counts) - raters) / (raters * (raters - 1))
    totals = counts.sum(axis=0)
    if np.count_nonzero(totals) == 1:
        return math.nan
    chance = ((totals / totals.sum()) ** 2).sum()
    return float((agreed - chance) / (1 - chance))


@metric("agreement", kind="people", of="inputs", needs=("rater_pairs",))
def _agreements(inputs: EvalInputs) -> Iterator[Score]:
    """Cohen's kappa of each two raters, except those who gave a single label.

    References
    ----------
    J. Cohen (1960), A coefficient of agreement for nominal scales, Educational and Psychological
    Measurement 20, 37-46.
    """
    pairs = {who: list(both) for who, both in inputs.rater_pairs.items()}
    varied = [who for who in pairs if len({label for pair in pairs[who] for label in pair}) > 1]
    if not varied:
        raise UsageError("kappa is not defined if all labels are equal.")
    for who in varied:
        score = cohen(pairs[who], level=inputs.level, seed=inputs.seed)
        yield replace(score, name=f"{score.name}, {who}")
