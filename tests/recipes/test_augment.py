from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import polars as pl

import synthkit as sk
from synthkit.recipes import Field, augment
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]


BLANKS = {
    "question": ["Why?", None, "Who?", "Who?"],
    "answer": ["Because.", "Here.", " ", float("nan")],
}


FILL = "--- field answer\nAnswer: {{ question }}\n--- field question\nAsk about {{ topic }}."


def test_what_is_there_stays_and_the_blanks_are_filled(make: Make) -> None:
    fake = sk.Fake(lambda r: r.messages[-1].content)
    recipe = augment(FILL, rows=pd.DataFrame(BLANKS).assign(topic=["a", "b", "c", "c"]))
    run = make(recipe, fake)
    assert list(run.table) == ["id", "question", "answer", "topic"]
    assert run.table.question.tolist() == ["Why?", "Ask about b.", "Who?", "Who?"]
    assert run.table.answer.tolist() == ["Because.", "Here.", "Answer: Who?", "Answer: Who?"]
    assert str(recipe.requests) == "3"
    assert run.ledger.requests == 3
    expects(recipe, run)


def test_what_a_schema_makes_does_not_overwrite_the_half_that_is_there(make: Make) -> None:
    pair = Field(prompt="Who?", schema={"properties": {"name": {}, "age": {}}})
    rows = [{"name": "Ann", "age": None}, {"name": "", "age": 3}, {"name": "Bob", "age": 4}]
    run = make(augment("", rows=rows, fields={"pair": pair}), sk.Fake('{"name": "X", "age": 9}'))
    assert run.table[["name", "age"]].values.tolist() == [["Ann", 9], ["X", 3], ["Bob", 4]]


def test_whole_rows_stay_and_have_ids_of_their_own(make: Make) -> None:
    rows = [{"topic": "x", "question": "Why?", "answer": "So."}] * 2
    run = make(augment(FILL, rows=rows))
    assert run.table[["topic", "question", "answer"]].to_dict("records") == rows
    assert run.table.id.is_unique
    assert run.ledger.requests == 0


def test_a_reject_keeps_what_was_there(make: Make) -> None:
    run = make(augment(FILL, rows=[{"topic": "x", "question": "Why?", "answer": ""}]), sk.Fake(""))
    assert run.rejects.question.tolist() == ["Why?"]
    assert run.rejects.reason.tolist() == ["answer: empty answer"]


def test_the_table_is_of_the_kind_that_was_given(make: Make) -> None:
    rows = pl.DataFrame({"topic": ["rain"], "question": ["Wet?"]})
    run = make(augment(FILL, rows=rows), sk.Fake("Yes."))
    assert isinstance(run.table, pl.DataFrame)
    assert run.table.select("question", "answer").row(0) == ("Wet?", "Yes.")


def test_a_killed_augmentation_goes_on(survives: Callable[..., sk.Run]) -> None:
    rows = [
        {"topic": "rye", "question": "Is rye dark?", "answer": None},
        {"topic": "soup", "question": "", "answer": "Salt."},
        {"topic": "tea", "question": None, "answer": None},
    ]
    run = survives(lambda: augment(FILL, rows=rows))
    assert run.table.question[0] == "Is rye dark?"
    assert run.table.answer[1] == "Salt."
    assert run.ledger.requests == 4
