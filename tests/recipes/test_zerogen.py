from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.core.types import Request
from synthkit.data import tables
from synthkit.recipes import zerogen
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]
TOPICS = [{"id": "a1", "topic": "Suppe"}, {"id": "a2", "topic": "東京"}]
REVIEW = "Write a {{ label }} review."


def echo(request: Request) -> str:
    return f"{request.messages[-1].content} #{request.index}"


@pytest.mark.parametrize(("n", "counts"), [(7, [3, 2, 2]), (6, [2, 2, 2]), (2, [1, 1])])
def test_labels_are_balanced_exactly(make: Make, n: int, counts: list[int]) -> None:
    recipe = zerogen(REVIEW, labels=["good", "bad", "mixed"], n=n)
    run = make(recipe)
    found = Counter(run.table.label)
    assert [found[one] for one in ["good", "bad", "mixed"] if found[one]] == counts
    assert str(recipe.requests) == str(n)
    expects(recipe, run)


def test_each_text_is_asked_for_with_its_label(make: Make) -> None:
    run = make(zerogen(REVIEW, labels=["good", "bad"], n=4), sk.Fake(echo))
    assert list(run.table) == ["id", "label", "text"]
    for label, text in zip(run.table.label, run.table.text, strict=True):
        assert text.startswith(f"Write a {label} review.")
    assert run.table.text.is_unique
    assert run.table.id.is_unique


def test_a_label_may_be_told_by_what_it_means(make: Make) -> None:
    labels = {"0": "praises the soup", "1": "complains of it"}
    run = make(zerogen("A text that {{ description }}.", labels=labels, n=2), sk.Fake(echo))
    assert run.table[["label", "description"]].values.tolist() == [list(x) for x in labels.items()]
    assert run.table.text.tolist() == [f"A text that {one}. #0" for one in labels.values()]


def test_a_title_is_drawn_first_and_the_text_written_for_it(make: Make, session: Any) -> None:
    recipe = zerogen(
        "A {{ label }} review of {{ title }}.",
        labels=["good", "bad"],
        n=4,
        title="Name a film.",
    )
    run = make(recipe, sk.Fake(echo))
    expects(recipe, run)
    assert run.ledger.requests == 8
    assert list(run.table) == ["id", "label", "title", "text"]
    assert run.table.title.is_unique
    for row in tables.records(run.table):
        assert f"A {row['label']} review of {row['title']}." in row["text"]
        assert [one.completion.text for one in session.trace(row["id"])] == [
            row["title"],
            row["text"],
        ]


def test_each_row_gets_texts_of_each_label(make: Make) -> None:
    prompt = "A {{ label }} line about {{ topic }}."
    run = make(zerogen(prompt, labels="good, bad", n=2, rows=TOPICS), sk.Fake(echo))
    assert Counter(zip(run.table.parent, run.table.label, strict=True)) == {
        (parent, label): 2 for parent in ["a1", "a2"] for label in ["good", "bad"]
    }
    assert run.table.text[4] == f"A good line about 東京. #{0}"


def test_a_killed_run_goes_on(survives: Callable[..., sk.Run]) -> None:
    run = survives(
        lambda: zerogen(
            "A {{ label }} review of {{ title }}.", labels="good, bad", n=5, title="Name a film."
        )
    )
    assert len(run.table) == 5


def test_an_empty_answer_is_a_reject_that_keeps_the_title(make: Make) -> None:
    prompt = "A {{ label }} review of {{ title }}."
    recipe = zerogen(prompt, labels=["good", "bad"], n=4, title="Name a {{ label }} film.")

    def answer(request: Request) -> str:
        prompt = request.messages[-1].content
        return " " if "good film" in prompt or "bad review" in prompt else "Heat"

    run = make(recipe, sk.Fake(answer))
    expects(recipe, run)
    assert len(run.table) == 0
    assert run.rejects.reason.tolist() == ["empty answer"] * 4
    assert run.rejects.label.tolist() == ["good", "bad"] * 2
    assert [one["title"] for one in tables.records(run.rejects)] == [None, "Heat"] * 2


@pytest.mark.parametrize("text", ["<p>Great</p>", '{"text": 1}', "\\x00", "ü" * 5000])
def test_whatever_a_model_writes_is_the_text(make: Make, text: str) -> None:
    assert (
        make(zerogen(REVIEW, labels="a, b", n=2), sk.Fake(text)).table.text.tolist() == [text] * 2
    )


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"labels": []}, UsageError, "labels must be one or more distinct texts; got \\[\\]"),
        ({"labels": ["a", "a"]}, UsageError, "distinct"),
        ({"labels": ["a", None]}, UsageError, "distinct"),
        ({"labels": ["a", " "]}, UsageError, "distinct"),
        ({"n": 0}, UsageError, "n must be at least 1; got 0"),
        ({"prompt": "Write."}, PromptError, "must use {{ label }}; it uses no field"),
        ({"prompt": "{{ label }} {{ tpic }}"}, PromptError, "field 'tpic' not found; have 'label'"),
        ({"title": "Name {{ x }}."}, PromptError, "field 'x' not found"),
        ({"title": "Name one."}, PromptError, "does not use {{ title }}"),
        ({"rows": [{"label": "a"}]}, TableError, "'label' is in the rows and in vary"),
        ({"rows": [{"text": "a"}]}, UsageError, "'text', which the rows have already"),
        (
            {"prompt": "{{ label }} {{ x }}", "rows": [{"x": "a"}, {"x": None}]},
            PromptError,
            "row 4: .*'x' has no value",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused(options: Any, error: type[Exception], match: str) -> None:
    arguments = {"prompt": REVIEW, "labels": ["a", "b"], "n": 2} | options
    with pytest.raises(error, match=match):
        zerogen(arguments.pop("prompt"), **arguments)


def test_no_rows_ask_nothing(make: Make) -> None:
    recipe = zerogen(REVIEW, labels="a, b", n=2, rows={"x": []})
    assert str(recipe.requests) == "0"
    assert len(make(recipe).table) == 0


@pytest.mark.model
def test_smollm2_writes_for_each_label(make: Make, smollm2: Any, session: Any) -> None:
    recipe = zerogen(REVIEW, labels="good, bad", n=3, sampling=sk.Sampling(max_tokens=12))
    run = make(recipe, smollm2)
    expects(recipe, run)
    assert len(run.table) + len(run.rejects) == 3
    for row in tables.records(run.table):
        (step,) = session.trace(row["id"])
        assert step.completion.text.strip() == row["text"]
        assert step.request["messages"][0][1] == f"Write a {row['label']} review."
