"""A session and a bundle that were written before the packages moved; see ``data/README.md``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.types import Request
from synthkit.curate.marks.history import current_marks
from synthkit.lab.lab import PromptLab

DATA = Path(__file__).parent / "data"
VALUES = json.loads((DATA / "values.json").read_text(encoding="utf-8"))


def refuse(request: Request) -> str:
    raise AssertionError(f"the model was asked: {request}")


def embed(texts: Any) -> list[list[float]]:
    return [[float(text.count("a")), float(text.count("e")), 1.0] for text in texts]


def records(frame: Any) -> Any:
    return json.loads(frame.to_json(orient="records"))


@pytest.fixture(params=["folder", "bundle"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sk.Session]:
    """The session as its unzipped folder, and as its bundle imported into an empty session."""
    if request.param == "folder":
        shutil.unpack_archive(DATA / "session.zip", tmp_path / "old")
    with sk.Session(tmp_path / "old") as session:
        if request.param == "bundle":
            session.import_bundle(DATA / "bundle.zip")
        yield session


def check(session: sk.Session) -> None:
    """Compare all that a session holds with what it held when it was written."""
    runs = session.runs()
    assert set(runs.pop("recipe")) == {""}
    assert list(filter(None, runs.pop("reasons"))) == []
    runs = runs.drop(columns=["at", "seconds"])
    assert records(runs) == VALUES["runs"]
    for name in session.names():
        assert records(session.load(name)) == VALUES["tables"][name]
    assert session.names() == list(VALUES["tables"])
    assert session.cell(1) == VALUES["cell"]
    assert records(session.scores().drop(columns=["at", "how"])) == VALUES["scores"]
    assert records(session.verdicts().drop(columns="at")) == VALUES["verdicts"]
    trace = session.trace(VALUES["tables"]["drafts"][0]["id"])
    assert [one.completion.text for one in trace] == VALUES["trace"]
    learned = session.learned("taste", embed=embed).score(["a fair tea", "the new beer"])
    assert learned.tolist() == pytest.approx(VALUES["learned"])
    assert session.lineage().values.tolist() == VALUES["lineage"]


def test_an_old_session_holds_what_it_held(old: sk.Session) -> None:
    check(old)


def test_the_cells_of_an_old_session_replay_without_requests(old: sk.Session) -> None:
    model = sk.Fake(refuse)
    reviews = sk.generate(
        "Write one {{ mood }} sentence about {{ topic }}.",
        n=6,
        sampling=sk.Sampling(seed=3),
        vary={"mood": ["glad", "sad"], "topic": ["soup", "wine"]},
        model=model,
        session=old,
    )
    assert records(reviews.table) == VALUES["tables"]["reviews"]
    topics = [{"topic": "bread"}, {"topic": "tea"}]
    recipe = sk.recipes.self_refine("Write about {{ topic }}.", rows=topics)
    drafts = sk.generate(recipe, model=model, session=old)
    assert records(drafts.table) == VALUES["tables"]["drafts"]
    moods = sk.generate(
        "Mood of: {{ text }}",
        rows=reviews.table,
        labels=["good", "bad"],
        output="label",
        model=model,
        session=old,
    )
    assert records(moods.table) == VALUES["tables"]["moods"]
    assert moods.rejects["raw"].tolist() == ["perhaps", "perhaps"]
    assert [run.ledger.requests for run in (reviews, drafts, moods)] == [0, 0, 0]
    assert model.asked == []


def test_the_marks_of_an_old_session_are_read_back_with_their_undo_and_edit(
    old: sk.Session,
) -> None:
    ids = [row["id"] for row in VALUES["tables"]["reviews"]]
    marks = [mark for mark in old.marks(rows=ids) if mark.at < 1000]
    assert [(mark.id, mark.label, mark.act, mark.at) for mark in marks] == [
        *((id, "accept", "mark", 100.0 + n) for n, id in enumerate(ids[:3])),
        (ids[3], "accept", "mark", 110.0),
        (ids[3], "", "undo", 111.0),
        (ids[4], "reject", "mark", 112.0),
        (ids[5], "accept", "mark", 113.0),
    ]
    wrong, undo, reject, edited = marks[3:]
    assert wrong.step == undo.step
    assert (reject.reason, reject.flag, reject.task, reject.by) == (
        "too élégant",
        True,
        "tone",
        "bo",
    )
    assert (edited.edit, edited.round) == ({"text": "Better."}, 2)
    assert {mark.id for mark in current_marks(marks).values()} == {*ids[:3], ids[4], ids[5]}
    assert len(old.marks(task="taste")) == 20


def test_an_old_lab_opens_with_its_variants_and_answers(old: sk.Session) -> None:
    lab = PromptLab(name="tone", models=sk.Fake(refuse), session=old, by="ana")
    lab.run()
    assert lab.results[["variant", "x", "text"]].to_dict("records") == VALUES["lab"]
    assert [(one.name, len(one.versions)) for one in lab.variants] == [("base", 1), ("loud", 2)]
    assert lab.baseline == "B"
    assert lab.cell(0, lab.columns[0]).label == "accept"


def test_an_old_session_is_exported_and_imported_whole(old: sk.Session, tmp_path: Path) -> None:
    bundle = old.export(tmp_path / "new.zip")
    with sk.Session(tmp_path / "copy") as copy:
        copy.import_bundle(bundle)
        check(copy)
        assert [replace(mark, session="") for mark in copy.marks()] == old.marks()
        assert str(copy.import_bundle(DATA / "bundle.zip")) == "nothing new"
