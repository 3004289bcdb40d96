from __future__ import annotations

import math

from synthkit.core.types import Score
from synthkit.plots.captions import comparison, formatted, score_text, with_interval
from synthkit.stats.intervals import wilson


def share(yes: int, n: int) -> Score:
    low, high = wilson(yes, n)
    return Score(name="share", value=yes / n, low=low, high=high, n=n, better="higher")


def test_a_difference_is_significant_only_if_the_interval_excludes_zero() -> None:
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
    flat = [Score(name="m", value=v, low=v - 0.01, high=v + 0.01, n=9) for v in (0.1, 0.9)]
    assert comparison("A", flat[0], "B", flat[1]).startswith("B is above A by 0.80")


def test_without_an_interval_nothing_is_claimed() -> None:
    bare = [Score(name="m", value=v, n=9, better="higher") for v in (0.5, 0.2)]
    assert comparison("A", bare[0], "B", bare[1]) == ("A is 0.30 above B, without an interval")
    assert score_text(bare[0]) == "0.50"


def test_what_is_not_zero_does_not_read_as_zero() -> None:
    assert with_interval(0.057, 0.004, 0.109) == "0.057 [0.004, 0.109]"
    assert with_interval(0.0, 0.0, 0.1) == "0.00 [0.00, 0.10]"
    assert formatted(-0.0) == ["0.00"]
    assert formatted(1e-30) == ["0.000000000000"]
    assert formatted(31.52, 28.3) == ["31.5", "28.3"]
    assert not math.isnan(float(formatted(1e12)[0].replace("\u202f", "")))
