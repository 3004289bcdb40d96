from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.core.types import Row
from synthkit.recipes import gather, user

Make = Callable[..., sk.Run]


def test_steps_within_steps_run_side_by_side(make: Make) -> None:
    def branch(n: int) -> Any:
        (first,) = yield [user(f"first {n}")]
        (second,) = yield [user(f"second {n}: {first.text}")]
        return second.text

    def many(rows: list[dict[str, Any]]) -> Any:
        texts = yield from gather(branch(n) for n in range(3))
        none = yield from gather([])
        yield [Row({"text": text}) for text in [*texts, *none]]

    fake = sk.Fake(lambda request: request.messages[-1].content.upper())
    run = make(many, fake)
    assert run.table.text.tolist() == [f"SECOND {n}: FIRST {n}" for n in range(3)]
    assert run.table.id.is_unique


def test_a_second_model_answers_what_is_asked_of_it(make: Make) -> None:
    def judged(row: dict[str, Any]) -> Any:
        (text,) = yield [user("Write.")]
        (verdict,) = yield [user(f"Judge: {text.text}", to="judge")]
        return {"text": text.text, "verdict": verdict.text}

    recipe = sk.recipes.per_row(
        judged, [{"x": 1}], name="judged", requests=sk.recipes.Bounds(2, 2), roles=["judge"]
    )
    run = make(recipe, sk.Fake("prose"), others={"judge": sk.Fake("good", name="j")})
    assert run.table[["text", "verdict"]].values.tolist() == [["prose", "good"]]
    again = make(recipe, sk.Fake("prose"), others={"judge": sk.Fake("bad", name="k")})
    assert (again.ledger.hits, again.ledger.requests) == (1, 1)
    with pytest.raises(UsageError, match=r"role 'jury' not found; have 'judge'"):
        make(recipe, others={"jury": sk.Fake()})
