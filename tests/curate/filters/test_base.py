from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.curate import Filter, apply_filters, cell_filter, text_filter
from synthkit.data import tables
from synthkit.data.results import Stage

ROWS = [
    {"id": "a", "n": 1, "text": "x"},
    {"id": "b", "n": 5, "text": "yy"},
    {"id": "c", "n": 9, "text": ""},
    {"id": "d", "n": 7, "text": None},
]
SMALL = cell_filter("small", "n", lambda n: "" if n < 6 else f"large: {n}")
LONG = text_filter("long", "text", lambda text: "" if len(text) > 1 else "short")


def whys(curation: Any) -> list[tuple[Any, ...]]:
    return [
        tuple(row[k] for k in ("id", "filter", "why")) for row in tables.records(curation.dropped)
    ]


def test_each_filter_sees_what_the_one_before_it_kept() -> None:
    curation = apply_filters(ROWS, SMALL, LONG)
    assert curation.kept["id"].tolist() == ["b"]
    assert whys(curation) == [
        ("c", "small", "large: 9"),
        ("d", "small", "large: 7"),
        ("a", "long", "short"),
    ]
    assert curation.funnel == (
        Stage("small", 4, 2, {"large": 2}),
        Stage("long", 2, 1, {"short": 1}),
    )


def test_a_curation_is_filtered_further_and_nothing_is_lost() -> None:
    once = apply_filters(ROWS, SMALL, LONG)
    twice = apply_filters(apply_filters(ROWS, SMALL), LONG)
    assert whys(twice) == whys(once)
    assert twice.funnel == once.funnel
    assert twice.kept["id"].tolist() == ["b"]


@pytest.mark.parametrize("kind", ["pandas", "arrow", "polars", "datasets"])
def test_tables_keep_their_kind(kind: tables.Kind) -> None:
    table = tables.build({"id": ["a", "b"], "n": [1, 9]}, like=kind)
    curation = apply_filters(table, SMALL)
    assert tables.kind(curation.kept) == tables.kind(curation.dropped) == kind
    assert tables.columns(curation.dropped) == ["id", "n", "filter", "why"]
    assert tables.size(table) == 2


def test_a_row_without_a_text_is_missing_and_a_number_is_a_text() -> None:
    rows = pd.DataFrame({"id": ["a", "b", "c"], "text": [None, float("nan"), 12]}, dtype=object)
    assert whys(apply_filters(rows, LONG)) == [("a", "long", "missing"), ("b", "long", "missing")]


def test_an_empty_table_and_no_filters_give_an_empty_funnel() -> None:
    curation = apply_filters(pd.DataFrame({"id": [], "text": []}), LONG)
    assert (len(curation.kept), len(curation.dropped), curation.funnel) == (
        0,
        0,
        (Stage("long", 0, 0, {}),),
    )
    assert len(apply_filters(ROWS).kept) == 4


def test_duplicate_ids_are_refused() -> None:
    with pytest.raises(TableError, match="'a' occurs twice"):
        apply_filters([{"id": "a", "n": 1}, {"id": "a", "n": 2}], SMALL)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(TableError, match=r"column 'txt' not found.*Did you mean 'text'"):
        apply_filters(ROWS, text_filter("x", "txt", lambda text: ""))


def test_a_filter_with_too_few_reasons_is_refused() -> None:
    with pytest.raises(UsageError, match="one string for each of 4 rows"):
        apply_filters(ROWS, Filter("odd", lambda table: [""]))
