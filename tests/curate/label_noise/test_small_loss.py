from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from synthkit.core.errors import UsageError
from synthkit.curate import small_loss

RNG = np.random.default_rng(0)
LOSSES = np.concatenate([RNG.normal(0.3, 0.1, 300), RNG.normal(2.0, 0.3, 100)])


def test_small_and_large_losses_are_separated() -> None:
    found = small_loss(LOSSES)
    assert (found.small[:300] > 0.7).mean() == 1
    assert (found.small[300:] < 0.3).mean() == 1
    assert found.shares.tolist() == pytest.approx([0.75, 0.25], abs=0.01)
    span, least = np.ptp(LOSSES), LOSSES.min()
    assert (found.means * span + least).tolist() == pytest.approx([0.3, 2.0], abs=0.05)
    assert (found.losses.min(), found.losses.max()) == (0, 1)


def test_probabilities_follow_bayes_rule_for_the_fitted_distributions() -> None:
    found = small_loss(LOSSES)
    z = (found.losses[:, None] - found.means) / found.deviations
    density = found.shares / found.deviations * np.exp(-(z**2) / 2)
    assert found.small == pytest.approx(density[:, 0] / density.sum(axis=1))


def test_the_components_are_those_of_scikit_learn() -> None:
    scaled = (LOSSES - LOSSES.min()) / np.ptp(LOSSES)
    model = GaussianMixture(2, reg_covar=5e-4, random_state=7).fit(scaled[:, None])
    assert sorted(small_loss(LOSSES).means) == pytest.approx(sorted(model.means_.ravel()), abs=1e-3)


def test_a_smaller_loss_is_never_trusted_less() -> None:
    wide = np.concatenate([RNG.normal(0.5, 0.02, 900), RNG.normal(0.7, 0.3, 300)])
    for losses in (wide, -wide):  # by Bayes' rule the smallest would be trusted least
        found = small_loss(losses)
        falling = found.small[np.argsort(losses)]
        assert (np.diff(falling) <= 1e-12).all()
        assert falling[0] > 0.7 > 0.3 > falling[-1]


@pytest.mark.parametrize("losses", [[], [0.7], [0.7] * 5])
def test_equal_losses_are_all_small(losses: Any) -> None:
    assert small_loss(losses).small.tolist() == [1.0] * len(losses)


def test_of_two_losses_one_is_small_and_one_large() -> None:
    assert small_loss([3.0, 0.1]).small.round(3).tolist() == [0, 1]


@pytest.mark.parametrize("losses", [[[1.0]], [1.0, float("inf")], [float("nan")]])
def test_losses_that_are_not_finite_numbers_are_refused(losses: Any) -> None:
    with pytest.raises(UsageError, match=r"expected \(n,\) losses, all finite"):
        small_loss(losses)
