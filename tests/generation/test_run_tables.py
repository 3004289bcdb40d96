"""Columns of the user that have a name of the run's own are kept, under a name with a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import SynthkitError, TableError, UsageError
from synthkit.curate import apply_filters, length, split_by_marks
from synthkit.data import tables
from synthkit.data.results import curation_summary, run_summary

Generate = Callable[..., sk.Run]
Make = Callable[[dict[str, list[Any]]], Any]


def test_a_parent_of_the_users_own_is_kept(generate: Generate, make: Make) -> None:
    thread = make({"id": ["c2"], "parent": ["c1"], "text": ["hi"]})
    run = generate("Reply to {{ text }} of {{ parent }}", rows=thread)
    (row,) = tables.records(run.table)
    assert (row["parent"], row["parent_2"], row["text"]) == ("c2", "c1", "hi")
    assert "your column 'parent' is 'parent_2' in the table" in str(run_summary(run))
    failed = generate("{{ text }}", rows=thread, labels=["yes", "no"], model=sk.Fake("maybe"))
    (reject,) = tables.records(failed.rejects)
    assert (reject["parent"], reject["parent_2"]) == ("c2", "c1")


def test_the_parent_of_a_generated_row_is_replaced_and_traced(
    generate: Generate, session: sk.Session, make: Make
) -> None:
    first = generate("{{ x }}", rows=make({"id": ["c1"], "x": ["a"]})).table
    second = generate("{{ x }}, {{ text }}", rows=first)
    third = generate("{{ x }}!", rows=second.table)
    (row,) = tables.records(third.table)
    assert row["parent"] == tables.column(second.table, "id")[0]
    assert [name for name in row if name.startswith("parent")] == ["parent"]
    assert tables.column(second.table, "parent") == tables.column(first, "id")


def test_ids_that_only_look_generated_do_not_lose_their_parent(generate: Generate) -> None:
    spans = [{"id": "0123456789abcdef", "parent": "fedcba9876543210", "x": 1}]
    (row,) = tables.records(generate("{{ x }}", rows=spans).table)
    assert row["parent_2"] == "fedcba9876543210"


def test_own_columns_of_rejects_are_kept(generate: Generate, make: Make) -> None:
    ticket = make({"reason": ["mine"], "raw": ["mine too"], "reason_2": ["and this"]})
    run = generate("{{ reason }}?", rows=ticket, labels=["yes", "no"], model=sk.Fake("maybe"))
    (row,) = tables.records(run.rejects)
    assert row["raw"] == "maybe"
    assert "names none of the labels" in row["reason"]
    assert (row["reason_3"], row["raw_2"], row["reason_2"]) == ("mine", "mine too", "and this")
    assert "your column 'reason' is 'reason_3' in the rejects" in str(run_summary(run)) or (
        "reason_2" in str(run_summary(run))
    )


def test_own_columns_of_pending_rows_are_kept(generate: Generate, make: Make) -> None:
    rows = make({"id": ["a"], "parent": ["p"], "reason": ["mine"]})
    run = generate("{{ reason }}", rows=rows, max_requests=0)
    (row,) = tables.records(run.pending)
    assert (row["parent"], row["parent_2"], row["reason_2"]) == ("a", "p", "mine")


@pytest.mark.parametrize("name", ["raw", "reason", "why", "filter", "label", "text", "text_2"])
def test_other_columns_keep_their_names_in_the_table(
    generate: Generate, make: Make, name: str
) -> None:
    run = generate(f"{{{{ {name} }}}}", rows=make({name: ["mine"]}), model=sk.Fake("answer"))
    (row,) = tables.records(run.table)
    assert row[name] == "mine"
    assert "answer" in [row.get(column) for column in ("text", "text_2", "text_3")]


def test_an_id_that_a_function_returns_is_refused(session: sk.Session) -> None:
    def shout(row: dict[str, Any]) -> Any:
        (answer,) = yield [sk.recipes.user(f"Say {row['x']}.")]
        return {"id": "mine", "out": answer.text}

    with pytest.raises(UsageError, match="cannot be 'id' or 'parent'"):
        sk.generate(shout, rows=[{"x": 1}], session=session, model=sk.Fake())


@pytest.mark.parametrize("name", ["id", "parent"])
def test_an_output_column_of_these_names_is_refused(generate: Generate, name: str) -> None:
    with pytest.raises(UsageError):
        generate("Hi", output=name)
    with pytest.raises(SynthkitError):
        generate("Hi", schema={"properties": {name: {"type": "string"}}})


def test_dropped_rows_keep_their_own_why_and_filter(make: Make) -> None:
    rows = make({"id": ["a"], "text": ["short"], "why": ["mine"], "filter": ["my filter"]})
    curation = apply_filters(rows, length(least=5))
    (row,) = tables.records(curation.dropped)
    assert (row["why_2"], row["filter_2"]) == ("mine", "my filter")
    assert row["why"].startswith("too short")
    assert "your column 'why' is 'why_2' in the dropped rows" in str(curation_summary(curation))
    again = apply_filters(curation.dropped, length(least=5))
    assert tables.column(again.dropped, "why_3") == [row["why"]]
    assert tables.column(again.dropped, "why_2") == ["mine"]


def test_rejected_rows_keep_their_own_why(make: Make) -> None:
    rows = make({"id": ["a"], "why": ["mine"]})
    marks = [sk_mark("a")]
    assert tables.records(split_by_marks(rows, marks).dropped) == [
        {"id": "a", "why_2": "mine", "why": "rejected"}
    ]


def sk_mark(id: str) -> Any:
    from synthkit.core.types import Mark

    return Mark(id=id, label="reject")


def test_whole_numbers_of_answers_stay_whole(generate: Generate, make: Make, kind: str) -> None:
    long = 1234567890123456789
    answers = {"0": f'{{"n": {long}}}', "1": '{"n": null}'}
    fake = sk.Fake(lambda request: answers[request.messages[-1].content])
    schema = {"properties": {"n": {"type": ["integer", "null"]}}, "required": ["n"]}
    run = generate("{{ i }}", rows=make({"i": [0, 1]}), schema=schema, model=fake, name="t")
    assert tables.column(run.table, "n") == [long, None]


def test_a_long_id_is_asked_and_kept_whole(generate: Generate, session: sk.Session) -> None:
    long = 1234567890123456789
    rows = [{"id": long, "x": long}, {"id": 7, "x": None}]
    job = sk.plan("ID {{ x or 'none' }}", rows=rows, model=sk.Fake(), session=session)
    assert [request and request.messages[-1].content for request in job.requests] == [
        f"ID {long}",
        "ID none",
    ]
    run = job.run()
    assert tables.column(run.table, "parent") == [long, 7]
    session.save("t", run.table)
    assert tables.records(session.load("t")) == tables.records(run.table)


def test_columns_that_recipes_would_overwrite_are_refused(session: sk.Session) -> None:
    rows = [{"text": "a", "judge": 1}]
    with pytest.raises(TableError, match="'judge', which the rows have already"):
        sk.recipes.judge("Is it kind?", rows=rows)
