from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest

import synthkit as sk
from synthkit.core.types import Request
from synthkit.recipes import likelihood
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]


ROWS = [
    {"id": "a", "text": "A warm loaf.", "instruction": "Describe bread.", "label": "good"},
    {"id": "b", "text": "Cold soup again.", "instruction": "Be rude.", "label": "bad"},
]


def test_probabilities_of_labels_are_normalised_over_the_labels(make: Make) -> None:
    chances = {"good": 0.3, "bad": 0.1}

    def score(request: Request) -> float:
        return math.log(chances[str(request.answer)])

    recipe = likelihood(rows=ROWS, labels="good, bad", label="label")
    run = make(recipe, sk.Fake(score=score))
    assert run.table.likeliest.tolist() == ["good", "good"]
    assert run.table.confidence.tolist() == pytest.approx([0.75, 0.75])
    assert run.table.likelihood.tolist() == pytest.approx([0.75, 0.25])
    assert json.loads(run.table.likelihoods[0]) == pytest.approx({"good": 0.75, "bad": 0.25})
    assert (run.ledger.requests, run.ledger.completion_tokens) == (4, 0)
    expects(recipe, run)


def test_the_words_of_a_label_count_by_their_mean_unless_they_are_to_be_summed(make: Make) -> None:
    labels = {"long": "three words long", "one": "word"}

    def score(request: Request) -> float:
        return -1.0 if request.answer == "word" else -0.9

    mean = make(likelihood(rows=ROWS[:1], labels=labels), sk.Fake(score=score))
    total = make(likelihood(rows=ROWS[:1], labels=labels, per_token=False), sk.Fake(score=score))
    assert (mean.table.likeliest[0], total.table.likeliest[0]) == ("long", "one")
    assert mean.table.confidence[0] == pytest.approx(1 / (1 + math.exp(-0.1)))
    assert total.table.confidence[0] == pytest.approx(1 / (1 + math.exp(-1.7)))


def test_a_tie_and_a_label_of_none_of_them_are_rejects(make: Make) -> None:
    tied = make(likelihood(rows=ROWS[:1], labels="good,bad"), sk.Fake(score=lambda _: -1))
    assert tied.rejects.reason.tolist() == ["several labels are equally likely"]
    rows = [{"text": "x", "label": "odd"}]
    odd = make(likelihood(rows=rows, labels="good,bad", label="label"))
    assert odd.rejects.reason.tolist() == ["the label 'odd' is none of good, bad"]
