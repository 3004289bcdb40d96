"""Filters of large tables: the rows, reasons and ids that they have in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
import pytest

from synthkit import curate
from synthkit.core.errors import TableError, UsageError
from synthkit.curate.filters.base import Filter
from synthkit.data import tables
from synthkit.data.results import Curation, curation_summary
from synthkit.parquet import apply_filters, open_table
from tests.parquet.conftest import write_files

pytestmark = pytest.mark.usefixtures("small_parts")

FILTERS = {
    "texts": [curate.length(least=9), curate.rows_where("stars > 1"), curate.no_refusals()],
    "exact": [curate.exact_duplicates()],
    "near": [curate.near_duplicates(threshold=0.7)],
    "longest": [curate.near_duplicates(threshold=0.7, prefer="longest")],
    "best": [curate.near_duplicates(threshold=0.7, prefer="score")],
    "characters": [curate.near_duplicates(threshold=0.6, shingle="chars")],
    "random": [curate.random_sample(700, seed=3)],
    "stratified": [curate.balanced("label", n=600)],
    "by score": [curate.sample_by_score("score", n=500, temperature=0.2)],
    "twice": [curate.near_duplicates(threshold=0.7)] * 2,
    "several": [
        curate.length(least=9),
        curate.exact_duplicates(),
        curate.near_duplicates(threshold=0.7),
        curate.by_column("stars", most=4),
        curate.balanced(["label", "stars"]),
    ],
}


def by_id(table: Any) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in tables.records(table)}


def assert_same(large: Curation, memory: Curation) -> None:
    """Two curations keep the same rows in the same order, and drop the others for one reason."""
    kept = large.kept.load()
    assert tables.records(kept) == tables.records(memory.kept)
    assert by_id(large.dropped.load()) == by_id(memory.dropped)
    assert large.funnel == memory.funnel


@pytest.mark.parametrize("name", FILTERS)
def test_rows_and_reasons_are_those_in_memory(
    name: str, folder: Path, arrow: Any, tmp_path: Path
) -> None:
    large = apply_filters(folder, *FILTERS[name], to=tmp_path / "result")
    assert_same(large, curate.apply_filters(arrow, *FILTERS[name]))
    assert 0 < len(large.dropped) < len(arrow)


def test_a_duplicate_in_the_last_file_names_the_row_of_the_first(tmp_path: Path) -> None:
    rows = [{"id": str(at), "text": f"alpha beta gamma delta {at} {at * 7}"} for at in range(900)]
    rows[-1]["text"] = "Alpha beta gamma delta 0 0 extra"
    write_files(rows, tmp_path / "rows", files=5)
    found = apply_filters(tmp_path / "rows", curate.near_duplicates(), to=tmp_path / "result")
    assert tables.records(found.dropped.load())[-1]["why"] == "near-duplicate: of 0, Jaccard 0.83"


def test_rows_without_ids_get_those_that_they_have_in_memory(
    rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    plain = [{"text": row["text"], "stars": row["stars"]} for row in rows[:900]] * 2
    write_files(plain, tmp_path / "rows")
    large = apply_filters(tmp_path / "rows", curate.length(least=12), to=tmp_path / "result")
    assert_same(
        large, curate.apply_filters(pyarrow.Table.from_pylist(plain), curate.length(least=12))
    )


def test_ids_that_occur_twice_are_refused(tmp_path: Path) -> None:
    rows = [{"id": str(at % 399), "text": "soup"} for at in range(400)]
    write_files(rows, tmp_path / "rows")
    with pytest.raises(
        TableError,
        match=r"'0' occurs twice: in \S+0\.parquet, row 0, and in \S+6\.parquet, row 51\.",
    ):
        apply_filters(tmp_path / "rows", curate.length(least=1), to=tmp_path / "result")


def test_a_folder_that_cannot_be_written_is_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match=r"cannot be written: .*Name another folder"):
        apply_filters(folder, curate.length(least=1), to=tmp_path / "file" / "result")


def test_filters_that_need_all_rows_at_once_are_refused_before_any_work(
    folder: Path, tmp_path: Path
) -> None:
    own = Filter("above the mean", lambda table: [""] * tables.size(table))
    meaning = curate.semantic_duplicates(lambda texts: [[1.0]] * len(texts))
    for filter in (own, meaning, curate.no_label_noise("label")):
        with pytest.raises(UsageError, match="compares all rows at once"):
            apply_filters(folder, curate.length(least=3), filter, to=tmp_path / "result")
    assert not (tmp_path / "result").exists()


def test_a_failing_filter_names_the_file_and_leaves_the_earlier_result(
    folder: Path, tmp_path: Path
) -> None:
    before = apply_filters(folder, curate.length(least=9), to=tmp_path / "result")
    broken = curate.row_filter(lambda row: row["missing"] > 3)
    with pytest.raises(UsageError, match=r"0\.parquet, from row 0: row 0: KeyError"):
        apply_filters(folder, broken, to=tmp_path / "result")
    assert len(open_table(tmp_path / "result" / "kept")) == len(before.kept)
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_an_error_names_the_place_of_its_rows(folder: Path, tmp_path: Path) -> None:
    no_number = curate.sample_by_score("label", n=3)
    with pytest.raises(UsageError, match=r"0\.parquet, from row 0: row 1: expected a number"):
        apply_filters(folder, no_number, to=tmp_path / "result")
    with pytest.raises(UsageError, match=r"^from row 0 of those kept so far, with the id 'row-0'"):
        apply_filters(folder, curate.exact_duplicates(), no_number, to=tmp_path / "result")
    with pytest.raises(TableError, match=r"0\.parquet, from row 0: column 'txt' not found"):
        apply_filters(folder, curate.length(column="txt", least=1), to=tmp_path / "result")
    with pytest.raises(UsageError, match=r"0\.parquet, from row 0: prefer needs a column of num"):
        apply_filters(folder, curate.exact_duplicates(prefer="label"), to=tmp_path / "result")


def test_a_cell_that_is_not_a_number_is_missing_as_in_memory(tmp_path: Path) -> None:
    nan = float("nan")
    table = pyarrow.table({"id": list("abcdef"), "n": pyarrow.array([1.0, nan, nan, 1.0, None, 3])})
    parquet.write_table(table, tmp_path / "rows.parquet")
    filter = curate.exact_duplicates(column="n")
    large = apply_filters(tmp_path / "rows.parquet", filter, to=tmp_path / "result")
    assert_same(large, curate.apply_filters(table, filter))


def test_a_result_is_replaced_but_no_other_folder(folder: Path, tmp_path: Path) -> None:
    for least in (9, 12):
        found = apply_filters(folder, curate.length(least=least), to=tmp_path / "result")
    assert open_table(tmp_path / "result").files == found.kept.files
    facts = json.loads((tmp_path / "result" / "_synthkit.json").read_text())
    assert facts["funnel"][0]["kept"] == len(found.kept) == len(open_table(found.kept))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(UsageError, match="Choose another folder"):
        apply_filters(folder, curate.length(least=3), to=tmp_path / "mine")


def test_the_result_shows_its_funnel_and_its_rows(folder: Path, tmp_path: Path) -> None:
    found = apply_filters(folder, curate.length(least=9), to=tmp_path / "result")
    shown = str(curation_summary(found, name="rows"))
    assert f"{len(found.kept):,} kept, {len(found.dropped):,} dropped" in shown.replace(
        "\u202f", ","
    )
    assert "Parquet" in found.kept._repr_html_()


def test_rows_of_every_type_come_back_as_they_were(tmp_path: Path) -> None:
    table = pyarrow.table(
        {
            "id": pyarrow.array(range(40), pyarrow.int32()),
            "text": pyarrow.array([f"soup {at}" for at in range(40)], pyarrow.large_string()),
            "tags": [["a"] * (at % 3) for at in range(40)],
            "why": pyarrow.array(["mine"] * 40).dictionary_encode(),
        }
    )
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=7)
    found = apply_filters(
        tmp_path / "rows.parquet", curate.rows_where("id < 30"), to=tmp_path / "r"
    )
    assert found.kept.load().equals(table.slice(0, 30))
    assert found.dropped.column_names == ["id", "text", "tags", "why_2", "filter", "why"]
    assert found.dropped.schema.field("why_2").type == table.schema.field("why").type
