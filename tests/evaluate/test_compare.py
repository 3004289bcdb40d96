from __future__ import annotations

import numpy as np
import pytest

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate import compare, self_bleu
from synthkit.evaluate.shared_rows import match


def score(parts: list[float] | None, name: str = "accuracy", unit: str = "0..1") -> Score:
    value = float(np.mean(parts)) if parts else 0.5
    return Score(name=name, value=value, n=len(parts or []), unit=unit, parts=parts)


def test_pairs_narrow_the_interval_where_rows_are_hard_for_both() -> None:
    hard = [0.0] * 50 + [1.0] * 50
    better = [*hard[:40], *[1.0] * 10, *hard[50:]]
    paired = compare(score(better), score(hard), [(n, n) for n in range(100)])
    loose = compare(score(better), score(hard))
    assert paired.value == pytest.approx(0.1)
    assert loose.value == pytest.approx(0.1)
    assert paired.significant
    assert not loose.significant
    assert "no significant difference on 100 rows" in str(loose)
    assert (paired.paired, loose.paired) == (True, False)


def test_a_score_does_not_differ_from_itself() -> None:
    one = score([0.0, 1.0, 1.0])
    found = compare(one, one, [(0, 0), (1, 1), (2, 2)])
    assert (found.value, found.p) == (0, None)
    assert found.low < 0 < found.high  # never without any width: the next row might differ
    assert not found.significant


def test_without_parts_two_intervals_give_that_of_the_difference() -> None:
    one = Score(name="MAUVE", value=0.8, low=0.7, high=0.86, n=50)
    other = Score(name="MAUVE", value=0.5, low=0.42, high=0.6, n=60)
    found = compare(one, other, [(0, 0), (1, 1)])
    assert found.value == pytest.approx(0.3)
    assert found.low == pytest.approx(0.3 - np.sqrt(0.1**2 + 0.1**2))
    assert found.high == pytest.approx(0.3 + np.sqrt(0.06**2 + 0.08**2))
    assert (found.n, found.paired, found.significant) == (50, False, True)


def test_the_difference_of_whole_tables_is_that_of_their_values() -> None:
    plain = [f"the soup was cold number {n % 3}" for n in range(30)]
    varied = [f"{'abcdefghij'[n % 10]} dish {n} came with {n * 7} grains" for n in range(30)]
    one, other = self_bleu(plain), self_bleu(varied)
    found = compare(one, other, [(n, n) for n in range(30)])
    assert found.value == pytest.approx(one.value - other.value)
    assert found.significant


@pytest.mark.parametrize(
    ("first", "second", "pairs", "says"),
    [
        (score([1, 0], name="a"), score([1, 0], name="b"), None, "of one metric; got 'a' and 'b'"),
        (score([1, 0], unit="x"), score([1, 0]), None, "of one unit"),
        (score(None), score([1, 0]), None, "both scores need parts, or intervals"),
        (score([1]), score([1, 0]), None, "two rows or more"),
        (score([1, 0]), score([1, 0]), [(0, 0)], "two pairs of rows or more; got 1"),
    ],
)
def test_what_cannot_be_compared_says_why(
    first: Score, second: Score, pairs: list[tuple[int, int]] | None, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        compare(first, second, pairs)


def test_each_row_is_paired_once() -> None:
    assert match([], ["a"]) == []
    assert match(["a", "a"], ["a"]) == [(0, 0)]
    assert match(["x", "a", "x"], ["a", "x", "x"]) == [(0, 1), (1, 0), (2, 2)]
