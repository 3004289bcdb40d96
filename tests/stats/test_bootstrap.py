from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from scipy import stats

from synthkit.core.errors import UsageError
from synthkit.stats.bootstrap import bootstrap, jackknife, paired_bootstrap, subsampled


@pytest.mark.parametrize(("method", "name"), [("bca", "BCa"), ("percentile", "percentile")])
def test_bootstrap_is_near_that_of_scipy(method: Literal["bca", "percentile"], name: str) -> None:
    rows = np.random.default_rng(3).exponential(size=40)
    ours = bootstrap(lambda at: rows[at].std(), 40, method=method, resamples=20_000)
    theirs = stats.bootstrap(
        (rows,), np.std, method=name, n_resamples=20_000, rng=np.random.default_rng(0)
    ).confidence_interval
    assert ours == pytest.approx(tuple(theirs), abs=0.02)


def test_vectorised_or_not_the_interval_is_one() -> None:
    rows = np.random.default_rng(4).normal(size=30)
    plain = bootstrap(lambda at: rows[at].mean(), 30, resamples=300)
    assert plain == bootstrap(lambda at: rows[at].mean(axis=-1), 30, vectorised=True, resamples=300)


def test_pairing_narrows_what_is_hard_for_both() -> None:
    rng = np.random.default_rng(5)
    hard = rng.normal(size=100)
    found = paired_bootstrap(lambda at: (hard[at] + 0.1).mean(), lambda at: hard[at].mean(), 100)
    assert found.low == pytest.approx(0.1)
    assert found.told_apart
    assert "not told apart" not in str(found)


def test_equal_systems_are_not_told_apart() -> None:
    found = paired_bootstrap(lambda at: at.mean(), lambda at: at.mean(), 10)
    assert (found.value, found.low, found.high) == (0, 0, 0)
    assert str(found).endswith("not told apart on 10 rows")


def test_rows_that_are_all_equal_or_one_have_a_point_for_an_interval() -> None:
    assert bootstrap(lambda at: np.ones(5)[at].mean(), 5) == (1.0, 1.0)
    assert bootstrap(lambda at: float(at.sum()), 1) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("n", "given", "said"),
    [
        (0, {}, "n of 1 or more"),
        (5, {"resamples": 1}, "resamples of 2"),
        (5, {"method": "basic"}, "'basic'"),
        (5, {"level": 0}, "level"),
        (5, {"vectorised": True}, "reduce the last axis"),
    ],
)
def test_bootstrap_refuses_what_makes_no_sense(n: int, given: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        bootstrap(lambda at: at.mean(), n, **given)  # type: ignore[arg-type]


def test_a_statistic_that_is_not_finite_is_refused() -> None:
    with pytest.raises(UsageError, match="not finite"):
        bootstrap(lambda at: math.nan, 5)


def test_jackknife_of_a_mean_is_the_interval_of_student() -> None:
    rows = np.random.default_rng(6).normal(size=12)
    left_out = (rows.sum() - rows) / 11
    half = stats.t.ppf(0.975, 11) * rows.std(ddof=1) / math.sqrt(12)
    expected = rows.mean() - half, rows.mean() + half
    assert jackknife(float(rows.mean()), left_out) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("n", [2, 3, 4, 5, 9, 40])
def test_jackknife_takes_the_quantile_of_student_of_few_values(n: int, level: float) -> None:
    x = np.random.default_rng(n).normal(size=n)
    low, high = jackknife(x.mean(), (x.sum() - x) / (n - 1), level)
    assert low is not None
    expected = stats.t.ppf((1 + level) / 2, n - 1) * stats.sem(x)
    assert (high - low) / 2 == pytest.approx(expected, rel=2e-3)


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
