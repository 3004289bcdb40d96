from __future__ import annotations

import math
from collections.abc import Callable

import pytest

import synthkit as sk
from synthkit.recipes import perplexity
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]


ROWS = [
    {"id": "a", "text": "A warm loaf.", "instruction": "Describe bread.", "label": "good"},
    {"id": "b", "text": "Cold soup again.", "instruction": "Be rude.", "label": "bad"},
]


def test_perplexity_is_e_to_the_mean_surprise(make: Make) -> None:
    recipe = perplexity(rows=ROWS)
    run = make(recipe, sk.Fake(score=lambda _: -math.log(50)))
    assert run.table.perplexity.tolist() == pytest.approx([50, 50])
    assert run.ledger.requests == 2
    expects(recipe, run)
    model = sk.Fake()
    make(perplexity("{{ instruction }}", rows=ROWS), model)
    assert [one.messages[0].content for one in model.asked] == ["Describe bread.", "Be rude."]
    assert [one.answer for one in model.asked] == ["A warm loaf.", "Cold soup again."]


def test_numbers_long_texts_and_every_script_are_scored(make: Make) -> None:
    texts = ["3 4", "é 東 京 🙂 مرحبا", "a b " * 250_000, "same text", "same text"]
    run = make(perplexity(rows={"text": texts}))
    assert run.table.text.tolist() == texts
    assert run.table.id.is_unique
    assert len(make(perplexity(rows={"text": []})).table) == 0
    assert make(perplexity(rows={"text": [12.5, 3.25]})).rejects.shape[0] == 2  # single words
