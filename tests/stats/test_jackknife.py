from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from synthkit.stats.jackknife import jackknife, subsampled, t_tail


def test_jackknife_of_a_mean_is_the_interval_of_student() -> None:
    rows = np.random.default_rng(6).normal(size=12)
    left_out = (rows.sum() - rows) / 11
    half = stats.t.ppf(0.975, 11) * rows.std(ddof=1) / math.sqrt(12)
    expected = rows.mean() - half, rows.mean() + half
    assert jackknife(float(rows.mean()), left_out) == pytest.approx(expected)


@pytest.mark.parametrize("level", [0.01, 0.5, 0.8, 0.9, 0.95, 0.99, 0.9999])
@pytest.mark.parametrize("n", [2, 3, 4, 5, 9, 40])
def test_jackknife_takes_the_quantile_of_student_of_few_values(n: int, level: float) -> None:
    x = np.random.default_rng(n).normal(size=n)
    low, high = jackknife(x.mean(), (x.sum() - x) / (n - 1), level)
    assert low is not None
    expected = stats.t.ppf((1 + level) / 2, n - 1) * stats.sem(x)
    assert (high - low) / 2 == pytest.approx(expected, rel=1e-9)


def test_jackknife_of_less_than_two_values_has_no_interval() -> None:
    assert jackknife(1.0, [1.0]) == jackknife(1.0, []) == (None, None)
    assert jackknife(1.0, [1.0, math.nan]) == (None, None)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_subsamples_of_a_mean_vary_as_student_says(share: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=100)
    size = round(100 * share)
    drawn = [rng.choice(x, size, replace=False).mean() for _ in range(4000)]
    low, high = subsampled(x.mean(), drawn, share)
    assert low is not None
    expected = stats.t.interval(0.95, 3999, x.mean(), stats.sem(x))
    assert (low, high) == pytest.approx(expected, abs=0.01)


def test_subsamples_of_fewer_than_two_parts_have_no_interval() -> None:
    assert subsampled(1.0, [], 0.5) == subsampled(1.0, [1.0], 0.5) == (None, None)


@pytest.mark.parametrize("freedom", [1, 1.3, 3, 4.7, 30, 1e4])
@pytest.mark.parametrize("t", [1e-6, 0.5, 2, -5, 10, 1e3])
def test_the_tail_of_student_is_that_of_scipy(t: float, freedom: float) -> None:
    assert t_tail(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), rel=1e-9, abs=0)


def test_the_tail_of_student_ends_at_one_and_zero() -> None:
    assert t_tail(0.0, 3) == t_tail(1e-200, 3) == 1
    assert t_tail(1e200, 3) == 0
