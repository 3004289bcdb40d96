from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from rouge_score.rouge_scorer import RougeScorer

import synthkit as sk
from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.core.types import Completion, Reject, Request
from synthkit.data import tables
from synthkit.recipes import self_instruct
from synthkit.recipes._self_instruct import numbered_tasks
from synthkit.recipes._self_instruct_examples import checked_examples, example_decoder
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]
TASKS = [
    "Name three kinds of soup that are eaten cold.",
    "Write a haiku about rain on a tin roof.",
    "Explain why bread rises when yeast is added.",
    "Translate this sentence into formal French.",
    "Is the review below positive or negative?",
    "Sum up the story in two sentences.",
    "Give me advice on how to sleep better.",
]
SEEDS = pd.DataFrame({"id": [f"s{i}" for i in range(7)], "task": TASKS})
PARTS = (
    "Describe Compare Plan Criticise Imagine Justify".split(),
    "bridges glaciers violins elections vaccines markets".split(),
    "briefly poetically angrily formally backwards anew".split(),
    "children sailors judges robots farmers poets".split(),
)


def drawn_up(request: Request) -> str:
    """As many tasks as are asked for, of which many share most of their words."""
    prompt = request.messages[-1].content
    draw = random.Random(request.row_seed)
    first, last = map(int, re.findall(r"Write tasks (\d+) to (\d+)", prompt)[0])
    tasks = [
        "{} {} {} for {} today.".format(*map(draw.choice, PARTS)) for _ in range(first, last + 1)
    ]
    return "\n".join(f"{at}. {task}" for at, task in enumerate(tasks, first))


def with_examples(request: Request) -> str:
    """Also says what kind a task is, by its first letter, and writes two examples of it."""
    prompt = request.messages[-1].content
    if prompt.startswith("Is this"):
        return "Yes." if re.findall(r"Task: (\w)", prompt)[0] in "CJ" else "No."
    if "Label: ..." in prompt:
        return "Label: good\nInput: a warm loaf\n\nLabel: bad\nInput: a burnt loaf"
    if "Output: ..." in prompt:
        return "Example 1\nInput: none\nOutput: one loaf\n\nExample 2\nInput: none\nOutput: "
    return drawn_up(request)


def listed(request: Request) -> list[str]:
    """The tasks that a request shows."""
    return re.findall(r"^\d+\. (.+)$", request.messages[-1].content, re.M)


def most_alike(texts: list[str]) -> float:
    """The largest ROUGE-L F1 of two of the texts, by another library."""
    scorer = RougeScorer(["rougeL"])
    return max(scorer.score(*pair)["rougeL"].fmeasure for pair in itertools.combinations(texts, 2))


def test_no_two_instructions_or_seeds_are_much_alike(make: Make) -> None:
    recipe = self_instruct("{{ task }}", rows=SEEDS, n=50)
    run = make(recipe, sk.Fake(drawn_up))
    expects(recipe, run)
    assert len(run.table) == 50
    assert most_alike([*TASKS, *run.table.instruction]) <= 0.7
    reasons = run.rejects.reason.str.extract(r"ROUGE-L (\S+) with '")[0].dropna().astype(float)
    assert len(reasons) > 5
    assert reasons.min() > 0.7
    loose = make(self_instruct("{{ task }}", rows=SEEDS, n=50, likeness=1), sk.Fake(drawn_up))
    assert most_alike(list(loose.table.instruction)) > 0.7


def test_each_instruction_and_each_reject_rests_on_the_answer_it_was_in(
    make: Make, session: sk.Session
) -> None:
    recipe = self_instruct("{{ task }}", rows=SEEDS, n=6)
    run = make(recipe, sk.Fake(drawn_up))
    assert list(run.table) == ["id", "instruction", "round"]
    assert run.table.id.is_unique
    for row in tables.records(run.table):
        (step,) = session.trace(row["id"])
        assert row["instruction"] in step.completion.text
    assert len(run.table) + len(run.rejects) == 4 * run.ledger.requests


