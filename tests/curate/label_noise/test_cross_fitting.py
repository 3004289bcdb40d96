from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from synthkit.core.errors import TableError, UsageError
from synthkit.curate import cross_fitted
from synthkit.curate.label_noise.cross_fitting import STRENGTHS, labelled_rows, stratified_folds

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(90, 4))
LABELS = ["abc"[int(np.searchsorted([-1, 1], v[0] + RNG.normal() / 2))] for v in VECTORS]


@pytest.mark.parametrize("folds", [2, 5])
@pytest.mark.parametrize("C", [STRENGTHS[0], 3.0])
def test_probabilities_are_those_of_scikit_learns_cross_validation(folds: int, C: float) -> None:
    model = LogisticRegression(C=C, tol=1e-10, solver="newton-cholesky")
    split = StratifiedKFold(folds, shuffle=True, random_state=3)
    expected = cross_val_predict(model, VECTORS, LABELS, cv=split, method="predict_proba")
    found = cross_fitted(VECTORS, LABELS, folds=folds, seed=3, C=C)
    assert found == pytest.approx(expected, abs=5e-3)


def test_a_row_affects_all_folds_except_its_own() -> None:
    changed = VECTORS.copy()
    changed[7] += 100
    one, other = (cross_fitted(vectors, LABELS, C=1.0) for vectors in (VECTORS, changed))
    same = (one == other).all(axis=1)
    folds = [set(own.tolist()) for _, own in stratified_folds(*coded(LABELS), folds=5, seed=0)]
    assert sorted(row for fold in folds for row in fold) == list(range(90))
    (own,) = (fold for fold in folds if 7 in fold)
    assert set(np.flatnonzero(same).tolist()) == own - {7}


@pytest.mark.parametrize("flipped", [0.0, 0.4])
def test_C_is_chosen_by_the_loss_on_left_out_rows(flipped: float) -> None:
    rng = np.random.default_rng(1)
    labels = [LABELS[int(rng.integers(90))] if rng.random() < flipped else one for one in LABELS]
    targets = coded(labels)[0]

    def loss(C: float | None) -> float:
        probabilities = cross_fitted(VECTORS, labels, C=C)[np.arange(90), targets]
        return float(-np.log(probabilities).mean())

    losses = [loss(C) for C in STRENGTHS]
    assert loss(None) == min(losses)
    assert losses.index(min(losses)) in ((2, 3) if flipped == 0 else (0, 1))


def coded(labels: list[str]) -> tuple[Any, Any]:
    return np.array(["abc".index(label) for label in labels]), ("a", "b", "c")


def test_each_fold_has_its_share_of_every_label() -> None:
    targets, labels = coded(LABELS)
    share = np.bincount(targets) / 5
    for _, own in stratified_folds(targets, labels, folds=5, seed=1):
        assert np.abs(np.bincount(targets[own], minlength=3) - share).max() < 1


def test_the_seed_decides_the_folds() -> None:
    one, same, other = (cross_fitted(VECTORS, LABELS, seed=seed) for seed in (1, 1, 2))
    assert one.tolist() == same.tolist() != other.tolist()


def test_texts_are_embedded_once() -> None:
    calls = []

    def embed(texts: Any) -> Any:
        calls.append(len(texts))
        return [[text.count("+"), text.count("-")] for text in texts]

    found = cross_fitted(["+", "-", "++", "--"], [1, 0, 1, 0], embed=embed, folds=2)
    assert calls == [4]
    assert (found.argmax(axis=1) == [1, 0, 1, 0]).all()


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"labels": ["a"] * 6}, r"two or more labels; got \['a'\]"),
        ({"labels": ["a"] * 5 + ["b"]}, "in each of 3 folds; 'b' has 1. Give fewer folds"),
        ({"folds": 4}, "in each of 4 folds; 'a' has 3"),
        ({"folds": 1}, "folds must be 2 or more; got 1"),
        ({"labels": ["a", "b", None, "a", "b", "a"]}, "row 2: expected a label; got None"),
        ({"labels": ["a", "b", float("nan"), "a", "b", "a"]}, "row 2: expected a label; got nan"),
        ({"labels": ["a", "b"]}, "a label for each of 6 texts; got 2"),
        ({"cells": ["x"] * 6}, r"give embed=, such as load_embedder\(\"wordllama\"\).embed"),
        ({"cells": [[1.0], [1.0, 2.0]] * 3}, "vectors of one length"),
        ({"cells": [[1.0], [float("nan")]] * 3}, "vectors of one length, all finite"),
        ({"cells": [[1.0], None] * 3}, "vectors of one length"),
        ({"cells": [], "labels": []}, r"two or more labels; got \[\]"),
        ({"cells": ["x", None] * 3, "embed": lambda some: some}, "row 1: expected a text"),
    ],
)
def test_bad_input_is_refused(change: Any, hint: str) -> None:
    good: Any = {"cells": [[0.0], [1.0]] * 3, "labels": ["a", "b"] * 3, "folds": 3}
    with pytest.raises(UsageError, match=hint):
        cross_fitted(**good | change)


def test_rows_without_a_text_or_a_label_are_left_out_with_their_places() -> None:
    rows = {"text": ["x", None, "y", 3, "z"], "label": ["a", "a", None, "b", "b"]}
    found = labelled_rows(rows, "label", column="text", embed=lambda some: [[len(t)] for t in some])
    assert found.places.tolist() == [0, 3, 4]
    assert (found.labels, found.targets.tolist()) == (("a", "b"), [0, 1, 1])
    assert found.vectors.tolist() == [[1], [1], [1]]
    with pytest.raises(TableError, match=r"column 'lable' not found.*Did you mean 'label'"):
        labelled_rows(rows, "lable", column="text", embed=None)
