"""Prompts that begin alike are read once, and nothing else of the completions changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from synthkit.core.types import Message, Request, Sampling
from synthkit.models.local_model import Local, load_local
from synthkit.models.transformers.prompt_reading import PromptReader
from synthkit.models.transformers.weights import Engine

WORDS = "salt river lamp quiet orchard paper window winter bread copper".split()
LONG = " ".join(WORDS * 2)


@pytest.fixture(scope="module")
def model(tiny: Path) -> Local:
    return load_local(f"hf:{tiny}", quantize="none", dtype="float32", max_batch=8)


@pytest.fixture
def reads(model: Local, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The (rows, tokens) of each forward pass that reads prompts."""
    shapes: list[tuple[int, int]] = []
    forward = Engine.forward

    def counted(self: Engine, **inputs: Any) -> Any:
        if "logits_to_keep" in inputs:
            shapes.append(tuple(inputs["input_ids"].shape))
        return forward(self, **inputs)

    model.load()
    monkeypatch.setattr(Engine, "forward", counted)
    return shapes


def request(text: str, *, index: int = 0, system: str = "", tokens: int = 8) -> Request:
    turns = [Message("system", system)] if system else []
    sampling = Sampling(temperature=1.0, max_tokens=tokens, extra={"ignore_eos": True})
    return Request((*turns, Message("user", text)), sampling, None, index)


def texts(model: Local, requests: Sequence[Request]) -> list[str]:
    done = dict(event for event in model.complete(requests) if event is not None)
    return [done[at].text for at in range(len(requests))]


def test_samples_of_one_prompt_read_it_once(model: Local, reads: list[tuple[int, int]]) -> None:
    requests = [request("salt", index=at) for at in range(4)]
    together = texts(model, requests)
    assert [rows for rows, _ in reads] == [1]
    assert len(set(together)) == 4
    assert together == [texts(model, [one])[0] for one in requests]


def test_what_prompts_begin_with_is_read_once(model: Local, reads: list[tuple[int, int]]) -> None:
    requests = [
        request(" ".join(WORDS[: 1 + at % 5]), system=LONG, index=at, tokens=3 + at)
        for at in range(12)
    ]
    together = texts(model, requests)
    read = sum(rows * tokens for rows, tokens in reads)
    reads.clear()
    single = [texts(model, [one])[0] for one in requests]
    assert together == single
    assert read < sum(rows * tokens for rows, tokens in reads) / 3


def test_two_kinds_of_prompts_in_turn_are_each_learned_once(
    model: Local, reads: list[tuple[int, int]]
) -> None:
    other = " ".join(reversed(WORDS * 2))
    reader = PromptReader(model.load())
    kinds = [tuple(model.load().tokenizer(text)["input_ids"]) for text in (LONG, other)]
    for at in range(6):
        for kind in kinds:
            reader.read([(*kind, 5 + at), (*kind, 20 + at, 3)])
    assert len(reader.beginnings) == 2
    assert len([1 for rows, _ in reads if rows == 1]) == 2


def test_rows_of_different_lengths_after_one_beginning_see_only_their_own_tokens(
    model: Local,
) -> None:
    import torch

    engine = model.load()
    beginning = tuple(engine.tokenizer(LONG)["input_ids"])
    several = [(*beginning, 7), (*beginning, 8, 9, 10, 11), (*beginning, 7, 7, 12)]
    reader = PromptReader(engine)
    logits, cache, lengths = reader.read(several)
    assert len(reader.beginnings) == 1
    for at, text in enumerate(several):
        out = engine.forward(input_ids=torch.tensor([text]), logits_to_keep=1)
        torch.testing.assert_close(logits[at], out.logits[0, -1])
        for layer, single in zip(cache.layers, out.past_key_values.layers, strict=True):
            own = layer.keys[at, :, -lengths[at] :]
            torch.testing.assert_close(own, single.keys[0])


def test_a_short_or_single_beginning_is_not_read_by_itself(
    model: Local, reads: list[tuple[int, int]]
) -> None:
    reader = PromptReader(model.load())
    reader.read([(1, 2, 3, 4), (1, 2, 3, 5)])
    reader.read([tuple(range(5, 60))])
    assert reader.beginnings == []
    assert len(reads) == 2


def test_the_first_rows_of_a_cpu_start_alone(model: Local) -> None:
    requests = [request(WORDS[at], index=at, tokens=2 + 4 * at) for at in range(10)]
    for event in model.complete(requests):
        if event is not None:
            assert event[1].completion_tokens == 2 + 4 * event[0]
            break
    assert event is not None
    assert "float32 on cpu with" in event[1].how
