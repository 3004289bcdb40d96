"""Ranking: which variant does best, how sure that is, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from synthkit.stats.intervals import wilson

MOST_MARKS = 10_000


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many, with its Wilson interval at 95 %."""

    successes: int
    n: int

    @property
    def value(self) -> float | None:
        """The share, 0..1; ``None`` of nothing."""
        return self.successes / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends; 0 and 1 where nothing is known."""
        return wilson(self.successes, self.n)

    def __str__(self) -> str:
        if not self.n:
            return "–"
        low, high = self.interval
        return f"{self.successes / self.n:.2f} [{low:.2f}, {high:.2f}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One variant's results.

    ``accept`` is of the marked cells, ``checks`` of the verdicts. ``words`` is the mean length,
    ``seconds``, ``tokens`` (prompt and completion) and ``cost`` (US dollars) are means for a cell;
    ``None`` where nothing is known.
    """

    name: str
    cells: int
    accept: Share
    checks: Share
    words: float | None = None
    distinct: float | None = None
    seconds: float | None = None
    tokens: float | None = None
    cost: float | None = None


def rank(entries: Iterable[Entry]) -> list[Entry]:
    """The entries, the best first: by the lower end of accept's interval, then of the checks'.

    The lower end, since 1 of 1 accepted says less for a variant than 18 of 20 do.
    """
    return sorted(
        entries,
        key=lambda entry: (
            *(share.interval[0] for share in (entry.accept, entry.checks)),
            *(share.value or 0.0 for share in (entry.accept, entry.checks)),
        ),
        reverse=True,
    )


def reading(ranked: Sequence[Entry]) -> str:
    """One sentence on whether the best is told apart from the second.

    Two shares are called apart when their 95 % intervals do not overlap, which is stricter than a
    test of their difference; the marks still needed are those at which the intervals would part if
    both shares stayed as they are.
    """
    if not ranked or not (ranked[0].accept.n or ranked[0].checks.n):
        return "Nothing marked or checked yet."
    best = ranked[0]
    what = "accept" if best.accept.n else "checks"
    shares = [entry.accept if what == "accept" else entry.checks for entry in ranked]
    if len(ranked) == 1:
        return f"{best.name}: {what} {shares[0]}."
    first, second = shares[0], shares[1]
    other = ranked[1].name
    if not second.n:
        unit = "marks" if what == "accept" else "verdicts"
        return f"{best.name}: {what} {first}; {other} has no {unit} yet."
    if first.interval[0] > second.interval[1]:
        gap = (first.value or 0) - (second.value or 0)
        return f"{best.name} beats {other} by {gap:.2f}: {what} {first} against {second}."
    more = marks_to_part(first, second)
    if what == "accept" and more is not None:
        return (
            f"{best.name} and {other} are not told apart yet: about {more} more marks each, "
            "if their shares stay as they are."
        )
    return f"{best.name} and {other} are not told apart yet."


def marks_to_part(first: Share, second: Share) -> int | None:
    """How many more of each it takes until the intervals part, both shares staying as they are.

    ``None`` if they are equal, or if it would take more than 10 000.

    >>> marks_to_part(Share(9, 10), Share(5, 10))
    11
    """
    a, b = first.value, second.value
    if a is None or b is None or a <= b:
        return None

    def apart(more: int) -> bool:
        n, m = first.n + more, second.n + more
        return wilson(round(a * n), n)[0] > wilson(round(b * m), m)[1]

    return next((more for more in range(MOST_MARKS) if apart(more)), None)
