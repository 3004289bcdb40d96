from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from synthkit.evaluate.raters.battles import Outcome
from synthkit.evaluate.raters.length_control import length_controlled


def test_length_control_is_the_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.integers(50, 300, 400), rng.integers(50, 200, 400)
    apart = (ours - theirs) / (ours - theirs).std()
    won = rng.random(400) < 1 / (1 + np.exp(0.4 - 1.5 * np.tanh(apart)))
    score = length_controlled(["first" if one else "second" for one in won], ours, theirs)
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(np.tanh(apart)[:, None], won)
    assert score.value == pytest.approx(1 / (1 + np.exp(-fitted.intercept_[0])), abs=1e-5)
    assert score.value < won.mean()  # it won more by being longer
    assert (score.low or 1) < 1 / (1 + np.exp(0.4)) < (score.high or 0)


def test_length_control_is_symmetric_and_at_equal_lengths_the_win_rate() -> None:
    outcomes: list[Outcome] = ["first", "first", "second", "tie", "second", "first"]
    turned: dict[Outcome, Outcome] = {"first": "second", "second": "first", "tie": "tie"}
    long, short = [9, 4, 6, 7, 8, 2], [3, 5, 6, 2, 7, 6]
    one = length_controlled(outcomes, long, short).value
    other = length_controlled([turned[each] for each in outcomes], short, long).value
    assert one + other == pytest.approx(1)
    assert length_controlled(outcomes, long, long).value == 3.5 / 6
    assert length_controlled(["first"] * 3, [1, 2, 3], [2, 2, 2]).value == 1


def test_outcomes_that_length_tells_apart_take_a_ridge_and_say_so() -> None:
    score = length_controlled(["first", "first", "second", "second"], [9, 8, 1, 2], [5, 5, 5, 5])
    assert "ridge 0.01" in score.how
    assert score.value == pytest.approx(0.5)


def test_resamples_that_length_nearly_separates_do_not_overflow() -> None:
    rng = np.random.default_rng(130)
    ours, theirs = rng.normal(100, 30, 10), rng.normal(100, 30, 10)
    outcomes: list[Outcome] = ["first" if u < 0.6 else "second" for u in rng.random(10)]
    with np.errstate(over="raise"):
        score = length_controlled(outcomes, ours, theirs, resamples=100, seed=130)
    assert score.low is not None
    assert score.low <= score.value
