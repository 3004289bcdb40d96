from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import TableError, UsageError
from synthkit.core.types import Request
from synthkit.curate import apply_filters, row_filter
from synthkit.recipes import roundtrip
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]
ROWS = [
    {"id": "a", "text": "Lovely bread.", "label": "good"},
    {"id": "b", "text": "Cold soup.", "label": "good"},
    {"id": "c", "text": "Stale.", "label": "bad"},
]


def reader(request: Request) -> str:
    return "Good." if "Lovely" in request.messages[0].content else "It is bad."


def test_a_label_agrees_if_the_text_alone_gives_it_back(make: Make) -> None:
    recipe = roundtrip(rows=ROWS)
    model = sk.Fake(reader)
    run = make(recipe, model)
    assert run.table.recovered.tolist() == ["good", "bad", "bad"]
    assert run.table.agrees.tolist() == [True, False, True]
    assert model.asked[0].schema == {"enum": ["good", "bad"]}
    kept = apply_filters(run.table, row_filter(lambda row: row["agrees"])).kept
    assert kept.parent.tolist() == ["a", "c"]
    expects(recipe, run)


def test_an_instruction_agrees_by_its_words(make: Make) -> None:
    rows = [{"text": "An apple.", "ask": "Name a red fruit."}, {"text": "Hm.", "ask": "Sing."}]
    recipe = roundtrip(rows=rows, instruction="ask")
    model = sk.Fake("Name a fruit.")
    run = make(recipe, model)
    assert run.table.likeness.tolist() == pytest.approx([6 / 7, 0])
    assert run.table.agrees.tolist() == [True, False]
    assert "Sing" not in model.asked[1].messages[-1].content
    expects(recipe, run)


def test_an_answer_that_names_no_label_or_two_neither_agrees_nor_disagrees(make: Make) -> None:
    run = make(roundtrip(rows=ROWS, labels=["good", "bad"]), sk.Fake("good or bad"))
    assert run.table.empty
    assert run.rejects.reason.tolist() == ["names 2 labels: 'good', 'bad'"] * 3
    assert run.ledger.repairs == 3


def test_rows_that_lack_the_label_or_the_text_are_rejects(make: Make) -> None:
    rows = [*ROWS, {"id": "d", "text": "x", "label": None}, {"id": "e", "text": "", "label": "bad"}]
    recipe = roundtrip(rows=rows)
    run = make(recipe, sk.Fake(reader))
    reasons = ["'label' is missing or blank", "'text' is missing or blank"]
    assert run.rejects.reason.tolist() == reasons
    expects(recipe, run)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"label": "y"}, TableError, "column 'y' not found"),
        ({"rows": ROWS[:1]}, UsageError, "two or more distinct"),
        ({"threshold": 2}, UsageError, "from 0 to 1"),
    ],
)
def test_a_round_trip_that_cannot_work_is_refused(
    options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        roundtrip(**{"rows": ROWS} | options)


def test_a_killed_round_trip_goes_on(survives: Callable[..., sk.Run]) -> None:
    assert len(survives(lambda: roundtrip(rows=ROWS), reader).table) == 3


@pytest.mark.model
def test_smollm2_recovers_labels(make: Make, smollm2: sk.core.models.Model) -> None:
    run = make(roundtrip(rows=ROWS, sampling=sk.Sampling(max_tokens=8)), smollm2)
    assert len(run.table) + len(run.rejects) == 3
    assert set(run.table.recovered) <= {"good", "bad"}
