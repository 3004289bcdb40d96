"""Filters by a prompt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from synthkit import Fake, Sampling, Session, by_prompt
from synthkit.core.errors import ModelError, PromptError, TableError
from synthkit.core.types import Completion, Request
from synthkit.generation.prompt_filter import asked_column

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
    food = by_prompt("Is this about food?", model=model, session=session, reasons=True)
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
    labelled = by_prompt("Is {{ label }} eaten? {{ reason }}", model=model, session=session)
    assert session.curate(ROWS, labelled).dropped["why"].tolist() == ["answered no"]
    assert model.asked[0].schema == {"enum": ["yes", "no"]}


def test_a_filter_that_ended_early_goes_on(session: Session) -> None:
    options: Any = {"model": Fake(answer), "session": session, "reasons": True}
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


class Rambling:
    """A model that says more than was asked for, and is cut where its sampling says."""

    name, fingerprint, price = "rambling", "rambling", None

    def __init__(self, words: str) -> None:
        self.words, self.tokens = words.split(), 0

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion]]:
        for at, request in enumerate(requests):
            words = self.words[: request.sampling.max_tokens]
            self.tokens += len(words)
            finish = "stop" if words == self.words else "length"
            yield at, Completion(" ".join(words), finish=finish)


def test_a_bare_answer_has_at_most_8_tokens(session: Session) -> None:
    model = Rambling("Yes, " + "and on " * 300)
    filter = by_prompt("Is this about food?", model=model, session=session)
    assert session.curate(ROWS[:3], filter).kept["id"].tolist() == ["a", "b", "c"]
    assert model.tokens == 3 * 8


def test_a_model_that_thinks_first_is_told_from_one_that_says_no(session: Session) -> None:
    model = Rambling("Let me think about it " * 10 + "no")
    filter = by_prompt("Is this about food?", model=model, session=session)
    with pytest.raises(ModelError, match=r"every answer was cut at 8 tokens.*--max-tokens 2000"):
        session.curate(ROWS[:3], filter)
    longer = by_prompt("Is this about food?", model=model, session=session,
                       sampling=Sampling(temperature=0, max_tokens=2000))  # fmt: skip
    assert len(session.curate(ROWS[:3], longer).dropped) == 3


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"text": "abc", "question": "abcde"}, "text"),
        ({"text": "ab", "question": "abcde"}, "question"),
        ({"question": "abcde", "label": "a", "n": 123456789}, "question"),
        ({"question": "abcde", "answer": "abc"}, None),
        ({"n": 1, "parent": "abcdefghij"}, None),
        ({}, None),
    ],
)
def test_the_column_to_ask_about(row: dict[str, Any], column: str | None) -> None:
    rows = [{"id": "abcdefghij" * 9, **row}]
    if column:
        assert asked_column(rows) == column
    else:
        with pytest.raises(TableError, match="cannot be told"):
            asked_column(rows)
