from __future__ import annotations

from collections.abc import Callable

import pytest

import synthkit as sk
from synthkit.core.errors import ModelNotFound, ReplayMiss

Generate = Callable[..., sk.Run]
ROWS = [{"x": i} for i in range(3)]


def test_a_recorded_run_is_replayed_without_its_model(generate: Generate) -> None:
    recorded = generate(rows=ROWS, model=sk.Fake(name="gpt"))
    replayed = generate(rows=ROWS, model="replay")
    assert replayed.table.to_dict() == recorded.table.to_dict()
    assert (replayed.ledger.requests, replayed.ledger.hits, replayed.ledger.cost) == (0, 3, 0.0)


def test_a_miss_names_the_field_that_changed_and_keeps_the_rest(generate: Generate) -> None:
    generate(rows=ROWS, model=sk.Fake(name="gpt"))
    with pytest.raises(ReplayMiss, match="1 requests are not in this recording of gpt") as caught:
        generate(rows=[*ROWS, {"x": "new"}], model="replay")
    assert caught.value.run is not None
    assert len(caught.value.run.table) == 3
    with pytest.raises(
        ReplayMiss, match=r"differs in temperature: '0.7' stored, '1.0' requested\. "
    ):
        generate(rows=ROWS, model="replay", sampling=sk.Sampling(temperature=1))


def test_the_latest_model_is_replayed_unless_another_is_named(generate: Generate) -> None:
    for name in ("a", "b"):
        generate(rows=ROWS, model=sk.Fake(f"I am {name}", name=name))
    assert set(generate(rows=ROWS, model="replay").table["text"]) == {"I am b"}
    assert set(generate(rows=ROWS, model="replay:a").table["text"]) == {"I am a"}
    with pytest.raises(ReplayMiss, match=r"Other models are recorded here too: replay:a\.$"):
        generate("Tell {{ x }}.", rows=ROWS, model="replay")
    with pytest.raises(ModelNotFound, match="recorded model 'c' not found; have 'a', 'b'"):
        generate(rows=ROWS, model="replay:c")


def test_an_empty_session_cannot_be_replayed(generate: Generate) -> None:
    with pytest.raises(ModelNotFound, match="has no completions to replay"):
        generate(rows=ROWS, model="replay")
