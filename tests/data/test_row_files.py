"""Rows of files: what is read, how far, and what a damaged file says."""

from __future__ import annotations

import gzip
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthkit.core import memory
from synthkit.core.errors import TableError, UsageError
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
    with pytest.raises(TableError, match=r"part3.jsonl, line 1: not JSON.*got 'damaged'"):
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
        ("f.jsonl", b'{"a": 1}\n{"a": \n', r"f.jsonl, line 2: not JSON: .*; got '\{\"a\":'"),
        ("f.jsonl", b'{"a": 1}\n[1]\n', r"line 2: expected a JSON object; got '\[1\]'"),
        ("f.jsonl", b'{"a": 1}\n{"a": "\xff"}', r"line 2: expected UTF-8; got 0xff at byte 7"),
        ("f.jsonl", b"[" * 100_000, r"line 1: not JSON"),
        ("f.json", b'{"a": 1}', r"expected a list of objects; got '\{\"a\": 1\}'.*ends in .jsonl"),
        ("f.json", b'[{"a": 1}, 2]', r"row 1: expected an object; got int"),
        ("f.json", b"[", r"f.json, row 0: not JSON"),
        (
            "f.json",
            b'[{"a": 1} {"a": 2}]',
            r"row 0: not JSON: expected ',' or '\]' after it",
        ),
        ("f.json", b'[{"a": 1},', r"f.json, row 1: not JSON"),
        ("f.csv", b"a,b\n1,2\n3\n", r"line 3: expected 2 cells \(a, b\); got 1"),
        ("f.csv", b"a;b\n1;2,3\n", r"expected 1 cell \(a;b\); got 2. .*read_csv\(..., sep=';'\)"),
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


def narrow(folder: Path, ending: str, n: int = 20_000) -> Path:
    """A file with rows of two small cells, of which few bytes are in the file."""
    file = folder / f"rows{ending}"
    rows = [{"a": at % 10, "b": at % 7} for at in range(n)]
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
        return file
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    if ending == ".json":
        text = json.dumps(rows)
    if ending == ".csv":
        text = "a,b\n" + "".join(f"{row['a']},{row['b']}\n" for row in rows)
    file.write_bytes(gzip.compress(text.encode()) if ending.endswith(".gz") else text.encode())
    return file


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".json", ".csv", ".parquet"])
def test_rows_that_would_not_fit_into_memory_are_refused_after_the_first(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20,000 dicts of 184 bytes and more need 15 MB; the files have less than 1 MB.

    How far a packed file is read is not known at once.
    """
    file = narrow(tmp_path, ending)
    read, reader = [], row_files.READERS[file.suffix if ending[-2:] != "gz" else ".jsonl"]

    def counted(path: Path) -> Any:
        for each in reader(path):
            read.append(each)
            yield each

    monkeypatch.setattr(row_files, "READERS", dict.fromkeys(row_files.READERS, counted))
    for free, most in ((2_000_000, 2_000_000 // (4 * 184)), (13_000_000, 13_000_000 // (4 * 184))):
        read.clear()
        little = memory.Memory(limit=free, free=free, source="a test")
        monkeypatch.setattr(row_files, "of_process", lambda little=little: little)
        with pytest.raises(UsageError, match=r"need about \d+ MB of memory.*--first N") as caught:
            row_files.read([file])
        assert len(read) < (1000 if ending != ".jsonl.gz" else most)
        (fits,) = re.findall(r"at most about ([\d,]+)", str(caught.value))
        fits = int(fits.replace(",", ""))
        assert most / 2 < fits < most
        assert len(row_files.read([file], fits)) == fits
        with pytest.raises(UsageError, match="--first N"):
            row_files.read([file], 20_000)
    monkeypatch.setattr(row_files, "of_process", lambda: memory.Memory(10**8, 10**8, "a test"))
    assert len(row_files.read([file])) == 20_000


def test_a_json_file_larger_than_memory_is_not_read_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = narrow(tmp_path, ".json")
    monkeypatch.setattr(row_files, "of_process", lambda: memory.Memory(10**5, 10**5, "a test"))
    monkeypatch.setattr(Path, "open", None)
    with pytest.raises(UsageError, match=r"rows.json has 0 MB.*Save it as .jsonl.*--first N"):
        row_files.read([file], 3)


def test_opened_reads_what_names_files_and_leaves_tables(tmp_path: Path) -> None:
    (tmp_path / "a1.csv").write_text("name\nfig\n")
    (tmp_path / "a2.csv").write_text("name\nplum\n")
    found = row_files.opened(str(tmp_path / "a*.csv"))
    assert found["name"].tolist() == ["fig", "plum"]
    assert found["id"].nunique() == 2
    assert row_files.opened(ROWS) is ROWS


def test_a_missing_file_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"no.jsonl does not exist; expected a file or a pattern"):
        row_files.matching(tmp_path / "no.jsonl")
    with pytest.raises(TableError, match="is a folder; name its files"):
        row_files.matching(tmp_path)
