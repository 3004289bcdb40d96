from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.core.types import Request
from synthkit.recipes import chain_of_thought
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]


def reviewer(request: Request) -> str:
    prompt = request.messages[-1].content
    return f"points {request.index}" if "Do not write it yet" in prompt else f"<{prompt}>"


def test_the_text_is_asked_for_with_its_label_and_its_rationale(make: Make) -> None:
    recipe = chain_of_thought("Write a {{ label }} review.", labels=["good", "bad"], n=5)
    run = make(recipe, sk.Fake(reviewer))
    assert list(run.table) == ["id", "label", "rationale", "text"]
    assert run.table.label.tolist() == ["good", "bad", "good", "bad", "good"]
    for label, rationale, text in zip(
        run.table.label, run.table.rationale, run.table.text, strict=True
    ):
        assert text == f"<Write a {label} review.\n\nKeep to these points:\n{rationale}>"
    assert run.table.rationale.is_unique
    assert run.ledger.requests == 10
    expects(recipe, run)


def test_each_row_has_every_label(make: Make) -> None:
    rows = [{"id": "r1", "place": "inn"}, {"id": "r2", "place": "bar"}]
    meaning = {"good": "praise", "bad": "blame"}
    prompt = "Write {{ description }} of the {{ place }}."
    run = make(chain_of_thought(prompt, labels=meaning, rows=rows))
    made = run.table[["parent", "label"]].value_counts()
    assert len(run.table) == len(made) == 4


def test_a_rationale_may_have_a_prompt_of_its_own(make: Make) -> None:
    recipe = chain_of_thought(
        "Use {{ rationale }} for {{ x }}.", rationale="Why {{ x }}?", rows={"x": ["tea"]}
    )
    run = make(recipe, sk.Fake(lambda r: r.messages[-1].content))
    assert run.table.text.tolist() == ["Use Why tea? for tea."]


def test_a_row_without_a_rationale_is_a_reject(make: Make) -> None:
    run = make(chain_of_thought("Write.", n=2), sk.Fake(" "))
    assert run.table.empty
    assert run.rejects.reason.tolist() == ["rationale: empty answer"] * 2


@pytest.mark.parametrize(
    ("prompt", "options", "match"),
    [
        ("Write.", {"labels": ["a", "b"]}, "must use {{ label }}"),
        ("Write {{ rationale }}.", {}, "give rationale="),
        ("Write.", {"n": 0}, "n must be at least 1"),
        ("Write {{ x }}.", {}, "field 'x' not found"),
    ],
)
def test_an_explanation_that_cannot_work_is_refused(
    prompt: str, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        chain_of_thought(prompt, **options)


def test_a_killed_explanation_goes_on(survives: Callable[..., sk.Run]) -> None:
    run = survives(
        lambda: chain_of_thought("Write a {{ label }} review.", labels="a,b", n=4), reviewer
    )
    assert len(run.table) == 4
