"""Preference: what the outcomes of a table of pairs say of the systems that are in it.

A table of pairs has two texts to a row, ``first`` and ``second``, the systems that wrote them,
``first_system`` and ``second_system``, and which one was found better, ``outcome``: ``"first"``,
``"second"``, ``"tie"``, or empty where nobody has said it yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.data import tables as tables
from synthkit.evaluate.raters.bradley_terry import Battle, Outcome, ratings, win_rate
from synthkit.evaluate.raters.columns import OUTCOME
from synthkit.stats.intervals import wilson

PAIR = ("first", "second")


def systems(table: Any, pair: tuple[str, str] = PAIR) -> list[tuple[str, str]]:
    """For each row the systems that wrote its two texts.

    Where no column names them, the two columns of texts are taken for the systems.

    Raises
    ------
    TableError
        If only one of the two columns is there.
    """
    names = [f"{column}_system" for column in pair]
    have = tables.columns(table)
    if not set(names) & set(have):
        return [pair] * tables.size(table)
    tables.check_columns(table, names)
    first, second = (tables.column(table, name) for name in names)
    return [(str(a), str(b)) for a, b in zip(first, second, strict=True)]


def battles(table: Any, pair: tuple[str, str] = PAIR) -> list[Battle]:
    """The battle of each row that has an outcome, in the order of the rows.

    Parameters
    ----------
    table : of pairs, of any kind.
    pair : the columns of the two texts, where they have other names; the systems are then in
        ``<name>_system``. An outcome is ``"first"`` or ``"second"`` whatever they are called.

    Raises
    ------
    TableError
        If a column is not there.
    UsageError
        If an outcome is unknown, or a system meets itself.

    Examples
    --------
    >>> pairs = [{"first_system": "a", "second_system": "b", "outcome": "first"},
    ...          {"first_system": "b", "second_system": "a", "outcome": None}]
    >>> battles(pairs)
    [Battle(first='a', second='b', outcome='first')]
    """
    return [Battle(*one) for one in _said(table, pair)]


@dataclass(frozen=True, slots=True)
class Standing:
    """What one system won, lost and shared; ``rating`` only where there are three or more."""

    system: str
    wins: int
    ties: int
    losses: int
    rate: Score
    rating: Score | None = None


def standings(table: Any, pair: tuple[str, str] = PAIR, *, rated: bool = True) -> list[Standing]:
    """Each system's wins, its :func:`~synthkit.evaluate.raters.bradley_terry.win_rate` and rating, the best first.

    Rows without an outcome, and those in which a system meets itself, are passed over: there may
    be nothing left. Two systems get no rating: it says what their win rates say.

    Parameters
    ----------
    table, pair : as for :func:`battles`.
    rated : whether to fit :func:`~synthkit.evaluate.raters.bradley_terry.ratings`, which takes its time.

    Examples
    --------
    >>> met = {"first_system": "a", "second_system": "b"}
    >>> for one in standings([met | {"outcome": "first"}, met | {"outcome": "tie"}]):
    ...     print(one.system, one.wins, one.ties, one.losses, one.rate)
    a 1 1 0 0.75 [0.198, 0.973]
    b 0 1 1 0.25 [0.0267, 0.802]
    """
    fought = [Battle(*one) for one in _said(table, pair) if one[0] != one[1]]
    names = sorted({name for one in fought for name in (one.first, one.second)})
    rating = ratings(fought) if rated and len(names) > 2 else {}
    found = []
    for name in names:
        own = [one for one in fought if name in (one.first, one.second)]
        won = [getattr(one, one.outcome) for one in own if one.outcome != "tie"]
        wins, losses = won.count(name), len(won) - won.count(name)
        ties, rate = len(own) - len(won), win_rate(own, name)
        found.append(Standing(name, wins, ties, losses, rate, rating.get(name)))
    return sorted(found, key=lambda one: -(one.rating or one.rate).value)


def left_wins(outcomes: Sequence[Outcome], left: Sequence[str], *, level: float = 0.95) -> Score:
    """How often the text that stood on the left was found better, of those that one of two was.

    One half where the side does not matter to who judges, as long as chance decided the sides.

    Parameters
    ----------
    outcomes : (n,) ties among them are left out.
    left : (n,) which of the two stood on the left: ``"first"`` or ``"second"``.

    Raises
    ------
    UsageError
        If the two are not of one length, or one of ``left`` is neither.

    Examples
    --------
    >>> print(left_wins(["first", "second", "tie"], ["first", "first", "second"]))
    0.5 [0.0945, 0.905]
    """
    if len(outcomes) != len(left) or set(left) - set(PAIR):
        raise UsageError(
            f"expected 'first' or 'second' for each of {len(outcomes)} outcomes; got {left!r}."
        )
    won = [one == side for one, side in zip(outcomes, left, strict=True) if one in PAIR]
    low, high = wilson(sum(won), len(won), level)
    return Score(
        name="left wins",
        value=sum(won) / len(won) if won else 0.5,
        low=low,
        high=high,
        n=len(won),
        unit="0..1",
        how="Wilson; ties left out; 0.5 is no bias" + ("" if won else "; nothing was decided"),
        level=level,
        parts=[float(one) for one in won],
    )


def _said(table: Any, pair: tuple[str, str]) -> Iterator[tuple[str, str, Outcome]]:
    """Both systems and the outcome of each row that has one."""
    for names, outcome in zip(systems(table, pair), tables.column(table, OUTCOME), strict=True):
        # an empty cell of text is NaN in some kinds of table
        if outcome not in (None, "") and outcome == outcome:
            yield *names, outcome
