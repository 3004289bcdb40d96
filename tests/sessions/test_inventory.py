"""Tables, lineage, marks, costs and sizes of a session."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.types import Mark
from synthkit.sessions import inventory, named_tables
from tests.postgres import IN_FILES
from tests.sessions.contents import fill

pytestmark = pytest.mark.usefixtures("each_store")


def test_tables_are_listed_with_their_runs_and_marks(session: sk.Session) -> None:
    fill(session)
    tables = session.tables().set_index("name")
    assert tables["rows"].to_dict() == {"said": 3, "replies": 3, "good": 2}
    assert tables["columns"].to_dict() == {"said": 3, "replies": 5, "good": 3}
    assert tables["runs"].to_dict() == {"said": [1], "replies": [2], "good": [1]}
    assert tables["marks"].to_dict() == {
        "said": {"accept": 3},
        "replies": {},
        "good": {"accept": 2},
    }
    assert (tables["bytes"] > 500).all()
    assert str(tables["when"].dtype).endswith("UTC]")


def test_lineage_is_computed_from_row_ids(session: sk.Session) -> None:
    fill(session)
    assert session.lineage().values.tolist() == [
        ["said", "replies", "generated from", 3],
        ["said", "good", "part of", 2],
    ]


def test_a_source_that_was_generated_again_stays_the_source(session: sk.Session) -> None:
    fill(session)
    sk.generate(
        "Say {{ i }}.", rows={"i": [1, 2, 3]}, model=sk.Fake(), session=session, name="said"
    )
    assert ["said", "good", "part of", 2] in session.lineage().values.tolist()


def test_an_empty_session_has_empty_tables(session: sk.Session) -> None:
    assert len(session.tables()) == len(session.lineage()) == len(session.cost()) == 0
    assert list(session.cost()) == list(inventory.COST_COLUMNS)
    assert session.sizes()["completions"] == session.sizes()["tables"] == 0


def test_a_damaged_table_has_a_problem_and_hides_no_other_table(session: sk.Session) -> None:
    fill(session)
    path = session.folder / "tables" / "replies.parquet"
    path.write_bytes(b"PAR1 no")
    tables = named_tables.read_all(session.store, path.parent)
    assert {one.name: bool(one.problem) for one in tables} == {
        "said": False,
        "good": False,
        "replies": True,
    }
    assert session.lineage().values.tolist() == [["said", "good", "part of", 2]]


def test_a_table_without_ids_has_no_lineage(session: sk.Session) -> None:
    session.save("plain", [{"text": "x"}])
    session.save("orphans", pd.DataFrame({"parent": ["a", None]}))
    assert session.lineage().values.tolist() == []
    assert session.tables()["runs"].tolist() == [[], []]


def test_cost_has_running_totals(session: sk.Session) -> None:
    for price in ((1e6, 1e6), None):
        model = sk.Fake("Yes.", name=str(price), price=price)
        sk.generate("Say it.", model=model, session=session)
    cost = session.cost()
    tokens = cost["tokens"].tolist()
    assert cost["total_tokens"].tolist() == [tokens[0], sum(tokens)]
    assert cost["total_cost"].tolist() == [tokens[0], tokens[0]]
    assert cost["cost"].isna().tolist() == [False, True]
    assert cost["total_requests"].tolist() == [1, 2]


@IN_FILES
def test_sizes_add_up_to_what_is_on_disk(session: sk.Session) -> None:
    fill(session)
    sizes = session.sizes()
    session.store.runs.add("x", "m", "p", 0, sk.core.models.Ledger())
    assert sum(session.sizes().values()) >= sum(sizes.values())
    session.close()
    files = sum(path.stat().st_size for path in session.folder.rglob("*.*"))
    assert abs(sum(sizes.values()) - files) <= 4096


def test_marks_are_counted_by_task_annotator_and_label(session: sk.Session) -> None:
    session.store.marks.add(
        [
            Mark(id="a", label="accept", by="ana"),
            Mark(id="a", label="reject", by="ana"),
            Mark(id="b", label="reject", by="ana"),
            Mark(id="b", label="", by="ana", act="undo"),
            Mark(id="b", label="tea", by="bo", task="drink"),
        ]
    )
    assert inventory.mark_counts(session.store) == [
        {"task": "", "by": "ana", "round": 1, "label": "reject", "marks": 1},
        {"task": "drink", "by": "bo", "round": 1, "label": "tea", "marks": 1},
    ]


def test_a_run_records_its_rows_and_its_line(session: sk.Session) -> None:
    answers = iter(["good", "perhaps", "bad"])
    model = sk.Fake(lambda _: next(answers), concurrency=1)
    run = sk.generate("Mood?", n=3, labels=["good", "bad"], model=model, session=session)
    rows = session.store.runs.rows(1)
    assert rows is not None
    assert (rows.ids, rows.reject_ids) == (run.table["id"].tolist(), run.rejects["id"].tolist())
    assert session.store.runs.rows(2) is None
    assert session.cell(1) == "%%synth NAME\nMood?"


@IN_FILES
def test_runs_of_the_first_format_have_no_recorded_rows(tmp_path: Path) -> None:
    with sk.Session(tmp_path / "old") as session:
        fill(session)
    with closing(sqlite3.connect(tmp_path / "old" / "store.sqlite")) as db:
        db.executescript("DROP TABLE run_rows; DROP TABLE marks; PRAGMA user_version = 1;")
    with sk.Session(tmp_path / "old") as session:
        assert session.store.runs.rows(1) is None
        found = session.compare("said", "replies")
        assert found.a.ids == frozenset(session.load("said")["id"])
        assert session.would_delete(runs=[2], completions=True).completions == 0
        assert session.tables()["runs"].tolist() == [[], [], []]


def test_only_ids_and_parents_of_a_table_are_read(session: sk.Session) -> None:
    ids = [f"{n:016x}" for n in range(2000)]
    wide = pd.DataFrame({"id": ids, "text": ["x" * 500 + id for id in ids]})
    session.save("wide", wide)
    (one,) = named_tables.read_all(session.store, session.table_folder)
    assert (one.rows, one.columns, len(one.ids)) == (2000, ("id", "text"), 2000)
    os.utime(session.folder / "tables" / "wide.parquet", (5, 5))
    (one,) = named_tables.read_all(session.store, session.table_folder)
    assert one.when == one.born == 5
