from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.core.types import Request
from synthkit.recipes import dialogue, magpie
from synthkit.recipes._dialogue import BEGIN
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]


INN = """Is there {{ dish }}?
--- role guest
You want {{ dish }}.
--- role waiter
You serve {{ dish }}.
"""


DISHES = [{"id": "d1", "dish": "soup"}, {"id": "d2", "dish": "pie"}, {"id": "d3", "dish": "soup"}]


def talker(request: Request) -> str:
    return f"{request.to} {len(request.messages)} {request.row_seed % 1000}"


def test_roles_alternate_and_the_turns_are_counted(make: Make) -> None:
    recipe = dialogue(INN, rows=DISHES, turns=5)
    run = make(recipe, sk.Fake(talker))
    assert list(run.table) == ["id", "parent", "dish", "messages", "turns"]
    assert run.table.turns.tolist() == [5, 5, 5]
    for dish, messages in zip(run.table.dish, run.table.messages, strict=True):
        assert [one["role"] for one in messages] == ["user", "assistant"] * 2 + ["user"]
        assert messages[0]["content"] == f"Is there {dish}?"
        speakers = [one["content"].split()[0] for one in messages[1:]]
        assert speakers == ["waiter", "guest", "waiter", "guest"]
    assert run.table.messages[0] != run.table.messages[2]
    assert run.ledger.requests == 12
    expects(recipe, run)


def test_each_role_sees_the_conversation_from_its_own_side(make: Make) -> None:
    fake = sk.Fake(talker)
    run = make(dialogue(INN, rows=DISHES[:1], turns=4), fake)
    said = [one["content"] for one in run.table.messages[0]]
    waiter, guest, again = (
        [(turn.role, turn.content) for turn in request.messages] for request in fake.asked
    )
    assert waiter == [("system", "You serve soup."), ("user", said[0])]
    assert guest == [
        ("system", "You want soup."),
        ("user", BEGIN),
        ("assistant", said[0]),
        ("user", said[1]),
    ]
    assert again[1:] == [("user", said[0]), ("assistant", said[1]), ("user", said[2])]


def test_without_an_opening_the_first_role_begins(make: Make) -> None:
    fake = sk.Fake(talker)
    recipe = dialogue("--- role a\nBe a.\n--- role b\nBe b.", turns=2)
    run = make(recipe, fake)
    assert [request.to for request in fake.asked] == ["a", "b"]
    assert fake.asked[0].messages[-1].content == BEGIN
    assert BEGIN not in str(run.table.messages[0])
    expects(recipe, run)


def test_the_roles_may_be_models_of_their_own(make: Make) -> None:
    waiter = sk.Fake("Yes.", name="waiter")
    recipe = dialogue("Soup?", roles={"guest": "Be a guest.", "waiter": "Be a waiter."}, turns=4)
    run = make(recipe, sk.Fake("More?"), others={"waiter": waiter})
    assert [one["content"] for one in run.table.messages[0]] == ["Soup?", "Yes.", "More?", "Yes."]
    assert len(waiter.asked) == 2


def test_a_turn_that_is_missing_rejects_what_was_said_so_far(make: Make) -> None:
    fake = sk.Fake(lambda r: "" if len(r.messages) > 3 else "Well.")
    run = make(dialogue(INN, rows=DISHES[:1], turns=6), fake)
    assert run.table.empty
    assert run.rejects.reason.tolist() == ["turn 3, guest: empty answer"]
    assert [one["content"] for one in run.rejects.messages[0]] == ["Is there soup?", "Well."]
    assert run.rejects.turns.tolist() == [2]


def test_a_killed_dialogue_goes_on(survives: Callable[..., sk.Run]) -> None:
    assert len(survives(lambda: dialogue(INN, rows=DISHES), talker).table) == 3


@pytest.mark.parametrize(
    ("prompt", "options", "match"),
    [
        ("Hello.", {}, "has two roles.* got none"),
        ("--- role a\nA.", {}, "got 'a'"),
        ("--- role a\nA.\n--- role b\nB.", {"roles": {"c": "C."}}, "got 'a', 'b', 'c'"),
        (
            "--- role a\nA.\n--- role b\nB.",
            {"roles": {"a": "C."}},
            "'a' is both in the prompt and in roles=",
        ),
        ("--- role a: x\nA.\n--- role b\nB.", {}, "only a name; a has 'x' too"),
        ("--- role a\n--- role b\nB.", {}, "the role 'a': the prompt is empty"),
        ("--- role a\n{{ x }}\n--- role b\nB.", {}, "the role 'a': field 'x' not found"),
        ("--- system\nS.\n--- user\nHi.\n--- role a\nA.\n--- role b\nB.", {}, "cannot have turns"),
        (INN, {"turns": 1}, "two turns or more; got 1"),
        (INN, {"rows": [{"dish": None}]}, "the opening: row 0: a field is missing"),
    ],
)
def test_a_dialogue_that_cannot_work_is_refused(
    prompt: str, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        dialogue(prompt, **options)


@pytest.mark.model
def test_conversations_on_a_real_model(
    make: Make, session: sk.Session, smollm2: sk.core.models.Model
) -> None:
    few = sk.Sampling(max_tokens=12)
    run = make(dialogue(INN, rows=DISHES[:1], turns=3, sampling=few), smollm2)
    assert len(run.table) + len(run.rejects) == 1
    for id, messages in zip(run.table.id, run.table.messages, strict=True):
        said = [step.completion.text.strip() for step in session.trace(id)]
        assert said == [one["content"] for one in messages[1:]]
    run = make(magpie("none", n=2, sampling=few), smollm2)
    assert len(run.table) + len(run.rejects) == 2
    for id, response in zip(run.table.id, run.table.response, strict=True):
        question, answer = session.trace(id)
        assert question.request["turn"] == "user"
        assert answer.completion.text.strip() == response
