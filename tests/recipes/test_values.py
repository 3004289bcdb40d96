from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, UsageError
from synthkit.core.types import Request
from synthkit.data import tables
from synthkit.prompts.conditions import conditions
from synthkit.recipes import as_vary, values
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]


PROMPT = "Name a {{ field }} of {{ label }}."


LABELS = ["sports", "science", "art"]


LISTS = {
    "sports": ["golf", "chess", "doping"],
    "science": ["physics", "chess"],
    "art": ["dance", "light"],
}


FITS = {("chess", "science"), ("chess", "sports"), ("doping", "science"), ("light", "science")}


def lists(request: Request) -> str:
    """Says the list of a class, and what fits another."""
    prompt = request.messages[0].content
    question = re.match(r'Would "(.*)" also be a topic of (.*)\? ', prompt)
    if question:
        return "Yes." if question.groups() in FITS else "No."
    label = re.findall(r"of (\w+)\.", prompt)[0]
    return "\n".join(f"{i}. {one}" for i, one in enumerate(LISTS[label], 1))


def test_each_field_and_class_has_its_values(make: Make) -> None:
    recipe = values(PROMPT, fields=["topic", "place"], labels=LABELS, k=3)
    run = make(recipe, sk.Fake(lists))
    expects(recipe, run)
    assert list(run.table) == ["id", "field", "label", "value"]
    assert run.table.id.is_unique
    found = run.table.groupby(["field", "label"])["value"].agg(list).to_dict()
    assert found == {(f, label): LISTS[label] for f in ["topic", "place"] for label in LABELS}
    assert str(recipe.requests) == "6"


def test_a_value_that_fits_a_similar_class_is_a_reject(make: Make, session: Any) -> None:
    recipe = values(PROMPT, fields=["topic"], labels=LABELS, k=3, filter=True)
    run = make(recipe, sk.Fake(lists))
    expects(recipe, run)
    assert run.table[["label", "value"]].values.tolist() == [
        ["sports", "golf"],
        ["science", "physics"],
        ["art", "dance"],
    ]
    assert run.rejects[["label", "raw", "reason"]].values.tolist() == [
        ["sports", "chess", "also fits science"],
        ["sports", "doping", "also fits science"],
        ["science", "chess", "also fits sports"],
        ["art", "light", "also fits science"],
    ]
    asked = [one.completion.text for one in session.trace(run.table.id[0])]
    assert asked == ["1. golf\n2. chess\n3. doping", "No.", "No."]


def test_only_the_similar_classes_that_are_given_are_asked_about(make: Make) -> None:
    model = sk.Fake(lists)
    similar = {"sports": ["science"], "art": ["sports"]}
    recipe = values(PROMPT, fields=["topic"], labels=LABELS, k=3, filter=True, similar=similar)
    run = make(recipe, model)
    expects(recipe, run)
    assert run.rejects.raw.tolist() == ["chess", "doping"]
    questions = [one.messages[0].content for one in model.asked if one.schema]
    assert Counter(re.findall(r"of (\w+)\?", " ".join(questions))) == {"science": 3, "sports": 2}


def test_a_similar_class_is_told_by_what_it_means(make: Make) -> None:
    model = sk.Fake(lambda request: "no" if request.schema else "a, b")
    meanings = {"0": "praise of food", "1": "complaints of noise"}
    make(values("A {{ field }}: {{ label }}", fields=["word"], labels=meanings, filter=True), model)
    questions = {one.messages[0].content for one in model.asked if one.schema}
    assert 'Would "a" also be a word of complaints of noise? Answer yes or no.' in questions
    assert len(questions) == 4


def test_an_answer_that_is_neither_yes_nor_no_is_not_guessed(make: Make) -> None:
    def answer(request: Request) -> str:
        return "perhaps" if request.schema else lists(request)

    recipe = values(PROMPT, fields=["topic"], labels=["sports", "art"], k=3, filter=True)
    run = make(recipe, sk.Fake(answer))
    expects(recipe, run)
    assert len(run.table) == 0
    assert run.rejects.value.tolist() == [*LISTS["sports"], *LISTS["art"]]
    assert run.rejects.reason[0].startswith("not known whether it also fits art: names none of")
    assert run.ledger.repairs == 5


def test_a_value_stands_once_whatever_its_case(make: Make) -> None:
    recipe = values("List languages.", fields=["language"])
    run = make(recipe, sk.Fake("1. C++\n2. c\n3. C#\n4. C\n5. c++"))
    assert run.table.value.tolist() == ["C++", "c", "C#"]
    assert run.rejects.raw.tolist() == ["C", "c++"]
    assert set(run.rejects.reason) == {"an earlier value of the list is the same"}


@pytest.mark.parametrize("text", ["", "I would rather not.", "<html></html>", '{"a": 1}'])
def test_what_is_no_list_is_asked_for_again_and_rejected(make: Make, text: str) -> None:
    recipe = values(PROMPT, fields=["topic"], labels=LABELS[:2])
    run = make(recipe, sk.Fake(text))
    expects(recipe, run)
    assert len(run.table) == 0
    assert run.rejects.raw.tolist() == [text, text]
    assert set(run.rejects.reason) <= {"is no list", "empty answer"}
    assert run.ledger.repairs == 2


def test_values_survive_a_kill(survives: Callable[..., sk.Run]) -> None:
    run = survives(lambda: values(PROMPT, fields=["topic"], labels=LABELS, k=3, filter=True), lists)
    assert (len(run.table), len(run.rejects)) == (3, 4)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"fields": []}, UsageError, "fields must be one or more distinct texts"),
        ({"fields": ["a", "a"]}, UsageError, "fields must be"),
        ({"labels": ["a", ""]}, UsageError, "labels must be"),
        ({"k": 0}, UsageError, "k must be at least 1"),
        ({"labels": None}, PromptError, "field 'label' not found"),
        ({"prompt": "Of {{ field }}."}, PromptError, "must use {{ label }}"),
        ({"fields": "x, y", "prompt": "Of {{ label }}."}, PromptError, "must use {{ field }}"),
        ({"filter": True, "labels": ["a"]}, UsageError, "filter needs labels"),
        ({"similar": {"a": ["b"]}}, UsageError, "give both or neither"),
        ({"filter": True, "similar": {"a": ["c"]}}, UsageError, "label 'c' not found"),
    ],
)
def test_values_that_cannot_be_asked_for_are_refused(
    options: Any, error: type[Exception], message: str
) -> None:
    arguments = {"prompt": PROMPT, "fields": ["topic"], "labels": ["a", "b"]} | options
    with pytest.raises(error, match=message):
        values(arguments.pop("prompt"), **arguments)


def test_the_values_are_what_vary_takes(make: Make) -> None:
    run = make(values(PROMPT, fields=["topic"], labels=LABELS, k=3, filter=True), sk.Fake(lists))
    made = conditions(None, 3, {"label": LABELS} | as_vary(run.table))
    assert made[["label", "topic"]].values.tolist() == [
        ["sports", "golf"],
        ["science", "physics"],
        ["art", "dance"],
    ]


@pytest.mark.model
def test_smollm2_lists_values(make: Make, smollm2: Any, session: Any) -> None:
    sampling = sk.Sampling(max_tokens=32)
    labels = ["sports", "food"]
    recipe = values(PROMPT, fields=["topic"], labels=labels, k=2, filter=True, sampling=sampling)
    run = make(recipe, smollm2)
    expects(recipe, run)
    assert len(run.table) + len(run.rejects) >= 2
    for row in tables.records(run.table):
        assert row["value"] in session.trace(row["id"])[0].completion.text
