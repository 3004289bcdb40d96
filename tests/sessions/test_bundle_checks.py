"""Bundles that are damaged, forged or dangerous are refused, and change nothing."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import struct
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import synthkit as sk
from synthkit.core.errors import StoreError
from synthkit.core.files import file_hash
from synthkit.sessions import bundle_import
from synthkit.store import store as store_module
from tests.sessions.contents import contents

Change = Callable[[Path], None]


def rewrite(path: Path, change: Callable[[dict[str, bytes]], None], *, honest: bool = True) -> None:
    """A bundle with its members changed, and its manifest made to fit if ``honest``."""
    with zipfile.ZipFile(path) as bundle:
        members = {name: bundle.read(name) for name in bundle.namelist()}
    change(members)
    if honest and "manifest.json" in members:
        manifest = json.loads(members["manifest.json"])
        for name in {*manifest["members"], *members} - {"manifest.json"}:
            if name not in members:
                del manifest["members"][name]
                continue
            scratch = path.with_suffix(".scratch")
            scratch.write_bytes(members[name])
            fits = {"bytes": len(members[name]), "blake2b": file_hash(scratch)}
            manifest["members"][name] = manifest["members"].get(name, {}) | fits
        members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in members.items():
            bundle.writestr(name, content)


def in_store(*statements: str) -> Change:
    """A change of the store in a bundle, under a manifest that fits."""

    def change(members: dict[str, bytes], path: Path) -> None:
        scratch = path.with_suffix(".sqlite")
        scratch.write_bytes(members["store.sqlite"])
        with closing(sqlite3.connect(scratch, isolation_level=None)) as db:
            for statement in statements:
                db.execute(statement)
        members["store.sqlite"] = scratch.read_bytes()
        scratch.unlink()

    return lambda path: rewrite(path, lambda members: change(members, path))


def put(name: str, content: bytes, *, honest: bool = True) -> Change:
    return lambda path: rewrite(path, lambda m: m.update({name: content}), honest=honest)


def manifest(**changes: Any) -> Change:
    def change(members: dict[str, bytes]) -> None:
        content = json.loads(members["manifest.json"]) | changes
        members["manifest.json"] = json.dumps(content).encode()

    return lambda path: rewrite(path, change, honest=False)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[2000] ^= 255
    path.write_bytes(content)


def symlink(path: Path) -> None:
    rewrite(path, lambda members: members.pop("tables/good.parquet"), honest=True)
    with zipfile.ZipFile(path, "a") as bundle:
        entry = zipfile.ZipInfo("tables/good.parquet")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        bundle.writestr(entry, "/etc/passwd")


def encrypted(path: Path) -> None:
    content = path.read_bytes()
    at = content.rfind(b"PK\x01\x02")
    flags = struct.unpack_from("<H", content, at + 8)[0] | 1
    path.write_bytes(content[: at + 8] + struct.pack("<H", flags) + content[at + 10 :])


def twice(path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as bundle:
        bundle.writestr("store.sqlite", b"SQLite format 3\0")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def no_manifest(path: Path) -> None:
    rewrite(path, lambda members: members.pop("manifest.json"))


def parquet(write: Callable[[Path], None]) -> Change:
    """A bundle with a table more."""

    def change(path: Path) -> None:
        file = path.with_suffix(".parquet")
        write(file)
        rewrite(path, lambda members: members.update({"tables/big.parquet": file.read_bytes()}))
        file.unlink()

    return change


def many_rows(path: Path) -> None:
    n = 10_000_000
    once = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array(["a" * 16]))
    with pq.ParquetWriter(path, pa.schema([("id", once.type)]), compression="zstd") as writer:
        for _ in range(6):
            writer.write_table(pa.table({"id": once}), row_group_size=n)


LONG = "x" * 200_000


def long_cells(path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"] * 2000, "text": [LONG] * 2000}), path, compression="zstd")


def long_lists(path: Path) -> None:
    pq.write_table(pa.table({"texts": [[LONG] * 20] * 100}), path, compression="zstd")


def long_structs(path: Path) -> None:
    pq.write_table(pa.table({"texts": [{"a": {"b": LONG}}] * 2000}), path, compression="zstd")


def long_categories(path: Path) -> None:
    cells = pa.array([LONG] * 2000).dictionary_encode()
    pq.write_table(pa.table({"text": cells}), path, compression="zstd")


def zeros(path: Path) -> None:
    cells = pa.array(np.zeros(9_500_000, np.int64))
    table = pa.table({"m": cells, "n": cells})
    pq.write_table(table, path, compression="zstd", use_dictionary=False)


def long_list(path: Path) -> None:
    cells = pa.ListArray.from_arrays([0, 101_000_000], pa.array(np.zeros(101_000_000, np.int8)))
    pq.write_table(pa.table({"n": cells}), path, compression="zstd", use_dictionary=False)


LIKE = "'%a%a%a%a%a%a%a%a%a%a%a%ab'"
BOMB = bytes(50_000_000)
FORGED = "UPDATE completions SET request = replace(request, 'Say 1', 'Say 9')"
WRONG: dict[str, tuple[Change, str]] = {
    "cut": (cut, "not a bundle, or is damaged"),
    "a flipped bit": (flip, "damaged|BLAKE2b"),
    "not a zip": (lambda path: path.write_bytes(b"hello" * 99) and None, "not a bundle"),
    "empty": (lambda path: path.write_bytes(b"") and None, "not a bundle"),
    "a folder": (folder, "not a bundle"),
    "absent": (lambda path: path.unlink(), "no bundle at"),
    "no manifest": (no_manifest, "no manifest.json"),
    "a manifest that is no JSON": (put("manifest.json", b"{", honest=False), "damaged"),
    "a manifest that is a list": (put("manifest.json", b"[]", honest=False), "no format"),
    "a deep manifest": (put("manifest.json", b"[" * 99_999, honest=False), "damaged"),
    "a newer format": (manifest(format=99, synthkit="9.9"), r"newer synthkit \(9.9\)"),
    "a newer store": (manifest(store=99), "newer synthkit"),
    "no members": (manifest(members={}), "not those of its manifest"),
    "odd members": (manifest(members=[1]), "not those of its manifest"),
    "zip slip": (put("../evil.parquet", b"x"), "does not belong in a bundle"),
    "a deep zip slip": (put("tables/../../evil.parquet", b"x"), "does not belong in a bundle"),
    "an absolute name": (put("/tmp/evil.parquet", b"x"), "does not belong in a bundle"),
    "a backslash": (put("tables\\evil.parquet", b"x"), "does not belong in a bundle"),
    "a member more": (put("tables/x.py", b"x"), "does not belong in a bundle"),
    "a table that is not told": (put("tables/x.parquet", b"x", honest=False), "not those of"),
    "a symlink": (symlink, "not a plain file|not those of"),
    "encrypted": (encrypted, "not a plain file"),
    "a member twice": (twice, "members overlap"),
    "a bomb": (put("tables/x.parquet", BOMB), "would grow from"),
    "a store that is none": (put("store.sqlite", b"hello" * 2000), "store is damaged"),
    "another store": (put("store.sqlite", b"hello", honest=False), "not as long|BLAKE2b"),
    "a table that is none": (put("tables/good.parquet", b"PAR1 no"), "'good' cannot be read"),
    "a trigger": (
        in_store("CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM marks; END"),
        "holds a trigger",
    ),
    "a view": (
        in_store("DROP TABLE marks", "CREATE VIEW marks AS SELECT * FROM runs"),
        "holds a view",
    ),
    "a table more": (in_store("CREATE TABLE x (y)"), "holds a table of 'x'"),
    "a column more": (in_store("ALTER TABLE runs ADD COLUMN x"), "other columns"),
    "a generated column": (
        in_store("ALTER TABLE models ADD COLUMN g AS (hex(zeroblob(400000000)))"),
        "table 'models' is declared with 'g'",
    ),
    "a generated column in place of one": (
        in_store("DROP TABLE models", "CREATE TABLE models (fingerprint TEXT, name AS ('x'))"),
        "table models has other columns",
    ),
    "a constraint that never ends": (
        in_store(
            "PRAGMA ignore_check_constraints = 1",
            "DROP TABLE models",
            f"CREATE TABLE models (fingerprint TEXT, name TEXT CHECK (name NOT LIKE {LIKE}))",
            f"INSERT INTO models VALUES ('x', '{'a' * 3000}')",
        ),
        "declared with 'CHECK'",
    ),
    "an index on an expression": (
        in_store("CREATE INDEX x ON models (length(hex(zeroblob(1000))))"),
        "index 'x' is declared with 'length'",
    ),
    "a partial index": (
        in_store("CREATE INDEX x ON models (name) WHERE name > 'a'"),
        "declared with 'WHERE'",
    ),
    "a table without row numbers": (
        in_store(
            "DROP TABLE models",
            "CREATE TABLE models (fingerprint TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID",
        ),
        "declared with 'WITHOUT'",
    ),
    "a default that is computed": (
        in_store(
            "DROP TABLE models",
            "CREATE TABLE models (fingerprint TEXT, name TEXT DEFAULT (hex(zeroblob(9))))",
        ),
        "declared with 'hex'",
    ),
    "sixty million rows": (parquet(many_rows), "60000000 rows; expected at most"),
    "two thousand long cells": (parquet(long_cells), "bytes in memory"),
    "long cells in lists": (parquet(long_lists), "bytes in memory"),
    "long cells in a struct": (parquet(long_structs), "bytes in memory"),
    "long cells as categories": (parquet(long_categories), "bytes in memory"),
    "long cells in zeros": (parquet(zeros), "bytes in its pages"),
    "a long list": (parquet(long_list), "values in a column"),
    "a newer store inside": (in_store("PRAGMA user_version = 99"), "format 99"),
    "a forged answer": (in_store(FORGED), "belongs to another request"),
    "a request that is none": (in_store("UPDATE completions SET request = '[]'"), "damaged"),
    "a tool call that is none": (
        in_store("""UPDATE completions SET tool_calls = '[{"name": 7}]'"""),
        "tool call cannot",
    ),
    "a control code in how it was made": (
        in_store("UPDATE completions SET how = char(27) || '[2J'"),
        "how it was made",
    ),
    "text for a number": (in_store("UPDATE runs SET rows = 'many'"), "runs.rows holds 'many'"),
    "no time at all": (in_store("UPDATE marks SET at = 9e999"), "marks.at holds 'inf'"),
    "a ledger that is none": (in_store("UPDATE runs SET ledger = '[1]'"), "ledger of a run cannot"),
    "a ledger of texts": (
        in_store("""UPDATE runs SET ledger = '{"requests": "x"}'"""),
        "requests 'x'",
    ),
    "more tokens than can be added": (
        in_store("UPDATE completions SET prompt_tokens = 4611686018427387904"),
        "prompt_tokens of a completion is 4611686018427387904",
    ),
    "less than no tokens": (
        in_store("UPDATE completions SET completion_tokens = -1"),
        "completion_tokens of a completion is -1",
    ),
    "more seconds than any": (
        in_store("UPDATE completions SET seconds = 1e300"),
        "seconds of a completion is 1e",
    ),
    "less than no rows": (in_store("UPDATE runs SET rows = -5"), "rows of a run is -5"),
    "a ledger below zero": (
        in_store("UPDATE runs SET ledger = json_set(ledger, '$.prompt_tokens', -5)"),
        "prompt_tokens of a run is -5",
    ),
    "a ledger of 1e308": (
        in_store("UPDATE runs SET ledger = json_set(ledger, '$.seconds', 1e308)"),
        "seconds of a run is 1e",
    ),
    "a line with a line break": (
        in_store("UPDATE run_rows SET line = 'x' || char(10) || '!touch pwned'"),
        "line of a cell has a line break",
    ),
    "a strange act": (in_store("UPDATE marks SET act = 'eat'"), "act of a mark is 'eat'"),
    "half a row id": (in_store("UPDATE run_rows SET made = x'00'"), "rows of a run cannot"),
    "a lab that is none": (
        in_store("UPDATE labs SET body = '7'"),
        "the lab 'tone' cannot be read: it is not an object",
    ),
    "scores that are none": (in_store("UPDATE evaluations SET body = '[]'"), "an evaluation"),
    "rows that are none": (in_store("UPDATE evaluations SET rows = x'00'"), "an evaluation"),
    "a filter that is none": (in_store("UPDATE filters SET body = '[]'"), "a learned filter"),
    "a funnel that is none": (
        in_store("UPDATE curations SET funnel = '[[\"x\", 1.5, 0, {}]]'"),
        "funnel of a curation",
    ),
}


@pytest.mark.parametrize("wrong", list(WRONG))
def test_a_wrong_bundle_is_refused_and_changes_nothing(
    other: sk.Session, session: sk.Session, bundle: Path, wrong: str
) -> None:
    change, why = WRONG[wrong]
    change(bundle)
    other.save("mine", [{"id": "m"}])
    before, outside = contents(other), sorted(other.folder.parent.iterdir())
    with pytest.raises(StoreError, match=why):
        other.import_bundle(bundle)
    assert contents(other) == before
    assert sorted(other.folder.parent.iterdir()) == outside


def test_a_bundle_larger_than_the_disk_is_refused(
    other: sk.Session, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="more than the 0 bytes that are free"):
        other.import_bundle(bundle)


def test_a_store_that_is_locked_changes_nothing(
    other: sk.Session, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "PATIENCE", 0.05)
    before = contents(other)
    with closing(sqlite3.connect(other.store.path, isolation_level=None)) as busy:
        busy.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked by another process"):
            other.import_bundle(bundle)
        busy.execute("ROLLBACK")
    assert contents(other) == before


def test_a_disk_that_fills_up_changes_nothing(
    other: sk.Session, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real = contents(other), os.replace

    def full(source: Any, target: Any) -> None:
        if Path(target).stem == "replies":
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(bundle_import.os, "replace", full)
    with pytest.raises(StoreError, match=r"nothing was imported.*No space"):
        other.import_bundle(bundle)
    assert contents(other) == before
