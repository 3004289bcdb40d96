"""Standings of systems from the outcomes in a table of pairs.

A row of a table of pairs has two texts, ``first`` and ``second``, the systems that wrote them,
``first_system`` and ``second_system``, and the ``outcome``: ``"first"``, ``"second"``, ``"tie"``,
or empty if nobody has judged the pair yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.data import tables
from synthkit.evaluate.raters.battles import Battle, Outcome, win_rate
from synthkit.evaluate.raters.bradley_terry import ratings
from synthkit.evaluate.raters.columns import OUTCOME
from synthkit.evaluate.scores import proportion

PAIR = ("first", "second")


def systems(table: Any, pair: tuple[str, str] = PAIR) -> list[tuple[str, str]]:
    """The systems that wrote the two texts of each row.

    If no column names them, the names of the two text columns are used.

    Raises
    ------
    TableError
        If only one of the two columns is there.
    """
    names = [f"{column}_system" for column in pair]
    columns = tables.columns(table)
    if not set(names) & set(columns):
        return [pair] * tables.size(table)
    tables.check_columns(table, names)
    first, second = (tables.column(table, name) for name in names)
    return [(str(a), str(b)) for a, b in zip(first, second, strict=True)]


def battles(table: Any, pair: tuple[str, str] = PAIR) -> list[Battle]:
    """The battles of the rows that have an outcome, in the order of the rows.

    Parameters
    ----------
    table : of pairs, of any kind.
    pair : the columns of the two texts, if they have other names; the systems are then in
        ``<name>_system``. An outcome is ``"first"`` or ``"second"`` in any case.

    Raises
    ------
    TableError
        If a column is not there.
    UsageError
        If an outcome is unknown, or both systems of a row are the same.

    Examples
    --------
    >>> pairs = [{"first_system": "a", "second_system": "b", "outcome": "first"},
    ...          {"first_system": "b", "second_system": "a", "outcome": None}]
    >>> battles(pairs)
    [Battle(first='a', second='b', outcome='first')]
    """
    return [Battle(*judged) for judged in _judged(table, pair)]


@dataclass(frozen=True, slots=True)
class Standing:
    """One system's wins, ties and losses; its ``rating`` if there are three systems or more."""

    system: str
    wins: int
    ties: int
    losses: int
    rate: Score
    rating: Score | None = None


def standings(table: Any, pair: tuple[str, str] = PAIR, *, rated: bool = True) -> list[Standing]:
    """The wins, :func:`~.battles.win_rate` and rating of each system, the best first.

    Rows without an outcome, and rows whose systems are the same, are ignored; the result may be
    empty. Two systems get no rating, which would repeat their win rates.

    Parameters
    ----------
    table, pair : as for :func:`battles`.
    rated : whether to fit :func:`~.bradley_terry.ratings`, which takes time.

    Examples
    --------
    >>> systems = {"first_system": "a", "second_system": "b"}
    >>> for one in standings([systems | {"outcome": "first"}, systems | {"outcome": "tie"}]):
    ...     print(one.system, one.wins, one.ties, one.losses, one.rate)
    a 1 1 0 0.75 [0.198, 0.973]
    b 0 1 1 0.25 [0.0267, 0.802]
    """
    fought = [Battle(*judged) for judged in _judged(table, pair) if judged[0] != judged[1]]
    names = sorted({name for battle in fought for name in (battle.first, battle.second)})
    rating = ratings(fought) if rated and len(names) > 2 else {}
    ranking = []
    for name in names:
        played = [battle for battle in fought if name in (battle.first, battle.second)]
        winners = [getattr(battle, battle.outcome) for battle in played if battle.outcome != "tie"]
        wins, losses = winners.count(name), len(winners) - winners.count(name)
        ties, rate = len(played) - len(winners), win_rate(played, name)
        ranking.append(Standing(name, wins, ties, losses, rate, rating.get(name)))
    return sorted(ranking, key=lambda standing: -(standing.rating or standing.rate).value)


def left_wins(outcomes: Sequence[Outcome], left: Sequence[str], *, level: float = 0.95) -> Score:
    """The share of decided pairs in which the text on the left was found better.

    It is 0.5 if the side does not matter to the annotator, provided that sides are assigned at
    random.

    Parameters
    ----------
    outcomes : (n,) outcomes; ties are left out.
    left : (n,) the text on the left: ``"first"`` or ``"second"``.

    Raises
    ------
    UsageError
        If the two have different lengths, or one of ``left`` is neither.

    Examples
    --------
    >>> print(left_wins(["first", "second", "tie"], ["first", "first", "second"]))
    0.5 [0.0945, 0.905]
    """
    if len(outcomes) != len(left) or set(left) - set(PAIR):
        raise UsageError(
            f"expected 'first' or 'second' for each of {len(outcomes)} outcomes; got {left!r}."
        )
    hits = [outcome == side for outcome, side in zip(outcomes, left, strict=True)
            if outcome in PAIR]  # fmt: skip
    how = "Wilson; ties left out; 0.5 is no bias" + ("" if hits else "; nothing was decided")
    return proportion("left wins", hits, how=how, better="", level=level)


def _judged(table: Any, pair: tuple[str, str]) -> Iterator[tuple[str, str, Outcome]]:
    """Both systems and the outcome of each row that has one."""
    for names, outcome in zip(systems(table, pair), tables.column(table, OUTCOME), strict=True):
        # an empty text cell is NaN in some kinds of table
        if outcome not in (None, "") and outcome == outcome:
            yield *names, outcome
