from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.core.types import Mark
from synthkit.curate import from_marks, route, vote
from synthkit.data import tables

ROWS = [
    {"id": "a", "text": "good soup", "label": "+"},
    {"id": "b", "text": "bad soup", "label": "+"},
    {"id": "c", "text": "soup", "label": "-"},
    {"id": "d", "text": None, "label": "-"},
]


def cells(table: Any, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(tables.column(table, name) for name in names), strict=True))


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


def test_one_labeller_is_a_majority_and_the_label_column_may_be_missing() -> None:
    table = vote([{"x": 3}, {"x": 4}], "x")
    assert cells(table, "label", "label_old", "relabelled") == [(3, None, False), (4, None, False)]


def test_an_empty_table_gets_the_columns() -> None:
    empty = pd.DataFrame({"id": [], "text": [], "label": []})
    voted = vote(empty, [])
    assert len(voted) == 0
    assert {"label_old", "relabelled", "label_share", "label_tie"} <= set(voted.columns)


def test_bad_rows_are_refused() -> None:
    with pytest.raises(TableError, match="'a' occurs twice"):
        vote([{"id": "a", "x": 1}, {"id": "a", "x": 2}], ["x"])
    with pytest.raises(UsageError, match="judgement 0: expected"):
        vote(ROWS, [("a", "x")])


def test_own_columns_are_kept_beside_those_of_a_vote_and_a_route() -> None:
    own = {"relabelled": "MINE-1", "label_share": "MINE-2", "route": "MINE-3"}
    row = {"v1": "+", "v2": "+", "v3": "-", **own}
    (voted,) = vote([row], ["v1", "v2", "v3"]).to_dict("records")
    (routed,) = route([row], ["v1", "v2", "v3"], budget=0).to_dict("records")
    assert (voted["relabelled_2"], voted["label_share_2"]) == ("MINE-1", "MINE-2")
    assert (routed["relabelled_2"], routed["route_2"]) == ("MINE-1", "MINE-3")
    assert (voted["relabelled"], routed["route"]) == (False, "model")
    (again,) = vote([voted], ["v1", "v2", "v3"]).to_dict("records")
    assert again == voted