def test_requests_show_six_seeds_and_two_accepted_instructions_of_earlier_rounds(
    make: Make,
) -> None:
    model = sk.Fake(drawn_up)
    run = make(self_instruct("{{ task }}", rows=SEEDS, n=15, width=2), model)
    first = [listed(request) for request in model.asked[:2]]
    assert all(sorted(shown) == sorted(TASKS) for shown in first)
    assert first[0] != first[1]
    accepted: set[str] = set()
    later = iter(model.asked[2:])
    for number in range(2, run.table["round"].max() + 1):
        accepted |= set(run.table.instruction[run.table["round"] == number - 1])
        left = 15 - len(accepted)
        for request in itertools.islice(later, min(2, -(-left // 4))):
            shown = listed(request)
            assert len(shown) == len(set(shown)) == 8
            assert len(set(shown) & set(TASKS)) == 6
            assert len(set(shown) & accepted) == 2
    assert next(later, None) is None


def test_what_is_not_fit_is_rejected_with_the_reason(make: Make) -> None:
    said = {
        "Name two rivers.": "has 3 words, and not 4 to 150",
        " ".join(["word"] * 151): "has 151 words, and not 4 to 150",
        "Describe what the Images show you.": "has the word 'Images'",
        "Please go to the nearest shop.": "has the word 'go to'",
        "write a Program that sorts numbers.": "begins with 'Write a program'",
        "- List the rivers of Wales.": "begins with punctuation",
        "Überlege dir ein gutes Rezept.": "begins with a letter that is not ASCII",
        "Name four kinds of soup that are eaten cold.": "ROUGE-L 0.89 with",
        "name three kinds of soup, that are eaten cold": "the same words as",
        "Graphic novels: name one you like.": "",
        "Compare mapping and drawing as crafts.": "",
        "Tell a joke about a sailor.": "beyond the number that was asked for",
    }
    answer = "\n".join(f"{at}. {task}" for at, task in enumerate(said, 8))
    recipe = self_instruct("{{ task }}", rows=SEEDS, n=2)
    run = make(recipe, sk.Fake(answer))
    expects(recipe, run)
    assert run.table.instruction.tolist() == [task for task, reason in said.items() if not reason]
    assert run.rejects.raw.tolist() == [task for task, reason in said.items() if reason]
    for found, reason in zip(run.rejects.reason, filter(None, said.values()), strict=True):
        assert found.startswith(reason)


def test_other_scripts_are_taken_if_asked_for(make: Make) -> None:
    tasks = ["写一首关于雨的诗", "Überlege dir ein gutes Rezept.", "«Nommez» trois soupes froides."]
    answer = "\n".join(f"{at}. {task}" for at, task in enumerate(tasks, 8))
    recipe = self_instruct("{{ task }}", rows=SEEDS, n=3, any_script=True, rounds=1)
    run = make(recipe, sk.Fake(answer))
    assert run.table.instruction.tolist() == tasks[:2]
    assert run.rejects.reason.tolist() == [
        "begins with punctuation",
        "stopped: 2 of 3 instructions after 1 rounds",
    ]


def test_it_stops_after_three_rounds_without_a_gain(make: Make) -> None:
    model = sk.Fake("8. Name a good soup for winter.")
    recipe = self_instruct("{{ task }}", rows=SEEDS, n=5, rounds=20)
    run = make(recipe, model)
    expects(recipe, run)
    assert run.table["round"].tolist() == [1]
    assert run.rejects["round"].max() == 4
    assert run.rejects.reason.tolist()[-1] == "stopped: 1 of 5 instructions after 4 rounds"
    again = make(self_instruct("{{ task }}", rows=SEEDS, n=5, rounds=2), model)
    assert again.rejects.reason.tolist()[-1] == "stopped: 1 of 5 instructions after 2 rounds"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty answer"),
        ("<ul><li>Name a soup.</li></ul>", "is no numbered list"),
        ('{"tasks": ["Name a soup for winter."]}', "is no numbered list"),
        ("Sure! Here are 4 more tasks.", "is no numbered list"),
        ("8.\n9.", "has 0 words, and not 4 to 150"),
    ],
)
def test_what_is_no_list_is_rejected(make: Make, text: str, reason: str) -> None:
    recipe = self_instruct("{{ task }}", rows=SEEDS, n=4, rounds=2)
    run = make(recipe, sk.Fake(text))
    expects(recipe, run)
    assert len(run.table) == 0
    assert set(run.rejects.reason[:-1]) == {reason}
    assert run.rejects.reason.tolist()[-1] == "stopped: 0 of 4 instructions after 2 rounds"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8. Name a soup.\n9. Name a tea.", ["Name a soup.", "Name a tea."]),
        ("Sure:\n\n8) Name a soup.\n\n9) Name\na tea.\n\nEnjoy!", ["Name a soup.", "Name a tea."]),
        ("**8.** Name a soup.\n**9.** Name a tea.", ["Name a soup.", "Name a tea."]),
        ("Task 8: Name a soup.\nTask 9: Add 1.5 and 2.", ["Name a soup.", "Add 1.5 and 2."]),
        ("8 . Name a soup of\n3.5 litres.", ["Name a soup of 3.5 litres."]),
    ],
)
def test_a_numbered_list_is_read(text: str, expected: list[str]) -> None:
    assert numbered_tasks(Completion(text)) == expected


