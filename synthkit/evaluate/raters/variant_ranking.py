"""The ranking of prompt variants by their marks and checks."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from synthkit.core.formatting import count
from synthkit.core.types import Score
from synthkit.stats.bootstrap import corrected, score_difference
from synthkit.stats.intervals import wilson

MOST_MARKS = 10_000


@dataclass(frozen=True, slots=True)
class Proportion:
    """Successes among n, with a Wilson interval at 95 %.

    Successes may be fractions, such as the share of a row's checks that passed: rows are the units
    that vary independently, so that several checks of a row do not narrow the interval.
    """

    successes: float
    n: int

    @property
    def value(self) -> float | None:
        """The share, 0..1; ``None`` if n is 0."""
        return self.successes / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends; 0 and 1 if n is 0."""
        return wilson(self.successes, self.n)

    def __str__(self) -> str:
        if not self.n:
            return "–"
        low, high = self.interval
        return f"{self.successes / self.n:.2f} [{low:.2f}, {high:.2f}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantResult:
    """The results of one variant.

    Parameters
    ----------
    cells : number of its cells.
    accept : accepted among the marked cells.
    checks : the share of checks passed, of each cell with verdicts.
    words : mean length.
    distinct : distinct-2 of its texts.
    seconds, tokens, cost : means per cell: time, prompt and completion tokens, US dollars; ``None``
        if not known.
    """

    name: str
    cells: int
    accept: Proportion
    checks: Proportion
    words: float | None = None
    distinct: float | None = None
    seconds: float | None = None
    tokens: float | None = None
    cost: float | None = None


def rank(results: Iterable[VariantResult]) -> list[VariantResult]:
    """The results, the best first: by the lower end of accept's interval, then of the checks'.

    The lower end is used because 1 of 1 accepted is less evidence for a variant than 18 of 20.
    """
    return sorted(
        results,
        key=lambda result: (
            *(share.interval[0] for share in (result.accept, result.checks)),
            *(share.value or 0.0 for share in (result.accept, result.checks)),
        ),
        reverse=True,
    )


def stands_out(ranked: Sequence[VariantResult]) -> bool:
    """Whether the best is significantly better than the second, as :func:`summary_line` says."""
    return len(ranked) > 1 and _marks_missing(ranked) == 0


def _shares(ranked: Sequence[VariantResult]) -> list[Proportion]:
    """What the ranking rests on: the accepted, or the checks if the best has no marks."""
    return [each.accept if ranked[0].accept.n else each.checks for each in ranked]


def _marks_missing(ranked: Sequence[VariantResult]) -> int | None:
    """How many more marks of each it takes to tell the two best apart, as far as is known."""
    shares = _shares(ranked)
    pairs = math.comb(sum(share.n > 0 for share in shares), 2)
    return marks_to_separate(shares[0], shares[1], pairs)


def summary_line(ranked: Sequence[VariantResult]) -> str:
    """One sentence on whether the best variant differs significantly from the second.

    Their difference is tested by :func:`~synthkit.stats.bootstrap.score_difference`, corrected by
    Holm for every two variants that have marks (or verdicts). The marks still needed are those at
    which it would be significant if both shares stayed as they are.
    """
    if not ranked or not (ranked[0].accept.n or ranked[0].checks.n):
        return "Nothing marked or checked yet."
    best = ranked[0]
    what = "accept" if best.accept.n else "checks"
    shares = _shares(ranked)
    if len(ranked) == 1:
        return f"{best.name}: {what} {shares[0]}."
    first, second = shares[0], shares[1]
    other = ranked[1].name
    if not second.n:
        unit = "marks" if what == "accept" else "verdicts"
        return f"{best.name}: {what} {first}; {other} has no {unit} yet."
    more = _marks_missing(ranked)
    if more == 0:
        gap = (first.value or 0) - (second.value or 0)
        return f"{best.name} beats {other} by {gap:.2f}: {what} {first} against {second}."
    text = f"No significant difference between {best.name} and {other} yet"
    if what == "accept" and more is not None:
        marks = count(more, "more mark")
        return f"{text}: it takes about {marks} each, if their shares stay as they are."
    return f"{text}."


def marks_to_separate(first: Proportion, second: Proportion, pairs: int = 1) -> int | None:
    """The number of further marks of each until the first is significantly higher.

    ``None`` if it is not higher, or if it takes more than 10,000; both shares stay as they are.

    Parameters
    ----------
    pairs : the number of comparisons to correct for.

    >>> marks_to_separate(Proportion(9, 10), Proportion(5, 10))
    1
    """
    a, b = first.value, second.value
    if a is None or b is None or a <= b:
        return None

    def separate(more: int) -> bool:
        scores = (_score(a, first.n + more), _score(b, second.n + more))
        gap = score_difference(*scores)
        return gap is not None and corrected([gap], pairs)[0].significant

    more = bisect_left(range(MOST_MARKS), True, key=separate)
    return more if more < MOST_MARKS else None


def _score(share: float, n: int) -> Score:
    low, high = wilson(share * n, n)
    return Score(name="", value=share, low=low, high=high, n=n)
