from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from synthkit.core.errors import UsageError
from synthkit.evaluate.raters.reliability import cross_fitted, reliability, roc_area, threshold
from synthkit.stats.intervals import wilson


def test_calibration_error_by_hand() -> None:
    found = reliability([0.1, 0.1, 0.1, 0.1, 0.85, 0.95], [0, 0, 0, 1, 1, 0])
    assert found.error.value == pytest.approx((4 * 0.15 + 0.15 + 0.95) / 6)
    assert [(one.n, one.share) for one in found.bins] == [(4, 0.25), (1, 1), (1, 0)]
    assert (found.bins[0].low, found.bins[0].high) == wilson(1, 4)
    assert list(found.frame()) == ["predicted", "share", "n", "low", "high"]


def test_perfect_and_worst_probabilities_have_the_ends_of_the_error() -> None:
    assert reliability([0, 1, 1, 0], [False, True, True, False]).error.value == 0
    assert reliability([0, 1], [True, False]).error.value == 1
    assert reliability([0.3], [True]).error.value == pytest.approx(0.7)
    assert len(reliability([0.5] * 9, [True] * 9).bins) == 1


def test_the_error_of_few_rows_is_told_from_that_by_chance() -> None:
    rng = np.random.default_rng(0)
    sound, by_chance = [], []
    for seed in range(100):
        predicted = rng.random(60)
        found = reliability(predicted, rng.random(60) < predicted, resamples=20, seed=seed)
        assert (found.error.low or 0) <= found.error.value <= (found.error.high or 0)
        sound.append(found.error.value)
        by_chance.append(found.by_chance)
    assert np.mean(sound) > 0.08
    assert np.mean(sound) == pytest.approx(np.mean(by_chance), abs=0.01)
    worse = reliability([0.9] * 60, np.arange(60) % 2 == 0)
    assert worse.error.value == pytest.approx(0.4)
    assert worse.by_chance < 0.05


@pytest.mark.parametrize("bins", [1, 5, 10])
def test_bins_are_those_of_scikit_learn(bins: int) -> None:
    rng = np.random.default_rng(0)
    predicted = np.concatenate([rng.random(300), np.linspace(0, 1, 11), rng.integers(0, 5, 50) / 4])
    accepted = rng.random(len(predicted)) < predicted**2
    found = reliability(predicted, accepted, bins=bins, resamples=20)
    shares, means = calibration_curve(accepted, predicted, n_bins=bins)
    assert [one.share for one in found.bins] == pytest.approx(shares.tolist())
    assert [one.predicted for one in found.bins] == pytest.approx(means.tolist())
    weights = np.array([one.n for one in found.bins]) / len(predicted)
    assert found.error.value == pytest.approx(float(weights @ np.abs(shares - means)))
    assert (found.error.low or 0) <= found.error.value <= (found.error.high or 1)


@pytest.mark.parametrize("ties", [True, False])
def test_the_area_is_that_of_scikit_learn(ties: bool) -> None:
    rng = np.random.default_rng(0)
    accepted = rng.random(80) < 0.3
    scores = rng.integers(1, 6, 80) + accepted if ties else rng.normal(size=80) + accepted
    found = roc_area(scores, accepted)
    assert found.value == pytest.approx(roc_auc_score(accepted, scores))
    assert roc_area(-scores, accepted).value == pytest.approx(1 - found.value)


def test_delongs_interval_by_hand_and_at_its_ends() -> None:
    # of the accepted 3 and 1, one beats both rejected and one neither: variance 1/2 of each side
    found = roc_area([3, 1, 2, 2], [True, True, False, False])
    assert (found.value, found.low, found.high) == (0.5, 0, 1)
    wins = [1, 1, 1, 0.75]  # 2 is above 1, and even with 2
    losses = [1, 0.875]  # 1 is below all four; 2 below three, and even with one
    found = roc_area([5, 4, 3, 2, 1, 2], [True] * 4 + [False] * 2)
    error = np.sqrt(np.var(wins, ddof=1) / 4 + np.var(losses, ddof=1) / 2)
    assert found.value == pytest.approx(np.mean(wins))
    assert found.low == pytest.approx(0.9375 - 1.959964 * error)
    assert found.high == 1
    lone = roc_area([1, 2], [False, True])
    assert (lone.value, lone.low, lone.high) == (1, None, None)