def test_the_last_task_of_an_answer_that_was_cut_is_rejected() -> None:
    cut = Reject("Name a", "the answer was cut at max_tokens")
    assert numbered_tasks(Completion("8. Name a soup.\n9. Name a", "length")) == [
        "Name a soup.",
        cut,
    ]


def test_labels_come_first_for_classification_and_inputs_for_all_others(
    make: Make, session: sk.Session
) -> None:
    model = sk.Fake(with_examples)
    recipe = self_instruct("{{ task }}", rows=SEEDS, n=10, instances=True, rounds=30)
    run = make(recipe, model)
    expects(recipe, run)
    made = ["instruction", "is_classification", "input", "output"]
    assert list(run.table) == ["id", *made, "round"]
    assert run.table.instruction.nunique() == 10
    assert set(run.table.is_classification) == {True, False}
    for task, rows in run.table.groupby("instruction"):
        sorts = str(task)[0] in "CJ"
        found = [("a warm loaf", "good"), ("a burnt loaf", "bad")] if sorts else [("", "one loaf")]
        assert rows[made[1:]].values.tolist() == [[sorts, *one] for one in found]
        for id in rows.id:
            writing, kind, examples = (one.request["messages"][-1][1] for one in session.trace(id))
            assert "Write tasks" in writing
            assert f"Task: {task}" in kind
            assert ("Label: ..." in examples) is sorts
    empty = run.rejects[run.rejects.reason == "the output is empty"]
    assert set(empty.instruction) == set(run.table.instruction[~run.table.is_classification])
    sure = {
        request.sampling.temperature for request in model.asked if "Write tasks" not in str(request)
    }
    assert sure == {0}


def test_an_instruction_without_an_example_is_a_reject(make: Make) -> None:
    def answer(request: Request) -> str:
        prompt = request.messages[-1].content
        return drawn_up(request) if "Write tasks" in prompt else "Perhaps."

    run = make(self_instruct("{{ task }}", rows=SEEDS, n=3, instances=True), sk.Fake(answer))
    unknown = run.rejects[run.rejects.instruction.notna()]
    assert len(run.table) == 0
    assert unknown.instruction.nunique() == 3
    assert set(unknown.reason) == {
        "not known whether it is a classification task: names none of the labels 'yes', 'no'"
    }


@pytest.mark.parametrize(
    ("first", "text", "expected"),
    [
        ("input", "Input: a\nb\nOutput: c", [("a\nb", "c")]),
        ("input", "**Input:** a\n**Output:** b", [("a", "b")]),
        ("input", "Task: x\nInput 1: a\nOutput 1: b\nTask: y\nInput: c\nOutput: d", [("a", "b")]),
        ("input", "Example 1:\nOutput: b\n\nExample 2:\nOutput: c", [("", "b"), ("", "c")]),
        ("input", "Input: N. None\nOutput: b", [("N. None", "b")]),
        ("input", "Input: (None).\nOutput: b\nInput: c", [("", "b"), ("c", "")]),
        ("output", "Label: x\nInput: a\nClass label: y\nInput: b", [("a", "x"), ("b", "y")]),
        ("output", "Label: x\nLabel: y", [("", "x"), ("", "y")]),
    ],
)
def test_examples_are_read_in_pairs(first: Any, text: str, expected: list[Any]) -> None:
    assert example_decoder(first)(Completion(text)) == expected


@pytest.mark.parametrize(
    ("first", "text", "reason"),
    [
        ("output", "Input: a\nLabel: x\nInput: b\nLabel: y", "does not begin with its output"),
        ("input", "Output: x\nInput: a\nOutput: y", "does not begin with its input"),
        ("input", "Input: a", "has no 'Output:'"),
        ("output", "positive", "has no 'Label:'"),
        ("input", "", "empty answer"),
    ],
)
def test_what_may_be_paired_wrongly_is_refused(first: Any, text: str, reason: str) -> None:
    found = example_decoder(first)(Completion(text))
    assert isinstance(found, Reject)
    assert found.reason.endswith(reason)


def test_the_last_example_of_an_answer_that_was_cut_is_rejected() -> None:
    found = example_decoder("input")(
        Completion("Input: a\nOutput: b\nInput: c\nOutput: d", "length")
    )
    assert found == [
        ("a", "b"),
        Reject("Input: c\nOutput: d", "the answer was cut at max_tokens"),
    ]


def test_a_label_is_one_line() -> None:
    found = example_decoder("output")(Completion("Label: x\n\nIt is x.\nLabel: y\nInput: a"))
    told = "Input: \nOutput: x\n\nIt is x."
    assert found == [Reject(told, "the label has several lines"), ("a", "y")]


