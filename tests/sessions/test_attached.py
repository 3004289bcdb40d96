"""A session finds what attached ones hold: each request is asked once, and says by whom."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import ReplayMiss, StoreError, UsageError
from synthkit.curate.marks.history import current_marks
from synthkit.sessions import attached
from synthkit.sessions.people import asked_by

pytestmark = pytest.mark.usefixtures("each_store")

ROWS = {"i": [1, 2, 3]}


def ask(session: sk.Session, model: Any, rows: Any = ROWS) -> Any:
    return sk.generate("Say {{ i }}.", rows=rows, model=model, session=session, name="said")


@pytest.fixture
def teacher(tmp_path: Path) -> Iterator[sk.Session]:
    """A session with three answers, a table and what a cell was given."""
    with sk.Session(tmp_path / "teacher") as session:
        session.person = "Ms Ada"
        session.save("said", ask(session, sk.Fake()).table)
        session.mark(session.load("said")["id"][:2], "accept", by="me")
        session.store.inputs.put("demos", '["a", "b"]')
        yield session


@pytest.fixture
def student(tmp_path: Path) -> Iterator[sk.Session]:
    with sk.Session(tmp_path / "student") as session:
        yield session


@pytest.fixture(params=["folder", "bundle", "URL"])
def source(request: pytest.FixtureRequest, teacher: sk.Session, tmp_path: Path) -> Iterator[str]:
    """The teacher's session in each form that can be attached."""
    if request.param == "folder":
        yield str(teacher.folder)
        return
    bundle = teacher.export(tmp_path / "web" / "lesson.zip") if _folder(tmp_path / "web") else None
    if request.param == "bundle":
        yield str(bundle)
        return
    with server(tmp_path / "web") as port:
        yield f"http://127.0.0.1:{port}/lesson.zip"


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


class server:
    """A web server over a folder."""

    def __init__(self, folder: Path) -> None:
        handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
        handler.log_message = lambda *_: None  # type: ignore[attr-defined]
        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> int:
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()
        return self.httpd.server_port

    def __exit__(self, *exception: object) -> None:
        self.httpd.shutdown()
        self.httpd.server_close()


def test_what_was_asked_is_not_asked_again(
    teacher: sk.Session, student: sk.Session, source: str
) -> None:
    fake = sk.Fake()
    student.attach(source)
    run = ask(student, fake, {"i": [1, 2, 3, 4]})
    assert (len(fake.asked), run.ledger.hits) == (1, 3)
    there = teacher.load("said")
    assert run.table["id"].tolist()[:3] == there["id"].tolist()
    assert run.table["text"].tolist()[:3] == there["text"].tolist()


def test_an_answer_stays_when_the_other_session_is_gone_and_says_who_asked(
    teacher: sk.Session, student: sk.Session, source: str
) -> None:
    student.attach(source)
    ask(student, sk.Fake())
    folder, asked_there = student.folder, teacher.store.marks.identify()
    student.close()
    with sk.Session(folder) as again:
        fake = sk.Fake()
        run = ask(again, fake, {"i": [1, 2, 3, 4]})
        assert len(fake.asked) == 1
        sources = [again.trace(id)[0].source for id in run.table["id"]]
        assert sources == [asked_there] * 3 + [""]
        names = [asked_by(again.store, each) for each in sources]
        assert names == [f"Ms Ada, in session {asked_there}"] * 3 + [""]


def test_tables_and_inputs_are_found_and_own_ones_come_first(
    teacher: sk.Session, student: sk.Session, source: str
) -> None:
    student.attach(source)
    assert student.inputs() == ["demos", "said"]
    assert student.load("said")["text"].tolist() == teacher.load("said")["text"].tolist()
    assert student.load("demos") == ["a", "b"]
    student.save("said", [{"id": "x", "text": "mine"}])
    assert student.load("said")["text"].tolist() == ["mine"]
    assert student.names() == ["said"]


def test_a_recording_is_replayed_without_its_model(student: sk.Session, source: str) -> None:
    student.attach(source)
    replay = sk.load_model("replay", store=student.store)
    assert len(ask(student, replay).table) == 3
    with pytest.raises(ReplayMiss, match="not in this recording"):
        ask(student, replay, {"i": [9]})


def test_the_other_session_is_not_changed(teacher: sk.Session, student: sk.Session) -> None:
    before = teacher.store.counts()
    student.attach(teacher.folder)
    ask(student, sk.Fake(), {"i": [1, 7]})
    assert teacher.store.counts() == before


def test_a_shared_folder_gets_what_is_asked_and_who_asked(
    teacher: sk.Session, student: sk.Session, tmp_path: Path
) -> None:
    student.attach(teacher.folder, read_only=False)
    ask(student, sk.Fake(), {"i": [1, 7]})
    assert teacher.store.completions.count() == 4
    with sk.Session(tmp_path / "third") as third:
        third.attach(teacher.folder)
        fake = sk.Fake()
        run = ask(third, fake, {"i": [7]})
        assert fake.asked == []
        assert third.trace(run.table["id"][0])[0].source == student.store.marks.identify()


def test_the_first_attached_session_that_has_an_answer_gives_it(
    teacher: sk.Session, student: sk.Session, tmp_path: Path
) -> None:
    with sk.Session(tmp_path / "second") as second:
        ask(second, sk.Fake(), {"i": [3, 4]})
        fake = sk.Fake()
        for each in (teacher, second):
            student.attach(each.folder)
        run = ask(student, fake, {"i": [3, 4, 5]})
        assert len(fake.asked) == 1
        sources = [student.trace(id)[0].source for id in run.table["id"]]
        assert sources == [teacher.store.marks.identify(), second.store.marks.identify(), ""]


