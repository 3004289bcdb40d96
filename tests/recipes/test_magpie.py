from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.core.types import Request
from synthkit.recipes import magpie
from synthkit.recipes._magpie import CHUNK
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]


def cook(request: Request) -> str:
    if request.turn == "user":
        return f"How is {request.row_seed % 1000} made? "
    return f"Like {len(request.messages)} others."


def test_the_model_makes_up_the_instruction_and_answers_it(make: Make) -> None:
    fake = sk.Fake(cook)
    recipe = magpie("You cook.", n=4)
    run = make(recipe, fake)
    assert list(run.table) == ["id", "instruction", "response"]
    assert run.table.instruction.is_unique
    assert run.table.response.tolist() == ["Like 2 others."] * 4
    opening, answer = fake.asked[0], fake.asked[-1]
    assert [turn.role for turn in opening.messages] == ["system"]
    assert [turn.role for turn in answer.messages] == ["system", "user"]
    assert [request.turn for request in (opening, answer)] == ["user", "assistant"]
    assert run.ledger.requests == 8
    expects(recipe, run)


@pytest.mark.parametrize("prompt", ["none", "None\n", ""])
def test_there_may_be_no_system_prompt(make: Make, prompt: str) -> None:
    fake = sk.Fake(cook)
    make(magpie(prompt, n=1), fake)
    assert fake.asked[0].messages == ()


def test_more_turns_are_kept_as_messages(make: Make) -> None:
    recipe = magpie("You cook.", n=2, turns=2)
    fake = sk.Fake(cook)
    run = make(recipe, fake)
    for row in run.table.to_dict("records"):
        assert [one["role"] for one in row["messages"]] == ["user", "assistant"] * 2
        assert [one["content"] for one in row["messages"][:2]] == [
            row["instruction"],
            row["response"],
        ]
    assert [request.turn for request in fake.asked].count("user") == 4
    expects(recipe, run)


def test_an_instruction_is_the_first_turn_alone(make: Make) -> None:
    said = "What is \\n tea?\\nAssistant: A drink.".replace("\\n", "\n")
    run = make(magpie("none", n=1), sk.Fake(lambda r: said if r.turn == "user" else "A leaf."))
    assert run.table.instruction.tolist() == ["What is \n tea?"]


@pytest.mark.parametrize("hostile", ["", "<|im_end|>", "User: hi"])
def test_an_empty_instruction_is_a_reject(make: Make, hostile: str) -> None:
    run = make(magpie("none", n=2), sk.Fake(hostile))
    assert run.table.empty
    assert run.rejects.raw.tolist() == [hostile] * 2
    assert set(run.rejects.reason) <= {"empty answer", "the user's turn is empty"}
    assert run.ledger.requests == 2


def test_equal_instructions_are_kept_once_and_answered_once(make: Make) -> None:
    said = ["What is tea?", "what  is TEA? ", "What is tea?", "Who?"]
    fake = sk.Fake(lambda r: said[r.index] if r.turn == "user" else "Well.")
    run = make(magpie("none", n=4), fake)
    assert run.table.instruction.tolist() == ["What is tea?", "Who?"]
    assert run.rejects.raw.tolist() == ["what  is TEA?", "What is tea?"]
    assert set(run.rejects.reason) == {"an earlier row has the same instruction"}
    answered = [r.messages[-1].content for r in fake.asked if r.turn == "assistant"]
    assert len(answered) == len(set(answered)) == 3


def test_each_row_has_a_system_prompt_of_its_own(make: Make) -> None:
    rows = [{"id": "d1", "dish": "soup"}, {"id": "d2", "dish": "pie"}]
    fake = sk.Fake(cook)
    run = make(magpie("You make {{ dish }}.", n=2, rows=rows), fake)
    assert list(run.table) == ["id", "parent", "dish", "instruction", "response"]
    assert sorted(run.table.parent) == ["d1", "d1", "d2", "d2"]
    systems = {request.messages[0].content for request in fake.asked}
    assert systems == {"You make soup.", "You make pie."}


def test_a_run_that_stops_keeps_the_rows_before(make: Make) -> None:
    run = make(magpie("You cook.", n=CHUNK + 10), sk.Fake(cook), max_requests=2 * CHUNK + 5)
    made = len(run.table) + len(run.rejects)
    assert made == CHUNK


def test_a_killed_magpie_goes_on(survives: Callable[..., sk.Run]) -> None:
    run = survives(lambda: magpie("You cook.", n=5, turns=2), cook)
    assert len(run.table) + len(run.rejects) == 5


@pytest.mark.parametrize(
    ("prompt", "options", "match"),
    [
        ("none", {"n": 0}, "n must be at least 1"),
        ("none", {"turns": 0}, "turns must be at least 1"),
        ("{{ x }}", {}, "the system prompt: field 'x' not found"),
        ("none", {"rows": [{"response": "x"}]}, "which the rows have"),
    ],
)
def test_a_magpie_that_cannot_work_is_refused(
    prompt: str, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        magpie(prompt, **{"n": 2} | options)
