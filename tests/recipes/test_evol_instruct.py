from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, UsageError
from synthkit.core.types import Request
from synthkit.recipes import evol_instruct
from synthkit.recipes._evol_instruct import GROWTH, METHODS, OPERATIONS, flaw
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]

SEEDS = pd.DataFrame({"id": ["s1", "s2"], "task": ["Name a soup.", "Write a haiku about größe."]})


def operation(request: Request) -> str:
    """Which operation a request asks for; empty if it is a judgement or an answer."""
    prompt = request.messages[-1].content
    for name, method in METHODS.items():
        if method in prompt:
            return name
    return "breadth" if prompt.startswith("Write a new prompt") else ""


def parent(request: Request) -> str:
    return request.messages[-1].content.rpartition("Given prompt:\n")[2]


def grow(request: Request) -> str:
    """Adds the operation's name to the instruction; the judge finds a gain."""
    prompt = request.messages[-1].content
    if prompt.startswith("Compare two prompts"):
        return "Not equal."
    return f"{parent(request)} Use {operation(request)}." if operation(request) else "Tomato."


def always(evolved: str, verdict: str = "not equal") -> Callable[[Request], str]:
    def answer(request: Request) -> str:
        if request.messages[-1].content.startswith("Compare two prompts"):
            return verdict
        return evolved

    return answer


def test_each_round_evolves_what_survived_the_last_one(make: Make, session: sk.Session) -> None:
    recipe = evol_instruct("{{ task }}", rows=SEEDS, rounds=3)
    run = make(recipe, sk.Fake(grow))
    expects(recipe, run)
    assert list(run.table) == ["id", "parent", "task", "instruction", "round", "operation"]
    assert run.table.parent.tolist() == ["s1"] * 3 + ["s2"] * 3
    assert run.table["round"].tolist() == [1, 2, 3] * 2
    for seed, rows in run.table.groupby("task", sort=False):
        evolved = str(seed)
        for made in rows.itertuples():
            evolved += f" Use {made.operation}."
            assert made.instruction == evolved
    assert run.ledger.requests == 12
    assert [len(session.trace(id)) for id in run.table.id] == [2, 4, 6] * 2


def test_operations_are_drawn_uniformly(make: Make) -> None:
    rows = [{"task": f"Name {n} soups."} for n in range(600)]
    run = make(evol_instruct("{{ task }}", rows=rows, rounds=1, eliminate=False), sk.Fake(grow))
    counts = Counter(run.table.operation)
    chi_square = sum((counts[name] - 100) ** 2 / 100 for name in OPERATIONS)
    assert chi_square < 20.5  # 5 degrees of freedom, p = .001


def test_other_seeds_draw_other_operations(make: Make) -> None:
    rows = [{"task": f"Name {n} soups."} for n in range(20)]
    drawn = [
        make(
            evol_instruct("{{ task }}", rows=rows, rounds=1, sampling=sk.Sampling(seed=seed)),
            sk.Fake(grow),
        )
        for seed in (0, 1)
    ]
    assert drawn[0].table.operation.tolist() != drawn[1].table.operation.tolist()


def test_only_the_operations_that_are_named_are_used(make: Make) -> None:
    run = make(
        evol_instruct("{{ task }}", rows=SEEDS, rounds=4, operations=["breadth"]), sk.Fake(grow)
    )
    assert set(run.table.operation) == {"breadth"}


@pytest.mark.parametrize(
    ("evolved", "verdict", "reason"),
    [
        ("Name two soups.", "They are equal.", "no gain over the instruction it came from"),
        ("name a SOUP!", "not equal", "no gain: it is the instruction it came from"),
        ("Rewritten Prompt: Name two soups.", "not equal", "copies 'rewritten prompt'"),
        ("The given prompt asks for soup.", "not equal", "copies 'given prompt'"),
        ("And so on...", "not equal", "nothing but stop words and punctuation"),
        ("", "not equal", "empty answer"),
        ("soup " * (GROWTH + 4), "not equal", f"{GROWTH + 1} words longer"),
        ("Name two soups.", "<b>perhaps</b>", "no verdict on what it gains: names none of"),
    ],
)
def test_what_fails_is_a_reject_and_its_parent_goes_on(
    make: Make, evolved: str, verdict: str, reason: str
) -> None:
    seen: list[str] = []

    def answer(request: Request) -> str:
        if operation(request):
            seen.append(parent(request))
        return always(evolved, verdict)(request)

    recipe = evol_instruct("{{ task }}", rows=SEEDS[:1], rounds=2)
    run = make(recipe, sk.Fake(answer))
    expects(recipe, run)
    assert len(run.table) == 0
    assert run.rejects.reason.str.startswith(reason).tolist() == [True, True]
    assert run.rejects.raw.str.strip().tolist() == [evolved.strip()] * 2
    assert run.rejects["round"].tolist() == [1, 2]
    assert seen == ["Name a soup."] * 2


