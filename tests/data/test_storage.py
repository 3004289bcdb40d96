from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthkit.data import tables
from synthkit.data.cells import decode, encode, same
from synthkit.data.storage import from_storable, storable
from synthkit.data.typed_columns import all_same

LONG = 1234567890123456789
CET = dt.timezone(dt.timedelta(hours=1))
NOON = dt.datetime(2024, 1, 1, 12)

OBJECTS: dict[str, list[Any]] = {
    "whole beside missing": [LONG, None],
    "whole beside float": [1, 2.5, None],
    "truth beside number": [True, 1, 0.0],
    "text beside number": ["007", 7, None],
    "huge": [2**70, -1, None],
    "unsigned": [2**63, None],
    "decimals": [Decimal("1.10"), 1, None],
    "decimals of different length": [Decimal("1.10"), Decimal("3"), None],
    "bytes": [b"\x00", "a"],
    "uuid": [uuid.UUID(int=7), None],
    "date and moment": [dt.date(2024, 1, 1), NOON],
    "zones": [NOON.replace(tzinfo=dt.UTC), NOON.replace(tzinfo=CET), NOON],
    "named zone": [NOON.replace(tzinfo=ZoneInfo("Europe/Berlin")), 1],
    "date and number": [dt.date(2000, 1, 1), -719163, 5],
    "long duration": [dt.timedelta(days=999999999, microseconds=1), None],
    "nanoseconds": [pd.Timestamp("2024-01-01 00:00:00.000000001"), pd.Timedelta(1, "ns"), 3],
    "tuple and list": [(1, 2), [1], set(), {3}],
    "keys of dicts": [{"a": 1}, {"b": None}, {}, {1: "x"}],
    "whole in a list": [[1, None], [2.5]],
    "whole in a struct": [{"a": [LONG, None]}, {"a": []}],
    "types in structs": [{"a": 1}, {"a": "1"}, {"a": True}],
    "a key of ours": [{"$synthkit": "decimal", "value": "no"}, 1],
    "surrogate": ["\ud800", None, "a"],
    "nested NaN": [[float("nan")], [1.0]],
    "missing": [None, None],
}


def stored(table: Any, folder: Path) -> Any:
    pyarrow.parquet.write_table(storable(table), folder / "t.parquet")
    return from_storable(pyarrow.parquet.read_table(folder / "t.parquet"))


