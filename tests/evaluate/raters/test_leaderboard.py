from __future__ import annotations

from collections import Counter
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import synthkit as sk
from synthkit.core.errors import TableError, UsageError
from synthkit.evaluate.raters.leaderboard import leaderboard, pairs
from synthkit.stats.intervals import wilson

KINDS: list[Any] = [
    list,
    pd.DataFrame,
    pa.Table.from_pylist,
    pl.DataFrame,
    datasets.Dataset.from_list,
]


def answers(system: str, n: int) -> list[dict[str, Any]]:
    return [
        {"id": f"{system}{k}", "prompt": f"Q{k}?", "text": f"{system} says {k}."} for k in range(n)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_answers_to_the_same_input_meet_and_each_system_is_first_in_half(kind: Any) -> None:
    found = pairs({name: kind(answers(name, 20)) for name in "abc"})
    assert isinstance(found, pd.DataFrame if kind is list else type(kind(answers("a", 1))))
    rows = sk.data.tables.records(found)
    columns = "id prompt first second first_system second_system first_id second_id"
    assert list(rows[0]) == columns.split()
    assert len(rows) == 60
    assert len({row["id"] for row in rows}) == 60
    met = Counter((row["first_system"], row["second_system"]) for row in rows)
    assert met == {(one, other): 10 for one in "abc" for other in "abc" if one != other}
    for row in rows:
        k = row["prompt"].strip("Q?")
        for side in ("first", "second"):
            system = row[f"{side}_system"]
            assert row[side] == f"{system} says {k}."
            assert row[f"{side}_id"] == f"{system}{k}"


def test_the_seed_decides_and_a_further_system_changes_no_pair_of_the_others() -> None:
    tables = {name: answers(name, 30) for name in "abc"}
    two = {name: tables[name] for name in "ab"}
    assert pairs(two, seed=1).equals(pairs(two, seed=1))
    assert not pairs(two, seed=1).equals(pairs(two, seed=2))
    assert set(pairs(two, n=7).id) <= set(pairs(tables, n=7).id)
    assert len(pairs(tables, n=7)) == 21
    assert len(pairs(two, n=99)) == 30


def test_of_an_odd_number_of_pairs_the_seed_decides_which_system_is_first_once_more() -> None:
    counts = [
        Counter(pairs({name: answers(name, 5) for name in "ab"}, seed=seed).first_system)["a"]
        for seed in range(40)
    ]
    assert set(counts) == {2, 3}
    assert 10 < counts.count(3) < 30


def test_inputs_are_matched_by_one_column_or_several_or_not_at_all() -> None:
    rows = [{"tone": tone, "topic": topic, "text": tone + topic} for tone in "xy" for topic in "pq"]
    found = pairs({"a": rows, "b": rows[::-1]}, on=["tone", "topic"])
    assert list(found)[:3] == ["id", "tone", "topic"]
    assert (found["first"] == found["second"]).all()
    blind = pairs({"a": answers("a", 9), "b": answers("b", 5)}, on=None)
    assert len(blind) == 5
    assert "prompt" not in blind
    both = set(blind["first"]) | set(blind["second"])
    assert len([text for text in both if text.startswith("b")]) == 5
    by_id = pairs({"a": rows_with_id("a"), "b": rows_with_id("b")}, on="id")
    assert by_id.first_id.tolist() == by_id.second_id.tolist() == ["0", "1"]


def rows_with_id(system: str) -> list[dict[str, Any]]:
    return [{"id": str(k), "text": f"{system}{k}"} for k in range(2)]


def test_repeated_inputs_meet_in_order_and_those_of_one_system_do_not() -> None:
    a = [{"prompt": prompt, "text": f"a{k}"} for k, prompt in enumerate(["Q", "Q", "P", None])]
    b = [{"prompt": prompt, "text": f"b{k}"} for k, prompt in enumerate(["R", "Q", "Q", None])]
    found = pairs({"a": a, "b": b})
    assert found.prompt.tolist() == ["Q", "Q"]
    met = [set(row) for row in zip(found["first"], found["second"], strict=True)]
    assert met == [{"a0", "b1"}, {"a1", "b2"}]


def test_a_missing_or_strange_text_stays_for_the_judge_to_reject() -> None:
    odd = [None, "", " ", "é 東京 🙂 مرحبا"]
    a = [{"prompt": k, "text": text} for k, text in enumerate(odd)]
    b = [{"prompt": k, "text": "fine"} for k in range(4)]
    rows = sk.data.tables.records(pairs({"a": a, "b": b}))
    assert [row["first" if row["first_system"] == "a" else "second"] for row in rows] == odd


@pytest.mark.parametrize(
    ("tables", "options", "error", "match"),
    [
        ({}, {}, UsageError, "two systems or more; got none"),
        ({"a": answers("a", 2)}, {}, UsageError, "two systems or more; got a"),
        ({"a": answers("a", 2), "b": []}, {}, TableError, "'text' not found"),
        ({"a": answers("a", 2), "b": answers("b", 2)}, {"n": 0}, UsageError, "at least 1"),
        ({"a": answers("a", 2), "b": answers("b", 2)}, {"on": "promt"}, TableError, "Did you mean"),
        ({"a": answers("a", 2), "b": answers("b", 2)}, {"column": "txt"}, TableError, "text"),
        (
            {"a": answers("a", 2), "b": [{"prompt": "?", "text": "b"}]},
            {},
            UsageError,
            "a and b have none",
        ),
    ],
)
def test_what_cannot_be_paired_is_refused(
    tables: Any, options: Any, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        pairs(tables, **options)


def verdict(system: str, other: str, outcome: str | None, **cells: Any) -> dict[str, Any]:
    return {"first_system": system, "second_system": other, "outcome": outcome, **cells}


def test_three_wins_of_four_are_190_8_elo_whoever_is_first() -> None:
    table = [verdict("a", "b", "first")] * 40 + [verdict("b", "a", "second")] * 35
    table += [verdict("a", "b", "second")] * 10 + [verdict("b", "a", "first")] * 15
    found = leaderboard(table)
    assert round(found.ratings["a"].value - found.ratings["b"].value, 1) == 190.8
    assert found.win_rates["a"].value == 0.75
    assert found.win_rates["b"].value == 0.25
    rate = found.against["a", "b"]
    assert (rate.value, rate.low, rate.high) == (0.75, *wilson(75, 100))
    frame = found.frame()
    assert frame.system.tolist() == ["a", "b"]
    assert frame.pairs.tolist() == [100, 100]
    assert found.left_out == {
        "length-controlled win rate": "needs the texts, in the columns first and second",
        "order consistency": "needs verdicts in both orders, forward and backward",
    }


def test_identical_systems_come_out_even_by_a_judge_that_likes_the_first_place(
    session: sk.Session,
) -> None:
    table = pairs({name: [row | {"text": "Same."} for row in answers("x", 40)] for name in "ab"})
    judge = sk.recipes.pairwise(rows=table, reasons=False)
    judged = sk.generate(judge, model=sk.Fake("A"), session=session).table
    found = leaderboard(judged)
    assert {score.value for score in found.ratings.values()} == {1000}
    assert {score.value for score in found.win_rates.values()} == {0.5}
    assert found.length_controlled["a", "b"].value == 0.5
    assert found.order is not None
    consistent, first = found.order
    assert (consistent.value, first.value, consistent.n) == (0, 1, 40)


def test_a_sound_judge_is_consistent_and_finds_the_better(session: sk.Session) -> None:
    def warm(request: sk.core.types.Request) -> str:
        shown = request.messages[0].content
        inside = [shown.split(f"<{place}>")[1].split("</")[0] for place in "AB"]
        return "A" if "good" in inside[0] else "B" if "good" in inside[1] else "tie"

    good = [row | {"text": "good, long and kind"} for row in answers("g", 30)]
    table = pairs({"good": good, "bad": answers("bad", 30), "worse": answers("worse", 30)})
    made = sk.generate(
        sk.recipes.pairwise(rows=table, reasons=False), model=sk.Fake(warm), session=session
    )
    found = leaderboard(made.table, resamples=50)
    assert next(iter(found.ratings)) == "good"
    assert found.against["good", "bad"].value == 1
    assert found.against["bad", "worse"].value == 0.5
    assert found.order is not None
    assert [score.value for score in found.order] == [1, 0.5]
    assert "Bradley-Terry rating of good" in found.scores
    assert "win rate of good against bad" in found.scores
    assert found.scores["order consistency"].n == 90
    assert all(score.name == name for name, score in found.scores.items())
    # "good" is always the longer one by the same characters: length and system are one
    assert any("cannot be separated" in why for why in found.left_out.values())


def test_length_control_takes_what_longer_texts_win_by_length() -> None:
    rng = np.random.default_rng(0)
    table = []
    for _ in range(300):
        mine, yours = int(rng.integers(20, 90)), int(rng.integers(10, 60))
        won = rng.random() < 1 / (1 + np.exp(-(mine - yours) / 15))
        if rng.random() < 0.5:
            texts = {"first": "x" * mine, "second": "x" * yours}
            table.append(verdict("long", "short", "first" if won else "second", **texts))
        else:
            texts = {"first": "x" * yours, "second": "x" * mine}
            table.append(verdict("short", "long", "second" if won else "first", **texts))
    found = leaderboard(table, resamples=200)
    assert (found.win_rates["long"].low or 0) > 0.6
    fair = found.length_controlled["long", "short"]
    assert (fair.low or 1) < 0.5 < (fair.high or 0)


def test_ties_may_be_left_out_and_rows_without_an_outcome_always_are() -> None:
    table = [verdict("a", "b", "first")] * 3 + [verdict("b", "a", "first")]
    table += [verdict("a", "b", "tie")] * 4 + [verdict("a", "b", None)] * 5
    assert leaderboard(table).win_rates["a"].value == 5 / 8
    dropped = leaderboard(table, ties="drop")
    assert dropped.win_rates["a"].value == dropped.against["a", "b"].value == 3 / 4
    assert dropped.win_rates["a"].n == 4


def test_criteria_are_not_mixed() -> None:
    table = [verdict("a", "b", "first", criterion="kind")] * 3
    table += [verdict("a", "b", "second", criterion="true")] * 3
    assert leaderboard(table, criterion="true").win_rates["b"].value == 1
    with pytest.raises(UsageError, match="several criteria, 'kind', 'true': choose one"):
        leaderboard(table)
    with pytest.raises(UsageError, match="Did you mean 'kind'"):
        leaderboard(table, criterion="kid")
    assert leaderboard(table[:3]).win_rates["a"].value == 1


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ([], "'outcome' not found"),
        ([verdict("a", "b", None)], "none that counts"),
        ([verdict("a", "b", "tie")] * 3, None),
        ([verdict("a", "b", "frist")], "Did you mean 'first'"),
        ([verdict("a", "a", "tie")], "of two systems"),
        ([{"first_system": "a", "outcome": "tie"}], "'second_system' not found"),
    ],
)
def test_few_verdicts_have_a_value_or_an_error(table: Any, match: str | None) -> None:
    if match is None:
        assert leaderboard(table).win_rates["a"].value == 0.5
    else:
        with pytest.raises(UsageError, match=match):
            leaderboard(table)
    with pytest.raises(UsageError, match="none that counts"):
        leaderboard([verdict("a", "b", "tie")], ties="drop")


