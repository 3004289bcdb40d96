"""Precision and recall of a learned filter on its table, and the marks needed to narrow them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from synthkit.core.formatting import thousands
from synthkit.curate.marks.active_learning import START, marks_for
from synthkit.stats.classifier import Floats
from synthkit.stats.intervals import wilson

WIDTHS = (0.1, 0.05)
"""Half widths of an interval for which a report gives the number of further marks."""
LEVEL = 0.95
"""The level of intervals."""
UNCERTAIN = 25
"""Of k marks, k / (k + 25) is the part of the measured rows that counts for an interval.

The filter that is measured on a row was learned without it, and other marks would have given
another filter. With 20 to 60 marks Wilson's intervals of all rows had coverages of .86 to .91 at
95 % (``tests/benchmarks/learned_filter.py``)."""
PRIOR = 3
"""The number of rows that the prior of an estimate counts for."""
TRUSTED = 4
"""Of r marks with the rarer verdict, r / (r + 4) is the part of the prior that the filter's own
P(accept) has; the rest is that of a filter that knows nothing."""


@dataclass(frozen=True, slots=True)
class ShareEstimate:
    """An estimated share of rows, 0..1, with an interval of 95 %.

    It spans Wilson's intervals around the share with the prior and without it, of fewer rows than
    ``n``: see :data:`UNCERTAIN`.

    Parameters
    ----------
    value : the share among ``n`` random rows, drawn towards a prior; ``None`` without such rows.
    """

    value: float | None
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        share = "unknown" if self.value is None else f"{self.value:.2f}"
        return f"{share} ({self.low:.2f} to {self.high:.2f}, n = {self.n})"


@dataclass(frozen=True, slots=True)
class LearningReport:
    """The quality of a learned filter on the whole table that it was learned on.

    Parameters
    ----------
    rows, marks, accepted : the numbers of rows in the table, of marked rows and of accepted rows.
    sample : the number of marked rows that were drawn at random; only these are used to estimate.
    threshold : P(accept) from which on a row is kept.
    kept : the share of the table's rows that are kept; exact, not estimated.
    precision : the share of the kept rows that a person would accept.
    recall : the share of the rows that a person would accept that are kept.
    more : half width -> further marks until both intervals are that narrow, if rows are marked as
        proposed; they may be more than there are rows.
    needs : which marks are missing for the filter to be used, as a text; empty if none are.
    base : the share of all rows that a person would accept: the precision without a filter.
    """

    rows: int
    marks: int
    accepted: int
    sample: int
    threshold: float
    kept: float
    precision: ShareEstimate
    recall: ShareEstimate
    more: Mapping[float, int]
    needs: str = ""
    base: ShareEstimate | None = None

    @property
    def warning(self) -> str:
        """That the filter may be worth nothing; empty if it is better than none."""
        base = None if self.base is None else self.base.value
        if self.needs or base is None or self.precision.low > base:
            return ""
        return (
            "Its precision is not significantly above the base rate: without a filter, "
            f"{base:.2f} of the rows are accepted."
        )

    def further(self) -> dict[float, str]:
        """Half width -> further marks in words, from the widest to the first out of reach.

        Half widths that the intervals have already are left out.
        """
        left = self.rows - self.marks
        more: dict[float, str] = {}
        for width, n in sorted(self.more.items(), reverse=True):
            if n > left:
                return more | {width: f"more marks than the {thousands(left)} rows left"}
            if n:
                more[width] = f"about {thousands(n)} more marks"
        return more

    def __str__(self) -> str:
        marks = f"{self.marks} of {self.rows} rows marked, {self.accepted} accepted"
        if self.needs:
            return f"{marks}. {self.needs}"
        further = ", ".join(f"{more} for ±{width}" for width, more in self.further().items())
        return (
            f"{marks}, {self.sample} drawn at random. At P(accept) >= {self.threshold:.2f} it keeps"
            f" {self.kept:.0%}: precision {self.precision}, recall {self.recall}."
            + (f" {self.warning}" if self.warning else "")
            + (f" It takes {further}." if further else "")
        )


def expected(scores: Floats, threshold: float, *, base: float, rarer: int) -> tuple[float, float]:
    """Precision and recall as the filter itself has them, and as one that knows nothing has them.

    The marks that measure a filter also say how rare accepted rows are. If chance made more of them
    accepted, then it keeps more, and its precision on these marks is too high as well: by .13 in
    the mean with 30 marks of which 15 % are accepted. So it is drawn towards what is expected.

    Parameters
    ----------
    scores : (n,) P(accept) of the rows of the table.
    base : the share of accepted rows, which is the precision without knowledge; recall is then the
        share of kept rows.
    rarer : the number of accepted or rejected marks, whichever are fewer; see :data:`TRUSTED`.

    >>> import numpy as np
    >>> precision, recall = expected(np.array([0.9, 0.7, 0.2, 0.2]), 0.5, base=0.4, rarer=4)
    >>> round(precision, 2), round(recall, 2)
    (0.6, 0.65)
    """
    kept, trust = scores >= threshold, rarer / (rarer + TRUSTED)
    own = ignorant = base, float(kept.mean())
    if kept.any() and scores.any():
        own = float(scores[kept].mean()), float(scores[kept].sum() / scores.sum())
    precision, recall = (trust * a + (1 - trust) * b for a, b in zip(own, ignorant, strict=True))
    return min(1.0, precision), min(1.0, recall)


def measured(
    kept: Sequence[bool],
    accepted: Sequence[bool],
    marks: int | None = None,
    prior: tuple[float, float] | None = None,
) -> tuple[ShareEstimate, ShareEstimate]:
    """Precision and recall, from which of the random rows are kept and which are accepted.

    Parameters
    ----------
    marks : the number of rows that the filter was learned from, these among them; if not given,
        the filter was not learned from any of them, and the intervals are Wilson's of all rows.
    prior : the precision and recall that are :func:`expected`; they count as :data:`PRIOR` rows.

    Examples
    --------
    >>> kept, accepted = [True, True, False, True], [True, True, True, False]
    >>> precision, recall = measured(kept, accepted, marks=100)
    >>> print(precision)
    0.67 (0.18 to 0.95, n = 3)
    >>> print(measured(kept, accepted, marks=100, prior=(0.4, 0.5))[0])
    0.53 (0.12 to 0.95, n = 3)
    """
    both = sum(1 for k, a in zip(kept, accepted, strict=True) if k and a)
    values = (None, None) if prior is None else prior
    ns = sum(kept), sum(accepted)
    precision, recall = (_estimate(both, n, marks, p) for n, p in zip(ns, values, strict=True))
    return precision, recall


def base_rate(accepted: Sequence[bool]) -> ShareEstimate:
    """The share of accepted rows among the random rows, with Wilson's interval of all of them."""
    low, high = wilson(sum(accepted), len(accepted), LEVEL)
    share = sum(accepted) / len(accepted) if accepted else None
    return ShareEstimate(share, low, high, len(accepted))


