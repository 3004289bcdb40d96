from __future__ import annotations

import functools
import warnings
from typing import Any, get_args

import numpy as np
import pytest
from cleanlab.count import compute_confident_joint, get_confident_thresholds
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

from synthkit.core.errors import UsageError
from synthkit.curate import confident_joint, label_issues, label_quality
from synthkit.curate.label_noise.confident_learning import Rule, thresholds

RULES = get_args(Rule)
TWO = ([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.45, 0.55], [0.2, 0.8]], [0, 0, 0, 1, 1])


def drawn(seed: int) -> tuple[Any, Any]:
    """Probabilities of 2 to 8 labels, some of them rare or without rows, some wrong."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 9))
    n = int(rng.integers(k + 2, [60, 400][seed % 2]))
    targets = rng.choice(k, size=n, p=rng.dirichlet(np.full(k, rng.choice([0.3, 3]))))
    targets[:2] = [0, 1]
    wrong = rng.random(n) < rng.choice([0.05, 0.3, 0.6])
    true = np.where(wrong, rng.integers(0, k, n), targets)
    found = rng.dirichlet(np.full(k, 0.7), size=n) + np.eye(k)[true] * rng.choice([0.3, 1, 3])
    return found / found.sum(axis=1, keepdims=True), targets


@pytest.fixture
def stable(monkeypatch: pytest.MonkeyPatch) -> None:
    """cleanlab sorts by NumPy's default, which orders equal numbers by the processor."""
    monkeypatch.setattr(np, "argsort", functools.partial(np.argsort, kind="stable"))


@pytest.mark.usefixtures("stable")
@pytest.mark.parametrize("seed", range(60))
def test_results_equal_those_of_cleanlab(seed: int) -> None:
    found, targets = drawn(seed)
    assert thresholds(found, targets).tolist() == get_confident_thresholds(targets, found).tolist()
    for calibrated in (True, False):
        expected = compute_confident_joint(targets, found, calibrate=calibrated)
        assert confident_joint(found, targets, calibrated=calibrated).tolist() == expected.tolist()
    for rule in RULES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of labels with one row
            issues = find_label_issues(targets, found, filter_by=rule, n_jobs=1)
        assert np.flatnonzero(label_issues(found, targets, rule=rule)).tolist() == (
            np.flatnonzero(issues).tolist()
        ), rule
    for method in ("self_confidence", "normalized_margin"):
        expected = get_label_quality_scores(targets, found, method=method)
        assert label_quality(found, targets, method=method).tolist() == expected.tolist()


def test_issues_equal_those_of_unpatched_cleanlab_without_ties() -> None:
    rng = np.random.default_rng(5)
    targets = rng.integers(0, 3, 2000)
    true = np.where(rng.random(2000) < 0.2, rng.integers(0, 3, 2000), targets)
    found = rng.dirichlet([1.0, 1, 1], size=2000) + np.eye(3)[true]
    found /= 2
    for rule in RULES:
        issues = find_label_issues(targets, found, filter_by=rule, n_jobs=1)
        assert issues.sum() > 100
        assert label_issues(found, targets, rule=rule).tolist() == issues.tolist()


def test_results_agree_with_a_case_worked_by_hand() -> None:
    found, targets = TWO
    # t_0 = (0.9 + 0.8 + 0.3) / 3 = 0.667, t_1 = (0.55 + 0.8) / 2 = 0.675
    assert thresholds(found, targets).tolist() == pytest.approx([2 / 3, 0.675])
    # rows 0, 1 reach t_0; rows 2, 4 reach t_1; row 3 reaches none and is not counted
    assert confident_joint(found, targets, calibrated=False).tolist() == [[2, 1], [0, 1]]
    # the second line has one counted row of two, and is scaled to two
    assert confident_joint(found, targets).tolist() == [[2, 1], [0, 2]]
    for rule in RULES:
        assert np.flatnonzero(label_issues(found, targets, rule=rule)).tolist() == [2], rule
    margins = label_quality(found, targets)
    assert margins.tolist() == pytest.approx([0.9, 0.8, 0.3, 0.55, 0.8])


def test_rules_select_different_rows() -> None:
    found = [[0.6, 0.4], [0.55, 0.45], [0.4, 0.6], [0.48, 0.52], [0.1, 0.9], [0.2, 0.8]]
    targets = [0, 0, 0, 0, 1, 1]
    flagged = {rule: np.flatnonzero(label_issues(found, targets, rule=rule)) for rule in RULES}
    assert flagged["predicted_neq_given"].tolist() == [2, 3]
    assert flagged["confident_learning"].tolist() == []  # neither reaches t_1 = 0.85


def test_the_last_row_of_a_label_is_never_flagged() -> None:
    found = [[0.9, 0.1], [0.8, 0.2], [0.9, 0.1]]
    assert not label_issues(found, [0, 0, 1]).any()
    assert not label_issues(found, [0, 0, 1], rule="prune_by_class").any()


def test_no_rows_give_no_issues() -> None:
    none = np.empty((0, 2))
    empty = np.empty(0, np.intp)
    assert confident_joint(none, empty, calibrated=False).tolist() == [[1, 0], [0, 1]]
    assert label_issues(none, empty).tolist() == []
    assert label_quality(none, empty).tolist() == []


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"probabilities": [[0.5], [0.5]]}, r"at least two labels, 0..1; got \(2, 1\)"),
        ({"probabilities": [[0.5, float("nan")], [0.5, 0.5]]}, "at least two labels, 0..1"),
        ({"probabilities": [[1.5, -0.5], [0.5, 0.5]]}, "at least two labels, 0..1"),
        ({"targets": [0]}, r"positions of 2 labels .* shape \(1,\)"),
        ({"targets": [0.0, 1.0]}, "integers; got float64"),
        ({"targets": ["a", "b"]}, "integers; got <U1"),
        ({"targets": [0, 2]}, r"expected positions 0..1; got 0..2"),
        ({"targets": [-1, 1]}, r"expected positions 0..1; got -1..1"),
        ({"rule": "prune"}, "rule 'prune' not found"),
    ],
)
def test_bad_input_is_refused(change: Any, hint: str) -> None:
    good: Any = {"probabilities": [[0.5, 0.5], [0.5, 0.5]], "targets": [0, 1]}
    with pytest.raises(UsageError, match=hint):
        label_issues(**good | change)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(UsageError, match="method 'margin' not found"):
        label_quality(*TWO, method="margin")  # type: ignore[arg-type]
