from __future__ import annotations

from collections.abc import Callable
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from synthkit import table
from synthkit.errors import TableError

Make = Callable[[dict[str, list[Any]]], Any]
CELLS: dict[str, list[Any]] = {"t": ["ä", "日本", None], "i": [1, 2, 3]}


def test_the_kind_in_is_the_kind_out(make: Make, kind: str) -> None:
    made = make(CELLS)
    assert table.kind(made) == kind
    for out in (
        table.take(made, [2, 0]),
        table.take(made, []),
        table.assign(made, {"n": [1, 2, 3]}),
        table.concat([made, made]),
        table.build({"a": [1]}, like=table.kind(made)),
    ):
        assert table.kind(out) == kind


def test_rows_come_as_plain_python(make: Make) -> None:
    made = make(CELLS)
    assert table.size(made) == 3
    assert table.columns(made) == ["t", "i"]
    assert table.column(made, "t") == ["ä", "日本", None]
    assert table.records(made) == [
        {"t": "ä", "i": 1},
        {"t": "日本", "i": 2},
        {"t": None, "i": 3},
    ]
    assert table.head(made, 1) == [{"t": "ä", "i": 1}]
    assert type(table.records(made)[0]["i"]) is int


def test_nan_is_none_in_every_kind(make: Make) -> None:
    made = make({"f": [1.5, float("nan")]})
    assert table.records(made) == [{"f": 1.5}, {"f": None}]
    assert table.column(made, "f") == [1.5, None]


def test_taking_no_rows_keeps_columns_and_their_types(make: Make) -> None:
    empty = table.take(make(CELLS), [])
    assert table.size(empty) == 0
    assert table.columns(empty) == ["t", "i"]
    assert table.records(table.concat([empty, make(CELLS)])) == table.records(make(CELLS))


def test_take_repeats_and_reorders(make: Make) -> None:
    assert table.column(table.take(make(CELLS), [2, 0, 0]), "i") == [3, 1, 1]


def test_assign_replaces_adds_and_moves_to_the_front(make: Make) -> None:
    made = table.assign(make(CELLS), {"i": [7, 8, 9], "id": ["a", "b", "c"]}, first=("id",))
    assert table.records(made)[0] == {"id": "a", "t": "ä", "i": 7}
    assert table.columns(made) == ["id", "t", "i"]


@pytest.mark.parametrize(
    "cells",
    [[2**70, 1, 2], [{"a": 1}, [1], "x"], ["a", 1, None], ["\ud800", "a", "b"], [{}, {}, {}]],
    ids=["huge", "nested", "mixed", "surrogate", "fieldless"],
)
def test_cells_of_no_one_type_are_kept_and_never_an_error(make: Make, cells: list[Any]) -> None:
    made = table.assign(make(CELLS), {"c": cells})
    assert table.size(made) == 3
    arrow = table.storable(made)
    assert arrow.num_rows == 3
    assert "struct<>" not in str(arrow.schema)


def test_lists_and_dicts_give_pandas() -> None:
    for given in ([{"a": 1}, {"a": 2}], {"a": [1, 2]}):
        assert isinstance(table.native(given), pd.DataFrame)
        assert table.kind(given) == "pandas"
        assert table.column(given, "a") == [1, 2]
    assert table.records([]) == []


def test_columns_of_unequal_length_are_no_table() -> None:
    with pytest.raises(TableError, match="same length"):
        table.records({"a": [1], "b": []})


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
        table.columns(given)


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
        table.kind(given)


def test_an_absent_column_names_those_there_are(make: Make) -> None:
    with pytest.raises(TableError, match=r"column 'j' not found; have 't', 'i'"):
        table.column(make(CELLS), "j")


def test_a_subclass_of_a_dataframe_is_a_dataframe() -> None:
    class Frame(pd.DataFrame):
        pass

    assert table.kind(Frame({"a": [1]})) == "pandas"


def test_pandas_dtypes_survive() -> None:
    frame = pd.DataFrame(
        {
            "c": pd.Categorical(["x", "y"], categories=["y", "x", "z"], ordered=True),
            "i": pd.array([1, None], dtype="Int64"),
            "d": pd.to_datetime(pd.Series(["2020-01-01", None])).array,
        },
        index=[7, 7],
    )
    made = table.assign(table.take(frame, [1, 0]), {"n": ["a", "b"]}, first=("n",))
    assert dict(made.dtypes) == dict(frame.dtypes) | {"n": made["n"].dtype}
    assert made.index.tolist() == [0, 1]
    assert table.column(frame, "i") == [1, None]
    assert table.column(frame, "d")[1] is None
    assert table.assign(frame, {"n": ["a", "b"]})["n"].tolist() == ["a", "b"]


def test_numpy_objects_in_pandas_become_python() -> None:
    frame = pd.DataFrame({"o": pd.Series([np.int64(4), np.array([1, 2])], dtype=object)})
    assert table.column(frame, "o") == [4, [1, 2]]


@pytest.mark.parametrize("name", ["self", "a b", "größe", "0"])
def test_a_column_may_have_any_text_as_name(make: Make, name: str) -> None:
    assert table.column(table.assign(make(CELLS), {name: [1, 2, 3]}), name) == [1, 2, 3]


def test_polars_and_arrow_categories_survive() -> None:
    frame = pl.DataFrame({"c": pl.Series(["x", "y"], dtype=pl.Enum(["x", "y"]))})
    assert table.take(frame, [1])["c"].dtype == pl.Enum(["x", "y"])
    arrow = pa.table({"c": pa.array(["x", "y"]).dictionary_encode()})
    assert pa.types.is_dictionary(table.take(arrow, [1]).schema.field("c").type)


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
    made = table.assign(table.take(NESTED, positions), {"id": ["x"] * len(positions)})
    assert {name: made.features[name] for name in FEATURES} == dict(FEATURES)


def test_a_dataset_is_read_through_its_selection_and_whatever_its_format() -> None:
    chosen = NESTED.select([1]).with_format("numpy")
    assert table.records(chosen) == [{"t": "b", "l": 1, "s": [2, 3], "n": {"q": 2}}]
    assert type(table.column(chosen, "l")[0]) is int
    assert table.to_arrow(NESTED.select([1])).num_rows == 1


def test_empty_columns_are_objects_and_not_floats() -> None:
    assert table.build({"a": [], "b": []}).dtypes.tolist() == [object, object]
    assert table.build({"a": [None]})["a"].dtype == object
    assert len(table.build({}, n=3)) == 3


def test_rows_without_ids_get_the_same_ones_each_time(make: Make) -> None:
    cells: dict[str, list[Any]] = {"t": ["same", "same", "other"]}
    ids = table.column(table.identified(make(cells)), "id")
    assert len(set(ids)) == 3
    assert ids == table.column(table.identified(make(cells)), "id")
    assert table.column(table.identified(make({"t": ["other", "same"]})), "id") == [ids[2], ids[0]]


def test_rows_keep_their_own_ids(make: Make) -> None:
    made = make({"t": ["a", "b"], "id": ["x", "y"]})
    assert table.column(table.identified(made), "id") == ["x", "y"]


@pytest.mark.parametrize("ids", [["x", "x"], ["x", None]])
def test_an_id_of_two_rows_or_none_is_refused(make: Make, ids: list[Any]) -> None:
    with pytest.raises(TableError, match="in row 1"):
        table.identified(make({"id": ids, "t": ["a", "b"]}))