def test_a_failed_round_is_no_part_of_what_follows(make: Make, session: sk.Session) -> None:
    def late(request: Request) -> str:
        return "Of it all." if operation(request) and request.index == 0 else grow(request)

    recipe = evol_instruct("{{ task }}", rows=SEEDS[:1], rounds=2, operations=["deepen"])
    run = make(recipe, sk.Fake(late))
    assert run.rejects["round"].tolist() == [1]
    assert run.table[["instruction", "round"]].values.tolist() == [["Name a soup. Use deepen.", 2]]
    assert len(session.trace(run.table.id[0])) == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("I am sorry, but I cannot.", "its answer says sorry, in 6 words"),
        ("...", "its answer: nothing but stop words"),
        ("", "its answer: empty answer"),
    ],
)
def test_an_answer_that_is_none_eliminates_its_instruction(
    make: Make, answer: str, reason: str
) -> None:
    def say(request: Request) -> str:
        return answer if grow(request) == "Tomato." else grow(request)

    recipe = evol_instruct("{{ task }}", rows=SEEDS, rounds=1, answers=True)
    run = make(recipe, sk.Fake(say))
    expects(recipe, run)
    assert len(run.table) == 0
    assert run.rejects.reason.str.startswith(reason).all()
    assert run.rejects.instruction.str.contains("Use").all()


def test_a_long_answer_may_say_sorry(make: Make) -> None:
    long = "Sorry for the length. " + "Soup is warm. " * 40
    run = make(
        evol_instruct("{{ task }}", rows=SEEDS, rounds=1, answers=True),
        sk.Fake(lambda request: long if grow(request) == "Tomato." else grow(request)),
    )
    assert run.table.answer.tolist() == [long.strip()] * 2


def test_without_elimination_each_round_is_one_request(make: Make) -> None:
    recipe = evol_instruct("{{ task }}", rows=SEEDS, rounds=3, eliminate=False)
    run = make(recipe, sk.Fake(lambda one: "Rewritten prompt: " + parent(one)))
    assert str(recipe.requests) == "6"
    assert (run.ledger.requests, len(run.table), recipe.roles) == (6, 6, ())


def test_the_last_survivor_alone_can_be_kept(make: Make) -> None:
    run = make(evol_instruct("{{ task }}", rows=SEEDS, rounds=3, keep="last"), sk.Fake(grow))
    assert run.table["round"].tolist() == [3, 3]


def test_another_model_may_judge(make: Make) -> None:
    run = make(
        evol_instruct("{{ task }}", rows=SEEDS, rounds=1),
        sk.Fake(grow),
        others={"judge": sk.Fake("equal", name="judge")},
    )
    assert run.rejects.reason.tolist() == ["no gain over the instruction it came from"] * 2


def test_an_instruction_of_the_seeds_is_replaced(make: Make) -> None:
    seeds = SEEDS.rename(columns={"task": "instruction"})
    run = make(evol_instruct("{{ instruction }}", rows=seeds, rounds=1), sk.Fake(grow))
    assert list(run.table) == ["id", "parent", "instruction", "round", "operation"]
    assert run.table.instruction.str.contains("Use").all()


def test_turns_before_the_last_stand_before_all_that_is_asked(make: Make) -> None:
    fake = sk.Fake(grow)
    prompt = "--- system\nBe brief.\n--- user\n{{ task }}"
    make(evol_instruct(prompt, rows=SEEDS, rounds=1, answers=True), fake)
    for request in fake.asked:
        judges = request.to == "judge"
        assert (request.messages[0].role == "system") is not judges


def test_equal_seeds_evolve_apart(make: Make) -> None:
    run = make(evol_instruct("Name a soup.", rows=[{"n": 1}, {"n": 2}], rounds=2, eliminate=False))
    assert run.table.instruction.is_unique
    assert run.table.id.is_unique


def test_a_killed_evolution_goes_on(survives: Callable[..., sk.Run]) -> None:
    run = survives(lambda: evol_instruct("{{ task }}", rows=SEEDS, rounds=3, answers=True), grow)
    assert len(run.table) == 6


def test_no_seeds_give_no_rows(make: Make) -> None:
    run = make(evol_instruct("{{ task }}", rows=SEEDS[:0]))
    assert (len(run.table), run.ledger.requests) == (0, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0}, "rounds must be at least 1"),
        ({"operations": ["deeper"]}, "operation 'deeper' not found.*Did you mean 'deepen'"),
        ({"operations": []}, "operations must be one or more"),
        ({"keep": "first"}, "keep 'first' not found"),
        ({"prompt": "{{ taks }}"}, "Did you mean 'task'"),
        ({"rows": [{"task": "a"}, {"task": None}]}, "row 1: .*no value"),
        ({"rows": [{"task": "a", "round": 1}]}, "makes a column 'round'"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"prompt": "{{ task }}", "rows": SEEDS} | options
    with pytest.raises(UsageError, match=message):
        evol_instruct(arguments.pop("prompt"), **arguments)
    assert issubclass(PromptError, UsageError)


def test_words_in_other_scripts_say_something() -> None:
    assert flaw("スープを三つ挙げてください。", "スープ") == ""


@pytest.mark.model
def test_a_small_model_evolves(make: Make, session: sk.Session, smollm2: Any) -> None:
    recipe = evol_instruct(
        "{{ task }}", rows=SEEDS[:1], rounds=2, sampling=sk.Sampling(max_tokens=12)
    )
    run = make(recipe, smollm2)
    expects(recipe, run)
    assert len(run.table) + len(run.rejects) == 2
    for id in [*run.table.id, *run.rejects.id]:
        assert "Name a soup." in session.trace(id)[0].request["messages"][0][1]
