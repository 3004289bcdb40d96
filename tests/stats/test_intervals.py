from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from synthkit.core.errors import UsageError
from synthkit.stats.intervals import wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_cases(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (3, 7), (50, 100), (999, 1000)])
def test_the_bounds_are_where_the_score_test_just_rejects(
    successes: int, n: int, level: float
) -> None:
    z = NormalDist().inv_cdf((1 + level) / 2)
    for bound in wilson(successes, n, level):
        if 0 < bound < 1:
            score = abs(successes / n - bound) / math.sqrt(bound * (1 - bound) / n)
            assert score == pytest.approx(z)


def test_nothing_is_known_without_a_mark() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("successes", "n", "level"), [(2, 1, 0.95), (-1, 3, 0.95), (1, 2, 1.0)])
def test_counts_that_make_no_sense_are_refused(successes: int, n: int, level: float) -> None:
    with pytest.raises(UsageError):
        wilson(successes, n, level)
