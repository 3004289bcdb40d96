"""Agreement, final labels and progress of a class, against figures worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import evalica
import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.sessions.classroom.adjudication import adjudicated, contested_rows
from synthkit.sessions.classroom.agreement import class_agreement
from synthkit.sessions.classroom.assignment import assign
from synthkit.sessions.classroom.class_marks import class_marks
from synthkit.sessions.classroom.progress import progress
from synthkit.stats.intervals import wilson
from tests.sessions.classroom.conftest import CLASS, ROWS, send


def records(frame: Any, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in frame.to_dict("records")]


def test_agreement_is_the_one_worked_out_by_hand(school: sk.Session) -> None:
    found = class_agreement(class_marks(school, "said", ROWS))
    # coincidences of aaa, ara, arr, ar, ar: 4 of accept with accept, 1 of reject with reject, 8
    # of different labels; 8 accepts and 5 rejects: 1 - (8 / 13) / (2 * 8 * 5 / (13 * 12))
    assert found.alpha is not None
    assert found.alpha.value == pytest.approx(-0.2)
    assert found.alpha.n == 5
    assert found.alpha.low is not None
    assert found.alpha.high is not None
    assert found.alpha.low < -0.2 < found.alpha.high
    assert records(found.pairs, "first", "second", "n") == [
        ("Bo", "Cy", 4),
        ("Cy", "Maya", 4),
        ("Bo", "Maya", 3),
    ]
    assert found.pairs["share"].tolist() == pytest.approx([1 / 4, 1 / 2, 2 / 3])
    assert found.pairs["kappa"].tolist() == pytest.approx([-0.5, -1 / 3, 0.4])
    assert (found.pairs["low"][0], found.pairs["high"][0]) == pytest.approx(wilson(1, 4))
    assert records(found.teacher, "first", "second", "n", "share") == [
        ("Ms Ada", "Cy", 4, 0.5),
        ("Ms Ada", "Maya", 4, 0.5),
        ("Ms Ada", "Bo", 3, 1.0),
    ]
    assert records(found.rows, "id", "labels", "teacher") == [
        ("d", "accept 1, reject 1", "reject"),
        ("e", "accept 1, reject 1", ""),
        ("b", "accept 2, reject 1", "reject"),
        ("c", "reject 2, accept 1", "reject"),
    ]
    assert found.rows["disagreement"].tolist() == pytest.approx([1, 1, 2 / 3, 2 / 3])


def test_alpha_is_that_of_the_reference(school: sk.Session, tmp_path: Path) -> None:
    send(tmp_path, "Di", "rsrara", school)
    found = class_agreement(class_marks(school, "said", ROWS))
    codes = {"a": 0.0, "r": 1.0}
    given = [*CLASS.values(), "rsrara"]
    data = [[codes.get(label, math.nan) for label in labels] for labels in given]
    expected = evalica.alpha(pd.DataFrame(data), "nominal").alpha
    assert found.alpha is not None
    assert found.alpha.value == pytest.approx(expected)


def test_where_all_agree_alpha_is_not_defined_and_says_why(
    session: sk.Session, tmp_path: Path
) -> None:
    for name in ("Ana", "Bo"):
        send(tmp_path, name, "aaa---", session)
    found = class_agreement(class_marks(session, "said", ROWS))
    assert found.alpha is None
    assert "not defined if all ratings are equal" in found.why
    assert len(found.rows) == len(found.teacher) == 0
    assert math.isnan(found.pairs["kappa"][0])
    assert found.pairs["share"][0] == 1.0


def test_the_teacher_may_be_someone_else(school: sk.Session) -> None:
    marks = class_marks(school, "said", ROWS, teacher="Bo")
    assert list(marks.students) == ["Cy", "Maya", "Ms Ada"]
    assert marks.name == "Bo"
    with pytest.raises(UsageError, match=r"annotator 'Boo' not found.*Did you mean 'Bo'"):
        class_marks(school, "said", ROWS, teacher="Boo")


def test_without_names_students_have_the_same_numbers_everywhere(school: sk.Session) -> None:
    hidden = class_marks(school, "said", ROWS, anonymous=True)
    plain = class_marks(school, "said", ROWS)
    assert sorted(hidden.students) == ["Student 1", "Student 2", "Student 3"]
    assert sorted(hidden.labels()["d"].values()) == ["accept", "reject"]
    again = class_marks(school, "said", ROWS, anonymous=True)
    assert again.students == hidden.students
    shown = repr((class_agreement(hidden), contested_rows(ROWS, hidden, names=False).to_dict()))
    assert not any(name in shown for name in plain.students)


def test_people_who_are_not_on_the_list_are_named_and_not_counted(
    school: sk.Session, tmp_path: Path
) -> None:
    assign(school, "said", ROWS, ["Bo", "Maya", "Zoe"], overlap=2)
    marks = class_marks(school, "said", ROWS)
    assert list(marks.students) == ["Bo", "Maya", "Zoe"]
    (other,) = marks.others.items()
    assert other[0].startswith("Cy (session ")
    assert other[1] == 5
    assert marks.students["Zoe"] == {}


def test_a_name_in_two_sessions_is_two_people(school: sk.Session, tmp_path: Path) -> None:
    send(tmp_path, "Bo", "-----a", school, on="Bo at home")
    marks = class_marks(school, "said", ROWS)
    assert [name[:12] for name in marks.students] == ["Bo (session ", "Bo (session ", "Cy", "Maya"]
    assert sorted(len(own) for own in marks.students.values()) == [1, 4, 4, 5]


def test_the_teacher_decides_then_the_majority_and_a_tie_stays_open(school: sk.Session) -> None:
    marks = class_marks(school, "said", ROWS)
    final, counts = adjudicated(ROWS, marks)
    assert final["label"].tolist()[:4] == ["accept", "reject", "reject", "reject"]
    assert final["label"].isna().tolist() == [False] * 4 + [True] * 2
    assert final["decided"].tolist() == ["teacher"] * 4 + ["tie", "no label"]
    assert final["votes"].tolist()[:2] == ["accept 3", "accept 2, reject 1"]
    assert counts == {"teacher": 4, "tie": 1, "no label": 1}
    assert final.columns.tolist() == ["id", "text", "label", "decided", "votes"]
    _, counts = adjudicated(ROWS, class_marks(school, "said", ROWS, teacher="Cy"))
    assert counts == {"teacher": 5, "no label": 1}
    students, counts = adjudicated(final, _without_teacher(school))
    assert students["label"].tolist()[:3] == ["accept", "accept", "reject"]
    assert students["label"].isna().sum() == 3
    assert counts == {"majority": 3, "tie": 2, "no label": 1}


def _without_teacher(school: sk.Session) -> Any:
    from dataclasses import replace

    return replace(class_marks(school, "said", ROWS), teacher={})


def test_contested_rows_have_the_votes_beside_them(school: sk.Session) -> None:
    marks = class_marks(school, "said", ROWS)
    named = contested_rows(ROWS, marks, names=True)
    assert named["id"].tolist() == ["d", "e", "b", "c"]
    assert named["votes"].tolist() == [
        "accept: Maya; reject: Cy",
        "accept: Bo; reject: Cy",
        "accept: Cy, Maya; reject: Bo",
        "reject: Bo, Maya; accept: Cy",
    ]
    assert contested_rows(ROWS, marks, names=False)["votes"].tolist()[2] == "accept 2, reject 1"


def test_progress_is_the_one_worked_out_by_hand(school: sk.Session, tmp_path: Path) -> None:
    # 10, 20 and 30 seconds, and a pause of 300
    send(tmp_path, "Di", "arasr-", school, times=[0.0, 10.0, 30.0, 330.0, 360.0])
    table = progress(class_marks(school, "said", ROWS))
    table = table.set_index("student")
    assert table.loc["Di", "pace"] == 20
    assert table["marked"].to_dict() == {"Bo": 4, "Cy": 5, "Di": 5, "Maya": 4}
    assert table["assigned"].unique().tolist() == [6]
    assert table.loc["Di", ["accept", "reject", "skip"]].tolist() == [2, 2, 1]
    assert table.loc["Maya", "pace"] == 10


def test_agreement_with_most_others_leaves_out_the_own_label(school: sk.Session) -> None:
    table = progress(class_marks(school, "said", ROWS)).set_index("student")
    # Maya: a with two accepts, d against one reject; Bo: a, against b and e; Cy: a, against c, d, e
    assert table["agrees"].to_dict() == pytest.approx({"Bo": 1 / 3, "Cy": 1 / 4, "Maya": 1 / 2})
    assert table["n"].to_dict() == {"Bo": 3, "Cy": 4, "Maya": 2}


def test_progress_counts_the_assigned_rows(session: sk.Session, tmp_path: Path) -> None:
    assigned = assign(session, "said", ROWS, ["Ana", "Bo", "Cy"], overlap=2)
    send(tmp_path, "Ana", "aaa---", session)
    own = set(assigned["id"][assigned["student"] == "Ana"])
    table = progress(class_marks(session, "said", ROWS)).set_index("student")
    assert table["assigned"].to_dict() == {"Ana": 4, "Bo": 4, "Cy": 4}
    assert table["marked"].to_dict() == {"Ana": len(own & set("abc")), "Bo": 0, "Cy": 0}
    assert math.isnan(table.loc["Bo", "pace"])
