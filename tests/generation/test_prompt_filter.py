"""Filters by a prompt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from synthkit import Fake, Session, by_prompt
from synthkit.core.errors import ModelError, PromptError
from synthkit.core.types import Request

ROWS = [
    {"id": "a", "text": "Hot soup.", "label": "food", "reason": "mine"},
    {"id": "b", "text": "A tax form.", "label": "law", "reason": "mine"},
    {"id": "c", "text": "???", "label": "food", "reason": "mine"},
    {"id": "d", "text": None, "label": "food", "reason": "mine"},
]


def answer(request: Request) -> str:
    text = request.messages[-1].content
    if "???" in text or "cannot be used" in text:
        return "Perhaps."
    food = "soup" in text
    return json.dumps({"reason": f"It names\n{'soup' if food else 'a form'}.",
                       "answer": "yes" if food else "no"})  # fmt: skip


def test_rows_are_kept_by_yes_and_dropped_with_the_models_reason(session: Session) -> None:
    model = Fake(answer)
    food = by_prompt("Is this about food?", model=model, session=session)
    curation = session.curate(ROWS, food, name="texts")
    assert curation.kept["id"].tolist() == ["a"]
    dropped = dict(zip(curation.dropped["id"], curation.dropped["why"], strict=True))
    assert dropped["b"] == "answered no: It names a form."
    assert dropped["c"].startswith("no readable answer: ")
    assert dropped["d"] == "no readable answer: 'text' is missing or blank"
    assert curation.funnel[0].reasons == {"no readable answer": 2, "answered no": 1}
    assert session.verdicts(["b"])["why"].tolist() == ["answered no: It names a form."]
    assert model.asked[0].messages[-1].content == "Is this about food?\n\nHot soup."
    assert model.asked[0].schema is not None
    assert model.asked[0].sampling.temperature == 0
    asked = len(model.asked)
    session.curate(ROWS, food, name="texts")
    assert len(model.asked) == asked


def test_the_prompt_may_use_any_column_and_the_answer_be_bare(session: Session) -> None:
    model = Fake(lambda request: "Yes." if "food" in request.messages[-1].content else "No.")
    labelled = by_prompt(
        "Is {{ label }} eaten? {{ reason }}", model=model, session=session, reasons=False
    )
    assert session.curate(ROWS, labelled).dropped["why"].tolist() == ["answered no"]
    assert model.asked[0].schema == {"enum": ["yes", "no"]}


def test_a_filter_that_ended_early_goes_on(session: Session) -> None:
    options: Any = {"model": Fake(answer), "session": session}
    rows = ROWS[:2]
    with pytest.raises(ModelError, match=r"1 row got no answer: .*apply the filter again"):
        session.curate(rows, by_prompt("Is this about food?", **options, max_requests=1))
    curation = session.curate(rows, by_prompt("Is this about food?", **options, max_requests=1))
    assert len(curation.kept) == 1


def test_no_rows_ask_nothing_and_unknown_fields_are_errors(session: Session) -> None:
    filter = by_prompt("Is {{ txt }} food?", model=Fake(answer), session=session)
    with pytest.raises(PromptError, match=r"'txt' not found.*Did you mean 'text'"):
        session.curate(ROWS, filter)
    assert len(session.curate(ROWS[:0] or {"id": [], "text": []}, filter).kept) == 0
