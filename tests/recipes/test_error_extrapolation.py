from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.core.types import Request
from synthkit.recipes import error_extrapolation
from synthkit.stats.classifier import EmbeddingClassifier, fit
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]

WORDS = ["tasty", "awful", "crisp", "soggy", "warm", "stale"]
PROMPT = "Write a {{ label }} review."
REAL = pd.DataFrame(
    {
        "id": [f"r{i}" for i in range(8)],
        "text": [
            "Such a tasty dish.",
            "Crisp, all of it.",
            "Very crisp toast!",
            "It came warm.",
            "An awful dish.",
            "Soggy chips.",
            "The toast was soggy.",
            "It came stale.",
        ],
        "label": ["good"] * 4 + ["bad"] * 4,
    }
)


def embed(texts: Sequence[str]) -> Any:
    counts = [[text.casefold().count(word) for word in WORDS] for text in texts]
    return np.array(counts, float)


classifier = partial(fit, embed=embed, C=10.0)


def write(request: Request) -> str:
    """Seeds say "tasty" or "awful"; near a real text, its own word, in another sentence."""
    prompt = request.messages[-1].content
    name = f"{request.row_seed:x}"
    if "A small classifier" not in prompt:
        return f"{'tasty' if 'good' in prompt else 'awful'} {name}"
    text = prompt.split("\n\n")[1].partition("\n")[2].casefold()
    return f"{name} is " + " and ".join(word for word in WORDS if word in text)


def errors(classifier: EmbeddingClassifier, rows: pd.DataFrame) -> list[int]:
    """Positions of the rows that a classifier gets wrong, the most confident errors first."""
    confidence = classifier.probabilities(rows.text).max(axis=1)
    wrong = np.flatnonzero(np.array(classifier.predict(rows.text)) != rows.label)
    return sorted(wrong.tolist(), key=lambda at: -confidence[at])


def test_rows_are_written_near_the_errors_of_the_classifier(
    make: Make, session: sk.Session
) -> None:
    recipe = error_extrapolation(
        PROMPT, rows=REAL, classifier=classifier, n=8, rounds=2, per_error=2
    )
    run = make(recipe, sk.Fake(write))
    expects(recipe, run)
    assert list(run.table) == ["id", "parent", "label", "text", "round", "near"]
    seeds, near = run.table[run.table["round"] == 0], run.table[run.table["round"] > 0]
    assert Counter(seeds.label) == {"good": 4, "bad": 4}
    before = errors(classifier(seeds.text, seeds.label), REAL)
    found = near[near["round"] == 1]
    assert found.near.tolist() == [f"r{i}" for i in before for _ in range(2)]
    assert found.parent.tolist() == found.near.tolist()
    by_id = REAL.set_index("id")
    for row in near.itertuples():
        assert row.label == by_id.label[row.near]
        (step,) = session.trace(row.id)
        assert by_id.text[row.near] in step.request["messages"][0][1]
    after = errors(classifier(run.table.text, run.table.label), REAL)
    assert (len(before), len(after)) == (3, 0)


def test_it_stops_when_no_error_is_left(make: Make) -> None:
    run = make(
        error_extrapolation(PROMPT, rows=REAL, classifier=classifier, n=8, rounds=9), sk.Fake(write)
    )
    assert run.table["round"].max() < 9
    assert run.rejects.reason.iloc[-1].startswith("stopped: before round")
    assert "no error left" in run.rejects.reason.iloc[-1]


def test_no_more_errors_than_asked_for_and_the_surest_first(make: Make) -> None:
    texts = ["Not awful.", "Awful, awful, awful? No!", "Neither awful, nor awful."]
    rows = pd.DataFrame({"id": ["sure", "surest", "surer"], "text": texts, "label": ["good"] * 3})
    labels = ["good", "bad"]
    recipe = error_extrapolation(
        PROMPT, rows=rows, labels=labels, classifier=classifier, n=4, rounds=1, most_errors=1
    )
    run = make(recipe, sk.Fake(write))
    assert run.table.near.tolist()[4:] == ["surest"]
    assert str(recipe.requests) == "4 to 5"


def test_seeds_may_be_given(make: Make) -> None:
    seeds = pd.DataFrame({"text": ["tasty", "awful"], "label": ["good", "bad"]})
    recipe = error_extrapolation(PROMPT, rows=REAL, classifier=classifier, seeds=seeds, rounds=1)
    run = make(recipe, sk.Fake(write))
    expects(recipe, run)
    assert set(run.table["round"]) == {1}


def test_a_copy_of_a_real_text_is_rejected(make: Make) -> None:
    def copy(request: Request) -> str:
        prompt = request.messages[-1].content
        return prompt.split("\n\n")[1].partition("\n")[2] if "A small" in prompt else write(request)

    run = make(
        error_extrapolation(PROMPT, rows=REAL, classifier=classifier, n=4, rounds=1), sk.Fake(copy)
    )
    assert set(run.table["round"]) == {0}
    assert len(run.rejects) == 3
    assert run.rejects.reason.str.startswith("the same words as").all()
    assert run.rejects.near.notna().all()


def test_the_active_form_tells_the_model_how_the_classifier_does(make: Make) -> None:
    fake = sk.Fake(write)
    recipe = error_extrapolation(
        PROMPT, rows=REAL, classifier=classifier, n=4, rounds=1, form="pgkd"
    )
    run = make(recipe, fake)
    expects(recipe, run)
    asked = [one.messages[-1].content for one in fake.asked[4:]]
    assert all("good: 4 of 4 right\nbad: 1 of 4 right" in one for one in asked) or all(
        "good: 1 of 4 right\nbad: 4 of 4 right" in one for one in asked
    )
    hard = REAL.set_index("id").loc[run.table.near[4:]]
    rivals = hard.label.map({"good": "bad", "bad": "good"})
    for one, text, label, rival in zip(asked, hard.text, hard.label, rivals, strict=True):
        assert f"this text is {label}, and not {rival}:\n{text}" in one
        contrast = one.partition(f"This one is {rival}:\n")[2].partition("\n")[0]
        assert contrast in REAL.text[REAL.label == rival].tolist()


