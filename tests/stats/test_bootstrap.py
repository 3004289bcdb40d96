from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from scipy import stats

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.stats.bootstrap import bootstrap, mean_interval, paired_bootstrap, score_difference
from synthkit.stats.intervals import wilson


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
    assert found.significant
    assert "no significant" not in str(found)


def test_equal_systems_have_no_significant_difference() -> None:
    found = paired_bootstrap(lambda at: at.mean(), lambda at: at.mean(), 10)
    assert (found.value, found.low, found.high) == (0, 0, 0)
    assert str(found).endswith("no significant difference on 10 rows")


def test_rows_that_are_all_equal_or_one_have_a_point_for_an_interval() -> None:
    assert bootstrap(lambda at: np.ones(5)[at].mean(), 5) == (1.0, 1.0)
    assert bootstrap(lambda at: float(at.sum()), 1) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("n", "given", "text"),
    [
        (0, {}, "n of 1 or more"),
        (5, {"resamples": 1}, "resamples of 2"),
        (5, {"method": "basic"}, "'basic'"),
        (5, {"level": 0}, "level"),
        (5, {"vectorised": True}, "reduce only the last axis"),
    ],
)
def test_bootstrap_refuses_what_makes_no_sense(n: int, given: dict[str, object], text: str) -> None:
    with pytest.raises(UsageError, match=text):
        bootstrap(lambda at: at.mean(), n, **given)  # type: ignore[arg-type]


def test_a_statistic_that_is_not_finite_is_refused() -> None:
    with pytest.raises(UsageError, match="not finite"):
        bootstrap(lambda at: math.nan, 5)


def share(yes: int, n: int) -> Score:
    low, high = wilson(yes, n)
    return Score(name="share", value=yes / n, low=low, high=high, n=n)


# R. G. Newcombe (1998), method 10; the ends are those of statsmodels 0.15,
# confint_proportions_2indep(method="newcomb")
@pytest.mark.parametrize(
    ("one", "other", "ends"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
        ((0, 10), (0, 10), (-0.2775, 0.2775)),
        ((10, 10), (0, 20), (0.6791, 1.0000)),
        ((10, 10), (0, 10), (0.6075, 1.0000)),
    ],
)
def test_the_difference_of_two_shares_is_newcombes(
    one: tuple[int, int], other: tuple[int, int], ends: tuple[float, float]
) -> None:
    found = score_difference(share(*one), share(*other))
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == ends


@pytest.mark.parametrize(
    ("n", "m", "found"), [(1, 1, 1), (2, 2, 1 / 3), (3, 3, 0.1), (1, 30, 2 / 31)]
)
def test_so_few_rows_show_no_difference_however_they_are(n: int, m: int, found: float) -> None:
    """p is that of a permutation test of n successes and m failures."""
    gap = score_difference(share(n, n), share(0, m))
    assert gap is not None
    assert gap.p == pytest.approx(found)
    assert gap.low <= 0 < gap.high
    assert not gap.significant


@pytest.mark.parametrize(("n", "m"), [(4, 4), (2, 8), (1000, 90_000)])
def test_a_few_rows_more_show_a_difference(n: int, m: int) -> None:
    gap = score_difference(share(n, n), share(0, m))
    assert gap is not None
    assert gap.significant


def test_without_an_interval_there_is_no_difference() -> None:
    assert score_difference(share(1, 2), Score(name="share", value=0.5, n=2)) is None


def test_a_p_value_far_out_is_not_zero_and_can_be_widened() -> None:
    gap = score_difference(*(Score(name="", value=v, low=v - 1, high=v + 1, n=99) for v in (9, 0)))
    assert gap is not None
    assert gap.p == pytest.approx(2 * stats.norm.sf(9 / math.sqrt(2) * 1.959964), rel=1e-4)
    assert replace(gap, p=5e-324).widened(2).p == pytest.approx(0, abs=1e-70)


@pytest.mark.parametrize("n", [2, 3, 5, 9])
def test_the_interval_of_a_mean_of_few_rows_is_that_of_student(n: int) -> None:
    x = np.random.default_rng(n).normal(size=n)
    assert mean_interval(x) == pytest.approx(stats.t.interval(0.95, n - 1, x.mean(), stats.sem(x)))


@pytest.mark.parametrize("values", [[3.0], np.arange(10.0)])
def test_the_interval_of_a_mean_of_one_row_or_of_ten_is_a_bootstrap(values: list[float]) -> None:
    x = np.array(values)
    assert mean_interval(x) == bootstrap(lambda at: x[at].mean(), len(x))
