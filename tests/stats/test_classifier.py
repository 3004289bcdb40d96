from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from synthkit.core.errors import UsageError
from synthkit.stats.classifier import fit

RNG = np.random.default_rng(0)
VECTORS = {f"text {i}": RNG.normal(size=5) for i in range(120)}
TEXTS = list(VECTORS)


def embed(texts: Any) -> Any:
    return [VECTORS[text] for text in texts]


def labels(k: int) -> list[str]:
    noisy = [VECTORS[text] @ np.arange(5) + RNG.normal() for text in TEXTS]
    return ["abcd"[int(np.searchsorted([-4, 4, 8][: k - 1], one))] for one in noisy]


def reference(given: list[str], **options: Any) -> Any:
    weights = options.pop("weights", None)
    model = LogisticRegression(solver="newton-cholesky", tol=1e-12, **options)
    return model.fit(embed(TEXTS), given, sample_weight=weights)


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("C", [0.1, 1, 30])
def test_it_is_logistic_regression(k: int, C: float) -> None:
    given = labels(k)
    fitted, expected = fit(TEXTS, given, embed=embed, C=C), reference(given, C=C)
    assert fitted.labels == tuple("abcd"[:k])
    probabilities = fitted.probabilities(TEXTS)
    assert probabilities == pytest.approx(expected.predict_proba(embed(TEXTS)), abs=1e-4)
    assert fitted.predict(TEXTS) == expected.predict(embed(TEXTS)).tolist()


@pytest.mark.parametrize("k", [2, 3])
def test_it_is_at_the_least_of_what_it_says_it_minimises(k: int) -> None:
    weights = RNG.uniform(size=len(TEXTS)).tolist()
    fitted = fit(TEXTS, labels(k), embed=embed, C=3, weights=weights)
    slopes = fitted.of_vectors(fitted.vectors) - np.eye(k)[fitted.targets]
    by_logit = slopes * fitted.shares[:, None]
    assert by_logit.T @ fitted.vectors + fitted.penalty * fitted.coefficients == pytest.approx(
        np.zeros((k, 5)), abs=1e-6
    )
    assert by_logit.sum(axis=0) == pytest.approx(np.zeros(k), abs=1e-6)
    assert fitted.coefficients.sum(axis=0) == pytest.approx(np.zeros(5), abs=1e-6)
    assert fitted.shares.sum() == pytest.approx(1)


def test_a_weight_of_two_is_the_row_twice_and_of_zero_is_none() -> None:
    given = labels(3)
    weights = [0.0 if i % 5 == 4 else 2.0 if i % 5 == 0 else 1.0 for i in range(len(TEXTS))]
    kept = [i for i, weight in enumerate(weights) for _ in range(int(weight))]
    weighted = fit(TEXTS, given, embed=embed, weights=weights)
    repeated = fit([TEXTS[i] for i in kept], [given[i] for i in kept], embed=embed)
    assert weighted.probabilities(TEXTS) == pytest.approx(repeated.probabilities(TEXTS), abs=1e-5)


def test_the_same_rows_give_the_same_classifier() -> None:
    given = labels(3)
    one, other = fit(TEXTS, given, embed=embed), fit(TEXTS, given, embed=embed)
    assert np.array_equal(one.coefficients, other.coefficients)


def test_numbers_too_large_for_exp_give_probabilities() -> None:
    fitted = fit(["+", "-"], [1, 0], embed=counts)
    assert fitted.probabilities(["-" * 10_000, "+" * 10_000]) == pytest.approx(np.eye(2))


def counts(texts: Any) -> Any:
    return [[text.count("+") - text.count("-")] for text in texts]


@pytest.mark.parametrize("label", [1, True, 2.5, "ü", ""])
def test_labels_are_what_they_were(label: Any) -> None:
    fitted = fit(["+", "-", "- -"], [label, "other", "other"], embed=counts)
    assert fitted.predict(["+ + +"]) == [label]


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"texts": [], "labels": []}, "two or more labels; got \\[\\]"),
        ({"texts": ["+"], "labels": ["up"]}, r"two or more labels; got \['up'\]"),
        ({"labels": ["up", "up"]}, r"two or more labels; got \['up'\]"),
        ({"labels": ["up", None]}, "row 1: expected a label; got None"),
        ({"labels": ["up", float("nan")]}, "row 1: expected a label; got nan"),
        ({"labels": ["up", ["down"]]}, "row 1: expected a label"),
        ({"labels": ["up", "down", "up"]}, "for each of 2 texts; got 3"),
        ({"texts": ["+", None]}, "row 1: expected a text; got None"),
        ({"weights": [1]}, "expected 2 weights"),
        ({"weights": [1, -1]}, "expected 2 weights"),
        ({"weights": [1, float("inf")]}, "expected 2 weights"),
        ({"weights": [1, 0]}, "no row of the label 'up' has a weight above 0"),
        ({"C": 0}, "C must be above 0; got 0"),
        ({"C": float("nan")}, "C must be above 0"),
        ({"embed": lambda texts: [1.0, 2.0]}, r"expected vectors of shape \(2, d\); got \(2,\)"),
        ({"embed": lambda texts: [[1.0]]}, r"expected vectors of shape \(2, d\); got \(1, 1\)"),
        ({"embed": lambda texts: [[1.0], [np.nan]]}, "row 1: its vector is not finite"),
    ],
)
def test_a_classifier_is_not_made_of_bad_rows(change: Any, hint: str) -> None:
    good = {"texts": ["-", "+"], "labels": ["down", "up"], "embed": counts}
    with pytest.raises(UsageError, match=hint):
        fit(**good | change)


def test_other_vectors_than_it_learned_from_are_refused() -> None:
    widths = iter([1, 2])
    fitted = fit(["+", "-"], [0, 1], embed=lambda texts: np.eye(2)[:, : next(widths)])
    with pytest.raises(UsageError, match=r"shape \(2, 1\); got \(2, 2\)"):
        fitted.predict(["+", "-"])
