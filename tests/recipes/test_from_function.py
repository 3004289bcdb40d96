from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import RecipeError, UsageError
from synthkit.core.types import Reject, Row
from synthkit.recipes import user

Make = Callable[..., sk.Run]


def haiku(row: dict[str, Any], *, sampling: sk.Sampling = sk.Sampling()) -> Any:
    """A haiku in two drafts."""
    (draft,) = yield [user(f"Write a haiku about {row['topic']}.", sampling)]
    (final,) = yield [user(f"Make it plainer:\n{draft.text}", sampling)]
    return {"draft": draft.text, "haiku": final.text}


TOPICS = pd.DataFrame({"id": ["a1", "a2", "a3"], "topic": ["rain", "bread", "rain"]})


def test_a_function_of_a_row_is_a_recipe(make: Make, session: sk.Session) -> None:
    run = make(haiku, rows=TOPICS, name="haikus")
    assert list(run.table) == ["id", "parent", "topic", "draft", "haiku"]
    assert run.table.parent.tolist() == ["a1", "a2", "a3"]
    (draft, final) = session.trace(run.table.id[1])
    assert draft.completion.text == run.table.draft[1]
    assert final.request["messages"][0][1].endswith(run.table.draft[1])
    assert session.load("haikus").equals(run.table)


def test_the_columns_are_known_before_it_runs() -> None:
    assert sk.recipes.from_function(haiku, TOPICS).columns == ("draft", "haiku")

    def endless(row: dict[str, Any]) -> Any:
        while True:
            yield [user("And?")]

    assert sk.recipes.from_function(endless, TOPICS).columns == ()


def test_equal_rows_draw_samples_of_their_own(make: Make) -> None:
    run = make(haiku, rows=TOPICS)
    assert run.ledger.requests == 6
    assert run.table.id.is_unique
    assert run.table.haiku[0] != run.table.haiku[2]


def test_a_killed_recipe_goes_on(survives: Callable[..., sk.Run]) -> None:
    run = survives(lambda: sk.recipes.from_function(haiku, TOPICS))
    assert len(run.table) == 3


def test_a_budget_keeps_the_rows_that_are_done(make: Make) -> None:
    run = make(haiku, rows=TOPICS, max_requests=4)
    assert "budget" in run.ledger.stopped
    assert len(run.table) + len(run.pending) == 3
    assert len(make(haiku, rows=TOPICS).table) == 3


def test_a_row_whose_code_fails_is_a_reject(make: Make) -> None:
    def fragile(row: dict[str, Any]) -> Any:
        (answer,) = yield [user(f"{row['x']}")]
        return {"half": 1 / row["x"], "said": answer.text}

    run = make(fragile, rows=[{"x": 1}, {"x": 0}])
    assert len(run.table) == 1
    assert run.rejects.reason.tolist() == ["the recipe failed: ZeroDivisionError: division by zero"]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (user("Hi."), r"got a Request\. Write yield \[\.\.\.\]"),
        ("Hi.", "got a str"),
        (None, "got a NoneType"),
        (["Hi."], "got one with 'Hi.'"),
        ([{"text": "x"}], r"got one with \{'text': 'x'\}"),
    ],
)
def test_a_step_of_another_form_says_what_it_should_be(make: Make, step: Any, said: str) -> None:
    def by_row(row: dict[str, Any]) -> Any:
        yield step

    def by_rows(rows: Any) -> Any:
        yield step

    run = make(by_row, rows=TOPICS)
    assert len(run.rejects) == 3
    assert re.search(
        f"a recipe yields a list of requests, rows or steps; {said}", run.rejects.reason[0]
    )
    with pytest.raises(RecipeError, match=rf"{said}.* \(by_rows, line \d+\)"):
        make(by_rows, rows=TOPICS)


@pytest.mark.parametrize("returned", ["text", 5])
def test_what_is_returned_in_another_form_is_a_reject(make: Make, returned: Any) -> None:
    def odd(row: dict[str, Any]) -> Any:
        yield [user("Hi.")]
        return returned

    run = make(odd, rows=TOPICS)
    assert list(run.table) == ["id", "parent", "topic"]
    assert run.rejects.reason[0].endswith(
        f"returns cells as a dict, rows or rejects; got {returned!r}"
    )


def test_a_row_for_which_nothing_is_returned_is_a_reject(make: Make) -> None:
    def forgetful(row: dict[str, Any]) -> Any:
        (answer,) = yield [user(row["topic"])]
        if row["topic"] == "a":
            return {"said": answer.text}
        if row["topic"] == "b":
            return []
        if row["topic"] == "c":
            yield [Row({"said": "early"})]
        return None

    run = make(forgetful, sk.Fake("Yes."), rows={"topic": list("abcd")})
    assert run.table["said"].tolist() == ["Yes.", "early"]
    (reject,) = run.rejects.to_dict("records")
    assert reject["reason"].startswith("the recipe returned nothing")
    assert reject["topic"] == "d"


def test_a_dataset_recipe_that_fails_keeps_its_rows(make: Make) -> None:
    def rounds(rows: list[dict[str, Any]]) -> Any:
        request = user("Say something.")
        (answer,) = yield [request]
        yield [Row({"text": answer.text}, of=(request,)), Reject("?", "odd", of=(request,))]
        raise KeyError("lost")

    with pytest.raises(RecipeError, match="KeyError: 'lost'") as failure:
        make(rounds)
    run = failure.value.run
    assert run is not None
    assert len(run.table) == len(run.rejects) == 1
    assert run.table.id[0] != run.rejects.id[0]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda row: {}, "does not yield"),
        (lambda table: (yield []), "first parameter"),
        (lambda: (yield []), "first parameter"),
    ],
)
def test_what_is_no_recipe_is_refused(make: Make, function: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(function)


def test_an_option_that_it_does_not_take_is_refused() -> None:
    with pytest.raises(UsageError, match=r"haiku takes no 'lines'; .*sampling"):
        sk.recipes.from_function(haiku, TOPICS, lines=3)


@pytest.mark.parametrize("taken", ["id", "parent", "topic"])
def test_a_column_that_the_rows_have_is_refused(taken: str) -> None:
    with pytest.raises(UsageError, match=taken):
        sk.recipes.per_row(
            haiku, TOPICS, name="h", requests=sk.recipes.Bounds(1, 1), columns=[taken]
        )
