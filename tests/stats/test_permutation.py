from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from synthkit.core.errors import UsageError
from synthkit.stats.bootstrap import Difference, corrected
from synthkit.stats.multiple import holm
from synthkit.stats.permutation import MOST_UNITS, row_difference


def of_subset(values: list[float], kept: list[int], **options: int) -> Difference:
    return row_difference(values, [values[at] for at in kept], range(len(values)), kept, **options)


def test_a_random_part_differs_as_the_hypergeometric_distribution_says() -> None:
    values = [1.0] * 12 + [0.0] * 8
    kept = [*range(12), 12, 13]  # six of the eight failures are dropped
    found = of_subset(values, kept, resamples=20_000)
    tail = stats.hypergeom(20, 8, 6).cdf(0), stats.hypergeom(20, 8, 6).sf(5)
    assert found.p == pytest.approx(2 * min(tail), abs=0.002)
    assert found.significant
    assert found.paired


@pytest.mark.parametrize("dropped", [1, 2, 3])
def test_a_few_rows_dropped_by_chance_are_no_difference(dropped: int) -> None:
    values = [1.0, 0.0] * 30
    failing = [at for at, value in enumerate(values) if not value][:dropped]
    found = of_subset(values, [at for at in range(60) if at not in failing])
    assert not found.significant
    assert found.low <= 0 <= found.high


@pytest.mark.parametrize("dropped", [1, 2, 3, 5])
@pytest.mark.parametrize("replaced", [False, True])
def test_a_few_rows_out_of_the_ordinary_are_no_difference(dropped: int, replaced: bool) -> None:
    """Though chance would hardly drop the very rows with the largest values of 500."""
    values = np.linspace(0, 1, 500)
    values[:dropped] += 99
    units = [*range(dropped, 500), *range(500, 500 + dropped * replaced)]
    second = np.append(values, values[dropped : 2 * dropped])[units]
    found = row_difference(values, second, range(500), units)
    differing = dropped * (2 if replaced else 1)
    assert found.significant == (differing >= 6)
    if not found.significant:
        assert found.p == 2 * 0.5**differing
        assert found.low <= 0 <= found.high


def test_a_filter_that_drops_every_failure_is_found() -> None:
    values = [0.0] * 6 + [1.0] * 54
    found = of_subset(values, list(range(6, 60)))
    assert found.value == pytest.approx(-0.1)
    assert found.significant


@pytest.mark.parametrize(("wrong", "fixed"), [(5, 1), (10, 3), (8, 5)])
def test_two_systems_on_the_same_rows_are_compared_by_mcnemars_test(wrong: int, fixed: int) -> None:
    b = [0.0] * wrong + [1.0] * (40 - wrong)
    a = [1.0] * fixed + b[fixed:]
    found = row_difference(a, b, range(40), range(40), resamples=20_000)
    assert found.p == pytest.approx(min(1.0, 2 * 0.5**fixed), abs=0.02)
    assert not found.significant


def test_separate_tables_are_compared_as_by_welch_and_by_permutation() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(1, 1, 60), rng.normal(0.4, 3, 25)
    found = row_difference(x, y, range(60), range(60, 85))
    expected = stats.ttest_ind(x, y, equal_var=False).pvalue
    plain = stats.permutation_test(
        (x, y), lambda a, b: a.mean() - b.mean(), n_resamples=4999, rng=np.random.default_rng(1)
    )
    assert found.p == pytest.approx(max(expected, plain.pvalue), abs=0.03)
    interval = stats.ttest_ind(x, y, equal_var=False).confidence_interval()
    assert found.low <= interval.low + 0.02
    assert found.high >= interval.high - 0.02


def test_shares_of_two_tables_have_the_interval_of_agresti_and_caffo() -> None:
    from statsmodels.stats.proportion import confint_proportions_2indep

    first, second = [1.0] * 17 + [0.0] * 3, [1.0] * 9 + [0.0] * 21
    found = row_difference(first, second, range(20), range(20, 50))
    low, high = confint_proportions_2indep(17, 20, 9, 30, method="agresti-caffo", compare="diff")
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_shares_of_the_same_rows_have_the_interval_of_agresti_and_min() -> None:
    first, second = [1.0] * 12 + [0.0] * 8, [1.0] * 3 + [0.0] * 16 + [1.0]  # 9 better, 1 worse
    found = row_difference(first, second, range(20), range(20))
    error = math.sqrt(9.5 + 1.5 - 8**2 / 22) / 22
    assert found.low == pytest.approx(8 / 22 - 1.959964 * error)
    assert found.high == pytest.approx(8 / 22 + 1.959964 * error)


