from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score

from synthkit.core.errors import UsageError
from synthkit.evaluate.metrics.accuracy import (
    Predictions,
    accuracy,
    accuracy_on,
    difference,
    encoded,
    f1_on,
    macro_f1,
)
from synthkit.stats.intervals import wilson

Array = np.ndarray


def one_draw(targets: Array, said: Array, k: int = 3) -> Predictions:
    return Predictions(targets, said[None], k)


@pytest.mark.parametrize("seed", range(8))
def test_accuracy_and_f1_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    right = rng.choice(["a", "b", "c"], 40).tolist()
    draws = [rng.choice(["a", "b", "c", "only predicted"], 40).tolist() for _ in range(3)]
    (found,) = encoded(right, draws)
    f1s = [f1_score(right, said, average="macro") for said in draws]
    assert macro_f1(found).value == pytest.approx(np.mean(f1s), abs=1e-14)
    shares = [accuracy_score(right, said) for said in draws]
    assert accuracy(found).value == pytest.approx(np.mean(shares), abs=1e-14)
    rows = rng.integers(40, size=(2, 40))
    resampled = [
        np.mean(
            [f1_score(np.array(right)[at], np.array(one)[at], average="macro") for one in draws]
        )
        for at in rows
    ]
    assert f1_on(found, rows) == pytest.approx(resampled, abs=1e-14)


def test_parts_of_accuracy_are_0_or_1_and_with_draws_the_share_that_was_right() -> None:
    assert accuracy(*encoded("abab", ["abaa"])).parts == (1, 1, 1, 0)
    found = accuracy(*encoded("ab", ["ab", "aa"]))
    assert (found.value, found.parts) == (0.75, (1, 0.5))


def test_parts_of_f1_are_the_pseudo_values_of_the_jackknife() -> None:
    rng = np.random.default_rng(0)
    right, said = rng.integers(3, size=(2, 25))
    whole = f1_score(right, said, average="macro")
    left_out = [
        f1_score(np.delete(right, at), np.delete(said, at), average="macro") for at in range(25)
    ]
    found = macro_f1(*encoded(right.tolist(), [said.tolist()]))
    assert found.parts == pytest.approx(25 * whole - 24 * np.array(left_out), abs=1e-12)


def test_the_interval_of_one_draw_is_that_of_wilson() -> None:
    found = accuracy(*encoded("aabab", ["abaab"]))
    assert (found.low, found.high) == pytest.approx(wilson(3, 5), abs=1e-15)


def test_draws_that_differ_widen_the_interval_and_draws_that_do_not_leave_it() -> None:
    targets = np.zeros(100, np.intp)
    said = (np.arange(100) < 20).astype(np.intp)
    same = accuracy(Predictions(targets, np.array([said] * 3), 2))
    apart_ = accuracy(Predictions(targets, np.array([said, said * 0, np.roll(said, 20)]), 2))
    one = accuracy(one_draw(targets, said))
    assert (same.low, same.high) == pytest.approx((one.low, one.high), abs=1e-12)
    assert apart_.low < one.low  # type: ignore[operator]


@pytest.mark.parametrize("on", [accuracy_on, f1_on])
@pytest.mark.parametrize("wrong", [1, 2, 4, 5, 6, 9])
def test_five_rows_that_one_of_two_has_wrong_are_no_difference(on: Any, wrong: int) -> None:
    """By McNemar's exact test six rows are needed; of five, p is 2 / 32."""
    truth = "ab" * 60
    worse = truth.translate(str.maketrans("ab", "ba"))[:wrong] + truth[wrong:]
    found = difference(*encoded(truth, [truth], [worse]), on)
    assert found.value > 0
    assert found.significant == (wrong >= 6)


def test_a_set_against_itself_has_no_significant_difference() -> None:
    found = difference(*encoded("abab", ["abaa"], ["abaa"]))
    assert (found.value, found.low, found.high) == (0, 0, 0)
    assert not found.significant


def test_what_one_has_over_the_other_is_the_difference_of_their_scores() -> None:
    rng = np.random.default_rng(1)
    right = rng.integers(3, size=80).tolist()
    runs = [[rng.integers(3, size=80).tolist() for _ in range(n)] for n in (2, 1)]
    first, second = encoded(right, *runs)
    for on, score in ((accuracy_on, accuracy), (f1_on, macro_f1)):
        found = difference(first, second, on)
        assert found.value == pytest.approx(score(first).value - score(second).value, abs=1e-14)
        assert found.low < found.value < found.high


def test_intervals_of_one_draw_cover_within_two_points_of_nominal() -> None:
    table = np.array([[0.40, 0.05, 0.05], [0.05, 0.20, 0.05], [0.04, 0.06, 0.10]])
    f1 = (2 * np.diag(table) / (table.sum(0) + table.sum(1))).mean()
    rng = np.random.default_rng(2)
    held = []
    for _ in range(1500):
        cells = rng.choice(9, size=80, p=table.ravel())
        found = one_draw(cells // 3, cells % 3)
        scores = accuracy(found), macro_f1(found)
        held.append(
            [one.low <= true <= one.high for one, true in zip(scores, (0.7, f1), strict=True)]  # type: ignore[operator]
        )
    assert np.mean(held, axis=0) == pytest.approx([0.95, 0.95], abs=0.02)


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_intervals_of_five_draws_cover(spread: float) -> None:
    """A row is right by how hard it is, how good the draw is, and chance; each of variance 1."""
    rng = np.random.default_rng(3)
    normal = stats.norm()
    true = [normal.cdf(ease / np.sqrt(2 + spread**2)) for ease in (1.0, 0.7)]
    held = []
    for _ in range(500):
        hard = rng.normal(size=100)
        draws = rng.normal(size=(2, 5, 1)) * spread
        right = [
            (hard + draw + rng.normal(size=(5, 100)) + ease > 0).astype(np.intp)
            for draw, ease in zip(draws, (1.0, 0.7), strict=True)
        ]
        first, second = (Predictions(np.ones(100, np.intp), one, 2) for one in right)
        score, gap = accuracy(first), difference(first, second)
        held.append(
            [
                score.low <= true[0] <= score.high,  # type: ignore[operator]
                gap.low <= true[0] - true[1] <= gap.high,
            ]
        )
    assert (np.mean(held, axis=0) >= 0.93).all()


def test_degenerate_predictions_have_a_value() -> None:
    for right, said, value in (("a", "a", 1.0), ("a", "b", 0.0), ("aaa", "aaa", 1.0)):
        (found,) = encoded(right, [said])
        for score in (accuracy(found), macro_f1(found)):
            assert score.value == value
            assert score.parts == pytest.approx([value] * len(right))
            assert score.low <= value <= score.high  # type: ignore[operator]
    assert accuracy(*encoded("a", ["a"])).low == pytest.approx(wilson(1, 1)[0])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="one row or more"):
        encoded([], [[]])
    with pytest.raises(UsageError, match="expected 2 predicted labels; got 1"):
        encoded("ab", ["a"])
