from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.core.types import Mark
from synthkit.curate import dawid_skene, from_marks, relabel, vote
from synthkit.data import tables as tables
from synthkit.stats.classifier import fit

ROWS = [
    {"id": "a", "text": "good soup", "label": "+"},
    {"id": "b", "text": "bad soup", "label": "+"},
    {"id": "c", "text": "soup", "label": "-"},
    {"id": "d", "text": None, "label": "-"},
]
SURE = [[0.99, 0.01], [0.05, 0.95], [0.85, 0.15], [np.nan, np.nan]]


def cells(table: Any, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(tables.column(table, name) for name in names), strict=True))


def embed(texts: Any) -> Any:
    return [[text.count("good"), text.count("bad")] for text in texts]


def test_the_majority_wins_and_a_tie_keeps_the_label() -> None:
    rows = [
        {"id": "a", "label": "-", "x": "+", "y": "+", "z": "-"},
        {"id": "b", "label": "-", "x": "+", "y": "-", "z": None},
        {"id": "c", "label": None, "x": "+", "y": "-", "z": "?"},
        {"id": "d", "label": "+", "x": None, "y": None, "z": None},
        {"id": "e", "label": "-", "x": "-", "y": "-", "z": "-"},
    ]
    table = vote(rows, ["x", "y", "z"])
    names = ("label", "label_old", "relabelled", "label_count", "label_tie")
    assert cells(table, *names) == [
        ("+", "-", True, 3, ""),
        ("-", "-", False, 2, "+ = -"),
        (None, None, False, 3, "+ = - = ?"),
        ("+", "+", False, 0, ""),
        ("-", "-", False, 3, ""),
    ]
    assert tables.column(table, "label_share") == [pytest.approx(2 / 3), 0.5, 1 / 3, None, 1]


def test_marks_vote_and_those_of_other_rows_do_not() -> None:
    marks = [Mark(id=id, by=by, label="-") for id in "abz" for by in ("ann", "bob")]
    marks.append(Mark(id="a", by="cy", label="+"))
    table = vote(ROWS, from_marks(marks))
    assert tables.column(table, "label") == ["-", "-", "-", "-"]
    assert tables.column(table, "label_old") == ["+", "+", "-", "-"]
    assert tables.column(table, "label_count") == [3, 2, 0, 0]


def test_one_labeller_is_a_majority_and_a_label_column_need_not_be() -> None:
    table = vote([{"x": 3}, {"x": 4}], "x")
    assert cells(table, "label", "label_old", "relabelled") == [(3, None, False), (4, None, False)]


def test_it_relabels_only_where_the_model_is_surer_than_the_threshold() -> None:
    table = relabel(ROWS, SURE, labels=["-", "+"], threshold=0.9)
    names = ("label", "label_old", "relabelled", "label_confidence")
    assert cells(table, *names) == [
        ("-", "+", True, 0.99),
        ("+", "+", False, 0.95),
        ("-", "-", False, 0.85),
        ("-", "-", False, None),
    ]
    same = relabel(ROWS, SURE, labels=["-", "+"], threshold=0.99)
    assert not any(tables.column(same, "relabelled"))  # 0.99 is not above 0.99


def test_without_a_threshold_each_row_gets_the_likeliest_label() -> None:
    turned = [[0.4, 0.6], [0.6, 0.4], [0.5, 0.5], [0, 1]]
    table = relabel(ROWS, turned, labels=["-", "+"], threshold=0)
    assert tables.column(table, "label") == ["+", "-", "-", "+"]  # even odds change nothing


def test_of_three_labels_a_doubtful_one_stays_if_it_is_the_likeliest() -> None:
    found = [[0.4, 0.3, 0.3], [0.1, 0.3, 0.6]]
    rows = [{"label": "x"}, {"label": "x"}]
    table = relabel(rows, found, labels=["x", "y", "z"], threshold=0.5)
    assert cells(table, "label", "label_confidence") == [("x", 0.4), ("z", 0.6)]


