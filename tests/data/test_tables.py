from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import synthkit as sk
from synthkit.core.errors import TableError
from synthkit.data import tables
from synthkit.data.typed_columns import all_same

Make = Callable[[dict[str, list[Any]]], Any]
CELLS: dict[str, list[Any]] = {"t": ["ä", "日本", None], "i": [1, 2, 3]}
CET = dt.timezone(dt.timedelta(hours=1))
LONG = 1234567890123456789


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


NO_COMMON_TYPE = {
    "huge": [2**70, 1, 2],
    "nested": [{"a": 1}, [1], "x"],
    "mixed": ["a", 1, None],
    "text and number": ["1", 1, 1.5],
    "truth and number": [True, 1, None],
    "whole number that no float holds": [2**60 + 1, 0.5, None],
    "date and moment": [dt.date(2024, 1, 1), dt.datetime(2024, 1, 1), None],
    "zones": [dt.datetime(2024, 1, 1, tzinfo=zone) for zone in (dt.UTC, CET, None)],
    "date and number": [dt.date(2000, 1, 1), -719163, None],
    "lists": [[1], ["a"], None],
    "structs": [{"a": 1}, {"a": "1"}, None],
}


@pytest.mark.parametrize("cells", NO_COMMON_TYPE.values(), ids=NO_COMMON_TYPE)
def test_cells_of_no_common_type_are_kept_by_pandas_and_texts_elsewhere_with_a_word(
    make: Make, kind: str, cells: list[Any]
) -> None:
    if kind == "pandas":
        assert all_same(
            tables.column(tables.assign(make(CELLS), {"c": cells}), "c"), cells, exact=True
        )
        return
    with pytest.warns(RuntimeWarning, match="'c' .* no common type .* kept as text"):
        made = tables.assign(make(CELLS), {"c": cells})
    texts = tables.column(made, "c")
    assert {type(text) for text in texts} <= {str, type(None)}
    assert [text is None for text in texts] == [cell is None for cell in cells]


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


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        ([LONG, None], "Int64"),
        ([3, float("nan"), None], "Int64"),
        ([np.int64(LONG), None], "Int64"),
        ([2**63, None], "object"),
        ([1, 2.5], "object"),
        ([1, 2.5, None], "object"),
        ([True, None], "object"),
        ([1, 2], "int64"),
        ([1.0, None], "float64"),
        (["007", None], "str"),
    ],
)
def test_whole_numbers_stay_whole_in_pandas(cells: list[Any], dtype: str) -> None:
    for made in (
        tables.native([{"x": cell} for cell in cells]),
        tables.native({"x": cells}),
        tables.build({"x": cells}),
        tables.assign(pd.DataFrame({"y": [0] * len(cells)}), {"x": cells}),
    ):
        assert str(made["x"].dtype) == dtype
        want = [None if cell is None or cell != cell else cell for cell in cells]
        assert all_same(
            tables.column(made, "x"), [int(c) if c == LONG else c for c in want], exact=True
        )
        assert [row["x"] for row in tables.records(made)] == tables.column(made, "x")


def test_a_key_that_some_dicts_lack_is_missing_there() -> None:
    made = tables.native([{"x": 3}, {"z": LONG}, {}])
    assert tables.records(made) == [
        {"x": 3, "z": None},
        {"x": None, "z": LONG},
        {"x": None, "z": None},
    ]


@pytest.mark.parametrize("make_one", [pa.table, pl.DataFrame, datasets.Dataset.from_dict])
def test_a_column_of_one_type_holds_mixed_numbers_only_without_loss(make_one: Any) -> None:
    rows = make_one({"y": [0, 0]})
    assert tables.column(tables.assign(rows, {"x": [1, 2.5]}), "x") == [1.0, 2.5]
    with pytest.warns(RuntimeWarning, match="kept as text"):
        made = tables.assign(rows, {"x": [2**60 + 1, 0.5]})
    assert tables.column(made, "x") == [str(2**60 + 1), "0.5"]


def test_nested_cells_are_python_values() -> None:
    nested = [{"a": np.array([1, 2]), "b": [np.float64(0.5)]}, np.array([np.array([1]), "x"], "O")]
    frame = pd.DataFrame({"o": pd.Series(nested, dtype=object)})
    assert tables.column(frame, "o") == [{"a": [1, 2], "b": [0.5]}, [[1], "x"]]
    arrow = pd.array([[LONG, None]], dtype=pd.ArrowDtype(pa.list_(pa.int64())))
    assert tables.column(pd.DataFrame({"o": arrow}), "o") == [[LONG, None]]


def test_moments_of_numpy_are_moments_and_no_counts_of_nanoseconds() -> None:
    stamps = [np.datetime64("2024-01-01T12:00:00.000000000"), np.datetime64("2024-01-01")]
    frame = pd.DataFrame({"o": pd.Series(stamps, dtype=object)})
    assert [str(cell) for cell in tables.column(frame, "o")] == [
        "2024-01-01 12:00:00",
        "2024-01-01",
    ]
    frame = pd.DataFrame({"o": pd.Series([np.array(["2024-01-01"], "M8[ns]")], dtype=object)})
    assert str(tables.column(frame, "o")[0][0]) == "2024-01-01 00:00:00"


