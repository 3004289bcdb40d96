from __future__ import annotations

import pytest

from tests.benchmarks.null_differences import WAYS, null_rates, power

METRICS = [
    "pass rate",
    "vocabulary",
    "distinct-2",
    "self-BLEU",
    "APS",
    "Vendi",
    "faithful by a judge",
]


@pytest.mark.parametrize("way", WAYS)
def test_two_tables_of_one_source_are_seldom_different(way: str) -> None:
    rates, reports = null_rates(way, 20, n=60, metrics=METRICS)
    assert reports <= 3  # of 20 at 5 %: more than 3 in one of 60 runs
    assert {"pass rate", "length text 7-11 words", "judged faithful"} & set(rates)
    for tested, alone, _ in rates.values():
        assert alone <= 4 or alone / tested <= 0.2
    if "left out" in way:
        assert not {"vocabulary", "distinct-2", "self-BLEU-4", "Vendi"} & set(rates)


def test_a_planted_difference_is_found() -> None:
    alone, reported = power("a filter drops two thirds of the faults", 12, metrics=METRICS)
    assert min(alone, reported) >= 0.6
    alone, reported = power("half of the words", 8, metrics=METRICS)
    assert min(alone, reported) >= 0.9
    alone, reported = power("half of the words", 3)  # with all metrics in the report
    assert min(alone, reported) == 1