@pytest.mark.parametrize("like", ["pandas", "arrow", "polars", "datasets"])
def test_the_very_first_label_is_never_lost(like: tables.Kind) -> None:
    names = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    table = tables.build(names, like=like)
    once = relabel(table, SURE, labels=["-", "+"], threshold=0.9)
    twice = vote(once, [("a", "ann", "?"), ("b", "ann", "-")])
    back = vote(twice, [("a", "ann", "+")])
    assert tables.kind(back) == like
    assert cells(twice, "label", "label_old", "relabelled")[:2] == [
        ("?", "+", True),
        ("-", "+", True),
    ]
    assert cells(back, "label", "label_old", "relabelled")[0] == ("+", "+", False)
    assert tables.columns(table) == ["id", "text", "label"]


def test_a_student_of_real_rows_relabels_by_the_texts() -> None:
    real = ["good"] * 20 + ["bad"] * 20
    student = fit(real, ["+"] * 20 + ["-"] * 20, embed=embed, C=100)
    table = relabel(ROWS, student, threshold=0.8)
    assert tables.column(table, "label") == ["+", "-", "-", "-"]
    assert tables.column(table, "label_confidence")[2:] == [pytest.approx(0.5, abs=0.01), None]


def test_a_function_sees_the_texts_alone_and_numbers_as_texts() -> None:
    seen: list[str] = []

    def ask(texts: Any) -> Any:
        seen.extend(texts)
        return [[0.0, 1.0]] * len(texts)

    rows = [{"text": 7}, {"text": None}, {"text": "x" * 1_000_000}]
    table = relabel(pd.DataFrame(rows, dtype=object), ask, labels=["-", "+"])
    assert (seen[0], len(seen[1]), len(seen)) == ("7", 1_000_000, 2)
    assert tables.column(table, "label") == ["+", None, "+"]
    assert not any(tables.column(table, "relabelled"))


def test_a_consensus_relabels_the_rows_that_were_judged() -> None:
    said = [(id, who, "-") for id in "ab" for who in "xyz"] + [("c", who, "+") for who in "xyz"]
    table = relabel(ROWS, dawid_skene(said), threshold=0.5)
    assert tables.column(table, "label") == ["-", "-", "+", "-"]
    assert tables.column(table, "label_confidence") == [*[pytest.approx(1)] * 3, None]


def test_an_empty_table_gets_the_columns() -> None:
    empty = pd.DataFrame({"id": [], "text": [], "label": []})
    voted, sure = vote(empty, []), relabel(empty, len, labels=["-", "+"])
    assert [len(voted), len(sure)] == [0, 0]
    assert {"label_old", "relabelled", "label_confidence"} <= set(sure.columns)


@pytest.mark.parametrize(
    ("by", "options", "hint"),
    [
        (SURE, {}, "expected labels=, the label of each column"),
        (SURE, {"labels": ["no", "yes"]}, "row 0: label .* not found; have 'no', 'yes'"),
        (SURE, {"labels": ["-", "+", "?"]}, r"of shape \(4, 3\); got \(4, 2\)"),
        (SURE, {"labels": ["-", "+"], "threshold": 1}, "from 0 to below 1; got 1"),
        ([[2, -1]] * 4, {"labels": ["-", "+"]}, "row 0: expected probabilities, 0 or more"),
        ([[0.2, 0.2]] * 4, {"labels": ["-", "+"]}, "that add up to 1"),
        (lambda texts: [[1, 0]], {"labels": ["-", "+"]}, r"of shape \(3, 2\); got \(1, 2\)"),
    ],
)
def test_bad_probabilities_are_refused(by: Any, options: Any, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        relabel(ROWS, by, **options)


def test_bad_rows_are_refused() -> None:
    with pytest.raises(TableError, match="'a' occurs twice"):
        vote([{"id": "a", "x": 1}, {"id": "a", "x": 2}], ["x"])
    with pytest.raises(TableError, match="column 'txt' not found"):
        relabel(ROWS, len, labels=["-", "+"], text="txt")
    with pytest.raises(UsageError, match="judgement 0: expected"):
        vote(ROWS, [("a", "x")])
