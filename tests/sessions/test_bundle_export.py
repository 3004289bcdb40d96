"""Bundles: out of one session, into another, and nothing of what is not whole or not ours."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import StoreError, TableError, UsageError
from synthkit.core.types import Mark
from synthkit.curate import by_column
from synthkit.curate.marks.history import standing
from synthkit.sessions import bundle_import
from synthkit.sessions.bundle_export import file_hash
from synthkit.sessions.curations import put_filter

Change = Callable[[Path], None]


def fill(session: sk.Session, model: Any = None) -> None:
    """Two generations, a filtered table, marks and a lab."""
    fake = model or sk.Fake()
    said = sk.generate("Say {{ i }}.", rows={"i": [1, 2, 3]}, model=fake, session=session,
                       name="said").table  # fmt: skip
    sk.generate("Answer {{ text }}", rows=said, model=fake, session=session, output="reply",
                name="replies")  # fmt: skip
    session.save("good", said.iloc[:2])
    marks = [Mark(id=id, label="accept", by="ana", at=10.0 + n) for n, id in enumerate(said["id"])]
    session.store.add_marks(marks)
    session.store.put_lab("tone", {"variants": ["a"]})
    session.curate(said, by_column("i", most=2), name="said")
    put_filter(session.store, "polite", {"threshold": 0.5})
    session.evaluate(said, name="said", column="text", metrics=["distinct-2", "accept rate"])


def drafted(row: dict[str, Any]) -> Any:
    """A text in two drafts: each row rests on two answers."""
    (draft,) = yield [sk.recipes.user(f"Draft {row['i']}.")]
    (final,) = yield [sk.recipes.user(f"Rewrite: {draft.text}")]
    return {"text": final.text}


@pytest.fixture
def other(tmp_path: Path) -> Iterator[sk.Session]:
    with sk.Session(tmp_path / "other") as opened:
        yield opened


@pytest.fixture
def bundle(session: sk.Session, tmp_path: Path) -> Path:
    fill(session)
    return session.export(tmp_path / "bundle.zip")


def held(session: sk.Session) -> Any:
    """All that a session holds."""
    with session.store.transaction(write=False) as db:
        names = ("completions", "models", "runs", "run_rows", "origins", "marks", "labs",
                 "curations", "verdicts", "filters", "evaluations")  # fmt: skip
        rows = {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in names}
    files = {p.name: p.read_bytes() for p in sorted(session.folder.rglob("*.parquet"))}
    return rows, files, sorted(p.name for p in session.folder.iterdir())


def test_a_session_comes_in_whole_and_twice_adds_nothing(
    session: sk.Session, other: sk.Session, bundle: Path
) -> None:
    done = other.import_bundle(bundle)
    assert (
        str(done) == "6 answers, 2 runs, 3 marks, 3 tables, 1 lab, 1 curation, 1 filter, "
        "1 evaluation"
    )
    assert other.names() == session.names() == ["good", "replies", "said"]
    assert other.store.marks() == session.store.marks()
    assert other.lineage().equals(session.lineage())
    once = held(other)
    assert str(other.import_bundle(bundle)) == "nothing that was not here already"
    assert held(other) == once
    fake = sk.Fake()
    again = sk.generate("Say {{ i }}.", rows={"i": [1, 2, 3]}, model=fake, session=other)
    assert (fake.asked, again.ledger.hits) == ([], 3)
    assert other.store.run_rows(1) == session.store.run_rows(1)


def test_the_same_content_gives_the_same_bytes(session: sk.Session, tmp_path: Path) -> None:
    fill(session)
    one, two = session.export(tmp_path / "one"), session.export(tmp_path / "two.zip")
    assert one.name == "one.zip"
    assert one.read_bytes() == two.read_bytes()
    told = json.loads(zipfile.ZipFile(one).read("manifest.json"))
    counts = {"completions": 6, "labs": 1, "marks": 3, "runs": 2, "tables": 3}
    assert told["counts"] == counts | {"curations": 1, "filters": 1, "evaluations": 1}


def test_no_key_and_no_folder_of_ours_is_in_a_bundle(
    session: sk.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    fill(session)
    model = sk.load_model(
        "openai:m",
        base_url="http://127.0.0.1:9/v1",
        api_key_env="MY_KEY",
        default_query={"api-version": "1", "api-key": "sk-very-secret"},
    )
    request = sk.plan("Hi.", model=model, session=session).first_requests()[0]
    payload = request.payload(model.fingerprint)
    session.store.put(request.key(model.fingerprint), payload, sk.core.types.Completion("Ho."))
    session.store.add_model(model.fingerprint, model.name)
    planned = sk.plan("Hi.", model=sk.Fake(), session=session, name="hi")
    line = f"hi --schema {tmp_path}/deep/schema.json --vary a=x/y --model fake"
    replace(planned, line=line).run()
    path = session.export(tmp_path / "bundle.zip")
    with zipfile.ZipFile(path) as bundle:
        content = b"".join(bundle.read(name) for name in bundle.namelist())
    for secret in ("sk-very-secret", "MY_KEY", str(tmp_path), os.environ["HOME"] + "/"):
        assert secret.encode() not in content
    assert b"hi --schema schema.json --vary a=x/y --model fake" in content


def test_some_tables_go_with_what_they_rest_on_and_no_more(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    fill(session)
    sk.generate("Secret.", model=sk.Fake(name="other"), session=session, name="secret")
    path = session.export(tmp_path / "part", ["good"])
    assert str(other.import_bundle(path)) == "2 answers, 2 marks, 1 table, 1 curation"
    assert other.names() == ["good"]
    assert list(other.store.models().values()) == ["fake"]
    row = other.load("good")["id"][0]
    assert other.trace(row)[0].request["messages"] == [["user", "Say 1."]]
    assert b"Secret." not in zipfile.ZipFile(path).read("store.sqlite")
    with pytest.raises(TableError, match="'goods' not found"):
        session.export(tmp_path / "x", ["goods"])


def test_an_export_is_whole_or_not_there(
    session: sk.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(session)
    path = tmp_path / "there.zip"
    path.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        session.export(path)
    for wrong in (tmp_path, tmp_path / "absent" / "x.zip"):
        with pytest.raises(UsageError, match=r"is a folder|does not exist"):
            session.export(wrong)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"cannot be written.*No space"):
        session.export(path, over=True)
    assert path.read_text() == "mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["there.zip", "work"]
    monkeypatch.undo()
    assert zipfile.is_zipfile(session.export(path, over=True))


def test_an_export_while_another_kernel_writes_is_of_one_moment(
    session: sk.Session, tmp_path: Path
) -> None:
    code = """
