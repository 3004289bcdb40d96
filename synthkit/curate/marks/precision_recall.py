"""How good a learned filter is on its table, and how many more marks would say it closer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from synthkit.curate.marks.active_learning import START, marks_for
from synthkit.stats.intervals import wilson

WIDTHS = (0.1, 0.05)
"""Half widths of an interval to which a report says how many marks are missing."""
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share of the table's rows, 0..1, with its 95 % interval (Wilson).

    Parameters
    ----------
    value : of the ``n`` rows drawn at random that it rests on; ``None`` without such rows.
    """

    value: float | None
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        share = "unknown" if self.value is None else f"{self.value:.2f}"
        return f"{share} ({self.low:.2f} to {self.high:.2f}, n = {self.n})"


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a learned filter, for the whole of the table that it was learned on.

    Parameters
    ----------
    rows, marks, accepted : how many rows the table has, how many are marked, and how many of those
        are accepted.
    sample : how many of the marked rows were drawn at random; the estimates rest on these alone.
    threshold : P(accept) from which on a row is kept.
    kept : the share of the table's rows that are kept; known, not estimated.
    precision : of the rows that are kept, the share that a person would accept.
    recall : of the rows that a person would accept, the share that is kept.
    more : half width -> further marks until both intervals are so narrow, if rows are marked as
        proposed; at most the rows that are left.
    needs : what is missing for the filter to be used, in words; empty if nothing is.
    """

    rows: int
    marks: int
    accepted: int
    sample: int
    threshold: float
    kept: float
    precision: Estimate
    recall: Estimate
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


def measured(kept: Sequence[bool], accepted: Sequence[bool]) -> tuple[Estimate, Estimate]:
    """Precision and recall, from what was kept and accepted of rows drawn at random.

    >>> kept, accepted = [True, True, False, True], [True, True, True, False]
    >>> precision, recall = measured(kept, accepted)
    >>> print(precision)
    0.67 (0.21 to 0.94, n = 3)
    """
    both = sum(1 for k, a in zip(kept, accepted, strict=True) if k and a)
    return _estimate(both, sum(kept)), _estimate(both, sum(accepted))


def _estimate(successes: int, n: int) -> Estimate:
    low, high = wilson(successes, n, LEVEL)
    return Estimate(successes / n if n else None, low, high, n)


def further(
    estimates: tuple[Estimate, ...], *, sample: int, marks: int, left: int
) -> dict[float, int]:
    """Half width -> how many further marks until all the intervals are so narrow.

    The share itself is taken to stay, drawn a little to 1/2 as Wilson's interval does; the rows
    it rests on grow with the sample. Their number grows as 1 / half width squared.

    >>> half = Estimate(0.5, 0.3, 0.7, 20)
    >>> further((half,), sample=40, marks=80, left=2000)
    {0.1: 435, 0.05: 2000}
    """
    made = {}
    for width in WIDTHS:
        most = 0
        for one in estimates:
            if (one.high - one.low) / 2 <= width:
                continue
            rate = (one.n + 0.5) / (sample + 1)
            missing = (_size(one, width) - one.n) / rate
            whole = marks_for(max(math.ceil(sample + missing), START))
            most = max(most, whole - marks, 1)
        made[width] = min(most, left)
    return made


def _size(one: Estimate, width: float) -> float:
    """n for which Wilson's interval of this share is ``width`` to each side, on average.

    With u = 1 / n, width^2 (1 + z^2 u)^2 = z^2 (p (1 - p) u + z^2 u^2 / 4) is quadratic in u.
    """
    z2 = NormalDist().inv_cdf((1 + LEVEL) / 2) ** 2
    share = ((one.value or 0) * one.n + 2) / (one.n + 4)
    a, b, c = z2**2 * (width**2 - 0.25), z2 * (2 * width**2 - share * (1 - share)), width**2
    return 2 * a / (-b - math.sqrt(b * b - 4 * a * c))
