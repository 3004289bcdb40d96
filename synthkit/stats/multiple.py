"""Correction for several comparisons at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CORRECTION = "Holm"
"""The correction of all comparisons: it holds whatever the dependence of the metrics, and for the
claim of a report as a whole, that at most one in 20 reports finds any difference where none is."""


def holm(p: Sequence[float]) -> list[float]:
    """p-values that hold for all of a family together: Holm's step-down correction.

    The smallest is multiplied by their number k, the next by k - 1, and so on, at most 1; none is
    smaller than one before it.

    References
    ----------
    S. Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of
    Statistics 6, 65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(stepped, 1)
    return [float(value) for value in adjusted]
