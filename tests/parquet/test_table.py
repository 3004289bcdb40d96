"""Parquet files as one table, and what is said of files that are not one."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
import pytest

from synthkit import curate
from synthkit.core.errors import TableError
from synthkit.parquet import apply_filters, open_table, report

pytestmark = pytest.mark.usefixtures("small_parts")


def test_files_of_a_folder_or_pattern_are_one_table(folder: Path, arrow: Any) -> None:
    for source in (folder, f"{folder}/*.parquet"):
        table = open_table(source)
        assert len(table) == len(arrow)
        assert table.column_names == arrow.column_names
        assert table.load().equals(arrow.combine_chunks())
        assert len(table.shards) >= 17
        assert table.head(3).equals(arrow.slice(0, 3))
    assert table.text_column == "text"
    assert repr(table).startswith("ParquetTable(5\u202f000 rows in 7 files: id, text, label")


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_text("no Parquet")
    with pytest.raises(TableError, match=r"rows\.parquet: no Parquet, or damaged"):
        open_table(tmp_path / "rows.parquet")
    with pytest.raises(TableError, match="expected a file or a pattern"):
        open_table(tmp_path / "none*.parquet")
    (tmp_path / "rows.csv").write_text("a,b\n")
    with pytest.raises(TableError, match=r"rows\.csv: expected Parquet"):
        open_table(tmp_path / "rows.csv")


def test_damage_inside_a_file_is_named_with_the_row(tmp_path: Path) -> None:
    texts = [f"soup number {at}" for at in range(1000)]
    for name in ("a", "b"):
        ids = [f"{name}{at}" for at in range(1000)]
        table = pyarrow.table({"id": ids, "text": texts})
        parquet.write_table(table, tmp_path / f"{name}.parquet", row_group_size=250)
    data = bytearray((tmp_path / "b.parquet").read_bytes())
    groups = parquet.ParquetFile(tmp_path / "b.parquet").metadata
    offset = groups.row_group(2).column(1).data_page_offset
    data[offset : offset + 200] = b"\xff" * 200
    (tmp_path / "b.parquet").write_bytes(data)
    with pytest.raises(TableError, match=r"b\.parquet, after row 500: no Parquet, or damaged"):
        apply_filters(tmp_path, curate.length(least=1), to=tmp_path / "result")
    with pytest.raises(TableError, match=r"b\.parquet, after row 500"):
        report(tmp_path, column="text", scratch=tmp_path)


def test_cells_that_do_not_fit_the_joint_type_are_no_damage(tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table({"n": [1, 2**60 + 1]}), tmp_path / "a.parquet")
    parquet.write_table(pyarrow.table({"n": [0.5]}), tmp_path / "b.parquet")
    with pytest.raises(TableError, match=r"a\.parquet, after row 0: a cell does not fit the type"):
        open_table(tmp_path).load()


def test_columns_of_one_name_and_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    twice = pyarrow.Table.from_arrays([pyarrow.array(["a"])] * 2, names=["text", "text"])
    parquet.write_table(twice, tmp_path / "rows.parquet")
    with pytest.raises(TableError, match=r"rows\.parquet: two columns are named 'text'"):
        open_table(tmp_path)
    texts = pyarrow.array([b"soup", b"\xff"]).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"text": texts}), tmp_path / "rows.parquet")
    for work in (
        lambda: apply_filters(tmp_path, curate.exact_duplicates(), to=tmp_path / "result"),
        lambda: report(tmp_path, column="text", scratch=tmp_path),
    ):
        with pytest.raises(TableError, match=r"rows\.parquet, from row 0: expected texts in UTF-8"):
            work()


def test_batches_and_row_groups_of_long_texts_have_few_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthkit.parquet.table.BATCH_BYTES", 4_000)
    monkeypatch.setattr("synthkit.parquet.writing.GROUP_BYTES", 8_000)
    texts = [f"{at}" * 1000 for at in range(40)]
    parquet.write_table(pyarrow.table({"id": texts, "text": texts}), tmp_path / "rows.parquet")
    assert max(map(len, open_table(tmp_path).batches())) <= 3
    found = apply_filters(tmp_path, curate.length(least=1), to=tmp_path / "result").kept
    groups = parquet.ParquetFile(found.files[0]).metadata
    assert max(groups.row_group(at).num_rows for at in range(groups.num_row_groups)) <= 6
    assert found.load().equals(open_table(tmp_path).load())


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"id": ["b"], "words": ["tea"]}, "has other columns than .*: it lacks text and has words"),
        ({"id": ["b"], "text": [[1]]}, "the column 'text' is of type list.*, but string in"),
    ],
)
def test_a_file_with_other_columns_is_named(
    other: dict[str, Any], message: str, tmp_path: Path
) -> None:
    parquet.write_table(pyarrow.table({"id": ["a"], "text": ["soup"]}), tmp_path / "a.parquet")
    parquet.write_table(pyarrow.table(other), tmp_path / "b.parquet")
    with pytest.raises(TableError, match=rf"b\.parquet:? {message}"):
        open_table(tmp_path)


def test_a_column_without_values_in_one_file_takes_the_type_of_the_others(tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table({"text": ["soup"], "n": [None]}), tmp_path / "a.parquet")
    parquet.write_table(pyarrow.table({"n": [3], "text": ["tea"]}), tmp_path / "b.parquet")
    assert open_table(tmp_path).load().to_pylist() == [
        {"text": "soup", "n": None},
        {"text": "tea", "n": 3},
    ]


def test_categories_and_plain_values_of_several_files_are_one_column(tmp_path: Path) -> None:
    kinds = [pyarrow.int8(), pyarrow.int16(), None]
    for at, (kind, ordered) in enumerate(itertools.product(kinds, [False, True])):
        words = pyarrow.array([f"a{at}", None, f"a{at}"])
        if kind is not None:
            words = words.cast(pyarrow.dictionary(kind, pyarrow.string(), ordered=ordered))
        parquet.write_table(pyarrow.table({"text": words}), tmp_path / f"{at}.parquet")
    whole = open_table(tmp_path)
    assert whole.schema.field("text").type == pyarrow.string()
    expected = [word for at in range(6) for word in (f"a{at}", None, f"a{at}")]
    assert whole.load()["text"].to_pylist() == expected


def test_files_without_rows_are_read_and_written(tmp_path: Path) -> None:
    empty = pyarrow.schema([("id", "string"), ("text", "string")]).empty_table()
    parquet.write_table(empty, tmp_path / "a.parquet")
    found = apply_filters(tmp_path, curate.near_duplicates(), to=tmp_path / "result")
    assert len(found.kept) == len(found.dropped) == 0
    assert found.kept.column_names == ["id", "text"]
