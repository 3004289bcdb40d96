from __future__ import annotations

from typing import Any

import evalica
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from synthkit.core.errors import UsageError
from synthkit.evaluate.raters.bradley_terry import (
    Battle,
    Outcome,
    length_controlled,
    order_consistency,
    ratings,
    settled,
    win_probability,
    win_rate,
)

WINNERS = {"first": evalica.Winner.X, "second": evalica.Winner.Y, "tie": evalica.Winner.Draw}


def drawn(n: int, systems: int, seed: int = 0) -> list[Battle]:
    rng = np.random.default_rng(seed)
    strengths = np.linspace(0, 2, systems)
    battles = []
    for _ in range(n):
        i, j = rng.choice(systems, 2, replace=False)
        chance = 1 / (1 + np.exp(strengths[j] - strengths[i]))
        outcome: Outcome = (
            "tie" if rng.random() < 0.2 else "first" if rng.random() < chance else "second"
        )
        battles.append(Battle(f"s{i}", f"s{j}", outcome))
    return battles


def test_three_wins_of_four_are_190_8_elo() -> None:
    rated = ratings([Battle("a", "b", "first")] * 75 + [Battle("a", "b", "second")] * 25)
    gap = rated["a"].value - rated["b"].value
    assert round(gap, 1) == 190.8
    assert gap == pytest.approx(400 * np.log10(3), abs=1e-6)
    assert win_probability(rated["a"].value, rated["b"].value) == pytest.approx(0.75)
    assert list(rated) == ["a", "b"]
    assert (rated["a"].low or 0) < rated["a"].value < (rated["a"].high or 0)


def test_identical_systems_are_even_whatever_place_the_judge_likes() -> None:
    battles = [settled("a", "b", "first", "first") for _ in range(40)]
    assert win_rate(battles, "a").value == 0.5
    assert {score.value for score in ratings(battles).values()} == {1000}
    assert win_rate([Battle("a", "b", "first"), Battle("b", "a", "first")], "b").value == 0.5


@pytest.mark.parametrize("systems", [2, 4, 9])
def test_ratings_are_what_evalica_gives(systems: int) -> None:
    battles = drawn(600, systems)
    found = evalica.bradley_terry(
        [one.first for one in battles],
        [one.second for one in battles],
        [WINNERS[one.outcome] for one in battles],
        tolerance=1e-12,
        limit=100_000,
    ).scores
    theta = np.log(found)
    theirs = 1000 + 400 * (theta - theta.mean()) / np.log(10)
    for name, score in ratings(battles, resamples=20).items():
        assert score.value == pytest.approx(theirs[name], abs=1e-6)
        assert "ridge" not in score.how


def test_ties_that_are_dropped_leave_the_wins_alone() -> None:
    battles = [Battle("a", "b", "first")] * 3 + [Battle("a", "b", "second")]
    tied = [*battles, *[Battle("a", "b", "tie")] * 4]
    assert ratings(tied, ties="drop")["a"].value == ratings(battles)["a"].value
    assert ratings(tied)["a"].value < ratings(battles)["a"].value
    assert win_rate(tied, "a").value == 5 / 8
    assert win_rate(tied, "a", ties="drop").value == 3 / 4


@pytest.mark.parametrize(
    "battles",
    [
        [Battle("a", "b", "first")] * 10,
        [Battle("a", "b", "tie"), Battle("c", "d", "tie")],  # two islands
        [*[Battle("a", "b", "tie")] * 9, Battle("a", "c", "first")],
    ],
)
def test_a_graph_without_wins_both_ways_takes_a_ridge_and_says_so(battles: list[Battle]) -> None:
    rated = ratings(battles)
    assert all("ridge 0.01" in score.how for score in rated.values())
    assert all(np.isfinite([score.value, score.low or 0]).all() for score in rated.values())
    if battles[0].outcome == "first":
        gap = rated["a"].value - rated["b"].value
        theta = gap * np.log(10) / 400
        # the slope of the ridged likelihood is 0: 10 (1 - p) = .01 theta / 2
        assert 10 / (1 + np.exp(theta)) == pytest.approx(0.01 * theta / 2, rel=1e-6)


def test_a_rating_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    held = 0
    rng = np.random.default_rng(0)
    for _ in range(100):
        won = int(rng.binomial(100, 0.75))
        battles = [Battle("a", "b", "first")] * won + [Battle("a", "b", "second")] * (100 - won)
        score = ratings(battles, resamples=100)["a"]
        held += (score.low or 0) <= 1000 + 200 * np.log10(3) <= (score.high or 0)
    assert 0.88 <= held / 100 <= 0.99


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


def test_length_control_is_the_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.integers(50, 300, 400), rng.integers(50, 200, 400)
    apart = (ours - theirs) / (ours - theirs).std()
    won = rng.random(400) < 1 / (1 + np.exp(0.4 - 1.5 * np.tanh(apart)))
    score = length_controlled(["first" if one else "second" for one in won], ours, theirs)
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(np.tanh(apart)[:, None], won)
    assert score.value == pytest.approx(1 / (1 + np.exp(-fitted.intercept_[0])), abs=1e-5)
    assert score.value < won.mean()  # it won more by being longer
    assert (score.low or 1) < 1 / (1 + np.exp(0.4)) < (score.high or 0)


def test_length_control_is_symmetric_and_at_equal_lengths_the_win_rate() -> None:
    outcomes: list[Outcome] = ["first", "first", "second", "tie", "second", "first"]
    turned: dict[Outcome, Outcome] = {"first": "second", "second": "first", "tie": "tie"}
    long, short = [9, 4, 6, 7, 8, 2], [3, 5, 6, 2, 7, 6]
    one = length_controlled(outcomes, long, short).value
    other = length_controlled([turned[each] for each in outcomes], short, long).value
    assert one + other == pytest.approx(1)
    assert length_controlled(outcomes, long, long).value == 3.5 / 6
    assert length_controlled(["first"] * 3, [1, 2, 3], [2, 2, 2]).value == 1


def test_outcomes_that_length_tells_apart_take_a_ridge_and_say_so() -> None:
    score = length_controlled(["first", "first", "second", "second"], [9, 8, 1, 2], [5, 5, 5, 5])
    assert "ridge 0.01" in score.how
    assert score.value == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("call", "said"),
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
def test_what_cannot_be_counted_is_refused(call: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        call()
