"""Arena: systems against each other in pairs, and what their wins say of them.

The tie rule is everywhere the same: a tie counts half a win for each, or with ``ties="drop"`` is
left out. A judgement that could not be read is no battle: leave it out, never toss a coin for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError, unknown
from synthkit.core.types import Score
from synthkit.stats.bootstrap import bootstrap
from synthkit.stats.intervals import wilson

Outcome = Literal["first", "second", "tie"]
OUTCOMES: tuple[Outcome, ...] = ("first", "second", "tie")
Ties = Literal["half", "drop"]
Floats: TypeAlias = NDArray[np.float64]

RIDGE = 0.01
"""Weight of theta^2 / 2 where the likelihood has no maximum: a prior with deviation 1737 Elo."""
_WINS = {"first": 1.0, "second": 0.0, "tie": 0.5}


@dataclass(frozen=True, slots=True)
class Battle:
    """Two systems answered one prompt; ``outcome`` says which answer was better."""

    first: str
    second: str
    outcome: Outcome

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            raise UsageError(unknown("outcome", str(self.outcome), OUTCOMES))
        if self.first == self.second:
            raise UsageError(f"a battle is of two systems; got {self.first!r} twice.")


def ratings(
    battles: Iterable[Battle],
    *,
    ties: Ties = "half",
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Score]:
    """The Bradley-Terry rating of each system, in Elo, the best first, with bootstrap intervals.

    P(i beats j) = 1 / (1 + exp(theta_j - theta_i)), fitted by maximum likelihood (Newton's method),
    with mean theta 0; R = 1000 + 400 theta / ln 10, so that 400 more is 10 to 1. The maximum exists
    only if every system is reached from every other by wins (Ford 1957). Where it is not, 0.01 / 2
    sum theta^2 is taken off the likelihood, and ``how`` says so: such ratings tell who is ahead,
    not how far. The bootstrap draws battles; a resample that is not connected has the ridge too.

    Parameters
    ----------
    battles : of two systems or more.
    ties : ``"half"`` a win for each, or ``"drop"``.

    Raises
    ------
    UsageError
        If there is no battle left.

    References
    ----------
    R. A. Bradley and M. E. Terry (1952), Rank analysis of incomplete block designs, Biometrika 39,
    324-345; D. R. Hunter (2004), MM algorithms for generalized Bradley-Terry models, Annals of
    Statistics 32, section 2; W.-L. Chiang et al. (2024), Chatbot Arena, arXiv 2403.04132.

    Examples
    --------
    >>> won = [Battle("a", "b", "first")] * 75 + [Battle("b", "a", "first")] * 25
    >>> rated = ratings(won)
    >>> {name: round(score.value, 1) for name, score in rated.items()}
    {'a': 1095.4, 'b': 904.6}
    """
    if not 0 < level < 1 or resamples < 2:
        raise UsageError(
            f"expected a level between 0 and 1, and 2 resamples or more; got {level}, {resamples}."
        )
    fought = _fought(battles, ties)
    names = sorted({name for battle in fought for name in (battle.first, battle.second)})
    places = {name: place for place, name in enumerate(names)}
    # each distinct outcome once, as (winner, loser, its weight for one battle)
    kinds = sorted({(one.first, one.second, one.outcome) for one in fought})
    counted = dict.fromkeys(kinds, 0)
    for one in fought:
        counted[one.first, one.second, one.outcome] += 1
    each = np.zeros((len(kinds), len(names), len(names)))
    for wins, (first, second, outcome) in zip(each, kinds, strict=True):
        wins[places[first], places[second]] += _WINS[outcome]
        wins[places[second], places[first]] += 1 - _WINS[outcome]
    counts = np.array(list(counted.values()), np.float64)
    value, ridged = _strengths(np.tensordot(counts, each, 1))
    drawn = np.random.default_rng(seed).multinomial(len(fought), counts / counts.sum(), resamples)
    fits = [_strengths(np.tensordot(draw, each, 1)) for draw in drawn]
    how = f"ties {'count half' if ties == 'half' else 'left out'}; mean 1000"
    if ridged:
        how += f"; ridge {RIDGE}, as not every system is reached from every other by wins"
    how += f"; bootstrap over battles, {resamples} resamples, seed {seed}"
    if not ridged and (some := sum(with_ridge for _, with_ridge in fits)):
        how += f", {some} with ridge {RIDGE}"
    low, high = np.quantile([one for one, _ in fits], [(1 - level) / 2, (1 + level) / 2], axis=0)
    part = np.array([[one.first == name or one.second == name for one in fought] for name in names])
    return {
        names[at]: Score(
            name="Bradley-Terry rating",
            value=float(value[at]),
            low=float(low[at]),
            high=float(high[at]),
            n=int(part[at].sum()),
            unit="Elo",
            better="higher",
            how=how,
            level=level,
        )
        for at in np.argsort(-value, kind="stable")
    }


def win_probability(rating: float, other: float) -> float:
    """How likely one of the first rating beats one of the other, 0..1.

    >>> round(win_probability(1095.4, 904.6), 3)
    0.75
    """
    return 1 / (1 + 10 ** ((other - rating) / 400))


def win_rate(
    battles: Iterable[Battle],
    system: str,
    *,
    against: str | None = None,
    ties: Ties = "half",
    level: float = 0.95,
) -> Score:
    """How often a system won, with a Wilson interval; half is no better than the other.

    With ties as half wins the interval is a little wider than it need be.

    Parameters
    ----------
    against : count only battles with this one.

    Raises
    ------
    UsageError
        If there is no such battle.

    Examples
    --------
    >>> print(win_rate([Battle("a", "b", "first"), Battle("b", "a", "tie")], "a"))
    0.75 [0.198, 0.973]
    """
    won = []
    for one in _fought(battles, ties):
        if system in (one.first, one.second) and against in (None, one.first, one.second):
            share = _WINS[one.outcome]
            won.append(share if one.first == system else 1 - share)
    if not won or system == against:
        other = "" if against is None else f" against {against!r}"
        raise UsageError(f"expected battles of {system!r}{other}; got none.")
    how = "a tie is half a win" if ties == "half" else "ties left out"
    return _share("win rate", won, level, f"Wilson; {how}", "higher")


def settled(first: str, second: str, forward: Outcome, backward: Outcome) -> Battle:
    """One battle of two judgements of the same pair: a winner only if both orders agree on it.

    Parameters
    ----------
    forward : what was said with ``first`` shown first.
    backward : what was said with ``second`` shown first.

    Examples
    --------
    >>> settled("a", "b", "first", "second")
    Battle(first='a', second='b', outcome='first')
    >>> settled("a", "b", "first", "first").outcome
    'tie'
    """
    turned = Battle(second, first, backward).outcome
    same = Battle(first, second, forward).outcome == _turn(turned)
    return Battle(first, second, forward if same else "tie")


def order_consistency(
    judged: Sequence[tuple[Outcome, Outcome]], *, level: float = 0.95
) -> tuple[Score, Score]:
    """How often both orders of a pair got the same winner, and how often the first shown won.

    The first score is the share of pairs whose two judgements agree, a tie in both included. The
    second is the share of the winners, over pairs that were not a tie in both orders, that were
    shown first: one half where the order does not matter, more where the judge likes the first. Its
    interval takes a pair, not a judgement, as one observation.

    Parameters
    ----------
    judged : for each pair what was said in one order and in the other, by place: ``("first",
        "second")`` is one winner, and ``("first", "first")`` are two.

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
    for outcome in (one for pair in judged for one in pair):
        if outcome not in OUTCOMES:
            raise UsageError(unknown("outcome", str(outcome), OUTCOMES))
    if not judged:
        raise UsageError("expected pairs judged in both orders; got none.")
    same = [float(one == _turn(other)) for one, other in judged]
    decided = [pair for pair in judged if tuple(pair) != ("tie", "tie")]
    first = [(_WINS[one] + _WINS[other]) / 2 for one, other in decided]
    how = "Wilson over pairs"
    bias = _share("first shown wins", first, level, f"{how}; 0.5 is no bias", "")
    return _share("order consistency", same, level, how, "higher"), bias


def length_controlled(
    outcomes: Sequence[Outcome],
    lengths: ArrayLike,
    other_lengths: ArrayLike,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Score:
    """The win rate that the first system would have, were its answers as long as the other's.

    logit P(first wins) = theta + phi tanh(d / std(d)), with d the difference in length, fitted by
    maximum likelihood; the rate is 1 / (1 + exp(-theta)), that at d = 0. It is equation 2 of the
    paper for one pair of systems, without its term for how hard a prompt is, which takes the
    battles of many systems to fit. A tie is half a win. Where wins are told from losses without
    error, and the likelihood has no maximum, a ridge of 0.01 is put on both parameters, and ``how``
    says so.

    Parameters
    ----------
    outcomes : (n,) of the first system against the other.
    lengths, other_lengths : (n,) of their answers, in any one unit.

    Raises
    ------
    UsageError
        If there is no outcome, a length is missing, or all differences are one and the same, but
        not 0: the length and the system are then one.

    References
    ----------
    Y. Dubois et al. (2024), Length-controlled AlpacaEval, arXiv 2404.04475, section 3.

    Examples
    --------
    >>> longer = [("first", 90, 50)] * 6 + [("second", 90, 50)] * 2
    >>> shorter = [("first", 50, 90)] * 2 + [("second", 50, 90)] * 6
    >>> print(round(length_controlled(*zip(*(longer + shorter * 2))).value, 2))
    0.5
    """
    n = len(outcomes)
    if not n:
        raise UsageError("expected outcomes of two systems; got none.")
    for outcome in outcomes:
        if outcome not in OUTCOMES:
            raise UsageError(unknown("outcome", str(outcome), OUTCOMES))
    won = np.array([_WINS[outcome] for outcome in outcomes])
    apart = _lengths(lengths, n) - _lengths(other_lengths, n)
    if apart.any() and np.ptp(apart) == 0:
        raise UsageError(
            f"all lengths differ by {apart[0]:g}: what is due to length cannot be told from what "
            "is due to the system. Use win_rate."
        )
    value, ridged = _even(won, apart)
    low, high = bootstrap(
        lambda rows: _even(won[rows], apart[rows])[0],
        n,
        method="percentile",
        resamples=resamples,
        level=level,
        seed=seed,
    )
    how = "logistic regression on tanh(d / std d) at d = 0; a tie is half a win"
    how += f"; ridge {RIDGE}, as outcomes are told apart without error" if ridged else ""
    how += f"; bootstrap over battles, {resamples} resamples, seed {seed}"
    return Score(
        name="length-controlled win rate",
        value=value,
        low=low,
        high=high,
        n=n,
        unit="0..1",
        better="higher",
        how=how,
        level=level,
    )


def _fought(battles: Iterable[Battle], ties: Ties) -> list[Battle]:
    if ties not in ("half", "drop"):
        raise UsageError(unknown("tie rule", str(ties), ("half", "drop")))
    fought = [one for one in battles if ties == "half" or one.outcome != "tie"]
    if not fought:
        raise UsageError("expected battles of two systems; got none that counts.")
    return fought


def _turn(outcome: Outcome) -> Outcome:
    return "tie" if outcome == "tie" else "first" if outcome == "second" else "second"


def _share(name: str, won: Sequence[float], level: float, how: str, better: Any) -> Score:
    n = len(won)
    low, high = wilson(sum(won), n, level)
    value = sum(won) / n if n else 0.5
    how = how if n else f"{how}; nothing was decided"
    return Score(
        name=name,
        value=value,
        low=low,
        high=high,
        n=n,
        unit="0..1",
        better=better,
        how=how,
        level=level,
        parts=np.array(won, np.float64),
    )


def _lengths(given: ArrayLike, n: int) -> Floats:
    try:
        lengths = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        lengths = np.full(n, np.nan)
    if lengths.shape != (n,) or not np.isfinite(lengths).all():
        raise UsageError(f"expected a length for each of the {n} outcomes, all of them numbers.")
    return lengths


def _strengths(wins: Floats) -> tuple[Floats, bool]:
    """The ratings, and whether it took the ridge; ``wins[i, j]``: how often i beat j."""
    size = len(wins)
    one, other = np.triu_indices(size, 1)
    met = wins[one, other] + wins[other, one]
    one, other, met = one[met > 0], other[met > 0], met[met > 0]
    design = np.zeros((len(met), size))
    design[np.arange(len(met)), one] = 1
    design[np.arange(len(met)), other] = -1
    reached = (wins > 0) | np.eye(size, dtype=bool)
    for _ in range(size.bit_length()):
        reached = reached @ reached
    ridged = not reached.all()
    theta = _logistic(design, wins[one, other] / met, met, RIDGE if ridged else 0.0)
    return 1000 + 400 * (theta - theta.mean()) / math.log(10), ridged


def _even(won: Floats, apart: Floats) -> tuple[float, bool]:
    """The win rate at no difference, and whether it took the ridge."""
    spread = float(np.std(apart))
    if won.min() == won.max() or spread == 0:
        return float(won.mean()), False
    design = np.stack([np.ones(len(won)), np.tanh(apart / spread)], axis=1)
    ridged = _parted(won, design[:, 1])
    theta = _logistic(design, won, np.ones(len(won)), RIDGE if ridged else 0.0)[0]
    return float(1 / (1 + np.exp(-theta))), ridged


def _parted(won: Floats, x: Floats) -> bool:
    """Whether a cut of ``x`` tells wins from losses without error, ends aside."""
    wins, losses = x[won > 0], x[won < 1]  # a tie is on both sides
    return bool(wins.min() >= losses.max() or wins.max() <= losses.min())


def _logistic(design: Floats, shares: Floats, weights: Floats, ridge: float) -> Floats:
    """The maximum of sum w (y log p + (1 - y) log(1 - p)) - ridge / 2 |beta|^2, by Newton's method.

    A step is halved until it does not lose, and of many maxima the one nearest to 0 is found.
    """

    def gain(beta: Floats) -> float:
        z = design @ beta
        return float(weights @ (shares * z - np.logaddexp(0, z)) - ridge / 2 * beta @ beta)

    beta = np.zeros(design.shape[1])
    for _ in range(100):
        p = 1 / (1 + np.exp(-(design @ beta)))
        slope = design.T @ (weights * (shares - p)) - ridge * beta
        curve = (design * (weights * p * (1 - p))[:, None]).T @ design + ridge * np.eye(len(beta))
        step = np.linalg.lstsq(curve, slope, rcond=1e-12)[0]
        before = gain(beta)
        while gain(beta + step) < before and np.abs(step).max() > 1e-12:
            step = step / 2
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    return beta