@pytest.mark.parametrize("cells", OBJECTS.values(), ids=OBJECTS)
def test_objects_are_read_as_they_were_written(cells: list[Any], tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": pd.Series(cells, dtype=object), "n": range(len(cells))})
    back = stored(frame, tmp_path)
    assert all_same(tables.column(back, "x"), cells, exact=True)
    assert back["n"].tolist() == list(range(len(cells)))


DTYPES: dict[str, Any] = {
    "Int64": pd.array([LONG, None], dtype="Int64"),
    "UInt64": pd.array([2**63, None], dtype="UInt64"),
    "boolean": pd.array([True, None], dtype="boolean"),
    "string": pd.array(["a", None], dtype="string"),
    "str": pd.Series(["007", None]),
    "ordered": pd.Categorical(["a", "b"], categories=["b", "a", "c"], ordered=True),
    "period": pd.period_range("2024-01", periods=2, freq="M"),
    "interval": pd.interval_range(0, 2),
    "zone": pd.to_datetime(["2024-01-01", None]).tz_localize("Europe/Berlin"),
    "ns": pd.to_datetime(["2024-01-01 00:00:00.000000001", None]),
    "duration": pd.to_timedelta([1, None], unit="D"),
    "int8": np.array([1, 2], "i1"),
    "arrow whole": pd.array([LONG, None], dtype=pd.ArrowDtype(pa.int64())),
    "arrow moment": pd.array([NOON, None], dtype=pd.ArrowDtype(pa.timestamp("us", "UTC"))),
}
VALUES: dict[str, Any] = {
    "whole categories": pd.Categorical([LONG, None]),
    "mixed categories": pd.Categorical([1, "1", 2.5, None]),
    "categories of months": pd.Categorical(pd.period_range("2024-01", periods=2, freq="M")),
    "categories of intervals": pd.cut([1, 5, 9], 2),
    "sparse": pd.arrays.SparseArray([1, 0]),
    "complex": np.array([1j, 2]),
    "arrow list": pd.array([[LONG, None], None], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
    "arrow struct": pd.array(
        [{"a": [1, None]}, None],
        dtype=pd.ArrowDtype(pa.struct([pa.field("a", pa.list_(pa.int64()))])),
    ),
    "arrow decimal": pd.array([Decimal("1.10"), None], dtype=pd.ArrowDtype(pa.decimal128(5, 2))),
    "no fields": pd.array([{}, None], dtype=pd.ArrowDtype(pa.struct([]))),
}


@pytest.mark.parametrize("values", DTYPES.values(), ids=DTYPES)
def test_dtypes_of_pandas_survive(values: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": values})
    back = stored(frame, tmp_path)
    assert back["x"].dtype == frame["x"].dtype
    assert all_same(tables.column(back, "x"), tables.column(frame, "x"), exact=True)


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_cells_of_dtypes_that_parquet_lacks_survive(values: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": values})
    assert all_same(
        tables.column(stored(frame, tmp_path), "x"), tables.column(frame, "x"), exact=True
    )


OTHERS: dict[str, Any] = {
    "arrow whole": pa.table({"x": [LONG, None]}),
    "arrow unsigned": pa.table({"x": pa.array([2**64 - 1, None], pa.uint64())}),
    "arrow dictionary": pa.table({"x": pa.array([LONG, None]).dictionary_encode()}),
    "arrow list": pa.table({"x": [[LONG, None], None]}),
    "arrow map": pa.table({"x": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))}),
    "arrow no fields": pa.table({"x": pa.array([{}], pa.struct([]))}),
    "arrow view": pa.table({"x": pa.array(["a", None], pa.string_view())}),
    "arrow runs": pa.table({"x": pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"])}),
    "arrow union": pa.table(
        {
            "x": pa.UnionArray.from_dense(
                pa.array([0, 1], pa.int8()),
                pa.array([0, 0], pa.int32()),
                [pa.array([1]), pa.array(["1"])],
            )
        }
    ),
    "arrow duration": pa.table({"x": pa.array([1, None], pa.duration("s"))}),
    "arrow wide decimal": pa.table({"x": [Decimal(10) ** 40, None]}),
    "polars whole": pl.DataFrame({"x": [LONG, None]}),
    "polars 128 bits": pl.DataFrame({"x": pl.Series([2**70, None], dtype=pl.Int128)}),
    "polars objects": pl.DataFrame({"x": pl.Series([{1}, {2}], dtype=pl.Object)}),
    "polars duration": pl.DataFrame({"x": [dt.timedelta(1), None]}),
    "polars nanoseconds": pl.DataFrame(
        {"x": pl.Series([[1], [2]]).cast(pl.List(pl.Datetime("ns")))}
    ),
    "polars struct": pl.DataFrame({"x": [{"a": LONG}, {"a": None}]}),
    "dataset whole": datasets.Dataset.from_dict({"x": [LONG, None]}),
    "dataset list": datasets.Dataset.from_dict({"x": [[LONG, None]]}),
    "dataset label": datasets.Dataset.from_dict(
        {"x": [0, 1]}, datasets.Features({"x": datasets.ClassLabel(names=["no", "yes"])})
    ),
    "dataset array": datasets.Dataset.from_dict(
        {"x": [[[1, 2], [3, 4]]]}, datasets.Features({"x": datasets.Array2D((2, 2), "int64")})
    ),
}


@pytest.mark.parametrize("table", OTHERS.values(), ids=OTHERS)
def test_cells_of_other_kinds_of_tables_survive(table: Any, tmp_path: Path) -> None:
    assert all_same(
        tables.column(stored(table, tmp_path), "x"), tables.column(table, "x"), exact=True
    )


@pytest.mark.parametrize(
    "table", [*OTHERS.values(), *(pd.DataFrame({"x": x}) for x in (DTYPES | VALUES).values())]
)
def test_rows_keep_their_ids_and_can_be_taken(table: Any, tmp_path: Path) -> None:
    back = stored(table, tmp_path)
    ids = tables.column(tables.identified(table), "id")
    assert tables.column(tables.identified(back), "id") == ids
    for each in (table, back):
        rows = tables.take(each, [0, 0])
        assert all_same(tables.column(rows, "x"), tables.column(table, "x")[:1] * 2, exact=True)


def test_a_duration_has_one_text_in_every_kind_of_table() -> None:
    day = dt.timedelta(days=1)
    frames = [
        pd.DataFrame({"x": pd.to_timedelta([day])}),
        pd.DataFrame({"x": pd.Series([pd.Timedelta(day)], dtype=object)}),
        pa.table({"x": pa.array([day], pa.duration("ns"))}),
        pl.DataFrame({"x": pl.Series([day]).cast(pl.Duration("ns"))}),
    ]
    assert {str(row["x"]) for frame in frames for row in tables.records(frame)} == {
        "1 day, 0:00:00"
    }
    assert [tables.column(frame, "x") for frame in frames] == [[day]] * 4


def test_a_column_that_was_the_index_elsewhere_stays_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "x": [1, 2]}).set_index("id")
    back = stored(pa.Table.from_pandas(frame), tmp_path)
    assert tables.records(back) == [{"x": 1, "id": "a"}, {"x": 2, "id": "b"}]


def test_an_object_that_no_file_holds_is_text_with_a_word(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": pd.Series([Path("a"), 1], dtype=object)})
    with pytest.warns(RuntimeWarning, match="'x' has cells of the type PosixPath"):
        assert tables.column(stored(frame, tmp_path), "x") == ["a", 1]


def test_a_table_without_rows_or_columns_is_read_back(tmp_path: Path) -> None:
    assert len(stored(tables.build({}, n=3), tmp_path).columns) == 0
    empty = stored(tables.build({"a": [], "b": []}), tmp_path)
    assert list(empty.columns) == ["a", "b"]
    assert len(empty) == 0


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.dates()
    | st.times()
    | st.datetimes(timezones=st.none() | st.just(dt.UTC) | st.just(CET))
    | st.timedeltas()
)
cells = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(derandomize=True, database=None, deadline=None)
@given(cells)
def test_any_cell_is_decoded_as_it_was_encoded(cell: Any) -> None:
    assert same(decode(encode(cell)), cell, exact=True)


@settings(max_examples=60, derandomize=True, database=None, deadline=None)
@given(st.lists(st.one_of(scalars, cells), max_size=4))
def test_any_column_is_the_same_in_a_frame_and_in_a_file(column: list[Any]) -> None:
    frame = tables.native([{"x": cell} for cell in column])
    if not column:
        return
    assert all(map(same, tables.column(frame, "x"), column))
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(storable(frame), sink)
    back = from_storable(pyarrow.parquet.read_table(pa.BufferReader(sink.getvalue())))
    assert all_same(tables.column(back, "x"), tables.column(frame, "x"), exact=True)


def test_a_saved_column_is_read_as_it_was_by_every_reader(tmp_path: Path) -> None:
    from synthkit.curate import apply_filters, regex
    from synthkit.data.row_files import opened
    from synthkit.parquet import apply_filters as apply_to_files
    from synthkit.share.export import save

    rows = [{"id": "a", "text": "tea \ud83d", "n": 1}, {"id": "b", "text": "tea", "n": "x"}]
    path = save(rows, tmp_path / "rows.parquet")
    assert tables.records(opened(str(path))) == rows
    arrow = pyarrow.parquet.read_table(path)
    assert tables.records(arrow) == rows
    assert tables.column(arrow, "n") == [1, "x"]
    kept = apply_filters(rows, regex("^tea$")).kept
    large = apply_to_files(path, regex("^tea$"), to=tmp_path / "result").kept
    assert tables.column(kept, "id") == tables.column(large.load(), "id") == ["b"]
