from __future__ import annotations

from collections.abc import Callable
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from synthkit.core.errors import TableError
from synthkit.data import tables

Make = Callable[[dict[str, list[Any]]], Any]
CELLS: dict[str, list[Any]] = {"t": ["ä", "日本", None], "i": [1, 2, 3]}


def test_the_kind_in_is_the_kind_out(make: Make, kind: str) -> None:
    made = make(CELLS)
    assert tables.kind(made) == kind
    for out in (
        tables.take(made, [2, 0]),
        tables.take(made, []),
        tables.assign(made, {"n": [1, 2, 3]}),
        tables.concat([made, made]),
        tables.build({"a": [1]}, like=tables.kind(made)),
    ):
        assert tables.kind(out) == kind


def test_rows_come_as_plain_python(make: Make) -> None:
    made = make(CELLS)
    assert tables.size(made) == 3
    assert tables.columns(made) == ["t", "i"]
    assert tables.column(made, "t") == ["ä", "日本", None]
    assert tables.records(made) == [
        {"t": "ä", "i": 1},
        {"t": "日本", "i": 2},
        {"t": None, "i": 3},
    ]
    assert tables.head(made, 1) == [{"t": "ä", "i": 1}]
    assert type(tables.records(made)[0]["i"]) is int


def test_nan_is_none_in_every_kind(make: Make) -> None:
    made = make({"f": [1.5, float("nan")]})
    assert tables.records(made) == [{"f": 1.5}, {"f": None}]
    assert tables.column(made, "f") == [1.5, None]


def test_taking_no_rows_keeps_columns_and_their_types(make: Make) -> None:
    empty = tables.take(make(CELLS), [])
    assert tables.size(empty) == 0
    assert tables.columns(empty) == ["t", "i"]
    assert tables.records(tables.concat([empty, make(CELLS)])) == tables.records(make(CELLS))


def test_take_repeats_and_reorders(make: Make) -> None:
    assert tables.column(tables.take(make(CELLS), [2, 0, 0]), "i") == [3, 1, 1]


def test_assign_replaces_adds_and_moves_to_the_front(make: Make) -> None:
    made = tables.assign(make(CELLS), {"i": [7, 8, 9], "id": ["a", "b", "c"]}, first=("id",))
    assert tables.records(made)[0] == {"id": "a", "t": "ä", "i": 7}
    assert tables.columns(made) == ["id", "t", "i"]


@pytest.mark.parametrize(
    "cells",
    [[2**70, 1, 2], [{"a": 1}, [1], "x"], ["a", 1, None], ["\ud800", "a", "b"], [{}, {}, {}]],
    ids=["huge", "nested", "mixed", "surrogate", "fieldless"],
)
def test_cells_of_no_one_type_are_kept_and_never_an_error(make: Make, cells: list[Any]) -> None:
    made = tables.assign(make(CELLS), {"c": cells})
    assert tables.size(made) == 3
    arrow = tables.storable(made)
    assert arrow.num_rows == 3
    assert "struct<>" not in str(arrow.schema)


def test_lists_and_dicts_give_pandas() -> None:
    for given in ([{"a": 1}, {"a": 2}], {"a": [1, 2]}):
        assert isinstance(tables.native(given), pd.DataFrame)
        assert tables.kind(given) == "pandas"
        assert tables.column(given, "a") == [1, 2]
    assert tables.records([]) == []


def test_columns_of_unequal_length_are_no_table() -> None:
    with pytest.raises(TableError, match="same length"):
        tables.records({"a": [1], "b": []})


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are named 'a'"),
        (pa.table([[1], [2]], names=["a", "a"]), "two columns are named 'a'"),
        (pd.DataFrame({0: [1]}), "must be text; got 0"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "must be text"),
    ],
)
def test_column_names_that_cannot_be_fields_are_refused(given: Any, hint: str) -> None:
    with pytest.raises(TableError, match=hint):
        tables.columns(given)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (pl.LazyFrame({"a": [1]}), "Collect it first"),
        (datasets.DatasetDict({"train": datasets.Dataset.from_dict({"a": [1]})}), "Choose a split"),
        (pd.Series([1]), "Series"),
        ("text", "builtins.str"),
        (None, "NoneType"),
        ([1], "list"),
    ],
)
def test_what_is_no_table_is_refused_with_a_hint(given: Any, hint: str) -> None:
    with pytest.raises(TableError, match=hint):
        tables.kind(given)


def test_an_absent_column_names_those_there_are(make: Make) -> None:
    with pytest.raises(TableError, match=r"column 'j' not found; have 't', 'i'"):
        tables.column(make(CELLS), "j")


