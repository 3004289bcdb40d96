"""Bradley-Terry ratings of systems from their battles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate.raters.battles import WINS, Battle, Ties, counted
from synthkit.evaluate.scores import Floats

RIDGE = 0.01
"""Weight of theta^2 / 2 if the likelihood has no maximum: a prior with deviation 1737 Elo."""


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
    only if every system is connected to every other by wins (Ford 1957). Otherwise 0.01 / 2 sum
    theta^2 is subtracted from the likelihood, and ``how`` says so: such ratings say who is ahead,
    not how far. The bootstrap samples battles; a sample that is not connected has the ridge too. If
    all battles of two systems had one outcome, such as a tie, half a win of each is among those
    sampled: an outcome that was not seen is not impossible.

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
    >>> battles = [Battle("a", "b", "first")] * 75 + [Battle("b", "a", "first")] * 25
    >>> {name: round(score.value, 1) for name, score in ratings(battles).items()}
    {'a': 1095.4, 'b': 904.6}
    """
    if not 0 < level < 1 or resamples < 2:
        raise UsageError(
            f"expected a level between 0 and 1, and 2 resamples or more; got {level}, {resamples}."
        )
    counting = counted(battles, ties)
    names = sorted({name for battle in counting for name in (battle.first, battle.second)})
    wins, counts = _win_matrices(counting, names)
    values, ridged = _elo(np.tensordot(counts, wins, 1))
    possible, weights = _with_unseen(wins, counts)
    samples = np.random.default_rng(seed).multinomial(
        len(counting), weights / weights.sum(), resamples
    )
    fits = [_elo(np.tensordot(sample, possible, 1)) for sample in samples]
    low, high = np.quantile([fit for fit, _ in fits], [(1 - level) / 2, (1 + level) / 2], axis=0)
    how = f"ties {'count half' if ties == 'half' else 'left out'}; mean 1000"
    if ridged:
        how += f"; ridge {RIDGE}, as not every system is reached from every other by wins"
    how += f"; bootstrap over battles, {resamples} resamples, seed {seed}"
    if not ridged and (with_ridge := sum(ridge for _, ridge in fits)):
        how += f", {with_ridge} with ridge {RIDGE}"
    return {
        names[at]: Score(
            name="Bradley-Terry rating", value=float(values[at]), low=float(low[at]),
            high=float(high[at]), n=sum(names[at] in (b.first, b.second) for b in counting),
            unit="Elo", better="higher", how=how, level=level,
        )
        for at in np.argsort(-values, kind="stable")
    }  # fmt: skip


def fit_logistic(design: Floats, shares: Floats, weights: Floats, ridge: float) -> Floats:
    """The maximum of sum w (y log p + (1 - y) log(1 - p)) - ridge / 2 |beta|^2, by Newton's method.

    A step is halved until it does not lose; of several maxima the one nearest to 0 is found.
    """

    def objective(beta: Floats) -> float:
        z = design @ beta
        return float(weights @ (shares * z - np.logaddexp(0, z)) - ridge / 2 * beta @ beta)

    beta = np.zeros(design.shape[1])
    for _ in range(100):
        p = 1 / (1 + np.exp(-(design @ beta)))
        slope = design.T @ (weights * (shares - p)) - ridge * beta
        curvature = (design * (weights * p * (1 - p))[:, None]).T @ design
        curvature += ridge * np.eye(len(beta))
        step = np.linalg.lstsq(curvature, slope, rcond=1e-12)[0]
        before = objective(beta)
        while objective(beta + step) < before and np.abs(step).max() > 1e-12:
            step = step / 2
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    return beta


def _win_matrices(battles: Sequence[Battle], names: Sequence[str]) -> tuple[Floats, Floats]:
    """(k, s, s) wins of each distinct battle, one system over another, and (k,) their counts."""
    places = {name: place for place, name in enumerate(names)}
    kinds = sorted({(battle.first, battle.second, battle.outcome) for battle in battles})
    counts = dict.fromkeys(kinds, 0)
    for battle in battles:
        counts[battle.first, battle.second, battle.outcome] += 1
    wins = np.zeros((len(kinds), len(names), len(names)))
    for matrix, (first, second, outcome) in zip(wins, kinds, strict=True):
        matrix[places[first], places[second]] += WINS[outcome]
        matrix[places[second], places[first]] += 1 - WINS[outcome]
    return wins, np.array(list(counts.values()), np.float64)


def _with_unseen(wins: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """The distinct battles and their counts, with those that were not seen but may be drawn.

    Without them, as with ties alone, all samples would be equal, and a rating would look certain.
    """
    kinds, weights = [*wins], [*counts]
    total = np.tensordot(counts, wins, 1)
    for i, j in zip(*np.nonzero(np.triu(total + total.T, 1)), strict=True):
        between = wins[(wins[:, i, j] + wins[:, j, i]) > 0]
        if np.ptp(between[:, i, j]) == 0:
            for a, b in ((i, j), (j, i)):
                unseen = np.zeros_like(total)
                unseen[a, b] = 1
                kinds.append(unseen)
                weights.append(0.5)
    return np.array(kinds), np.array(weights)


def _elo(wins: Floats) -> tuple[Floats, bool]:
    """The ratings, and whether the ridge was needed; ``wins[i, j]`` is how often i beat j."""
    size = len(wins)
    a, b = np.triu_indices(size, 1)
    battles = wins[a, b] + wins[b, a]
    a, b, battles = a[battles > 0], b[battles > 0], battles[battles > 0]
    design = np.zeros((len(battles), size))
    design[np.arange(len(battles)), a] = 1
    design[np.arange(len(battles)), b] = -1
    reached = (wins > 0) | np.eye(size, dtype=bool)
    for _ in range(size.bit_length()):
        reached = reached @ reached
    ridged = not reached.all()
    theta = fit_logistic(design, wins[a, b] / battles, battles, RIDGE if ridged else 0.0)
    return 1000 + 400 * (theta - theta.mean()) / math.log(10), ridged