def judged(outcomes: list[tuple[str, str, str]]) -> list[dict[str, str]]:
    return [
        {"first_system": "a", "second_system": "b", "outcome": outcome, "forward": forward,
         "backward": backward}
        for outcome, forward, backward in outcomes
    ]  # fmt: skip


def test_ties_alone_give_no_certain_rating() -> None:
    board = leaderboard(judged([("tie", "first", "second")] * 16))
    for rating in board.ratings.values():
        assert rating.low is not None
        assert rating.high is not None
        assert rating.value == pytest.approx(1000)
        assert rating.low < 980
        assert rating.high > 1020
    assert board.warnings[-1] == "all battles are ties: the ratings do not order the systems."


@pytest.mark.parametrize("outcome", ["first", "second"])
def test_wins_of_one_system_alone_give_no_certain_rating(outcome: str) -> None:
    board = leaderboard([{"first_system": "a", "second_system": "b", "outcome": outcome}] * 8)
    best = next(iter(board.ratings.values()))
    assert best.high is not None
    assert best.low is not None
    assert best.high - best.low > 50


def test_a_judge_that_follows_the_order_is_warned_of_in_the_printed_table() -> None:
    board = leaderboard(judged([("tie", "first", "second")] * 9 + [("first", "first", "second")]))
    assert "Warning: order consistency 0 [0, 0.278] on 10 pairs is not above 0.5" in str(board)
    lines = repr(board).splitlines()
    assert lines[0].split() == ["system", "rating", "win", "rate", "pairs"]
    assert lines[1].split()[0] == "a"
    assert "Warning" in board._repr_html_()
    good = leaderboard(judged([("first", "first", "first")] * 10))
    assert good.warnings == ()
