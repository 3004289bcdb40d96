"""Battles: two systems answer one prompt, and one answer is better.

The tie rule is the same everywhere: a tie is half a win for both systems; with ``ties="drop"`` it
is left out. A judgement that cannot be parsed is not a battle: leave it out, never choose at
random.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from synthkit.core.errors import UsageError, check_known
from synthkit.core.types import Score
from synthkit.evaluate.scores import proportion

Outcome = Literal["first", "second", "tie"]
OUTCOMES: tuple[Outcome, ...] = ("first", "second", "tie")
Ties = Literal["half", "drop"]
WINS = {"first": 1.0, "second": 0.0, "tie": 0.5}
"""The win of the first system, by outcome."""
SWAPPED: dict[Outcome, Outcome] = {"first": "second", "second": "first", "tie": "tie"}
"""The outcome once both systems have changed places."""


@dataclass(frozen=True, slots=True)
class Battle:
    """Two systems that answered one prompt, and which answer was better."""

    first: str
    second: str
    outcome: Outcome

    def __post_init__(self) -> None:
        check_outcome(self.outcome)
        if self.first == self.second:
            raise UsageError(f"a battle is of two systems; got {self.first!r} twice.")


def check_outcome(outcome: str) -> None:
    """Raise an error unless the outcome is first, second or tie."""
    check_known("outcome", [outcome], OUTCOMES)


def counted(battles: Iterable[Battle], ties: Ties) -> list[Battle]:
    """The battles that count by a tie rule.

    Raises
    ------
    UsageError
        If there is no such rule, or no battle is left.
    """
    check_known("tie rule", [ties], ("half", "drop"))
    counting = [battle for battle in battles if ties == "half" or battle.outcome != "tie"]
    if not counting:
        raise UsageError("expected battles of two systems; got none that counts.")
    return counting


def win_rate(
    battles: Iterable[Battle],
    system: str,
    *,
    against: str | None = None,
    ties: Ties = "half",
    level: float = 0.95,
) -> Score:
    """The share of battles that a system won, 0..1, with a Wilson interval; 0.5 is no difference.

    With ties as half wins the interval is slightly wider than necessary.

    Parameters
    ----------
    against : count only battles with this system.

    Raises
    ------
    UsageError
        If there is no such battle.

    Examples
    --------
    >>> print(win_rate([Battle("a", "b", "first"), Battle("b", "a", "tie")], "a"))
    0.75 [0.198, 0.973]
    """
    wins = []
    for battle in counted(battles, ties):
        pair = (battle.first, battle.second)
        if system in pair and against in (None, *pair):
            win = WINS[battle.outcome]
            wins.append(win if battle.first == system else 1 - win)
    if not wins or system == against:
        other = "" if against is None else f" against {against!r}"
        raise UsageError(f"expected battles of {system!r}{other}; got none.")
    rule = "a tie is half a win" if ties == "half" else "ties left out"
    return proportion("win rate", wins, how=f"Wilson; {rule}", level=level)


def settled(first: str, second: str, forward: Outcome, backward: Outcome) -> Battle:
    """The battle of a pair judged in both orders: one system wins only if both orders agree.

    Parameters
    ----------
    forward : the outcome with ``first`` shown first.
    backward : the outcome with ``second`` shown first.

    Examples
    --------
    >>> settled("a", "b", "first", "second")
    Battle(first='a', second='b', outcome='first')
    >>> settled("a", "b", "first", "first").outcome
    'tie'
    """
    check_outcome(backward)
    agreed = Battle(first, second, forward).outcome == SWAPPED[backward]
    return Battle(first, second, forward if agreed else "tie")


def order_consistency(
    judged: Sequence[tuple[Outcome, Outcome]], *, level: float = 0.95
) -> tuple[Score, Score]:
    """The share of pairs with the same winner in both orders, and how often the first shown won.

    The first score is the share of pairs whose two judgements agree, a tie in both included. The
    second is over pairs that were not a tie in both orders: the share of winners that were shown
    first. It is 0.5 if the order does not matter, and more if the judge prefers the first. Its
    interval takes a pair, not a judgement, as one observation.

    Parameters
    ----------
    judged : for each pair the outcome in one order and in the other, by place: ``("first",
        "second")`` is the same winner twice, and ``("first", "first")`` are two winners.

    Raises
    ------
    UsageError
        If there is no pair, or an outcome is unknown.

    References
    ----------
    L. Zheng et al. (2023), Judging LLM-as-a-judge with MT-Bench and Chatbot Arena, arXiv
    2306.05685, section 3.4.

    Examples
    --------
    >>> same, first = order_consistency([("first", "second")] * 7 + [("first", "first")] * 3)
    >>> round(same.value, 2), round(first.value, 2)
    (0.7, 0.65)
    """
    for pair in judged:
        for outcome in pair:
            check_outcome(outcome)
    if not judged:
        raise UsageError("expected pairs judged in both orders; got none.")
    agreed = [float(forward == SWAPPED[backward]) for forward, backward in judged]
    decided = [pair for pair in judged if tuple(pair) != ("tie", "tie")]
    first = [(WINS[forward] + WINS[backward]) / 2 for forward, backward in decided]
    how = "Wilson over pairs"
    bias = f"{how}; 0.5 is no bias" + ("" if first else "; nothing was decided")
    return (
        proportion("order consistency", agreed, how=how, level=level),
        proportion("first shown wins", first, how=bias, better="", level=level),
    )