def test_the_active_form_asks_near_the_boundary_too(make: Make) -> None:
    """All texts without a word that was learned are unsure: errors and right ones, in turn."""
    run = make(
        error_extrapolation(PROMPT, rows=REAL, classifier=classifier, n=4, rounds=1, form="pgkd"),
        sk.Fake(write),
    )
    near = run.table.near[4:].tolist()
    seeds = run.table[:4]
    learned = classifier(seeds.text, seeds.label)
    wrong = {f"r{i}" for i in errors(learned, REAL)}
    assert [one in wrong for one in near] == [True, False] * 3
    margins = np.abs(learned.probabilities(REAL.text) @ [1, -1])
    assert {int(one[1:]) for one in near} == set(np.flatnonzero(margins <= 0.2))


def test_a_template_of_ones_own_stands_for_that_of_the_method(make: Make) -> None:
    fake = sk.Fake(write)
    near = "{{ ask }} Like {{ text }}, but not {{ rival }}."
    prompt = f"--- system\nBe brief.\n--- user\n{PROMPT}"
    make(
        error_extrapolation(prompt, rows=REAL, classifier=classifier, n=4, rounds=1, near=near),
        fake,
    )
    assert all(one.messages[0].content == "Be brief." for one in fake.asked)
    said = fake.asked[4].messages[1].content
    label, text = REAL.loc[REAL.text.map(lambda text: text in said), ["label", "text"]].values[0]
    rival = {"good": "bad", "bad": "good"}[label]
    assert said == f"Write a {label} review. Like {text}, but not {rival}."


def test_rows_without_ids_are_named_by_their_position(make: Make) -> None:
    rows = REAL.drop(columns="id")
    run = make(
        error_extrapolation(PROMPT, rows=rows, classifier=classifier, n=4, rounds=1), sk.Fake(write)
    )
    assert "parent" not in run.table
    assert set(run.table.near[4:]) <= {str(i) for i in range(8)}


@pytest.mark.parametrize("hostile", ["", "<html></html>", '{"text": "x"}', "\ud83d"])
def test_hostile_answers_are_data(make: Make, hostile: str) -> None:
    recipe = error_extrapolation(PROMPT, rows=REAL, classifier=classifier, n=4)
    run = make(recipe, sk.Fake(lambda request: hostile))
    expects(recipe, run)
    assert len(run.table) + len(run.rejects) == 5
    assert run.rejects.reason.iloc[-1] == "stopped: before round 1 there are not two labels"


def test_a_killed_run_goes_on(survives: Callable[..., sk.Run]) -> None:
    run = survives(
        lambda: error_extrapolation(
            PROMPT, rows=REAL, classifier=classifier, n=6, per_error=2, form="pgkd"
        ),
        write,
    )
    assert set(run.table["round"]) == {0, 1, 2}


def test_test_rows_are_refused() -> None:
    rows = REAL.assign(split=["validation"] * 7 + ["Test"])
    with pytest.raises(UsageError, match=r"row 7 is of the split 'Test'.*validation rows"):
        error_extrapolation(PROMPT, rows=rows, classifier=classifier, n=4)
    assert (
        error_extrapolation(PROMPT, rows=rows[:7], classifier=classifier, n=4).name
        == "error_extrapolation"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": None}, "give n, how many seed texts"),
        ({"seeds": REAL}, "give n, how many seed texts"),
        ({"n": 0}, "n must be at least 1"),
        ({"rounds": 0}, "rounds must be at least 1"),
        ({"per_error": 0}, "per_error must be at least 1"),
        ({"most_errors": 0}, "most_errors must be at least 1"),
        ({"form": "s4"}, "form 's4' not found; have 's3', 'pgkd'"),
        ({"likeness": 2}, "likeness must be above 0, at most 1"),
        ({"rows": REAL[:0]}, "expected one row or more"),
        ({"rows": REAL.assign(text=None)}, "row 0: expected a text in 'text'; got None"),
        ({"rows": REAL.assign(label=float("nan"))}, "row 0: expected a text in 'label'"),
        ({"column": "txt"}, "Did you mean 'text'"),
        ({"labels": ["good", "poor"]}, "label 'bad' not found"),
        ({"prompt": "Write."}, r"must use {{ label }}"),
        ({"near": "{{ ask }}"}, r"must use {{ text }}"),
        ({"near": "{{ text }} {{ lable }}"}, "Did you mean 'label'"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "prompt": PROMPT,
        "rows": REAL,
        "classifier": classifier,
        "n": 4,
    } | options
    with pytest.raises(UsageError, match=message):
        error_extrapolation(arguments.pop("prompt"), **arguments)


@pytest.mark.model
def test_a_small_model_extrapolates(make: Make, session: sk.Session, smollm2: Any) -> None:
    recipe = error_extrapolation(
        PROMPT,
        rows=REAL,
        classifier=classifier,
        n=2,
        rounds=1,
        most_errors=2,
        sampling=sk.Sampling(max_tokens=12),
    )
    run = make(recipe, smollm2)
    expects(recipe, run)
    assert run.table.label[:2].tolist() == ["good", "bad"]
    assert 3 <= len(run.table) + len(run.rejects) <= 4
    for row in run.table.itertuples():
        (step,) = session.trace(row.id)
        assert step.completion.text.strip() == row.text
