"""How right predicted labels are, by accuracy and macro-F1; and what one set has over another.

A learner may be asked several times, after other draws of what it learns from. Each figure is then
the mean over the draws, and its interval is of other test rows and of other draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.stats.bootstrap import Difference, bootstrap, paired_bootstrap
from synthkit.stats.intervals import wilson
from synthkit.stats.jackknife import jackknife

Floats: TypeAlias = NDArray[np.float64]
Positions: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What was said of n rows, by each of d draws.

    Parameters
    ----------
    targets : (n,) positions of the right labels among k.
    said : (d, n) positions of those that were given.
    k : how many labels there are on either side.
    """

    targets: Positions
    said: Positions
    k: int


def coded(right: Sequence[Hashable], *runs: Sequence[Sequence[Hashable]]) -> list[Predictions]:
    """Labels as positions, so that several runs on the same rows can be compared.

    Parameters
    ----------
    right : (n,) labels.
    runs : for each the labels that were given, (n,) by each draw.

    Raises
    ------
    UsageError
        If there is no row, or a draw has another number of labels.

    Examples
    --------
    >>> (one,) = coded(["a", "b"], [["b", "b"]])
    >>> one.targets.tolist(), one.said.tolist()
    ([0, 1], [[1, 1]])
    """
    if not right:
        raise UsageError("expected one row or more to test on; got none.")
    known: dict[Hashable, int] = {}
    targets = np.array([known.setdefault(label, len(known)) for label in right])
    said = []
    for run in runs:
        for labels in run:
            if len(labels) != len(right):
                raise UsageError(f"expected {len(right)} predicted labels; got {len(labels)}.")
        said.append([[known.setdefault(label, len(known)) for label in labels] for labels in run])
    return [Predictions(targets, np.array(one), len(known)) for one in said]


def accuracy(
    found: Predictions, *, name: str = "accuracy", how: str = "", level: float = 0.95
) -> Score:
    """The share of rows with the right label, 0..1, higher is better.

    ``parts`` are the share of draws in which each row was right. The interval is Wilson's, joined
    to Student's over the draws. With several of these it is Wilson's of so many rows as would vary
    by chance as the parts do: n p (1 - p) / var, the effective sample size of surveys.

    Examples
    --------
    >>> print(accuracy(*coded("abab", ["abaa"])))
    0.75 [0.301, 0.954]
    """
    right = found.said == found.targets
    parts = right.mean(axis=0)
    value = float(parts.mean())
    varied = float(parts.var())
    size = len(parts) * (value * (1 - value) / varied if len(right) > 1 and varied > 0 else 1)
    ends = wilson(value * size, size, level)
    low, high = _joined(value, ends, right.mean(axis=1), level)
    return Score(
        name=name, value=value, low=max(0.0, low), high=min(1.0, high), n=len(parts), unit="0..1",
        better="higher", how=how, level=level, parts=tuple(parts.tolist()),
    )  # fmt: skip


def macro_f1(
    found: Predictions, *, name: str = "macro-F1", how: str = "", level: float = 0.95
) -> Score:
    """The mean over labels of 2 TP / (2 TP + FP + FN), 0..1, higher is better.

    It is over all labels that are right or predicted somewhere, as scikit-learn's ``f1_score`` with
    ``average="macro"``. The interval is the bootstrap's over rows, a point where no row is wrong,
    joined to Student's over the draws. ``parts`` are the jackknife's pseudo-values.

    Examples
    --------
    >>> macro_f1(*coded("abab", ["abaa"])).value
    0.733...
    """
    n = len(found.targets)
    each = np.array([_f1(_confusion(found, said)) for said in found.said])
    value = float(each.mean())
    ends = bootstrap(
        lambda rows: f1_on(found, rows), n, method="percentile", vectorised=True, level=level
    )
    low, high = _joined(value, ends, each, level)
    parts = np.array([value])
    if n > 1:
        without = np.mean([_without_each(found, said) for said in found.said], axis=0)
        parts = n * value - (n - 1) * without
    return Score(
        name=name, value=value, low=max(0.0, low), high=min(1.0, high), n=n, unit="0..1",
        better="higher", how=how, level=level, parts=tuple(parts.tolist()),
    )  # fmt: skip


