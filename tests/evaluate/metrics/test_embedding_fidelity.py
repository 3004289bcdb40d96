from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.spatial.distance import cdist
from scipy.stats import binomtest

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate.metrics.divergence import label_divergence
from synthkit.evaluate.metrics.embedding_fidelity import frechet_distance, prdc, two_sample
from synthkit.evaluate.metrics.mauve import mauve

Vectors = np.ndarray[Any, Any]


def apart(n: int, m: int, d: int, shift: float, seed: int = 0) -> tuple[Vectors, Vectors]:
    rng = np.random.default_rng(seed)
    real, synthetic = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    synthetic[:, 0] += shift
    return real, synthetic


def plain_prdc(real: Vectors, synthetic: Vectors, k: int) -> list[float]:
    around_real = np.sort(cdist(real, real), axis=1)[:, k]
    around_synthetic = np.sort(cdist(synthetic, synthetic), axis=1)[:, k]
    far = cdist(real, synthetic)
    return [
        float((far < around_real[:, None]).any(axis=0).mean()),
        float((far < around_synthetic).any(axis=1).mean()),
        float((far < around_real[:, None]).sum(axis=0).mean() / k),
        float((far.min(axis=1) < around_real).mean()),
    ]


def plain_frechet(real: Vectors, synthetic: Vectors) -> float:
    moved = real.mean(axis=0) - synthetic.mean(axis=0)
    one, two = np.cov(real.T), np.cov(synthetic.T)
    return float(moved @ moved + np.trace(one + two - 2 * sqrtm(one @ two).real))


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("shape", [(60, 50, 2, 0.5), (700, 530, 16, 1.0), (40, 90, 100, 0.0)])
def test_prdc_is_the_plain_definition(shape: tuple[int, int, int, float], k: int) -> None:
    real, synthetic = apart(*shape)
    found = [score.value for score in prdc(synthetic, real, k=k)]
    assert found == pytest.approx(plain_prdc(real, synthetic, k), abs=1e-12)


def test_prdc_in_float32_far_from_the_origin_still_tells_rows_apart() -> None:
    real, synthetic = apart(100, 100, 4, 0.5)
    near = [score.value for score in prdc(synthetic, real)]
    assert [score.value for score in prdc(synthetic + 1000, real + 1000)] == near


def test_prdc_of_equal_tables_is_one_even_where_all_rows_are_equal() -> None:
    real, _ = apart(300, 1, 20, 0)
    assert [score.value for score in prdc(real, real[::-1])] == [1, 1, 1, 1]
    precision, recall, density, coverage = prdc([[3.0, 4.0]] * 8, [[3.0, 4.0]] * 8, k=4)
    assert (precision.value, recall.value, coverage.value) == (1, 1, 1)
    assert density.value == 8 / 4
    assert [score.value for score in prdc([[0.0]] * 8, [[0.0]] * 8, k=4)] == [1, 1, 2, 1]


def test_prdc_of_tables_far_apart_is_zero() -> None:
    real, synthetic = apart(50, 50, 3, 100)
    found = prdc(synthetic, real)
    assert [score.value for score in found] == [0, 0, 0, 0]
    assert all(score.low == 0 and score.high is not None for score in found)


def test_prdc_intervals_know_that_the_balls_move() -> None:
    real, synthetic = apart(60, 50, 2, 0.5)
    for score in prdc(synthetic, real):
        assert "20 draws of 0.5 of the rows, seed 0" in score.how
        assert score.low < score.value < score.high  # type: ignore[operator]
    plain = prdc(synthetic, real, draws=0)
    assert [score.low for score in plain] == [None] * 4
    assert [score.value for score in plain] == [score.value for score in prdc(synthetic, real)]
    assert prdc(synthetic, real[:6])[0].low is None  # no part of six rows has five neighbours
    wide = prdc(*apart(1500, 2500, 2, 0.5), draws=3)
    assert "3 draws of 0.4 of the rows" in wide[0].how


@pytest.mark.parametrize("k", [0, 3])
def test_prdc_refuses_a_k_that_the_rows_do_not_have(k: int) -> None:
    with pytest.raises(UsageError, match="k must be from 1"):
        prdc([[1.0]] * 3, [[1.0]] * 9, k=k)


@pytest.mark.parametrize("shape", [(100, 80, 1, 2.0), (500, 300, 20, 1.0), (900, 900, 64, 0.2)])
def test_frechet_distance_is_the_formula_with_a_matrix_square_root(
    shape: tuple[int, int, int, float],
) -> None:
    real, synthetic = apart(*shape)
    real = real @ np.random.default_rng(1).normal(size=(shape[2], shape[2]))
    if shape[2] == 1:
        one, two = real.std(ddof=1), synthetic.std(ddof=1)
        expected = (real.mean() - synthetic.mean()) ** 2 + (one - two) ** 2
    else:
        expected = plain_frechet(real, synthetic)
    assert frechet_distance(synthetic, real).value == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_is_exact_where_the_covariance_is_singular() -> None:
    rng = np.random.default_rng(0)
    scales, others = rng.random(5) + 0.5, rng.random(5) + 0.5
    signs = np.array([[1 - 2 * (i >> b & 1) for b in range(5)] for i in range(32)])
    real = np.hstack([signs * scales, np.zeros((32, 60))])
    synthetic = np.hstack([signs * others, np.ones((32, 60))])
    expected = 60 + ((scales - others) ** 2).sum() * 32 / 31
    found = frechet_distance(synthetic, real)
    assert found.value == pytest.approx(expected, rel=1e-12)
    assert "too high: 32 rows cannot fill 65 dimensions" in found.how


