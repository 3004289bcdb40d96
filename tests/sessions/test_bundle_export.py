"""Export of bundles: complete or not at all, with nothing that should stay here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import StoreError, TableError, UsageError
from synthkit.core.types import Completion
from synthkit.sessions.annotator import Annotator
from synthkit.verify import verify
from tests.sessions.contents import fill

pytestmark = pytest.mark.usefixtures("each_store")


def test_the_same_content_gives_the_same_bytes(session: sk.Session, tmp_path: Path) -> None:
    fill(session)
    one, two = session.export(tmp_path / "one"), session.export(tmp_path / "two.zip")
    assert one.name == "one.zip"
    assert one.read_bytes() == two.read_bytes()
    manifest = json.loads(zipfile.ZipFile(one).read("manifest.json"))
    counts = {"completions": 6, "labs": 1, "marks": 3, "runs": 2, "tables": 3}
    assert manifest["counts"] == counts | {"curations": 1, "filters": 1, "evaluations": 1}


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
    request = sk.plan("Hi.", model=model, session=session).requests[0]
    payload = request.payload(model.fingerprint)
    session.store.completions.put(request.key(model.fingerprint), payload, Completion("Ho."))
    session.store.models.add(model.fingerprint, model.name)
    planned = sk.plan("Hi.", model=sk.Fake(), session=session, name="hi")
    line = f"hi --schema {tmp_path}/deep/schema.json --vary a=x/y --model fake"
    replace(planned, line=line).run()
    (tmp_path / "rows of mine.jsonl").write_text('{"a": 1}')
    sk.generate("{{ a }}", rows=tmp_path / "rows of mine.jsonl", model=sk.Fake(),
                session=session, name="read")  # fmt: skip
    path = session.export(tmp_path / "bundle.zip")
    with zipfile.ZipFile(path) as bundle:
        content = b"".join(bundle.read(name) for name in bundle.namelist())
    for secret in ("sk-very-secret", "MY_KEY", str(tmp_path), os.environ["HOME"] + "/"):
        assert secret.encode() not in content
    assert b"rows of mine.jsonl" in content
    assert b"hi --schema schema.json --vary a=x/y --model fake" in content


def test_an_export_of_some_tables_has_what_they_need_and_no_more(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    fill(session)
    sk.generate("Secret.", model=sk.Fake(name="other"), session=session, name="secret")
    path = session.export(tmp_path / "part", ["good"])
    assert str(other.import_bundle(path)) == "2 completions, 2 marks, 1 table, 1 curation"
    assert other.names() == ["good"]
    assert list(other.store.models.names().values()) == ["fake"]
    row = other.load("good")["id"][0]
    assert other.trace(row)[0].request["messages"] == [["user", "Say 1."]]
    assert b"Secret." not in zipfile.ZipFile(path).read("store.sqlite")
    with pytest.raises(TableError, match="'goods' not found"):
        session.export(tmp_path / "x", ["goods"])


def test_an_export_is_complete_or_not_there(
    session: sk.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(session)
    path = tmp_path / "there.zip"
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        session.export(path)
    for wrong in (tmp_path, tmp_path / "absent" / "x.zip"):
        with pytest.raises(UsageError, match=r"is a folder|does not exist"):
            session.export(wrong)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"cannot be (written|opened).*No space"):
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
            runs = len(copy.store.runs.all())
            assert runs > 0
            assert copy.store.completions.count() >= 5 * runs


def test_a_prompt_with_a_key_is_refused(session: sk.Session, tmp_path: Path) -> None:
    prompt = "Use the key sk-proj-abcdEFGH1234ijklMNOP."
    sk.generate(prompt, model=sk.Fake(), session=session, name="said")
    with pytest.raises(UsageError, match="the prompt of run 1 said holds what looks like a key"):
        session.export(tmp_path / "b")
    assert list(tmp_path.glob("*.zip")) == []
    assert session.export(tmp_path / "b", allow_secrets=True).exists()


def test_marks_without_a_name_have_no_login_name(session: sk.Session) -> None:
    annotator = Annotator(session.store)
    annotator.write([replace(annotator.mark("a"), label="accept")])
    assert [mark.by for mark in session.marks()] == ["me"]


def test_figures_and_hashes_of_notebooks_are_in_a_bundle(
    session: sk.Session, tmp_path: Path
) -> None:
    fill(session)
    data = {"image/png": "iVBORw0KGgo=", "text/plain": "a figure"}
    cells = [
        {"cell_type": "markdown", "source": ["# Lesson"]},
        {"cell_type": "code", "source": ["1 + 1"], "outputs": [{"data": data}]},
    ]
    lesson = tmp_path / "my lesson.ipynb"
    lesson.write_text(json.dumps({"cells": cells}))
    path = session.export(tmp_path / "b", notebooks=[lesson])
    with zipfile.ZipFile(path) as bundle:
        assert bundle.read("figures/my_lesson-cell2-1.png") == b"\x89PNG\r\n\x1a\n"
        sealed = json.loads(bundle.read("seal.json"))["notebooks"]
    assert verify(path).checked["notebooks"] == 1
    cells[1]["outputs"] = []  # other outputs are no other notebook
    lesson.write_text(json.dumps({"cells": cells}))
    assert verify(path).agrees
    cells[1]["source"] = ["1 + 2"]
    lesson.write_text(json.dumps({"cells": cells}))
    (difference,) = verify(path).differences
    assert difference.where == "my lesson.ipynb, code cells"
    assert repr(sealed["my lesson.ipynb"]["cells"]) == difference.stored
    lesson.unlink()
    assert [each.what for each in verify(path).not_checked] == ["notebook my lesson.ipynb"]


@pytest.mark.parametrize("harm", ["all", "one bit"])
def test_a_damaged_table_is_named_and_keeps_no_other_from_an_export(
    session: sk.Session, other: sk.Session, tmp_path: Path, harm: str
) -> None:
    rows = sk.generate("Say {{ i }}.", rows={"i": list(range(300))}, model=sk.Fake("Of course."),
                       session=session, name="said").table  # fmt: skip
    sk.generate("Answer {{ text }}", rows=rows, output="reply", model=sk.Fake(), session=session,
                name="replies")  # fmt: skip
    (kept,) = (session.table_folder.parent / "inputs").glob("*.parquet")
    for path in (session.table_folder / "said.parquet", kept):
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 1
        path.write_bytes(b"junk" if harm == "all" else content)
    with pytest.raises(StoreError, match=r"the table 'said' is damaged: .* Make it again"):
        session.export(tmp_path / "said", ["said"])
    with pytest.warns(RuntimeWarning) as warned:
        path = session.export(tmp_path / "whole")
    texts = [str(each.message) for each in warned]
    assert len(texts) == 2
    assert texts[0].startswith("the table 'said' is damaged and is left out: ")
    assert texts[1].startswith(f"the input table {kept.stem} of a run is damaged and is left out")
    other.import_bundle(path)
    assert other.names() == ["replies"]
    assert verify(path).agrees
