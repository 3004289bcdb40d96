from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.core.types import Request
from synthkit.recipes import backtranslate
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]


TEXTS = [{"id": "t1", "text": "8 {light} minutes."}, {"id": "t2", "text": "Add salt, é."}]


ASKED = "Which question does this answer?\n{{ text }}"


def curator(request: Request) -> str:
    prompt = request.messages[-1].content
    if request.schema:
        return "5" if "salt" in prompt.split("Another answer")[0] else "2"
    return f"Why {prompt[-6:]}?" if prompt.startswith("Which") else "Because."


def test_each_text_gets_the_instruction_that_it_answers(make: Make) -> None:
    recipe = backtranslate(ASKED, rows=TEXTS)
    run = make(recipe, sk.Fake(curator))
    assert list(run.table) == ["id", "parent", "text", "instruction"]
    assert run.table.instruction.tolist() == ["Why nutes.?", "Why lt, é.?"]
    assert run.table.parent.tolist() == ["t1", "t2"]
    expects(recipe, run)


def test_pairs_that_are_rated_too_low_are_rejected(make: Make) -> None:
    recipe = backtranslate(ASKED, rows=TEXTS, check=True)
    fake = sk.Fake(curator)
    run = make(recipe, fake)
    assert run.table[["parent", "answer", "score"]].values.tolist() == [["t2", "Because.", 5]]
    assert run.rejects.reason.tolist() == ["scored 2 of 5, below 4"]
    assert run.rejects.instruction.tolist() == ["Why nutes.?"]
    assert run.rejects.parent.tolist() == ["t1"]
    assert run.ledger.requests == 6
    rating = next(r.messages[0].content for r in fake.asked if r.schema)
    assert "Answer to be rated:\n8 {light} minutes." in rating
    expects(recipe, run)


@pytest.mark.parametrize("hostile", ["", "<b>fine</b>", "6", "4 or 5", '{"score"'])
def test_a_rating_that_cannot_be_read_is_asked_again_and_then_rejected(
    make: Make, hostile: str
) -> None:
    fake = sk.Fake(lambda r: hostile if r.schema else curator(r))
    run = make(backtranslate(ASKED, rows=TEXTS, check=True), fake)
    assert run.table.empty
    assert all(reason.startswith("score: ") for reason in run.rejects.reason)
    assert run.ledger.repairs == 2


def test_a_killed_back_translation_goes_on(survives: Callable[..., sk.Run]) -> None:
    rows = [*TEXTS, {"id": "t3", "text": "Add salt, é."}]
    run = survives(lambda: backtranslate(ASKED, rows=rows, check=True), curator)
    assert run.table.parent.tolist() == ["t2", "t3"]


@pytest.mark.parametrize(
    ("prompt", "options", "match"),
    [
        (ASKED, {"column": "txt"}, "column 'txt' not found"),
        ("What?", {}, "must use {{ text }}"),
        (ASKED, {"keep": 6}, "from 1 to 5; got 6"),
        (ASKED, {"rows": [{"text": None}]}, "row 0: a field is missing"),
        (ASKED, {"rows": [{"text": "x", "instruction": "y"}]}, "the rows have already"),
    ],
)
def test_a_back_translation_that_cannot_work_is_refused(
    prompt: str, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        backtranslate(prompt, **{"rows": TEXTS} | options)
