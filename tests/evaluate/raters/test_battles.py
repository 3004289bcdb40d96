from __future__ import annotations

from typing import Any

import pytest

from synthkit.core.errors import UsageError
from synthkit.evaluate.raters.battles import Battle, Outcome, order_consistency, win_rate
from synthkit.evaluate.raters.bradley_terry import ratings
from synthkit.evaluate.raters.length_control import length_controlled


def test_win_rate_takes_the_pairs_asked_for_and_a_wilson_interval() -> None:
    battles = [Battle("a", "b", "first")] * 11 + [Battle("b", "a", "first")] * 9
    battles += [Battle("c", "a", "first")] * 5
    score = win_rate(battles, "a", against="b")
    assert (score.value, score.n) == (0.55, 20)
    assert (round(score.low or 0, 3), round(score.high or 0, 3)) == (0.342, 0.742)
    assert win_rate(battles, "a").value == 11 / 25


def test_order_consistency_by_hand() -> None:
    judged: list[tuple[Outcome, Outcome]] = [
        ("first", "second"),
        ("second", "first"),
        ("tie", "tie"),
        ("first", "first"),
        ("first", "tie"),
    ]
    same, first = order_consistency(judged)
    assert (same.value, same.n) == (3 / 5, 5)
    assert (first.value, first.n) == ((0.5 + 0.5 + 1 + 0.75) / 4, 4)
    assert order_consistency([("tie", "tie")])[1].how.endswith("nothing was decided")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Battle("a", "b", "frist"), "Did you mean 'first'"),
        (lambda: Battle("a", "a", "tie"), "of two systems"),
        (lambda: ratings([]), "none that counts"),
        (lambda: ratings([Battle("a", "b", "tie")], ties="drop"), "none that counts"),
        (lambda: ratings([Battle("a", "b", "tie")], ties="hlaf"), "Did you mean 'half'"),
        (lambda: ratings([Battle("a", "b", "tie")], level=95), "level between 0 and 1"),
        (lambda: win_rate([Battle("a", "b", "tie")], "c"), "battles of 'c'; got none"),
        (lambda: order_consistency([]), "got none"),
        (lambda: order_consistency([("a", "tie")]), "outcome 'a' not found"),
        (lambda: length_controlled([], [], []), "got none"),
        (lambda: length_controlled(["first"], [1, 2], [1]), "a length for each"),
        (lambda: length_controlled(["first"], [None], [1]), "a length for each"),
        (lambda: length_controlled(["first", "second"], [2, 3], [1, 2]), "all lengths differ by 1"),
    ],
)
def test_what_cannot_be_counted_is_refused(call: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()
