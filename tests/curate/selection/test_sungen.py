from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synthkit.core.errors import UsageError
from synthkit.curate.label_noise.cross_fitting import LabelledRows
from synthkit.curate.selection import sungen as module
from synthkit.curate.selection.sungen import InnerProblem, basis, reverse_cross_entropy, sungen
from synthkit.stats.classifier import fitted


def rows(k: int, n: int = 60, d: int = 4, wrong: float = 0.2, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    true = np.arange(n) % k
    flipped = rng.random(n) < wrong
    vectors = np.eye(k, d)[true] + rng.normal(scale=0.4, size=(n, d))
    labels = tuple("abcdef"[:k])
    return LabelledRows(
        labels, np.where(flipped, (true + 1) % k, true), vectors, np.arange(n)
    ), flipped


def outer(inner: InnerProblem, weights: Any, valid: LabelledRows) -> tuple[float, Any]:
    """The validation loss at the solution of the inner problem, and its gradient by the weights."""
    A = inner.solve(weights)
    vectors = np.column_stack([valid.vectors, np.ones(len(valid.targets))])
    loss, gradient = reverse_cross_entropy(inner.probabilities(A, vectors), valid.targets)
    return loss, inner.weight_gradient(weights, A, (gradient @ inner.basis).T @ vectors)


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("C", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_gradient_agrees_with_finite_differences(
    k: int, C: float, dense: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DENSE", 10**6 if dense else 0)
    inner, valid = InnerProblem(rows(k)[0], C), rows(k, n=30, seed=1)[0]
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
def test_the_inner_problem_is_the_light_classifier(k: int, C: float) -> None:
    labelled, _ = rows(k)
    weights = np.random.default_rng(3).uniform(0, 3, 60)
    classifier = fitted(
        labelled.vectors, labelled.targets, labelled.labels, C=C, weights=weights.tolist()
    )
    inner = InnerProblem(labelled, C)
    found = inner.probabilities(inner.solve(weights))
    assert found == pytest.approx(classifier.of_vectors(labelled.vectors), abs=1e-4)


def test_the_solution_does_not_depend_on_the_start() -> None:
    labelled, _ = rows(3)
    inner, weights = InnerProblem(labelled), np.random.default_rng(4).uniform(size=60)
    cold = inner.solve(weights)
    assert inner.solve(weights, inner.solve(np.ones(60))) == pytest.approx(cold, abs=1e-8)
    assert inner.solve(weights, cold) is cold  # already solved: no further step


def test_the_basis_leaves_out_the_direction_of_constant_softmax() -> None:
    for k in (2, 3, 7):
        columns = basis(k)
        assert columns.T @ columns == pytest.approx(np.eye(k - 1))
        assert columns.sum(axis=0) == pytest.approx(np.zeros(k - 1))


def test_reverse_cross_entropy_agrees_with_a_case_worked_by_hand() -> None:
    found = np.array([[0.75, 0.25], [0.5, 0.5]])
    loss, gradient = reverse_cross_entropy(found, np.array([0, 1]))
    assert loss == pytest.approx((4 * 0.25 + 4 * 0.5) / 2)
    # d(4 (1 - p_0)) / d logit_0 = -4 p_0 (1 - p_0), over two rows
    assert gradient[0].tolist() == pytest.approx([-2 * 0.1875, 2 * 0.1875])


def test_wrong_labels_get_less_weight_and_the_loss_falls() -> None:
    labelled, flipped = rows(3, n=200)
    valid, _ = rows(3, n=200, seed=1)
    result = sungen(labelled, valid)
    assert result.weights.mean() == pytest.approx(1)
    assert result.weights.min() >= 0
    assert result.weights[flipped].mean() < 0.7 < 1 < result.weights[~flipped].mean()
    assert result.losses[-1] < 0.9 * result.losses[0]
    assert result.weights.tolist() == sungen(labelled, valid).weights.tolist()


def test_the_weights_give_the_classifier_with_the_lowest_loss() -> None:
    labelled, valid = rows(2, n=100)[0], rows(2, n=80, seed=1)[0]
    result = sungen(labelled, valid)
    classifier = fitted(
        labelled.vectors, labelled.targets, labelled.labels, weights=result.weights.tolist()
    )
    loss, _ = reverse_cross_entropy(classifier.of_vectors(valid.vectors), valid.targets)
    assert loss == pytest.approx(min(result.losses), abs=1e-3)


def test_bad_input_is_refused() -> None:
    labelled, valid = rows(2)[0], rows(2, d=3)[0]
    with pytest.raises(UsageError, match="vectors of 3 numbers; got 4"):
        sungen(labelled, valid)
    with pytest.raises(UsageError, match="a label has no row with a weight above 0"):
        InnerProblem(labelled).solve(labelled.targets.astype(float))