def test_examples_are_sifted_as_in_the_paper() -> None:
    def reasons(*found: tuple[str, str]) -> list[str]:
        return [one.reason if isinstance(one, Reject) else "" for one in checked_examples(found)]

    assert reasons(("a", ""), ("a", "a"), ("a", "b:"), ("a:", "b"), ("a", "b")) == [
        "the output is empty",
        "the output is the same as the input",
        "the output ends in a colon, so it is not whole",
        "the input ends in a colon, so it is not whole",
        "",
    ]
    assert (
        reasons(("a", "b"), ("c", "d"), ("a", "e")) == ["an input of this task has two outputs"] * 3
    )
    assert reasons(("", "b"), ("", "c")) == ["", ""]
    assert reasons(("a", "b"), ("a", "b")) == ["", "the same as an earlier example"]
    many = [(str(at), "x") for at in range(7)]
    assert reasons(*many) == [""] * 5 + ["beyond the 5 examples that are kept"] * 2


@pytest.mark.parametrize("instances", [False, True])
def test_a_killed_run_goes_on(survives: Callable[..., sk.Run], instances: bool) -> None:
    def build() -> sk.recipes.Recipe:
        return self_instruct("{{ task }}", rows=SEEDS, n=8, instances=instances, rounds=30)

    assert survives(build, with_examples).table.instruction.nunique() == 8


def test_two_seeds_are_enough_and_equal_questions_draw_anew(make: Make) -> None:
    model = sk.Fake(drawn_up)
    seeds = [{"task": "Name a soup."}]
    run = make(self_instruct("{{ task }}", rows=seeds, n=8, width=4), model)
    assert len(run.table) == 8
    assert model.asked[0].messages == model.asked[1].messages
    assert len({request.key("") for request in model.asked}) == len(model.asked)


def test_a_system_turn_stands_before_all_that_is_written(make: Make) -> None:
    model = sk.Fake(with_examples)
    prompt = "--- system\nYou teach cooks.\n--- user\n{{ task }}"
    make(self_instruct(prompt, rows=SEEDS, n=2, instances=True), model)
    for request in model.asked:
        begins = request.messages[0].content
        assert begins.startswith("Is this a classification") or begins == "You teach cooks."
    assert len({len(request.messages) for request in model.asked}) == 2


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"n": 0}, UsageError, "n must be at least 1; got 0"),
        ({"per_request": 0}, UsageError, "per_request must be at least 1"),
        ({"seed_demos": 0}, UsageError, "seed_demos must be at least 1"),
        ({"machine_demos": -1}, UsageError, "machine_demos must be 0 or more; got -1"),
        ({"likeness": 0}, UsageError, "likeness must be above 0, at most 1; got 0"),
        ({"rounds": 0}, UsageError, "rounds must be at least 1"),
        ({"stall": 0}, UsageError, "stall must be at least 1"),
        ({"width": 0}, UsageError, "width must be at least 1"),
        ({"prompt": "{{ tsk }}"}, PromptError, "Did you mean 'task'"),
        ({"prompt": "--- system\n{{ id }}\n--- user\n{{ task }}"}, PromptError, "the same for all"),
        ({"rows": SEEDS[:0]}, TableError, "the table has no rows"),
        ({"rows": [{"task": "a"}, {"task": None}]}, PromptError, "row 1: .*'task' has no value"),
    ],
)
def test_what_cannot_be_asked_is_refused(options: Any, error: type[Exception], match: str) -> None:
    arguments = {"prompt": "{{ task }}", "rows": SEEDS, "n": 2} | options
    with pytest.raises(error, match=match):
        self_instruct(arguments.pop("prompt"), **arguments)


@pytest.mark.model
def test_smollm2_goes_on_with_the_list(make: Make, smollm2: Any, session: sk.Session) -> None:
    recipe = self_instruct(
        "{{ task }}",
        rows=SEEDS,
        n=1,
        per_request=2,
        seed_demos=4,
        machine_demos=0,
        rounds=1,
        instances=True,
        sampling=sk.Sampling(max_tokens=32),
    )
    run = make(recipe, smollm2)
    expects(recipe, run)
    assert len(run.table) + len(run.rejects) > 0
    for row in tables.records(run.table):
        writing, _, examples = session.trace(row["id"])
        assert row["instruction"] in " ".join(writing.completion.text.split())
        assert row["output"] in examples.completion.text
    for row in tables.records(run.rejects):
        assert row["raw"] or row["reason"].startswith(("stopped", "empty"))