def test_frechet_distance_of_equal_tables_is_zero() -> None:
    real, _ = apart(400, 1, 30, 0)
    assert frechet_distance(real, real[::-1]).value == pytest.approx(0, abs=1e-11)
    assert frechet_distance([[2.0, 2.0]] * 3, [[2.0, 2.0]] * 2).value == 0


def test_two_sample_p_value_is_that_of_scipy() -> None:
    real, synthetic = apart(60, 90, 3, 0.6)
    found = two_sample(synthetic, real)
    right = round(found.value * 60)
    expected = binomtest(right, 60, 0.5, alternative="greater").pvalue
    assert found.n == 60
    assert f"p = {expected:.2g}" in found.how


def test_two_sample_reaches_what_the_best_classifier_does() -> None:
    real, synthetic = apart(1000, 1000, 4, 2.0)
    found = two_sample(synthetic, real)
    assert found.value == pytest.approx(0.8413, abs=0.03)  # Phi(1)
    assert found.low < 0.8413 < found.high


def test_two_sample_of_one_source_rarely_claims_a_difference() -> None:
    found = [two_sample(*apart(50, 50, 8, 0.0, seed)) for seed in range(400)]
    claims = sum(float(score.how.rpartition(" ")[2]) <= 0.05 for score in found)
    assert claims <= 0.07 * 400  # that of five folds are 0.11
    assert sum(score.low <= 0.5 <= score.high for score in found) >= 0.93 * 400
    assert np.mean([score.value for score in found]) == pytest.approx(0.5, abs=0.02)


def test_two_sample_of_a_table_and_its_copy_is_chance() -> None:
    real, _ = apart(50, 1, 30, 0)
    assert two_sample(real, real[::-1]).value == 0.5


def test_two_sample_refuses_fewer_than_two_distinct_rows() -> None:
    real, _ = apart(50, 1, 2, 0)
    with pytest.raises(UsageError, match="got 50 real and 1 synthetic"):
        two_sample([[1.0, 2.0]] * 50, real)


@pytest.mark.parametrize("metric", [mauve, prdc, frechet_distance, two_sample])
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ([], "got shape"),
        (np.empty((0, 3)), "got shape"),
        ([1.0, 2.0], "got shape"),
        (np.empty((3, 0)), "got shape"),
        ([[1.0, float("nan"), 0.0]] * 9, "row 0: its vector is not finite"),
        ([[1.0, None, 0.0]] * 9, "row 0: its vector is not finite"),
        ([["a", "b", "c"]], "expected .* numbers, but"),
        ([[1.0], [1.0, 2.0]], "expected .* numbers, but"),
        ([[1.0, 2.0]] * 9, "vectors of one length; got"),
    ],
)
def test_what_is_no_table_of_vectors_is_refused(
    metric: Callable[..., Any], wrong: Any, says: str
) -> None:
    good, _ = apart(9, 1, 3, 0)
    for given in ((good, wrong), (wrong, good)):
        with pytest.raises(UsageError, match=says):
            metric(*given)


def test_one_or_two_rows_give_a_number_or_a_clear_error() -> None:
    one, two = [[1.0, 2.0]], [[1.0, 2.0], [2.0, 1.0]]
    assert mauve(one, one).value == mauve(two, two).value == 1
    assert mauve([[0.0, 0.0]], [[0.0, 0.0]]).value == 1
    assert [score.value for score in prdc(two, two, k=1)] == [1, 1, 1, 1]
    assert frechet_distance(two, two).value == 0
    for metric, least in (
        (prdc, "k must be"),
        (frechet_distance, "2 or more"),
        (two_sample, "two distinct rows"),
    ):
        with pytest.raises(UsageError, match=least):
            metric(one, one)


def test_no_score_is_nan_and_each_is_inside_its_interval() -> None:
    real, synthetic = apart(80, 70, 5, 0.5)
    labels = label_divergence(["a", "b"] * 20, ["a"] * 9)
    scores: list[Score] = [mauve(synthetic, real), frechet_distance(synthetic, real), *labels]
    scores += [*prdc(synthetic, real), two_sample(synthetic, real)]
    for score in scores:
        assert np.isfinite(score.value)
        if score.low is not None and score.high is not None:
            assert score.low <= score.value <= score.high
    assert sum(score.low is None for score in scores) == 1
