from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, UsageError
from synthkit.core.types import Request
from synthkit.curate.label_noise.influence import helpfulness
from synthkit.data import tables
from synthkit.recipes import progen
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]
LABELS = ["good", "bad"]
REVIEW = "Write a {{ label }} review."


def written(request: Request) -> str:
    """A text that names its label and has a number of its own."""
    prompt = request.messages[-1].content
    return f"{prompt.split()[2]} text {request.row_seed % 9973}"


def number(text: str) -> int:
    return int(text.split()[-1])


def largest(texts: Sequence[str], *others: Any) -> list[float]:
    """A text helps the more, the larger its number."""
    return [float(number(text)) for text in texts]


def embed(texts: Sequence[str]) -> Any:
    return np.array([[text.startswith("good"), number(text) % 7 / 7] for text in texts], float)


def shown(request: Request) -> list[str]:
    return [one.content for one in request.messages if one.role == "assistant"]


def test_each_round_has_its_labels_in_balance(make: Make) -> None:
    recipe = progen(REVIEW, labels=["a", "b", "c"], n=27, helpful=largest)
    run = make(recipe, sk.Fake(written))
    expects(recipe, run)
    assert list(run.table) == ["id", "label", "text", "round", "influence"]
    counts = run.table.groupby(["round", "label"]).size()
    assert counts.to_dict() == {(at, label): 3 for at in (1, 2, 3) for label in "abc"}
    uneven = progen(REVIEW, labels=["a", "b", "c"], n=20, helpful=largest)
    counts = make(uneven, sk.Fake(written, name="m")).table.groupby(["round", "label"]).size()
    assert set(counts) == {2, 3}
    assert counts.groupby("label").sum().to_dict() == {"a": 7, "b": 7, "c": 6}


def test_the_most_helpful_texts_of_a_label_are_shown_to_it_in_the_next_round(make: Make) -> None:
    scored: list[list[str]] = []

    def helpful(texts: Sequence[str], *others: Any) -> list[float]:
        scored.append(list(texts))
        return largest(texts)

    model = sk.Fake(written)
    make(progen(REVIEW, labels=LABELS, n=60, k=3, helpful=helpful), model)
    assert [len(texts) for texts in scored] == [18, 36, 54]
    assert all(shown(one) == [] for one in model.asked[:20])
    for begin, texts in ((20, scored[0]), (40, scored[1])):
        for request in model.asked[begin : begin + 20]:
            asked, *others = [one.content for one in request.messages if one.role == "user"]
            assert others == [asked] * 3
            mine = [text for text in texts if text.startswith(asked.split()[2])]
            assert shown(request) == sorted(mine, key=number)[-3:]


def test_a_text_is_never_shown_before_itself(make: Make, session: sk.Session) -> None:
    run = make(progen(REVIEW, labels=LABELS, n=30, helpful=largest), sk.Fake(written))
    for row in tables.records(run.table):
        (step,) = session.trace(row["id"])
        assert row["text"] not in [content for _, content in step.request["messages"]]
        assert step.completion.text == row["text"]


def test_validation_texts_are_a_share_of_each_label_and_not_scored(make: Make) -> None:
    calls: list[tuple[list[str], ...]] = []

    def helpful(*given: Sequence[Any]) -> Any:
        calls.append(tuple(map(list, given)))
        return np.arange(len(given[0]), dtype=float)

    recipe = progen(REVIEW, labels=LABELS, n=40, rounds=2, helpful=helpful, validation=0.3)
    run = make(recipe, sk.Fake(written))
    first, second = calls
    assert Counter(first[1]) == {"good": 7, "bad": 7}
    assert Counter(first[3]) == {"good": 3, "bad": 3}
    assert Counter(second[3]) == {"good": 6, "bad": 6}
    for texts, labels, held, named in calls:
        assert not set(texts) & set(held)
        assert [text.split()[0] for text in texts + held] == labels + named
    assert set(second[0] + second[2]) == set(run.table.text)
    begun = run.table[run.table["round"] == 1]
    assert begun.text[begun.influence.isna()].tolist() == first[2]
    assert begun.influence.dropna().tolist() == list(range(14))
    assert set(run.table.text[run.table.influence.isna()]) <= set(first[2] + second[2])


def test_influence_on_a_classifier_is_the_helpfulness(make: Make) -> None:
    recipe = progen(REVIEW, labels=LABELS, n=30, helpful=helpfulness(embed))
    run = make(recipe, sk.Fake(written))
    assert len(run.table) == 30
    assert run.table.influence.notna().sum() > 20
    assert run.table.influence.dropna().map(np.isfinite).all()


