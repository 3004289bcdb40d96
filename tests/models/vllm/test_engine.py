"""vLLM as an engine, by a stand-in of its interface; no weights run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from synthkit.core.errors import MissingExtra, ModelError, UsageError
from synthkit.core.types import Completion, Message, Request, Sampling
from synthkit.models import load_model
from tests.models.vllm import stand_in


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[stand_in.LLM]]:
    for name, module in stand_in.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda n: "0.33.0" if n == "vllm" else version(n))
    stand_in.LLM.made, stand_in.LLM.failure = [], None
    yield stand_in.LLM
    stand_in.LLM.made, stand_in.LLM.failure = [], None


def load(folder: Path, **options: Any) -> Any:
    return load_model(f"hf:{folder}", engine="vllm", device="cuda", **options)


def ask(text: str, index: int = 0, **options: Any) -> Request:
    parts = {key: options.pop(key) for key in ("schema", "pattern") if key in options}
    return Request((Message("user", text),), Sampling(**options), index=index, **parts)


def answers(model: Any, requests: list[Request]) -> list[Completion]:
    found = dict(event for event in model.complete(requests) if event is not None)
    return [found[at] for at in range(len(requests))]


def test_rows_go_to_vllm_as_tokens_of_the_chat_template_with_their_seeds(
    vllm: Any, tiny: Path
) -> None:
    model = load(tiny, max_batch=3)
    requests = [ask("a b", at, temperature=0.5, top_p=0.9, extra={"top_k": 4}) for at in range(8)]
    found = answers(model, requests)
    (llm,) = vllm.made
    assert llm.model == str(tiny)
    assert llm.options["max_num_seqs"] == 3
    assert llm.options["trust_remote_code"] is False
    assert llm.llm_engine.most == 3
    sent = llm.llm_engine.added
    assert sorted(p.seed for _, _, p, _ in sent) == sorted(r.row_seed for r in requests)
    assert {(p.temperature, p.top_p, p.top_k) for _, _, p, _ in sent} == {(0.5, 0.9, 4)}
    prompt = load_model(f"hf:{tiny}", engine="transformers", device="cpu", quantize="none")
    engine = prompt.load()
    expected, _ = prompt._chat(engine).prompt(requests[0], engine.ends)
    assert sent[0][1] == expected
    assert found[0].prompt_tokens == len(expected)
    assert all(completion.finish == "stop" for completion in found)
    assert len({completion.text for completion in found}) > 1
    assert found[0].how == "vllm 0.33.0"
    assert json.loads(model.fingerprint)["engine"] == "vllm"


def test_limits_stop_texts_and_logprobs(vllm: Any, tiny: Path) -> None:
    model = load(tiny)
    greedy = {"temperature": 0}
    cut, stopped, scored = answers(
        model,
        [
            ask("a b", **greedy, max_tokens=2),
            ask("a b", **greedy, stop="b"),
            ask("a b", **greedy, logprobs=True),
        ],
    )
    assert (cut.finish, cut.completion_tokens) == ("length", 2)
    assert "b" not in stopped.text
    assert stopped.finish == "stop"
    assert scored.logprobs is not None
    sent = {params.logprobs: params for _, _, params, _ in vllm.made[0].llm_engine.added}
    assert sent[0].seed is None
    assert [pair[1] for pair in scored.logprobs[:2]] == pytest.approx(
        [-token / 100 for token in vllm.made[0].llm_engine.added[0][1][:2]]
    )


def test_constraints_are_vllms(vllm: Any, tiny: Path) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    requests = [
        ask("a", schema={"enum": ["a", "b"]}),
        ask("a", schema=schema),
        ask("a", pattern="^(?P<letter>[ab])$"),
        ask("a", pattern="(?i)a"),
    ]
    label, *_ = answers(load(tiny), requests)
    assert label.text in ("a", "b")
    made = [params.structured_outputs for _, _, params, _ in vllm.made[0].llm_engine.added]
    by_kind = {
        kind: c for c in made if c for kind in ("choice", "json", "regex") if getattr(c, kind)
    }
    assert by_kind["choice"].choice == ["a", "b"]
    assert json.loads(by_kind["json"].json)["required"] == ["n"]
    assert by_kind["json"].disable_any_whitespace
    assert by_kind["regex"].regex == "([ab])"
    assert made.count(None) == 1


def test_an_adapter_is_a_lora_request(vllm: Any, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"r": 32}')
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weights")
    model = load(tiny, adapter=tmp_path, quantize="nf4")
    answers(model, [ask("a")])
    (llm,) = vllm.made
    assert (llm.options["enable_lora"], llm.options["max_lora_rank"]) == (True, 32)
    assert llm.options["quantization"] == "bitsandbytes"
    assert llm.llm_engine.added[0][3].lora_path == str(tmp_path)


def test_closing_aborts_what_is_under_way(vllm: Any, tiny: Path) -> None:
    events = load(tiny).complete([ask("a b a b", at) for at in range(5)])
    while not vllm.made or not vllm.made[0].llm_engine.running:
        next(events)
    events.close()
    core = vllm.made[0].llm_engine
    assert core.running == {}
    assert len(core.aborted) == 5


def test_what_cannot_run_is_said(vllm: Any, tiny: Path) -> None:
    stand_in.LLM.failure = RuntimeError("No CUDA GPUs are available\nmore")
    with pytest.raises(ModelError, match=r"by vLLM: No CUDA GPUs are available. Leave engine="):
        answers(load(tiny), [ask("a")])
    with pytest.raises(UsageError, match="engine='vllm' has no quantize='int8'"):
        load(tiny, quantize="int8")


def test_without_vllm_the_extra_is_named(tiny: Path) -> None:
    with pytest.raises(MissingExtra, match=r"vllm is needed .*jupyter-synthkit\[vllm\]"):
        answers(load(tiny), [ask("a")])
