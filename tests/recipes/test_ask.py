from __future__ import annotations

import pytest

from synthkit.core.types import Completion, Message, Reject, Request
from synthkit.prompts import parsing
from synthkit.recipes._ask import ask

ASKED = Request((Message("user", "Hi."),), attrs={"x": 1})


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Completion("A."), {"label": "a"}),
        (Completion("c"), Reject("c", "names none of the labels 'a', 'b'")),
        (Completion("", finish="error", error="http 500"), Reject("", "http 500")),
    ],
)
def test_one_request_gives_what_the_decoder_makes_of_it(
    answer: Completion, outcome: object
) -> None:
    steps = ask(ASKED, parsing.label(["a", "b"]))
    assert next(steps) == [ASKED]
    with pytest.raises(StopIteration) as end:
        steps.send([answer])
    assert end.value.value == outcome
