from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synthkit.core.errors import UsageError
from synthkit.curate.label_noise.out_of_fold import Labelled
from synthkit.curate.selection import sungen as module
from synthkit.curate.selection.sungen import Inner, basis, reverse_cross_entropy, sungen
from synthkit.stats.classifier import fitted


def rows(k: int, n: int = 60, d: int = 4, wrong: float = 0.2, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    true = np.arange(n) % k
    turned = rng.random(n) < wrong
    vectors = np.eye(k, d)[true] + rng.normal(scale=0.4, size=(n, d))
    known = tuple("abcdef"[:k])
    return Labelled(known, np.where(turned, (true + 1) % k, true), vectors, np.arange(n)), turned


def outer(inner: Inner, weights: Any, valid: Labelled) -> tuple[float, Any]:
    """The validation loss where the inner problem is solved, and its gradient by the weights."""
    at = inner.solve(weights)
    seen = np.column_stack([valid.vectors, np.ones(len(valid.targets))])
    loss, slopes = reverse_cross_entropy(inner.probabilities(at, seen), valid.targets)
    return loss, inner.slopes(weights, at, (slopes @ inner.basis).T @ seen)


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("C", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_gradient_is_that_of_finite_differences(
    k: int, C: float, dense: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DENSE", 10**6 if dense else 0)
    inner, valid = Inner(rows(k)[0], C), rows(k, n=30, seed=1)[0]
    weights = np.random.default_rng(2).uniform(0.1, 2, 60)
    _, gradient = outer(inner, weights, valid)
    step, numeric = 1e-3, np.empty(60)
    for row in range(60):
        more, less = weights.copy(), weights.copy()
        more[row] += step
        less[row] -= step
        numeric[row] = (outer(inner, more, valid)[0] - outer(inner, less, valid)[0]) / (2 * step)
    error = np.linalg.norm(gradient - numeric) / np.linalg.norm(numeric)
    assert error < 1e-4
    assert np.linalg.norm(numeric) > 1e-3


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("C", [0.1, 5.0])
def test_the_inner_problem_is_the_student(k: int, C: float) -> None:
    given, _ = rows(k)
    weights = np.random.default_rng(3).uniform(0, 3, 60)
    student = fitted(given.vectors, given.targets, given.known, C=C, weights=weights.tolist())
    inner = Inner(given, C)
    found = inner.probabilities(inner.solve(weights))
    assert found == pytest.approx(student.of_vectors(given.vectors), abs=1e-4)


def test_a_start_changes_the_way_and_not_the_end() -> None:
    given, _ = rows(3)
    inner, weights = Inner(given), np.random.default_rng(4).uniform(size=60)
    cold = inner.solve(weights)
    assert inner.solve(weights, inner.solve(np.ones(60))) == pytest.approx(cold, abs=1e-8)
    assert inner.solve(weights, cold) is cold  # solved: not one step more


def test_the_basis_leaves_out_what_softmax_does_not_see() -> None:
    for k in (2, 3, 7):
        made = basis(k)
        assert made.T @ made == pytest.approx(np.eye(k - 1))
        assert made.sum(axis=0) == pytest.approx(np.zeros(k - 1))


def test_reverse_cross_entropy_by_hand() -> None:
    found = np.array([[0.75, 0.25], [0.5, 0.5]])
    loss, slopes = reverse_cross_entropy(found, np.array([0, 1]))
    assert loss == pytest.approx((4 * 0.25 + 4 * 0.5) / 2)
    # d(4 (1 - p_0)) / d logit_0 = -4 p_0 (1 - p_0), over two rows
    assert slopes[0].tolist() == pytest.approx([-2 * 0.1875, 2 * 0.1875])


def test_wrong_labels_weigh_less_and_the_loss_falls() -> None:
    given, turned = rows(3, n=200)
    valid, _ = rows(3, n=200, seed=1)
    made = sungen(given, valid)
    assert made.weights.mean() == pytest.approx(1)
    assert made.weights.min() >= 0
    assert made.weights[turned].mean() < 0.7 < 1 < made.weights[~turned].mean()
    assert made.losses[-1] < 0.9 * made.losses[0]
    assert made.weights.tolist() == sungen(given, valid).weights.tolist()


def test_its_weights_give_the_student_it_found() -> None:
    given, valid = rows(2, n=100)[0], rows(2, n=80, seed=1)[0]
    made = sungen(given, valid)
    student = fitted(given.vectors, given.targets, given.known, weights=made.weights.tolist())
    loss, _ = reverse_cross_entropy(student.of_vectors(valid.vectors), valid.targets)
    assert loss == pytest.approx(min(made.losses), abs=1e-3)


def test_bad_input_is_refused() -> None:
    given, valid = rows(2)[0], rows(2, d=3)[0]
    with pytest.raises(UsageError, match="vectors of 3 numbers; got 4"):
        sungen(given, valid)
    with pytest.raises(UsageError, match="a label has no row with a weight above 0"):
        Inner(given).solve(given.targets.astype(float))