def _estimate(successes: int, n: int, marks: int | None, prior: float | None) -> ShareEstimate:
    """The share, with a prior the mean of a beta distribution."""
    if not n:
        return ShareEstimate(None, 0.0, 1.0, 0)
    alone = successes / n
    share = alone if prior is None else (successes + PRIOR * prior) / (n + PRIOR)
    size = n if marks is None else n * _effective(marks)
    lows, highs = zip(*(wilson(p * size, size, LEVEL) for p in (alone, share)), strict=True)
    return ShareEstimate(share, min(lows), max(highs), n)


def _effective(marks: int) -> float:
    return marks / (marks + UNCERTAIN)


def further(estimates: tuple[ShareEstimate, ...], *, sample: int, marks: int) -> dict[float, int]:
    """Half width -> the number of further marks until all intervals are that narrow.

    It assumes that the share does not change (it is shrunk towards 1/2, as in Wilson's interval),
    and that its rows grow with the sample. Their number grows as 1 / half width squared.

    >>> half = ShareEstimate(0.5, 0.3, 0.7, 20)
    >>> further((half,), sample=40, marks=80)
    {0.1: 459, 0.05: 2187}
    """
    more = {}
    for width in WIDTHS:
        most = 0
        for estimate in estimates:
            if (estimate.high - estimate.low) / 2 <= width:
                continue
            rate = (estimate.n + 0.5) / (sample + 1)
            total, part = marks, 1.0
            for _ in range(3):  # more marks count for a larger part
                missing = (_size(estimate, width) / part - estimate.n) / rate
                total = marks_for(max(math.ceil(sample + missing), START))
                part = _effective(total)
            most = max(most, total - marks, 1)
        more[width] = most
    return more


def _size(estimate: ShareEstimate, width: float) -> float:
    """The n at which Wilson's interval of this share has this half width.

    With u = 1 / n, width^2 (1 + z^2 u)^2 = z^2 (p (1 - p) u + z^2 u^2 / 4) is quadratic in u.
    """
    z2 = NormalDist().inv_cdf((1 + LEVEL) / 2) ** 2
    share = ((estimate.value or 0) * estimate.n + 2) / (estimate.n + 4)
    a, b, c = z2**2 * (width**2 - 0.25), z2 * (2 * width**2 - share * (1 - share)), width**2
    return 2 * a / (-b - math.sqrt(b * b - 4 * a * c))
