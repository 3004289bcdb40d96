from __future__ import annotations

import math

import pytest

from synthkit.core.types import Score
from synthkit.plots.captions import comparison, difference, formatted, score_text, with_interval
from synthkit.stats.intervals import wilson


def share(yes: int, n: int) -> Score:
    low, high = wilson(yes, n)
    return Score(name="share", value=yes / n, low=low, high=high, n=n, better="higher")


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
def test_the_gap_of_two_shares_is_newcombes(
    one: tuple[int, int], other: tuple[int, int], ends: tuple[float, float]
) -> None:
    found = difference(share(*one), share(*other))
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == ends


def test_two_are_told_apart_only_where_the_interval_leaves_out_zero() -> None:
    far, near = share(80, 100), share(60, 100)
    assert comparison("A", near, "B", far) == comparison("B", far, "A", near)
    assert comparison("A", near, "B", far) == "B beats A by 0.20 [0.07, 0.32]"
    close = share(62, 100)
    said = comparison("A", near, "B", close)
    assert said == "no significant difference between A and B: -0.02 [-0.15, 0.11] on 100 rows"


def test_lower_can_be_better_and_no_way_better() -> None:
    low, high = (
        Score(name="m", value=v, low=v - 0.01, high=v + 0.01, n=9, better="lower")
        for v in (0.1, 0.9)
    )
    assert comparison("A", low, "B", high).startswith("A beats B by 0.80")
    flat = [Score(name="m", value=v, low=v, high=v, n=9) for v in (0.1, 0.9)]
    assert comparison("A", flat[0], "B", flat[1]).startswith("B is above A by 0.80")


def test_without_an_interval_nothing_is_claimed() -> None:
    bare = [Score(name="m", value=v, n=9, better="higher") for v in (0.5, 0.2)]
    assert difference(*bare) is None
    assert comparison("A", bare[0], "B", bare[1]) == ("A is 0.30 above B, without an interval")
    assert score_text(bare[0]) == "0.50"


def test_what_is_not_zero_does_not_read_as_zero() -> None:
    assert with_interval(0.057, 0.004, 0.109) == "0.057 [0.004, 0.109]"
    assert with_interval(0.0, 0.0, 0.1) == "0.00 [0.00, 0.10]"
    assert formatted(-0.0) == ["0.00"]
    assert formatted(1e-30) == ["0.000000000000"]
    assert formatted(31.52, 28.3) == ["31.5", "28.3"]
    assert not math.isnan(float(formatted(1e12)[0].replace("\u202f", "")))
