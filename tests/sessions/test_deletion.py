"""What a deletion announces, removes and leaves."""

from __future__ import annotations

import os
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import StoreError, TableError, UsageError
from synthkit.core.types import Mark
from synthkit.store import store as store_module
from tests.postgres import IN_FILES
from tests.sessions.contents import contents, fill

pytestmark = pytest.mark.usefixtures("each_store")


def generate(session: sk.Session, prompt: str, name: str = "", **options: Any) -> Any:
    arguments = {"rows": {"i": [1, 2, 3]}, "model": sk.Fake()} | options
    return sk.generate(prompt, session=session, name=name, **arguments).table


def test_what_was_announced_is_deleted(session: sk.Session) -> None:
    fill(session)
    before = contents(session)
    planned = session.would_delete(runs=[2], completions=True)
    assert contents(session) == before
    assert (planned.runs, planned.tables, planned.rows, planned.completions) == (
        (2,),
        ("replies",),
        3,
        3,
    )
    assert str(planned) == "run 2, table replies with 3 rows, 3 completions"
    assert planned.bytes > 1000
    assert session.delete(runs=[2], completions=True) == planned
    assert session.names() == ["good", "said"]
    assert session.runs()["run"].tolist() == [1]
    assert session.store.completions.count() == 3
    assert session.store.runs.rows(2) is None
    assert len(list((session.folder / "tables").iterdir())) == 2


def test_completions_stay_by_default(session: sk.Session) -> None:
    fill(session)
    done = session.delete(runs=[2])
    assert (done.completions, session.store.completions.count()) == (0, 6)
    assert done.stays == ("the completions: a run with the same requests finds them again",)
    fake = sk.Fake()
    sk.generate("Answer {{ text }}", rows=session.load("said"), model=fake, session=session)
    assert fake.asked == []


@pytest.mark.parametrize("needed_by", ["run", "table", "parent", "mark", "old run"])
def test_completions_that_anything_else_needs_stay(session: sk.Session, needed_by: str) -> None:
    table = generate(session, "Say {{ i }}.", "said")
    if needed_by == "run":
        generate(session, "Say {{ i }}.")
    elif needed_by == "table":
        session.save("good", table)
    elif needed_by == "parent":
        generate(session, "Answer {{ text }}", rows=table, output="reply")
        planned = sk.plan("x {{ i }}", model="fake", rows=table, session=session)
        session.save("far", planned.recipe.source)
    elif needed_by == "mark":
        session.store.marks.add([Mark(id=id, label="accept", by="ana") for id in table["id"]])
    else:
        session.store.runs.add("old", "m", "p", 3, sk.core.models.Ledger())
    before = session.store.completions.count()
    done = session.delete(runs=[1], completions=True)
    assert done.completions == 0
    assert done.stays[0].startswith("the completions: ")
    assert session.store.completions.count() == before


def test_completions_stay_that_a_later_step_rests_on(session: sk.Session) -> None:
    """However many steps later, and whether the tables between are there or not."""
    rows = generate(session, "Say {{ i }}.", "said")
    rows = generate(session, "Change {{ text }}", "changed", rows=rows, output="new")
    generate(session, "Rate {{ new }}", "rated", rows=rows, output="rate")
    done = session.delete(runs=[1, 2], completions=True)
    assert (done.tables, done.completions) == (("changed", "said"), 0)
    assert session.store.completions.count() == 9
    assert session.delete(runs=[3], completions=True).completions == 3


def test_marks_are_never_deleted(session: sk.Session) -> None:
    fill(session)
    done = session.delete(runs=[1, 2], tables=["good"], completions=True)
    assert "3 marks on the rows: marks are never deleted" in done.stays[-1]
    assert len(session.store.marks.all()) == 3
    assert (session.names(), session.store.completions.count()) == ([], 3)


def test_deleting_an_older_run_leaves_the_table_that_replaced_its_own(session: sk.Session) -> None:
    generate(session, "Say {{ i }}.", "said")
    generate(session, "Tell {{ i }}.", "said")
    done = session.delete(runs=[1])
    assert (done.tables, session.names()) == ((), ["said"])
    assert "the table said: run 2 replaced it" in done.stays


def test_deleting_a_table_leaves_its_run(session: sk.Session) -> None:
    fill(session)
    done = session.delete(tables=["said"])
    assert (done.runs, done.tables) == ((), ("said",))
    assert session.names() == ["good", "replies"]
    assert len(session.runs()) == 2


@IN_FILES
def test_space_is_given_back_to_the_disk(session: sk.Session) -> None:
    generate(session, "Say {{ i }}.", model=sk.Fake("x" * 500_000))
    session.store.compact()
    before = session.store.path.stat().st_size
    done = session.delete(runs=[1], completions=True)
    assert done.bytes >= 1_500_000
    assert session.store.path.stat().st_size <= before - 1_400_000
    assert session.sizes()["free"] == 0


def test_another_kernel_goes_on_reading_and_writing(session: sk.Session) -> None:
    fill(session)
    with sk.Session(session.folder) as other:
        rows = other.store.marks.all()
        session.delete(runs=[2], completions=True)
        assert other.store.marks.all() == rows
        assert other.store.completions.count() == 3
        generate(other, "More {{ i }}.")
    assert session.store.completions.count() == 6


@pytest.mark.parametrize("why", ["locked", "read-only"])
def test_a_deletion_that_fails_changes_nothing(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    fill(session)
    before = contents(session)
    if why == "locked":
        monkeypatch.setattr(store_module, "PATIENCE", 0.05)
        locked = pytest.raises(StoreError, match="locked by another process")
        with sk.Session(session.folder) as other, other.store.transaction(), locked:
            session.delete(runs=[2], tables=["good"])
    else:
        real = os.replace

        def refuse(source: Any, target: Any) -> None:
            if "good" in str(source):
                raise PermissionError(13, "Permission denied")
            real(source, target)

        monkeypatch.setattr(os, "replace", refuse)
        with pytest.raises(StoreError, match=r"nothing was deleted.*Permission denied"):
            session.delete(runs=[2], tables=["good"])
    assert contents(session) == before


def test_deleting_what_does_not_exist_is_an_error(session: sk.Session) -> None:
    fill(session)
    with pytest.raises(UsageError, match=r"expected runs=\[...\]"):
        session.would_delete()
    with pytest.raises(UsageError, match="no run 9"):
        session.delete(runs=[9])
    with pytest.raises(TableError, match=r"'godo' not found.*mean 'good'"):
        session.delete(tables=["godo"])


def test_all_completions_of_a_row_are_deleted_with_it(session: sk.Session) -> None:
    def drafted(row: dict[str, Any]) -> Any:
        (draft,) = yield [sk.recipes.user(f"Draft {row['i'] % 2}.")]
        (final,) = yield [sk.recipes.user(f"Rewrite {row['i']}: {draft.text}")]
        return {"text": final.text}

    def run(*rows: int) -> None:
        recipe = sk.recipes.from_function(drafted, [{"i": i} for i in rows])
        sk.generate(recipe, model=sk.Fake(), session=session, name=f"run{rows[0]}")

    run(1, 2)
    run(3)
    assert session.store.completions.count() == 5
    done = session.delete(runs=[1], completions=True)
    assert done.completions == 3  # the draft of odd numbers is that of run 2 as well
    assert session.store.completions.count() == 2
    assert len(session.trace(session.load("run3").id[0])) == 2
