"""Where memory ends, idle models give the memory of their weights to the one that is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthkit.core.errors import NotEnoughMemory
from synthkit.core.memory import Memory
from synthkit.core.types import Message, Request, Sampling
from synthkit.models.local import loaded, memory
from synthkit.models.local_model import Local, load_local

ASK = Request((Message("user", "Say salt."),), Sampling(max_tokens=4))


def answer(model: Local) -> str:
    return dict(filter(None, model.complete([ASK])))[0].text


@pytest.fixture
def models(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> list[Local]:
    """Three models, of which only two fit into memory."""
    found = [load_local(f"hf:{tiny}", quantize="none", max_batch=1 + n) for n in range(3)]

    def of_process() -> Memory:
        free = 2 - sum(bool(model._loaded) for model in found)
        return Memory(2 * 10**10, free * 10**10, "this test")

    loaded._MODELS.clear()
    monkeypatch.setattr(memory, "of_process", of_process)
    return found


def test_the_model_used_longest_ago_is_unloaded_for_a_new_one(models: list[Local]) -> None:
    a, b, c = models
    texts = [answer(a), answer(b), answer(a)]
    answer(c)
    assert [bool(model._loaded) for model in models] == [True, False, True]
    assert [answer(a), answer(b), answer(a)] == texts


def test_a_model_whose_rows_are_under_way_stays(models: list[Local]) -> None:
    a, b, c = models
    answer(a)
    running = b.complete([ASK])
    while not b._loaded:
        next(running)
    held = a.complete([ASK])
    next(held)
    assert not a.unload()
    with pytest.raises(NotEnoughMemory):
        answer(c)
    running.close()
    held.close()
    assert answer(c)


def test_idle_models_stay_where_there_is_room(models: list[Local]) -> None:
    a, b, _ = models
    answer(a)
    answer(b)
    assert [bool(model._loaded) for model in models] == [True, True, False]


def test_what_fits_nowhere_is_refused_after_all_idle_models_are_unloaded(
    models: list[Local],
) -> None:
    a, *_ = models
    answer(a)
    with pytest.raises(NotEnoughMemory, match=r"big needs about 30\.00 GB.*Buy more"):
        memory.preflight("big", 3 * 10**10, memory.of_process, "Buy more.")
    assert not a._loaded
    assert answer(a)