def test_a_subclass_of_a_dataframe_is_a_dataframe() -> None:
    class Frame(pd.DataFrame):
        pass

    assert tables.kind(Frame({"a": [1]})) == "pandas"


def test_pandas_dtypes_survive() -> None:
    frame = pd.DataFrame(
        {
            "c": pd.Categorical(["x", "y"], categories=["y", "x", "z"], ordered=True),
            "i": pd.array([1, None], dtype="Int64"),
            "d": pd.to_datetime(pd.Series(["2020-01-01", None])).array,
        },
        index=[7, 7],
    )
    made = tables.assign(tables.take(frame, [1, 0]), {"n": ["a", "b"]}, first=("n",))
    assert dict(made.dtypes) == dict(frame.dtypes) | {"n": made["n"].dtype}
    assert made.index.tolist() == [0, 1]
    assert tables.column(frame, "i") == [1, None]
    assert tables.column(frame, "d")[1] is None
    assert tables.assign(frame, {"n": ["a", "b"]})["n"].tolist() == ["a", "b"]


def test_numpy_objects_in_pandas_become_python() -> None:
    frame = pd.DataFrame({"o": pd.Series([np.int64(4), np.array([1, 2])], dtype=object)})
    assert tables.column(frame, "o") == [4, [1, 2]]


@pytest.mark.parametrize("name", ["self", "a b", "größe", "0"])
def test_a_column_may_have_any_text_as_name(make: Make, name: str) -> None:
    assert tables.column(tables.assign(make(CELLS), {name: [1, 2, 3]}), name) == [1, 2, 3]


def test_polars_and_arrow_categories_survive() -> None:
    frame = pl.DataFrame({"c": pl.Series(["x", "y"], dtype=pl.Enum(["x", "y"]))})
    assert tables.take(frame, [1])["c"].dtype == pl.Enum(["x", "y"])
    arrow = pa.table({"c": pa.array(["x", "y"]).dictionary_encode()})
    assert pa.types.is_dictionary(tables.take(arrow, [1]).schema.field("c").type)


FEATURES = datasets.Features(
    {
        "t": datasets.Value("string"),
        "l": datasets.ClassLabel(names=["neg", "pos"]),
        "s": datasets.List(datasets.Value("int32")),
        "n": {"q": datasets.Value("int8")},
    }
)
NESTED = datasets.Dataset.from_dict(
    {"t": ["a", "b"], "l": [0, 1], "s": [[1], [2, 3]], "n": [{"q": 1}, {"q": 2}]}, FEATURES
)


@pytest.mark.parametrize("positions", [[1], []])
def test_features_of_a_dataset_survive(positions: list[int]) -> None:
    made = tables.assign(tables.take(NESTED, positions), {"id": ["x"] * len(positions)})
    assert {name: made.features[name] for name in FEATURES} == dict(FEATURES)


def test_a_dataset_is_read_through_its_selection_and_whatever_its_format() -> None:
    chosen = NESTED.select([1]).with_format("numpy")
    assert tables.records(chosen) == [{"t": "b", "l": 1, "s": [2, 3], "n": {"q": 2}}]
    assert type(tables.column(chosen, "l")[0]) is int
    assert tables.to_arrow(NESTED.select([1])).num_rows == 1


def test_empty_columns_are_objects_and_not_floats() -> None:
    assert tables.build({"a": [], "b": []}).dtypes.tolist() == [object, object]
    assert tables.build({"a": [None]})["a"].dtype == object
    assert len(tables.build({}, n=3)) == 3


def test_rows_without_ids_get_the_same_ones_each_time(make: Make) -> None:
    cells: dict[str, list[Any]] = {"t": ["same", "same", "other"]}
    ids = tables.column(tables.identified(make(cells)), "id")
    assert len(set(ids)) == 3
    assert ids == tables.column(tables.identified(make(cells)), "id")
    assert tables.column(tables.identified(make({"t": ["other", "same"]})), "id") == [
        ids[2],
        ids[0],
    ]


def test_rows_keep_their_own_ids(make: Make) -> None:
    made = make({"t": ["a", "b"], "id": ["x", "y"]})
    assert tables.column(tables.identified(made), "id") == ["x", "y"]


@pytest.mark.parametrize("ids", [["x", "x"], ["x", None]])
def test_an_id_of_two_rows_or_none_is_refused(make: Make, ids: list[Any]) -> None:
    with pytest.raises(TableError, match="in row 1"):
        tables.identified(make({"id": ids, "t": ["a", "b"]}))
