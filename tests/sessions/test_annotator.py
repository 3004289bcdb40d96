"""One annotator's marks: stored first, then part of the history."""

from __future__ import annotations

from dataclasses import replace

import pytest

import synthkit as sk
from synthkit.core.errors import StoreError
from synthkit.core.types import Mark
from synthkit.curate.marks.history import current_marks
from synthkit.sessions.annotator import Annotator

pytestmark = pytest.mark.usefixtures("each_store")


def test_a_mark_gets_its_time_and_an_undone_mark_keeps_that_of_the_one_before(
    session: sk.Session,
) -> None:
    times = iter([10.0, 20.0, 30.0])
    annotator = Annotator(session.store, by="ana", clock=lambda: next(times))
    annotator.write([replace(annotator.mark("a"), label="accept")])
    annotator.change("a", lambda mark: replace(mark, label="reject"))
    annotator.write(annotator.history.undo())
    assert [(one.act, one.label, one.at) for one in session.store.marks.all()] == [
        ("mark", "accept", 10.0),
        ("mark", "reject", 20.0),
        ("undo", "accept", 10.0),
    ]


def test_a_change_that_changes_nothing_is_not_written(session: sk.Session) -> None:
    annotator = Annotator(session.store, by="ana")
    annotator.change("a", lambda mark: replace(mark, label="accept"))
    annotator.change("a", lambda mark: replace(mark, label="accept"))
    assert len(session.store.marks.all()) == 1


def test_marks_that_cannot_be_stored_do_not_count(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotator = Annotator(session.store, by="ana")
    monkeypatch.setattr(session.store._database, "_closed", True)
    with pytest.raises(StoreError):
        annotator.change("a", lambda mark: replace(mark, label="accept"))
    assert annotator.history.current == {}


def test_a_refresh_reads_what_others_wrote(session: sk.Session) -> None:
    annotator = Annotator(session.store, by="ana")
    session.mark("a", "accept", by="ana")
    assert annotator.history.current == {}
    annotator.refresh()
    assert annotator.history.current["a"].label == "accept"


def test_a_step_starts_from_the_mark_that_is_stored_now(session: sk.Session) -> None:
    one, two = (Annotator(session.store, by="ana") for _ in range(2))
    one.change("a", lambda mark: replace(mark, label="accept"))
    two.change("a", lambda mark: replace(mark, label="reject", reason="dull"))
    one.change("a", lambda mark: replace(mark, flag=True))
    stored = session.store.marks.all()[-1]
    assert (stored.label, stored.reason, stored.flag) == ("reject", "dull", True)


def test_names_that_look_alike_are_one_person(session: sk.Session) -> None:
    typed, composed = "Jose\u0301", "Jos\u00e9"
    session.store.marks.add([Mark(id="a", label="accept", by=typed)])  # as it was stored before
    session.mark("b", "reject", by=typed)
    for name in (typed, composed):
        current = Annotator(session.store, by=name).history.current
        assert {id: mark.label for id, mark in current.items()} == {"a": "accept", "b": "reject"}
    assert [mark.by for mark in session.store.marks.all()] == [typed, composed]
    session.person = typed
    assert session.person == composed
    Annotator(session.store).change("a", lambda mark: replace(mark, label="reject"))
    assert len(current_marks(session.marks())) == 2


def test_an_undo_takes_back_its_own_steps_and_leaves_newer_marks(session: sk.Session) -> None:
    one, two = (Annotator(session.store, by="ana") for _ in range(2))

    def undo(annotator: Annotator) -> list[str]:
        annotator.refresh()
        return [mark.id for mark in annotator.write(annotator.history.undo())]

    one.write([replace(one.mark(id), label="accept") for id in "ab"])
    two.change("a", lambda mark: replace(mark, label="reject"))
    two.change("c", lambda mark: replace(mark, label="reject"))
    assert undo(one) == ["b"]
    assert undo(one) == []
    one.refresh()
    assert [mark.id for mark in one.write(one.history.redo())] == ["b"]
    assert undo(two) == ["c"]
    assert undo(two) == ["a"]
    assert undo(two) == []
    again = Annotator(session.store, by="ana").history.current
    assert {id: mark.label for id, mark in again.items()} == {"a": "accept", "b": "accept"}