@pytest.mark.parametrize("units", [range(18), range(18, 36), [0] * 18])
def test_the_difference_of_two_shares_is_at_most_one(units: Sequence[int]) -> None:
    found = row_difference([1.0] * 18, [0.0] * 17 + [1.0], range(18), units)
    assert -1 <= found.low < found.value < found.high <= 1


def test_intervals_of_shares_cover_large_differences() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        pairs = rng.choice(4, size=20, p=[0.05, 0.9, 0.02, 0.03])  # true difference: 0.88
        first, second = (pairs <= 1).astype(float), (pairs % 2 == 0).astype(float)
        second[pairs == 3] = 0
        found = row_difference(first, second, range(20), range(20), resamples=200)
        covered += found.low <= 0.88 <= found.high
    assert covered >= 0.92 * 300


def test_copies_of_a_row_are_one_row() -> None:
    values = np.random.default_rng(0).normal(size=30)
    drawn = [0] * 20 + list(range(1, 11))  # one row drawn twenty times: an odd, not a large sample
    found = row_difference(values, values[drawn], range(30), drawn)
    as_if_separate = row_difference(values, values[drawn], range(30), range(30, 60))
    assert found.high - found.low > as_if_separate.high - as_if_separate.low


@pytest.mark.parametrize(
    ("first", "second", "units"),
    [
        ([1.0] * 20, [1.0] * 18, range(18)),  # all pass, and two were dropped
        ([0.0] * 20, [0.0] * 20, range(20)),  # all fail, in the same table
        ([1.0] * 20, [1.0] * 20, range(20, 40)),  # all pass, in two tables
        ([0.0, 1.0] * 10, [0.0, 1.0] * 10, range(20)),  # a table and itself
        ([1.5, 2.5] * 10, [1.5, 2.5] * 10, range(20)),
    ],
)
def test_no_interval_is_without_width(
    first: list[float], second: list[float], units: range
) -> None:
    found = row_difference(first, second, range(20), units)
    assert found.value == 0
    assert found.low < -0.001
    assert found.high > 0.001
    assert not found.significant
    assert found.p is None


def test_equal_values_that_are_no_shares_say_nothing_of_their_spread() -> None:
    with pytest.raises(UsageError, match="all rows have the value 4, so nothing is known"):
        row_difference([4.0] * 9, [4.0] * 9, range(9), range(9, 18))
    apart = row_difference([5.0] * 9, [4.0] * 9, range(9), range(9, 18))
    assert apart.significant


def test_many_rows_have_the_normal_limit_of_the_permutations() -> None:
    rng = np.random.default_rng(0)
    size = MOST_UNITS + 1
    values = rng.gamma(1, size=size)
    kept = rng.permutation(size)[:4000]
    found = row_difference(values, values[kept], range(size), kept)
    error = values.std(ddof=1) * math.sqrt(1 / 4000 - 1 / size)
    assert found.high - found.value == pytest.approx(1.96 * error, rel=0.01)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(found.value) / error), rel=0.01)


@pytest.mark.parametrize(
    ("values", "says"), [([1.0], "two rows or more"), ([1.0, math.nan], "finite numbers")]
)
def test_values_that_are_none_are_refused(values: list[float], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        row_difference(values, [1.0, 2.0], range(len(values)), [7, 8])


def test_an_interval_that_ends_at_0_but_for_rounding_is_no_difference() -> None:
    for low, high in ((6e-17, 0.1), (-0.1, -6e-17), (1e-14, 5.0)):
        assert not Difference(value=(low + high) / 2, low=low, high=high, n=9).significant
    assert Difference(value=2e-9, low=1e-9, high=3e-9, n=9).significant


def test_p_values_are_corrected_as_by_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(0).random(20) ** 3
    assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1].tolist())
    assert holm([]) == []


def test_differences_without_a_test_are_not_counted() -> None:
    gaps = [Difference(value=1, low=0.1, high=2, n=9, p=p) for p in (0.03, None, 0.04)]
    found = corrected(gaps)
    assert [gap.p for gap in found] == [pytest.approx(0.06), None, pytest.approx(0.06)]
    assert [gap.significant for gap in found] == [False, True, False]
    assert str(found[0]).endswith(
        "no significant difference on 9 rows, corrected for 2 comparisons"
    )


def test_a_p_value_of_very_different_tables_is_not_zero() -> None:
    first, second = np.arange(4000) % 7 + 1.0, np.arange(4000) % 7 * 1.0
    found = row_difference(first, second, range(4000), range(4000, 8000))
    assert found.p is not None
    assert 0 < found.p < 1e-80
