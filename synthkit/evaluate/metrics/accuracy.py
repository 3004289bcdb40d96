"""Accuracy and macro-F1 of predicted labels, and the difference of two sets of predictions.

A learner may be trained several times, on different samples of its rows. Each value is then the
mean over these draws, and its interval covers other test rows and other draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.data.labels import meet
from synthkit.evaluate.scores import Floats
from synthkit.stats.bootstrap import Difference, bootstrap, paired_bootstrap
from synthkit.stats.intervals import wilson
from synthkit.stats.jackknife import jackknife
from synthkit.stats.permutation import least_p

Positions: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Predicted labels of n rows by each of d draws, as codes 0..k-1.

    Parameters
    ----------
    targets : (n,) codes of the true labels.
    predicted : (d, n) codes of the predicted labels.
    k : number of labels on both sides together.
    """

    targets: Positions
    predicted: Positions
    k: int


def encoded(targets: Sequence[Hashable], *runs: Sequence[Sequence[Hashable]]) -> list[Predictions]:
    """Several sets of predictions for the same rows, with labels replaced by codes.

    Labels are compared as by :func:`synthkit.data.labels.meet`.

    Parameters
    ----------
    targets : (n,) true labels.
    runs : for each set the (d, n) labels predicted by each draw.

    Raises
    ------
    UsageError
        If there is no row, or a draw has another number of labels.

    Examples
    --------
    >>> (predictions,) = encoded(["a", "b"], [["b", "b"]])
    >>> predictions.targets.tolist(), predictions.predicted.tolist()
    ([0, 1], [[1, 1]])
    """
    if not targets:
        raise UsageError("expected one row or more to test on; got none.")
    for labels in chain.from_iterable(runs):
        if len(labels) != len(targets):
            raise UsageError(f"expected {len(targets)} predicted labels; got {len(labels)}.")
    codes: dict[Hashable, int] = {}
    target_codes, *coded = (
        np.array([codes.setdefault(label, len(codes)) for label in labels], np.intp)
        for labels in meet(targets, *chain.from_iterable(runs))
    )
    draws = iter(coded)
    predicted = [np.array([next(draws) for _ in run], np.intp) for run in runs]
    return [Predictions(target_codes, labels, len(codes)) for labels in predicted]


def accuracy(
    predictions: Predictions, *, name: str = "accuracy", how: str = "", level: float = 0.95
) -> Score:
    """The share of rows with the right label, 0..1, higher is better.

    ``parts`` are the shares of draws in which each row was right. The interval is Wilson's,
    combined with Student's over the draws. With several draws it is Wilson's for the effective
    sample size of surveys, n p (1 - p) / var, with the variance of the parts.

    Examples
    --------
    >>> print(accuracy(*encoded("abab", ["abaa"])))
    0.75 [0.301, 0.954]
    """
    right = predictions.predicted == predictions.targets
    parts = right.mean(axis=0)
    value, variance = float(parts.mean()), float(parts.var())
    effective = float(len(parts))
    if len(right) > 1 and variance > 0:
        effective *= value * (1 - value) / variance
    ends = wilson(value * effective, effective, level)
    low, high = _with_draws(value, ends, right.mean(axis=1), level)
    return Score(
        name=name, value=value, low=max(0.0, low), high=min(1.0, high), n=len(parts), unit="0..1",
        better="higher", how=how, level=level, parts=tuple(parts.tolist()),
    )  # fmt: skip


def macro_f1(
    predictions: Predictions, *, name: str = "macro-F1", how: str = "", level: float = 0.95
) -> Score:
    """The mean over labels of 2 TP / (2 TP + FP + FN), 0..1, higher is better.

    The mean is over all labels that are true or predicted somewhere, as in scikit-learn's
    ``f1_score`` with ``average="macro"``. The interval is the bootstrap's over rows, which is a
    point if no row is wrong, combined with Student's over the draws. ``parts`` are the jackknife's
    pseudo-values.

    Examples
    --------
    >>> macro_f1(*encoded("abab", ["abaa"])).value
    0.733...
    """
    n = len(predictions.targets)
    by_draw = np.array([_f1(_confusion(predictions, draw)) for draw in predictions.predicted])
    value = float(by_draw.mean())
    ends = bootstrap(
        lambda rows: f1_on(predictions, rows), n, method="percentile", vectorised=True, level=level
    )
    low, high = _with_draws(value, ends, by_draw, level)
    parts = np.array([value])
    if n > 1:
        without = [_f1_without_each(predictions, draw) for draw in predictions.predicted]
        parts = n * value - (n - 1) * np.mean(without, axis=0)
    return Score(
        name=name, value=value, low=max(0.0, low), high=min(1.0, high), n=n, unit="0..1",
        better="higher", how=how, level=level, parts=tuple(parts.tolist()),
    )  # fmt: skip


