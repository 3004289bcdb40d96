from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synthkit.core.errors import UsageError
from synthkit.curate.label_noise.cross_fitting import LabelledRows
from synthkit.curate.label_noise.evidence import evidence
from synthkit.curate.label_noise.training_dynamics import Dynamics, hard, train
from synthkit.stats.classifier import fitted


def rows(n: int = 200, wrong: float = 0.1, seed: int = 0) -> tuple[LabelledRows, Any]:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 3, n)
    flipped = rng.random(n) < wrong
    vectors = np.eye(3)[true] + rng.normal(scale=0.3, size=(n, 3))
    targets = np.where(flipped, (true + 1) % 3, true)
    return LabelledRows(("a", "b", "c"), targets, vectors, np.arange(n)), flipped


def test_statistics_over_epochs_agree_with_a_case_worked_by_hand() -> None:
    dynamics = Dynamics.of([[0.4, 0.9, 0.1], [0.6, 0.9, 0.2], [0.2, 0.7, 0.3], [0.8, 0.9, 0.2]])
    assert dynamics.confidence.tolist() == pytest.approx([0.5, 0.85, 0.2])
    assert dynamics.aleatoric.tolist() == pytest.approx(
        [(0.24 + 0.24 + 0.16 + 0.16) / 4, (3 * 0.09 + 0.21) / 4, (0.09 + 0.16 + 0.21 + 0.16) / 4]
    )
    assert dynamics.variability.tolist() == pytest.approx([0.05**0.5, 0.0075**0.5, 0.005**0.5])
    assert dynamics.correctness.tolist() == [0.5, 1, 0]
    assert dynamics.forgotten.tolist() == [1, 0, 0]
    assert dynamics.learned.tolist() == [True, True, False]
    assert hard(dynamics.confidence, dynamics.aleatoric).tolist() == [False, False, True]


def test_a_label_is_forgotten_when_it_is_no_longer_the_likeliest() -> None:
    right = np.array([[1, 0, 1, 0, 0], [1, 1, 1, 0, 1], [0, 0, 0, 0, 0]]).T
    assert Dynamics.of(right).forgotten.tolist() == [2, 1, 0]


def test_aleatoric_is_bounded_by_confidence() -> None:
    dynamics = Dynamics.of(np.random.default_rng(0).uniform(size=(6, 500)) ** 3)
    assert (dynamics.aleatoric <= dynamics.confidence * (1 - dynamics.confidence) + 1e-12).all()
    low = dynamics.confidence <= 0.27
    assert (
        hard(dynamics.confidence, dynamics.aleatoric, most_confidence=0.27).tolist() == low.tolist()
    )


def test_wrong_labels_have_the_lowest_confidence() -> None:
    labelled, flipped = rows()
    dynamics = train(labelled)
    least = np.argsort(dynamics.confidence)[: flipped.sum()]
    assert flipped[least].mean() > 0.9
    assert (dynamics.mean.argmax(axis=1)[flipped] != labelled.targets[flipped]).mean() > 0.9
    assert np.abs(dynamics.mean.sum(axis=1) - 1).max() < 1e-9
    own = dynamics.mean[np.arange(200), labelled.targets]
    assert own == pytest.approx(dynamics.confidence)


def test_training_approaches_the_solved_classifier() -> None:
    labelled, _ = rows()
    at_the_end = train(labelled, epochs=200).own[-1]
    solved = fitted(labelled.vectors, labelled.targets, labelled.labels, C=1 / (200 * 1e-3))
    found = solved.of_vectors(labelled.vectors)[np.arange(200), labelled.targets]
    assert np.abs(at_the_end - found).max() < 0.05


def test_the_learning_rate_adapts_to_the_scale_of_vectors() -> None:
    labelled, flipped = rows()
    for scale in (1e-3, 1e3):
        dynamics = train(
            LabelledRows(
                labelled.labels, labelled.targets, labelled.vectors * scale, labelled.places
            )
        )
        assert np.isfinite(dynamics.own).all()
    assert flipped[np.argsort(dynamics.confidence)[: flipped.sum()]].mean() > 0.7


def test_the_seed_decides_the_order() -> None:
    labelled, _ = rows()
    one, same, other = (train(labelled, seed=seed).own for seed in (1, 1, 2))
    assert one.tolist() == same.tolist() != other.tolist()


def test_with_real_rows_the_other_rows_are_not_trained_on() -> None:
    labelled, flipped = rows(wrong=0.6)
    real, _ = rows(wrong=0, seed=1)
    alone, helped = train(labelled), train(labelled, real=real)
    assert hard(alone.confidence, alone.aleatoric)[flipped].mean() < 0.1
    assert hard(helped.confidence, helped.aleatoric)[flipped].mean() > 0.7
    assert not hard(helped.confidence, helped.aleatoric)[~flipped].any()
    relabelled = LabelledRows(
        labelled.labels, (labelled.targets + 1) % 3, labelled.vectors, labelled.places
    )
    assert train(relabelled, real=real).mean.tolist() == helped.mean.tolist()


def test_bad_input_is_refused() -> None:
    with pytest.raises(UsageError, match="at least two epochs; got 1"):
        train(rows()[0], epochs=1)
    for own in ([0.5, 0.5], [[1.5]], [[float("nan")]], np.empty((0, 3))):
        with pytest.raises(UsageError, match=r"expected \(epochs, n\) probabilities"):
            Dynamics.of(own)


@pytest.mark.parametrize("k", [2, 5, 20, 60])
def test_right_rows_are_not_noisy_for_any_number_of_labels(k: int) -> None:
    rng = np.random.default_rng(k)
    centres = rng.normal(size=(k, 40))
    real, targets = np.arange(20 * k) % k, np.arange(10 * k) % k
    labels = tuple(range(k))
    trusted = LabelledRows(labels, real, _near(centres, real, rng), np.arange(len(real)))
    vectors = _near(centres, targets, rng)
    flipped = rng.random(len(targets)) < 0.2
    given = np.where(flipped, (targets + rng.integers(1, k, len(targets))) % k, targets)
    rows = LabelledRows(labels, given, vectors, np.arange(len(given)))
    helped = train(rows, real=trusted)
    assert helped.hard[~flipped].mean() < 0.05
    assert helped.hard[flipped].mean() > 0.5
    if k == 2:
        assert helped.hard.tolist() == hard(helped.confidence, helped.aleatoric).tolist()
    noise = evidence(rows, "dynamics", real=trusted)
    assert noise.noisy.tolist() == helped.hard.tolist()
    assert np.median(noise.suspicion[~flipped]) < 0.5 < np.median(noise.suspicion[flipped])


def _near(centres: Any, targets: Any, rng: np.random.Generator) -> Any:
    return centres[targets] + rng.normal(size=(len(targets), centres.shape[1])) * 1.2