def accuracy_on(found: Predictions, rows: Positions) -> Floats:
    """(b,) the accuracy on (b, m) positions of rows, a mean over draws."""
    parts: Floats = (found.said == found.targets).mean(axis=0)
    return np.asarray(parts[rows].mean(axis=1))


def f1_on(found: Predictions, rows: Positions) -> Floats:
    """(b,) macro-F1 on (b, m) positions of rows, a mean over draws."""
    return np.asarray(np.mean([_f1(_confusion(found, said, rows)) for said in found.said], axis=0))


def apart(
    first: Predictions,
    second: Predictions,
    on: Callable[[Predictions, Positions], Floats] = accuracy_on,
    *,
    level: float = 0.95,
) -> Difference:
    """What the first has over the second on the same rows, by the paired bootstrap.

    Where both have several draws these are paired too, joined as in :func:`accuracy`.

    Parameters
    ----------
    first, second : as :func:`coded` gives them together.
    on : :func:`accuracy_on` or :func:`f1_on`.

    Examples
    --------
    >>> print(apart(*coded("abab", ["abab"], ["bbaa"])))
    +0.5 [+0, +1], no significant difference on 4 rows
    """
    n = len(first.targets)
    found = paired_bootstrap(
        lambda rows: on(first, rows), lambda rows: on(second, rows), n,
        method="percentile", vectorised=True, level=level,
    )  # fmt: skip
    whole = np.arange(n)[None]
    each = [
        np.array([on(Predictions(one.targets, said[None], one.k), whole)[0] for said in one.said])
        for one in (first, second)
    ]
    low, high = _joined(found.value, (found.low, found.high), each[0] - each[1], level)
    return Difference(value=found.value, low=max(-1.0, low), high=min(1.0, high), n=n, level=level)


def _joined(
    value: float, ends: tuple[float, float], each: Floats, level: float
) -> tuple[float, float]:
    """The interval of a mean over draws, of what rows and what draws leave open.

    Distances to the value are joined by squares, as those of a sum of two independent parts: G. Y.
    Zou and A. Donner (2008), Construction of confidence limits about effect measures, Statistics in
    Medicine 27, 1693-1702.
    """
    g = len(each)
    half = 0.0
    if g > 1:
        _, end = jackknife(value, (each.sum() - each) / (g - 1), level)
        half = 0.0 if end is None else end - value
    low, high = ends
    return value - math.hypot(value - low, half), value + math.hypot(high - value, half)


def _confusion(found: Predictions, said: Positions, rows: Positions | None = None) -> Floats:
    """(b, k, k) counts of right labels by those said, on (b, m) rows; (k, k) on all."""
    codes, size = found.targets * found.k + said, found.k**2
    if rows is None:
        return np.bincount(codes, minlength=size).reshape(found.k, found.k).astype(np.float64)
    lines = np.arange(len(rows))[:, None] * size
    counts = np.bincount((codes[rows] + lines).ravel(), minlength=len(rows) * size)
    return counts.reshape(-1, found.k, found.k).astype(np.float64)


def _f1(confusion: Floats) -> Floats:
    """Macro-F1 over the labels that occur on either side."""
    hit = np.diagonal(confusion, axis1=-2, axis2=-1)
    both = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    each = 2 * hit / np.where(both > 0, both, 1)
    return np.asarray(each.sum(axis=-1) / (both > 0).sum(axis=-1))


def _without_each(found: Predictions, said: Positions) -> Floats:
    """(n,) macro-F1 without each row; rows alike in both labels share one value."""
    codes, at = np.unique(found.targets * found.k + said, return_inverse=True)
    confusion = _confusion(found, said)
    values = np.empty(len(codes))
    for place, code in enumerate(codes):
        left = confusion.copy()
        left[divmod(int(code), found.k)] -= 1
        values[place] = _f1(left)
    return np.asarray(values[at])
