from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.curate import suspicion, weights
from synthkit.curate.selection.weights import METHODS
from synthkit.data import tables
from synthkit.stats.classifier import fit

RNG = np.random.default_rng(5)
TRUE = np.arange(160) % 2
FLIPPED = RNG.random(160) < 0.2
VECTORS = np.eye(2, 5)[TRUE] + RNG.normal(scale=0.35, size=(160, 5))
LABELS = [["no", "yes"][one] for one in np.where(FLIPPED, 1 - TRUE, TRUE)]
ROWS = {"id": list(range(160)), "text": VECTORS.tolist(), "label": LABELS}
REAL = {"text": (np.eye(2, 5)[TRUE[:40]]).tolist(), "label": ["no", "yes"] * 20}


@pytest.mark.parametrize("real", [None, REAL])
@pytest.mark.parametrize("method", METHODS)
def test_wrong_labels_get_less_weight_and_the_mean_is_one(method: Any, real: Any) -> None:
    table = weights(ROWS, method=method, real=real)
    found = table["weight"].to_numpy()
    assert found.mean() == pytest.approx(1)
    assert found.min() >= 0
    assert list(table) == ["id", "text", "label", "weight", "weight_by"]
    among = "folds=5" if real is None else "real rows"
    assert table["weight_by"][0] == f"{method} by text (vectors), {among}, seed=0"
    ratio = found[FLIPPED].mean() / found[~FLIPPED].mean()
    assert (0.8 < ratio < 1.2) if method == "random" else ratio < 0.6
    assert found.tolist() == weights(ROWS, method=method, real=real)["weight"].tolist()


@pytest.mark.parametrize("method", ["small_loss", "influence"])
def test_weights_are_one_minus_suspicion(method: Any) -> None:
    trust = 1 - suspicion(ROWS, method=method)["suspicion"]
    assert weights(ROWS, method=method)["weight"].to_numpy() == pytest.approx(trust / trust.mean())


def test_confidence_is_the_probability_of_the_label() -> None:
    own = suspicion(ROWS)["self_confidence"]
    assert weights(ROWS)["weight"].to_numpy() == pytest.approx(own / own.mean())


@pytest.mark.parametrize("method", ["confidence", "small_loss", "influence", "sungen"])
def test_a_classifier_of_weighted_rows_has_a_lower_loss(method: Any) -> None:
    def embed(texts: Any) -> Any:
        return [VECTORS[int(text)] if text.isdigit() else fresh[int(text[1:])] for text in texts]

    rng = np.random.default_rng(1)
    fresh = np.eye(2, 5)[TRUE] + rng.normal(scale=0.35, size=(160, 5))
    texts, test_texts = [str(n) for n in range(160)], [f"x{n}" for n in range(160)]

    def loss(given: Any) -> float:
        classifier = fit(texts, LABELS, embed=embed, weights=given)
        own = classifier.probabilities(test_texts)[np.arange(160), TRUE]
        return float(-np.log(own).mean())

    weighted = loss(weights(ROWS, method=method)["weight"].tolist())
    assert weighted < 0.9 * loss(None)


@pytest.mark.parametrize("method", METHODS)
def test_rows_without_a_text_or_a_label_have_no_weight(method: Any) -> None:
    rows = {**ROWS, "label": [None, *LABELS[1:]], "text": [*ROWS["text"][:-1], None]}
    found = weights(rows, method=method)["weight"]
    assert found[[0, 159]].tolist() == [0, 0]
    assert found[1:159].gt(0).mean() > 0.9
    assert found.sum() == pytest.approx(158)


@pytest.mark.parametrize("kind", ["arrow", "polars", "datasets"])
def test_tables_keep_their_kind(kind: tables.Kind) -> None:
    table = weights(tables.build(ROWS, like=kind))
    assert tables.kind(table) == kind
    assert tables.column(table, "weight") == weights(ROWS)["weight"].tolist()


@pytest.mark.parametrize("method", METHODS)
def test_halves_need_two_rows_of_each_label(method: Any) -> None:
    rows = {"text": [[0.0], [1.0], [2.0]], "label": ["a", "a", "b"]}
    if method == "random":
        assert len(weights(rows, method=method)) == 3
    else:
        with pytest.raises(UsageError, match=r"in each of \d folds; '\w' has [12]"):
            weights(rows, method=method)


@pytest.mark.parametrize(
    ("rows", "options", "hint"),
    [
        ({"label": ["a"] * 6}, {}, "two or more labels"),
        ({}, {"method": "sun"}, "method 'sun' not found; have 'confidence'"),
        ({"id": [1] * 6}, {}, "1 occurs twice"),
        ({"text": ["a"] * 6}, {}, "give embed="),
        ({"text": [], "label": []}, {}, r"two or more labels; got \[\]"),
    ],
)
def test_bad_input_is_refused(rows: Any, options: Any, hint: str) -> None:
    table = {"text": [[0.0], [1.0]] * 3, "label": ["a", "b"] * 3} | rows
    with pytest.raises((UsageError, TableError), match=hint):
        weights(table, **options)
