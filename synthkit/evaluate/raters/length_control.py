"""The win rate of a system controlled for the length of answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate.raters.battles import WINS, Outcome, check_outcome
from synthkit.evaluate.raters.bradley_terry import RIDGE, fit_logistic
from synthkit.evaluate.scores import Floats
from synthkit.stats.bootstrap import bootstrap
from synthkit.stats.classifier import numbers_or_nan, sigmoid


def length_controlled(
    outcomes: Sequence[Outcome],
    lengths: ArrayLike,
    other_lengths: ArrayLike,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Score:
    """The win rate that the first system would have if its answers were as long as the other's.

    logit P(first wins) = theta + phi tanh(d / std(d)), where d is the difference in length, fitted
    by maximum likelihood; the rate is 1 / (1 + exp(-theta)), that at d = 0. It is equation 2 of the
    paper for one pair of systems, without its term for the difficulty of a prompt, which requires
    the battles of many systems. A tie is half a win. If the length separates wins from losses
    without error, the likelihood has no maximum: both parameters then get a ridge of 0.01, and
    ``how`` says so.

    Parameters
    ----------
    outcomes : (n,) of the first system against the other.
    lengths, other_lengths : (n,) of their answers, in any one unit.

    Raises
    ------
    UsageError
        If there is no outcome, a length is missing, or all differences are equal but not 0: then
        the effect of the length cannot be separated from that of the system.

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
        check_outcome(outcome)
    wins = np.array([WINS[outcome] for outcome in outcomes])
    gaps = _lengths(lengths, n) - _lengths(other_lengths, n)
    if gaps.any() and np.ptp(gaps) == 0:
        raise UsageError(
            f"all lengths differ by {gaps[0]:g}: the effect of the length cannot be separated from "
            "that of the system. Use win_rate."
        )
    value, ridged = _rate_at_equal_length(wins, gaps)
    low, high = bootstrap(
        lambda rows: _rate_at_equal_length(wins[rows], gaps[rows])[0],
        n,
        method="percentile",
        resamples=resamples,
        level=level,
        seed=seed,
    )
    how = "logistic regression on tanh(d / std d) at d = 0; a tie is half a win"
    how += f"; ridge {RIDGE}, as the outcomes are separable" if ridged else ""
    how += f"; bootstrap over battles, {resamples} resamples, seed {seed}"
    return Score(
        name="length-controlled win rate", value=value, low=low, high=high, n=n, unit="0..1",
        better="higher", how=how, level=level,
    )  # fmt: skip


def _lengths(lengths: ArrayLike, n: int) -> Floats:
    numbers = numbers_or_nan(lengths)
    if numbers.shape != (n,) or not np.isfinite(numbers).all():
        raise UsageError(f"expected a length for each of the {n} outcomes, all of them numbers.")
    return numbers


def _rate_at_equal_length(wins: Floats, gaps: Floats) -> tuple[float, bool]:
    """The win rate at no difference in length, and whether the ridge was needed."""
    deviation = float(np.std(gaps))
    if wins.min() == wins.max() or deviation == 0:
        return float(wins.mean()), False
    design = np.stack([np.ones(len(wins)), np.tanh(gaps / deviation)], axis=1)
    ridged = _separable(wins, design[:, 1])
    theta = fit_logistic(design, wins, np.ones(len(wins)), RIDGE if ridged else 0.0)[0]
    return float(sigmoid(theta)), ridged


def _separable(wins: Floats, x: Floats) -> bool:
    """Whether a cut of ``x`` separates wins from losses without error; ties are on both sides."""
    won, lost = x[wins > 0], x[wins < 1]
    return bool(won.min() >= lost.max() or won.max() <= lost.min())
