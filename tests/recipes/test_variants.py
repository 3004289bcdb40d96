from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, UsageError
from synthkit.core.types import Request
from synthkit.curate import route
from synthkit.recipes import variants
from synthkit.recipes._variants import WORDINGS
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]
ROWS = [{"id": "a", "text": "Lovely."}, {"id": "b", "text": "Mixed."}, {"id": "c", "text": "Cold."}]
ANSWERS = [f"answer_{i}" for i in range(1, 6)]


def answer(request: Request) -> str:
    """Sure of Lovely and Cold; of Mixed it depends on the wording."""
    prompt = request.messages[0].content
    if "Lovely" in prompt:
        return "good"
    return "good" if "Mixed" in prompt and prompt.startswith(("Label", "Text:")) else "bad"


def test_each_wording_answers_and_the_entropy_says_how_unsure_they_are(make: Make) -> None:
    recipe = variants(rows=ROWS, labels="good,bad")
    model = sk.Fake(answer)
    run = make(recipe, model)
    assert list(run.table)[3:] == [*ANSWERS, "uncertainty", "majority", "share"]
    assert run.table.majority.tolist() == ["good", "bad", "bad"]
    assert run.table.share.tolist() == [1, 0.6, 1]
    expected = -(0.4 * math.log(0.4) + 0.6 * math.log(0.6))
    assert run.table.uncertainty.tolist() == pytest.approx([0, expected, 0])
    assert run.ledger.requests == len({one.messages for one in model.asked}) == 15
    expects(recipe, run)


def test_routing_gives_the_same_uncertainty_and_sends_the_unsure_row_to_people(make: Make) -> None:
    table = make(variants(rows=ROWS, labels="good,bad"), sk.Fake(answer)).table
    routed = route(table, ANSWERS, budget=1)
    assert routed.uncertainty.tolist() == pytest.approx(table.uncertainty.tolist())
    assert routed.route.tolist() == ["model", "person", "model"]


def test_an_answer_that_cannot_be_read_is_no_vote_and_an_answer_of_its_own(make: Make) -> None:
    def some(request: Request) -> str:
        return "good" if request.messages[0].content.startswith(("Label", "Text:")) else "Hm."

    run = make(variants(rows=ROWS[:1], labels="good,bad", k=4), sk.Fake(some))
    (row,) = run.table.to_dict("records")
    assert [row[name] for name in ANSWERS[:2]] == ["good", "good"]
    assert not any(isinstance(row[name], str) for name in ANSWERS[2:4])
    assert (row["majority"], row["share"]) == ("good", 0.5)
    assert row["uncertainty"] == pytest.approx(math.log(2))


def test_a_tie_has_no_majority_and_no_readable_answer_is_a_reject(make: Make) -> None:
    def halves(request: Request) -> str:
        return "good" if request.messages[0].content.startswith("Label") else "bad"

    (tied,) = make(variants(rows=ROWS[:1], labels="good,bad", k=2), sk.Fake(halves)).table.majority
    assert not isinstance(tied, str)
    run = make(variants(rows=ROWS[:1], labels="good,bad"), sk.Fake("Hm."))
    assert run.table.empty
    assert run.rejects.reason.tolist() == ["names none of the labels 'good', 'bad'"]


def test_wordings_of_ones_own_stand_in_the_cell_or_in_a_list(make: Make) -> None:
    cell = "--- variant plain\nLabel {{ text }}.\n--- variant kind\nPlease label {{ text }}."
    model = sk.Fake("good")
    run = make(variants(cell, rows=ROWS[:1], labels="good,bad"), model)
    assert [one.messages[0].content.partition("\n")[0] for one in model.asked] == [
        "Label Lovely..",
        "Please label Lovely..",
    ]
    listed = ["Label {{ text }}.", "Please label {{ text }}."]
    again = make(variants(rows=ROWS[:1], labels="good,bad", prompts=listed), model)
    assert again.ledger.hits == 2
    assert again.table.to_dict() == run.table.to_dict()


def test_the_wordings_that_come_along_name_every_label_and_show_the_text(make: Make) -> None:
    model = sk.Fake("good")
    make(variants(rows=ROWS[:1], labels="good,bad", k=len(WORDINGS)), model)
    for request in model.asked:
        prompt = request.messages[0].content
        assert all(word in prompt for word in ("good", "bad", "Lovely."))


@pytest.mark.parametrize(
    ("prompt", "options", "error", "match"),
    [
        ("", {"labels": "good"}, UsageError, "two or more"),
        ("", {"k": 1}, UsageError, "k must be from 2 to 7"),
        ("", {"k": 8}, UsageError, "k must be from 2 to 7"),
        ("", {"prompts": ["{{ text }}"]}, UsageError, "two or more distinct wordings"),
        ("", {"prompts": ["{{ text }}"] * 2}, UsageError, "two or more distinct wordings"),
        ("Label {{ text }}.", {}, PromptError, "--- variant NAME"),
        ("--- variant a\n{{ tex }}\n--- variant b\nx", {}, PromptError, "field 'tex' not found"),
    ],
)
def test_variants_that_cannot_work_are_refused(
    prompt: str, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        variants(prompt, **{"rows": ROWS, "labels": ["good", "bad"]} | options)


def test_killed_variants_go_on(survives: Callable[..., sk.Run]) -> None:
    run = survives(lambda: variants(rows=ROWS, labels="good,bad", k=3), answer)
    assert len(run.table) == 3


@pytest.mark.model
def test_smollm2_answers_each_wording(make: Make, smollm2: sk.core.models.Model) -> None:
    sampling = sk.Sampling(max_tokens=8)
    run = make(variants(rows=ROWS[:2], labels="good,bad", k=3, sampling=sampling), smollm2)
    assert len(run.table) + len(run.rejects) == 2
    assert run.table.uncertainty.between(0, math.log(3)).all()
