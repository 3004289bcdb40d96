from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from synthkit.evaluate.raters.variant_ranking import (
    Proportion,
    VariantResult,
    marks_to_separate,
    rank,
    stands_out,
    summary_line,
)
from synthkit.stats.intervals import wilson


def entry(
    name: str, accept: tuple[int, int] = (0, 0), checks: tuple[int, int] = (0, 0)
) -> VariantResult:
    return VariantResult(name=name, cells=9, accept=Proportion(*accept), checks=Proportion(*checks))


def test_a_share_is_shown_with_its_interval() -> None:
    assert str(Proportion(11, 20)) == "0.55 [0.34, 0.74]"
    assert str(Proportion(0, 0)) == "–"
    assert Proportion(0, 0).value is None


def test_many_marks_beat_one_lucky_one() -> None:
    ranked = rank([entry("lucky", (1, 1)), entry("tried", (18, 20)), entry("poor", (0, 9))])
    assert [one.name for one in ranked] == ["tried", "lucky", "poor"]


def test_checks_decide_where_marks_do_not() -> None:
    ranked = rank([entry("A", (2, 4), (1, 8)), entry("B", (2, 4), (8, 8)), entry("C")])
    assert [one.name for one in ranked] == ["B", "A", "C"]


def test_the_summary_says_what_is_known() -> None:
    assert summary_line([entry("A"), entry("B")]) == "Nothing marked or checked yet."
    assert summary_line([entry("A", (5, 5))]) == "A: accept 1.00 [0.57, 1.00]."
    assert "B has no marks yet" in summary_line([entry("A", (5, 5)), entry("B")])
    apart = summary_line([entry("A", (38, 40)), entry("B", (12, 40))])
    assert apart.startswith("A beats B by 0.65: accept 0.95 [0.83, 0.99] against 0.30 [")
    near = summary_line([entry("A", (9, 10)), entry("B", (5, 10))])
    assert near == (
        "No significant difference between A and B yet: it takes about 1 more mark each, if "
        "their shares stay as they are."
    )
    assert summary_line([entry("A", (5, 10)), entry("B", (5, 10))]).endswith("B yet.")
    assert summary_line([entry("A", checks=(9, 10)), entry("B", checks=(5, 10))]) == (
        "No significant difference between A and B yet."
    )


@pytest.mark.parametrize(("pairs", "marks"), [(1, 10), (3, 20), (6, 26)])
def test_after_so_many_marks_the_best_is_ahead_among_its_pairs(pairs: int, marks: int) -> None:
    """Newcombe's interval of 0.8 - 0.5 at 1 - 0.05 / pairs excludes 0 from so many marks on."""
    assert marks_to_separate(Proportion(8, 10), Proportion(5, 10), pairs) == marks
    for n, ahead in ((10 + marks, True), (9 + marks, False)):
        ends = [wilson(p * n, n, 0.95) for p in (0.8, 0.5)]
        below = math.hypot(0.8 - ends[0][0], ends[1][1] - 0.5)
        p = 2 * NormalDist().cdf(-0.3 / below * NormalDist().inv_cdf(0.975))
        assert (p * pairs <= 0.05) == ahead


def test_the_best_of_several_variants_is_corrected_for_their_number() -> None:
    two = [entry("A", (20, 20)), entry("B", (14, 20))]
    assert summary_line(two).startswith("A beats B by 0.30: accept 1.00 [")
    more = [entry(name, (14, 20)) for name in "CDEFGH"]
    assert summary_line(two + more).startswith("No significant difference between A and B yet")
    assert (stands_out(two), stands_out(two + more), stands_out(two[:1])) == (True, False, False)
    unmarked = [entry(name) for name in "CDEFGH"]
    assert summary_line(two + unmarked) == summary_line(two)


@pytest.mark.parametrize("marks", [1, 2, 3])
def test_three_marks_each_show_no_difference(marks: int) -> None:
    line = summary_line([entry("A", (marks, marks)), entry("B", (0, marks))])
    assert line.startswith("No significant difference between A and B yet")
    four = summary_line([entry("A", (4, 4)), entry("B", (0, 4))])
    assert four.startswith("A beats B by 1.00")


def test_no_number_of_marks_parts_equals() -> None:
    assert marks_to_separate(Proportion(5, 10), Proportion(5, 10)) is None
    assert marks_to_separate(Proportion(0, 0), Proportion(5, 10)) is None
