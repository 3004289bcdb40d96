"""What a delete would take, and what it takes."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import StoreError, TableError, UsageError
from synthkit.core.types import Mark
from synthkit.sessions import deletion
from tests.sessions.test_bundle_export import fill, held


def asked(session: sk.Session, prompt: str, name: str = "", **options: Any) -> Any:
    given = {"rows": {"i": [1, 2, 3]}, "model": sk.Fake()} | options
    return sk.generate(prompt, session=session, name=name, **given).table


def test_what_was_said_is_what_goes(session: sk.Session) -> None:
    fill(session)
    before = held(session)
    said = session.would_delete(runs=[2], completions=True)
    assert held(session) == before
    assert (said.runs, said.tables, said.rows, said.completions) == ((2,), ("replies",), 3, 3)
    assert str(said) == "run 2, table replies with 3 rows, 3 answers"
    assert said.bytes > 1000
    assert session.delete(runs=[2], completions=True) == said
    assert session.names() == ["good", "said"]
    assert session.runs()["run"].tolist() == [1]
    assert session.store.count() == 3
    assert session.store.run_rows(2) is None
    assert len(list((session.folder / "tables").iterdir())) == 2


def test_answers_stay_unless_they_are_asked_for(session: sk.Session) -> None:
    fill(session)
    said = session.delete(runs=[2])
    assert (said.completions, session.store.count()) == (0, 6)
    assert said.stays == ("the answers: a run that asks the same gets them again",)
    fake = sk.Fake()
    sk.generate("Answer {{ text }}", rows=session.load("said"), model=fake, session=session)
    assert fake.asked == []


@pytest.mark.parametrize("spared_by", ["run", "table", "parent", "mark", "old run"])
def test_answers_that_anything_else_rests_on_stay(session: sk.Session, spared_by: str) -> None:
    table = asked(session, "Say {{ i }}.", "said")
    if spared_by == "run":
        asked(session, "Say {{ i }}.")
    elif spared_by == "table":
        session.save("good", table)
    elif spared_by == "parent":
        asked(session, "Answer {{ text }}", rows=table, output="reply")
        session.save(
            "far", sk.plan("x {{ i }}", model="fake", rows=table, session=session).recipe.source
        )
    elif spared_by == "mark":
        session.store.add_marks([Mark(id=id, label="accept", by="ana") for id in table["id"]])
    else:
        session.store.add_run("old", "m", "p", 3, sk.core.types.Ledger())
    before = session.store.count()
    done = session.delete(runs=[1], completions=True)
    assert done.completions == 0
    assert done.stays[0].startswith("the answers: ")
    assert session.store.count() == before


def test_marks_stay_whatever_goes(session: sk.Session) -> None:
    fill(session)
    done = session.delete(runs=[1, 2], tables=["good"], completions=True)
    assert "3 marks on the rows, as marks always do" in done.stays[-1]
    assert len(session.store.marks()) == 3
    assert (session.names(), session.store.count()) == ([], 3)


def test_an_older_run_leaves_the_table_that_was_made_anew(session: sk.Session) -> None:
    asked(session, "Say {{ i }}.", "said")
    asked(session, "Tell {{ i }}.", "said")
    done = session.delete(runs=[1])
    assert (done.tables, session.names()) == ((), ["said"])
    assert "the table said: run 2 made it anew" in done.stays


def test_a_table_goes_and_its_run_stays_in_the_book(session: sk.Session) -> None:
    fill(session)
    done = session.delete(tables=["said"])
    assert (done.runs, done.tables) == ((), ("said",))
    assert session.names() == ["good", "replies"]
    assert len(session.runs()) == 2


def test_room_is_given_back_to_the_disk(session: sk.Session) -> None:
    asked(session, "Say {{ i }}.", model=sk.Fake("x" * 500_000))
    session.store.compact()
    before = session.store.path.stat().st_size
    done = session.delete(runs=[1], completions=True)
    assert done.bytes >= 1_500_000
    assert session.store.path.stat().st_size <= before - 1_400_000
    assert session.sizes()["free"] == 0


def test_another_kernel_reads_and_writes_on(session: sk.Session) -> None:
    fill(session)
    with sk.Session(session.folder) as other:
        rows = other.store.marks()
        session.delete(runs=[2], completions=True)
        assert other.store.marks() == rows
        assert other.store.count() == 3
        asked(other, "More {{ i }}.")
    assert session.store.count() == 6


@pytest.mark.parametrize("why", ["locked", "read-only"])
def test_what_cannot_be_deleted_whole_is_not_deleted(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    fill(session)
    before = held(session)
    if why == "locked":
        monkeypatch.setattr(deletion, "PATIENCE", 0.05)
        with closing(sqlite3.connect(session.store.path, isolation_level=None)) as busy:
            busy.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="held by another program"):
                session.delete(runs=[2], tables=["good"])
            busy.execute("ROLLBACK")
    else:
        real = os.replace

        def refuse(source: Any, target: Any) -> None:
            if "good" in str(source):
                raise PermissionError(13, "Permission denied")
            real(source, target)

        monkeypatch.setattr(os, "replace", refuse)
        with pytest.raises(StoreError, match=r"nothing was deleted.*Permission denied"):
            session.delete(runs=[2], tables=["good"])
    assert held(session) == before


def test_what_is_not_there_cannot_be_deleted(session: sk.Session) -> None:
    fill(session)
    with pytest.raises(UsageError, match=r"expected runs=\[...\]"):
        session.would_delete()
    with pytest.raises(UsageError, match="no run 9"):
        session.delete(runs=[9])
    with pytest.raises(TableError, match=r"'godo' not found.*mean 'good'"):
        session.delete(tables=["godo"])


def test_all_the_answers_that_a_row_rests_on_go_with_it(session: sk.Session) -> None:
    def drafted(row: dict[str, Any]) -> Any:
        (draft,) = yield [sk.recipes.user(f"Draft {row['i'] % 2}.")]
        (final,) = yield [sk.recipes.user(f"Rewrite {row['i']}: {draft.text}")]
        return {"text": final.text}

    def run(*rows: int) -> None:
        recipe = sk.recipes.from_function(drafted, [{"i": i} for i in rows])
        sk.generate(recipe, model=sk.Fake(), session=session, name=f"run{rows[0]}")

    run(1, 2)
    run(3)
    assert session.store.count() == 5
    done = session.delete(runs=[1], completions=True)
    assert done.completions == 3  # the draft of odd numbers is that of run 2 as well
    assert session.store.count() == 2
    assert len(session.trace(session.load("run3").id[0])) == 2