import sys, synthkit as sk
with sk.Session(sys.argv[1]) as session:
    print("open", flush=True)
    for run in range(1000):
        rows = {"i": list(range(5))}
        sk.generate(f"{run} {{{{ i }}}}", rows=rows, model=sk.Fake(), session=session, name="busy")
"""
    writer = subprocess.Popen(
        [sys.executable, "-c", code, session.folder], stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        while not session.names():
            pass
        paths = [session.export(tmp_path / f"{n}.zip") for n in range(5)]
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.communicate()
    for n, path in enumerate(paths):
        with sk.Session(tmp_path / f"copy{n}") as copy:
            copy.import_bundle(path)
            runs = len(copy.store.runs())
            assert runs > 0
            assert copy.store.count() >= 5 * runs


def test_what_is_here_stays_and_the_other_comes_beside_it(
    session: sk.Session, other: sk.Session, bundle: Path
) -> None:
    other.save("said", [{"id": "mine"}])
    other.store.put_lab("tone", {"variants": ["mine"]})
    done = other.import_bundle(bundle)
    assert done.tables == {"good": "good", "replies": "replies", "said": "said-2"}
    assert done.labs == {"tone": "tone-2"}
    assert "said came in as said-2, since another table has its name" in str(done)
    assert other.load("said")["id"].tolist() == ["mine"]
    assert len(other.load("said-2")) == 3
    assert other.store.lab("tone") == {"variants": ["mine"]}
    assert str(other.import_bundle(bundle)) == "nothing that was not here already"


def test_marks_go_in_by_their_time_so_that_the_last_one_stands(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    session.store.add_marks([Mark(id="a", label="accept", by="ana", at=10.0)])
    path = session.export(tmp_path / "old.zip")
    other.store.add_marks([Mark(id="b", label="accept", by="ana", at=5.0)])
    (newer,) = other.store.add_marks([Mark(id="a", label="reject", by="ana", at=20.0)])
    assert other.import_bundle(path).marks == 1
    marks = other.store.marks()
    assert [(mark.id, mark.label) for mark in marks] == [
        ("b", "accept"),
        ("a", "accept"),
        ("a", "reject"),
    ]
    assert standing(marks)["", 1, "ana", "a"] == newer
    assert len({mark.step for mark in marks}) == 3
    (next_,) = other.store.add_marks([Mark(id="c", label="accept", by="ana", at=30.0)])
    assert next_.step > max(mark.step for mark in marks)
    assert other.store.marks()[-1] == next_


def test_a_step_stays_one_step_and_its_undo_with_it(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    both = [Mark(id=id, label="accept", by="ana", at=1.0) for id in "ab"]
    step = session.store.add_marks(both)[0].step
    undone = [Mark(id=id, by="ana", at=2.0, act="undo", step=step) for id in "ab"]
    session.store.add_marks(undone)
    other.store.add_marks([Mark(id="z", label="accept", by="ana", at=0.5)])
    other.import_bundle(session.export(tmp_path / "x.zip"))
    steps = [mark.step for mark in other.store.marks() if mark.id != "z"]
    assert len(steps) == 4
    assert len(set(steps)) == 1
    assert steps[0] != other.store.marks()[0].step


def rewrite(path: Path, change: Callable[[dict[str, bytes]], None], *, honest: bool = True) -> None:
    """A bundle with its members changed, and its manifest made to fit if ``honest``."""
    with zipfile.ZipFile(path) as bundle:
        members = {name: bundle.read(name) for name in bundle.namelist()}
    change(members)
    if honest and "manifest.json" in members:
        told = json.loads(members["manifest.json"])
        for name in {*told["members"], *members} - {"manifest.json"}:
            if name not in members:
                del told["members"][name]
                continue
            scratch = path.with_suffix(".scratch")
            scratch.write_bytes(members[name])
            fits = {"bytes": len(members[name]), "blake2b": file_hash(scratch)}
            told["members"][name] = told["members"].get(name, {}) | fits
        members["manifest.json"] = json.dumps(told).encode()
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
        told = json.loads(members["manifest.json"]) | changes
        members["manifest.json"] = json.dumps(told).encode()

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


BOMB = bytes(50_000_000)
FORGED = "UPDATE completions SET request = replace(request, 'Say 1', 'Say 9')"
WRONG: dict[str, tuple[Change, str]] = {
    "cut": (cut, "no bundle, or is damaged"),
    "a flipped bit": (flip, "damaged|BLAKE2b"),
    "not a zip": (lambda path: path.write_bytes(b"hello" * 99) and None, "no bundle"),
    "empty": (lambda path: path.write_bytes(b"") and None, "no bundle"),
    "a folder": (folder, "no bundle"),
    "absent": (lambda path: path.unlink(), "no bundle at"),
    "no manifest": (no_manifest, "no manifest.json"),
    "a manifest that is no JSON": (put("manifest.json", b"{", honest=False), "damaged"),
    "a manifest that is a list": (put("manifest.json", b"[]", honest=False), "no format"),
    "a deep manifest": (put("manifest.json", b"[" * 99_999, honest=False), "damaged"),
    "a newer format": (manifest(format=99, synthkit="9.9"), r"newer synthkit \(9.9\)"),
    "a newer store": (manifest(store=99), "newer synthkit"),
    "no members": (manifest(members={}), "not those of its manifest"),
    "odd members": (manifest(members=[1]), "not those of its manifest"),
    "zip slip": (put("../evil.parquet", b"x"), "no member of a bundle"),
    "a deep zip slip": (put("tables/../../evil.parquet", b"x"), "no member of a bundle"),
    "an absolute name": (put("/tmp/evil.parquet", b"x"), "no member of a bundle"),
    "a backslash": (put("tables\\evil.parquet", b"x"), "no member of a bundle"),
    "a member more": (put("tables/x.py", b"x"), "no member of a bundle"),
    "a table that is not told": (put("tables/x.parquet", b"x", honest=False), "not those of"),
    "a symlink": (symlink, "no plain file|not those of"),
    "encrypted": (encrypted, "no plain file"),
    "a member twice": (twice, "lie over each other"),
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
    "a newer store inside": (in_store("PRAGMA user_version = 99"), "format 99"),
    "a forged answer": (in_store(FORGED), "belongs to another request"),
    "a request that is none": (in_store("UPDATE completions SET request = '[]'"), "damaged"),
    "text for a number": (in_store("UPDATE runs SET rows = 'many'"), "runs.rows holds 'many'"),
    "no time at all": (in_store("UPDATE marks SET at = 9e999"), "marks.at holds 'inf'"),
    "a ledger that is none": (in_store("UPDATE runs SET ledger = '[1]'"), "ledger cannot"),
    "a ledger of texts": (
        in_store("""UPDATE runs SET ledger = '{"requests": "x"}'"""),
        "requests is 'x'",
    ),
    "a strange act": (in_store("UPDATE marks SET act = 'eat'"), "act is 'eat'"),
    "half a row id": (in_store("UPDATE run_rows SET made = x'00'"), "rows cannot be read"),
    "a lab that is none": (in_store("UPDATE labs SET body = '7'"), "a lab cannot"),
    "scores that are none": (in_store("UPDATE evaluations SET body = '[]'"), "an evaluation"),
    "rows that are none": (in_store("UPDATE evaluations SET rows = x'00'"), "an evaluation"),
    "a filter that is none": (in_store("UPDATE filters SET body = '[]'"), "a learned filter"),
    "a funnel that is none": (
        in_store("UPDATE curations SET funnel = '[[\"x\", 1.5, 0, {}]]'"),
        "a curation's funnel",
    ),
}


@pytest.mark.parametrize("wrong", list(WRONG))
def test_what_is_not_whole_or_not_ours_is_refused_and_changes_nothing(
    other: sk.Session, session: sk.Session, bundle: Path, wrong: str
) -> None:
    change, why = WRONG[wrong]
    change(bundle)
    other.save("mine", [{"id": "m"}])
    before, outside = held(other), sorted(other.folder.parent.iterdir())
    with pytest.raises(StoreError, match=why):
        other.import_bundle(bundle)
    assert held(other) == before
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
    monkeypatch.setattr(bundle_import, "PATIENCE", 0.05)
    before = held(other)
    with closing(sqlite3.connect(other.store.path, isolation_level=None)) as busy:
        busy.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="held by another program"):
            other.import_bundle(bundle)
        busy.execute("ROLLBACK")
    assert held(other) == before


def test_a_disk_that_fills_up_changes_nothing(
    other: sk.Session, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real = held(other), os.replace

    def full(source: Any, target: Any) -> None:
        if Path(target).stem == "replies":
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(bundle_import.os, "replace", full)
    with pytest.raises(StoreError, match=r"nothing was imported.*No space"):
        other.import_bundle(bundle)
    assert held(other) == before


def test_odd_texts_survive_the_way(session: sk.Session, other: sk.Session, tmp_path: Path) -> None:
    odd = "a\0b\ud800 日本 \U0001f600"
    model = sk.Fake(lambda request: odd)
    sk.generate("{{ x }}", rows={"x": ["日本", "<b>"]}, model=model, session=session)
    other.import_bundle(session.export(tmp_path / "odd.zip"))
    assert held(other)[0]["completions"] == held(session)[0]["completions"]
    row = held(session)[0]["run_rows"][0][3].hex()[:16]
    assert other.trace(row)[0].completion.text == odd


@pytest.mark.parametrize("tables", [None, ["drafts"]])
def test_rows_of_several_answers_come_with_all_of_them(
    session: sk.Session, other: sk.Session, tmp_path: Path, tables: list[str] | None
) -> None:
    fill(session)
    run = sk.generate(
        drafted, rows=[{"i": 1}, {"i": 2}], model=sk.Fake(), session=session, name="drafts"
    )
    other.import_bundle(session.export(tmp_path / "drafts.zip", tables))
    assert other.store.count() == (10 if tables is None else 4)
    for id, text in run.table[["id", "text"]].itertuples(index=False):
        draft, final = other.trace(id)
        assert final.completion.text == text
        assert final.request["messages"][0][1] == f"Rewrite: {draft.completion.text}"


def test_a_bundle_whose_origins_are_odd_is_refused(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    sk.generate(drafted, rows=[{"i": 1}], model=sk.Fake(), session=session, name="drafts")
    with session.store.transaction() as db:
        db.execute("UPDATE origins SET keys = x'00'")
    with pytest.raises(StoreError, match="rests on cannot be read"):
        other.import_bundle(session.export(tmp_path / "odd.zip"))
