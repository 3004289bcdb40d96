from __future__ import annotations

from collections.abc import Callable

import synthkit as sk
from synthkit.core.types import Message, Request
from synthkit.curate import apply_filters, by_column
from synthkit.recipes import ifd
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]


ROWS = [
    {"id": "a", "text": "A warm loaf.", "instruction": "Describe bread.", "label": "good"},
    {"id": "b", "text": "Cold soup again.", "instruction": "Be rude.", "label": "bad"},
]


def test_ifd_is_the_ratio_of_the_mean_surprises_over_the_same_tokens(make: Make) -> None:
    def score(request: Request) -> float:
        rude = request.messages and "rude" in request.messages[0].content
        return -3.0 if rude else -0.5 if request.messages else -2.0

    recipe = ifd(rows=ROWS)
    model = sk.Fake(score=score)
    run = make(recipe, model)
    assert run.table.ifd.tolist() == [0.25, 1.5]
    assert [request.answer for request in model.asked[:2]] == ["A warm loaf."] * 2
    assert model.asked[0].messages == (Message("user", "Describe bread."),)
    kept = apply_filters(run.table, by_column("ifd", most=1))
    assert kept.kept.parent.tolist() == ["a"]
    assert kept.dropped.why.tolist() == ["ifd too high: 1.5"]
    expects(recipe, run)
