"""Bundles of students come in once, damaged ones change nothing, and no mark is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.sessions.classroom.collecting import bundles, collect


def bundle(folder: Path, name: str, labels: dict[str, str], *, file: str = "") -> Path:
    """A bundle with the marks and one answer of a student, whose session is in a new folder."""
    file = file or f"{name}.zip"
    with sk.Session(folder / "sessions" / file) as session:
        session.person = name
        for id, label in labels.items():
            session.mark(id, label, by=name)
        sk.generate("Say {{ i }}.", rows={"i": [name]}, model=sk.Fake(), session=session)
        return session.export(folder / file)


def current(session: sk.Session) -> set[tuple[str, str, str]]:
    return {(mark.by, mark.id, mark.label) for mark in session.marks()}


def test_each_bundle_says_what_came_and_what_was_here(session: sk.Session, tmp_path: Path) -> None:
    bundle(tmp_path, "Maya", {"a": "accept", "b": "reject"})
    bundle(tmp_path, "Bo", {"a": "reject"})
    paths = bundles([tmp_path / "*.zip"])
    came = collect(session, paths)
    assert [(each.path.name, each.who) for each in came] == [("Bo.zip", "Bo"), ("Maya.zip", "Maya")]
    assert [each.new for each in came] == [
        {"marks": 1, "completions": 1},
        {"marks": 2, "completions": 1},
    ]
    assert [each.known for each in came] == [{"marks": 0, "completions": 0}] * 2
    counts = session.store.counts()
    again = collect(session, paths)
    assert [each.new for each in again] == [{"marks": 0, "completions": 0}] * 2
    assert [each.known for each in again] == [each.new for each in came]
    assert session.store.counts() == counts
    expected = {("Maya", "a", "accept"), ("Maya", "b", "reject"), ("Bo", "a", "reject")}
    assert current(session) == expected


def test_damaged_bundles_are_named_and_the_others_come_in(
    session: sk.Session, tmp_path: Path
) -> None:
    whole = bundle(tmp_path, "Maya", {"a": "accept"})
    for name, content in (
        ("cut.zip", whole.read_bytes()[:-400]),
        ("other.zip", b"PK no bundle"),
        ("changed.zip", whole.read_bytes().replace(b"manifest", b"manifast")),
    ):
        (tmp_path / name).write_bytes(content)
    came = {each.path.name: each for each in collect(session, bundles([tmp_path]))}
    assert sorted(came) == ["Maya.zip", "changed.zip", "cut.zip", "other.zip"]
    assert {name for name, each in came.items() if each.problem} == set(came) - {"Maya.zip"}
    assert came["Maya.zip"].new["marks"] == 1
    assert came["cut.zip"].new == {}
    assert current(session) == {("Maya", "a", "accept")}
    (missing,) = collect(session, [tmp_path / "no.zip"])
    assert "no bundle at" in missing.problem


def test_two_students_of_one_name_keep_their_marks(session: sk.Session, tmp_path: Path) -> None:
    bundle(tmp_path, "Maya", {"a": "accept", "b": "accept"}, file="one.zip")
    bundle(tmp_path, "Maya", {"a": "reject", "b": "accept"}, file="two.zip")
    one, two = collect(session, bundles([tmp_path / "one.zip", str(tmp_path / "*.zip")]))
    assert one.imported is not None
    assert one.imported.conflicts == ()
    assert two.imported is not None
    (conflict,) = two.imported.conflicts
    assert (conflict.row, conflict.by, sorted(conflict.labels.values())) == (
        "a",
        "Maya",
        ["accept", "reject"],
    )
    assert sorted(mark.label for mark in session.marks() if mark.id == "a") == ["accept", "reject"]
    assert len({mark.person for mark in session.marks()}) == 2


def test_a_student_who_goes_on_adds_only_the_new_marks(session: sk.Session, tmp_path: Path) -> None:
    first = bundle(tmp_path, "Maya", {"a": "accept"})
    collect(session, [first])
    with sk.Session(tmp_path / "sessions" / "Maya.zip") as again:
        again.mark("b", "reject", by="Maya")
        later = again.export(tmp_path / "later.zip")
    (came,) = collect(session, [later])
    assert came.new == {"marks": 1, "completions": 0}
    assert came.known == {"marks": 1, "completions": 1}
    assert came.imported is not None
    assert came.imported.conflicts == ()


def test_a_folder_or_pattern_without_bundles_is_refused(tmp_path: Path) -> None:
    for source in (tmp_path, f"{tmp_path}/*.zip"):
        with pytest.raises(UsageError, match="no bundles in"):
            bundles([source])
    assert bundles(["none.zip"]) == [Path("none.zip")]


def test_the_own_lesson_is_named_as_such(session: sk.Session, tmp_path: Path) -> None:
    session.person = "Ms Ada"
    session.mark("a", "accept", by="Ms Ada")
    (came,) = collect(session, [session.export(tmp_path / "lesson.zip")])
    assert (came.who, came.new["marks"], came.known["marks"]) == ("this session", 0, 1)
