from __future__ import annotations

import evalica
import numpy as np
import pytest

from synthkit.evaluate.raters.battles import Battle, Outcome, settled, win_rate
from synthkit.evaluate.raters.bradley_terry import ratings

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
    gap = rated["a"].value - rated["b"].value
    assert 1 / (1 + 10 ** (-gap / 400)) == pytest.approx(0.75)
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
