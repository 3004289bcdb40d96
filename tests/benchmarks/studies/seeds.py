"""Figures over seeds: a mean with Student's t interval, and a test of a direction."""

from __future__ import annotations

import numpy as np
from scipy.stats import t

LEVEL = 0.95


def interval(values):
    """The mean over seeds and its interval by Student's t; the ends are ``None`` for one seed."""
    values = np.asarray(values, float)
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return mean, None, None
    half = float(t.ppf((1 + LEVEL) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half


def cell(values, *, signed=False):
    """``.41 [.39, .43]``."""
    mean, *ends = (number(value, signed) for value in interval(values) if value is not None)
    return f"{mean} [{', '.join(ends)}]" if ends else mean


def number(value, signed=False):
    digits = 3 if abs(value) < 1 else 1 if abs(value) < 100 else 0
    text = f"{round(value, digits) + 0.0:{'+' if signed else ''}.{digits}f}"  # + 0.0: no "-0"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def verdict(differences, expected):
    """Whether an expected direction holds, by the interval of paired differences.

    >>> verdict([0.2, 0.3, 0.25], "higher"), verdict([0.2, -0.3, 0.1], "higher")
    ('holds', 'no significant difference')
    """
    _, low, high = interval(differences)
    if low is None or low <= 0 <= high:
        return "no significant difference"
    found = "higher" if low > 0 else "lower"
    if expected not in ("higher", "lower"):
        return found
    return "holds" if found == expected else "does not hold"