def accuracy_on(predictions: Predictions, rows: Positions) -> Floats:
    """(b,) accuracy on (b, m) positions of rows, the mean over draws."""
    parts: Floats = (predictions.predicted == predictions.targets).mean(axis=0)
    return np.asarray(parts[rows].mean(axis=1))


def f1_on(predictions: Predictions, rows: Positions) -> Floats:
    """(b,) macro-F1 on (b, m) positions of rows, the mean over draws."""
    by_draw = [_f1(_confusion(predictions, draw, rows)) for draw in predictions.predicted]
    return np.asarray(np.mean(by_draw, axis=0))


def difference(
    first: Predictions,
    second: Predictions,
    on: Callable[[Predictions, Positions], Floats] = accuracy_on,
    *,
    level: float = 0.95,
) -> Difference:
    """The score of the first minus that of the second on the same rows, by the paired bootstrap.

    If both have several draws, these are paired too, and combined as in :func:`accuracy`. A row
    that is not drawn is no evidence that it could not be otherwise: if too few rows are predicted
    differently (:func:`~synthkit.stats.permutation.least_p`), the interval reaches 0.

    Parameters
    ----------
    first, second : encoded together by :func:`encoded`.
    on : :func:`accuracy_on` or :func:`f1_on`.

    Examples
    --------
    >>> gap = difference(*encoded("abab", ["abab"], ["bbaa"]))
    >>> gap.value, gap.low, gap.high, gap.n
    (0.5, 0.0, 1.0, 4)
    """
    n = len(first.targets)
    gap = paired_bootstrap(
        lambda rows: on(first, rows),
        lambda rows: on(second, rows),
        n,
        method="percentile",
        vectorised=True,
        level=level,
    )
    every = np.arange(n)[None]
    by_draw = [
        np.array([on(Predictions(p.targets, draw[None], p.k), every)[0] for draw in p.predicted])
        for p in (first, second)
    ]
    low, high = _with_draws(gap.value, (gap.low, gap.high), by_draw[0] - by_draw[1], level)
    differing = (first.predicted != second.predicted).any(axis=0)
    if least_p(int(differing.sum())) > 1 - level:
        low, high = min(low, 0.0), max(high, 0.0)
    return Difference(value=gap.value, low=max(-1.0, low), high=min(1.0, high), n=n, level=level)


def _with_draws(
    value: float, ends: tuple[float, float], by_draw: Floats, level: float
) -> tuple[float, float]:
    """The interval of a mean over draws, from its interval over rows and its values by draw.

    The distances to the value are added as squares, as for a sum of two independent parts: G. Y.
    Zou and A. Donner (2008), Construction of confidence limits about effect measures, Statistics in
    Medicine 27, 1693-1702.
    """
    g = len(by_draw)
    half = 0.0
    if g > 1:
        _, end = jackknife(value, (by_draw.sum() - by_draw) / (g - 1), level)
        half = 0.0 if end is None else end - value
    low, high = ends
    return value - math.hypot(value - low, half), value + math.hypot(high - value, half)


def _confusion(predictions: Predictions, draw: Positions, rows: Positions | None = None) -> Floats:
    """(b, k, k) counts of true by predicted labels on (b, m) rows; (k, k) on all rows."""
    k = predictions.k
    cells, size = predictions.targets * k + draw, k**2
    if rows is None:
        return np.bincount(cells, minlength=size).reshape(k, k).astype(np.float64)
    offsets = np.arange(len(rows))[:, None] * size
    counts = np.bincount((cells[rows] + offsets).ravel(), minlength=len(rows) * size)
    return counts.reshape(-1, k, k).astype(np.float64)


def _f1(confusion: Floats) -> Floats:
    """Macro-F1 over the labels that occur on either side."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    occurrences = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    by_label = 2 * hits / np.where(occurrences > 0, occurrences, 1)
    return np.asarray(by_label.sum(axis=-1) / (occurrences > 0).sum(axis=-1))


def _f1_without_each(predictions: Predictions, draw: Positions) -> Floats:
    """(n,) macro-F1 without each row; rows equal in both labels share one value."""
    cells, at = np.unique(predictions.targets * predictions.k + draw, return_inverse=True)
    confusion = _confusion(predictions, draw)
    values = np.empty(len(cells))
    for place, cell in enumerate(cells):
        left = confusion.copy()
        left[divmod(int(cell), predictions.k)] -= 1
        values[place] = _f1(left)
    return np.asarray(values[at])