def test_an_answer_keeps_who_asked_through_several_hands(
    teacher: sk.Session, student: sk.Session, tmp_path: Path
) -> None:
    student.attach(teacher.folder)
    run = ask(student, sk.Fake())
    with sk.Session(tmp_path / "third") as third:
        third.import_bundle(student.export(tmp_path / "passed on"))
        source = third.trace(run.table["id"][0])[0].source
        assert asked_by(third.store, source).startswith("Ms Ada, in session ")


def test_a_request_that_differs_is_explained_by_what_is_attached(
    teacher: sk.Session, student: sk.Session
) -> None:
    student.attach(teacher.folder)
    fake = sk.Fake()
    request = sk.recipes.user("Say 9.")
    assert "the nearest stored request" in student.explain(request, fake)


def test_without_network_the_bundle_of_last_time_is_used(
    teacher: sk.Session, student: sk.Session, tmp_path: Path
) -> None:
    web = _folder(tmp_path / "web")
    bundle = teacher.export(web / "lesson.zip")
    with server(web) as port:
        url = f"http://127.0.0.1:{port}/lesson.zip"
        student.attach(url)
        bundle.unlink()
        with pytest.warns(RuntimeWarning, match="404.*the copy of last time is used"):
            student.attach(url)
        with pytest.raises(StoreError, match=r"other\.zip cannot be downloaded"):
            student.attach(url.replace("lesson", "other"))
    fake = sk.Fake()
    ask(student, fake)
    assert fake.asked == []


def test_a_bundle_that_is_too_long_is_refused(
    teacher: sk.Session, student: sk.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = _folder(tmp_path / "web")
    teacher.export(web / "lesson.zip")
    monkeypatch.setattr(attached, "MOST_BYTES", 1000)
    with server(web) as port, pytest.raises(StoreError, match="longer than 1000 bytes"):
        student.attach(f"http://127.0.0.1:{port}/lesson.zip")
    assert not list(student.folder.glob("attached/*"))


@pytest.mark.parametrize("kind", ["nothing", "empty folder", "garbage", "cut short", "itself"])
def test_what_cannot_be_attached_is_refused_with_a_reason(
    teacher: sk.Session, student: sk.Session, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "lesson.zip"
    if kind == "garbage":
        path.write_bytes(os.urandom(2000))
    elif kind == "cut short":
        path.write_bytes(teacher.export(path).read_bytes()[:-300])
    elif kind == "empty folder":
        path.mkdir()
    elif kind == "itself":
        path = student.folder
    expected = {
        "nothing": "no session and no bundle at",
        "empty folder": "is no session",
        "itself": "is this session itself",
    }
    with pytest.raises((StoreError, UsageError), match=expected.get(kind, "not a bundle")):
        student.attach(path)
    assert student.attached == []
    assert len(ask(student, sk.Fake()).table) == 3


def test_a_bundle_is_unpacked_once_and_cannot_be_shared(
    teacher: sk.Session, student: sk.Session, tmp_path: Path
) -> None:
    bundle = teacher.export(tmp_path / "lesson.zip")
    student.attach(bundle)
    (folder,) = student.folder.glob("attached/*")
    changed = (folder / "store.sqlite").stat().st_mtime_ns
    student.attach(bundle)
    assert list(student.folder.glob("attached/*")) == [folder]
    assert (folder / "store.sqlite").stat().st_mtime_ns == changed
    with pytest.raises(UsageError, match="only a session's folder"):
        student.attach(bundle, read_only=False)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 81, "a\u202eb"])
def test_a_name_that_cannot_be_shown_is_refused(student: sk.Session, name: str) -> None:
    with pytest.raises(UsageError, match="expected a name of 1 to 80 printable characters"):
        student.person = name
    assert student.person == "me"


def test_marks_are_by_the_person_of_the_session(student: sk.Session) -> None:
    from synthkit.sessions.annotator import Annotator

    student.person = " Bo "
    table = ask(student, sk.Fake()).table
    Annotator(student.store).change(table["id"][0], lambda mark: replace(mark, label="accept"))
    assert [mark.by for mark in student.marks()] == ["Bo"]


def test_marks_of_the_other_session_are_read_as_those_of_its_person(
    teacher: sk.Session, student: sk.Session, source: str
) -> None:
    first, second, _ = teacher.load("said")["id"]
    own = student.mark(first, "reject", by="me")
    student.attach(source)
    there = teacher.store.marks.identify()
    for marks in (student.marks(), student.marks(rows=[first])):
        assert [(m.id, m.label, m.session) for m in marks][:1] == [(first, "accept", there)]
        assert marks[-1] == own[0]
    assert len(student.marks()) == 3
    assert [m.id for m in student.marks(rows=[second])] == [second]
    assert len({key[2] for key in current_marks(student.marks())}) == 2  # two people called me
    bundle = student.export(student.folder.parent / "own.zip")
    with sk.Session(student.folder.parent / "collected") as other:
        other.import_bundle(bundle)
        assert len(other.marks()) == 3  # attached marks are passed on, for what rests on them
        other.import_bundle(teacher.export(student.folder.parent / "whole.zip"))
        other.attach(source)
        assert len(other.marks()) == 3  # what was imported is not read twice
    teacher.import_bundle(bundle)
    assert [m.label for m in teacher.marks()] == ["accept", "accept", "reject"]
