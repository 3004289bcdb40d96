from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from synthkit.curate.marks.calibrated_regression import (
    CHOICES,
    calibrated,
    left_out,
    platt_scaled,
)
from synthkit.stats.classifier import sigmoid


def marks(n: int, d: int, seed: int = 0, strength: float = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(n, d))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    p = sigmoid(strength * np.sqrt(d) * rows[:, 0] / 2)
    return rows, (random.random(n) < p).astype(float)


@pytest.mark.parametrize(("n", "d"), [(30, 8), (60, 300), (25, 2)])
@pytest.mark.parametrize("C", CHOICES)
def test_leave_one_out_is_close_to_refitting(n: int, d: int, C: float) -> None:
    rows, accepted = marks(n, d)
    whole = LogisticRegression(C=C, tol=1e-10, solver="newton-cholesky").fit(rows, accepted)
    logits_without = left_out(rows, accepted, whole.coef_[0], whole.intercept_[0], C)
    exact = []
    for at in range(n):
        rest = np.arange(n) != at
        model = LogisticRegression(C=C, tol=1e-10, solver="newton-cholesky")
        alike = accepted[rest] == accepted[at]
        weights = np.where(alike, (alike.sum() + 1) / alike.sum(), 1.0)
        model.fit(rows[rest], accepted[rest], sample_weight=weights)
        exact.append(model.decision_function(rows[[at]])[0])
    assert sigmoid(logits_without) == pytest.approx(sigmoid(np.array(exact)), abs=0.03)
    in_sample = whole.decision_function(rows)
    off = np.abs(sigmoid(logits_without) - sigmoid(np.array(exact))).mean()
    assert off < np.abs(sigmoid(in_sample) - sigmoid(np.array(exact))).mean() / 10


@pytest.mark.parametrize("d", [5, 200])
def test_calibration_keeps_the_order_of_the_regression(d: int) -> None:
    rows, accepted = marks(100, d)
    model, _ = calibrated(rows, accepted)
    expected = LogisticRegression(C=model.C, tol=1e-10).fit(rows, accepted)
    logits = expected.decision_function(rows)
    assert model.logits(rows) == pytest.approx(model.slope * logits + model.offset, abs=1e-3)


def test_platt_scaling_minimizes_its_objective() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=50) * 3
    accepted = (random.random(50) < sigmoid(logits / 2 + 1)).astype(float)
    slope, offset, _ = platt_scaled(logits, accepted)
    targets = np.where(
        accepted > 0, (accepted.sum() + 1) / (accepted.sum() + 2), 1 / (52 - accepted.sum())
    )

    def objective(a: float, b: float) -> float:
        x = a * logits + b
        return float((np.logaddexp(0, x) - targets * x).sum() + 0.15 * (a - 1) ** 2)

    least = objective(slope, offset)
    steps = [(da, db) for da in (-0.01, 0, 0.01) for db in (-0.01, 0, 0.01) if da or db]
    assert all(objective(slope + da, offset + db) > least for da, db in steps)
    assert slope == pytest.approx(0.5, abs=0.25)


def test_a_negative_slope_is_set_to_zero() -> None:
    slope, _, left_out_scores = platt_scaled(
        np.linspace(-5, 5, 40), (np.arange(40) < 20).astype(float)
    )
    assert slope == 0
    assert left_out_scores == pytest.approx(0.5, abs=0.03)


def test_separable_rows_do_not_give_certainty() -> None:
    accepted = (np.arange(20) >= 10).astype(float)
    _, _, left_out_scores = platt_scaled(np.linspace(-50, 50, 20), accepted)
    assert np.isfinite(left_out_scores).all()
    assert 1e-4 < left_out_scores.min() < left_out_scores.max() < 1 - 1e-4


@pytest.mark.parametrize("n", [60, 200])
def test_scores_of_new_and_left_out_rows_are_calibrated(n: int) -> None:
    losses, own_losses, gaps = [], [], []
    for seed in range(20):
        rows, accepted = marks(n + 1000, 16, seed, strength=2)
        if not 2 <= accepted[:n].sum() <= n - 2:
            continue
        model, left_out_scores = calibrated(rows[:n], accepted[:n])
        p = model.probabilities(rows[n:])
        losses.append(-np.log(np.where(accepted[n:] > 0, p, 1 - p)).mean())
        own_losses.append(
            -np.log(np.where(accepted[:n] > 0, left_out_scores, 1 - left_out_scores)).mean()
        )
        top = p > 0.7
        if top.sum() > 50:
            gaps.append(p[top].mean() - accepted[n:][top].mean())
    assert np.mean(own_losses) == pytest.approx(np.mean(losses), abs=0.05)
    assert np.mean(losses) < 0.69
    assert abs(np.mean(gaps)) < 0.06


def test_equal_rows_get_the_share_of_accepted_marks() -> None:
    model, left_out_scores = calibrated(np.ones((30, 4)) / 2, (np.arange(30) < 12).astype(float))
    assert model.probabilities(np.ones((1, 4)) / 2) == pytest.approx([0.4], abs=0.02)
    assert left_out_scores == pytest.approx(np.full(30, 0.4), abs=0.05)


def test_large_numbers_do_not_overflow() -> None:
    assert sigmoid(np.array([-1e6, 0, 1e6])) == pytest.approx([0, 0.5, 1])
