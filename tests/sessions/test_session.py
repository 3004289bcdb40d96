from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import StoreError, TableError, UsageError
from synthkit.core.types import Message, Request
from synthkit.data.tables import records
from synthkit.sessions import opening

ROWS = {"i": [1, 2, 3]}


def requests_sent(folder: Path) -> int:
    """How many requests a run in that folder sends."""
    fake = sk.Fake()
    with sk.Session(folder) as session:
        run = sk.generate("Say {{ i }}.", rows=ROWS, model=fake, session=session)
    assert len(run.table) == 3
    return len(fake.asked)


@pytest.mark.parametrize("how", ["moved", "copied", "zipped"])
def test_a_folder_resumes_wherever_it_is(tmp_path: Path, how: str) -> None:
    here, there = tmp_path / "a", tmp_path / "b" / "c"
    assert requests_sent(here) == 3
    there.parent.mkdir()
    if how == "moved":
        here.rename(there)
    elif how == "copied":
        shutil.copytree(here, there)
    else:
        shutil.unpack_archive(shutil.make_archive(str(tmp_path / "z"), "zip", here), there)
    assert requests_sent(there) == 0


def test_a_folder_copied_while_it_is_open_resumes(session: sk.Session, tmp_path: Path) -> None:
    sk.generate("Say {{ i }}.", rows=ROWS, model=sk.Fake(), session=session)
    (tmp_path / "copy").mkdir()
    shutil.copy(session.store.path, tmp_path / "copy")
    assert requests_sent(tmp_path / "copy") == 0


def test_a_closed_folder_holds_the_store_and_no_log(tmp_path: Path) -> None:
    requests_sent(tmp_path / "a")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["store.sqlite", "tables"]


def test_sessions_left_open_are_closed_at_exit(tmp_path: Path) -> None:
    code = "import synthkit as sk; s = sk.session(); s.store.models.add('f', 'm')"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert [path.name for path in (tmp_path / ".synthkit").glob("store*")] == ["store.sqlite"]


def test_session_returns_one_object_per_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = sk.session()
    assert sk.session() is first
    assert first.folder == tmp_path / ".synthkit"
    other = sk.session(tmp_path / "other")
    assert other is not first
    first.close()
    again = sk.session()
    assert again is not first
    shutil.rmtree(again.folder)
    fresh = sk.session()
    assert fresh is not again
    for opened in (again, other, fresh):
        opened.close()
        opened.close()
    assert opening.OPEN == []


@pytest.mark.parametrize("broken", ["file", "garbage", "under a file"])
def test_a_folder_that_cannot_be_created_or_opened_is_a_store_error(
    tmp_path: Path, broken: str
) -> None:
    folder = tmp_path / "work"
    if broken == "garbage":
        folder.mkdir()
        (folder / "store.sqlite").write_bytes(os.urandom(5000))
    else:
        folder.write_text("a file")
        folder = folder / "deeper" if broken == "under a file" else folder
    with pytest.raises(StoreError, match="cannot be"):
        sk.Session(folder)


def test_a_saved_table_replaces_the_last_one_completely(
    session: sk.Session, make: Callable[..., Any]
) -> None:
    session.save("facts", make({"t": ["x"]}))
    session.save("facts", make({"id": ["a", "b"], "t": ["ä", None], "i": [1, 2]}))
    loaded = session.load("facts")
    assert isinstance(loaded, pd.DataFrame)
    assert records(loaded) == [{"id": "a", "t": "ä", "i": 1}, {"id": "b", "t": None, "i": 2}]
    session.save("a.b-c", [])
    assert session.names() == ["a.b-c", "facts"]
    assert len(list((session.folder / "tables").iterdir())) == 2


def test_a_table_that_cannot_be_saved_leaves_the_last_one(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    session.save("facts", [{"t": "x"}])
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match=r"'facts' cannot be saved.*No space"):
        session.save("facts", [{"t": "y"}])
    assert session.load("facts")["t"].tolist() == ["x"]
    assert len(list((session.folder / "tables").iterdir())) == 1


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".x", "a b", "x" * 101, "-x", "a\n"])
def test_names_that_are_not_file_names_are_refused(session: sk.Session, name: str) -> None:
    with pytest.raises(UsageError, match="a table name has"):
        session.save(name, [{"t": "x"}])


def test_the_error_of_a_missing_table_names_the_others(session: sk.Session) -> None:
    session.save("facts", [{"t": "x"}])
    with pytest.raises(TableError, match=r"'fact' not found; have 'facts'\. Did you mean"):
        session.load("fact")