def test_nanoseconds_of_polars_are_not_cut() -> None:
    frame = pl.DataFrame({"t": pl.Series([1, None], dtype=pl.Datetime("ns")), "n": [1, 2]})
    for cells in (tables.column(frame, "t"), [row["t"] for row in tables.records(frame)]):
        assert str(cells[0]) == "1970-01-01 00:00:00.000000001"
        assert cells[1] is None


def test_joined_tables_keep_their_cells() -> None:
    whole, mixed = pd.DataFrame({"x": [LONG]}), pd.DataFrame({"x": ["a"], "y": [1]})
    joined = tables.concat([whole, mixed])
    assert tables.records(joined) == [{"x": LONG, "y": None}, {"x": "a", "y": 1}]
    floats = tables.concat([whole, pd.DataFrame({"x": [0.5]})])
    assert all_same(tables.column(floats, "x"), [LONG, 0.5], exact=True)
    joined = tables.concat([pa.table({"x": [LONG]}), pa.table({"y": [1]})])
    assert tables.records(joined) == [{"x": LONG, "y": None}, {"x": None, "y": 1}]
    with pytest.warns(RuntimeWarning, match="kept as text"):
        joined = tables.concat([pl.DataFrame({"x": [LONG]}), pl.DataFrame({"x": [0.5]})])
    assert tables.column(joined, "x") == [str(LONG), "0.5"]


def test_a_column_in_the_way_of_a_new_one_gets_a_number(make: Make) -> None:
    made = make({"why": ["mine"], "why_2": ["mine too"], "text": ["a"]})
    assert tables.records(tables.attach(made, {"why": ["short"], "n": [1]}, first=("n",))) == [
        {"n": 1, "why_3": "mine", "why_2": "mine too", "text": "a", "why": "short"}
    ]


def test_ids_of_rows_do_not_depend_on_the_process_or_the_order_of_a_set() -> None:
    class Thing:
        pass

    rows = [{"o": Thing(), "s": {"b", "a"}, "d": {1: 2, (1, 2): 3}}]
    again = [{"o": Thing(), "s": {"a", "b"}, "d": {1: 2, (1, 2): 3}}]
    ids = tables.column(tables.identified(rows), "id")
    assert ids == tables.column(tables.identified(again), "id")


def test_ids_stay_those_of_earlier_versions() -> None:
    rows = [{"t": "a", "n": 1, "f": 0.5, "d": dt.date(2024, 1, 1), "l": [1, "x"], "m": None}]
    assert tables.column(tables.identified(rows), "id") == ["9920716647acc2e3"]


def test_ids_that_are_no_texts_name_one_row_each() -> None:
    assert tables.column(tables.identified([{"id": LONG}, {"id": LONG + 1}]), "id") == [
        LONG,
        LONG + 1,
    ]
    with pytest.raises(TableError, match="'1' occurs twice, again in row 1"):
        tables.identified([{"id": 1}, {"id": "1"}])


class CountedName(str):
    """A column name that counts how often it is compared."""

    compared = 0

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        CountedName.compared += 1
        return str.__eq__(self, other)


def test_reading_all_columns_compares_each_name_a_few_times() -> None:
    names = [CountedName(f"c{n}") for n in range(300)]
    frame = pd.DataFrame([[0] * 300], columns=pd.Index(names, dtype=object))
    CountedName.compared = 0
    assert len(tables.columns(frame)) == 300
    for name in names:
        tables.column(frame, name)
    tables.records(tables.assign(frame, {"x": [1]}))
    assert CountedName.compared < 20 * 300


def test_columns_of_a_function_replace_its_own_and_no_others(make: Make) -> None:
    own = make({"weight": [5.0], "x": [1]})
    scored = tables.annotate(own, {"weight": [0.5], "weight_by": ["a"]})
    assert tables.records(scored) == [
        {"weight_2": 5.0, "x": 1, "weight": 0.5, "weight_by": "a"},
    ]
    again = tables.annotate(scored, {"weight": [0.7], "weight_by": ["b"]})
    assert tables.column(again, "weight") == [0.7]
    assert tables.column(again, "weight_2") == [5.0]


def test_the_named_levels_of_an_index_are_columns(tmp_path: Path) -> None:
    index = pd.MultiIndex.from_tuples([("k1", 1), ("k2", 2)], names=["key", "n"])
    frame = pd.DataFrame({"text": ["a", "b"]}, index=index)
    assert tables.columns(frame) == ["key", "n", "text"]
    assert tables.records(frame)[1] == {"key": "k2", "n": 2, "text": "b"}
    assert tables.column(frame, "key") == ["k1", "k2"]
    for odd in (index.set_names([None, None]), index.set_names(["text", 0])):
        assert tables.columns(frame.set_axis(odd)) == ["text"]
    with sk.Session(tmp_path) as session:
        run = sk.generate("{{ key }}", rows=frame, model=sk.Fake(), session=session, name="said")
        assert run.table["key"].tolist() == session.load("said")["key"].tolist() == ["k1", "k2"]
        by_id = pd.DataFrame({"x": ["a"]}, index=pd.Index(["r1"], name="id"))
        run = sk.generate("{{ x }}", rows=by_id, model=sk.Fake(), session=session)
        assert run.table["parent"].tolist() == ["r1"]
