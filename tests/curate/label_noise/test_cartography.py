from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synthkit.core.errors import UsageError
from synthkit.curate.label_noise.cartography import Dynamics, hard, train
from synthkit.curate.label_noise.out_of_fold import Labelled
from synthkit.stats.classifier import fitted


def rows(n: int = 200, wrong: float = 0.1, seed: int = 0) -> tuple[Labelled, Any]:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 3, n)
    turned = rng.random(n) < wrong
    vectors = np.eye(3)[true] + rng.normal(scale=0.3, size=(n, 3))
    targets = np.where(turned, (true + 1) % 3, true)
    return Labelled(("a", "b", "c"), targets, vectors, np.arange(n)), turned


def test_what_is_read_from_epochs_is_as_worked_by_hand() -> None:
    seen = Dynamics.of([[0.4, 0.9, 0.1], [0.6, 0.9, 0.2], [0.2, 0.7, 0.3], [0.8, 0.9, 0.2]])
    assert seen.confidence.tolist() == pytest.approx([0.5, 0.85, 0.2])
    assert seen.aleatoric.tolist() == pytest.approx(
        [(0.24 + 0.24 + 0.16 + 0.16) / 4, (3 * 0.09 + 0.21) / 4, (0.09 + 0.16 + 0.21 + 0.16) / 4]
    )
    assert seen.variability.tolist() == pytest.approx([0.05**0.5, 0.0075**0.5, 0.005**0.5])
    assert seen.correctness.tolist() == [0.5, 1, 0]
    assert seen.forgotten.tolist() == [1, 0, 0]
    assert seen.learned.tolist() == [True, True, False]
    assert hard(seen.confidence, seen.aleatoric).tolist() == [False, False, True]


def test_a_label_is_forgotten_each_time_it_was_right_and_is_not() -> None:
    right = np.array([[1, 0, 1, 0, 0], [1, 1, 1, 0, 1], [0, 0, 0, 0, 0]]).T
    assert Dynamics.of(right).forgotten.tolist() == [2, 1, 0]


def test_aleatoric_is_bounded_by_confidence() -> None:
    seen = Dynamics.of(np.random.default_rng(0).uniform(size=(6, 500)) ** 3)
    assert (seen.aleatoric <= seen.confidence * (1 - seen.confidence) + 1e-12).all()
    low = seen.confidence <= 0.27
    assert hard(seen.confidence, seen.aleatoric, most_confidence=0.27).tolist() == low.tolist()


def test_wrong_labels_are_believed_least() -> None:
    given, turned = rows()
    seen = train(given)
    least = np.argsort(seen.confidence)[: turned.sum()]
    assert turned[least].mean() > 0.9
    assert (seen.mean.argmax(axis=1)[turned] != given.targets[turned]).mean() > 0.9
    assert np.abs(seen.mean.sum(axis=1) - 1).max() < 1e-9
    own = seen.mean[np.arange(200), given.targets]
    assert own == pytest.approx(seen.confidence)


def test_training_ends_near_the_student_that_is_solved() -> None:
    given, _ = rows()
    at_the_end = train(given, epochs=200).own[-1]
    solved = fitted(given.vectors, given.targets, given.known, C=1 / (200 * 1e-3))
    found = solved.of_vectors(given.vectors)[np.arange(200), given.targets]
    assert np.abs(at_the_end - found).max() < 0.05


def test_the_scale_of_vectors_is_allowed_for() -> None:
    given, turned = rows()
    for scale in (1e-3, 1e3):
        seen = train(Labelled(given.known, given.targets, given.vectors * scale, given.places))
        assert np.isfinite(seen.own).all()
    assert turned[np.argsort(seen.confidence)[: turned.sum()]].mean() > 0.7


def test_the_seed_decides_the_order() -> None:
    given, _ = rows()
    one, same, other = (train(given, seed=seed).own for seed in (1, 1, 2))
    assert one.tolist() == same.tolist() != other.tolist()


def test_with_real_rows_the_others_are_not_learned_from() -> None:
    given, turned = rows(wrong=0.6)
    real, _ = rows(wrong=0, seed=1)
    alone, helped = train(given), train(given, real=real)
    assert hard(alone.confidence, alone.aleatoric)[turned].mean() < 0.1
    assert hard(helped.confidence, helped.aleatoric)[turned].mean() > 0.7
    assert not hard(helped.confidence, helped.aleatoric)[~turned].any()
    turned_round = Labelled(given.known, (given.targets + 1) % 3, given.vectors, given.places)
    assert train(turned_round, real=real).mean.tolist() == helped.mean.tolist()


def test_bad_input_is_refused() -> None:
    with pytest.raises(UsageError, match="two epochs or more; got 1"):
        train(rows()[0], epochs=1)
    for own in ([0.5, 0.5], [[1.5]], [[float("nan")]], np.empty((0, 3))):
        with pytest.raises(UsageError, match=r"expected \(epochs, n\) probabilities"):
            Dynamics.of(own)
