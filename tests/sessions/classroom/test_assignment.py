"""Who marks what: evenly, the same for a seed, and each student finds exactly the own rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.sessions.classroom.assignment import assign, load, own_rows, shares, write_lesson
from synthkit.sessions.classroom.class_marks import class_marks
from synthkit.verify import verify

ROWS = pd.DataFrame({"id": [f"r{n}" for n in range(90)], "text": [f"text {n}" for n in range(90)]})


def names(n: int) -> list[str]:
    return [f"S{number:02}" for number in range(n)]


def numbers(
    groups: Sequence[Sequence[str]], students: Sequence[str]
) -> tuple[list[int], list[int]]:
    """The numbers of rows of the students, and those that each two of them share."""
    loads = Counter(who for group in groups for who in group)
    met = Counter(pair for group in groups for pair in combinations(sorted(group), 2))
    return [loads[who] for who in students], [met[pair] for pair in combinations(students, 2)]


@pytest.mark.parametrize(
    ("rows", "students", "overlap", "met"),
    [
        (12, 9, 3, {1}),  # the affine plane of order 3: each two meet exactly once
        (13, 13, 4, {1}),  # the projective plane of order 3
        (60, 5, 3, {18}),
        (60, 10, 3, {4}),
        (60, 30, 3, {0, 1}),
        (90, 30, 4, {1, 2}),
        (61, 7, 2, {2, 3}),
        (40, 4, 4, {40}),
        (40, 6, 1, {0}),
    ],
)
def test_students_get_equally_many_rows_and_meet_equally_often(
    rows: int, students: int, overlap: int, met: set[int]
) -> None:
    groups = shares(rows, names(students), overlap, seed=1)
    assert all(len(set(group)) == overlap for group in groups)
    loads, shared = numbers(groups, names(students))
    assert sum(loads) == rows * overlap
    assert max(loads) - min(loads) <= 1
    assert set(shared) == met


def test_a_seed_gives_the_same_shares_and_another_gives_others() -> None:
    first = shares(30, names(7), 3, 0)
    assert first == shares(30, names(7), 3, 0)
    assert first != shares(30, names(7), 3, 1)


def test_chosen_rows_stay_in_the_order_of_the_table_and_are_saved(session: sk.Session) -> None:
    assigned = assign(session, "said", ROWS, names(6), rows=20, overlap=2, seed=3)
    ids = list(dict.fromkeys(assigned["id"]))
    assert len(ids) == 20
    assert ids == sorted(ids, key=ROWS["id"].tolist().index)
    assert assigned.groupby("id")["student"].nunique().tolist() == [2] * 20
    assert session.names() == ["said", "said_assigned"]
    assert session.load("said_assigned").equals(assigned)
    again = assign(session, "said", ROWS, names(6), rows=20, overlap=2, seed=3)
    assert again.equals(assigned)


def test_a_part_of_a_saved_table_is_assigned_and_another_table_is_refused(
    session: sk.Session,
) -> None:
    session.save("said", ROWS)
    assign(session, "said", ROWS.head(9), names(3))
    assert len(session.load("said")) == 90
    with pytest.raises(UsageError, match="has another table named said"):
        assign(session, "said", pd.DataFrame({"text": ["another"]}), names(3))


@pytest.mark.parametrize(
    ("students", "options", "message"),
    [
        (["Ana", "Bo"], {}, "can go to 1 to 2 students.*got 3"),
        (["Ana", "Bo", " Ana"], {}, "'Ana' is on the list twice"),
        (["Ana", "Bo", "me"], {}, "'me' is who gave no name"),
        (["Ana", "", "Bo"], {}, "1 to 80 printable characters"),
        (["Ana", "Bo", "Cy"], {"rows": 91}, "expected 1 to 90 rows.*got 91"),
        (["Ana", "Bo", "Cy"], {"rows": 0}, "expected 1 to 90 rows.*got 0"),
    ],
)
def test_what_cannot_be_assigned_is_refused(
    session: sk.Session, students: list[str], options: dict[str, int], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        assign(session, "said", ROWS, students, **options)  # type: ignore[arg-type]
    assert session.names() == []


@pytest.mark.parametrize("how", ["attach", "import"])
def test_a_student_finds_exactly_the_own_rows_in_the_lesson(
    session: sk.Session, other: sk.Session, tmp_path: Path, how: str
) -> None:
    assigned = assign(session, "said", ROWS, names(5), rows=20)
    lesson = write_lesson(session, "said", tmp_path / "lesson.zip")
    if how == "attach":
        other.attach(lesson)
    else:
        other.import_bundle(lesson)
    with pytest.raises(UsageError, match="say who you are first: %synth me NAME"):
        own_rows(other, "said", other.load("said"))
    other.person = "S3"
    with pytest.raises(UsageError, match=r"student 'S3' not found.*Did you mean 'S03'\?"):
        own_rows(other, "said", other.load("said"))
    other.person = "S03"
    mine = own_rows(other, "said", other.load("said"))
    assert mine["id"].tolist() == assigned["id"][assigned["student"] == "S03"].tolist()
    assert len(mine) == 12
    assert mine.columns.tolist() == ["id", "text"]
    assert (
        own_rows(other, "said", other.load("said"), by="S01")["id"].tolist()
        == (load(session, "said")["S01"])
    )
    with pytest.raises(UsageError, match="said lacks 1 of your rows"):
        own_rows(other, "said", mine[1:])


def test_a_name_is_found_however_its_accents_are_typed(session: sk.Session) -> None:
    typed, composed = "Jose\u0301", "Jos\u00e9"
    with pytest.raises(UsageError, match="is on the list twice"):
        assign(session, "rows", ROWS, [typed, composed], overlap=1)
    assign(session, "rows", ROWS, [typed, "Bo"], overlap=1)
    assert set(load(session, "rows")) == {composed, "Bo"}
    old = session.load("rows_assigned").replace({"student": {composed: typed}})
    for assigned in (session.load("rows_assigned"), old):  # a list of before kept what was typed
        session.save("rows_assigned", assigned)
        for name in (typed, composed):
            assert len(own_rows(session, "rows", ROWS, by=name)) == 45
    session.mark(list(ROWS["id"][:3]), "accept", by=composed)
    marks = class_marks(session, "rows", ROWS, teacher=None)
    assert len(marks.students[composed]) == 3


def test_without_a_lesson_the_student_is_told_to_attach_it(session: sk.Session) -> None:
    with pytest.raises(UsageError, match="attach the lesson: %synth session --attach"):
        own_rows(session, "said", ROWS)


def test_a_lesson_holds_no_marks_and_no_scores_of_them(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    session.save("said", ROWS)
    session.mark(ROWS["id"], "accept", by="Ms Ada")
    session.evaluate(ROWS, name="said", column="text", metrics=["accept rate"])
    session.claim("accept_rate(said) > 0.5")
    assign(session, "said", ROWS, names(3))
    other.import_bundle(write_lesson(session, "said", tmp_path / "lesson.zip"))
    assert [*other.marks()] == []
    assert len(other.scores()) == 0
    assert other.store.evaluations.claims.all() == {}
    assert len(session.marks()) == 90


def test_a_lesson_can_be_verified(session: sk.Session, tmp_path: Path) -> None:
    said = sk.generate(
        "Say {{ i }}.", rows={"i": [1, 2, 3, 4]}, model=sk.Fake(), session=session, name="said"
    ).table
    session.mark(said["id"], "accept", by="Ms Ada")
    session.evaluate(said, name="said", column="text", metrics=["accept rate"])
    assign(session, "said", said, names(3))
    found = verify(write_lesson(session, "said", tmp_path / "lesson.zip"))
    assert found.agrees
    assert sum(found.checked.values()) > 8