def test_a_damaged_table_is_a_store_error(session: sk.Session) -> None:
    session.save("facts", [{"t": "x"}])
    (session.folder / "tables" / "facts.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(StoreError, match="'facts' cannot be read"):
        session.load("facts")


def test_a_row_is_traced_to_prompt_model_sampling_and_answer(session: sk.Session) -> None:
    run = sk.generate("Say {{ i }}.", rows=ROWS, model=sk.Fake("Done."), session=session)
    (found,) = session.trace(run.table["id"][1])
    assert found.request["messages"] == [["user", "Say 2."]]
    assert found.request["sampling"] == sk.Sampling().payload()
    assert found.completion.text == "Done."
    for absent in ("0" * 16, "nonsense", "a", "%"):
        with pytest.raises(TableError, match="no row"):
            session.trace(absent)


def test_runs_are_listed_with_their_ledgers(session: sk.Session) -> None:
    for _ in range(2):
        sk.generate("Say {{ i }}.", rows=ROWS, model=sk.Fake(), session=session, name="said")
    runs = session.runs()
    assert runs["name"].tolist() == ["said", "said"]
    assert runs[["requests", "hits", "rows"]].values.tolist() == [[3, 0, 3], [0, 3, 3]]


def test_a_session_explains_a_miss(session: sk.Session) -> None:
    sk.generate("Say {{ i }}.", rows=ROWS, model=sk.Fake(), session=session)
    asked = Request((Message("user", "Say 1."),), sk.Sampling(temperature=1))
    told = session.explain(asked, sk.Fake())
    assert told.endswith("differs in temperature: '0.7' stored, '1.0' requested")
    assert session.explain(Request((Message("user", "Say 1."),)), sk.Fake()) == ""


def test_a_session_shows_no_path_that_differs_between_machines(session: sk.Session) -> None:
    assert repr(session) == "Session('work')"


def test_a_flipped_bit_in_a_saved_table_is_never_another_cell(session: sk.Session) -> None:
    rows = pd.DataFrame({"text": [f"word {n * 37 % 101}" for n in range(60)], "n": range(60)})
    session.save("facts", rows)
    (path,) = session.table_folder.glob("*.parquet")
    whole = path.read_bytes()
    refused = 0
    for at in range(4, len(whole) // 2, 11):  # the second half describes the columns
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        try:
            assert session.load("facts").equals(rows)
        except StoreError:
            refused += 1
    assert refused > 30


def test_a_table_is_saved_after_the_folder_of_tables_was_deleted(session: sk.Session) -> None:
    shutil.rmtree(session.table_folder)
    session.save("facts", [{"t": "x"}])
    assert session.load("facts")["t"].tolist() == ["x"]


def test_a_session_in_memory_leaves_nothing() -> None:
    with sk.Session(":memory:") as session, sk.Session(":memory:") as other:
        folder = session.folder
        run = sk.generate("Hi", model=sk.Fake(), session=session, name="words")
        assert session.load("words")["id"].tolist() == run.table["id"].tolist()
        assert other.names() == []
        assert repr(session) == "Session(':memory:')"
        assert folder.is_dir()
    assert not folder.exists()


def test_the_environment_names_what_each_session_attaches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        with sk.Session(tmp_path / name) as session:
            session.save(name, [{"id": "a1", "text": name}])
    folders = [str(tmp_path / name) for name in ("one", "two")]
    monkeypatch.setenv("SYNTHKIT_ATTACH", os.pathsep.join(folders))
    with sk.session(tmp_path / "own") as session:
        assert [each.source for each in session.attached] == folders
        assert session.load("two")["text"].tolist() == ["two"]
        assert sk.session(tmp_path / "own").attached == session.attached


def test_the_current_session_in_memory_is_one_until_it_is_closed() -> None:
    session = sk.session(":memory:")
    assert sk.session(":memory:") is session
    session.close()
    assert not Path(":memory:").exists()
    with sk.session(":memory:") as other:
        assert other is not session


def test_a_session_in_memory_ends_with_its_program(tmp_path: Path) -> None:
    code = "import synthkit as sk; print(sk.session(':memory:').folder)"
    output = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=tmp_path)
    assert Path(output.strip()).is_absolute()
    assert not Path(output.strip()).exists()
    assert list(tmp_path.iterdir()) == []


def test_a_table_is_marked_by_its_ids(session: sk.Session) -> None:
    rows = [{"id": "a", "text": "x"}, {"id": "b", "text": "y"}]
    for ids in (rows, pd.DataFrame(rows), ["a", "b"], (row["id"] for row in rows)):
        assert [mark.id for mark in session.mark(ids, "accept", by="ana")] == ["a", "b"]
    assert session.mark([], "accept", by="ana") == []
    with pytest.raises(TableError, match="column 'id'"):
        session.mark(pd.DataFrame({"text": ["x"]}), "accept", by="ana")
    for given in ({"label": None, "by": "ana"}, {"label": "accept", "by": None}):
        with pytest.raises(UsageError, match="expected a text for "):
            session.mark("a", **given)  # type: ignore[arg-type]
