"""Intervals hold the true value as often as they say: some of ``tests.benchmarks.coverage``."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.coverage import CASES, LEVELS, Case, coverage, wilson_coverage

WIDE = {"vocabulary", "Chamfer", "distinct-2"}
"""Of which the jackknife takes the value to vary more than it does, as METRICS.md says."""
EXACT = {"mean", "difference of means", "difference of shares", "bigram entropy", "MTLD", "APS",
         "remote-clique", "Vendi"}  # fmt: skip
QUICK = [
    case for case in CASES
    if case.metric in WIDE or (case.metric in EXACT and (case.n > 30 or case.method == "jackknife"))
]  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("n", [10, 30, 100])
def test_wilson_holds_a_share_as_often_as_it_says_on_average_over_shares(
    n: int, level: float
) -> None:
    each = [wilson_coverage(n, share, level) for share in np.linspace(0.01, 0.99, 50)]
    assert np.mean(each) == pytest.approx(level, abs=0.02)
    assert min(each) > level - 0.1  # it swings with the share, by what whole numbers do


@pytest.mark.parametrize("case", QUICK, ids=lambda case: f"{case.metric}, {case.method}")
def test_an_interval_holds_the_true_value_as_often_as_it_says(case: Case) -> None:
    for level, found in zip(LEVELS, coverage(case, 1000), strict=True):
        if case.metric in WIDE:
            assert found > level
        else:
            assert found == pytest.approx(level, abs=0.025)  # 1,000 trials: 2.6 standard errors
