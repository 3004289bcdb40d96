from __future__ import annotations

import pytest

from synthkit import decode
from synthkit.recipes.ask import ask
from synthkit.types import Completion, Message, Reject, Request

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
    steps = ask(ASKED, decode.label(["a", "b"]))
    assert next(steps) == [ASKED]
    with pytest.raises(StopIteration) as end:
        steps.send([answer])
    assert end.value.value == outcome
