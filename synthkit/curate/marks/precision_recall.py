"""Precision and recall of a learned filter on its table, and the marks needed to narrow them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from synthkit.curate.marks.active_learning import START, marks_for
from synthkit.stats.intervals import wilson

WIDTHS = (0.1, 0.05)
"""Half widths of an interval for which a report gives the number of further marks."""
LEVEL = 0.95
"""The level of intervals."""


@dataclass(frozen=True, slots=True)
class ShareEstimate:
    """An estimated share of rows, 0..1, with its Wilson interval of 95 %.

    Parameters
    ----------
    value : the share among ``n`` random rows; ``None`` without such rows.
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
        proposed; at most the number of unmarked rows.
    needs : which marks are missing for the filter to be used, as a text; empty if none are.
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

    def __str__(self) -> str:
        marks = f"{self.marks} of {self.rows} rows marked, {self.accepted} accepted"
        if self.needs:
            return f"{marks}. {self.needs}"
        further = " or ".join(f"{n} for ±{width}" for width, n in self.more.items() if n)
        return (
            f"{marks}, {self.sample} drawn at random. At P(accept) >= {self.threshold:.2f} it keeps"
            f" {self.kept:.0%}: precision {self.precision}, recall {self.recall}."
            + (f" Further marks: about {further}." if further else "")
        )


def measured(kept: Sequence[bool], accepted: Sequence[bool]) -> tuple[ShareEstimate, ShareEstimate]:
    """Precision and recall, from which of the random rows are kept and which are accepted.

    >>> kept, accepted = [True, True, False, True], [True, True, True, False]
    >>> precision, recall = measured(kept, accepted)
    >>> print(precision)
    0.67 (0.21 to 0.94, n = 3)
    """
    both = sum(1 for k, a in zip(kept, accepted, strict=True) if k and a)
    return _estimate(both, sum(kept)), _estimate(both, sum(accepted))


def _estimate(successes: int, n: int) -> ShareEstimate:
    low, high = wilson(successes, n, LEVEL)
    return ShareEstimate(successes / n if n else None, low, high, n)


def further(
    estimates: tuple[ShareEstimate, ...], *, sample: int, marks: int, left: int
) -> dict[float, int]:
    """Half width -> the number of further marks until all intervals are that narrow.

    It assumes that the share does not change (it is shrunk towards 1/2, as in Wilson's interval),
    and that its rows grow with the sample. Their number grows as 1 / half width squared.

    >>> half = ShareEstimate(0.5, 0.3, 0.7, 20)
    >>> further((half,), sample=40, marks=80, left=2000)
    {0.1: 435, 0.05: 2000}
    """
    more = {}
    for width in WIDTHS:
        most = 0
        for estimate in estimates:
            if (estimate.high - estimate.low) / 2 <= width:
                continue
            rate = (estimate.n + 0.5) / (sample + 1)
            missing = (_size(estimate, width) - estimate.n) / rate
            total = marks_for(max(math.ceil(sample + missing), START))
            most = max(most, total - marks, 1)
        more[width] = min(most, left)
    return more


def _size(estimate: ShareEstimate, width: float) -> float:
    """The n at which Wilson's interval of this share has this half width.

    With u = 1 / n, width^2 (1 + z^2 u)^2 = z^2 (p (1 - p) u + z^2 u^2 / 4) is quadratic in u.
    """
    z2 = NormalDist().inv_cdf((1 + LEVEL) / 2) ** 2
    share = ((estimate.value or 0) * estimate.n + 2) / (estimate.n + 4)
    a, b, c = z2**2 * (width**2 - 0.25), z2 * (2 * width**2 - share * (1 - share)), width**2
    return 2 * a / (-b - math.sqrt(b * b - 4 * a * c))
