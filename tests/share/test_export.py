"""Tables as text and in files."""

from __future__ import annotations

import csv
import datetime
import io
import json
import tracemalloc
from collections import OrderedDict
from decimal import Decimal
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from synthkit.core.errors import UsageError
from synthkit.data import tables
from synthkit.share.export import count_formulas, save, to_text

ROWS: list[dict[str, Any]] = [
    {"id": "a", "n": 1, "text": 'two\nlines, "quoted"\tand | a <b>'},
    {"id": "b", "n": None, "text": "=1+1"},
    {"id": "c", "n": 3, "text": "\ud800 half"},
]


@pytest.mark.parametrize(("format", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_separated_values_are_read_back(format: str, delimiter: str) -> None:
    made = to_text(ROWS, ["n", "text"], format)
    read = list(csv.reader(io.StringIO(made, newline=""), delimiter=delimiter))
    assert read == [["n", "text"], *([str(r["n"] or ""), r["text"]] for r in ROWS)]


def test_json_lines_are_read_back() -> None:
    lines = to_text(ROWS, ["id", "n", "text"], "jsonl").splitlines()
    assert [json.loads(line) for line in lines] == ROWS


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ({(1, "a"): 0, None: 1, True: 2, 3: 4}, {'[1, "a"]': 0, "null": 1, "true": 2, "3": 4}),
        ({"": 1, None: 2}, {"": 1, "null": 2}),
        ({1: "a", "1": "b"}, [[1, "a"], ["1", "b"]]),
        ({datetime.date(2024, 1, 2): 1}, {"2024-01-02": 1}),
        ([float("nan"), None, pd.NaT, {"a": pd.NA}], [None, None, None, {"a": None}]),
        (float("inf"), "inf"),
        ([[-float("inf")], np.array([[1.5, np.nan]])], [["-inf"], [[1.5, None]]]),
        ({"at": [datetime.datetime(2024, 1, 2, 3)]}, {"at": ["2024-01-02 03:00:00"]}),
        ([b"\x00a", Decimal("0.10")], ["b'\\x00a'", "0.10"]),
        (
            OrderedDict(n=np.int64(3), x=np.float32(0.5), b=np.bool_(True)),
            {"n": 3, "x": 0.5, "b": True},
        ),
        (2**70, 2**70),
    ],
)
def test_json_lines_hold_equal_values_or_their_text(cell: Any, value: Any) -> None:
    table = pd.DataFrame({"c": pd.Series([cell], dtype=object)})
    line = to_text(tables.records(table), ["c"], "jsonl")
    assert json.loads(line, parse_constant=pytest.fail) == {"c": value}
    assert type(json.loads(line)["c"]) is type(value)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (pd.Timestamp("2024-01-02 03:04", tz="UTC"), "2024-01-02 03:04:00+00:00"),
        (Decimal("1.10"), "1.10"),
        (b"a", "b'a'"),
        (pd.Period("2024-01"), "2024-01"),
        ({(1, 2): [None]}, '{"[1, 2]": [null]}'),
        (True, "true"),
        ("a\rb", "a\rb"),
    ],
)
def test_cells_of_any_type_are_plain_text_in_csv(cell: Any, text: str) -> None:
    table = pd.DataFrame({"c": pd.Series([cell], dtype=object), "d": ["x"]})
    made = to_text(tables.records(table), ["c", "d"], "csv")
    assert list(csv.reader(io.StringIO(made, newline=""))) == [["c", "d"], [text, "x"]]


def test_markdown_shows_cells_as_they_are() -> None:
    assert to_text(ROWS[:1], ["text"], "markdown").splitlines()[2] == (
        r'| two<br>lines, "quoted" and \| a &lt;b\> |'
    )


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match="expected one of tsv, markdown"):
        to_text(ROWS, ["n"], "xlsx")


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, datasets.Dataset.from_dict])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_table_of_any_kind_is_saved_and_read_back(make: Any, suffix: str, tmp_path: Path) -> None:
    table = make({"id": ["a", "b"], "n": [1, 2], "text": ["é\n", "=x"]})
    path = save(table, tmp_path / f"t.{suffix}")
    read = {
        "csv": pd.read_csv,
        "jsonl": lambda p: pd.read_json(p, lines=True),
        "parquet": pd.read_parquet,
    }[suffix](path)
    assert read.to_dict("list") == {"id": ["a", "b"], "n": [1, 2], "text": ["é\n", "=x"]}
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_half_a_surrogate_pair_is_written_as_an_escape(tmp_path: Path) -> None:
    cells = pd.Series(["\ud800 half"], dtype=object)
    path = save(pd.DataFrame({"text": cells}), tmp_path / "t.jsonl")
    assert json.loads(path.read_text()) == {"text": "\ud800 half"}


def test_a_file_is_overwritten_on_request_only(tmp_path: Path) -> None:
    path = save(ROWS[:1], tmp_path / "t.csv")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="exists already, and was not overwritten"):
        save(ROWS[:2], path)
    assert path.read_bytes() == before
    save(ROWS[:2], path, overwrite=True)
    assert path.read_bytes() != before


def test_a_path_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in \.csv, \.jsonl, \.parquet; got 't\.xlsx'"):
        save(ROWS, tmp_path / "t.xlsx")
    with pytest.raises(UsageError, match="cannot be written: No such file or directory"):
        save(ROWS[:1], tmp_path / "no" / "t.csv")


def test_formulas_are_counted() -> None:
    rows = [{"a": cell} for cell in ["=1", "+1", "-1", "@a", "\t=1", "1", " =1", -1, None, ["="]]]
    assert count_formulas(rows, ["a"]) == 5


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_larger_table_is_written_in_no_more_memory(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BATCH_ROWS", 50)
    peaks = []
    for n in (200, 800):
        table = pa.table({"id": range(n), "text": ["é" * 5000] * n})
        tracemalloc.start()
        path = save(table, tmp_path / f"{n}{suffix}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        text = to_text(tables.records(table), ["id", "text"], suffix[1:])
        assert path.read_bytes() == text.encode()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize(
    ("rows", "format"),
    [
        (
            [
                {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]},
                              {"role": "assistant", "content": "y"}]},
            ],
            "messages",
        ),
        ([{"prompt": 1}, {"prompt": "x"}], "prompt-only"),
        ([{"prompt": {}}], "prompt-only"),
        ([{"prompt": 2**70}], "prompt-only"),
    ],
)  # fmt: skip
def test_cells_that_parquet_has_no_type_for_are_refused_in_a_sentence(
    rows: list[dict[str, Any]], format: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"Save them as \.jsonl\.$"):
        save(rows, tmp_path / "rows.parquet", format=format)
    assert list(tmp_path.iterdir()) == []
    assert save(rows, tmp_path / "rows.jsonl", format=format).exists()