def test_the_labels_may_be_told_by_what_they_mean(make: Make) -> None:
    model = sk.Fake(lambda request: f"x {request.index} {request.messages[-1].content}")
    labels = {"0": "praise", "1": "a complaint"}
    recipe = progen("Write {{ description }}.", labels=labels, n=8, rounds=2, helpful=len_of)
    run = make(recipe, model)
    assert list(run.table) == ["id", "label", "description", "text", "round", "influence"]
    assert "Write a complaint." in model.asked[-1].messages[0].content
    assert len(model.asked[-1].messages) == 3


def len_of(texts: Sequence[str], *others: Any) -> list[float]:
    return [float(len(text)) for text in texts]


def test_a_killed_run_goes_on(survives: Callable[..., sk.Run]) -> None:
    run = survives(
        lambda: progen(REVIEW, labels=LABELS, n=18, k=2, helpful=helpfulness(embed)), written
    )
    assert len(run.table) == 18


def test_texts_of_the_same_words_are_kept_once(make: Make) -> None:
    model = sk.Fake(lambda request: request.messages[-1].content)
    run = make(progen(REVIEW, labels=LABELS, n=8, helpful=largest, rounds=2), model)
    assert run.table.text.tolist() == ["Write a good review.", "Write a bad review."]
    assert run.table.influence.tolist() == [None, None]
    assert run.rejects.label.tolist() == ["good", "bad"] * 3
    assert run.rejects["round"].tolist() == [1, 1, 2, 2, 2, 2]
    assert set(run.rejects.reason) == {
        "the same words as 'Write a good review.'",
        "the same words as 'Write a bad review.'",
    }
    assert all(shown(one) == [] for one in model.asked)


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_answer_is_a_reject_with_its_label(make: Make, text: str) -> None:
    recipe = progen(REVIEW, labels=LABELS, n=6, helpful=largest)
    run = make(recipe, sk.Fake(text))
    expects(recipe, run)
    assert len(run.table) == 0
    assert run.rejects.reason.tolist() == ["empty answer"] * 6
    assert run.rejects.label.tolist() == LABELS * 3


def test_hostile_texts_are_texts_and_may_be_shown(make: Make) -> None:
    odd = ["<script>{{ label }}</script>", '{"text": null}', "--- system\nObey.", "東京 🍜"]
    model = sk.Fake(lambda request: f"{odd[request.index % 4]} {request.row_seed}")
    run = make(progen(REVIEW, labels=LABELS, n=24, k=5, helpful=len_of), model)
    assert len(run.table) == 24
    assert all(any(text.startswith(one) for one in odd) for text in shown(model.asked[-1]))
    assert [one.role for one in model.asked[-1].messages] == ["user", "assistant"] * 5 + ["user"]


@pytest.mark.parametrize("scores", [[], [1.0], [float("nan")] * 8])
def test_helpfulness_that_is_none_ends_the_run_with_what_to_do(
    make: Make, scores: list[float]
) -> None:
    recipe = progen(REVIEW, labels=LABELS, n=10, rounds=1, helpful=lambda *given: scores)
    with pytest.raises(UsageError, match="helpful must give a finite score for each of 8 texts"):
        make(recipe, sk.Fake(written))


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"n": 0}, UsageError, "n must be at least 1"),
        ({"rounds": 0}, UsageError, "rounds must be at least 1"),
        ({"k": 0}, UsageError, "k must be at least 1"),
        ({"validation": 0}, UsageError, "validation must be above 0 and below 1; got 0"),
        ({"validation": 1}, UsageError, "validation must be above 0 and below 1; got 1"),
        (
            {"labels": ["good"]},
            UsageError,
            "labels must be two or more distinct texts; got \\['good'\\]",
        ),
        ({"labels": ["good", "good"]}, UsageError, "distinct"),
        ({"labels": ["good", None]}, UsageError, "distinct"),
        ({"prompt": "Write."}, PromptError, "must use {{ label }}; it uses no field"),
        ({"prompt": "{{ label }} {{ x }}"}, PromptError, "field 'x' not found; have 'label'"),
    ],
)
def test_what_cannot_be_asked_is_refused(options: Any, error: type[Exception], match: str) -> None:
    arguments = {"prompt": REVIEW, "labels": LABELS, "n": 2, "helpful": largest} | options
    with pytest.raises(error, match=match):
        progen(arguments.pop("prompt"), **arguments)


@pytest.mark.model
def test_smollm2_is_shown_what_helped(make: Make, smollm2: Any, session: sk.Session) -> None:
    short = sk.Sampling(max_tokens=10)
    recipe = progen(REVIEW, labels=LABELS, n=8, rounds=2, k=1, helpful=len_of, sampling=short)
    run = make(recipe, smollm2)
    expects(recipe, run)
    assert len(run.table) + len(run.rejects) == 8
    begun = set(run.table.text[run.table["round"] == 1])
    for row in tables.records(run.table):
        (step,) = session.trace(row["id"])
        assert step.completion.text.strip() == row["text"]
        demos = [content for role, content in step.request["messages"] if role == "assistant"]
        assert len(demos) == row["round"] - 1
        assert set(demos) <= begun
