from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

from synthkit.models.transformers.weights import CACHE_NAMES, Engine, cache_of


def engine(net: Any, *accepts: str) -> Engine:
    return Engine(
        net=net,
        accepts=frozenset(accepts),
        tokenizer=None,
        ends=frozenset(),
        context=8,
        mergeable=True,
        device="cpu",
        width=4,
        row_bytes=1,
    )


@pytest.mark.parametrize("name", CACHE_NAMES)
def test_keys_and_values_go_by_the_name_that_an_architecture_has_for_them(name: str) -> None:
    given = engine(dict, "input_ids", name).forward(input_ids=1, past_key_values="k", other=2)
    assert given == {"input_ids": 1, name: "k", "use_cache": True}
    assert cache_of(given) == "k"


def test_a_first_pass_has_no_keys_and_values() -> None:
    assert engine(dict, *CACHE_NAMES).forward(input_ids=None, past_key_values=None) == {
        "use_cache": True
    }
