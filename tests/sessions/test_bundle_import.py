"""Import of bundles: what is added, renamed and left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synthkit as sk
from synthkit.core.errors import StoreError, SynthkitError
from synthkit.core.types import Mark
from synthkit.curate.marks.history import current_marks
from synthkit.sessions.learned_filters import save_body
from tests.sessions.contents import contents, fill, two_drafts

pytestmark = pytest.mark.usefixtures("each_store")


def test_a_whole_session_is_imported_and_a_second_import_adds_nothing(
    session: sk.Session, other: sk.Session, bundle: Path
) -> None:
    done = other.import_bundle(bundle)
    assert (
        str(done) == "6 completions, 2 runs, 3 marks, 3 tables, 1 lab, 1 curation, 1 filter, "
        "1 evaluation"
    )
    assert other.names() == session.names() == ["good", "replies", "said"]
    assert [replace(mark, session="") for mark in other.marks()] == session.marks()
    assert {mark.session for mark in other.marks()} == {session.store.marks.identify()}
    assert other.lineage().equals(session.lineage())
    once = contents(other)
    assert str(other.import_bundle(bundle)) == "nothing new"
    assert contents(other) == once
    fake = sk.Fake()
    again = sk.generate("Say {{ i }}.", rows={"i": [1, 2, 3]}, model=fake, session=other)
    assert (fake.asked, again.ledger.hits) == ([], 3)
    assert other.store.runs.rows(1) == session.store.runs.rows(1)


def test_what_is_here_stays_and_the_other_is_renamed(
    session: sk.Session, other: sk.Session, bundle: Path
) -> None:
    other.save("said", [{"id": "mine"}])
    other.store.labs.put("tone", {"variants": ["mine"]})
    done = other.import_bundle(bundle)
    assert done.tables == {"good": "good", "replies": "replies", "said": "said-2"}
    assert done.labs == {"tone": "tone-2"}
    assert "said was renamed to said-2, since another table has its name" in str(done)
    assert other.load("said")["id"].tolist() == ["mine"]
    assert len(other.load("said-2")) == 3
    assert other.store.labs.get("tone") == {"variants": ["mine"]}
    assert str(other.import_bundle(bundle)) == "nothing new"


def test_marks_are_inserted_by_time_and_replace_none_that_is_here(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    session.store.marks.add([Mark(id="a", label="accept", by="ana", at=10.0)])
    path = session.export(tmp_path / "old.zip")
    other.store.marks.add([Mark(id="b", label="accept", by="ana", at=5.0)])
    (newer,) = other.store.marks.add([Mark(id="a", label="reject", by="ana", at=20.0)])
    assert other.import_bundle(path).marks == 1
    marks = other.store.marks.all()
    assert [(mark.id, mark.label) for mark in marks] == [
        ("b", "accept"),
        ("a", "accept"),
        ("a", "reject"),
    ]
    current = current_marks(marks)
    assert current["", 1, "ana", "a"] == newer
    there = f"ana (session {session.store.marks.identify()})"
    assert current["", 1, there, "a"].label == "accept"
    assert len({mark.step for mark in marks}) == 3
    (next_,) = other.store.marks.add([Mark(id="c", label="accept", by="ana", at=30.0)])
    assert next_.step > max(mark.step for mark in marks)
    assert other.store.marks.all()[-1] == next_


def test_a_step_stays_one_step_together_with_its_undo(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    both = [Mark(id=id, label="accept", by="ana", at=1.0) for id in "ab"]
    step = session.store.marks.add(both)[0].step
    undone = [Mark(id=id, by="ana", at=2.0, act="undo", step=step) for id in "ab"]
    session.store.marks.add(undone)
    other.store.marks.add([Mark(id="z", label="accept", by="ana", at=0.5)])
    other.import_bundle(session.export(tmp_path / "x.zip"))
    steps = [mark.step for mark in other.store.marks.all() if mark.id != "z"]
    assert len(steps) == 4
    assert len(set(steps)) == 1
    assert steps[0] != other.store.marks.all()[0].step


def test_odd_texts_survive_a_bundle(session: sk.Session, other: sk.Session, tmp_path: Path) -> None:
    odd = "a\0b\ud800 日本 \U0001f600"
    model = sk.Fake(lambda request: odd)
    sk.generate("{{ x }}", rows={"x": ["日本", "<b>"]}, model=model, session=session)
    other.import_bundle(session.export(tmp_path / "odd.zip"))
    asked = (session.store.marks.identify(),)
    here, there = (contents(each)[0]["completions"] for each in (other, session))
    assert here == [(*row[:-1], *asked) for row in there]
    row = contents(session)[0]["run_rows"][0][3].hex()[:16]
    assert other.trace(row)[0].completion.text == odd


@pytest.mark.parametrize("tables", [None, ["drafts"]])
def test_rows_of_several_completions_come_with_all_of_them(
    session: sk.Session, other: sk.Session, tmp_path: Path, tables: list[str] | None
) -> None:
    fill(session)
    run = sk.generate(
        two_drafts, rows=[{"i": 1}, {"i": 2}], model=sk.Fake(), session=session, name="drafts"
    )
    other.import_bundle(session.export(tmp_path / "drafts.zip", tables))
    assert other.store.completions.count() == (10 if tables is None else 4)
    for id, text in run.table[["id", "text"]].itertuples(index=False):
        draft, final = other.trace(id)
        assert final.completion.text == text
        assert final.request["messages"][0][1] == f"Rewrite: {draft.completion.text}"


def test_a_bundle_whose_origins_are_odd_is_refused(
    session: sk.Session, other: sk.Session, tmp_path: Path
) -> None:
    sk.generate(two_drafts, rows=[{"i": 1}], model=sk.Fake(), session=session, name="drafts")
    session.store._database.execute("UPDATE origins SET keys = ?", (b"\0",))
    with pytest.raises(StoreError, match=r"requests of the row .* cannot be read"):
        other.import_bundle(session.export(tmp_path / "odd.zip"))


@pytest.mark.parametrize("version", [1, 3, 5])
def test_a_bundle_of_an_older_format_is_imported(
    session: sk.Session, other: sk.Session, bundle: Path, version: int
) -> None:
    from tests.sessions.test_bundle_checks import in_store

    in_store("DROP TABLE leases", "DROP TABLE meta", f"PRAGMA user_version = {version}")(bundle)
    assert other.import_bundle(bundle).completions == 6
    assert other.names() == session.names()


@pytest.mark.parametrize("body", [{}, {"column": 5, "weights": "x", "version": 1}, {"version": 1}])
def test_an_odd_filter_is_said_when_it_is_used(session: sk.Session, body: dict[str, Any]) -> None:
    save_body(session.store, "polite", body)
    with pytest.raises(SynthkitError, match="learned filter"):
        session.learned("polite", embed=lambda texts: np.zeros((len(texts), 2)))
