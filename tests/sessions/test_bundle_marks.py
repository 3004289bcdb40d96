"""Marks of several people stay beside each other, also if they have one name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import synthkit as sk
from synthkit.core.errors import StoreError
from synthkit.curate import split_by_marks
from synthkit.curate.marks.history import current_marks
from synthkit.curate.marks.tables import marks_frame
from synthkit.notebook.widgets.marker.queue import AnnotationQueue
from synthkit.sessions.annotator import Annotator
from synthkit.sessions.inventory import mark_counts
from synthkit.sessions.mark_statistics import rater_pairs
from tests.postgres import IN_FILES

pytestmark = pytest.mark.usefixtures("each_store")

ROWS = [{"id": id, "text": f"text {id}"} for id in "abc"]


def labels(session: sk.Session) -> dict[tuple[str, str], str]:
    """(person, row) -> the current label."""
    marks = current_marks(session.marks()).values()
    return {(mark.person, mark.id): mark.label for mark in marks}


def send(source: sk.Session, target: sk.Session, folder: Path) -> str:
    """What the target says of the import of all that the source holds."""
    return str(target.import_bundle(source.export(folder / "sent.zip", over=True)))


def test_two_people_of_one_name_do_not_replace_each_other(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    session.mark("a", "accept", by="jo")
    other.mark("a", "reject", by="jo")
    said = send(session, other, tmp_path)
    id, other_id = session.store.marks.identify(), other.store.marks.identify()
    assert id != other_id
    assert said == (
        "1 mark; both marks stay where one name marked 1 row differently: "
        f"row a by jo: 'reject' here, 'accept' in session {id}"
    )
    assert labels(other) == {("jo", "a"): "reject", (f"jo (session {id})", "a"): "accept"}
    assert "both marks stay" in send(other, session, tmp_path)
    assert labels(session) == {("jo", "a"): "accept", (f"jo (session {other_id})", "a"): "reject"}
    for source, target in ((session, other), (other, session)):
        assert send(source, target, tmp_path) == "nothing new"


def test_one_who_goes_on_is_no_conflict(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    session.mark("a", "accept", by="jo")
    assert send(session, other, tmp_path) == "1 mark"
    session.mark(["a", "b"], "reject", by="jo")
    assert send(session, other, tmp_path) == "2 marks"
    person = f"jo (session {session.store.marks.identify()})"
    assert labels(other) == {(person, "a"): "reject", (person, "b"): "reject"}


def test_an_undone_mark_is_undone_wherever_it_is_imported(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    session.mark("a", "accept", by="jo")
    session.mark(["a", "b"], "reject", by="jo")
    send(session, other, tmp_path)
    assert set(labels(other).values()) == {"reject"}
    with sk.Session(tmp_path / "third") as third:
        for expected in (["accept"], []):
            annotator = Annotator(session.store, by="jo")
            annotator.write(annotator.history.undo())
            assert list(labels(session).values()) == expected
            for target in (other, third):
                send(session, target, tmp_path)
                assert list(labels(target).values()) == expected
        annotator.write(annotator.history.redo())
        for source, target in ((session, third), (third, other)):
            send(source, target, tmp_path)
            assert list(labels(target).values()) == ["accept"]


def test_different_names_and_equal_labels_are_no_conflict(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    session.mark("a", "accept", by="jo")
    other.mark("a", "accept", by="jo")
    other.mark("a", "reject", by="ann")
    assert send(session, other, tmp_path) == "1 mark"


def test_a_conflict_of_reasons_edits_and_second_marks_is_reported(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    session.mark("a", "reject", by="jo", reason="rude")
    other.mark("a", "reject", by="jo", reason="wrong")
    session.mark("b", "accept", by="jo", task="tone")
    other.mark("b", "reject", by="jo", task="other")
    done = other.import_bundle(session.export(tmp_path / "x.zip"))
    assert [(one.row, one.task, one.by) for one in done.conflicts] == [("a", "", "jo")]


@IN_FILES
def test_copies_of_a_session_that_went_on_apart_keep_both_marks(
    session: sk.Session, tmp_path: Path
) -> None:
    session.mark("a", "accept", by="jo")
    session.close()
    shutil.copytree(session.folder, tmp_path / "copy")
    with sk.Session(session.folder) as here, sk.Session(tmp_path / "copy") as copy:
        here.mark("b", "accept", by="jo")
        copy.mark("b", "reject", by="jo")
        copy.mark("c", "reject", by="jo")
        assert "2 marks; both marks stay" in send(copy, here, tmp_path)
        assert send(copy, here, tmp_path) == "nothing new"
        assert [labels(here)["jo", row] for row in "ab"] == ["accept", "accept"]
        copy.mark("c", "accept", by="jo")
        assert send(copy, here, tmp_path).startswith("1 mark")
        (person,) = {person for person, _ in labels(here)} - {"jo"}
        assert [labels(here)[person, row] for row in "bc"] == ["reject", "accept"]


def test_people_of_one_name_are_two_raters_and_two_votes(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    session.mark(["a", "b"], "reject", by="jo")
    other.mark(["a", "b"], "accept", by="jo")
    other.mark("a", "reject", by="ann")
    send(session, other, tmp_path)
    there = f"jo (session {session.store.marks.identify()})"
    marks = other.marks()
    pairs = rater_pairs(marks)
    assert pairs["jo", there] == [("accept", "reject"), ("accept", "reject")]
    assert split_by_marks(ROWS, marks).dropped["id"].tolist() == ["a"]
    assert {row["by"] for row in mark_counts(other.store)} == {"jo", "ann", there}
    frame = marks_frame(current_marks(marks).values())
    assert set(frame["session"]) == {"", session.store.marks.identify()}


def test_the_marker_shows_ones_own_marks_and_counts_the_others(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    session.mark("a", "accept", by="jo")
    other.save("t", ROWS)
    send(session, other, tmp_path)
    queue = AnnotationQueue(other.load("t"), name="t", session=other, by="jo")
    assert queue.marked == 0
    assert f"jo (session {session.store.marks.identify()}) 1" in queue.voices()


@IN_FILES
def test_a_session_without_marks_has_no_id_so_that_copies_of_it_differ(
    session: sk.Session, tmp_path: Path
) -> None:
    session.save("t", ROWS)
    session.close()
    shutil.copytree(session.folder, tmp_path / "copy")
    with sk.Session(session.folder) as here, sk.Session(tmp_path / "copy") as copy:
        here.mark("a", "accept", by="jo")
        copy.mark("a", "reject", by="jo")
        assert here.store.marks.identify() != copy.store.marks.identify()


def test_a_session_has_an_id_from_its_first_completion_on(session: sk.Session) -> None:
    session.save("t", ROWS)
    assert session.store.meta.get("session") is None
    sk.generate("Say.", model=sk.Fake(), session=session)
    assert session.store.meta.get("session") == session.store.marks.identify() != ""


@pytest.mark.parametrize("id", ["", "x", "\x1b[31mred!!", "0123456789"])
def test_a_forged_session_id_is_refused(
    session: sk.Session, other: sk.Session, tmp_path: Path, id: str
) -> None:
    session.mark("a", "accept", by="jo")
    session.store._database.execute("UPDATE meta SET value = ? WHERE key = 'session'", (id,))
    with pytest.raises(StoreError, match="the id of the session is"):
        send(session, other, tmp_path)
    assert other.marks() == []