def test_delongs_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        scores = np.concatenate([rng.normal(size=40), rng.normal(1, size=40)])
        found = roc_area(scores, np.arange(80) >= 40)
        held += (found.low or 0) <= 0.7602499 <= (found.high or 0)  # Phi(1 / sqrt 2)
    assert 0.93 <= held / 1000 <= 0.97


def kappa_at(cut: float, scores: Any, accepted: Any) -> float:
    said = np.asarray(scores) >= cut
    if said.all() or not said.any():
        return 0.0
    return float(cohen_kappa_score(said, accepted))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("continuous", [True, False])
def test_no_other_threshold_agrees_better(seed: int, continuous: bool) -> None:
    rng = np.random.default_rng(seed)
    accepted = rng.random(60) < 0.6
    scores = rng.normal(size=60) + accepted if continuous else rng.integers(1, 6, 60) + accepted
    found = kappa_at(threshold(scores, accepted), scores, accepted)
    every = [kappa_at(cut, scores, accepted) for cut in np.unique(scores)]
    assert found == pytest.approx(max(every))


def test_scores_that_say_nothing_take_what_most_marks_say() -> None:
    assert threshold([3, 3, 3], [True, True, False]) == 3
    assert threshold([3, 3, 3], [True, False, False]) == np.inf
    assert threshold([5, 4, 2, 1], [False, False, True, True]) in (1, np.inf)


def test_a_cross_fitted_threshold_does_not_flatter_and_a_fitted_one_does() -> None:
    rng = np.random.default_rng(0)
    fitted, honest = [], []
    for seed in range(200):
        scores, accepted = rng.normal(size=40), rng.permutation(np.arange(40) % 2 == 0)
        fitted.append(kappa_at(threshold(scores, accepted), scores, accepted))
        said = cross_fitted(scores, accepted, seed=seed)
        honest.append(float(cohen_kappa_score(said, accepted)))
    assert np.mean(fitted) > 0.15
    assert abs(np.mean(honest)) < 0.08


def test_cross_fitting_costs_a_sound_judge_little() -> None:
    rng = np.random.default_rng(0)
    accepted = np.arange(200) % 2 == 0
    scores = rng.normal(size=200) + 2 * accepted
    honest = float(cohen_kappa_score(cross_fitted(scores, accepted), accepted))
    assert kappa_at(threshold(scores, accepted), scores, accepted) - honest < 0.1
    assert (cross_fitted(scores, accepted) == cross_fitted(scores, accepted)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reliability([], []), "one row or more"),
        (lambda: reliability([1.2], [True]), "0..1"),
        (lambda: reliability([np.nan], [True]), "a number for each mark"),
        (lambda: reliability([0.5], [True, False]), "a number for each mark"),
        (lambda: reliability([0.5], [2]), "true or false"),
        (lambda: reliability(["a"], [True]), "a number for each mark"),
        (lambda: reliability([0.5], [True], bins=0), "bins must be at least 1"),
        (lambda: threshold([1, 2], [True, True]), "both kinds"),
        (lambda: threshold([1], [True, False]), "a number for each mark"),
        (lambda: threshold([1, np.nan], [True, False]), "a number for each mark"),
        (lambda: roc_area([1, 2], [True, True]), "both kinds"),
        (lambda: roc_area([1, 2], [True, False], level=95), "level between 0 and 1"),
        (lambda: cross_fitted([1, 2, 3], [True, False, True]), "two marks of each kind"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(call: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()
