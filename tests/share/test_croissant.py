"""Croissant metadata, validated and read by mlcroissant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from synthkit.core.errors import UsageError
from synthkit.share import croissant, save

TABLE = pd.DataFrame(
    {
        "id": ["a", "b", "c"],
        "text": ["x | y\n", "漢字", None],
        "n": [1, 2, 3],
        "share": [0.5, None, 2.0],
        "good": [True, False, True],
        "tags": [["u", "v"], [], ["w"]],
        "when": pd.to_datetime(["2024-01-02", "2024-01-03", "2024-02-01"]),
        "messages": [[{"role": "user", "content": "a"}]] * 3,
        "a b": ["q", "r", "s"],
        "a_b": ["t", "u", "v"],
    }
)


def read(folder: Path, part: str) -> list[dict[str, Any]]:
    import mlcroissant

    dataset = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    return list(dataset.records(part))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_records_are_read_back_by_the_metadata(tmp_path: Path) -> None:
    files = {}
    for part, rows in (("train", TABLE), ("held out", TABLE[:1])):
        files[part] = save(rows, tmp_path / f"{part}.parquet")
    made = croissant(files, name="reviews")
    (tmp_path / "croissant.json").write_text(json.dumps(made))
    records = read(tmp_path, "train")
    plain = [column for column in TABLE if column not in ("messages", "a_b")]
    assert list(records[0]) == [
        *(f"train/{column.replace(' ', '_')}" for column in plain),
        "train/a_b_",
    ]
    for record, row in zip(records, TABLE.to_dict("records"), strict=True):
        for column in plain:
            cell = record[f"train/{column.replace(' ', '_')}"]
            wanted = row[column].encode() if isinstance(row[column], str) else row[column]
            wanted = [tag.encode() for tag in wanted] if column == "tags" else wanted
            assert cell == wanted or (pd.isna(cell) and pd.isna(wanted))
    assert [record["held_out/id"] for record in read(tmp_path, "held_out")] == [b"a"]
    assert "also the nested columns messages" in made["recordSet"][0]["description"]


def test_files_are_named_from_their_common_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    files = {part: save(TABLE, tmp_path / part / "rows.parquet") for part in "ab"}
    made = croissant(files, name="two", url="https://example.org")
    assert [file["contentUrl"] for file in made["distribution"]] == [
        "a/rows.parquet",
        "b/rows.parquet",
    ]


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs files"):
        croissant({}, name="none")
    with pytest.raises(UsageError, match=r"missing.parquet is no file"):
        croissant({"a": tmp_path / "missing.parquet"}, name="none")
    with pytest.raises(UsageError, match="cannot be read as a Parquet file"):
        croissant({"a": save(TABLE, tmp_path / "rows.jsonl")}, name="none")
