from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from synthkit.core.errors import UsageError
from synthkit.curate.label_noise.influence import influence
from synthkit.stats.classifier import fit

RNG = np.random.default_rng(1)
VECTORS = {f"text {i}": RNG.normal(size=4) for i in range(70)}
TRAIN, VALID = list(VECTORS)[:40], list(VECTORS)[40:]
WEIGHTS = RNG.uniform(0.2, 2, size=40)


def embed(texts: Any) -> Any:
    return np.array([VECTORS[text] for text in texts])


def labelled(texts: list[str], k: int) -> list[int]:
    rng = np.random.default_rng(2)
    edges = [0, 2][: k - 1]
    return [int(np.searchsorted(edges, VECTORS[t] @ [1, -1, 2, 0] + rng.normal())) for t in texts]


def loss_after(weights: Any, k: int, loss: str, C: float) -> float:
    """The validation loss of scikit-learn's own model, fitted by Newton's method."""
    model = LogisticRegression(solver="newton-cholesky", tol=1e-13, C=C)
    model.fit(embed(TRAIN), labelled(TRAIN, k), sample_weight=weights)
    found = model.predict_proba(embed(VALID))
    own = found[np.arange(len(VALID)), labelled(VALID, k)]
    return float(np.mean(-np.log(own) if loss == "ce" else 4 * (1 - own)))


@pytest.mark.parametrize("C", [0.1, 1.0, 20.0])
@pytest.mark.parametrize("loss", ["rce", "ce"])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("k", [2, 3])
def test_influence_is_the_fall_of_the_loss_with_more_weight(
    k: int, weights: Any, loss: Any, C: float
) -> None:
    classifier = fit(TRAIN, labelled(TRAIN, k), embed=embed, C=C, weights=weights)
    found = influence(classifier, VALID, labelled(VALID, k), loss=loss)
    base, step = np.ones(40) if weights is None else weights, 1e-3
    for row in range(40):
        more, less = base.copy(), base.copy()
        more[row] += step
        less[row] -= step
        rise = loss_after(more, k, loss, C) - loss_after(less, k, loss, C)
        assert found[row] == pytest.approx(-rise / (2 * step / base.sum()), rel=1e-3, abs=1e-5)


def test_wrong_labels_have_the_lowest_influence() -> None:
    right = ["up" if VECTORS[text][0] > 0 else "down" for text in TRAIN]
    wrong = {3, 11, 25, 38}
    other = {"up": "down", "down": "up"}
    given = [other[label] if n in wrong else label for n, label in enumerate(right)]
    classifier = fit(TRAIN, given, embed=embed)
    gold = ["up" if VECTORS[text][0] > 0 else "down" for text in VALID]
    found = influence(classifier, VALID, gold)
    assert max(found[list(wrong)]) < 0
    assert len(wrong & {*np.argsort(found)[:6].tolist()}) >= 3


def test_an_overconfident_classifier_is_refused() -> None:
    classifier = fit(TRAIN, labelled(TRAIN, 2), embed=embed)
    overconfident = replace(classifier, coefficients=classifier.coefficients * 1e6)
    with pytest.raises(UsageError, match="the influence of rows cannot be computed"):
        influence(overconfident, VALID, labelled(VALID, 2), loss="ce")


def test_fifty_labels_do_not_need_the_full_hessian() -> None:
    vectors = np.random.default_rng(3).normal(size=(300, 200))
    texts, labels = [str(n) for n in range(300)], [n % 50 for n in range(300)]
    classifier = fit(texts, labels, embed=lambda some: vectors[[int(text) for text in some]])
    tracemalloc.start()
    found = influence(classifier, texts[:100], labels[:100])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6  # the Hessian of 10,050 numbers would be 808 MB
    assert found.shape == (300,)
    assert found[:100].min() > 0


@pytest.mark.parametrize(
    ("texts", "labels", "options", "hint"),
    [
        (["text 50"], [0], {"loss": "mse"}, "loss 'mse' not found; have 'rce', 'ce'"),
        (["text 50"], [7], {}, "row 0: label '7' not found; have '0', '1'"),
        (["text 50"], [], {}, "for each of 1 texts; got 0 labels"),
        ([], [], {}, "one text or more; got none"),
        ([None], [0], {}, "row 0: expected a text; got None"),
    ],
)
def test_bad_validation_rows_are_refused(texts: Any, labels: Any, options: Any, hint: str) -> None:
    classifier = fit(TRAIN, labelled(TRAIN, 2), embed=embed)
    with pytest.raises(UsageError, match=hint):
        influence(classifier, texts, labels, **options)
