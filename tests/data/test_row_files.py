"""Rows of files: what is read, how far, and what a damaged file says."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthkit.core.errors import TableError
from synthkit.data import row_files

ROWS = [{"name": "fig", "price": 3}, {"name": "plum", "price": 4}, {"name": "pear", "price": 5}]
JSONL = (
    '{"name": "fig", "price": 3}\n\n{"name": "plum", "price": 4}\n{"name": "pear", "price": 5}\n'
)
TEXTS = {
    "f.jsonl": JSONL.encode(),
    "bom.ndjson": b"\xef\xbb\xbf" + JSONL.replace("\n", "\r\n").encode(),
    "f.jsonl.gz": gzip.compress(JSONL.encode(), mtime=0),
    "f.json": b'[{"name": "fig", "price": 3}, {"name": "plum", "price": 4},'
    b' {"name": "pear", "price": 5}]',
    "f.csv": b'name,price\nfig,3\n"plum",4\n\npear,5',
    "f.tsv": b"name\tprice\r\nfig\t3\r\nplum\t4\r\npear\t5\r\n",
}


def read(folder: Path, name: str, content: bytes, first: int | None = None) -> list[dict[str, Any]]:
    (folder / name).write_bytes(content)
    return row_files.read(row_files.matching(folder / name), first)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("first", [None, 2])
def test_each_format_gives_the_same_rows(name: str, first: int | None, tmp_path: Path) -> None:
    assert read(tmp_path, name, TEXTS[name], first) == ROWS[:first]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    cells = {"day": [date(2026, 1, 2), None], "tags": [["a"], []], "n": [1, None]}
    pq.write_table(pa.table(cells), tmp_path / "days.parquet")
    assert row_files.read([tmp_path / "days.parquet"]) == [
        {"day": date(2026, 1, 2), "tags": ["a"], "n": 1},
        {"day": None, "tags": [], "n": None},
    ]


def test_a_pattern_reads_its_files_in_order_and_no_further_than_needed(tmp_path: Path) -> None:
    for at in range(3):
        (tmp_path / f"part{at}.jsonl").write_text(f'{{"at": {at}}}\n{{"at": {at + 10}}}\n')
    (tmp_path / "part3.jsonl").write_text("damaged")
    files = row_files.matching(tmp_path / "part*.jsonl")
    assert [row["at"] for row in row_files.read(files, 5)] == [0, 10, 1, 11, 2]
    with pytest.raises(TableError, match=r"part3.jsonl, line 1: no JSON.*got 'damaged'"):
        row_files.read(files)


def test_no_digit_of_a_csv_is_lost(tmp_path: Path) -> None:
    table = b"zip,price,mixed,n,long,odd\n007,1.50,3,1,12345678901234567890,inf\n12,2,2.5,,2,nan\n"
    assert read(tmp_path, "f.csv", table) == [
        {"zip": "007", "price": "1.50", "mixed": 3, "n": 1, "long": 12345678901234567890,
         "odd": "inf"},
        {"zip": "12", "price": "2", "mixed": 2.5, "n": None, "long": 2, "odd": "nan"},
    ]  # fmt: skip


def test_a_large_cell_and_a_line_end_within_a_cell_are_read(tmp_path: Path) -> None:
    large = "é" * 5_000_000
    assert read(tmp_path, "f.csv", f'a,b\n{large},"x\ny"\n'.encode()) == [{"a": large, "b": "x\ny"}]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("f.jsonl", b'{"a": 1}\n{"a": \n', r"f.jsonl, line 2: no JSON: .*; got '\{\"a\":'"),
        ("f.jsonl", b'{"a": 1}\n[1]\n', r"line 2: expected a JSON object; got '\[1\]'"),
        ("f.jsonl", b'{"a": 1}\n{"a": "\xff"}', r"line 2: expected UTF-8; got 0xff at byte 7"),
        ("f.jsonl", b"[" * 100_000, r"line 1: no JSON"),
        ("f.json", b'{"a": 1}', r"expected a list of objects; got dict.*ends in .jsonl"),
        ("f.json", b'[{"a": 1}, 2]', r"row 1: expected an object; got int"),
        ("f.json", b"[", r"f.json: no JSON"),
        ("f.csv", b"a,b\n1,2\n3\n", r"line 3: expected 2 cells \(a, b\); got 1"),
        ("f.csv", b'a,b\n1,"2\n3,4\n', r"line 3: unexpected end of data"),
        ("f.csv", b"a,a\n1,2\n", r"line 1: two columns are named 'a'"),
        ("f.parquet", b"PAR1 no", r"f.parquet, after row 0: no Parquet, or damaged"),
        ("f.jsonl.gz", b"no gzip", r"cannot be read: Not a gzipped file"),
        (
            "f.jsonl.gz",
            gzip.compress(b'{"a": 1}\n' * 99, mtime=0)[:30],
            r"cannot be read: Compressed file",
        ),
        ("f.xlsx", b"", r"expected a file that ends in .parquet, .jsonl"),
    ],
)
def test_a_damaged_file_says_where(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=says):
        read(tmp_path, name, content)


def test_a_missing_file_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"no.jsonl does not exist; expected a file or a pattern"):
        row_files.matching(tmp_path / "no.jsonl")
    with pytest.raises(TableError, match="is a folder; name its files"):
        row_files.matching(tmp_path)
