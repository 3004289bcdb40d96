from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from synthkit.core.errors import UsageError
from synthkit.evaluate.views import projection
from synthkit.evaluate.views.projection import inside, neighbours, pca, sample, unit


def vectors(n: int, d: int = 5, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(n, d)) * np.arange(d, 0, -1)


def test_pca_agrees_with_the_eigenvectors_of_the_covariance() -> None:
    given = vectors(200)
    made = pca(given)
    values, axes = np.linalg.eigh(np.cov(given.T))
    expected = (given - given.mean(axis=0)) @ axes[:, ::-1][:, :2]
    assert np.allclose(np.abs(made.points), np.abs(expected), atol=1e-3)
    assert made.explained == pytest.approx(values[::-1][:2] / values.sum(), rel=1e-4)
    assert (made.method, made.fitted, made.seed) == ("PCA", 200, 0)


def test_the_sign_of_an_axis_does_not_depend_on_the_order_of_rows() -> None:
    given = vectors(50)
    turned = pca(given[::-1]).points[::-1]
    assert np.allclose(pca(given).points, turned, atol=1e-4)


def test_a_fit_on_a_sample_places_all_and_depends_on_the_seed_alone() -> None:
    given = vectors(3000)
    made = pca(given, fit=500, seed=3)
    assert made.fitted == 500
    assert np.isfinite(made.points).all()
    assert np.array_equal(made.points, pca(given, fit=500, seed=3).points)
    assert not np.array_equal(made.points, pca(given, fit=500, seed=4).points)


@pytest.mark.parametrize(
    ("given", "points", "explained"),
    [
        (np.zeros((0, 3)), np.zeros((0, 2)), (0, 0)),
        ([], np.zeros((0, 2)), (0, 0)),
        ([[1, 2, 3]], [[0, 0]], (0, 0)),
        ([[0, 0], [0, 2]], [[-1, 0], [1, 0]], (1, 0)),
        ([[0.1, 0.7]] * 4, [[0, 0]] * 4, (0, 0)),
        (np.zeros((3, 2)), [[0, 0]] * 3, (0, 0)),
        ([[1], [3]], [[-1, 0], [1, 0]], (1, 0)),
        ([[np.nan, 1], [0, 0], [0, 2], [np.inf, 0]], [[np.nan] * 2, [-1, 0], [1, 0], [np.nan] * 2],
         (1, 0)),
        ([[np.nan]] * 2, [[np.nan] * 2] * 2, (0, 0)),
        (np.zeros((2, 0)), [[0, 0]] * 2, (0, 0)),
    ],
    ids=["none", "empty", "one", "two", "equal", "zeros", "1d", "nan", "all-nan", "no-columns"],
)  # fmt: skip
def test_degenerate_vectors_have_a_map(given: Any, points: Any, explained: Any) -> None:
    made = pca(given)
    assert np.allclose(made.points, points, equal_nan=True, atol=1e-6)
    assert made.explained == pytest.approx(explained)


@pytest.mark.parametrize("given", [[1, 2], [[1], [1, 2]], [["a"]], np.zeros((2, 2, 2))])
def test_what_is_no_matrix_is_refused(given: Any) -> None:
    with pytest.raises(UsageError, match=r"expected .*vector"):
        pca(given)


def test_neighbours_are_those_of_the_whole_matrix_of_cosines() -> None:
    given = vectors(500)
    rows = given / np.linalg.norm(given, axis=1, keepdims=True)
    cosines = rows @ rows[17]
    cosines[17] = -9
    expected = np.argsort(-cosines)[:12]
    found = neighbours(given, 17, 12)
    assert [row for row, _ in found] == expected.tolist()
    assert [cosine for _, cosine in found] == pytest.approx(cosines[expected], abs=1e-5)


def test_neighbours_of_odd_rows_are_defined() -> None:
    given = [[1, 0], [0, 0], [np.nan, 1], [1, 0], [-1, 0], [1, 0]]
    assert neighbours(given, 0) == [(3, 1), (5, 1), (1, 0), (4, -1)]
    assert neighbours(given, 0, 1) == [(3, 1)]
    assert [cosine for _, cosine in neighbours(given, 1)] == [0, 0, 0, 0]
    assert neighbours(given, 2) == []
    assert neighbours([[1, 2]], 0) == []
    assert neighbours(given, 0, 0) == []
    with pytest.raises(UsageError, match="expected a row from 0 to 5; got 6"):
        neighbours(given, 6)


def test_neighbours_copy_none_of_the_vectors() -> None:
    given = np.random.default_rng(0).normal(size=(50_000, 256)).astype(np.float32)
    tracemalloc.start()
    found = neighbours(given, 5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 10
    assert peak < given.nbytes / 10


def test_a_line_goes_around_what_lies_within_it() -> None:
    points = np.array([[0.5, 0.5], [0.5, 0.1], [0.9, 0.5], [np.nan, 0.5], [2, 2]], np.float32)
    notched = [[0, 0], [1, 0], [1, 1], [0.5, 0.4], [0, 1]]
    assert inside(points, notched).tolist() == [False, True, True, False, False]
    assert not inside(points, []).any()


def test_a_sample_gives_each_group_its_share() -> None:
    groups = np.repeat([0, 1, 2], [8000, 1900, 100])
    rows = np.arange(10_000)
    chosen = sample(rows, 1000, groups, seed=1)
    assert np.bincount(groups[chosen]).tolist() == [800, 190, 10]
    assert (np.diff(chosen) > 0).all()
    assert np.array_equal(chosen, sample(rows, 1000, groups, seed=1))
    assert not np.array_equal(chosen, sample(rows, 1000, groups, seed=2))
    assert sample(rows[:5], 1000, groups).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("most", [1, 7, 99, 100])
def test_a_sample_has_the_size_that_was_asked(most: int) -> None:
    groups = np.random.default_rng(0).integers(0, 9, 333)
    assert len(sample(np.arange(333), most, groups)) == most


def test_points_fill_the_frame() -> None:
    points = np.array([[-3, 5], [1, 5], [np.nan, 5]], np.float32)
    assert np.allclose(unit(points), [[0, 0.5], [1, 0.5], [np.nan, np.nan]], equal_nan=True)
    assert unit(points[:0]).shape == (0, 2)
    assert projection.FIT == 20_000
