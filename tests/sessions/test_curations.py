"""Verdicts are stored by row id, learned filters by name and version."""

from __future__ import annotations

from pathlib import Path

import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.core.types import Mark
from synthkit.curate import by_column
from synthkit.curate.marks.tables import split_by_marks
from synthkit.sessions.learned_filters import load_body, save_body

pytestmark = pytest.mark.usefixtures("each_store")

ROWS = [{"id": id, "score": score} for id, score in (("a", 5), ("b", 2), ("c", 4))]


def test_each_verdict_is_stored_by_the_id_of_its_row(session: sk.Session) -> None:
    session.curate(ROWS, by_column("score", least=3), by_column("score", most=4), name="answers")
    found = session.verdicts().drop(columns="at").to_dict("records")
    told = {row["id"]: (row["verdict"], row["filter"], row["why"]) for row in found}
    assert told == {
        "a": ("dropped", "score <= 4", "score too high: 5"),
        "b": ("dropped", "score >= 3", "score too low: 2"),
        "c": ("kept", "", ""),
    }
    assert {(row["curation"], row["name"]) for row in found} == {(1, "answers")}


def test_later_verdicts_are_added_to_earlier_ones_and_outlive_the_session(tmp_path: Path) -> None:
    with sk.Session(tmp_path / "work") as session:
        session.curate(ROWS, by_column("score", least=3))
        session.curate(ROWS, by_column("score", least=1))
    with sk.Session(tmp_path / "work") as session:
        assert session.verdicts(["b"])["verdict"].tolist() == ["dropped", "kept"]
        assert len(session.verdicts()) == 6
        assert session.sizes()["curations"] > 0


def test_the_verdicts_of_marks_are_stored_too(session: sk.Session) -> None:
    made = split_by_marks(
        ROWS, [Mark(id="a", label="accept"), Mark(id="b", label="reject", reason="dull")]
    )
    session.remember(made, name="answers")
    assert session.verdicts(["b"])[["filter", "why"]].values.tolist() == [["", "dull"]]


def test_verdicts_are_exported_with_their_table(session: sk.Session, tmp_path: Path) -> None:
    session.save("answers", ROWS[:2])
    session.curate(ROWS, by_column("score", least=3), name="answers")
    save_body(session.store, "polite", {"threshold": 0.5})
    path = session.export(tmp_path / "answers", tables=["answers"])
    with sk.Session(tmp_path / "other") as other:
        assert str(other.import_bundle(path)) == "1 table, 1 curation"
        assert sorted(other.verdicts()["id"]) == ["a", "b"]
        assert other.store.filters.all() == []


def test_a_learned_filter_has_versions_and_an_unchanged_one_adds_none(session: sk.Session) -> None:
    bodies = [{"threshold": 0.5}, {"threshold": 0.6}, {"threshold": 0.6}]
    assert [save_body(session.store, "polite", body) for body in bodies] == [1, 2, 2]
    assert load_body(session.store, "polite") == bodies[1]
    assert load_body(session.store, "polite", 1) == bodies[0]
    assert [(one["name"], one["version"]) for one in session.store.filters.all()] == [
        ("polite", 1),
        ("polite", 2),
    ]


def test_a_filter_of_another_session_becomes_the_next_version(
    session: sk.Session, tmp_path: Path
) -> None:
    save_body(session.store, "polite", {"threshold": 0.5})
    with sk.Session(tmp_path / "other") as other:
        save_body(other.store, "polite", {"threshold": 0.9})
        other.import_bundle(session.export(tmp_path / "all"))
        assert load_body(other.store, "polite") == {"threshold": 0.5}
        assert load_body(other.store, "polite", 1) == {"threshold": 0.9}


def test_a_missing_filter_is_named_in_the_error(session: sk.Session) -> None:
    save_body(session.store, "polite", {})
    with pytest.raises(UsageError, match=r"learned filter 'polit' not found.*Did you mean"):
        load_body(session.store, "polit")
    with pytest.raises(UsageError, match=r"has the versions \[1\]; got 3"):
        load_body(session.store, "polite", 3)
    with pytest.raises(UsageError, match="needs a name"):
        save_body(session.store, " ", {})
