from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import TableError, UsageError
from synthkit.curate import cost_quality, from_marks, route, vote
from synthkit.curate.labels.routing import entropy, pareto
from synthkit.data import tables
from synthkit.notebook.widgets.marker.queue import AnnotationQueue
from synthkit.stats.intervals import wilson

V = ["v1", "v2", "v3"]
VARIANTS = [f"v{j}" for j in range(5)]
ANSWERS = ["+++", "++-", "+-?", "---", "--+", "++ ", "   "]
ROWS = [
    {"id": f"r{i}", "text": f"text {i}"}
    | {name: one if one != " " else None for name, one in zip(V, answers, strict=True)}
    for i, answers in enumerate(ANSWERS)
]


def cells(table: Any, name: str) -> list[Any]:
    return tables.column(table, name)


def annotated(seed: int, n: int = 400, k: int = 5) -> list[dict[str, Any]]:
    """Rows of different difficulty, of which a model's k answers are right by chance."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        gold, skill = rng.integers(2), rng.choice([0.55, 0.75, 0.99])
        right = rng.random(k) < skill
        row = {f"v{j}": "no yes".split()[gold if ok else 1 - gold] for j, ok in enumerate(right)}
        made.append({"id": f"r{i}", "gold": "no yes".split()[gold], "sure": float(skill)} | row)
    return made


def test_entropy_is_computed_from_the_shares_of_the_answers() -> None:
    assert entropy("aaaa") == entropy("") == 0
    assert entropy("ab") == pytest.approx(math.log(2))
    assert entropy("aab") == pytest.approx(-(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3)))
    assert entropy("abcd") == pytest.approx(math.log(4))


def test_the_least_certain_go_to_people_and_the_others_have_the_majority() -> None:
    table = route(ROWS, V, budget=4)
    assert cells(table, "route").count("person") == 4
    by_id = dict(zip(cells(table, "id"), cells(table, "route"), strict=True))
    # no vote, a tie, and two of the three rows of two answers against one
    assert by_id["r6"] == by_id["r2"] == "person"
    assert by_id["r0"] == by_id["r3"] == "model"
    labels = dict(zip(cells(table, "id"), cells(table, "label"), strict=True))
    assert (labels["r0"], labels["r3"], labels["r2"], labels["r6"]) == ("+", "-", None, None)
    unsure = cells(table, "uncertainty")
    assert unsure[:2] == [0, pytest.approx(0.6365, abs=1e-4)]
    assert unsure[2] == pytest.approx(math.log(3))
    assert unsure[5] == unsure[1]  # an answer that was not read is one of its own
    assert unsure[6] is None
    assert cells(table, "certainty")[0] == 1
    assert cells(table, "certainty")[2] == pytest.approx(0.5)
    assert cells(table, "certainty")[6] == 0.5
    assert set(cells(table, "routed_by")) == {"entropy, seed 0"}


def test_a_budget_is_a_number_of_rows_or_a_share() -> None:
    def sent(budget: Any) -> int:
        return cells(route(ROWS, V, budget=budget), "route").count("person")

    assert [sent(one) for one in (0, 3, 99, 0.0, 0.5, 1.0, np.int64(2))] == [0, 3, 7, 0, 4, 7, 2]


def test_a_larger_budget_adds_rows() -> None:
    rows = annotated(1)
    sent = [
        {
            row["id"]
            for row in tables.records(route(rows, VARIANTS, budget=n))
            if row["route"] == "person"
        }
        for n in (10, 50, 200)
    ]
    assert sent[0] < sent[1] < sent[2]


def test_rows_without_a_vote_beyond_the_budget_keep_their_label() -> None:
    rows = [row | {"label": "old"} for row in ROWS]
    table = route(rows, V, budget=0)
    assert cells(table, "label") == ["+", "+", "old", "-", "-", "+", "old"]
    assert cells(table, "label_old") == ["old"] * 7
    assert cells(table, "label_tie")[2] == "+ = - = ?"
    again = route(table, V, budget=1.0)
    assert cells(again, "label") == [None] * 7
    assert cells(again, "label_old") == ["old"] * 7


def test_rows_are_routed_by_the_models_confidence() -> None:
    rows = [
        row | {"c1": c, "c2": c - 0.1}
        for row, c in zip(ROWS, np.linspace(0.2, 0.8, 7), strict=True)
    ]
    rows[3] |= {"c1": None, "c2": None}
    table = route(rows, V, budget=3, by="confidence", confidences=["c1", "c2"])
    assert cells(table, "uncertainty")[0] == pytest.approx(0.85)
    assert cells(table, "certainty")[0] == pytest.approx(0.575)
    # without a label, then without a confidence
    sent = [
        id
        for id, to in zip(cells(table, "id"), cells(table, "route"), strict=True)
        if to == "person"
    ]
    assert sent == ["r2", "r3", "r6"]


def test_random_routing_depends_only_on_the_seed() -> None:
    rows = annotated(2, n=60)

    def sent(given: Any, seed: int) -> set[str]:
        table = route(given, VARIANTS, budget=20, by="random", seed=seed)
        return {row["id"] for row in tables.records(table) if row["route"] == "person"}

    assert sent(rows, 3) == sent(rows[::-1], 3) != sent(rows, 4)
    assert set(route(rows, VARIANTS, budget=1, by="random", seed=3)["routed_by"]) == {
        "random, seed 3"
    }


def test_the_marker_shows_the_least_certain_rows_first(session: sk.Session) -> None:
    routed = route(pd.DataFrame(ROWS), V, budget=4)
    people = routed[routed["route"] == "person"]
    queue = AnnotationQueue(
        people,
        session=session,
        labels=["+", "-"],
        order="uncertain",
        score="certainty",
        column="text",
    )
    order = queue.order.ids
    sure = dict(zip(people["id"], people["certainty"], strict=True))
    assert set(order[:2]) == {"r2", "r6"}
    assert [sure[id] for id in order] == sorted(sure.values())
    session.mark(order, "-", by="ann")
    done = vote(routed, from_marks(session.marks()))
    assert None not in cells(done, "label")
    assert [cells(done, "label")[int(id[1])] for id in order] == ["-"] * 4
    assert cells(done, "label")[0] == "+"


def test_cost_and_quality_agree_with_a_case_worked_by_hand() -> None:
    rows = [
        {"v1": "+", "v2": "+", "gold": "+"},
        {"v1": "-", "v2": "-", "gold": "+"},
        {"v1": "+", "v2": "-", "gold": "-"},
        {"v1": "-", "v2": "-", "gold": "-"},
    ]
    table = cost_quality(
        rows, ["v1", "v2"], gold="gold", model_price=0.5, human_price=3, shares=[0, 0.25, 1]
    )
    records = tables.records(table)
    assert [(one["by"], one["people"], one["cost"]) for one in records] == [
        ("entropy", 0, 4),
        ("entropy", 1, 7),
        ("entropy", 4, 16),
        ("random", 0, 4),
        ("random", 1, 6),
        ("random", 4, 12),
    ]
    # the model is right twice of four times; people of the tie first; by chance 1 + 3 * 1/2
    assert [one["accuracy"] for one in records] == [0.5, 0.75, 1, 0.5, 0.625, 1]
    assert [one["front"] for one in records] == [True, True, False, True, True, True]
    assert (records[1]["low"], records[1]["high"]) == wilson(3, 4)


def test_people_may_be_wrong() -> None:
    rows = [{"v1": "+", "gold": "-", "ann": label} for label in "--+-"]
    table = cost_quality(
        rows, ["v1"], gold="gold", people="ann", model_price=0, human_price=1, shares=[0, 1]
    )
    assert cells(table, "accuracy") == [0, 0.75, 0, 0.75]


def test_uncertainty_beats_random_routing_if_answers_show_hard_rows() -> None:
    rows = annotated(3, n=1000)
    table = cost_quality(
        rows,
        VARIANTS,
        gold="gold",
        model_price=0,
        human_price=1,
        by=["entropy", "confidence", "random"],
        confidences=["sure"],
    )
    accuracy = {
        (one["by"], round(one["share"], 1)): one["accuracy"] for one in tables.records(table)
    }
    for share in (0.2, 0.3, 0.4):
        assert accuracy["entropy", share] > accuracy["random", share] + 0.02
        assert accuracy["confidence", share] > accuracy["random", share] + 0.02
    assert accuracy["entropy", 0.0] == accuracy["random", 0.0]
    assert accuracy["entropy", 1.0] == accuracy["random", 1.0] == 1


def test_random_accuracy_is_the_average_of_random_routes() -> None:
    rows = annotated(4, n=100)
    table = cost_quality(
        rows, VARIANTS, gold="gold", model_price=0, human_price=1, shares=[0.3], by=["random"]
    )
    drawn = []
    for seed in range(40):
        routed = route(rows, VARIANTS, budget=0.3, by="random", seed=seed)
        labels = [
            label or row["gold"]
            for label, row in zip(routed["label"].fillna(""), rows, strict=True)
        ]
        drawn.append(np.mean([a == row["gold"] for a, row in zip(labels, rows, strict=True)]))
    assert cells(table, "accuracy")[0] == pytest.approx(np.mean(drawn), abs=0.015)


def test_the_pareto_front_has_the_points_that_no_other_dominates() -> None:
    assert pareto([]) == []
    assert pareto([(1, 0.5), (1, 0.5)]) == [True, True]
    assert pareto([(1, 0.5), (1, 0.6), (0, 0.1)]) == [False, True, True]


@pytest.mark.parametrize("kind", ["arrow", "polars", "datasets"])
def test_tables_keep_their_kind(kind: tables.Kind) -> None:
    table = tables.build({name: [row[name] for row in ROWS] for name in ["id", *V]}, like=kind)
    result = route(table, V, budget=2)
    assert tables.kind(result) == kind
    assert tables.columns(table) == ["id", *V]
    gold = tables.assign(table, {"gold": ["+"] * 7})
    points = cost_quality(gold, V, gold="gold", model_price=1, human_price=1)
    assert (tables.kind(points), tables.size(points)) == (kind, 22)


def test_an_empty_table_is_routed() -> None:
    table = route(pd.DataFrame({"id": [], "v1": []}), ["v1"], budget=0.5)
    assert len(table) == 0
    assert {"route", "uncertainty", "certainty", "label"} <= set(table.columns)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"budget": 1.5}, "as a share must be from 0 to 1; got 1.5"),
        ({"budget": -1}, "a number of rows, or a share such as 0.2; got -1"),
        ({"budget": True}, "got True"),
        ({"budget": "0.2"}, "got '0.2'"),
        ({"budget": 1, "by": "entropi"}, "by 'entropi' not found.*Did you mean 'entropy'"),
        ({"budget": 1, "by": "confidence"}, "needs confidences="),
        ({"budget": 1, "answers": []}, "expected the columns of the answers"),
        ({"budget": 1, "answers": "v1"}, "a list of names; got 'v1'"),
        ({"budget": 1, "answers": ["v9"]}, "column 'v9' not found"),
        (
            {"budget": 1, "by": "confidence", "confidences": ["text"]},
            "row 0: expected a number in 'text'",
        ),
    ],
)
def test_bad_routing_options_are_refused(options: Any, hint: str) -> None:
    with pytest.raises((UsageError, TableError), match=hint):
        route(ROWS, **({"answers": V} | options))


@pytest.mark.parametrize(
    ("rows", "options", "hint"),
    [
        ([{"v1": "+", "gold": None}], {}, "row 0 has no gold label in 'gold'"),
        (pd.DataFrame({"v1": [], "gold": []}), {}, "got an empty table"),
        ([{"v1": "+", "gold": "+"}], {"model_price": -1}, "prices must be 0 or more"),
        ([{"v1": "+", "gold": "+"}], {"shares": [2]}, "from 0 to 1; got 2.0"),
    ],
)
def test_bad_cost_options_are_refused(rows: Any, options: Any, hint: str) -> None:
    arguments = {"gold": "gold", "model_price": 1, "human_price": 1} | options
    with pytest.raises(UsageError, match=hint):
        cost_quality(rows, ["v1"], **arguments)
